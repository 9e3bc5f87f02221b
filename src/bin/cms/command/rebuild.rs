//! `cms rebuild`: makes maps anew.

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "rebuild",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "rebuild the maps from the text: all, or those of the packages named",
    flags: &[],
    writes: Writes::Alone,
    run,
};

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    for name in context.packages(&call.arguments)? {
        if context.dry_run {
            context.say(&format!("would make the map of {} anew", show(&name)))?;
            continue;
        }
        match context.store.rebuild(&name) {
            Ok(()) => context.verbose(&format!("{}: the map is new", show(&name))),
            Err(error) => context.report(&error.into())?,
        }
    }
    Ok(Exit::Ok)
}
