//! `cms version`.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::help_text::version;
use crate::line::Line;
use crate::spec::Command;

pub const COMMAND: Command = Command {
    name: "version",
    aliases: &[],
    arguments: "",
    summary: "print the version",
    flags: &[],
    writes: false,
    run,
};

fn run(context: &mut Context, _: &Line) -> Result<Exit, Failure> {
    version(context)
}
