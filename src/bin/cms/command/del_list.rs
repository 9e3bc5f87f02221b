//! `cms del_list`: takes items out of lists.

use cms::DeltaKind;

use crate::context::Context;
use crate::edits::each;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::{COMMIT, Command, WITH_STAGED};

pub const COMMAND: Command = Command {
    name: "del_list",
    aliases: &["del-list"],
    arguments: "KEY=VALUE...",
    summary: "stage the removal of list items by value",
    flags: &[COMMIT, WITH_STAGED],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    each(context, line, DeltaKind::DelList)
}
