//! `cms reorder`: moves sections.

use cms::DeltaKind;

use crate::context::Context;
use crate::edits::each;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::{COMMIT, Command, WITH_STAGED};

pub const COMMAND: Command = Command {
    name: "reorder",
    aliases: &[],
    arguments: "SECTION=POSITION...",
    summary: "stage a new position of a section, counted from 0",
    flags: &[COMMIT, WITH_STAGED],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    each(context, line, DeltaKind::Reorder)
}
