//! A store that stays open: programs read it in nanoseconds, and see each commit as soon as it is made.
//!
//! It maps a package when that is first asked for. The maps are shared with all other processes where there
//! is a run directory; where there is none, the process has maps of its own and sees changes by others after
//! [`Store::refresh`].

pub(crate) mod prepared;
pub(crate) mod snapshot;
pub(crate) mod transaction;

mod events;
mod flusher;
mod reader;

use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex};

use reader::choose;

use crate::commit::{deferred, recovery};
use crate::engine::Engine;
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::live::flusher::Flusher;
use crate::live::prepared::Prepared;
use crate::live::snapshot::{Snapshot, resolve, value_key};
use crate::live::transaction::Transaction;
use crate::map::{Current, Entry, KeyPath, MapDirectory, MapValue, Table, Usage};
use crate::settings::options::Options;
use crate::watch::source::Hub;

/// See the module documentation. Clones are handles of the same open store. It may be used from many threads
/// at once; after a `fork`, the child opens its own.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// What the handles of an open store share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub engine: Engine,
    pub table: Current<Table>,
    /// Twice how often maps were given up that may not know it: their file is gone, or they were private. Odd
    /// while it happens.
    pub generation: AtomicU32,
    /// How many transactions there are that are neither committed nor given up.
    pub open_transactions: Arc<AtomicUsize>,
    /// Where the maps are, for who opens or replaces one; held while that is done.
    changing: Mutex<MapHome>,
    /// What watches share.
    hub: Hub,
    /// Who puts texts in place later.
    flusher: Arc<Flusher>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.flusher.close();
        if self.engine.core.deferred.is_behind() {
            // Another that has the log's lock may leave the texts behind as well. If it fails, whoever opens the store
            // next does it.
            let _ = recovery::finish_last(&self.engine.core);
            let _ = deferred::flush(&self.engine.core);
        }
    }
}

#[derive(Debug, Clone)]
struct MapHome {
    shared: Option<MapDirectory>,
    /// Whether missing maps may be made there.
    ours: bool,
}

/// The memory a package's map takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageMemory {
    /// The package.
    pub package: String,
    /// What its map takes.
    pub usage: Usage,
}

impl Store {
    /// Opens a store. Packages are read when they are asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if the configuration directory does not exist, [`Error::Io`] if it is none or
    /// cannot be reached.
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
        let engine = Engine::new(options);
        // What a crash has left is finished before anything is read. Where that fails, a commit will tell; what
        // there is can be read all the same.
        let _ = engine.confirmations().recover();
        let (place, table) = choose(&engine.core, 0);
        let inner = Inner {
            engine,
            table: Current::new(Arc::new(table)),
            generation: AtomicU32::new(0),
            open_transactions: Arc::default(),
            changing: Mutex::new(place),
            hub: Hub::default(),
            flusher: Arc::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the engine, for all that goes beyond reading and transactions.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Calls `read` with the newest committed value of a key; for a section, its type. `Ok(None)` means that
    /// there is no such package, section or option.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the key is none, [`Error::Ambiguous`] if it selects several sections,
    /// [`Error::Parse`] if the package's text has errors and no good state of it is known, [`Error::Io`] if it cannot be
    /// read.
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

    /// As [`Store::get`], if the answer is at hand: the key has three plain parts, the package is open and the
    /// option is there. Otherwise `None`, which says nothing.
    #[inline(always)]
    pub fn peek<R>(&self, key: &[u8], read: impl FnOnce(MapValue<'_>) -> R) -> Option<R> {
        self.inner.table.read(|table| table.look_up(key).map(read))
    }

    /// Reports whether a key is certainly not there: it has three plain parts, and the package is open. Programs ask
    /// for many options that are not set, so this is to be known soon.
    fn lacks(&self, key: &[u8]) -> bool {
        self.inner.table.read(|table| {
            let Some(path) = KeyPath::split(key, table.seed).filter(KeyPath::is_valid) else { return false };
            table.find_path(&path).is_some_and(|map| !map.is_retired() && map.has_none(&path))
        })
    }

    /// As [`Store::get`], for what is not simply there. It is there once, whatever is read.
    #[cold]
    #[inline(never)]
    fn get_slowly(&self, key: &[u8], read: &mut dyn FnMut(MapValue<'_>)) -> Result<()> {
        if self.lacks(key) {
            return Ok(());
        }
        let key = value_key(key)?;
        let Some(map) = self.inner.map(&key.package)? else { return Ok(()) };
        resolve(&map, &key, None)?.map(read);
        Ok(())
    }

    /// Opens a snapshot: all packages as they are after the last commit, whatever happens from now on.
    ///
    /// # Errors
    ///
    /// None at present; packages are opened when they are asked for.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(self.clone()))
    }

    /// Prepares a key for the fastest of all reads.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is none.
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

    /// Returns the revision: the number, in the log, of the last transaction that the maps show. Commits, snapshots,
    /// watches, the history and `undo` use the same numbers. It grows with every transaction, also with one that notes
    /// an edit by hand.
    ///
    /// Where there is no log (no state directory, or one that this user may not use), it counts what was published to
    /// the maps: commits, and changes that [`Store::refresh`] finds. It is good for telling whether something has
    /// changed, and for nothing else; after the run directory was lost it goes on from a larger number.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.inner.table.read(Table::revision)
    }

    /// Looks for texts that were changed by others, an editor or a program that knows nothing of maps, and
    /// brings the open packages up to them. The log notes such changes, if it may be written. Returns whether there
    /// were any. It takes one `stat` for each open package, and a look at the end of the log.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`]; the packages it could not read stay as they were. [`Error::Parse`] as long as the text of an
    /// open package cannot be parsed: what it said before goes on being read.
    pub fn refresh(&self) -> Result<bool> {
        self.inner.refresh()
    }

    /// Says what is wrong with the text of a package, and where, if that is open and what is read of it is an earlier
    /// state because of that.
    #[must_use]
    pub fn problem(&self, package: &[u8]) -> Option<Error> {
        self.inner.table.get().get(package).and_then(|entry| self.inner.problem(entry))
    }

    /// Puts the texts in place that are behind the log, with [`crate::Durability::Log`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::flush`].
    pub fn flush(&self) -> Result<()> {
        deferred::flush(&self.engine().core)
    }

    /// Sees to it that texts which are behind the log are put in place after a while.
    pub(crate) fn flush_later(&self) {
        if self.engine().core.deferred.is_behind() {
            self.inner.flusher.call(&self.engine().core, self.engine().core.settings.get().text_delay);
        }
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
