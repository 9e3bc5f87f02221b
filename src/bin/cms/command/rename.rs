//! `cms rename`: renames sections and options.

use cms::DeltaKind;

use crate::context::Context;
use crate::edits::each;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::{COMMIT, Command, WITH_STAGED};

pub const COMMAND: Command = Command {
    name: "rename",
    aliases: &["ren"],
    arguments: "KEY=NAME...",
    summary: "stage a new name of a section or an option",
    flags: &[COMMIT, WITH_STAGED],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    each(context, line, DeltaKind::Rename)
}
