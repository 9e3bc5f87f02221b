//! Which transactions are undone: an undo names the transaction that it reverses, and a redo is an undo of that undo.
//! The log is read from its end, so that the undos of a transaction are known before the transaction itself.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::log::{Kind, Record, is_cancellation};
use crate::restore::history::History;

/// The transactions that are undone, each with its undo, as far as the log has been read.
#[derive(Debug, Default)]
pub(crate) struct Undone(HashMap<u64, u64>);

impl Undone {
    /// Takes the next older record. Returns the number of the transaction by which it is undone; `None` if it holds.
    pub fn pass(&mut self, record: &Record) -> Option<u64> {
        let by = self.0.remove(&record.sequence);
        if record.kind == Kind::Undo && by.is_none() {
            self.0.entry(record.refers).or_insert(record.sequence);
        }
        by
    }
}

/// An undo that holds, while it is not known yet whether it is a redo.
struct Candidate {
    sequence: u64,
    /// The transaction to look at next: the one that it reverses, or the one that that reverses.
    next: u64,
    /// Whether the number of reversals up to `next` is odd, so that the last of them is an undo.
    is_undo: bool,
    is_known: bool,
}

impl History<'_> {
    /// Returns the transaction that [`History::undo_last`] takes back: the newest that is neither undone nor itself an
    /// undo or redo; with `by`, of those of that user.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is none; as for [`History::each_transaction`].
    pub fn last_undoable(&self, by: Option<u32>) -> Result<Record> {
        let mut undone = Undone::default();
        let found = self.each_transaction(|record| {
            let holds = undone.pass(&record).is_none();
            let changes =
                matches!(record.kind, Kind::Commit | Kind::FileEdit | Kind::Rollback | Kind::Remote)
                    && !record.packages.is_empty();
            let is_wanted = holds && changes && by.is_none_or(|by| by == record.uid);
            Ok(if is_wanted { ControlFlow::Break(record) } else { ControlFlow::Continue(()) })
        })?;
        found.ok_or_else(|| Missing::ToUndo.into())
    }

    /// Returns the undo that [`History::redo`] reverses: of a transaction, or the newest one that holds; with `by`, of
    /// those of that user.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is none; as for [`History::each_transaction`].
    pub fn undo_to_redo(&self, transaction: Option<u64>, by: Option<u32>) -> Result<Record> {
        let sequence = match transaction {
            Some(transaction) => self.undo_of(transaction)?,
            None => self.last_undo(by)?,
        };
        self.transaction(sequence)
    }

    /// Returns, for each undo and redo in the log, the transaction that it takes back or makes again, and whether it makes
    /// it again.
    ///
    /// # Errors
    ///
    /// As for [`History::each_transaction`].
    pub fn reversals(&self) -> Result<HashMap<u64, (u64, bool)>> {
        let mut refers: HashMap<u64, u64> = HashMap::new();
        self.each_transaction(|record| {
            if record.kind == Kind::Undo {
                refers.insert(record.sequence, record.refers);
            }
            Ok(ControlFlow::<()>::Continue(()))
        })?;
        let root = |sequence: &u64| {
            let (mut of, mut is_redo) = (*sequence, true);
            while let Some(next) = refers.get(&of).filter(|next| **next < of) {
                (of, is_redo) = (*next, !is_redo);
            }
            (of, is_redo)
        };
        Ok(refers.keys().map(|sequence| (*sequence, root(sequence))).collect())
    }

    /// Finds the undo of a transaction.
    fn undo_of(&self, transaction: u64) -> Result<u64> {
        let mut undone = Undone::default();
        let found = self.each_transaction(|record| {
            let by = undone.pass(&record);
            let is_passed = record.sequence <= transaction;
            let by = by.filter(|_| record.sequence == transaction);
            Ok(if is_passed { ControlFlow::Break(by) } else { ControlFlow::Continue(()) })
        })?;
        let invalid = || Error::NotPossible {
            why: format!("transaction {transaction}: it is not undone, so it cannot be made again"),
        };
        let by = found.flatten().ok_or_else(invalid)?;
        if is_cancellation(&self.transaction(by)?) { Err(invalid()) } else { Ok(by) }
    }

    /// Finds the newest undo that holds and is no redo.
    fn last_undo(&self, by: Option<u32>) -> Result<u64> {
        let mut undone = Undone::default();
        let mut candidates: Vec<Candidate> = Vec::new();
        let found = self.each_transaction(|record| {
            for one in candidates.iter_mut().filter(|one| !one.is_known && one.next == record.sequence) {
                one.is_known = record.kind != Kind::Undo;
                (one.next, one.is_undo) = (record.refers, one.is_undo == one.is_known);
            }
            let holds = undone.pass(&record).is_none();
            if holds && record.kind == Kind::Undo && !is_cancellation(&record) {
                let is_wanted = by.is_none_or(|by| by == record.uid);
                candidates.extend(is_wanted.then_some(Candidate {
                    sequence: record.sequence,
                    next: record.refers,
                    is_undo: true,
                    is_known: false,
                }));
            }
            candidates.retain(|one| !one.is_known || one.is_undo);
            let first = candidates.first().filter(|one| one.is_known);
            Ok(first.map_or(ControlFlow::Continue(()), |one| ControlFlow::Break(one.sequence)))
        })?;
        // Of an undo whose transaction the log has dropped it is not known whether it is a redo.
        let known = || candidates.iter().find(|one| one.is_known).map(|one| one.sequence);
        found.or_else(known).ok_or_else(|| Missing::ToRedo.into())
    }
}
