//! `cms policy`: the settings of the store, and where each comes from.

use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::settings;
use crate::settings::all_json;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "policy",
    aliases: &[],
    arguments: "",
    summary: "print the settings of this store: the value of each, and where it comes from",
    flags: &[],
    writes: Writes::Nothing,
    run,
};

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    call.expect(0, 0)?;
    let settings = context.store.settings();
    if context.json {
        let object = json!({"settings": all_json(&settings), "problems": settings.problems});
        let Json::Object(object) = object else { return Ok(Exit::Ok) };
        context.put_map(object)?;
    } else {
        settings::show(context, &settings)?;
    }
    Ok(if settings.problems.is_empty() { Exit::Ok } else { Exit::Invalid })
}
