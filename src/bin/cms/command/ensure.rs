//! `cms ensure`: sets and commits values that are not set already.

use cms::{DeltaKind, Key, Loaded, Package};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::difference::staged_difference;
use crate::edits::{Edits, Goal};
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, switch, with_staged};

#[derive(Default)]
pub struct Flags {
    check: bool,
    no_commit: bool,
    with_staged: bool,
    diff: bool,
}

impl FlagValues for Flags {
    fn only_check(&self) -> bool {
        self.check
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "ensure",
    aliases: &[],
    arguments: "KEY=VALUE...",
    summary: "set and commit the values that differ; says whether anything changed",
    flags: &[
        switch("check", "change nothing, only say what would change", |flags: &mut Flags| &mut flags.check),
        switch("no-commit", "stage only", |flags: &mut Flags| &mut flags.no_commit),
        with_staged(|flags: &mut Flags| &mut flags.with_staged),
        switch("diff", "show the difference", |flags: &mut Flags| &mut flags.diff),
    ],
    writes: Writes::InTransactions,
    json: &[Output::one(&ENSURED)],
    run,
};

/// What was ensured.
const ENSURED: Shape = Shape::of(
    "
    changed boolean whether any value was changed
    keys {boolean} whether the value of each KEY was changed
    diff text with --diff the difference of the files, line by line, else empty",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(!call.flags.no_commit, call.flags.with_staged)?);
    let mut report = Vec::new();
    let check = call.flags.check || context.dry_run;
    context.dry_run = check;
    for argument in call.expect(1, usize::MAX)? {
        let (key, value) = Key::parse_assignment(argument)?;
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument))))?;
        let mut changed = edits.apply(context, DeltaKind::Set, &key, Some(value))?;
        // A staged value that this command commits is not in the file yet, and counts as changed.
        if edits.goal() != Goal::Stage {
            let loaded = &edits.package(context, &key.package)?.loaded;
            changed = changed || is_pending(context, loaded, &key)?;
        }
        report.push((key.text(), changed));
    }
    let mut difference = String::new();
    if call.flags.diff {
        for edited in edits.packages() {
            difference.push_str(&staged_difference(context, &edited.loaded)?);
        }
    }
    let changed = report.iter().any(|(_, changed)| *changed);
    if !check {
        edits.finish(context)?;
    }
    if context.json {
        let keys: serde_json::Map<_, _> =
            report.into_iter().map(|(key, changed)| (key, changed.into())).collect();
        context.put_json(&json!({"changed": changed, "keys": keys, "diff": difference}))?;
        return Ok(Exit::Ok);
    }
    for (key, changed) in report {
        context.print_line(&format!("{} {key}", if changed { "changed" } else { "unchanged" }))?;
    }
    context.put(difference.as_bytes())?;
    Ok(Exit::Ok)
}

/// Reports whether staged changes of the package concern the section or option that a key names.
fn is_pending(context: &Context, loaded: &Loaded, key: &Key) -> Result<bool, Failure> {
    if loaded.changes.is_empty() {
        return Ok(false);
    }
    let committed = context.store.packages().load_committed_or_new(loaded.place.clone())?.package;
    let Some(selector) = &key.section else { return Ok(false) };
    let wanted = loaded.package.select(selector)?.map(|section| section.name());
    let there = |package: &Package| -> Option<Vec<Vec<u8>>> {
        let section = package.section(wanted?)?;
        Some(match &key.option {
            None => vec![section.section_type().to_vec()],
            Some(option) => section.get(option)?.items().map(<[u8]>::to_vec).collect(),
        })
    };
    Ok(there(&committed) != there(&loaded.package))
}
