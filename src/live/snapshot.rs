//! Snapshots: a whole store at one revision.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::commit::core::Core;
use crate::commit::upkeep;
use crate::error::{Error, Result};
use crate::live::Store;
use crate::map::{
    Answer, FastKey, Hot, KeyPath, KeyText, Map, MapPackage, MapRows, MapSection, MapValue, ScannedKey, Seq,
    Table, TypedValue,
};
use crate::model::package::{Key, Selector};
use crate::model::value_type::ValueType;

/// All packages as one commit left them, whatever is committed later. It keeps the maps it has read in memory, so
/// drop it when it is no longer needed. It can be used from many threads at once.
///
/// Each package is opened on its first read. If its map is newer by then, it is read from the log; if the log does not go
/// back that far, that is [`Error::Stale`], never a newer value.
#[derive(Debug, Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    table: Arc<Table>,
    revision: u64,
    seq: Seq,
    /// The packages opened since.
    opened: Opened,
    /// Whether a package was found missing. It stays missing in this snapshot, even if it is created later.
    missing: AtomicBool,
}

/// A tree that only grows, so that references into it stay valid. Each level branches by two bits of the hash of
/// the name.
#[derive(Debug, Default)]
struct Opened(OnceLock<Box<Node>>);

#[derive(Debug)]
struct Node {
    name: Box<[u8]>,
    /// `None` if there is no such package.
    map: Option<Arc<Map>>,
    next: [Opened; 4],
}

impl Node {
    /// Returns the next level for a name, and consumes two bits of its hash.
    fn next(&self, hash: &mut u64) -> &Opened {
        let [a, b, c, d] = &self.next;
        let next = match *hash & 3 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        *hash = hash.rotate_right(2);
        next
    }
}

/// The state of a package in a snapshot.
enum Seen<'m> {
    NotYet,
    Missing,
    Map(&'m Map),
}

impl Inner {
    /// Returns the map of a package if it is open.
    #[inline(always)]
    fn find(&self, path: &KeyPath<'_>) -> Option<&Map> {
        match self.table.find_path(path) {
            // Relaxed: the thread that has found a package missing has set it itself.
            Some(map) if self.is_complete(map) && !self.missing.load(Ordering::Relaxed) => Some(map),
            _ => match self.find_slowly(path.package) {
                Seen::Map(map) => Some(map),
                Seen::Missing | Seen::NotYet => None,
            },
        }
    }

    /// As [`Inner::find`]; `None` also if that has to be looked up in the slow way.
    #[inline(always)]
    fn find_fast(&self, key: &FastKey<'_>) -> Option<&Map> {
        // Relaxed: as in `find`.
        let is_it = |map: &&Map| self.is_complete(map) && !self.missing.load(Ordering::Relaxed);
        self.table.find_fast(key).filter(is_it)
    }

    /// As [`Inner::find`], but distinguishes a missing package from one that was not looked up yet.
    #[cold]
    #[inline(never)]
    fn find_slowly(&self, name: &[u8]) -> Seen<'_> {
        if let Some(node) = self.opened.find(name, self.table.hash(name)) {
            return node.map.as_deref().map_or(Seen::Missing, Seen::Map);
        }
        let entry = self.table.get(name).filter(|entry| self.is_complete(&entry.map));
        entry.map_or(Seen::NotYet, |entry| Seen::Map(&entry.map))
    }

    /// Reports whether a map has the state of the snapshot: it was not created later, and has all commits up to
    /// that of the snapshot. A retired map has the commits until it was retired.
    #[inline(always)]
    fn is_complete(&self, map: &Map) -> bool {
        map.is_complete(self.seq)
    }
}

impl Opened {
    fn find(&self, name: &[u8], mut hash: u64) -> Option<&Node> {
        let mut place = self;
        while let Some(node) = place.0.get() {
            if &*node.name == name {
                return Some(node);
            }
            place = node.next(&mut hash);
        }
        None
    }

    /// Adds a node. If another thread has added one meanwhile, perhaps of the same name, this node goes below it.
    fn push(&self, mut node: Box<Node>, mut hash: u64) {
        let mut place = self;
        while let Err(back) = place.0.set(node) {
            node = back;
            let Some(taken) = place.0.get() else { return };
            place = taken.next(&mut hash);
        }
    }
}

impl Snapshot {
    /// How many keys are looked up at once.
    pub const BATCH: usize = 16;

    pub(crate) fn new(store: Store) -> Self {
        // Read the table first: a map that replaces one of its maps starts no later than the sequence number read
        // after it.
        let table = store.inner.table.get();
        let (revision, seq) = table.now();
        Self {
            inner: Arc::new(Inner {
                store,
                table,
                revision,
                seq,
                opened: Opened::default(),
                missing: AtomicBool::new(false),
            }),
        }
    }

    /// Returns the store that it is of.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Returns the revision: the number, in the log, of the last transaction in the snapshot; see
    /// [`Store::revision`].
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.inner.revision
    }

    /// Returns the value of a key; for a section, its type. `Ok(None)` means that the key does not exist.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`], and [`Error::Stale`].
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<MapValue<'_>>> {
        match self.peek(key) {
            Some(value) => Ok(Some(value)),
            None => self.get_slowly(key),
        }
    }

    /// As [`Snapshot::get`], with the type of the value. The type of a section is a string.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn get_typed(&self, key: &[u8]) -> Result<Option<TypedValue<'_>>> {
        let inner = &*self.inner;
        if let Some(path) = KeyPath::split(key, inner.table.seed)
            && let Some(found) = inner.find(&path).and_then(|map| map.get_typed(&path, Some(inner.seq)))
        {
            return Ok(Some(found));
        }
        let key = value_key(key)?;
        let Some(map) = self.map(&key.package)? else { return Ok(None) };
        resolve(&self.store().engine().core, map, &key, Some(inner.seq))
    }

    /// Returns the type of the value of a key. `Ok(None)` means that the key does not exist.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn value_type(&self, key: &[u8]) -> Result<Option<ValueType>> {
        Ok(self.get_typed(key)?.map(|typed| typed.value_type))
    }

    /// As [`Snapshot::get`], but only on the fast path: the key has three plain parts, the package is open and the
    /// option exists. Otherwise `None`, also for keys that have a value.
    #[inline(always)]
    #[must_use]
    pub fn peek(&self, key: &[u8]) -> Option<MapValue<'_>> {
        let inner = &*self.inner;
        let path = KeyPath::split(key, inner.table.seed)?;
        inner.find(&path)?.get(&path, Some(inner.seq))
    }

    /// Returns the value of a key that this process has found before: see [`Store::peek_hot`].
    #[inline(always)]
    #[must_use]
    pub fn peek_hot(&self, key: KeyText<'_>) -> Hot<&[u8]> {
        let inner = &*self.inner;
        // Relaxed: as in `find`.
        if inner.missing.load(Ordering::Relaxed) {
            return Hot::Skipped;
        }
        inner.table.look_up_hot(key, Some(inner.seq), None)
    }

    /// As [`Snapshot::peek_hot`], where that has said that the key may be entered: see [`Store::peek_next`].
    #[inline(always)]
    #[must_use]
    pub fn peek_next<'k>(&self, key: KeyText<'k>) -> Answer<'k, &[u8]> {
        let inner = &*self.inner;
        // Relaxed: as in `find`.
        if inner.missing.load(Ordering::Relaxed) {
            return Answer::Unknown;
        }
        inner.table.look_up_next(key, Some(inner.seq))
    }

    /// As [`Snapshot::peek`], of a key that ends with a NUL byte and has a string for a value: see [`Store::peek_text`].
    #[inline(always)]
    #[must_use]
    pub fn peek_text<'k>(&self, key: KeyText<'k>) -> Answer<'k, &[u8]> {
        let inner = &*self.inner;
        // Relaxed: as in `find`.
        if inner.missing.load(Ordering::Relaxed) {
            return Answer::Unknown;
        }
        inner.table.look_up_fast(key, Some(inner.seq))
    }

    /// As [`Snapshot::peek_text`], of up to [`Snapshot::BATCH`] keys at once, so that their memory accesses overlap; a
    /// value that is `None` is missing, or a list. Returns whether all were found to be one or the other; if not, the
    /// values mean nothing.
    #[cfg_attr(cms_speed, optimize(speed))]
    #[must_use]
    pub fn peek_many<'s>(&'s self, keys: &[KeyText<'_>], values: &mut [Option<&'s [u8]>]) -> bool {
        let inner = &*self.inner;
        let seq = Some(inner.seq);
        let mut found: [Option<(&Map, FastKey<'_>)>; Self::BATCH] = [const { None }; Self::BATCH];
        for (key, found) in keys.iter().zip(&mut found) {
            let key = ScannedKey::of(*key).and_then(|key| FastKey::of(key, inner.table.seed));
            let Some(key) = key else { return false };
            let Some(map) = inner.find_fast(&key) else { return false };
            map.prefetch_fast_bucket(&key);
            *found = Some((map, key));
        }
        let mut records = [None; Self::BATCH];
        for ((map, key), record) in found.iter().flatten().zip(&mut records) {
            *record = map.prefetch_fast_record(key);
        }
        for ((map, _), record) in found.iter().flatten().zip(records) {
            record.into_iter().for_each(|record| map.prefetch_section(record));
        }
        found.iter().flatten().zip(values).all(|((map, key), value)| {
            match map.fast(key, seq) {
                Answer::Found(found) => *value = Some(found),
                Answer::Missing(_) => *value = None,
                Answer::Unknown => return false,
            }
            true
        })
    }

    #[cold]
    fn get_slowly(&self, key: &[u8]) -> Result<Option<MapValue<'_>>> {
        let inner = &*self.inner;
        // As `Store::lacks`.
        if let Some(path) = KeyPath::split(key, inner.table.seed).filter(KeyPath::is_valid)
            && inner.find(&path).is_some_and(|map| map.has_none(&path))
        {
            return Ok(None);
        }
        let key = value_key(key)?;
        let Some(map) = self.map(&key.package)? else { return Ok(None) };
        let found = resolve(&self.store().engine().core, map, &key, Some(inner.seq))?;
        Ok(found.map(|typed| typed.value))
    }

    /// Returns a key with the name of its section in place of a selector; the option need not exist. `Ok(None)` means that
    /// there is no such section.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn resolve(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let key = value_key(key)?;
        let Some(map) = self.map(&key.package)? else { return Ok(None) };
        if let Some(section) = select(map, &key, Some(self.inner.seq))? {
            return Ok(Some(key.with_section(section.name())));
        }
        if let (Some(Selector::Name(name)), true) =
            (&key.section, root_value(map, &key, Some(self.inner.seq)).is_some())
        {
            return Ok(Some([&key.package, &b".."[..], name].concat()));
        }
        self.store().engine().core.packages.check_key(&key).map(|()| None)
    }

    /// Looks up several keys at once; the values of keys that do not exist are `None`. It is faster than single
    /// lookups, since their memory accesses overlap.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`], for the first key that fails; the values are undefined then.
    #[cfg_attr(cms_speed, optimize(speed))]
    pub fn get_many<'s>(&'s self, keys: &[&[u8]], values: &mut [Option<MapValue<'s>>]) -> Result<()> {
        const BATCH: usize = Snapshot::BATCH;
        let inner = &*self.inner;
        for (keys, values) in keys.chunks(BATCH).zip(values.chunks_mut(BATCH)) {
            let mut found: [Option<(&Map, KeyPath<'_>)>; BATCH] = [const { None }; BATCH];
            for (key, found) in keys.iter().zip(&mut found) {
                *found = KeyPath::split(key, inner.table.seed).and_then(|path| {
                    let map = inner.find(&path)?;
                    map.prefetch_bucket(&path);
                    Some((map, path))
                });
            }
            for (map, path) in found.iter().flatten() {
                map.prefetch_record(path);
            }
            for ((key, value), found) in keys.iter().zip(values).zip(&found) {
                let fast = found.as_ref().and_then(|(map, path)| map.get(path, Some(inner.seq)));
                *value = match fast {
                    Some(fast) => Some(fast),
                    None => self.get_slowly(key)?,
                };
            }
        }
        Ok(())
    }

    /// Lists the present packages, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the configuration directory cannot be read.
    pub fn packages(&self) -> Result<Vec<String>> {
        self.inner.store.engine().core.packages.list()
    }

    /// Returns a package, to iterate over.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package; otherwise as for [`Snapshot::get`].
    pub fn package(&self, name: &[u8]) -> Result<MapPackage<'_>> {
        let missing = || Error::NotFound { key: crate::error::shown::name(name) };
        let map = self.map(name)?.ok_or_else(missing)?;
        Ok(MapPackage::of(map, Some(self.inner.seq)))
    }

    /// Makes a map of a package as it was when this was opened. If the log cannot say that, the snapshot is too old.
    #[cold]
    fn past_map(&self, name: &[u8]) -> Result<Option<Arc<Map>>> {
        let inner = &*self.inner;
        let (core, shown) = (&inner.store.engine().core, crate::error::shown::name(name));
        let made = upkeep::private_map_of_past(core, &shown, inner.revision, (inner.table.seed, inner.seq));
        made.map(|map| map.map(Arc::new)).map_err(|_| Error::Stale { key: shown })
    }

    /// Returns the map of a package, opening it if it is not open.
    pub(super) fn map(&self, name: &[u8]) -> Result<Option<&Map>> {
        let inner = &*self.inner;
        match inner.find_slowly(name) {
            Seen::Map(map) => return Ok(Some(map)),
            Seen::Missing => return Ok(None),
            Seen::NotYet => {}
        }
        let map = inner.store.inner.map(name)?;
        // Sequence numbers start anew in another run directory.
        let too_new = |map: &Arc<Map>| map.seed() != inner.table.seed || map.base().is_after(inner.seq);
        let map = match map {
            Some(map) if !too_new(&map) => Some(map),
            Some(_) => self.past_map(name)?,
            None if inner.store.revision() == inner.revision => None,
            // It may have been deleted since. Without a log nothing shows that it ever was.
            None => self.past_map(name).unwrap_or_default(),
        };
        if map.is_none() {
            inner.missing.store(true, Ordering::Relaxed);
        }
        // The store may have added it to the table of the snapshot as well.
        if matches!(inner.find_slowly(name), Seen::NotYet) {
            let node = Node { name: name.into(), map, next: Default::default() };
            inner.opened.push(Box::new(node), inner.table.hash(name));
        }
        self.map(name)
    }
}

/// Parses a key that can have a value: of a section or an option.
pub(crate) fn value_key(key: &[u8]) -> Result<Key> {
    let key = Key::parse(key)?;
    check_package(&key.package)?;
    match key.section {
        Some(_) => Ok(key),
        None => Err(Error::invalid(&key.package, "a package has no value; name a section or an option")),
    }
}

/// Refuses names that are no package of the configuration directory, a path for example.
pub(crate) fn check_package(name: &[u8]) -> Result<()> {
    match crate::model::name::is_plain_package(name) {
        true => Ok(()),
        false => Err(Error::invalid(
            name,
            "a package name holds printable ASCII characters other than '.' and '/'",
        )),
    }
}

/// Looks up a parsed key: the value of an option, or the type of a section.
pub(crate) fn resolve<'m>(
    core: &Core,
    map: &'m Map,
    key: &Key,
    seq: Option<Seq>,
) -> Result<Option<TypedValue<'m>>> {
    let section = select(map, key, seq)?;
    let found = match (section, &key.option) {
        (Some(section), Some(option)) => section.get_typed(option),
        (Some(section), None) => {
            let value = MapValue::String(section.section_type());
            Some(TypedValue { value, value_type: ValueType::String })
        }
        (None, _) => root_value(map, key, seq),
    };
    match found {
        Some(found) => Ok(Some(found)),
        None => core.packages.check_key(key).map(|()| None),
    }
}

/// Returns the value of a root key that is written as a section: `app.k` for `app..k`.
fn root_value<'m>(map: &'m Map, key: &Key, seq: Option<Seq>) -> Option<TypedValue<'m>> {
    match (&key.section, &key.option) {
        (Some(Selector::Name(name)), None) => MapPackage::of(map, seq).section(b"")?.get_typed(name),
        _ => None,
    }
}

/// Finds the section of a parsed key.
fn select<'m>(map: &'m Map, key: &Key, seq: Option<Seq>) -> Result<Option<MapSection<'m>>> {
    let package = MapPackage::of(map, seq);
    let Some(selector) = &key.section else { return Ok(None) };
    Ok(match selector {
        Selector::Name(name) => package.section(name),
        Selector::Index(section_type, index) => package.section_of_type(section_type, *index),
        Selector::Match(section_type, option, wanted) => {
            let before = map.marks();
            let found = only(package.sections_with(section_type, option, wanted), key)?;
            // While a commit is being published, a section may have its new value before the index leads to it.
            let is_at_rest = before.0 == before.1 && map.marks() == before;
            match found.is_none() && seq.is_none() && !is_at_rest {
                true => only(package.scan(section_type, option, wanted), key)?,
                false => found,
            }
        }
    })
}

/// Returns the only one of the sections that a key selects by a value.
fn only<'m>(mut matching: MapRows<'m, '_>, key: &Key) -> Result<Option<MapSection<'m>>> {
    match (matching.next(), matching.next()) {
        (Some(first), Some(second)) => {
            let names = [first, second].into_iter().chain(matching);
            Err(Error::Ambiguous {
                key: key.text(),
                matches: names.map(|section| crate::error::shown::name(section.name())).collect(),
            })
        }
        (found, _) => Ok(found),
    }
}
