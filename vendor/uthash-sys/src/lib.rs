//! An insertion-ordered hash from byte strings to numbers: [uthash](https://troydhanson.github.io/uthash/)
//! behind a safe interface. It is no general map: values are `u32`, made to be positions in a vector.
//!
//! uthash consists of C macros; `shim.c` makes functions of them. `build.rs` compiles it over the header of
//! the distribution (Debian: `uthash-dev`), or the one in the directory that `UTHASH_INCLUDE_DIR` names.
//!
//! The hash function has no secret: whoever chooses the keys can make lookups take linear time.
//!
//! Invariants:
//! - I1. `table` comes from `cms_hash_new` or `cms_hash_clone`, is this map's alone, and is freed by `drop` only.
//! - I2. Calls that take a const table write nothing, not even inside (shim.c, S2), and keep no state elsewhere.
//! - I3. A key is copied or only read during the call, so a slice that lives through the call will do.
//! - I4. The key of an entry stays where it is until the entry goes, which takes `&mut` of the map.

#![allow(unsafe_code, reason = "this crate is the boundary to C")]

mod ffi;
mod iter;
#[cfg(test)]
mod tests;

use std::alloc::{Layout, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;

pub use iter::Iter;

/// The length of the longest key, in bytes: 2 GiB less one.
pub const MAX_KEY: usize = (1 << 31) - 1;

/// The number of entries a map can have.
pub const MAX_LEN: usize = (1 << 31) - 1;

/// Why a map did not take a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Memory, or the limit of the map, does not suffice.
    OutOfMemory,
    /// The key is longer than [`MAX_KEY`], or the map has [`MAX_LEN`] entries.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "out of memory",
            Self::TooLarge => "key too long or map full",
        })
    }
}

impl std::error::Error for Error {}

/// A map from byte strings to numbers that keeps the order in which keys were entered.
///
/// Any bytes make a key, also none. An empty map takes no memory beside itself. Several threads may look things
/// up and iterate at the same time; changes need `&mut`, as everywhere.
///
/// ```
/// let mut map = uthash_sys::OrderedMap::new();
/// assert_eq!(map.insert(b"wan", 7), Ok(None));
/// assert_eq!(map.insert(b"lan", 8), Ok(None));
/// assert_eq!(map.insert(b"wan", 9), Ok(Some(7)));
/// assert_eq!(map.get(b"wan"), Some(7));
/// assert!(map.iter().eq([(&b"wan"[..], 7), (b"lan", 8)]));
/// ```
pub struct OrderedMap {
    table: Option<NonNull<ffi::Table>>,
    limit: usize,
}

// SAFETY: I1, and no call keeps state that belongs to a thread (I2).
unsafe impl Send for OrderedMap {}

// SAFETY: I2: all that `&self` leads to only reads.
unsafe impl Sync for OrderedMap {}

impl OrderedMap {
    /// Makes an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limit(usize::MAX)
    }

    /// Makes an empty map that takes at most `limit` bytes of memory, its own few words not counted.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self { table: None, limit }
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: I1, I2.
        let len = self.table.map_or(0, |table| unsafe { ffi::cms_hash_len(table.as_ptr()) });
        len as usize
    }

    /// Reports whether the map has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the memory the map takes, in bytes, its own few words not counted. It shrinks by
    /// [`clear`](Self::clear) only: what removed keys leave is for keys to come.
    #[must_use]
    pub fn memory(&self) -> usize {
        // SAFETY: I1, I2.
        self.table.map_or(0, |table| unsafe { ffi::cms_hash_used(table.as_ptr()) })
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<u32> {
        let (table, len) = (self.table?, key_len(key)?);
        // SAFETY: I1, I2, I3.
        value(unsafe { ffi::cms_hash_find(table.as_ptr(), key.as_ptr(), len) })
    }

    /// Enters a key behind all others and returns `None`. If the key has an entry already, nothing changes, and
    /// the value of that entry is returned.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] and [`Error::TooLarge`]; the map has the same entries then as before.
    pub fn insert(&mut self, key: &[u8], value: u32) -> Result<Option<u32>, Error> {
        let (table, len) = (self.table()?, key_len(key).ok_or(Error::TooLarge)?);
        // SAFETY: I1, I3.
        outcome(unsafe { ffi::cms_hash_insert(table.as_ptr(), key.as_ptr(), len, value) })
    }

    /// Removes a key and returns its value, if it has an entry. The others keep their order.
    pub fn remove(&mut self, key: &[u8]) -> Option<u32> {
        let (table, len) = (self.table?, key_len(key)?);
        // SAFETY: I1, I3.
        value(unsafe { ffi::cms_hash_remove(table.as_ptr(), key.as_ptr(), len) })
    }

    /// Spares the map growing step by step while `more` keys are entered. Of an empty map the first
    /// [`insert`](Self::insert) takes the memory, 16 bytes for each key to come, and is what fails without.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`]; the map can be used as before then.
    pub fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let table = self.table()?;
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        // SAFETY: I1.
        outcome(unsafe { ffi::cms_hash_reserve(table.as_ptr(), more) }).map(|_| ())
    }

    /// Removes all entries and gives their memory back.
    pub fn clear(&mut self) {
        if let Some(table) = self.table {
            // SAFETY: I1; what borrows from the entries has ended (I4).
            unsafe { ffi::cms_hash_clear(table.as_ptr()) };
        }
    }

    /// Iterates over keys and values in the order the keys were entered.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self)
    }

    /// Copies the map, its order and its limit.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`]
    pub fn try_clone(&self) -> Result<Self, Error> {
        let Some(table) = self.table else { return Ok(Self::with_limit(self.limit)) };
        // SAFETY: I1, I2.
        let copy = unsafe { ffi::cms_hash_clone(table.as_ptr()) };
        Ok(Self { table: Some(NonNull::new(copy).ok_or(Error::OutOfMemory)?), limit: self.limit })
    }

    /// Returns the table, and makes it where there is none.
    fn table(&mut self) -> Result<NonNull<ffi::Table>, Error> {
        if let Some(table) = self.table {
            return Ok(table);
        }
        // SAFETY: any limit will do.
        let table = NonNull::new(unsafe { ffi::cms_hash_new(self.limit) }).ok_or(Error::OutOfMemory)?;
        self.table = Some(table);
        Ok(table)
    }
}

/// Returns the length as C takes it; `None` for a key no map can have.
fn key_len(key: &[u8]) -> Option<u32> {
    u32::try_from(key.len()).ok().filter(|_| key.len() <= MAX_KEY)
}

/// Returns the value in what C returned, if it is one.
fn value(returned: i64) -> Option<u32> {
    u32::try_from(returned).ok()
}

/// Tells apart what calls that can fail return.
fn outcome(returned: i64) -> Result<Option<u32>, Error> {
    match returned {
        ffi::NO_MEMORY => Err(Error::OutOfMemory),
        ffi::FULL => Err(Error::TooLarge),
        ffi::NONE => Ok(None),
        other => Ok(value(other)),
    }
}

impl Drop for OrderedMap {
    fn drop(&mut self) {
        if let Some(table) = self.table {
            // SAFETY: I1.
            unsafe { ffi::cms_hash_free(table.as_ptr()) };
        }
    }
}

/// Without memory for the copy the process ends, as with the collections of the standard library;
/// [`OrderedMap::try_clone`] returns an error instead.
impl Clone for OrderedMap {
    fn clone(&self) -> Self {
        let size = self.memory();
        self.try_clone().unwrap_or_else(|_| {
            handle_alloc_error(Layout::array::<u8>(size).unwrap_or_else(|_| Layout::new::<Self>()))
        })
    }
}

impl Default for OrderedMap {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OrderedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.iter().map(|(key, value)| (key.escape_ascii().to_string(), value));
        f.debug_map().entries(entries).finish()
    }
}

impl<'m> IntoIterator for &'m OrderedMap {
    type Item = (&'m [u8], u32);
    type IntoIter = Iter<'m>;

    fn into_iter(self) -> Iter<'m> {
        self.iter()
    }
}
