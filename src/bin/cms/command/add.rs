//! `cms add`: adds an anonymous section.

use cms::text::Dialect;
use cms::{Delta, DeltaKind};

use crate::argument::show;
use crate::context::Context;
use crate::edits::{CHANGED, Edited, Edits, FLAGS, Flags};
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};
use crate::staged::STAGED;

pub const COMMAND: Command<Flags> = Command {
    name: "add",
    aliases: &[],
    arguments: "PACKAGE TYPE [OPTION=VALUE...]",
    summary: "stage a new anonymous section and print its name",
    flags: FLAGS,
    writes: Writes::InTransactions,
    json: &[Output::one(&NAME), Output::rows(&STAGED).when("With --json --dry-run")],
    run,
};

/// The section that was added.
const NAME: Shape = Shape::of(
    "
    name text the name of the new section
    ... changed",
)
.using(&[&CHANGED]);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let arguments = call.expect(2, usize::MAX)?;
    let mut edits = Edits::new(call.flags.goal()?);
    let Edited { loaded, deltas, .. } = edits.package(context, &arguments[0])?;
    // In UCI a section whose type is empty is a deleted one.
    if arguments[1].is_empty() {
        return Err(Failure::Other(Exit::Invalid, "'': a section has a type".into()));
    }
    let name = loaded.package.add_section(&arguments[1])?;
    deltas.push(Delta::new(DeltaKind::Add, name.as_bytes(), None, Some(&arguments[1])));
    for assignment in &arguments[2..] {
        let (option, value) = cms::delta::split_value(assignment);
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(assignment))))?;
        let delta = Delta::new(DeltaKind::Set, name.as_bytes(), Some(option), Some(value));
        deltas.extend(loaded.package.apply(&delta, Dialect::Cms)?);
    }
    if !context.json {
        context.print_line(&name)?;
    }
    edits.finish_of(context, Some(&name))
}
