//! uthash as a peer.

use std::ffi::{CString, c_char, c_void};

use super::{Get, Peer};
use crate::Result;

unsafe extern "C" {
    fn bench_uthash_new() -> *mut c_void;
    fn bench_uthash_put(table: *mut c_void, key: *const c_char, value: *const c_char);
    fn bench_uthash_get(context: *mut c_void, key: *const c_char, scratch: *mut c_char) -> *const c_char;
    fn bench_uthash_free(table: *mut c_void);
}

/// A table of `c/uthash_peer.c`.
pub struct Uthash(*mut c_void);

impl Uthash {
    /// Makes a table of entries; their keys must differ.
    pub fn of(entries: impl Iterator<Item = (String, String)>) -> Result<Self> {
        // SAFETY: no conditions.
        let table = Self(unsafe { bench_uthash_new() });
        for (key, value) in entries {
            let (key, value) = (CString::new(key)?, CString::new(value)?);
            // SAFETY: F1; the strings are copied.
            unsafe { bench_uthash_put(table.0, key.as_ptr(), value.as_ptr()) };
        }
        Ok(table)
    }
}

impl Peer for Uthash {
    fn get(&self) -> Get<'_> {
        Get::new(bench_uthash_get, self.0.cast_const())
    }
}

impl Drop for Uthash {
    fn drop(&mut self) {
        // SAFETY: F1.
        unsafe { bench_uthash_free(self.0) };
    }
}
