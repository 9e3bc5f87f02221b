//! Recovery puts texts in place that are in the log and not in the files: after a crash, or because of
//! [`crate::Durability::Log`].
//!
//! [`LogSession::recover`] runs with the log's lock held, and does not wait for the locks of packages and of their
//! files: see `retry`. It first syncs the log, so that no text is put in place that a power cut could remove from the
//! log. All texts are published in one round, so that a snapshot sees a transaction wholly or not at all.
//!
//! A text that is neither one of the states in the log nor newer than the log was changed by hand, and is merged with the
//! newest state (see `merge`). A text that cannot be put in place is parked (see `parked`).

use std::fs::Metadata;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::commit::core::Core;
use crate::commit::draft::{self, Present};
use crate::commit::log_session::{LogSession, cannot_be_written};
use crate::commit::parked::{self, cannot_be_placed};
use crate::commit::place::Place;
use crate::commit::publish::{self, LogRange, State};
use crate::commit::{mark, save_deferred, stock, tidy_up};
use crate::error::{Error, Result};
use crate::log::{self, Digest, Log, PackageChange, Record};

pub(crate) fn finish_last(core: &Core) -> Result<()> {
    match core.logs.current().is_some_and(Log::is_open_ended) {
        true => show_last(core),
        false => Ok(()),
    }
}

/// Puts deferred texts in place, and publishes the last transaction to the maps.
pub(crate) fn show_last(core: &Core) -> Result<()> {
    crate::os::caller::check_may_commit()?;
    let Some(log) = core.logs.current() else { return Ok(()) };
    // Another program that holds the lock does the recovery itself; without rights, this program can do nothing.
    match log.write(Instant::now(), Duration::ZERO) {
        Ok(writer) => {
            let mut session = LogSession::of(core, writer);
            match session.recover() {
                // Only readers of the locked package have to wait for its text.
                Err(Error::Locked { .. }) => return Ok(()),
                recovered => recovered?,
            };
            let last = session.sequence();
            publish::publish(core, &[], Some(LogRange::up_to(last)));
            Ok(())
        }
        Err(Error::Locked { .. }) => Ok(()),
        Err(error) if cannot_be_written(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

impl LogSession<'_> {
    /// Puts texts in place that the log has and the files do not. Returns whether a file was changed.
    pub fn recover(&mut self) -> Result<bool> {
        let Some(writer) = &mut self.writer else { return Ok(false) };
        // The id is needed only if there are deferred texts.
        let id = self.core.logs.current().filter(|_| self.core.deferred.is_behind()).and_then(Log::id);
        let found = writer.open_ended();
        if !writer.is_current() {
            return Err(writer.replaced());
        }
        let records = found?;
        if records.is_empty() {
            let saved = save_deferred::save_unlogged(self.core, id.as_deref(), &[])?;
            self.unfinished = false;
            save_deferred::forget_deferred(self.core);
            return Ok(saved);
        }
        // The records may not be durable yet: then a power cut could leave texts without a record.
        writer.sync()?;
        let mut names: Vec<&str> =
            records.iter().flat_map(|(record, _)| &record.packages).map(|c| c.package.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        // The program that made the transaction may have promised a higher durability than this store.
        let store = self.core.fully_durable();
        // The marks are read first: the directory of the log may be replaced meanwhile.
        let marks = store.logs.current().map(|log| mark::marks_of(&store, log, &names)).unwrap_or_default();
        let newer: Vec<bool> = names
            .iter()
            .map(|name| {
                later_of(&records, name).is_some_and(|sequence| {
                    mark::is_newer_than_logged(&store, &store.packages.in_config(name), sequence)
                })
            })
            .collect();
        // If the log was replaced meanwhile, the records and marks may not be of this log.
        if !writer.is_current() {
            return Err(writer.replaced());
        }
        // The next program that reads a text newer than the log notes it as a change by hand.
        let older = names.iter().zip(newer).filter(|(_, is_newer)| !is_newer).map(|(name, _)| *name);
        let Recovered { removed, placed } = finish_all(&store, older, &records)?;
        writer.mark_applied();
        self.unfinished = false;
        mark::remove_marks(&store, &marks);
        save_deferred::save_unlogged(self.core, id.as_deref(), &names)?;
        save_deferred::forget_deferred(self.core);
        let logged = LogRange::up_to(writer.sequence());
        // All states are published in one round, with their revision: a snapshot sees the whole transaction or nothing.
        let states: Vec<State<'_>> = placed.iter().map(|placed| placed.state()).collect();
        publish::publish(self.core, &states, Some(logged));
        Ok(removed || !states.is_empty())
    }
}

/// The result of a recovery.
struct Recovered {
    /// Whether a package was deleted.
    removed: bool,
    placed: Vec<PlacedText>,
}

/// Writes the state after the last record into the files of packages. A text that cannot be put in place is parked.
fn finish_all<'n>(
    core: &Core,
    names: impl Iterator<Item = &'n str>,
    records: &[(Record, bool)],
) -> Result<Recovered> {
    let mut recovered = Recovered { removed: false, placed: Vec::new() };
    for name in names {
        let steps: Vec<&PackageChange> =
            records.iter().filter_map(|(record, _)| record.package(name)).collect();
        match finish(core, name, &steps) {
            Err(error) if cannot_be_placed(&error) => {
                let place = core.packages.in_config(name);
                if let Some((_, text)) = logged_texts(core, &place, &steps)? {
                    parked::park(core, &place, &text, &error)?;
                }
            }
            finished => match finished? {
                Finished::InPlace => {}
                Finished::Removed => recovered.removed = true,
                Finished::Placed(text) => recovered.placed.push(*text),
            },
        }
    }
    Ok(recovered)
}

/// Returns the sequence of the last record that changes a package and says that its text follows later.
fn later_of(records: &[(Record, bool)], name: &str) -> Option<u64> {
    let mut later = records.iter().rev().filter(|(_, follows_later)| *follows_later);
    later.find(|(record, _)| record.package(name).is_some()).map(|(record, _)| record.sequence)
}

/// The result of a recovery for one package.
enum Finished {
    /// Its text was in place already.
    InPlace,
    /// The package was deleted.
    Removed,
    /// A text was put in place, which will be published.
    Placed(Box<PlacedText>),
}

/// A text that was put in place.
struct PlacedText {
    place: Place,
    text: Arc<Vec<u8>>,
    metadata: Metadata,
}

impl PlacedText {
    fn state(&self) -> State<'_> {
        let (text, metadata) = (self.text.clone(), self.metadata.clone());
        State { place: &self.place, text, metadata, in_place: None, step: None }
    }
}

/// Writes the state after the last of the transactions into the file of a package. If the present text is the state
/// after none of them, it was changed by hand, and is merged with the last state.
fn finish(core: &Core, name: &str, steps: &[&PackageChange]) -> Result<Finished> {
    let place = core.packages.in_config(name);
    let _lock = draft::try_lock(core, &place.path)?;
    for _ in 0..crate::commit::part::ATTEMPTS {
        let reading = match draft::read_if_there(core, &place.path)? {
            Present::Busy => continue,
            Present::Absent => None,
            Present::Read(reading) => Some(reading),
        };
        let present = reading.as_ref().map(|reading| Digest::of(&reading.text));
        // The number of steps that the file has: up to the last state that equals the text.
        let done = (0..=steps.len()).rev().find(|done| {
            done.checked_sub(1).and_then(|last| steps.get(last)).map(|step| step.left()) == Some(present)
                || steps.get(*done).is_some_and(|step| step.before == present && !step.unknown)
        });
        let (old, before) = reading.map(|reading| (reading.old, reading.text)).unzip();
        let (is_there, before) = (old.is_some(), before.unwrap_or_default());
        let left = done.map_or(&[][..], |done| &steps[done..]);
        let old = match old {
            Some(old) if left.last().is_some_and(|last| last.deleted) => {
                let mut removal = draft::removal(core, &place.path, old)?;
                if !draft::put(core, &mut removal)? {
                    continue;
                }
                draft::settle(core, &place.path, &removal)?;
                return tidy_up::tidy_up(core, [&place]).map(|()| Finished::Removed);
            }
            old => old,
        };
        let is_deletion = steps.last().is_some_and(|last| last.deleted);
        let text = match done {
            Some(_) => after(core, &place, left, before.clone()).filter(|_| !left.is_empty()),
            // No transaction writes an empty file, so a crash has lost the content.
            None if is_there && before.is_empty() && !is_deletion => {
                logged_texts(core, &place, steps)?.map(|(_, ours)| ours)
            }
            None if is_there && !is_deletion => reconciled(core, &place, steps, &before)?,
            None => None,
        };
        let Some(text) = text.filter(|text| old.is_none() || *text != before) else {
            // The text is in place, but the program that put it there may have died before it was durable.
            return tidy_up::settle_for_another(core, &place).map(|()| Finished::InPlace);
        };
        let mut draft = draft::resume(core, &place.path, &text, old)?;
        if draft::put(core, &mut draft)? {
            draft::settle(core, &place.path, &draft)?;
            let is_open = stock::update_displaced(core, &draft, &text);
            tidy_up::tidy_up(core, [&place])?;
            let metadata = draft.metadata()?;
            if is_open {
                stock::await_stock(core, &mut draft);
            }
            core.attributes.keep(&[(name.to_owned(), metadata.clone())]);
            let text = Arc::new(text);
            return Ok(Finished::Placed(Box::new(PlacedText { place, text, metadata })));
        }
    }
    let why = "the file kept changing while it was being written".to_owned();
    Err(Error::Conflict { key: name.to_owned(), why })
}

/// Returns the text after these steps; `None` if they do not start from this text.
fn after(core: &Core, place: &Place, steps: &[&PackageChange], before: Vec<u8>) -> Option<Vec<u8>> {
    match steps.last().and_then(|last| core.states.find_digest(place, last.after)) {
        Some(known) => Some(known.text().to_vec()),
        None => steps.iter().try_fold(before, |text, step| log::apply(&text, &step.hunks)),
    }
}

/// Merges the result of steps with a text that was changed by hand before they were put in place; `None` if the text before
/// the steps is not known any more.
fn reconciled(
    core: &Core,
    place: &Place,
    steps: &[&PackageChange],
    theirs: &[u8],
) -> Result<Option<Vec<u8>>> {
    let both = logged_texts(core, place, steps)?;
    Ok(both.map(|(base, ours)| {
        crate::commit::merge::reconcile(
            core.options.format_of(place.format),
            &place.name,
            &base,
            &ours,
            theirs,
        )
    }))
}

/// Returns the texts before and after steps, made from the log; `None` if they are not known any more.
///
/// # Errors
///
/// [`Error::Io`] if the log or a text beside it cannot be read: without them the text in place would count as the newest
/// one, and the commits of the steps would be lost.
fn logged_texts(core: &Core, place: &Place, steps: &[&PackageChange]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let (Some(log), Some(first)) = (core.logs.current(), steps.first()) else { return Ok(None) };
    let base = match first.before {
        Some(before) => log.text_for_recovery(&place.name, before)?,
        None => Some(Vec::new()),
    };
    let ours = base.clone().and_then(|base| after(core, place, steps, base));
    Ok(base.zip(ours))
}
