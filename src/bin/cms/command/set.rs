//! `cms set`: gives options and sections values.

use cms::Key;

use crate::argument::show;
use crate::context::Context;
use crate::edits::{CHANGED, Edits, Goal};
use crate::failure::{Exit, Failure};
use crate::flat;
use crate::input::read_value;
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, bytes, commit, switch, text, with_staged};
use crate::staged::STAGED;
use crate::typed::{self, Change, Conditions, read_type};

#[derive(Default)]
pub struct Flags {
    stdin: bool,
    from_file: Option<Vec<u8>>,
    strict: bool,
    value_type: Option<Vec<u8>>,
    conditions: Conditions,
    commit: bool,
    with_staged: bool,
}

impl FlagValues for Flags {
    fn alone(&self) -> Option<&'static str> {
        self.conditions.is_some().then_some("set")
    }
}

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
        bytes(
            "type",
            "TYPE",
            "what the values are: string, int, float, bool, null, json, or a list in JSON: list, \
              int-list, float-list, bool-list",
            |flags: &mut Flags| &mut flags.value_type,
        ),
        bytes("if-value", "OLD", "commit at once, but only if the value is OLD", |flags: &mut Flags| {
            &mut flags.conditions.value
        }),
        switch("if-missing", "commit at once, but only if KEY is not there", |flags: &mut Flags| {
            &mut flags.conditions.is_missing
        }),
        text(
            "if-revision",
            "N",
            "commit at once, but only if no transaction after N has changed KEY",
            |flags: &mut Flags| &mut flags.conditions.revision,
        ),
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
        return set_each(context, &call.flags, call.expect(1, usize::MAX)?);
    }
    let [key] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
    let value = read_value(call.flags.from_file.as_deref())?;
    // The newline that ends the last line is not part of the value.
    let value = value.strip_suffix(b"\n").unwrap_or(&value);
    set_value(context, &call.flags, key, value)
}

fn set_value(context: &mut Context, flags: &Flags, key: &[u8], value: &[u8]) -> Result<Exit, Failure> {
    set_all(context, flags, vec![(Key::parse(key)?, value)])
}

/// Sets a value for each `KEY=VALUE`.
fn set_each(context: &mut Context, flags: &Flags, assignments: &[Vec<u8>]) -> Result<Exit, Failure> {
    let mut changes = Vec::new();
    for argument in assignments {
        let (key, value) = Key::parse_assignment(argument)?;
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument))))?;
        changes.push((key, value));
    }
    set_all(context, flags, changes)
}

fn set_all(context: &mut Context, flags: &Flags, changes: Vec<(Key, &[u8])>) -> Result<Exit, Failure> {
    let (value_type, is_conditional) = (read_type(flags.value_type.as_deref())?, flags.conditions.is_some());
    if is_conditional && flags.with_staged {
        return Err(Failure::Usage("--with-staged is not for changes under a condition".into()));
    }
    // A change under a condition is committed at once: a staged one would be made whatever others have done meanwhile.
    let goal = Goal::of(flags.commit || is_conditional, flags.with_staged)?;
    let mut edits = Edits::new(goal).strict(flags.strict);
    let mut made = Vec::new();
    for (key, value) in changes {
        let key = flat::to_set(context, key)?;
        if is_conditional {
            flags.conditions.check(context, &mut edits, &key)?;
        }
        typed::set(context, &mut edits, &key, value, value_type)?;
        made.push(Change { key, value });
    }
    if !is_conditional || context.dry_run {
        return edits.finish(context);
    }
    let revision = flags.conditions.commit(context, &made, value_type)?;
    edits.print_committed(context, revision)
}
