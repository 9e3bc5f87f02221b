//! `cms add_list`: adds items to lists.

use cms::DeltaKind;

use crate::context::Context;
use crate::edits::each;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::{COMMIT, Command, WITH_STAGED};

pub const COMMAND: Command = Command {
    name: "add_list",
    aliases: &["add-list"],
    arguments: "KEY=VALUE...",
    summary: "stage new list items",
    flags: &[COMMIT, WITH_STAGED],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    each(context, line, DeltaKind::AddList)
}
