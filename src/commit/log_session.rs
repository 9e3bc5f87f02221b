//! What a commit and the log have to do with each other.
//!
//! Everything that writes packages the log knows takes the log's lock first, then those of the packages. So there
//! is one order of all transactions, and no more than the last of them may be waiting for its texts to be put in
//! place. Whoever takes the lock finishes what another has left ([`Engine::ledger`]), and notes what was changed
//! by hand since ([`Ledger::look`]).

mod edits;
mod recovery;

pub(crate) use edits::is_gone;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::commit::engine::{Engine, Place};
use crate::commit::plan::Step;
use crate::commit::publish::Logged;
use crate::error::not_found::Missing;
use crate::error::{Code, Error, Result};
use crate::format::uci::{Dialect, ParseOptions, parse};
use crate::log::{self, Behind, Digest, Guard, Kind, Log, PackageChange, Record, Writer};
use crate::model::package::Package;
use crate::os::dirs::Origin;
use crate::os::file_name;
use crate::os::files::{Files, OpenFile, Wait};
use crate::os::patience::Patience;
use crate::os::trust::Config;
use crate::settings::durability::Durability;

/// How a transaction is told of in the log.
#[derive(Debug, Clone)]
pub(crate) struct Why {
    pub kind: Kind,
    pub refers: u64,
    pub message: Option<String>,
    /// How long there is to confirm it.
    pub confirm: Option<Duration>,
    /// Whether those who verify transactions may refuse it.
    pub refusable: bool,
    /// Whether a rollback is about some packages only.
    pub in_part: bool,
}

impl Why {
    pub const COMMIT: Self =
        Self { kind: Kind::Commit, refers: 0, message: None, confirm: None, refusable: true, in_part: false };

    pub fn new(kind: Kind, refers: u64) -> Self {
        Self { kind, refers, ..Self::COMMIT }
    }
}

/// What is to be written of one package.
pub(crate) struct Entry<'a> {
    pub place: &'a Place,
    pub before: Option<&'a Arc<Vec<u8>>>,
    pub after: &'a [u8],
    /// Whether the package is deleted; then the text after is empty.
    pub deletes: bool,
    /// What leads from the one to the other, if that is known.
    pub step: Option<&'a Step>,
}

impl<'a> Entry<'a> {
    pub fn of(place: &'a Place, step: &'a Step) -> Self {
        Self {
            place,
            before: Some(step.old.text()),
            after: step.new.text(),
            deletes: false,
            step: Some(step),
        }
    }
}

/// The log, to be written to. Without a log there is nothing to it.
pub(crate) struct Ledger<'s> {
    store: &'s Engine,
    writer: Option<Writer<'s>>,
    /// Why nothing is logged, where the log cannot be written.
    unlogged: Option<Error>,
    /// What goes before the next record: packages seen for the first time, and changes by hand.
    waiting: Vec<Record>,
    /// Why some of the texts that are in place may not survive a power cut, while others are still being put there.
    unsettled: Option<Error>,
    /// The segment that was appended to when the lock was taken; see [`Writer::rested_segment`].
    segment: u64,
    /// The transaction before those that were appended last.
    base: u64,
    /// Whether edits of packages were noted with them that they do not concern.
    strays: bool,
    /// What waited to be confirmed before those that were appended last.
    pending_before: Option<(u64, Guard)>,
    /// Whether there is a transaction whose texts are still being put in place.
    unfinished: bool,
}

impl Engine {
    /// Returns the log of a configuration directory, given without symbolic links.
    pub(crate) fn log_of(&self, real: &Path) -> Option<Log> {
        let state = self.dirs().state.as_ref()?;
        let dir = log_dir(&self.options.files, &state.path, real);
        let found = std::fs::metadata(real).ok()?;
        let log = Log::new(dir, self.options.files.clone(), self.options.log);
        Some(log.with_clock(self.options.time).of_config(Config::of(&found)))
    }

    /// Returns the directory of the log, which is there once something was committed; `None` where there is no
    /// place for one.
    #[must_use]
    pub fn log_dir(&self) -> Option<&Path> {
        self.log().map(Log::dir)
    }

    /// Tells why commits are not logged, if they are not. Nothing is made to find that out.
    #[must_use]
    pub fn log_problem(&self) -> Option<String> {
        use rustix::fs::{Access, access};
        let Some(log) = self.log() else { return Some(Missing::Log.to_string()) };
        // The log, or the directory it would be made in.
        let nearest = log.dir().ancestors().find(|path| path.exists())?;
        if let Err(denied) = access(nearest, Access::WRITE_OK | Access::EXEC_OK) {
            return Some(Error::io("write to", nearest)(denied.into()).to_string());
        }
        // Root may write anywhere, but not where somebody who is not trusted leads it.
        log.within(None).err().filter(|error| error.code() == Code::Permission).map(|error| error.to_string())
    }

    /// Reports whether the log has been begun: with the first commit, or the first look at the history.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.log().is_some_and(Log::is_begun)
    }

    /// Returns the directory of the logs of root, and its owner, where this user has a log of his own since he may not
    /// read that: what is not in his may be in the other.
    #[must_use]
    pub fn log_of_root(&self) -> Option<(PathBuf, u32)> {
        let chosen = |origin| matches!(origin, Origin::Given | Origin::Environment("CMS_STATE_DIR"));
        let system = PathBuf::from(crate::os::dirs::SYSTEM_STATE);
        let is_own = self.dirs().state.as_ref().is_some_and(|dir| chosen(dir.origin) || dir.path == system);
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::symlink_metadata(&system).ok()?);
        (!is_own && owner != crate::os::trust::user()).then_some((system, owner))
    }

    /// Reports whether the log and the shared maps have to do with a package: not with one named by its path, nor with
    /// one whose file is in an overriding directory.
    pub(crate) fn is_logged(&self, place: &Place) -> bool {
        place.staged && !place.overridden
    }

    /// Takes the log's lock, finishes what a crash has left, and puts texts in place that were to be later. Where
    /// the log cannot be written, for want of rights for example, commits are not logged.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another writer does not finish in time, [`Error::Damaged`] if the log is by a later
    /// version, [`Error::Io`]: there is no room for the log, for example.
    pub(crate) fn ledger(&self) -> Result<Ledger<'_>> {
        self.retry(|patience| self.ledger_within(patience))
    }

    /// As [`Engine::ledger`], for who goes on to take other locks: see [`Engine::with_ledger`].
    pub(crate) fn ledger_within(&self, patience: &Patience) -> Result<Ledger<'_>> {
        let mut ledger = self.ledger_behind(patience)?;
        ledger.recover()?;
        Ok(ledger)
    }

    /// As [`Engine::ledger_within`], but texts that this store is to put in place later may not be.
    pub(crate) fn ledger_behind(&self, patience: &Patience) -> Result<Ledger<'_>> {
        crate::os::caller::check_may_commit()?;
        let mut ledger = Ledger::new(self);
        let Some(log) = self.log() else {
            ledger.unlogged = Some(Missing::Log.into());
            self.settings_now();
            return Ok(ledger);
        };
        ledger.writer = match log.write(patience.deadline, patience.timeout) {
            Ok(writer) if self.is_config_elsewhere() => {
                drop(writer);
                self.follow_config();
                return self.ledger_behind(patience);
            }
            Ok(writer) => Some(writer),
            Err(error) if cannot_be_written(&error) => {
                ledger.unlogged = Some(error);
                self.settings_now();
                return Ok(ledger);
            }
            Err(error) => return Err(crate::os::caller::explain(error)),
        };
        // Nobody commits another policy meanwhile.
        log.limit(self.settings_now().log);
        self.warn_of_damage();
        if ledger.sequence() == 0 || !self.log_problems().is_empty() {
            ledger.go_on_above(self.highest_number());
        }
        let behind = ledger.behind();
        // One that was begun when texts were left behind counts as new once they are not.
        ledger.segment = ledger.writer.as_ref().map_or(0, Writer::rested_segment);
        if behind != Behind::Later {
            ledger.recover()?;
        }
        if ledger.sequence() == 0 {
            // A log begins with what there is, so that changes by hand can be told from the start.
            // One that cannot be read is noted when it is first committed, by someone who can.
            self.each_text(self.packages()?, |place, text| ledger.look(&place, &text).map(|_| ()))?;
            ledger.note()?;
        }
        Ok(ledger)
    }

    /// As [`Engine::ledger`], for what makes no sense without the log.
    ///
    /// # Errors
    ///
    /// As for [`Engine::ledger`]; and what keeps the log from being written.
    pub(crate) fn ledger_of_log(&self) -> Result<Ledger<'_>> {
        self.retry(|patience| self.ledger_of_log_within(patience))
    }

    /// As [`Engine::ledger_of_log`], for who goes on to take other locks: see [`Engine::with_ledger`].
    pub(crate) fn ledger_of_log_within(&self, patience: &Patience) -> Result<Ledger<'_>> {
        let ledger = self.ledger_within(patience)?;
        if ledger.writer.is_some() {
            return Ok(ledger);
        }
        // What is in the way is asked once more, to be told.
        self.the_log()?.write(patience.deadline, patience.timeout)?;
        self.ledger_within(patience)
    }

    /// Tells what leads from one text of a package to another: of the bytes, and key by key. What came into an empty
    /// package its text tells.
    fn told_by_texts(&self, name: &str, old: &[u8], new: &[u8]) -> (Vec<log::Hunk>, Vec<log::KeyChange>) {
        let hunks = log::compare_texts(old, new);
        if old.is_empty() {
            return (hunks, Vec::new());
        }
        let read = |text: &[u8]| self.parse_leniently(name, &Arc::new(text.to_vec()));
        let both = read(old).zip(read(new));
        (hunks, both.map(|(old, new)| log::compare_packages(&old, &new)).unwrap_or_default())
    }

    /// Reads a text for the log, which has to do with texts that have errors as well.
    pub(crate) fn parse_leniently(&self, name: &str, text: &Arc<Vec<u8>>) -> Option<Package> {
        let options = ParseOptions { dialect: Dialect::Cms, strict: false, progress: None };
        parse(name.as_bytes(), text.clone(), &options).ok().map(|parsed| parsed.package)
    }
}

/// Names the directory of the log of a configuration directory: each has one of its own. One that an earlier version
/// has made under another name gets its new name, unless a program of that version works with it right now.
fn log_dir(files: &Files, state: &Path, config: &Path) -> PathBuf {
    let dir = state.join(file_name::escaped(config.as_os_str()));
    let before = || file_name::escaped_before(config).map(|name| state.join(name)).filter(|old| old.is_dir());
    if dir.exists() {
        return dir;
    }
    let Some(old) = before() else { return dir };
    let lock = files.open_to_write(&old.join("lock"));
    let is_free = |lock: &OpenFile| matches!(files.lock(lock, true, Instant::now()), Ok(Wait::Held));
    let renamed = lock.is_ok_and(|lock| is_free(&lock) && files.rename_new(&old, &dir).is_ok());
    if renamed || dir.exists() { dir } else { old }
}

pub(crate) fn cannot_be_written(error: &Error) -> bool {
    let read_only = matches!(error, Error::Io { source, .. }
        if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem);
    error.code() == Code::Permission || read_only
}

impl Drop for Ledger<'_> {
    fn drop(&mut self) {
        let begun = self.writer.as_ref().filter(|writer| writer.is_at_rest()).map(Writer::segment);
        if begun.is_some_and(|segment| segment != self.segment) {
            // Nobody commits as long as the lock is held, and all texts are in place. Without it nothing is lost.
            (self.store.on_segment)(self);
        }
    }
}

impl<'s> Ledger<'s> {
    fn new(store: &'s Engine) -> Self {
        Self {
            store,
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

    /// Makes one of the right to write to the log of a store.
    pub fn of(store: &'s Engine, writer: Writer<'s>) -> Self {
        let mut ledger = Self::new(store);
        ledger.segment = writer.rested_segment();
        ledger.writer = Some(writer);
        ledger
    }

    pub fn store(&self) -> &'s Engine {
        self.store
    }
}

impl Ledger<'_> {
    /// Logs a transaction. This is what makes it one: from here on it happens, if need be by recovery. Returns
    /// its sequence; `None` if it is not logged.
    pub fn commit(&mut self, entries: &[Entry<'_>], why: &Why) -> Result<Option<u64>> {
        let record = self.tell(entries, why)?;
        self.check_current()?;
        let sequence = self.write_down(record.into_iter().collect())?;
        self.unfinished = true;
        Ok(sequence)
    }

    /// Does again what goes on with a transaction that is logged, as long as a lock is taken. An editor has saved a file at
    /// the instant in which it was to be replaced, and somebody has locked that since. Only here the log's lock is kept
    /// while another is waited for: without it others would finish the transaction, and it would be made twice.
    pub fn go_on<R>(&mut self, mut once: impl FnMut(&mut Self) -> Result<R>) -> Result<R> {
        let patience = Patience::new(self.store.settings().lock_timeout);
        loop {
            match once(self) {
                Err(Error::Locked { .. }) if self.unfinished && !patience.is_over() => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                done => return done,
            }
        }
    }

    /// Turns the error that a lock is taken into another one if a transaction was made already, whose texts are not in
    /// place: see [`Ledger::go_on`]. It must not be made again.
    pub fn or_unfinished<R>(&self, done: Result<R>) -> Result<R> {
        match done {
            Err(Error::Locked { path, holder, waited }) if self.unfinished => {
                let source = Box::new(Error::Locked { path: path.clone(), holder, waited });
                Err(Error::Unfinished { path, source })
            }
            done => done,
        }
    }

    /// Logs transactions that follow each other, with one sync for all. Returns the sequence of each.
    pub fn commit_each(&mut self, transactions: &[(Vec<Entry<'_>>, &Why)]) -> Result<Vec<Option<u64>>> {
        let records: Result<Vec<_>> =
            transactions.iter().map(|(entries, why)| self.tell(entries, why)).collect();
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

    /// Checks that the log is still the one at its path: what is read or marked by that path is of it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] for [`Engine::retry`].
    pub fn check_current(&self) -> Result<()> {
        match self.store.log().filter(|_| self.is_replaced()) {
            Some(log) => Err(log.replaced()),
            None => Ok(()),
        }
    }

    /// Makes the record of a transaction; none if there is nothing to tell.
    fn tell(&self, entries: &[Entry<'_>], why: &Why) -> Result<Option<Record>> {
        // The way back from a commit that was not confirmed is open in safe mode as well.
        if why.refusable {
            self.store.check_may_write()?;
        }
        let mut record = self.store.record(why);
        for entry in entries.iter().filter(|entry| self.store.is_logged(entry.place)) {
            record.packages.push(self.change(entry));
            if entry.before.is_none()
                && let (Some(log), Some(_)) = (self.store.log(), &self.writer)
            {
                log.keep_text(&entry.place.name, b"")?;
            }
        }
        if record.packages.is_empty() && record.kind == Kind::Commit {
            return Ok(None);
        }
        record.guard = match why.confirm {
            Some(time) => Some(self.guard(time)?),
            None => self.store.guard_carried_on(self.pending(), why)?,
        };
        Ok(Some(record))
    }

    /// Begins to count the time that there is to confirm a transaction.
    fn guard(&self, time: Duration) -> Result<Guard> {
        if let Some(why) = &self.unlogged {
            return Err(why.again());
        }
        let now = (self.store.options.uptime)();
        // What is gone back to stays what it was, however often more is changed before.
        let before = self.sequence() + self.waiting.len() as u64;
        let waiting = self.pending().map(|(_, guard)| guard);
        let baseline = waiting.map_or(before, |guard| guard.baseline);
        let guard = Guard::new(time, now, baseline);
        self.store.note_pending(&guard, waiting.as_ref())?;
        Ok(guard)
    }

    /// Tells what a transaction changed in a package.
    fn change(&self, entry: &Entry<'_>) -> PackageChange {
        let (package, deleted) = (entry.place.name.clone(), entry.deletes);
        if let Some(step) = entry.step {
            let (before, after) = (Some(step.old.digest), step.new.digest);
            let (hunks, changes) = step.told();
            return PackageChange { package, before, after, deleted, unknown: false, hunks, changes };
        }
        let empty = Arc::default();
        let before = entry.before.unwrap_or(&empty);
        let (hunks, changes) = self.store.told_by_texts(&package, before, entry.after);
        let (before, after) = (entry.before.map(|before| Digest::of(before)), Digest::of(entry.after));
        PackageChange { package, before, after, deleted, unknown: false, hunks, changes }
    }

    /// Has numbers go on behind one that was given away.
    fn go_on_above(&mut self, number: u64) {
        self.writer.iter_mut().for_each(|writer| writer.raise(number));
    }

    /// Has the log go on in a new segment if the last one is damaged.
    pub fn leave_damaged(&mut self) -> Result<()> {
        self.writer.as_mut().map_or(Ok(()), Writer::leave_damaged)
    }

    /// Notes what was changed by hand, if anything was.
    pub fn note(&mut self) -> Result<()> {
        if let Some(last) = self.write_down(Vec::new())? {
            self.store.publish(&[], Some(self.logged(last)));
        }
        Ok(())
    }

    /// Returns what was appended last, up to this transaction, to be published.
    pub fn logged(&self, last: u64) -> Logged {
        Logged { base: (!self.strays).then_some(self.base), last }
    }

    /// Returns the number of the last transaction; 0 without a log.
    pub fn sequence(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::sequence)
    }

    /// Returns the commit that waits to be confirmed, and its number.
    pub fn pending(&self) -> Option<(u64, Guard)> {
        self.writer.as_ref().and_then(Writer::pending)
    }

    /// Appends what waits, and these.
    fn write_down(&mut self, records: Vec<Record>) -> Result<Option<u64>> {
        let Some(writer) = &mut self.writer else {
            if let (Some(why), false) = (&self.unlogged, records.is_empty()) {
                self.store.warn(&format!(
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
        let settings = self.store.settings();
        let survives = |change: &PackageChange| settings.durability_of(&change.package) != Durability::None;
        let durable = all.iter().any(|record| {
            // What is about no package is about the store.
            record.packages.iter().any(survives)
                || record.packages.is_empty() && settings.durability != Durability::None
        });
        let sequence = writer.append(all, durable)?;
        if noted {
            // The texts are in place: that is how they were noticed.
            writer.mark_applied();
        }
        Ok(Some(sequence))
    }

    /// Notes that texts are in place which may not survive a power cut, while others are not in place yet: whoever
    /// goes on with those is told by [`Ledger::settled`].
    pub fn unsettled(&mut self, error: Error) {
        self.unsettled.get_or_insert(error);
    }

    /// Returns whether all texts that were put in place so far survive a power cut.
    pub fn settled(&self) -> Result<()> {
        self.unsettled.as_ref().map_or(Ok(()), |error| Err(error.again()))
    }

    /// Notes that the texts of all transactions are in place. Of those that may not survive a power cut it is not
    /// noted: whoever comes next syncs them once more.
    pub fn applied(&mut self) {
        self.unfinished = false;
        if let Some(writer) = self.writer.as_mut().filter(|_| self.unsettled.is_none()) {
            writer.mark_applied();
        }
    }

    /// Notes that those texts follow that are not in place.
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

    /// Reports whether the text of a package is newer than what the log says that it is to be.
    pub fn is_older_than(&self, place: &Place) -> bool {
        let newest = self.writer.as_ref().and_then(|writer| writer.newest(&place.name));
        newest.is_some_and(|newest| self.store.is_newer_than_logged(place, newest.sequence))
    }

    /// Returns the newest state of a package, and whether its text is behind that.
    pub fn newest(&self, package: &str) -> Option<(Digest, bool)> {
        let writer = self.writer.as_ref()?;
        let there = writer.newest(package).filter(|newest| !newest.gone);
        there.map(|newest| (newest.digest, writer.is_behind(package)))
    }

    /// Logs that a transaction was taken back because its texts could not be put in place. Recovery sees to it
    /// that they are as before, unless [`Ledger::applied`] says that they are.
    pub fn take_back(&mut self, sequence: Option<u64>, entries: &[Entry<'_>]) -> Result<()> {
        let Some(sequence) = sequence else { return Ok(()) };
        let mut record = self.store.record(&Why::new(Kind::Undo, sequence));
        record.message = log::TAKEN_BACK.into();
        if self.pending() != self.pending_before {
            // What it has joined, or was to take back, waits on.
            record.guard = self.pending_before.map(|(_, guard)| guard);
        }
        for entry in entries.iter().filter(|entry| self.store.is_logged(entry.place)) {
            let empty = Arc::default();
            let before = entry.before.unwrap_or(&empty);
            let old = self.store.parse_leniently(&entry.place.name, before);
            let new = self.store.parse_leniently(&entry.place.name, &Arc::new(entry.after.to_vec()));
            record.packages.push(PackageChange {
                package: entry.place.name.clone(),
                before: (!entry.deletes).then(|| Digest::of(entry.after)),
                after: Digest::of(before),
                deleted: entry.before.is_none(),
                unknown: false,
                hunks: log::compare_texts(entry.after, before),
                changes: old.zip(new).map(|(old, new)| log::compare_packages(&new, &old)).unwrap_or_default(),
            });
        }
        self.write_down(vec![record]).map(|_| ())
    }
}

impl Engine {
    /// Begins a record.
    pub(crate) fn record(&self, why: &Why) -> Record {
        Record {
            sequence: 0,
            time: 0,
            uid: rustix::process::getuid().as_raw(),
            pid: std::process::id(),
            kind: why.kind,
            refers: why.refers,
            source: self.options.source.clone(),
            message: why.message.clone().unwrap_or_else(|| self.options.message.clone()),
            guard: None,
            packages: Vec::new(),
        }
    }
}
