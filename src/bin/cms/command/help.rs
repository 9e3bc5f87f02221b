//! `cms help`: lists the commands, explains one, or the types of JSON output.

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::help_text::{command_help, json_help, overview};
use crate::line::find;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "help",
    aliases: &[],
    arguments: "[COMMAND | json]",
    summary: "print help",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::text(&TEXT)],
    run,
};

/// See the summary.
const TEXT: Shape = Shape::of(
    "
    . text help",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    match call.expect(0, 1)?.first().map(|name| show(name)) {
        None => overview(context, call.commands)?,
        Some(name) if name == "json" => json_help(context, call.commands)?,
        Some(name) => {
            let command =
                find(call.commands, &name).ok_or_else(|| Failure::Usage(format!("no command '{name}'")))?;
            command_help(context, command)?;
        }
    }
    Ok(Exit::Ok)
}
