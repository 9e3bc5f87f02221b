//! `cms help`: what commands there are, and what one does.

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::help_text::{command_help, overview};
use crate::line::Line;
use crate::spec::Command;
use crate::table::find;

pub const COMMAND: Command = Command {
    name: "help",
    aliases: &[],
    arguments: "[COMMAND]",
    summary: "print help",
    flags: &[],
    writes: false,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    match line.expect(0, 1)?.first().map(|name| show(name)) {
        None => overview(context)?,
        Some(name) => {
            let command = find(&name).ok_or_else(|| Failure::Usage(format!("no command '{name}'")))?;
            command_help(context, command)?;
        }
    }
    Ok(Exit::Ok)
}
