//! `cms policy`: the settings of the store, and where each comes from.

use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::settings;
use crate::settings::{SETTING, all_json};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "policy",
    aliases: &[],
    arguments: "",
    summary: "print the settings of this store: the value of each, and where it comes from",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::members(&POLICY)],
    run,
};

/// The settings of a store.
const POLICY: Shape = Shape::of(
    "
    settings {setting} the settings by name
    problems [text] what is wrong with the policy",
)
.using(&[&SETTING]);

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
