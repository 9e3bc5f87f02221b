//! `cms undo`: undoes a transaction.

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::CHANGE;
use crate::reversal::{FLAGS, Flags, REVERSAL, Reversal};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command<Flags> = Command {
    name: "undo",
    aliases: &[],
    arguments: "[REVISION]",
    summary: "undo a transaction, the newest that is not undone if none is named; later changes stay",
    flags: FLAGS,
    writes: Writes::Alone,
    json: &[Output::one(&REVERSAL), Output::rows(&CHANGE).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    context.note_edits();
    let named = call.expect(0, 1)?.first();
    let history = context.store.history();
    let record = match named {
        Some(spec) => history.transaction(context.find_revision(&show(spec))?)?,
        None => history
            .last_undoable(Reversal::by(&call.flags))
            .map_err(|error| Reversal::nothing(context, &call.flags, error))?,
    };
    Reversal::Undo.run(context, &call.flags, &record, named.is_some())
}
