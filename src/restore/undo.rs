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
use crate::error::{Error, Result};
use crate::log::key_path::content;
use crate::log::{Hunk, Kind, Record, What};
use crate::restore::archive::Archives;
use crate::restore::history::History;

/// The text of a package; `None` if there is no such package.
type Text = Option<Vec<u8>>;

impl History<'_> {
    /// Undoes a transaction, and keeps the later changes. Returns the number of the transaction that undoes it.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if the same lines were changed again since; [`Error::Missing`] if its record is not kept any
    /// more; as for [`crate::Engine::commit`]. Nothing is changed then.
    pub fn undo(&self, sequence: u64, message: Option<&str>) -> Result<u64> {
        note_edits::note_edits(self.core)?;
        let record = self.transaction(sequence)?;
        if matches!(record.kind, Kind::Baseline | Kind::Confirm) || record.packages.is_empty() {
            return Err(Error::Invalid {
                what: format!("transaction {sequence}"),
                why: "it changed nothing that could be undone",
            });
        }
        let intent = Intent { message: message.map(str::to_owned), ..Intent::new(Kind::Undo, sequence) };
        let mut texts = Vec::new();
        for change in &record.packages {
            if change.unknown {
                return Err(crate::history::too_old(&change.package, sequence.saturating_sub(1)));
            }
            let now = self.text_at(&change.package, u64::MAX)?;
            let there = now.as_deref().unwrap_or_default();
            let text = match self.take_out(&record, &change.package, &change.hunks, there)? {
                // If the transaction created the package and no line of it is left, it is deleted.
                Some(text) if text.is_empty() && change.is_new() => None,
                Some(text) => Some(text),
                None => {
                    let first = self.conflict(&record, &change.package, there)?;
                    return Err(Error::Conflict {
                        key: first.0,
                        why: format!("transaction {sequence} cannot be undone: {}", first.1),
                    });
                }
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
        let last = self.revision()?;
        if revision > last {
            return Err(Missing::Revision {
                spec: revision.to_string(),
                why: format!("the last revision is {last}"),
            }
            .into());
        }
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
        let mut later = Vec::new();
        self.each_transaction(|other| {
            if other.sequence <= record.sequence {
                return Ok(ControlFlow::Break(()));
            }
            later.extend(other.packages.into_iter().find(|change| change.package == package));
            Ok(ControlFlow::Continue(()))
        })?;
        // The ranges of the inserted bytes: first in the text after the transaction, then in the text after each
        // later one.
        let mut spots: Vec<usize> = Vec::with_capacity(hunks.len());
        let mut longer = 0_isize;
        for hunk in hunks {
            spots.push(hunk.at.saturating_add_signed(longer));
            longer += hunk.inserted.len().cast_signed() - hunk.removed.len().cast_signed();
        }
        for change in later.into_iter().rev() {
            if change.unknown {
                return Ok(None);
            }
            for (spot, hunk) in spots.iter_mut().zip(hunks) {
                let (start, end) = (*spot, *spot + hunk.inserted.len());
                let mut moved = 0_isize;
                for other in &change.hunks {
                    let other_end = other.at + other.removed.len();
                    // Adjacent hunks do not conflict, except two insertions at one place.
                    let apart = other_end <= start || other.at >= end;
                    if !apart || (start == end && other.at == start && other_end == start) {
                        return Ok(None);
                    }
                    if other_end <= start {
                        moved += other.inserted.len().cast_signed() - other.removed.len().cast_signed();
                    }
                }
                *spot = start.saturating_add_signed(moved);
            }
        }
        let mut text = now.to_vec();
        for (spot, hunk) in spots.into_iter().zip(hunks).rev() {
            let range = spot..spot + hunk.inserted.len();
            if text.get(range.clone()) != Some(hunk.inserted.as_slice()) {
                return Ok(None);
            }
            text.splice(range, hunk.removed.iter().copied());
        }
        Ok(Some(text))
    }

    /// Returns the first key that was changed since a transaction, and the reason that the transaction cannot be undone,
    /// with the author of the later change.
    fn conflict(&self, record: &Record, package: &str, now: &[u8]) -> Result<(String, String)> {
        let place = self.core.packages.in_config(package);
        let (current, _) = self.core.packages.parse(&place, now.to_vec())?;
        let changes = record.package(package).map_or(&[][..], |change| &change.changes);
        for change in changes {
            let (_, left) = change.values();
            if !matches!(change.what, What::Moved { .. })
                && content(&current, &(change.section.clone(), change.option.clone())).as_ref() != left
            {
                let key = crate::error::shown::name(&change.key(package));
                let by = self.core.logs.past()?.last_change(
                    record.sequence,
                    package,
                    &change.section,
                    change.option.as_deref(),
                )?;
                let by = by.map_or_else(String::new, |by| {
                    format!(", by transaction {} of {} through {}", by.sequence, by.uid, by.source)
                });
                return Ok((key, format!("it was changed since{by}")));
            }
        }
        Ok((package.to_owned(), "the same lines were changed since".to_owned()))
    }
}
