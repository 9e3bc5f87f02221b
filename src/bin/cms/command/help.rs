//! `cms help`: lists the commands, explains one, or a topic.

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::help_text::{command_help, overview, topic};
use crate::line::find;
use crate::manual;
use crate::near::{hint, nearest};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "help",
    aliases: &[],
    arguments: "[COMMAND | TOPIC]",
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
        Some(name) => match find(call.commands, &name) {
            Some(command) => command_help(context, command)?,
            None if topic(context, call.commands, &name)? => {}
            None => {
                let why = format!("no command or topic '{name}'");
                let near = nearest(
                    &name,
                    call.commands.iter().map(|command| command.name()).chain(manual::topics()),
                );
                return Err(match near {
                    Some(near) => Failure::Hinted(Exit::Usage, why, hint(near)),
                    None => Failure::Usage(why),
                });
            }
        },
    }
    Ok(Exit::Ok)
}
