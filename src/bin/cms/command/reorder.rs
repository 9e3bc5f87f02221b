//! `cms reorder`: moves sections.

use cms::{DeltaKind, Key};

use crate::argument::show;
use crate::context::Context;
use crate::edits::{CHANGED, Edits, FLAGS, Flags};
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};
use crate::staged::STAGED;

pub const COMMAND: Command<Flags> = Command {
    name: "reorder",
    aliases: &[],
    arguments: "SECTION=POSITION...",
    summary: "stage a new position of a section, counted from 0, or from the end: -1 is the last",
    flags: FLAGS,
    writes: Writes::InTransactions,
    json: &[Output::one(&CHANGED), Output::rows(&STAGED).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let mut edits = Edits::new(call.flags.goal()?);
    for argument in call.expect(1, usize::MAX)? {
        let (key, value) = Key::parse_assignment(argument)?;
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument))))?;
        let from_end = value.strip_prefix(b"-").and_then(|digits| show(digits).parse::<usize>().ok());
        let position = match from_end {
            Some(back) => {
                let count = edits.package(context, &key.package)?.loaded.package.len();
                let place = count.checked_sub(back).filter(|place| *place < count);
                // Without sections the key is what is missing.
                let place = place.or((count == 0).then_some(0)).ok_or_else(|| {
                    let why = format!("there are {count} sections, so the first one is -{count}");
                    Failure::Other(Exit::Invalid, format!("'{}': {why}", show(argument)))
                })?;
                place.to_string().into_bytes()
            }
            None => value.to_vec(),
        };
        edits.apply(context, DeltaKind::Reorder, &key, Some(&position))?;
    }
    edits.finish(context)
}
