//! `cms version`.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::help_text::VERSION;
use crate::help_text::version;
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "version",
    aliases: &[],
    arguments: "",
    summary: "print the version",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::one(&VERSION)],
    run,
};

fn run(context: &mut Context, _: &Call) -> Result<Exit, Failure> {
    version(context)
}
