//! Keys at places in memory where a read that goes too far is noticed.

use std::ffi::{c_char, c_int};

use super::Memory;

const PAGE: usize = 4096;

unsafe extern "C" {
    fn mmap(start: Memory, len: usize, access: c_int, flags: c_int, file: c_int, offset: i64) -> Memory;
    fn mprotect(start: Memory, len: usize, access: c_int) -> c_int;
    fn munmap(start: Memory, len: usize) -> c_int;
}

/// A key with a NUL byte behind it.
pub struct Guarded {
    memory: Memory,
    /// The bytes of all of it, if it is mapped; 0 if it is a vector.
    mapped: usize,
    vector: Vec<u8>,
    start: *const u8,
    len: usize,
}

impl Guarded {
    /// Puts a key at the end of a page; the next one cannot be read.
    pub fn before_a_page_that_cannot_be_read(key: &[u8]) -> Self {
        let used = (key.len() + 1).next_multiple_of(PAGE);
        // SAFETY: private memory without a file (MAP_PRIVATE, MAP_ANONYMOUS), to read and write.
        let memory = unsafe { mmap(std::ptr::null_mut(), used + PAGE, 3, 0x22, -1, 0) };
        assert_ne!(memory.addr(), usize::MAX);
        let last_page = memory.wrapping_byte_add(used);
        // SAFETY: it is part of that memory.
        assert_eq!(unsafe { mprotect(last_page, PAGE, 0) }, 0);
        // SAFETY: as many bytes before that page.
        let start = unsafe { memory.cast::<u8>().add(used - key.len() - 1) };
        // SAFETY: the same, and the memory is zero behind the key.
        unsafe { std::ptr::copy_nonoverlapping(key.as_ptr(), start, key.len()) };
        Self { memory, mapped: used + PAGE, vector: Vec::new(), start, len: key.len() }
    }

    /// Puts a key `offset` bytes behind the start of a piece of the heap that has no more room.
    pub fn allocated(key: &[u8], offset: usize) -> Self {
        let mut vector = Vec::with_capacity(offset + key.len() + 1);
        // What is before the key is no part of it, whatever it is.
        vector.extend(std::iter::repeat_n(b'.', offset));
        vector.extend_from_slice(key);
        vector.push(0);
        let start = vector[offset..].as_ptr();
        Self { memory: std::ptr::null_mut(), mapped: 0, vector, start, len: key.len() }
    }

    pub fn start(&self) -> *const c_char {
        self.start.cast()
    }

    pub fn bytes(&self) -> &[u8] {
        debug_assert!(self.mapped > 0 || !self.vector.is_empty());
        // SAFETY: it is there.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.mapped > 0 {
            // SAFETY: it was mapped, and is used no more.
            unsafe { munmap(self.memory, self.mapped) };
        }
    }
}
