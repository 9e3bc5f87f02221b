//! `cms set`: gives options and sections values.

use cms::{DeltaKind, Key};

use crate::context::Context;
use crate::edits::{CHANGED, Edits, Goal, each_of};
use crate::failure::{Exit, Failure};
use crate::flat;
use crate::input::read_value;
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, bytes, commit, switch, with_staged};
use crate::staged::STAGED;

#[derive(Default)]
pub struct Flags {
    stdin: bool,
    from_file: Option<Vec<u8>>,
    strict: bool,
    commit: bool,
    with_staged: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "set",
    aliases: &[],
    arguments: "KEY=VALUE... | KEY VALUE",
    summary: "stage values; PACKAGE.SECTION=TYPE makes a section",
    flags: &[
        switch("stdin", "read the value from standard input", |flags: &mut Flags| &mut flags.stdin),
        bytes("from-file", "FILE", "read the value from a file", |flags: &mut Flags| &mut flags.from_file),
        switch("strict", "refuse to stage what breaks the schema of the package", |flags: &mut Flags| {
            &mut flags.strict
        }),
        commit(|flags: &mut Flags| &mut flags.commit),
        with_staged(|flags: &mut Flags| &mut flags.with_staged),
    ],
    writes: Writes::InTransactions,
    json: &[Output::one(&CHANGED), Output::rows(&STAGED).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let piped = call.flags.stdin || call.flags.from_file.is_some();
    if let ([key, value], false) = (call.arguments.as_slice(), piped)
        && matches!(Key::parse_assignment(key), Ok((_, None)))
    {
        return set_value(context, &call.flags, key, value);
    }
    if !piped {
        let goal = Goal::of(call.flags.commit, call.flags.with_staged)?;
        let edits = Edits::new(goal).strict(call.flags.strict);
        return each_of(context, edits, call.expect(1, usize::MAX)?, DeltaKind::Set);
    }
    let [key] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
    let value = read_value(call.flags.from_file.as_deref())?;
    // The newline that ends the last line is not part of the value.
    let value = value.strip_suffix(b"\n").unwrap_or(&value);
    set_value(context, &call.flags, key, value)
}

fn set_value(context: &mut Context, flags: &Flags, key: &[u8], value: &[u8]) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(flags.commit, flags.with_staged)?).strict(flags.strict);
    let key = flat::to_set(context, Key::parse(key)?)?;
    edits.apply(context, DeltaKind::Set, &key, Some(value))?;
    edits.finish(context)
}
