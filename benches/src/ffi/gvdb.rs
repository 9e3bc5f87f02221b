//! gvdb, the format below dconf, as a peer: the crate `gvdb`, which reads the format in Rust.

use std::borrow::Cow;
use std::ffi::{c_char, c_void};

use gvdb::read::{File, HashTable};
use gvdb::write::{FileWriter, HashTableBuilder};

use super::{Get, Peer, SCRATCH, text};
use crate::Result;

/// A table in memory. The bytes and the table stay until the process ends, since each borrows from the other.
pub struct Gvdb {
    /// The table.
    table: &'static HashTable<'static, 'static>,
    /// The size of the file.
    bytes: usize,
}

impl Gvdb {
    /// Makes a table.
    pub fn of(entries: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut builder = HashTableBuilder::new();
        for (key, value) in entries {
            builder.insert_string(&key, &value)?;
        }
        let bytes = FileWriter::new().write_to_vec_with_table(builder)?;
        let length = bytes.len();
        let file: &'static File<'static> = Box::leak(Box::new(File::from_bytes(Cow::Owned(bytes))?));
        Ok(Self { table: Box::leak(Box::new(file.hash_table()?)), bytes: length })
    }

    /// The size of the file.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Peer for Gvdb {
    fn get(&self) -> Get<'_> {
        Get::new(gvdb_get, self.table)
    }
}

/// Finds a value and copies it, as the crate returns only decoded values.
unsafe extern "C" fn gvdb_get(
    context: *mut c_void,
    key: *const c_char,
    scratch: *mut c_char,
) -> *const c_char {
    // SAFETY: F2, and F3 for the key.
    let (table, key) = unsafe { (&*context.cast::<HashTable<'static, 'static>>(), text(key)) };
    let Ok(value) = table.get::<String>(key) else { return std::ptr::null() };
    let length = value.len().min(SCRATCH);
    // SAFETY: F4.
    unsafe { std::ptr::copy_nonoverlapping(value.as_ptr().cast(), scratch, length) };
    scratch
}
