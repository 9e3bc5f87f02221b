//! A view of a whole store at one revision.

use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::live::Live;
use crate::map::{Map, Package, Path, Seq, Table, Value, low};
use crate::package::{Key, Selector};

/// A view of all packages as one commit left them, whatever happens meanwhile. It holds the maps it has looked
/// at in memory, so it should be closed some time. It may be used from many threads at once.
///
/// Packages are opened when they are first asked for. One that has been compacted since, and was not open
/// before, cannot be seen any more: that is [`Error::Stale`], never a newer value.
#[derive(Debug, Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    live: Live,
    table: Arc<Table>,
    revision: u64,
    seq: Seq,
    /// What was opened since.
    opened: Opened,
}

/// A list that only grows, so that what was found in it stays where it is.
#[derive(Debug, Default)]
struct Opened(OnceLock<Box<Node>>);

#[derive(Debug)]
struct Node {
    name: Box<[u8]>,
    /// `None`: there is no such package.
    map: Option<Arc<Map>>,
    next: Opened,
}

impl Snapshot {
    pub(crate) fn new(live: Live) -> Self {
        // The table first: a map that replaces one of it starts no later than the sequence read after it.
        let table = live.inner.table.get();
        let revision = table.revision();
        let seq = low(table.control.as_ref().map_or(revision, |control| control.revision()));
        Self { inner: Arc::new(Inner { live, table, revision, seq, opened: Opened::default() }) }
    }

    /// Returns the revision: the number of the last commit that can be seen.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.inner.revision
    }

    /// Returns the value of a key; for a section, its type. `Ok(None)` means that it is not there.
    ///
    /// # Errors
    ///
    /// As for [`Live::get`], and [`Error::Stale`].
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>> {
        let inner = &*self.inner;
        if let Some(path) = Path::split(key, inner.table.seed)
            && let Some(entry) = inner.table.find(path.package_hash, path.package)
            && !entry.map.is_retired()
            && let Some(value) = entry.map.get(&path, Some(inner.seq))
        {
            return Ok(Some(value));
        }
        self.get_slowly(key)
    }

    #[cold]
    fn get_slowly(&self, key: &[u8]) -> Result<Option<Value<'_>>> {
        let key = value_key(key)?;
        let Some(map) = self.map(&key.package)? else { return Ok(None) };
        resolve(map, &key, Some(self.inner.seq))
    }

    /// Looks several keys up at once; the values of those that are not there are `None`. It takes less time
    /// than one after the other, since the memory is waited for once and not for each.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`], for the first key that fails; the values are undefined then.
    pub fn get_many<'s>(&'s self, keys: &[&[u8]], values: &mut [Option<Value<'s>>]) -> Result<()> {
        const BATCH: usize = 16;
        let inner = &*self.inner;
        for (keys, values) in keys.chunks(BATCH).zip(values.chunks_mut(BATCH)) {
            let mut found: [Option<(&Map, Path<'_>)>; BATCH] = [const { None }; BATCH];
            for (key, found) in keys.iter().zip(&mut found) {
                *found = Path::split(key, inner.table.seed).and_then(|path| {
                    let map = &inner.table.find(path.package_hash, path.package)?.map;
                    map.prefetch_bucket(&path);
                    (!map.is_retired()).then_some((&**map, path))
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

    /// Lists the packages there are now, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the configuration directory cannot be read.
    pub fn packages(&self) -> Result<Vec<String>> {
        self.inner.live.store().packages()
    }

    /// Returns a package, to iterate over.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none of that name; otherwise as for [`Snapshot::get`].
    pub fn package(&self, name: &[u8]) -> Result<Package<'_>> {
        let missing = || Error::NotFound { key: crate::name::show(name) };
        let map = self.map(name)?.ok_or_else(missing)?;
        Ok(Package::of(map, Some(self.inner.seq)))
    }

    /// Returns the map of a package, opening it if need be.
    fn map(&self, name: &[u8]) -> Result<Option<&Map>> {
        let inner = &*self.inner;
        // A map that was retired still shows every commit up to then.
        let complete = |map: &Map| map.retired().is_none_or(|at| !inner.seq.is_after(at));
        if let Some(entry) = inner.table.get(name).filter(|entry| complete(&entry.map)) {
            return Ok(Some(&entry.map));
        }
        let mut place = &inner.opened;
        while let Some(node) = place.0.get() {
            if &*node.name == name {
                return Ok(node.map.as_deref());
            }
            place = &node.next;
        }
        let map = inner.live.inner.map(name)?;
        if let Some(map) = &map
            && map.base().is_after(inner.seq)
            && map.is_shared() == inner.table.control.is_some()
        {
            return Err(Error::Stale { key: crate::name::show(name) });
        }
        let node = Node { name: name.into(), map, next: Opened::default() };
        // Another thread may have added one meanwhile, perhaps the same; then ours goes behind it.
        let mut node = Box::new(node);
        loop {
            match place.0.set(node) {
                Ok(()) => break,
                Err(back) => {
                    node = back;
                    place = &place.0.get().ok_or(Error::Stale { key: crate::name::show(name) })?.next;
                }
            }
        }
        self.map(name)
    }
}

/// Parses a key that is to have a value.
pub(crate) fn value_key(key: &[u8]) -> Result<Key> {
    let key = Key::parse(key)?;
    match key.section {
        Some(_) => Ok(key),
        None => Err(Error::invalid(&key.package, "a package has no value; name a section or an option")),
    }
}

/// Looks up what a parsed key means: the value of an option, the type of a section.
pub(crate) fn resolve<'m>(map: &'m Map, key: &Key, seq: Option<Seq>) -> Result<Option<Value<'m>>> {
    let package = Package::of(map, seq);
    let Some(selector) = &key.section else { return Ok(None) };
    let section = match selector {
        Selector::Name(name) => package.section(name),
        Selector::Index(section_type, index) => package.section_of_type(section_type, *index),
        Selector::Match(section_type, option, wanted) => {
            let holds = |value: Value<'_>| value.items().any(|item| item == wanted.as_slice());
            let mut matching = package
                .sections_of_type(section_type)
                .filter(|section| section.get(option).is_some_and(holds));
            match (matching.next(), matching.next()) {
                (Some(first), Some(second)) => {
                    let names = [first, second].into_iter().chain(matching);
                    return Err(Error::Ambiguous {
                        key: key.text(),
                        matches: names.map(|section| crate::name::show(section.name())).collect(),
                    });
                }
                (found, _) => found,
            }
        }
    };
    let Some(section) = section else { return Ok(None) };
    Ok(match &key.option {
        Some(option) => section.get(option),
        None => Some(Value::String(section.section_type())),
    })
}
