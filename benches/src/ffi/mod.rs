//! All that calls C: the timed loops, the C library under test, the peers, and a few system calls.
//!
//! What the `SAFETY` comments refer to:
//!
//! - F1. A handle comes from its own library, is kept beside that library's functions, and is released once, when
//!   its owner is dropped.
//! - F2. A [`Get`] borrows the owner of its context, so the context outlives every call through it.
//! - F3. [`Reads`] borrow their keys: each is a string of ASCII with its NUL byte or, for `cms_key_get` and nothing
//!   else, a prepared key. The loops in `c/harness.c` get their number.
//! - F4. A scratch buffer has [`SCRATCH`] bytes, more than any key or value here.

mod gvdb;
mod harness;
mod hashbrown;
mod keys;
mod library;
mod libuci;
mod lmdb;
mod shared_words;
pub mod system;
mod table;
mod uthash;

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;

pub use gvdb::Gvdb;
pub use harness::{Mode, Work, batches, run_until, time};
pub use hashbrown::Hashbrown;
pub use keys::Keys;
pub use library::{Directories, Library, Prepared, Snapshot, Store};
pub use libuci::{Libuci, UciCommit};
pub use lmdb::{Lmdb, LmdbWriter};
pub use shared_words::SharedWords;
pub use table::{Table, use_schemas};
pub use uthash::Uthash;

/// How many bytes a contender may use for the value.
const SCRATCH: usize = 256;

/// The type of the function through which all contenders are called.
type GetFunction = unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_char) -> *const c_char;

/// A contender, in the form that the loops call.
#[derive(Clone, Copy)]
pub struct Get<'a> {
    /// What is called.
    function: GetFunction,
    /// Its first argument.
    context: *mut c_void,
    /// The context is borrowed from its owner.
    owner: PhantomData<&'a ()>,
}

impl<'a> Get<'a> {
    /// Makes a contender from a context; the caller ties it to the owner's lifetime.
    fn new<T>(function: GetFunction, context: *const T) -> Self {
        Self { function, context: context.cast_mut().cast(), owner: PhantomData }
    }

    /// Makes a contender that finds every key.
    pub fn nothing() -> Self {
        Self::new(harness::bench_no_get, std::ptr::null::<()>())
    }

    /// Combines it with the keys to read.
    pub fn over(self, keys: &'a Keys) -> Reads<'a> {
        Reads { get: self, keys: keys.list() }
    }

    /// Reports whether `key` has this value.
    pub fn answers(self, key: &str, value: &str) -> bool {
        let Ok(key) = CString::new(key) else { return false };
        // SAFETY: F3: the string lives through the call.
        unsafe { self.answers_at(key.as_ptr(), value) }
    }

    /// Reports whether what is at `key` has this value.
    ///
    /// # Safety
    ///
    /// F3.
    unsafe fn answers_at(self, key: *const c_char, value: &str) -> bool {
        let mut scratch: [c_char; SCRATCH] = [0; SCRATCH];
        // SAFETY: F2 and F4.
        let found = unsafe { (self.function)(self.context, key, scratch.as_mut_ptr()) };
        if found.is_null() {
            return false;
        }
        // SAFETY: a value from a contender has at least the bytes that were stored.
        let bytes = unsafe { std::slice::from_raw_parts(found.cast::<u8>(), value.len()) };
        bytes == value.as_bytes()
    }
}

/// A contender, and the keys it is to read, in order.
#[derive(Clone, Copy)]
pub struct Reads<'a> {
    /// The contender.
    get: Get<'a>,
    /// The keys.
    keys: &'a [*const c_char],
}

impl Reads<'_> {
    /// The `number`th `size` keys, counting around.
    pub fn sample(self, number: usize, size: usize) -> Self {
        let samples = (self.keys.len() / size).max(1);
        let start = number % samples * size;
        Self { get: self.get, keys: &self.keys[start..self.keys.len().min(start + size)] }
    }
}

/// Reads that any number of threads may do at the same time.
#[derive(Clone, Copy)]
pub struct Shared<'a>(Reads<'a>);

// SAFETY: only made of contexts that are read without a lock and never written: see the methods `shared`.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

/// A peer, which finds values by keys.
pub trait Peer {
    /// The contender.
    fn get(&self) -> Get<'_>;
}

/// Returns the string at `key`, for the Rust peers.
///
/// # Safety
///
/// `key` is a string with its NUL byte, of ASCII, that outlives the result.
unsafe fn text<'a>(key: *const c_char) -> &'a str {
    // SAFETY: the caller's promise.
    let bytes = unsafe { CStr::from_ptr(key) }.to_bytes();
    // SAFETY: ASCII is UTF-8. A Rust program would have its keys as `str` already.
    unsafe { std::str::from_utf8_unchecked(bytes) }
}
