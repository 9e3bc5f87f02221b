//! Rolls back commits that were not confirmed, and previews what that will change.
//!
//! Only the keys that the pending commits have changed are rolled back (see `by_key`); later commits and edits of
//! other keys stay. The rollback is a transaction like any other, in the log and for watches. Verifiers are not
//! asked, since it is the way out of a bad configuration.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::commit::intent::Intent;
use crate::commit::log_session::LogSession;
use crate::commit::open_session::session_of_log_within;
use crate::commit::opening::Opened;
use crate::commit::part::{ATTEMPTS, Expected, WholeText};
use crate::commit::{retry, write};
use crate::confirm::by_key::{Reverted, Text, TextChange, revert};
use crate::confirm::{Confirmations, Pending};
use crate::error::{Code, Error, Result, shown};
use crate::log::{self, Digest, Guard, KeyChange, Kind, PackageChange, Record, What};
use crate::os::file_name;
use crate::restore::archive::Archives;
use crate::restore::history::History;

/// Commits that wait to be confirmed, and the changes of their rollback.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Waiting {
    /// The time limit.
    pub pending: Pending,
    /// The pending transactions, the oldest first.
    pub transactions: Vec<Record>,
    /// The changes of a rollback, package by package.
    pub rollbacks: Vec<PackageRollback>,
}

/// The changes of a rollback in one package.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PackageRollback {
    /// The package.
    pub package: String,
    /// Whether the package is deleted.
    pub deleted: bool,
    /// Whether the present text cannot be read, so that the whole earlier text is restored.
    pub whole: bool,
    /// The changes to the present state.
    pub changes: Vec<KeyChange>,
}

/// A notice to a program that has committed while another commit is pending.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Notice {
    /// The pending commit, and the time left.
    pub pending: Pending,
    /// The first pending transaction.
    pub by: Record,
    /// The keys of the program's own commits that are rolled back as well, in the order of their names.
    pub keys: Vec<String>,
}

impl PackageRollback {
    /// Reports whether a changed key is rolled back.
    fn includes(&self, key: &KeyChange) -> bool {
        let concerns = |change: &KeyChange| {
            let is_whole =
                change.option.is_none() && matches!(change.what, What::Added(_) | What::Deleted(_));
            change.section == key.section && (is_whole || change.option == key.option)
        };
        self.deleted || self.whole || self.changes.iter().any(concerns)
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Pending { sequence, left, .. } = self.pending;
        let (by, left) = (&self.by, crate::os::clock::show_span(left));
        let (who, source) = (by.who(), shown::text(&by.source));
        write!(f, "transaction {sequence} of {who} through {source} waits to be confirmed; ")?;
        write!(f, "unless that happens, in {left} ")?;
        match self.keys.as_slice() {
            [] => write!(f, "its keys are rolled back; your commit stays"),
            keys => write!(
                f,
                "these keys are rolled back to their values before that transaction, even where your commit changes them: {}",
                keys.join(", ")
            ),
        }
    }
}

/// The text of a package now, and after the rollback.
struct Reversal {
    package: String,
    now: Text,
    then: Reverted,
}

impl Reversal {
    fn text(&self) -> Option<&Vec<u8>> {
        match &self.then {
            Reverted::Text(text) | Reverted::Whole(text) => text.as_ref(),
        }
    }

    fn changes_nothing(&self) -> bool {
        self.text() == self.now.as_deref()
    }
}

/// The changes to one package since some revision, the newest first, and whether each is reverted.
type PackageChanges = Vec<(bool, PackageChange)>;

impl Confirmations<'_> {
    /// Returns the pending commits, and the changes of their rollback; `None` if nothing is pending.
    ///
    /// # Errors
    ///
    /// As for [`crate::Confirmations::pending`].
    pub fn waiting(&self) -> Result<Option<Waiting>> {
        let Some(pending) = self.pending()? else { return Ok(None) };
        let mut transactions = self.waiting_since(pending.baseline)?;
        transactions.reverse();
        let rollbacks = self.reversals(pending.baseline, None)?;
        let rollbacks = rollbacks.iter().filter(|one| !one.changes_nothing()).map(|one| self.describe(one));
        Ok(Some(Waiting { pending, transactions, rollbacks: rollbacks.collect() }))
    }

    /// Returns a notice for the program that has committed a transaction if another one is pending; `None` if none
    /// is, or if the transaction is itself pending. It costs little if nothing is pending.
    ///
    /// # Errors
    ///
    /// As for [`crate::Confirmations::pending`].
    pub fn notice_of(&self, revision: u64) -> Result<Option<Notice>> {
        self.notice(|record| record.sequence == revision)
    }

    /// As [`crate::Confirmations::notice_of`], for all commits that this process has made since.
    ///
    /// # Errors
    ///
    /// As for [`crate::Confirmations::pending`].
    pub fn notice_of_process(&self) -> Result<Option<Notice>> {
        let own = std::process::id();
        self.notice(|record| record.pid == own)
    }

    fn notice(&self, is_mine: impl Fn(&Record) -> bool) -> Result<Option<Notice>> {
        if self.core.pending.is_absent() {
            return Ok(None);
        }
        let Some(pending) = self.pending()? else { return Ok(None) };
        let (mut by, mut mine) = (None, Vec::new());
        History::of(self.core).each_transaction(|record| {
            if record.sequence <= pending.baseline {
                return Ok(ControlFlow::Break(()));
            }
            if record.guard.is_some() {
                by = Some(record);
            } else if is_mine(&record) && record.kind != Kind::Confirm {
                mine.push(record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let Some(by) = by.filter(|_| !mine.is_empty()) else { return Ok(None) };
        let mut keys = BTreeSet::new();
        for one in self.reversals(pending.baseline, None)?.iter().filter(|one| !one.changes_nothing()) {
            let will = self.describe(one);
            for change in mine.iter().filter_map(|record| record.package(&one.package)) {
                keys.extend(
                    change.changes.iter().filter(|key| will.includes(key)).map(|key| key.key(&one.package)),
                );
            }
        }
        Ok(Some(Notice { pending, by, keys: keys.iter().map(shown::text).collect() }))
    }

    /// Finds out whether a commit with a time limit, made by a process after a revision, was rolled back. Returns
    /// its number, and the transaction that rolled it back.
    ///
    /// # Errors
    ///
    /// As for [`crate::History::each_transaction`].
    pub fn was_rolled_back(&self, process: u32, since: u64) -> Result<Option<(u64, Record)>> {
        self.end_of(since, |record| record.pid == process && record.kind == Kind::Commit)
    }

    /// As [`crate::Confirmations::was_rolled_back`], of one transaction.
    ///
    /// # Errors
    ///
    /// As for [`crate::History::each_transaction`].
    pub fn rolled_back_by(&self, transaction: u64) -> Result<Option<Record>> {
        let end = self.end_of(transaction.saturating_sub(1), |record| record.sequence == transaction)?;
        Ok(end.map(|(_, by)| by))
    }

    /// Finds the newest commit with a time limit after a revision that `is_meant`, and the transaction that rolled
    /// it back.
    fn end_of(&self, since: u64, is_meant: impl Fn(&Record) -> bool) -> Result<Option<(u64, Record)>> {
        let (mut later, mut undone) = (Vec::<Record>::new(), HashSet::new());
        let found = History::of(self.core).each_transaction(|record| {
            if record.sequence <= since {
                return Ok(ControlFlow::Break(None));
            }
            if let Some(guard) = record.guard.filter(|_| is_meant(&record)) {
                let ends = |end: &Record| match end.kind {
                    Kind::Rollback => end.refers == guard.baseline && end.guard.is_none(),
                    Kind::Undo => end.refers == record.sequence,
                    _ => true,
                };
                let end = later.drain(..).rev().find(ends);
                let end = end.filter(|end| end.kind != Kind::Confirm && !log::is_cancellation(end));
                return Ok(ControlFlow::Break(end.map(|end| (record.sequence, end))));
            }
            if log::is_cancellation(&record) {
                undone.insert(record.refers);
            }
            let may_end = matches!(record.kind, Kind::Confirm | Kind::Undo | Kind::Rollback);
            if may_end && !undone.contains(&record.sequence) {
                later.push(record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found.flatten())
    }

    /// Returns the pending transactions after a revision, the newest first.
    fn waiting_since(&self, baseline: u64) -> Result<Vec<Record>> {
        let (mut found, mut undone) = (Vec::new(), HashSet::new());
        History::of(self.core).each_transaction(|record| {
            if record.sequence <= baseline {
                return Ok(ControlFlow::Break(()));
            }
            if log::is_cancellation(&record) {
                undone.insert(record.refers);
            } else if record.guard.is_some() && !undone.contains(&record.sequence) {
                found.push(record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn describe(&self, reversal: &Reversal) -> PackageRollback {
        let read = |text: Option<&Arc<Vec<u8>>>| {
            let text = text.cloned().unwrap_or_default();
            self.core.packages.format_of(&reversal.package).read_leniently(&reversal.package, &text)
        };
        let then = reversal.text().map(|text| Arc::new(text.clone()));
        let both = read(reversal.now.as_ref()).zip(read(then.as_ref()));
        PackageRollback {
            package: reversal.package.clone(),
            deleted: then.is_none(),
            whole: matches!(reversal.then, Reverted::Whole(_)),
            changes: both.map(|(now, then)| log::compare_packages(&now, &then)).unwrap_or_default(),
        }
    }

    /// Returns the packages as they will be if transactions since a revision are reverted: all pending ones, or
    /// `only` one.
    fn reversals(&self, since: u64, only: Option<u64>) -> Result<Vec<Reversal>> {
        let mut reversals = Vec::new();
        for (package, package_changes) in self.changes_by_package(since, only)? {
            let now = self.present_text(&package)?;
            let text_changes = self.text_changes(&package, package_changes, &now)?;
            let then = revert(self.core.packages.format_of(&package), &package, &text_changes, &now);
            reversals.push(Reversal { package, now, then });
        }
        Ok(reversals)
    }

    /// Collects the changes since a revision to each package that a reverted transaction has changed.
    fn changes_by_package(&self, since: u64, only: Option<u64>) -> Result<BTreeMap<String, PackageChanges>> {
        let (mut changes_by_package, mut undone) =
            (BTreeMap::<String, PackageChanges>::new(), HashSet::new());
        History::of(self.core).each_transaction(|record| {
            if record.sequence <= since {
                return Ok(ControlFlow::Break(()));
            }
            let is_undoing = log::is_cancellation(&record);
            if is_undoing {
                undone.insert(record.refers);
            }
            let is_reverted = match only {
                Some(only) => record.sequence == only,
                None => record.guard.is_some() && !is_undoing,
            };
            let is_reverted = is_reverted && !undone.contains(&record.sequence);
            // A transaction of another layer has changed no text of this one.
            if !matches!(record.kind, Kind::Baseline | Kind::Layer) {
                for change in record.packages {
                    changes_by_package.entry(change.package.clone()).or_default().push((is_reverted, change));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        changes_by_package.retain(|_, package_changes| {
            // Drop the changes before the first reverted one.
            let first = package_changes.iter().rposition(|(is_reverted, _)| *is_reverted);
            package_changes.truncate(first.map_or(0, |first| first + 1));
            !package_changes.is_empty()
        });
        Ok(changes_by_package)
    }

    fn present_text(&self, package: &str) -> Result<Text> {
        let place = self.core.packages.in_config(package);
        match self.core.packages.read_shared(&place) {
            Ok((text, _)) => Ok(Some(text)),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds the texts to changes of a package, and returns them with the oldest first. Consecutive changes that
    /// stay are merged.
    fn text_changes(
        &self,
        package: &str,
        package_changes: PackageChanges,
        now: &Text,
    ) -> Result<Vec<TextChange>> {
        let mut text_changes: Vec<TextChange> = Vec::new();
        let newest = package_changes.first().and_then(|(_, change)| change.left());
        let present = now.as_ref().map(|text| Digest::of(text));
        let mut text: Option<Text> = Some(now.clone());
        if newest != present {
            // The text was edited by hand, and the log does not have the edit yet.
            let log = self.core.logs.require()?;
            let logged = newest.map(|newest| log.text_of(package, newest)).transpose()?.flatten();
            text = logged.map(|logged| Some(Arc::new(logged)));
            let texts = text.clone().map(|text| (text, now.clone()));
            text_changes.push(TextChange { is_reverted: false, texts, changes: Vec::new() });
        }
        for (is_reverted, change) in package_changes {
            let after = text.take();
            text = after.as_ref().and_then(|after| text_before(after, &change));
            let last = text_changes.last_mut().filter(|last| !is_reverted && !last.is_reverted);
            match (last, text.clone(), after) {
                (Some(last), Some(before), _) => {
                    if let Some((first, _)) = &mut last.texts {
                        *first = before;
                    }
                }
                (Some(last), None, _) => last.texts = None,
                (None, before, after) => {
                    text_changes.push(TextChange {
                        is_reverted,
                        texts: before.zip(after),
                        changes: change.changes,
                    });
                }
            }
        }
        text_changes.reverse();
        Ok(text_changes)
    }

    /// Rolls back all pending commits. Returns the number of the rollback.
    pub(crate) fn roll_back_pending(
        &self,
        session: &mut LogSession<'_>,
        guard: &Guard,
        message: &str,
    ) -> Result<Option<u64>> {
        // Verifiers must not refuse this rollback: it is the safety net.
        let intent = Intent { refusable: false, ..Intent::new(Kind::Rollback, guard.baseline) };
        let done = self.roll_back_by_key(session, guard.baseline, None, &intent, message)?;
        self.core.pending.remove();
        Ok(done)
    }

    /// Rolls one transaction back at once, key by key, whatever was committed since. If it was the only pending
    /// one, nothing is pending afterwards. Returns the number of the rollback; `None` if the transaction had a time
    /// limit and was rolled back already.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the log does not have the transaction; as for [`crate::Engine::commit`].
    pub fn roll_back(&self, sequence: u64, message: &str) -> Result<Option<u64>> {
        retry::with_session(self.core, session_of_log_within, |session| {
            History::of(self.core).transaction(sequence)?;
            if self.rolled_back_by(sequence)?.is_some() {
                return Ok(None);
            }
            let intent = Intent { refusable: false, ..Intent::new(Kind::Undo, sequence) };
            let done =
                self.roll_back_by_key(session, sequence.saturating_sub(1), Some(sequence), &intent, message)?;
            if session.pending().is_none() {
                self.core.pending.remove();
            }
            Ok(done)
        })
    }

    fn roll_back_by_key(
        &self,
        session: &mut LogSession<'_>,
        since: u64,
        only: Option<u64>,
        intent: &Intent,
        message: &str,
    ) -> Result<Option<u64>> {
        for _ in 0..ATTEMPTS {
            let mut message = message.to_owned();
            let mut reversals = self.reversals(since, only)?;
            reversals.retain(|one| !one.changes_nothing());
            for one in reversals.iter().filter(|one| matches!(one.then, Reverted::Whole(_))) {
                message.push_str("; ");
                message.push_str(&self.set_aside_unreadable(&one.package, &one.now, session.sequence()));
            }
            let intent = Intent { message: Some(message), ..intent.clone() };
            if reversals.is_empty() {
                // The texts need no change; log the rollback all the same.
                return self.log_alone(session, &intent);
            }
            match session.go_on(|session| self.replace_all(session, &reversals, &intent)) {
                Ok(Some(sequence)) => return Ok(Some(sequence)),
                // Another program has saved a file meanwhile.
                Ok(None) => {}
                Err(error) if error.code() == Code::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Conflict {
            key: String::new(),
            why: "the files kept changing while they were being written".into(),
        })
    }

    fn replace_all(
        &self,
        session: &mut LogSession<'_>,
        reversals: &[Reversal],
        intent: &Intent,
    ) -> Result<Option<u64>> {
        let whole = |one: &Reversal| WholeText {
            place: self.core.packages.in_config(&one.package),
            expected: Expected::of(one.now.as_ref().map(|text| text.as_slice())),
            text: one.text().cloned().map(Arc::new),
        };
        let texts: Vec<WholeText> = reversals.iter().map(whole).collect();
        let mut opened = Opened::of(session, texts.iter().map(|text| &text.place))?;
        Archives::of(self.core).snapshot_before(opened.session);
        write::put_texts(&mut opened, &texts, intent)
    }

    /// Saves a text that cannot be read in a file beside the package. Returns a sentence that names the file.
    fn set_aside_unreadable(&self, package: &str, text: &Text, sequence: u64) -> String {
        let name = file_name::hidden(package.as_ref(), &format!(".unreadable-{sequence}"));
        let path: PathBuf = self.core.dirs().config.path.join(&name);
        let files = &self.core.options.files;
        let keep = || -> std::io::Result<()> {
            let open = files.open_or_create(&path, 0o600)?;
            files.truncate(&open, 0)?;
            files.write(&open, text.as_deref().map_or(&[][..], Vec::as_slice))?;
            files.sync(&open)
        };
        match keep() {
            Ok(()) => format!("{package} could not be read, and its text is kept in {}", name.display()),
            // The log has the text as well.
            Err(error) => format!("{package} could not be read, and its text is only in the log ({error})"),
        }
    }
}

/// Returns the text before a change; `None` if it is not known.
fn text_before(after: &Text, change: &PackageChange) -> Option<Text> {
    if change.unknown {
        return None;
    }
    let Some(before) = change.before else { return Some(None) };
    let text = log::revert(after.as_deref().map_or(&[][..], Vec::as_slice), &change.hunks)?;
    (Digest::of(&text) == before).then(|| Some(Arc::new(text)))
}
