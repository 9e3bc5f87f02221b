//! Prepared keys, for repeated reads.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::Result;
use crate::live::Store;
use crate::live::snapshot::{resolve, value_key};
use crate::map::{KeyPath, Map, MapValue, PlacedString, TypedValue, ValueLocation};

/// A prepared key: it caches the position of its value. As long as the section has not changed, a read takes two
/// loads from memory. Each thread prepares its own.
///
/// What each read needs comes first, in one cache line.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Prepared {
    store: Store,
    /// The generation of the map: see `Inner::generation`.
    generation: u32,
    /// The string, if the value is one whose position can be cached.
    string: Option<PlacedString>,
    /// The map that holds the value, and the position.
    found: Option<(Arc<Map>, ValueLocation)>,
    key: Box<[u8]>,
    /// The map of a value whose position cannot be cached.
    kept: Option<Arc<Map>>,
}

impl Prepared {
    pub(crate) fn new(store: Store, key: &[u8]) -> Result<Self> {
        value_key(key)?;
        Ok(Self { store, generation: 0, string: None, found: None, key: key.into(), kept: None })
    }

    /// Returns the store that it reads.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Returns the newest committed value of the key, as [`Store::get`] does. It stays valid until the next call.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`].
    #[inline]
    pub fn get(&mut self) -> Result<Option<MapValue<'_>>> {
        if self.is_current() {
            return Ok(self.found.as_ref().and_then(|(map, placed)| map.at_place(placed)));
        }
        Ok(self.find()?.map(|typed| typed.value))
    }

    /// As [`Prepared::get`], with the type of the value.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`].
    pub fn get_typed(&mut self) -> Result<Option<TypedValue<'_>>> {
        if self.is_current() {
            return Ok(self.found.as_ref().and_then(|(map, placed)| map.typed_at(placed)));
        }
        self.find()
    }

    /// As [`Prepared::get`], if the value is at the cached position. Otherwise `None`, also for keys that have a
    /// value.
    #[inline(always)]
    #[must_use]
    pub fn peek(&self) -> Option<MapValue<'_>> {
        if let Some(string) = &self.string
            && self.is_of_this_generation()
            && let Some(string) = string.get()
        {
            return Some(MapValue::String(string));
        }
        let (map, placed) = self.found.as_ref()?;
        if self.is_current() { map.at_place(placed) } else { None }
    }

    #[inline(always)]
    fn is_of_this_generation(&self) -> bool {
        // Acquire: pairs with `Inner::replace_maps`.
        self.store.inner.generation.load(Ordering::Acquire) == self.generation
    }

    fn is_current(&self) -> bool {
        self.is_of_this_generation() && self.found.as_ref().is_some_and(|(map, placed)| map.still(placed))
    }

    #[cold]
    fn find(&mut self) -> Result<Option<TypedValue<'_>>> {
        // Load the generation first: a map found after it is of this generation or a newer one.
        self.generation = self.store.inner.generation.load(Ordering::Acquire);
        let seed = self.store.inner.table.read(|table| table.seed);
        (self.string, self.found) = (None, None);
        if let Some(path) = KeyPath::split(&self.key, seed) {
            let Some(map) = self.store.inner.map(path.package)? else { return Ok(None) };
            // The table, and with it the seed, may have been replaced.
            if map.seed() == seed
                && self.generation.is_multiple_of(2)
                && let Some(placed) = map.place(&path)
            {
                let (map, placed) = self.found.insert((map, placed));
                self.string = PlacedString::of(map, placed);
                return Ok(map.typed_at(placed));
            }
        }
        let key = value_key(&self.key)?;
        let Some(map) = self.store.inner.map(&key.package)? else { return Ok(None) };
        resolve(&self.store.engine().core, self.kept.insert(map), &key, None)
    }
}
