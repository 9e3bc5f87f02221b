//! Implements the interface of `uthash_sys` in Rust, for Miri, which cannot run C.

use std::collections::HashMap;

/// Why an entry cannot be made.
#[derive(Debug)]
pub(super) enum Error {
    OutOfMemory,
    #[expect(dead_code, reason = "only the original is ever that full")]
    TooLarge,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("out of memory")
    }
}

/// A map of names, like `uthash_sys::OrderedMap`, but without an order: no caller needs it.
#[derive(Debug, Clone, Default)]
pub(super) struct OrderedMap(HashMap<Vec<u8>, u32>);

impl OrderedMap {
    pub fn reserve(&mut self, more: usize) -> Result<(), Error> {
        self.0.try_reserve(more).map_err(|_| Error::OutOfMemory)
    }

    pub fn get(&self, name: &[u8]) -> Option<u32> {
        self.0.get(name).copied()
    }

    pub fn insert(&mut self, name: &[u8], value: u32) -> Result<Option<u32>, Error> {
        if let Some(held) = self.get(name) {
            return Ok(Some(held));
        }
        Ok(self.0.insert(name.to_vec(), value))
    }

    pub fn remove(&mut self, name: &[u8]) -> Option<u32> {
        self.0.remove(name)
    }
}
