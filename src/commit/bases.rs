//! Bases of staged changes: the values that keys had when the changes were staged. They are stored when changes are
//! staged, and compared when the changes are committed.

use crate::commit::core::Core;
use crate::commit::loader;
use crate::commit::log_session::LogSession;
use crate::commit::place::Place;
use crate::error::{Error, Result, shown};
use crate::format::uci::Dialect;
use crate::format::uci::delta_line::{DeltaLine, read_lines};
use crate::log::Record;
use crate::log::key_path::show;
use crate::model::change::Delta;
use crate::model::package::Package;
use crate::model::package::replay::Replay;
use crate::os::clock;
use crate::staging::base::file::{hash_of, hashes, read, write_line};
use crate::staging::base::{Base, Disagreement, Needed, disagreements, needed};

/// The changes of a package among the lines of its delta file.
fn changes_of(lines: &[DeltaLine], place: &Place) -> Vec<Delta> {
    let of_package = lines.iter().filter_map(|line| line.delta.as_ref());
    of_package.filter(|(of, _)| of == place.name.as_bytes()).map(|(_, delta)| delta.clone()).collect()
}

/// Returns the content of the base file after changes are staged in addition to the present ones; `None` if it stays as it
/// is. Changes in stock uci's dialect have no bases.
pub(crate) fn bases_to_write(
    core: &Core,
    place: &Place,
    new: &[Delta],
    staged: &[u8],
    text: &[u8],
) -> Result<Option<Vec<u8>>> {
    if core.options.dialect == Dialect::Uci {
        return Ok(None);
    }
    let lines = read_lines(staged);
    let (known, mut kept) = read(text, &hashes(&lines, &place.name));
    let committed = loader::load_committed_or_new(core, place.clone())?.package;
    let needed = needed(&changes_of(&lines, place), &known, new, &committed);
    if needed.is_empty() && kept == text {
        return Ok(None);
    }
    let (revision, uid) =
        (core.logs.past().and_then(|past| past.revision()).unwrap_or(0), rustix::process::getuid().as_raw());
    for Needed { index, key, was } in needed {
        write_line(hash_of(&new[index], &place.name), &key, &Base { was, revision, uid }, &mut kept);
    }
    Ok(Some(kept))
}

/// Refuses staged changes of keys that others have changed since the changes were staged. `committed` is the package
/// without the staged changes, `result` the package with them.
///
/// # Errors
///
/// [`Error::Conflict`] with the base, present and staged value of each key, and the author of the present one.
pub(crate) fn check_bases(
    core: &Core,
    session: Option<&LogSession<'_>>,
    place: &Place,
    (staged, bases): (&[u8], &[u8]),
    committed: &Package,
    result: &Package,
) -> Result<()> {
    if bases.is_empty() || core.options.dialect == Dialect::Uci {
        return Ok(());
    }
    let lines = read_lines(staged);
    let (bases, _) = read(bases, &hashes(&lines, &place.name));
    let found = disagreements(&changes_of(&lines, place), &bases, committed, result);
    let Some((first, others)) = found.split_first() else { return Ok(()) };
    let mut why = explain_disagreement(core, session, place, first);
    for other in others {
        let key = key_of(place, other);
        why.push_str(&format!("; {key}: {}", explain_disagreement(core, session, place, other)));
    }
    Err(Error::Conflict { key: key_of(place, first), why })
}

/// Refuses the staged changes of a package if others have changed the same keys since; nothing is locked.
pub(crate) fn check_staged(core: &Core, place: &Place) -> Result<()> {
    let staging = core.staged(place);
    let (text, lines) = staging.lines()?;
    let committed = loader::load_committed_or_new(core, place.clone())?.package;
    let mut result = committed.clone();
    let mut replay = Replay::new(core.options.dialect);
    for delta in changes_of(&lines, place) {
        // A change that cannot be applied is reported when the package is loaded.
        let _ = replay.apply(&mut result, &delta);
    }
    check_bases(core, None, place, (&text, &staging.base_text()?), &committed, &result)
}

fn explain_disagreement(
    core: &Core,
    session: Option<&LogSession<'_>>,
    place: &Place,
    found: &Disagreement,
) -> String {
    let (section, option) = (&found.key.0, found.key.1.as_deref());
    let waiting = session.and_then(|session| session.waiting_change(&place.name, section, option)).cloned();
    let by = waiting.or_else(|| {
        let past = core.logs.past().ok()?;
        let logged = past.last_change(found.revision, &place.name, section, option);
        logged.ok().flatten()
    });
    let by = by.map_or_else(|| "the log does not say by whom".to_owned(), |by| author(&by));
    let marks = core.marks();
    let show = |value| show(&marks, &place.name, &found.key, value);
    let staged = found.staged.as_ref().map_or_else(|| "its removal".to_owned(), |to| show(Some(to)));
    format!(
        "{staged} is staged by user {}, where it was {}; it is {} now ({by})",
        found.uid,
        show(found.base.as_ref()),
        show(found.is.as_ref()),
    )
}

/// Describes the author of a transaction. A transaction that is not in the log yet has no number.
fn author(record: &Record) -> String {
    let number = match record.sequence {
        0 => String::new(),
        sequence => format!("transaction {sequence}, "),
    };
    let time = if record.time == 0 { String::new() } else { format!(", {}", clock::show(record.time)) };
    let source = shown::text(&record.source);
    match record.author.as_str() {
        "" => format!("{number}user {} through {source}{time}", record.uid),
        by => format!("{number}author {} through {source}{time}", shown::text(by)),
    }
}

fn key_of(place: &Place, found: &Disagreement) -> String {
    let section = crate::error::shown::name(&found.key.0);
    match &found.key.1 {
        Some(option) => format!("{}.{section}.{}", place.name, crate::error::shown::name(option)),
        None => format!("{}.{section}", place.name),
    }
}
