//! An open store: programs read it in nanoseconds, and see each commit as soon as it is made.
//!
//! It maps a package on its first read. With a run directory, the maps are shared with all other processes; without
//! one, the process has private maps and sees commits of others after [`Store::refresh`].

pub(crate) mod prepared;
pub(crate) mod snapshot;
pub(crate) mod table;
pub(crate) mod text_line;
pub(crate) mod transaction;

mod events;
mod flusher;
mod reader;

use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex};

use reader::choose;

use crate::commit::exchange::Adopted;
use crate::commit::{deferred, recovery};
use crate::engine::Engine;
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::live::flusher::Flusher;
use crate::live::prepared::Prepared;
use crate::live::snapshot::{Snapshot, resolve, value_key};
use crate::live::transaction::Transaction;
use crate::log::{Attribution, Record, RequestId};
use crate::map::{
    Answer, Current, Entry, Hot, KeyPath, KeyText, MapDirectory, MapValue, Table, TypedValue, Usage,
};
use crate::model::value_type::ValueType;
use crate::settings::options::Options;
use crate::watch::source::Hub;

/// An open store: see the module documentation. Clones are handles of the same open store, and can be used from
/// many threads at once. After a `fork`, the child has to open its own.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
    /// The engine for transactions of another author, program or request: see [`Store::with`].
    attributed: Option<Arc<Engine>>,
}

/// The state that the handles of an open store share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub engine: Engine,
    pub table: Current<Table>,
    /// Counts replacements of the maps, two for each: odd during a replacement. By it [`Prepared`] keys detect maps
    /// that are out of use and not marked as retired: their file was deleted, or they were private.
    pub generation: AtomicU32,
    /// The number of transactions that are neither committed nor dropped.
    pub open_transactions: Arc<AtomicUsize>,
    /// Where the maps are. Locked while one is opened or replaced.
    changing: Mutex<MapHome>,
    /// Held while a change is made that depends on the value: see `Store::repeat`.
    adding: Mutex<()>,
    /// The state that the watches share.
    hub: Hub,
    /// Writes deferred texts.
    flusher: Arc<Flusher>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.flusher.close();
        if self.engine.core.deferred.is_behind() {
            // If this fails, because another process holds the log's lock for example, the next program that opens
            // the store writes the texts.
            let _ = recovery::finish_last(&self.engine.core);
            let _ = deferred::flush(&self.engine.core);
        }
    }
}

#[derive(Debug, Clone)]
struct MapHome {
    shared: Option<MapDirectory>,
    /// Whether this process may create maps in the directory.
    ours: bool,
}

/// The memory a package's map takes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackageMemory {
    /// The package.
    pub package: String,
    /// The memory of its map.
    pub usage: Usage,
}

impl Store {
    /// Opens a store. Each package is read on its first use.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the configuration directory does not exist, [`Error::Io`] if it is no directory or
    /// cannot be accessed.
    pub fn open(options: Options) -> Result<Self> {
        let config = &options.dirs.config.path;
        match std::fs::metadata(config) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(Error::io("use the directory", config)(std::io::ErrorKind::NotADirectory.into()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Missing::ConfigDir(config.clone()).into());
            }
            Err(error) => return Err(Error::io("use the directory", config)(error)),
        }
        crate::settings::resolved::check_environment()?;
        crate::os::process::keep_id(crate::map::process_id);
        let engine = Engine::new(options);
        // Finish a commit that a crash has interrupted before anything is read. If this fails, the next commit
        // returns the error; reads work all the same.
        let _ = engine.confirmations().recover();
        let (place, table) = choose(&engine.core, 0);
        let inner = Inner {
            engine,
            table: Current::new(Arc::new(table)),
            generation: AtomicU32::new(0),
            open_transactions: Arc::default(),
            changing: Mutex::new(place),
            adding: Mutex::default(),
            hub: Hub::default(),
            flusher: Arc::default(),
        };
        Ok(Self { inner: Arc::new(inner), attributed: None })
    }

    /// Returns a handle of the same open store whose transactions have this author, source, message and request, those that
    /// its engine makes (an undo, a commit of staged changes) among them. Nothing is opened or locked, and the log, its
    /// queue, the locks and the maps are shared: a program can make a handle for each request that it serves.
    #[must_use]
    pub fn with(&self, by: Attribution) -> Self {
        let core = self.inner.engine.core.attributed(Some(Arc::new(by)));
        Self { inner: self.inner.clone(), attributed: Some(Arc::new(Engine { core })) }
    }

    /// Returns the engine, for operations other than reads and transactions.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.attributed.as_deref().unwrap_or(&self.inner.engine)
    }

    /// Calls `read` with the newest committed value of a key; for a section, its type. `Ok(None)` means that
    /// there is no such package, section or option.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the key is invalid, [`Error::Ambiguous`] if it selects several sections,
    /// [`Error::Parse`] if the package's text has errors and no good state of it is known, [`Error::Io`] if it
    /// cannot be read.
    #[inline]
    pub fn get<R>(&self, key: &[u8], read: impl FnOnce(MapValue<'_>) -> R) -> Result<Option<R>> {
        let mut read = Some(read);
        let mut once = |value: MapValue<'_>| read.take().map(|read| read(value));
        if let Some(found) = self.peek(key, &mut once) {
            return Ok(found);
        }
        let mut found = None;
        self.get_slowly(key, &mut |value| found = once(value))?;
        Ok(found)
    }

    /// As [`Store::get`], with the type of the value. The type of a section is a string.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`].
    pub fn get_typed<R>(&self, key: &[u8], read: impl FnOnce(TypedValue<'_>) -> R) -> Result<Option<R>> {
        let mut read = Some(read);
        let mut once = |value: TypedValue<'_>| read.take().map(|read| read(value));
        let found = self.inner.table.read(|table| {
            let path = KeyPath::split(key, table.seed)?;
            let map = table.find_path(&path).filter(|map| !map.is_retired())?;
            map.get_typed(&path, None).and_then(&mut once)
        });
        if found.is_some() {
            return Ok(found);
        }
        let key = value_key(key)?;
        let Some(map) = self.inner.map(&key.package)? else { return Ok(None) };
        Ok(resolve(&self.engine().core, &map, &key, None)?.and_then(once))
    }

    /// Returns the type of the newest committed value of a key. `Ok(None)` means that the key does not exist.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`].
    pub fn value_type(&self, key: &[u8]) -> Result<Option<ValueType>> {
        self.get_typed(key, |typed| typed.value_type)
    }

    /// As [`Store::get`], but only on the fast path: the key has three plain parts, the package is open and the
    /// option exists. Otherwise `None`, also for keys that have a value.
    #[inline(always)]
    pub fn peek<R>(&self, key: &[u8], read: impl FnOnce(MapValue<'_>) -> R) -> Option<R> {
        self.inner.table.read(|table| table.look_up(key).map(read))
    }

    /// Calls `read` with the value of a key that this process has found before: the fastest read, and the first to be
    /// tried. The value is a string.
    #[inline(always)]
    pub fn peek_hot<R>(&self, key: KeyText<'_>, read: impl FnOnce(&[u8]) -> R) -> Hot<R> {
        // A thread without a slot does not fill the table either: it could not use it.
        let Some(slot) = self.inner.table.own_slot() else { return Hot::Skipped };
        if slot.skips() {
            return Hot::Skipped;
        }
        let table = slot.pinned();
        match table.value.look_up_hot(key, None, Some(table.skips())) {
            Hot::Found(value) => Hot::Found(read(value)),
            Hot::Absent => Hot::Absent,
            Hot::Skipped => Hot::Skipped,
        }
    }

    /// As [`Store::peek_hot`], where that has said that the key may be entered: the second read to be tried. A key that
    /// is found in its map will be found by [`Store::peek_hot`].
    #[inline(always)]
    pub fn peek_next<'k, R>(&self, key: KeyText<'k>, read: impl FnOnce(&[u8]) -> R) -> Answer<'k, R> {
        // The slow way of a thread without a slot does the rest.
        let Some(table) = self.inner.table.pinned() else { return Answer::Unknown };
        table.value.look_up_next(key, None).map(read)
    }

    /// As [`Store::peek`], of a key that ends with a NUL byte and has a string for a value: the read to be tried where
    /// [`Store::peek_hot`] does not use the table of found keys.
    #[inline(always)]
    pub fn peek_text<'k, R>(&self, key: KeyText<'k>, read: impl FnOnce(&[u8]) -> R) -> Answer<'k, R> {
        let Some(table) = self.inner.table.pinned() else { return Answer::Unknown };
        table.value.look_up_fast(key, None).map(read)
    }

    /// Reports whether a key certainly does not exist: it has three plain parts, and the package is open. This is a
    /// fast path, since programs read many options that are not set.
    fn lacks(&self, key: &[u8]) -> bool {
        self.inner.table.read(|table| {
            let Some(path) = KeyPath::split(key, table.seed).filter(KeyPath::is_valid) else { return false };
            table.find_path(&path).is_some_and(|map| !map.is_retired() && map.has_none(&path))
        })
    }

    /// As [`Store::get`], for keys off the fast path. It is not generic, so it is compiled once.
    #[cold]
    #[inline(never)]
    fn get_slowly(&self, key: &[u8], read: &mut dyn FnMut(MapValue<'_>)) -> Result<()> {
        if self.lacks(key) {
            return Ok(());
        }
        let key = value_key(key)?;
        let Some(map) = self.inner.map(&key.package)? else { return Ok(()) };
        let found = resolve(&self.engine().core, &map, &key, None)?;
        found.into_iter().for_each(|typed| read(typed.value));
        Ok(())
    }

    /// Opens a snapshot: all packages as the last commit left them, whatever is committed later.
    ///
    /// # Errors
    ///
    /// None at present; packages are opened on their first read.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(self.clone()))
    }

    /// Prepares a key for the fastest reads.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is invalid.
    pub fn prepare(&self, key: &[u8]) -> Result<Prepared> {
        Prepared::new(self.clone(), key)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] if [`crate::MAX_OPEN`] are open already.
    pub fn begin(&self) -> Result<Transaction> {
        Transaction::new(self.clone())
    }

    /// Returns the newest transaction of a request that was committed: see [`crate::History::find_request`].
    ///
    /// # Errors
    ///
    /// As for [`crate::History::each_transaction`].
    pub fn find_request(&self, request: RequestId) -> Result<Option<Record>> {
        self.engine().history().find_request(request)
    }

    /// Commits whole texts that were decided elsewhere, by a backend that several stores share for example, as one
    /// transaction of [`Kind::Remote`](crate::log::Kind::Remote). A package without a text is deleted. Packages that have
    /// their text already are left as they are; the result is `None` if all have.
    ///
    /// Verifiers are not asked, and no rule on values applies: whoever decided has done so. A text that cannot be parsed is
    /// refused all the same. Edits by hand that are not in the log yet are noted before they are overwritten, and staged
    /// changes stay staged, except those of a deleted package, which are set aside.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::replace_together`]; nothing is changed then.
    pub fn adopt(&self, texts: &[Adopted], by: &Attribution) -> Result<Option<u64>> {
        let committed = self.engine().adopt(texts, by);
        if matches!(committed, Ok(_) | Err(Error::NotDurable { .. })) {
            let revision = committed.as_ref().ok().copied().flatten();
            self.show_commit(revision, texts.iter().map(|adopted| adopted.package.as_slice()));
        }
        committed
    }

    /// Shows a commit of these packages where it is not in the shared maps: in private maps, and without a log.
    pub(crate) fn show_commit<'p>(
        &self,
        revision: Option<u64>,
        mut packages: impl Iterator<Item = &'p [u8]>,
    ) {
        if revision.is_none() || packages.any(|name| self.inner.is_private(name)) {
            // A private map shows the text, not the log.
            let _ = self.flush();
            // The commit is done: an error here may be one of another package.
            let _ = self.refresh();
        }
        self.flush_later();
    }

    /// Returns the revision: the number, in the log, of the last transaction that the maps show. Commits,
    /// snapshots, watches, the history and `undo` use the same numbers. Each transaction increases it, also one
    /// that notes an edit by hand.
    ///
    /// Without a log (no state directory, or no access to it), it counts publications to the maps: commits, and
    /// changes that [`Store::refresh`] finds. Then it only shows whether something has changed; after the run
    /// directory was lost it continues from a larger number.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.inner.table.read(Table::revision)
    }

    /// Looks for texts that were changed by others, with an editor or a program that does not use maps, and updates
    /// the maps of the open packages. Such changes are logged, if this user may write the log. Returns whether there
    /// were any. It takes one `stat` for each open package, and one read at the end of the log.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`]; the packages it could not read stay as they were. [`Error::Parse`] as long as the text
    /// of an open package cannot be parsed: reads return its last good state.
    pub fn refresh(&self) -> Result<bool> {
        self.inner.refresh()
    }

    /// Returns the error in the text of an open package if reads return an earlier state because of it.
    #[must_use]
    pub fn problem(&self, package: &[u8]) -> Option<Error> {
        self.inner.table.get().get(package).and_then(|entry| self.inner.problem(entry))
    }

    /// Writes the deferred texts: see [`crate::Durability::Log`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::flush`].
    pub fn flush(&self) -> Result<()> {
        deferred::flush(&self.engine().core)
    }

    /// Schedules a write of the deferred texts.
    pub(crate) fn flush_later(&self) {
        if self.engine().core.deferred.is_behind() {
            self.inner.flusher.schedule(&self.engine().core, self.engine().core.settings.get().text_delay);
        }
    }

    /// Returns how many bytes the table of found keys of this open store takes: none before about a thousand reads, and
    /// never more than four times as many as the maps, six times with keys of more than 32 bytes, or 97 KiB.
    #[must_use]
    pub fn hot_memory(&self) -> usize {
        self.inner.table.get().hot_bytes()
    }

    /// Returns how much memory the maps of the open packages take, in the order of their names.
    #[must_use]
    pub fn memory(&self) -> Vec<PackageMemory> {
        let table = self.inner.table.get();
        let row = |entry: &Entry| PackageMemory { package: entry.name.to_string(), usage: entry.map.usage() };
        let mut rows: Vec<_> = table.entries().map(row).collect();
        rows.sort_by(|a, b| a.package.cmp(&b.package));
        rows
    }
}
