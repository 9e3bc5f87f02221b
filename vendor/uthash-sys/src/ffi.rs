//! What `shim.c` offers, as it is declared there. A key is given as pointer and length in bytes and only read
//! during the call. Calls that give an `i64` return a value, which is never negative, or one of the constants.

use std::marker::{PhantomData, PhantomPinned};

/// The key has no entry; from calls that enter nothing, all went well.
pub const NONE: i64 = -1;
/// Memory, or the limit, does not suffice; nothing has changed.
pub const NO_MEMORY: i64 = -2;
/// There are as many entries as there can be.
pub const FULL: i64 = -3;

/// A table: `struct cms_hash`.
#[repr(C)]
pub struct Table {
    opaque: [u8; 0],
    neither_send_nor_unpin: PhantomData<(*mut u8, PhantomPinned)>,
}

/// A place in a table: `struct node`.
#[repr(C)]
pub struct Node {
    opaque: [u8; 0],
    neither_send_nor_unpin: PhantomData<(*mut u8, PhantomPinned)>,
}

/// What an entry holds: `struct cms_hash_entry`. The key belongs to the table.
#[repr(C)]
pub struct Entry {
    pub key: *const u8,
    pub len: u32,
    pub value: u32,
}

unsafe extern "C" {
    /// Makes a table that takes at most `limit` bytes; null without memory for it.
    pub fn cms_hash_new(limit: usize) -> *mut Table;
    /// Copies a table and its limit; null without memory for it.
    pub fn cms_hash_clone(source: *const Table) -> *mut Table;
    pub fn cms_hash_free(table: *mut Table);
    pub fn cms_hash_clear(table: *mut Table);
    pub fn cms_hash_len(table: *const Table) -> u32;
    pub fn cms_hash_used(table: *const Table) -> usize;
    /// Returns the hash of a key.
    #[cfg(test)]
    pub fn cms_hash_of(key: *const u8, len: u32) -> u32;
    pub fn cms_hash_find(table: *const Table, key: *const u8, len: u32) -> i64;
    /// Returns the value that is there already, [`NONE`] for a new key, [`NO_MEMORY`] or [`FULL`].
    pub fn cms_hash_insert(table: *mut Table, key: *const u8, len: u32, value: u32) -> i64;
    pub fn cms_hash_remove(table: *mut Table, key: *const u8, len: u32) -> i64;
    /// Returns [`NONE`] or [`NO_MEMORY`].
    pub fn cms_hash_reserve(table: *mut Table, more: u32) -> i64;
    /// Goes from one place to the next and tells what is there; null is before the first and behind the last.
    pub fn cms_hash_step(table: *const Table, at: *const Node, entry: *mut Entry) -> *const Node;
}
