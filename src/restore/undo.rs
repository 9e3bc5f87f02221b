//! Undoing one transaction, and rolling packages back to a revision.
//!
//! Both are transactions like any other, so they can be undone as well.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::commit::intent::Intent;
use crate::commit::open_session::session_of_log_within;
use crate::commit::opening::Opened;
use crate::commit::part::{Expected, WholeText};
use crate::commit::{note_edits, retry, write};
use crate::error::not_found::Missing;
use crate::error::{Error, Result, shown};
use crate::log::key_path::content;
use crate::log::{Hunk, KeyChange, Kind, Record, What};
use crate::restore::archive::Archives;
use crate::restore::history::History;
use crate::restore::take_out::{self, Since};

/// The text of a package; `None` if there is no such package.
type Text = Option<Vec<u8>>;

impl History<'_> {
    /// Undoes a transaction, and keeps the later changes. Returns the number of the transaction that undoes it.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if the same lines were changed again since; [`Error::NotPossible`] if it changed nothing;
    /// [`Error::Missing`] if its record is not kept any more; as for [`crate::Engine::commit`]. Nothing is changed then.
    pub fn undo(&self, sequence: u64, message: Option<&str>) -> Result<u64> {
        note_edits::note_edits(self.core)?;
        let record = self.transaction(sequence)?;
        if matches!(record.kind, Kind::Baseline | Kind::Confirm | Kind::Layer) || record.packages.is_empty() {
            return Err(Error::NotPossible {
                why: format!("transaction {sequence}: it changed nothing that could be undone"),
            });
        }
        self.reverse(&record, message)
    }

    /// Undoes the newest transaction that is neither undone nor itself an undo or redo, as [`History::undo`] does: a
    /// second call goes further back. Returns that transaction and the number of the one that undoes it.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is none; as for [`History::undo`].
    pub fn undo_last(&self, message: Option<&str>) -> Result<(Record, u64)> {
        note_edits::note_edits(self.core)?;
        let record = self.last_undoable(None)?;
        let done = self.reverse(&record, message)?;
        Ok((record, done))
    }

    /// Makes an undone transaction again: the one that was undone last, or a given one. Later changes stay. Returns the
    /// number of the new transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if no transaction is undone, [`Error::NotPossible`] if the given one is not;
    /// [`Error::Conflict`] if the same lines were changed again since; as for [`crate::Engine::commit`]. Nothing is
    /// changed then.
    pub fn redo(&self, transaction: Option<u64>, message: Option<&str>) -> Result<u64> {
        note_edits::note_edits(self.core)?;
        let undo = self.undo_to_redo(transaction, None)?;
        self.reverse(&undo, message)
    }

    /// Makes the transaction that reverses another one.
    fn reverse(&self, record: &Record, message: Option<&str>) -> Result<u64> {
        let sequence = record.sequence;
        let intent = Intent { message: message.map(str::to_owned), ..Intent::new(Kind::Undo, sequence) };
        let mut texts = Vec::new();
        for change in &record.packages {
            if change.unknown {
                return Err(crate::history::too_old(&change.package, sequence.saturating_sub(1)));
            }
            let now = self.text_at(&change.package, u64::MAX)?;
            let there = now.as_deref().unwrap_or_default();
            let text = match self.take_out(record, &change.package, &change.hunks, there)? {
                // If the transaction created the package and no line of it is left, it is deleted.
                Some(text) if text.is_empty() && change.is_new() => None,
                Some(text) => Some(text),
                None => return Err(self.conflict(record, &change.package, there)?),
            };
            texts.push((change.package.clone(), now, text));
        }
        self.write_texts(texts, &intent)
    }

    /// Rolls packages back to the state after a transaction: the named ones, or all if none is named. Packages that
    /// did not exist then are deleted, and packages that were deleted since are restored. Returns the number of the
    /// transaction that does this; `None` if nothing has to change.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the log does not go back that far; as for [`crate::Engine::commit`]. Nothing is changed then.
    pub fn rollback(&self, revision: u64, packages: &[String], message: Option<&str>) -> Result<Option<u64>> {
        note_edits::note_edits(self.core)?;
        let (message, in_part) = (message.map(str::to_owned), !packages.is_empty());
        let intent = Intent { message, in_part, ..Intent::new(Kind::Rollback, revision) };
        self.rollback_because(revision, packages, &intent)
    }

    pub(crate) fn rollback_because(
        &self,
        revision: u64,
        packages: &[String],
        intent: &Intent,
    ) -> Result<Option<u64>> {
        self.check_revision(revision)?;
        let wanted = |name: &String| packages.is_empty() || packages.contains(name);
        let mut texts = Vec::new();
        for package in self.changed_since(revision)?.into_iter().filter(wanted) {
            let now = self.text_at(&package, u64::MAX)?;
            let then = self.text_at(&package, revision)?;
            if now != then {
                texts.push((package, now, then));
            }
        }
        if texts.is_empty() { Ok(None) } else { self.write_texts(texts, intent).map(Some) }
    }

    /// Returns an error for a revision that does not exist yet.
    pub(crate) fn check_revision(&self, revision: u64) -> Result<()> {
        let last = self.revision()?;
        if revision <= last {
            return Ok(());
        }
        Err(Missing::Revision { spec: revision.to_string(), why: format!("the last revision is {last}") }
            .into())
    }

    /// Puts whole texts in place, as one transaction. Each package comes with its expected text and its new text; without a
    /// new text it is deleted.
    fn write_texts(&self, texts: Vec<(String, Text, Text)>, intent: &Intent) -> Result<u64> {
        let whole = |(name, now, then): (String, Text, Text)| WholeText {
            place: self.core.packages.in_config(&name),
            expected: Expected::of(now.as_deref()),
            text: then.map(Arc::new),
        };
        let texts: Vec<WholeText> = texts.into_iter().map(whole).collect();
        let Some(first) = texts.first() else { return self.revision() };
        if intent.refusable {
            self.core.settings.check_may_write()?;
        }
        retry::with_session(self.core, session_of_log_within, |session| {
            let mut opened = Opened::of(session, texts.iter().map(|text| &text.place))?;
            if intent.kind == Kind::Rollback {
                Archives::of(self.core).snapshot_before(opened.session);
            }
            opened.attempt(&first.place, |opened| write::put_texts(opened, &texts, intent))
        })
    }

    /// Returns the text `now` without the hunks of a transaction; `None` if a later transaction has changed the same lines.
    fn take_out(
        &self,
        record: &Record,
        package: &str,
        hunks: &[Hunk],
        now: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let mut since = Since::default();
        self.each_transaction(|other| {
            let mut goes_on = true;
            match other.sequence > record.sequence {
                true => since.pass(other, package),
                false => goes_on = since.pass_older(&other),
            }
            Ok(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(since.oldest_first().and_then(|later| take_out::take_out(hunks, later, now)))
    }

    /// Returns the error that a transaction cannot be reversed: with the first key that was changed since, and the author of
    /// that change.
    fn conflict(&self, record: &Record, package: &str, now: &[u8]) -> Result<Error> {
        let place = self.core.packages.in_config(package);
        let (current, _) = self.core.packages.parse(&place, now.to_vec())?;
        let changes = record.package(package).map_or(&[][..], |change| &change.changes);
        let is_changed = |change: &&KeyChange| {
            let (_, left) = change.values();
            !matches!(change.what, What::Moved { .. })
                && content(&current, &(change.section.clone(), change.option.clone())).as_ref() != left
        };
        let Some(change) = changes.iter().find(is_changed) else {
            let why = match record.kind {
                Kind::Undo => format!(
                    "transaction {} cannot be made again: the same lines were changed since",
                    record.refers
                ),
                _ => format!(
                    "transaction {} cannot be undone: the same lines were changed since",
                    record.sequence
                ),
            };
            return Ok(Error::Conflict { key: package.to_owned(), why });
        };
        let by = self.core.logs.past()?.last_change(
            record.sequence,
            package,
            &change.section,
            change.option.as_deref(),
        )?;
        let key = crate::error::shown::name(&change.key(package));
        Ok(Error::Conflict { key, why: changed_since(record, by.as_ref()) })
    }
}

/// Says that a transaction cannot be reversed, because of a later one. Each sentence is written out, for translation.
fn changed_since(record: &Record, by: Option<&Record>) -> String {
    let (sequence, refers) = (record.sequence, record.refers);
    let Some(by) = by else {
        return match record.kind {
            Kind::Undo => format!("transaction {refers} cannot be made again: it was changed since"),
            _ => format!("transaction {sequence} cannot be undone: it was changed since"),
        };
    };
    let is_root = by.uid == 0 && by.author.is_empty();
    let user = if is_root { "root".to_owned() } else { by.who() };
    let (later, source) = (by.sequence, shown::text(&by.source));
    match record.kind {
        Kind::Undo => format!(
            "transaction {refers} cannot be made again: it was changed since, by transaction {later} of {user} through {source}"
        ),
        _ => format!(
            "transaction {sequence} cannot be undone: it was changed since, by transaction {later} of {user} through {source}"
        ),
    }
}
