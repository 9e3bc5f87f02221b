//! Iteration in order. I1 to I4 are those of the crate.

use std::iter::FusedIterator;
use std::{fmt, ptr, slice};

use crate::{OrderedMap, ffi};

/// Iterates over the keys and values of an [`OrderedMap`], in the order the keys were entered.
#[derive(Clone)]
pub struct Iter<'m> {
    map: &'m OrderedMap,
    /// The entry returned last; null before the first.
    at: *const ffi::Node,
    left: usize,
}

// SAFETY: it is a `&OrderedMap`, which is `Send`, and a pointer to what that owns, which is only read (I2).
unsafe impl Send for Iter<'_> {}

// SAFETY: through `&Iter` nothing can be reached but `&OrderedMap`.
unsafe impl Sync for Iter<'_> {}

impl<'m> Iter<'m> {
    pub(crate) fn new(map: &'m OrderedMap) -> Self {
        Self { map, at: ptr::null(), left: map.len() }
    }
}

impl<'m> Iterator for Iter<'m> {
    type Item = (&'m [u8], u32);

    fn next(&mut self) -> Option<Self::Item> {
        let table = self.map.table.filter(|_| self.left > 0)?;
        let mut entry = ffi::Entry { key: ptr::null(), len: 0, value: 0 };
        // SAFETY: I1, I2; `at` is null or was returned for this map, whose entries stay for 'm (I4).
        self.at = unsafe { ffi::cms_hash_step(table.as_ptr(), self.at, &raw mut entry) };
        self.left -= 1;
        // SAFETY: one more entry was left, so `entry` has been filled; its key stays for 'm (I4).
        let key = unsafe { slice::from_raw_parts(entry.key, entry.len as usize) };
        Some((key, entry.value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.clone().map(|(key, value)| (key.escape_ascii().to_string(), value)))
            .finish()
    }
}
