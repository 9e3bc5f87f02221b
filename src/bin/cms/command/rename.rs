//! `cms rename`: renames sections and options.

use cms::DeltaKind;

use crate::context::Context;
use crate::edits::{CHANGED, FLAGS, Flags, each};
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};
use crate::staged::STAGED;

pub const COMMAND: Command<Flags> = Command {
    name: "rename",
    aliases: &["ren"],
    arguments: "KEY=NAME...",
    summary: "stage a new name of a section or an option",
    flags: FLAGS,
    writes: Writes::InTransactions,
    json: &[Output::one(&CHANGED), Output::rows(&STAGED).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    each(context, call.flags.goal()?, call.expect(1, usize::MAX)?, DeltaKind::Rename)
}
