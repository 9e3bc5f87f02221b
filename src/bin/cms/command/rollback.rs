//! `cms rollback`: brings packages back to an earlier state.

use std::collections::HashMap;
use std::sync::Arc;

use cms::log::Content;
use cms::{Archive, State, Store, Transaction};

use crate::archives::restore_archive;
use crate::argument::{path, show};
use crate::context::Context;
use crate::difference::print_difference;
use crate::failure::{Exit, Failure};
use crate::records::print_revision;
use crate::records::{CHANGE, REVISION};
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, switch};
use crate::staged::STAGED;
use crate::staged::{describe, staged_json};

#[derive(Default)]
pub struct Flags {
    merge: bool,
    from_file: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "rollback",
    aliases: &[],
    arguments: "REVISION|LABEL|FILE [PACKAGE...]",
    summary: "bring packages exactly to an earlier state",
    flags: &[
        switch("merge", "only restore the values of then; keys added since stay", |flags: &mut Flags| {
            &mut flags.merge
        }),
        switch("from-file", "the argument names a file, even without a '/' in it", |flags: &mut Flags| {
            &mut flags.from_file
        }),
    ],
    writes: Writes::Alone,
    json: &[
        Output::one(&REVISION),
        Output::rows(&CHANGE).when("With --json --dry-run"),
        Output::rows(&STAGED).when("With --json --dry-run --merge"),
    ],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    context.note_edits();
    let Some((spec, packages)) = call.expect(1, usize::MAX)?.split_first() else { return Ok(Exit::Usage) };
    let packages: Vec<String> = packages.iter().map(|name| show(name)).collect();
    let state = match spec.contains(&b'/') || call.flags.from_file {
        true => State::Snapshot(Box::new(Archive::read(path(spec))?)),
        false => context.resolve(&show(spec))?,
    };
    context.store.history().check_packages(&packages, &state)?;
    if call.flags.merge {
        let names = match &state {
            State::Snapshot(archive) => archive.packages.keys().cloned().collect(),
            State::Revision(revision) => context.store.history().changed_since(*revision)?,
        };
        let mut texts = Vec::new();
        for name in names {
            let text = context.store.history().text_in(&name, &state)?;
            texts.extend(text.map(|text| (name, text)));
        }
        return overlay(context, texts, &packages);
    }
    match state {
        State::Snapshot(archive) => restore_archive(context, &archive, &packages),
        State::Revision(revision) if context.dry_run => {
            let now = State::Revision(context.store.history().revision()?);
            print_difference(context, &packages, &now, &State::Revision(revision), false)
        }
        State::Revision(revision) => {
            let done = context.store.history().rollback(revision, &packages, None)?;
            print_revision(context, &format!("back at revision {revision}"), done)
        }
    }
}

/// Sets all options of the texts, as one transaction; keys that the texts lack stay. An anonymous section means the one
/// at the same position among the sections of its type.
fn overlay(
    context: &mut Context,
    texts: Vec<(String, Vec<u8>)>,
    packages: &[String],
) -> Result<Exit, Failure> {
    let live = Store::open(context.store.options().clone())?;
    let mut transaction = live.begin()?;
    for (name, text) in texts {
        if !packages.is_empty() && !packages.contains(&name) {
            continue;
        }
        let place = context.store.packages().find_to_write(name.as_bytes())?;
        let package = context.store.packages().read_text(&place, &Arc::new(text))?;
        let mut counts: HashMap<Vec<u8>, usize> = HashMap::new();
        for section in package.sections() {
            let count = counts.entry(section.section_type().to_vec()).or_default();
            let place = format!("{name}.@{}[{count}]", show(section.section_type()));
            *count += 1;
            let key = if !section.is_anonymous() {
                let key = format!("{name}.{}", show(section.name()));
                transaction.set(key.as_bytes(), section.section_type())?;
                key
            } else if transaction.get(place.as_bytes())?.is_some() {
                place
            } else {
                let added = transaction.add_section(name.as_bytes(), section.section_type())?;
                format!("{name}.{added}")
            };
            for option in section.options() {
                overlay_option(&mut transaction, &format!("{key}.{}", show(option.name())), option.value())?;
            }
        }
    }
    if context.dry_run && context.json {
        let rows = transaction.changes().map(|(package, delta)| staged_json(package, delta, None));
        context.put_rows(rows.collect())?;
        return Ok(Exit::Ok);
    }
    if context.dry_run {
        for (package, delta) in transaction.changes() {
            context.put_line(&describe(package, delta))?;
        }
        return Ok(Exit::Ok);
    }
    let count = transaction.count();
    let revision = transaction.commit()?;
    print_revision(context, &format!("{count} changes made"), (count > 0).then_some(revision))
}

fn overlay_option(transaction: &mut Transaction, key: &str, value: cms::Value<'_>) -> Result<(), Failure> {
    let was = transaction.get(key.as_bytes())?;
    if was == Some(Content::from(value)) {
        return Ok(());
    }
    match value {
        cms::Value::String(string) => transaction.set(key.as_bytes(), string)?,
        cms::Value::List(list) => {
            if was.is_some() {
                transaction.delete(key.as_bytes())?;
            }
            list.iter().try_for_each(|item| transaction.add_list(key.as_bytes(), item))?;
        }
    }
    Ok(())
}
