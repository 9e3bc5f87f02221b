//! A store that stays open: programs read it in nanoseconds, and see each commit as soon as it is made.
//!
//! It maps a package when that is first asked for. The maps are shared with all other processes where there
//! is a run directory; where there is none, the process has maps of its own and sees changes by others after
//! [`Live::refresh`].

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::deferred::Clerk;
use crate::durability::Durability;
use crate::error::{Code, Error, Result};
use crate::log::Digest;
use crate::map::{Control, Current, Entry, Map, Path, Shared, Table, Usage, Value};
use crate::missing::Missing;
use crate::prepared::Prepared;
use crate::snapshot::{Snapshot, check_package, resolve, value_key};
use crate::store::{Options, Store};
use crate::transaction::Transaction;
use crate::watch::{Desk, Feed};

/// See the module documentation. Clones are handles of the same open store. It may be used from many threads
/// at once; after a `fork`, the child opens its own.
#[derive(Debug, Clone)]
pub struct Live {
    pub(crate) inner: Arc<Inner>,
}

/// What the handles of an open store share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub store: Store,
    pub table: Current<Table>,
    /// Twice how often maps were given up that may not know it: their file is gone, or they were private. Odd
    /// while it happens.
    pub generation: AtomicU32,
    /// How many transactions there are that are neither committed nor given up.
    pub open_transactions: Arc<AtomicUsize>,
    /// Where the maps are, for who opens or replaces one; held while that is done.
    changing: Mutex<Place>,
    /// What watches share, as long as there are some.
    feed: Mutex<Weak<Feed>>,
    /// The subscriptions.
    pub desk: Arc<Desk>,
    /// Who puts texts in place later.
    clerk: Arc<Clerk>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.clerk.close();
        if self.store.is_behind() {
            // If another works on it, it is the one who does this; if it fails, whoever opens the store next.
            let _ = self.store.finish_last();
        }
    }
}

#[derive(Debug, Clone)]
struct Place {
    shared: Option<Shared>,
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

impl Live {
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
        let store = Store::new(options);
        // What a crash has left is finished before anything is read. Where that fails, a commit will tell; what
        // there is can be read all the same.
        let _ = store.recover();
        let (place, table) = choose(&store, 0);
        let inner = Inner {
            store,
            table: Current::new(Arc::new(table)),
            generation: AtomicU32::new(0),
            open_transactions: Arc::default(),
            changing: Mutex::new(place),
            feed: Mutex::default(),
            desk: Arc::default(),
            clerk: Arc::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the store, for all that goes beyond reading.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Calls `read` with the newest committed value of a key; for a section, its type. `Ok(None)` means that
    /// there is no such package, section or option.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the key is none, [`Error::Ambiguous`] if it selects several sections,
    /// [`Error::Parse`] if the package's text has errors, [`Error::Io`] if it cannot be read.
    #[inline]
    pub fn get<R>(&self, key: &[u8], read: impl FnOnce(Value<'_>) -> R) -> Result<Option<R>> {
        let mut read = Some(read);
        let mut once = |value: Value<'_>| read.take().map(|read| read(value));
        if let Some(found) = self.peek(key, &mut once) {
            return Ok(found);
        }
        let mut found = None;
        self.get_slowly(key, &mut |value| found = once(value))?;
        Ok(found)
    }

    /// As [`Live::get`], if the answer is at hand: the key has three plain parts, the package is open and the
    /// option is there. Otherwise `None`, which says nothing.
    #[inline(always)]
    pub fn peek<R>(&self, key: &[u8], read: impl FnOnce(Value<'_>) -> R) -> Option<R> {
        self.inner.table.read(|table| {
            let path = Path::split(key, table.seed)?;
            let map = table.find_path(&path)?;
            if map.is_retired() {
                return None;
            }
            map.get(&path, None).map(read)
        })
    }

    /// Reports whether a key is certainly not there: it has three plain parts, and the package is open. Programs ask
    /// for many options that are not set, so this is to be known soon.
    fn lacks(&self, key: &[u8]) -> bool {
        self.inner.table.read(|table| {
            let Some(path) = Path::split(key, table.seed).filter(Path::is_valid) else { return false };
            table.find_path(&path).is_some_and(|map| !map.is_retired() && map.has_none(&path))
        })
    }

    /// As [`Live::get`], for what is not simply there. It is there once, whatever is read.
    #[cold]
    #[inline(never)]
    fn get_slowly(&self, key: &[u8], read: &mut dyn FnMut(Value<'_>)) -> Result<()> {
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
    /// [`Error::Invalid`] if [`crate::MAX_OPEN`] are open already.
    pub fn begin(&self) -> Result<Transaction> {
        Transaction::new(self.clone())
    }

    /// Returns the number of the last commit. It grows with every commit that is published, and whenever
    /// [`Live::refresh`] finds a change. It starts again at some number when the run directory is lost.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.inner.table.read(Table::revision)
    }

    /// Looks for texts that were changed by others, an editor or a program that knows nothing of maps, and
    /// brings the open packages up to them. Returns whether there were any. It takes one `stat` for each open
    /// package.
    ///
    /// # Errors
    ///
    /// As for [`Live::get`]; the packages it could not read stay as they were.
    pub fn refresh(&self) -> Result<bool> {
        self.inner.refresh()
    }

    /// Puts the texts in place that are behind the log, with [`crate::Durability::Log`].
    ///
    /// # Errors
    ///
    /// As for [`Store::flush`].
    pub fn flush(&self) -> Result<()> {
        self.store().flush()
    }

    /// Sees to it that texts which are behind the log are put in place after a while.
    pub(crate) fn flush_later(&self) {
        if self.store().is_behind() {
            self.inner.clerk.call(&self.inner, self.store().options().text_delay);
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

/// Decides where the maps of a store are, and makes an empty table of them.
fn choose(store: &Store, own_revision: u64) -> (Place, Table) {
    let (dirs, files) = (store.dirs(), &store.options().files);
    let sharing = !store.options().private_maps;
    let system = Shared::find_system(dirs, files).filter(|system| sharing && system.control().is_some());
    let own = || {
        let shared = Shared::find(dirs, files, true)?;
        // Making the control file is all that is needed here.
        drop(shared.begin(std::time::Instant::now() + store.options().lock_timeout).ok()?);
        Some(shared)
    };
    let (shared, ours) = match (system, rustix::process::geteuid().is_root()) {
        (Some(system), false) => (Some(system), false),
        _ => (sharing.then(own).flatten(), true),
    };
    let control: Option<Control> = shared.as_ref().and_then(Shared::control);
    let shared = shared.filter(|_| control.is_some());
    let seed = control
        .as_ref()
        .map_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0), Control::seed);
    (Place { shared, ours }, Table::new(seed, control.map(Arc::new), own_revision))
}

impl Inner {
    fn change(&self) -> MutexGuard<'_, Place> {
        // A panic of another thread leaves the table as it was or as it was to be.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the watches of the store share.
    pub fn feed(&self, live: &Live) -> Result<Arc<Feed>> {
        let mut known = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = known.upgrade() {
            return Ok(feed);
        }
        let feed = Arc::new(Feed::new(live)?);
        *known = Arc::downgrade(&feed);
        Ok(feed)
    }

    /// Returns where the shared maps are, if there are such.
    pub fn shared(&self) -> Option<Shared> {
        self.change().shared.clone()
    }

    /// Returns the map of a package, opening it if it is not open or was replaced. `Ok(None)` means that there
    /// is no such package.
    pub fn map(&self, package: &[u8]) -> Result<Option<Arc<Map>>> {
        let open = |table: &Table| {
            let entry = table.get(package).filter(|entry| !entry.map.is_retired());
            entry.map(|entry| entry.map.clone())
        };
        if let Some(map) = self.table.read(open) {
            return Ok(Some(map));
        }
        check_package(package)?;
        let mut place = self.change();
        // Another thread may have been faster.
        if let Some(map) = self.table.read(open) {
            return Ok(Some(map));
        }
        self.follow_directory(&mut place);
        let Some(map) = self.open_map(&place, package)? else { return Ok(None) };
        let entry = Entry { name: crate::name::show(package).into(), map: Arc::new(map) };
        let map = entry.map.clone();
        let table = self.table.get();
        if let Err(entry) = table.add(entry) {
            self.table.replace(Arc::new(table.with(&[entry], &[], table.own_revision)));
        }
        Ok(Some(map))
    }

    /// Returns the text that the map of a package stands for, if commits are published to that. The package has to be
    /// open, unless its text may be behind the log.
    pub fn shown(&self, package: &[u8]) -> Option<Digest> {
        let name = crate::name::show(package);
        if self.store.options().durability_of(&name) != Durability::Log
            && !self.table.read(|table| table.get(package).is_some())
        {
            return None;
        }
        // One may be replaced by a larger one while it is looked at.
        for _ in 0..10 {
            let map = self.map(package).ok().flatten().filter(|map| map.usage().shared)?;
            if let Some(source) = map.source().filter(|_| !map.is_retired()) {
                let (hash, len) = source.shown;
                return Some(Digest { hash, len });
            }
        }
        None
    }

    /// Reports whether a package is open, and its map is not one that commits are published to.
    pub fn is_private(&self, package: &[u8]) -> bool {
        self.table.read(|table| table.get(package).is_some_and(|entry| !entry.map.usage().shared))
    }

    /// Starts with an empty table if the run directory was deleted or replaced. Returns whether it was.
    fn follow_directory(&self, place: &mut Place) -> bool {
        let table = self.table.get();
        let lost = match (&place.shared, &table.control) {
            (Some(shared), Some(control)) => !shared.is_current(control),
            _ => false,
        };
        if lost {
            // The revisions go on from where they were, so that nobody takes two states for one.
            let (chosen, mut table_now) = choose(&self.store, 0);
            let now = table_now.revision();
            table_now.own_revision = (table.revision() + 1).saturating_sub(now);
            *place = chosen;
            self.replace_maps(table_now);
        }
        lost
    }

    /// Puts a table in place that does not go on from the one before.
    fn replace_maps(&self, table: Table) {
        // Odd as long as nobody can tell which of the two a map was found in. Both are part of one order with
        // the table: who has read from the new one does not take the number for that of the old.
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.table.replace(Arc::new(table));
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Opens the map of a package, or makes one.
    fn open_map(&self, place: &Place, package: &[u8]) -> Result<Option<Map>> {
        let found = match self.store.place(package) {
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            found => found?,
        };
        if found.staged
            && let Some(shared) = &place.shared
        {
            if let Some(map) = self.fresh(shared, &found)? {
                return Ok(Some(map));
            }
            let seed = self.table.read(|table| table.seed);
            match place.ours.then(|| self.store.share(shared, &found)) {
                Some(Ok(Some(map))) if map.seed() == seed => return Ok(Some(map)),
                Some(Err(error @ (Error::Parse(_) | Error::Full { .. } | Error::Invalid { .. }))) => {
                    return Err(error);
                }
                // A map of our own will do as well.
                _ => {}
            }
        }
        let (seed, base) = self.table.read(|table| (table.seed, table.seq()));
        self.store.private_map(&found, seed, base).map(Some)
    }

    /// Opens the shared map of a package, if it is up to the text.
    fn fresh(&self, shared: &Shared, place: &crate::store::Place) -> Result<Option<Map>> {
        let text = std::fs::metadata(&place.path).map_err(Error::io("read", &place.path))?;
        let seed = self.table.read(|table| table.seed);
        let Ok(Some(map)) = shared.open(&place.name, &text, false) else { return Ok(None) };
        let revision = self.table.read(Table::seq);
        if map.seed() == seed && map.base().is_after(revision) {
            // Its commit is not done yet, or whoever made it has died: then this mends it.
            let _ = shared.begin(self.deadline());
        }
        let usable = map.seed() == seed && !map.is_retired() && self.is_up_to(&map, place, &text)?;
        Ok((usable && self.is_sound(shared, &map)).then_some(map))
    }

    fn deadline(&self) -> std::time::Instant {
        std::time::Instant::now() + self.store.options().lock_timeout
    }

    /// Reports whether a map is sound, as far as it is looked at. One that a writer is just publishing to may
    /// not look so; then it is looked at once more while nobody publishes.
    fn is_sound(&self, shared: &Shared, map: &Map) -> bool {
        map.is_sound() || {
            let quiet = shared.begin(self.deadline());
            quiet.is_err() || map.is_sound()
        }
    }

    /// Reports whether a map shows the text of its package as it is.
    fn is_up_to(&self, map: &Map, place: &crate::store::Place, text: &std::fs::Metadata) -> Result<bool> {
        let Some((source, at)) = map.source_and_place().filter(|(source, _)| source.is(text)) else {
            return Ok(false);
        };
        if source.is_settled() || map.is_proven(at) {
            return Ok(true);
        }
        let is_late = source.is_settled_now();
        // The file may have been written again within the same tick of the clock.
        let (text, _) = self.store.read_settled(place)?;
        let is_same = (source.hash, source.len) == (crate::map::of_text(&text), text.len() as u64);
        if is_same && is_late {
            map.prove(at);
        }
        Ok(is_same)
    }

    fn refresh(&self) -> Result<bool> {
        let mut place = self.change();
        let mut changed = self.follow_directory(&mut place);
        let table = self.table.get();
        let (mut added, mut gone) = (Vec::new(), Vec::new());
        let mut failed = Ok(());
        for entry in table.entries() {
            match self.refreshed(&place, entry) {
                Ok(None) => {}
                Ok(Some(Some(map))) => added.push(Entry { name: entry.name.clone(), map: Arc::new(map) }),
                Ok(Some(None)) => gone.push(entry.name.clone()),
                Err(error) => failed = Err(error),
            }
        }
        if !added.is_empty() || !gone.is_empty() {
            changed = true;
            let own = table.own_revision
                + u64::from(added.iter().any(|e| !e.map.usage().shared) || !gone.is_empty());
            self.replace_maps(table.with(&added, &gone, own));
        }
        failed.map(|()| changed)
    }

    /// Returns the map to use in place of one, `None` in its place if the package is gone.
    fn refreshed(&self, place: &Place, entry: &Entry) -> Result<Option<Option<Map>>> {
        let (found, text) = match self.store.find(entry.name.as_bytes()) {
            Err(error) if error.code() == Code::NotFound => return Ok(Some(None)),
            found => found?,
        };
        if !entry.map.is_retired() && self.is_up_to(&entry.map, &found, &text)? {
            return Ok(None);
        }
        self.open_map(place, entry.name.as_bytes()).map(Some)
    }
}
