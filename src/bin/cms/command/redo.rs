//! `cms redo`: makes an undone transaction again.

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::CHANGE;
use crate::reversal::{FLAGS, Flags, REVERSAL, Reversal};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command<Flags> = Command {
    name: "redo",
    aliases: &[],
    arguments: "[REVISION]",
    summary: "make an undone transaction again, the one undone last if none is named; later changes stay",
    flags: FLAGS,
    writes: Writes::Alone,
    json: &[Output::one(&REVERSAL), Output::rows(&CHANGE).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    context.note_edits();
    let named = call.expect(0, 1)?.first();
    let history = context.store.history();
    let transaction = named.map(|spec| context.find_revision(&show(spec))).transpose()?;
    let undo = history
        .undo_to_redo(transaction, Reversal::by(&call.flags))
        .map_err(|error| Reversal::nothing(context, &call.flags, error))?;
    Reversal::Redo.run(context, &call.flags, &undo, named.is_some())
}
