//! `cms undo`: undoes a transaction.

use cms::State;
use cms::log::Kind;

use crate::argument::show;
use crate::context::Context;
use crate::difference::print_difference;
use crate::failure::{Exit, Failure};
use crate::records::{CHANGE, REVISION};
use crate::records::{check_log_of_root, check_logged, note_edits, print_revision};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "undo",
    aliases: &[],
    arguments: "[REVISION]",
    summary: "undo a transaction, the last one if none is named; later changes stay",
    flags: &[],
    writes: Writes::Alone,
    json: &[Output::one(&REVISION), Output::rows(&CHANGE).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    note_edits(context);
    let sequence = match call.expect(0, 1)?.first() {
        Some(spec) => context.store.history().find_revision(&show(spec))?,
        None => {
            let last = context.store.history().changes(None, usize::MAX)?.into_iter();
            let found =
                last.filter(|r| !matches!(r.kind, Kind::Baseline | Kind::Confirm)).map(|r| r.sequence).next();
            if found.is_none() {
                check_log_of_root(context)?;
                check_logged(context)?;
            }
            found.ok_or_else(|| {
                let why = "nothing to undo: the log holds no transaction that changed anything";
                Failure::Other(Exit::NotFound, why.into())
            })?
        }
    };
    if context.dry_run {
        let (old, new) = (State::Revision(sequence), State::Revision(sequence.saturating_sub(1)));
        return print_difference(context, &[], &old, &new, false);
    }
    let done = context.store.history().undo(sequence, None)?;
    print_revision(context, &format!("transaction {sequence} is undone"), Some(done))
}
