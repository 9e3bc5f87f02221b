//! The log as a commit uses it: its lock, the records to append, and the state of its texts.
//!
//! Every writer of a package that the log knows takes the log's lock first, then the locks of the packages. So all
//! transactions have one order, and only the texts of the last one may not be in place yet. A program that takes the
//! lock completes a commit that another program has left unfinished (`open_session`), and notes changes by hand since
//! then ([`LogSession::look`]).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::core::Core;
use crate::commit::draft;
use crate::commit::intent::Intent;
use crate::commit::mark::{self, Mark};
use crate::commit::packages::first_changes;
use crate::commit::place::Place;
use crate::commit::publish::{self, LogRange};
use crate::commit::transition::Transition;
use crate::error::{Code, Error, Result};
use crate::format::Format;
use crate::log::{self, Behind, Digest, Guard, Kind, PackageChange, Record, Writer};
use crate::os::lock::PackageLock;
use crate::os::patience::{Patience, taken};
use crate::os::trust::Config;
use crate::settings::durability::Durability;

mod edits;

/// The change of one package that will be logged.
pub(crate) struct Entry<'a> {
    pub place: &'a Place,
    pub before: Option<&'a Arc<Vec<u8>>>,
    pub after: &'a [u8],
    /// Whether the package is deleted; then the text after is empty.
    pub deletes: bool,
    /// The transition from the text before to the text after, if it is known.
    pub step: Option<&'a Transition>,
}

impl<'a> Entry<'a> {
    pub fn of(place: &'a Place, step: &'a Transition) -> Self {
        Self {
            place,
            before: Some(step.old.text()),
            after: step.new.text(),
            deletes: false,
            step: Some(step),
        }
    }
}

/// An open session with the log: as long as it lives, the log's lock is held. Without a log that can be written, it holds
/// no lock, and nothing is logged.
pub(crate) struct LogSession<'s> {
    pub core: &'s Core,
    /// The configuration directory, as it was found once the log's lock was held; `None` if that was not looked at.
    pub config: Option<Config>,
    /// The right to write to the log, which holds its lock; `None` if the log cannot be written.
    pub(super) writer: Option<Writer<'s>>,
    /// The error because of which the log cannot be written and nothing is logged.
    pub(super) unlogged: Option<Error>,
    /// The records to append before the next one: packages seen for the first time, and changes by hand.
    pub(super) waiting: Vec<Record>,
    /// The reason why texts that are in place may not survive a power cut. It is kept while other texts are still
    /// being put in place.
    unsettled: Option<Error>,
    /// The segment that was appended to when the lock was taken; see [`Writer::settled_segment`].
    pub(super) segment: u64,
    /// The transaction before the last appended ones.
    pub(super) base: u64,
    /// Whether changes by hand of other packages were noted with the last appended transactions.
    strays: bool,
    /// The commit that waited to be confirmed before the last appended transactions.
    pending_before: Option<(u64, Guard)>,
    /// Whether there is a transaction whose texts are still being put in place.
    pub(super) unfinished: bool,
}

/// How long to sleep before the rest of a logged transaction is tried again.
const GO_ON: Duration = Duration::from_millis(1);

/// Returns the hunks and the changes of keys that lead from one text of a package to another.
fn hunks_and_changes(
    format: &dyn Format,
    name: &str,
    old: &[u8],
    new: &[u8],
) -> (Vec<log::Hunk>, Vec<log::KeyChange>) {
    let hunks = log::compare_texts(old, new);
    if old.is_empty() {
        return (hunks, first_changes(format, name, new));
    }
    let read = |text: &[u8]| format.read_leniently(name, &Arc::new(text.to_vec()));
    let both = read(old).zip(read(new));
    (hunks, both.map(|(old, new)| log::compare_packages(&old, &new)).unwrap_or_default())
}

pub(crate) fn cannot_be_written(error: &Error) -> bool {
    let read_only = matches!(error, Error::Io { source, .. }
        if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem);
    error.code() == Code::Permission || read_only
}

impl Drop for LogSession<'_> {
    fn drop(&mut self) {
        let begun = self.writer.as_ref().filter(|writer| writer.is_at_rest()).map(Writer::segment);
        if begun.is_some_and(|segment| segment != self.segment) {
            // The log's lock is still held, so nobody commits, and all texts are in place. If the hook fails, nothing is lost.
            (self.core.on_segment)(self.core, self);
        }
    }
}

impl<'s> LogSession<'s> {
    /// Begins a session without the right to write to the log.
    pub fn new(core: &'s Core) -> Self {
        Self {
            core,
            config: None,
            writer: None,
            unlogged: None,
            waiting: Vec::new(),
            unsettled: None,
            segment: 0,
            base: 0,
            strays: false,
            pending_before: None,
            unfinished: false,
        }
    }

    /// Begins a session with the right to write to the log.
    pub fn of(core: &'s Core, writer: Writer<'s>) -> Self {
        let mut session = Self::new(core);
        session.segment = writer.settled_segment();
        session.writer = Some(writer);
        session
    }
}

impl LogSession<'_> {
    /// Logs a transaction. This is the commit point: from here on the transaction is committed, and recovery completes it
    /// if need be. Returns its sequence; `None` if it is not logged.
    pub fn commit(&mut self, entries: &[Entry<'_>], intent: &Intent) -> Result<Option<u64>> {
        let record = self.make_record(entries, intent)?;
        self.check_current()?;
        let sequence = self.write_down(record.into_iter().collect())?;
        self.unfinished = true;
        Ok(sequence)
    }

    /// Repeats the rest of a logged transaction as long as a lock is taken: an editor has saved a file at the instant
    /// in which it was to be replaced, and another program has locked that file since. Only this function waits for a
    /// lock while the log's lock is held: without that lock, others would complete the transaction, and it would be
    /// made twice.
    ///
    /// # Errors
    ///
    /// The error of `once`.
    pub fn go_on<R>(&mut self, mut once: impl FnMut(&mut Self) -> Result<R>) -> Result<R> {
        let patience = Patience::new(self.core.settings.get().lock_timeout);
        loop {
            let done = once(self);
            if !self.must_go_on(&done, &patience) {
                return done;
            }
        }
    }

    /// Reports whether [`LogSession::go_on`] must try again, after a short sleep.
    pub fn must_go_on<R>(&self, done: &Result<R>, patience: &Patience) -> bool {
        let is_locked = matches!(done, Err(Error::Locked { .. })) && self.unfinished && !patience.is_over();
        if is_locked {
            std::thread::sleep(GO_ON);
        }
        is_locked
    }

    /// Turns [`Error::Locked`] into [`Error::Unfinished`] if a transaction is logged whose texts are not in place: it must
    /// not be made again. See [`LogSession::go_on`].
    pub fn or_unfinished<R>(&self, done: Result<R>) -> Result<R> {
        match done {
            Err(Error::Locked { path, holder, waited }) if self.unfinished => {
                let source = Box::new(Error::Locked { path: path.clone(), holder, waited });
                Err(Error::Unfinished { path, source })
            }
            done => done,
        }
    }

    /// Logs transactions in this order, with one sync for all. Returns the sequence of each.
    pub fn commit_each(&mut self, transactions: &[(Vec<Entry<'_>>, &Intent)]) -> Result<Vec<Option<u64>>> {
        let records: Result<Vec<_>> =
            transactions.iter().map(|(entries, why)| self.make_record(entries, why)).collect();
        let records = records?;
        self.check_current()?;
        let mut logged: Vec<bool> = records.iter().map(Option::is_some).collect();
        let last = self.write_down(records.into_iter().flatten().collect())?;
        self.unfinished = true;
        let mut next = last;
        let mut sequences: Vec<_> = std::iter::from_fn(|| {
            let is_logged = logged.pop()?;
            let sequence = next.filter(|_| is_logged);
            next = next.map(|next| next - u64::from(is_logged));
            Some(sequence)
        })
        .collect();
        sequences.reverse();
        Ok(sequences)
    }

    /// Reports whether the directory of the log was replaced since its lock was taken.
    pub fn is_replaced(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| !writer.is_current())
    }

    /// Checks that the log is still the one at its path, so that files that were read or made through that path belong to
    /// it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if it was replaced; `retry` handles it.
    pub fn check_current(&self) -> Result<()> {
        match self.core.logs.current().filter(|_| self.is_replaced()) {
            Some(log) => Err(log.replaced()),
            None => Ok(()),
        }
    }

    /// Makes the record of a transaction; `None` if it changes no logged package.
    fn make_record(&self, entries: &[Entry<'_>], intent: &Intent) -> Result<Option<Record>> {
        // The rollback of a commit that was not confirmed is allowed in safe mode as well.
        if intent.refusable {
            self.core.settings.check_may_write()?;
        }
        let mut record = self.core.record(intent);
        for entry in entries.iter().filter(|entry| entry.place.is_logged()) {
            record.packages.push(self.change(entry));
            if entry.before.is_none()
                && let (Some(log), Some(_)) = (self.core.logs.current(), &self.writer)
            {
                log.keep_text(&entry.place.name, b"")?;
            }
        }
        if record.packages.is_empty() && matches!(record.kind, Kind::Commit | Kind::Remote) {
            return Ok(None);
        }
        record.guard = match intent.confirm {
            Some(time) => Some(self.guard(time)?),
            None => match self.core.logs.current() {
                Some(log) => intent.guard_carried_on(log, self.pending())?,
                None => None,
            },
        };
        Ok(Some(record))
    }

    /// Starts the time in which a transaction must be confirmed.
    fn guard(&self, time: Duration) -> Result<Guard> {
        if let Some(why) = &self.unlogged {
            return Err(why.again());
        }
        let now = (self.core.options.uptime)();
        // The state to roll back to stays the same, however many commits join the pending one.
        let before = self.sequence() + self.waiting.len() as u64;
        let waiting = self.pending().map(|(_, guard)| guard);
        let baseline = waiting.map_or(before, |guard| guard.baseline);
        let guard = Guard::new(time, now, baseline);
        self.core.pending.begin(&guard, waiting.as_ref())?;
        Ok(guard)
    }

    /// Returns the change of a package as the record of the transaction holds it.
    fn change(&self, entry: &Entry<'_>) -> PackageChange {
        let (package, deleted) = (entry.place.name.clone(), entry.deletes);
        if let Some(step) = entry.step {
            let (format_before, format) = (step.old.package.format(), step.new.package.format());
            let (hunks, changes) = step.hunks_and_changes(self.core.options.format_of(format));
            return PackageChange {
                before: Some(step.old.digest),
                deleted,
                hunks,
                changes,
                format_before,
                format,
                ..PackageChange::new(package, step.new.digest)
            };
        }
        let empty = Arc::default();
        let before = entry.before.unwrap_or(&empty);
        let (hunks, changes) =
            hunks_and_changes(self.core.options.format_of(entry.place.format), &package, before, entry.after);
        let before = entry.before.map(|before| Digest::of(before));
        PackageChange {
            before,
            deleted,
            hunks,
            changes,
            ..PackageChange::new(package, Digest::of(entry.after))
        }
    }

    /// Makes the next sequence larger than a number that was used already.
    pub(super) fn go_on_above(&mut self, number: u64) {
        self.writer.iter_mut().for_each(|writer| writer.raise(number));
    }

    /// Begins a new segment of the log if the last one is damaged.
    pub fn leave_damaged(&mut self) -> Result<()> {
        self.writer.as_mut().map_or(Ok(()), Writer::leave_damaged)
    }

    /// Appends the waiting records of changes by hand, if there are any.
    pub fn note(&mut self) -> Result<()> {
        if let Some(last) = self.write_down(Vec::new())? {
            publish::publish(self.core, &[], Some(self.logged(last)));
        }
        Ok(())
    }

    /// Returns the range of the last appended transactions, up to this one, for publishing.
    pub fn logged(&self, last: u64) -> LogRange {
        LogRange { base: (!self.strays).then_some(self.base), last, config: self.config }
    }

    /// Returns the number of the last transaction; 0 without a log.
    pub fn sequence(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::sequence)
    }

    /// Returns the commit that waits to be confirmed, and its number.
    pub fn pending(&self) -> Option<(u64, Guard)> {
        self.writer.as_ref().and_then(Writer::pending)
    }

    /// Appends the waiting records, and then these.
    pub(super) fn write_down(&mut self, records: Vec<Record>) -> Result<Option<u64>> {
        let Some(writer) = &mut self.writer else {
            if let (Some(why), false) = (&self.unlogged, records.is_empty()) {
                self.core.warnings.warn(&format!(
                    "commits are not logged, so there is no history of them and no undo: {why}"
                ));
            }
            return Ok(None);
        };
        let mut all = std::mem::take(&mut self.waiting);
        let noted = !all.is_empty() && records.is_empty() && writer.behind() == Behind::Nowhere;
        let is_stray = |change: &PackageChange| !records.iter().any(|r| r.package(&change.package).is_some());
        let mut edits = all.iter().filter(|record| record.kind == Kind::FileEdit);
        let strays = edits.any(|record| record.packages.iter().any(is_stray));
        all.extend(records);
        if all.is_empty() {
            return Ok(None);
        }
        (self.base, self.strays) = (writer.sequence(), strays);
        self.pending_before = writer.pending();
        let settings = self.core.settings.get();
        let survives = |change: &PackageChange| settings.durability_of(&change.package) != Durability::None;
        let durable = all.iter().any(|record| {
            // A record without packages concerns the whole store.
            record.packages.iter().any(survives)
                || record.packages.is_empty() && settings.durability != Durability::None
        });
        let sequence = writer.append(all, durable)?;
        if noted {
            // The texts are in place: the changes were found in them.
            writer.mark_applied();
        }
        Ok(Some(sequence))
    }

    /// Keeps the error that texts in place may not survive a power cut, while other texts are not in place yet.
    /// [`LogSession::settled`] returns it once those are.
    pub fn unsettled(&mut self, error: Error) {
        self.unsettled.get_or_insert(error);
    }

    /// Returns an error if a text that was put in place so far may not survive a power cut.
    pub fn settled(&self) -> Result<()> {
        self.unsettled.as_ref().map_or(Ok(()), |error| Err(error.again()))
    }

    /// Marks the texts of all transactions as in place. If one may not survive a power cut, they are not marked, and
    /// the next session syncs them again.
    pub fn applied(&mut self) {
        self.unfinished = false;
        if let Some(writer) = self.writer.as_mut().filter(|_| self.unsettled.is_none()) {
            writer.mark_applied();
        }
    }

    /// Marks the texts that are not in place as deferred.
    pub fn ahead(&mut self) {
        self.unfinished = false;
        if let Some(writer) = &mut self.writer {
            writer.mark_ahead();
        }
    }

    /// Reports whether transactions can be logged.
    pub fn is_kept(&self) -> bool {
        self.writer.is_some()
    }

    /// Reports whether texts are behind the log.
    pub fn behind(&self) -> Behind {
        self.writer.as_ref().map_or(Behind::Nowhere, Writer::behind)
    }

    /// Reports whether the text of a package is newer than the newest state in the log.
    pub fn is_older_than(&self, place: &Place) -> bool {
        let newest = self.writer.as_ref().and_then(|writer| writer.newest(&place.name));
        newest.is_some_and(|newest| mark::is_newer_than_logged(self.core, place, newest.sequence))
    }

    /// Returns the newest state of a package in the log, and whether the text in place is behind it.
    pub fn newest(&self, package: &str) -> Option<(Digest, bool)> {
        let writer = self.writer.as_ref()?;
        let there = writer.newest(package).filter(|newest| !newest.gone);
        there.map(|newest| (newest.digest, writer.is_behind(package)))
    }

    /// Logs that a transaction was rolled back because its texts could not be put in place. Recovery puts the texts back,
    /// unless [`LogSession::applied`] has marked them as in place.
    pub fn roll_back(&mut self, sequence: Option<u64>, entries: &[Entry<'_>], intent: &Intent) -> Result<()> {
        let Some(sequence) = sequence else { return Ok(()) };
        let undo = Intent { by: intent.by.clone(), ..Intent::new(Kind::Undo, sequence) };
        let mut record = self.core.record(&undo);
        record.message = log::CANCELLED.into();
        if self.pending() != self.pending_before {
            // The pending commit stays pending, whether the transaction had joined it or was its rollback.
            record.guard = self.pending_before.map(|(_, guard)| guard);
        }
        for entry in entries.iter().filter(|entry| entry.place.is_logged()) {
            let empty = Arc::default();
            let before = entry.before.unwrap_or(&empty);
            let old =
                self.core.options.format_of(entry.place.format).read_leniently(&entry.place.name, before);
            let new = self
                .core
                .options
                .format_of(entry.place.format)
                .read_leniently(&entry.place.name, &Arc::new(entry.after.to_vec()));
            record.packages.push(PackageChange {
                before: (!entry.deletes).then(|| Digest::of(entry.after)),
                deleted: entry.before.is_none(),
                hunks: log::compare_texts(entry.after, before),
                changes: old.zip(new).map(|(old, new)| log::compare_packages(&new, &old)).unwrap_or_default(),
                ..PackageChange::new(&entry.place.name, Digest::of(before))
            });
        }
        self.write_down(vec![record]).map(|_| ())
    }
}

impl LogSession<'_> {
    /// Takes the locks of packages whose texts will be replaced. The deferred texts of this log are in place
    /// already.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if a lock is taken or a text is behind another log; `retry` handles it.
    pub fn lock_all<'p>(&self, paths: impl IntoIterator<Item = &'p Path>) -> Result<Vec<PackageLock>> {
        let lock = |path| match (draft::try_lock_in(self.core, path, self.config)?, self.foreign_mark(path)) {
            (lock, None) => Ok(lock),
            // The program that has deferred the text takes the same locks to put it in place.
            (_, Some(mark)) => Err(taken(&mark.path)),
        };
        paths.into_iter().map(lock).collect()
    }

    /// Finds the mark of another log beside a package file. Removes a mark of our own log, which a crash has left.
    pub fn foreign_mark(&self, file: &Path) -> Option<Mark> {
        let mark = Mark::of(file)?;
        let log = self.core.logs.current().filter(|_| self.is_kept());
        match log.is_some_and(|log| mark.is_of(log)) && !self.is_replaced() {
            true => {
                mark::remove_marks(self.core, &[mark]);
                None
            }
            false => Some(mark),
        }
    }
}
