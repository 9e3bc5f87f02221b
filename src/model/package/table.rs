//! A hash table from names to positions in a vector; it keeps copies of the names.

use std::alloc::{Layout, handle_alloc_error};

#[cfg(miri)]
use super::names_miri::{Error, OrderedMap};
#[cfg(not(miri))]
use uthash_sys::{Error, OrderedMap};

/// See the module documentation. If memory runs out, the process is aborted, as with vectors.
#[derive(Debug, Clone, Default)]
pub(super) struct NameTable(OrderedMap);

impl NameTable {
    /// Makes room for `more` names.
    pub fn reserve(&mut self, more: usize) {
        done(self.0.reserve(more), more);
    }

    /// Returns the position entered for `name`.
    pub fn find(&self, name: &[u8]) -> Option<u32> {
        self.0.get(name)
    }

    /// Enters `name` at `index`, unless it has an entry already; returns whether it was entered.
    pub fn insert(&mut self, name: &[u8], index: u32) -> bool {
        done(self.0.insert(name, index), name.len()).is_none()
    }

    /// Removes the entry that leads from `name` to `index`; returns whether there was one.
    pub fn remove(&mut self, name: &[u8], index: u32) -> bool {
        self.find(name) == Some(index) && self.0.remove(name).is_some()
    }
}

/// Converts the outcome of an operation that needed about `size` bytes.
fn done<T>(result: Result<T, Error>, size: usize) -> T {
    match result {
        Ok(value) => value,
        Err(Error::OutOfMemory) => {
            handle_alloc_error(Layout::array::<u8>(size).unwrap_or_else(|_| Layout::new::<u8>()))
        }
        Err(error) => unreachable!("a package has fewer and shorter names than bytes: {error}"),
    }
}
