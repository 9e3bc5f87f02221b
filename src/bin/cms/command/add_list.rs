//! `cms add_list`: adds items to lists.

use cms::DeltaKind;

use crate::context::Context;
use crate::edits::{CHANGED, FLAGS, Flags, each};
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};
use crate::staged::STAGED;

pub const COMMAND: Command<Flags> = Command {
    name: "add_list",
    aliases: &["add-list"],
    arguments: "KEY=VALUE...",
    summary: "stage new list items",
    flags: FLAGS,
    writes: Writes::InTransactions,
    json: &[Output::one(&CHANGED), Output::rows(&STAGED).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    each(context, call.flags.goal()?, call.expect(1, usize::MAX)?, DeltaKind::AddList)
}
