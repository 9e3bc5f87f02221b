//! The memory of a map: a mapped file, or a piece of the heap. The one place that turns offsets into
//! references.
//!
//! - R1. `base` is valid for reads of `len` bytes, and writes if `writable`, as long as the region lives; it is
//!   aligned to 8 bytes. This library never truncates a mapped file (M4), and was found to be as long as the mapping,
//!   without holes, when it was mapped.
//! - R2. Words that may change are only ever read and written as 32-bit atomics.
//! - R3. All other bytes are written before a release store makes their position known, and never after
//!   (M1); so a reference to them may be formed once their position was read with acquire.

use super::format::{BUCKET, HEADER};
use std::cell::UnsafeCell;
use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// The words of a cache line.
const LINE: usize = BUCKET / 4;

enum Backing {
    Mapped {
        _map: memmap2::MmapRaw,
    },
    /// A vector and no box: moving a box asserts that no other pointer leads to its memory.
    Heap {
        _memory: Vec<UnsafeCell<u64>>,
    },
}

/// See the module documentation.
pub(crate) struct Region {
    base: NonNull<u8>,
    len: usize,
    writable: bool,
    backing: Backing,
}

// SAFETY: a region owns its memory, and all access through it is read-only, atomic (R2) or, in
// `write`, under the caller's promise.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl std::fmt::Debug for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Region").field("len", &self.len).field("shared", &self.is_shared()).finish()
    }
}

impl Region {
    /// Makes a region of the heap that starts with `bytes` and is zero behind them.
    pub fn heap(bytes: &[u8], len: usize) -> Self {
        let len = len.max(bytes.len()).max(HEADER).next_multiple_of(8);
        let memory: Vec<UnsafeCell<u64>> = (0..len / 8).map(|_| UnsafeCell::new(0)).collect();
        let base = NonNull::new(memory.as_ptr().cast_mut().cast::<u8>()).unwrap_or(NonNull::dangling());
        let region = Self { base, len, writable: true, backing: Backing::Heap { _memory: memory } };
        // SAFETY: no other thread has the region yet.
        unsafe { region.write(0, bytes) };
        region
    }

    /// Maps the first `len` bytes of a file, which has them.
    pub fn map(file: &File, len: usize, writable: bool) -> io::Result<Self> {
        let mut options = memmap2::MmapOptions::new();
        options.len(len);
        let map = if writable { options.map_raw(file)? } else { options.map_raw_read_only(file)? };
        let base = NonNull::new(map.as_mut_ptr()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len, writable, backing: Backing::Mapped { _map: map } })
    }

    /// Returns the offset of bytes that are inside the region.
    pub fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        bytes.as_ptr().addr().checked_sub(self.base.addr().get())
    }

    /// Returns where the region starts in memory.
    pub fn start(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Reports whether the region is a file that other processes may have mapped.
    pub fn is_shared(&self) -> bool {
        matches!(self.backing, Backing::Mapped { .. })
    }

    /// Returns bytes that never change any more (R3); `None` if they are not all inside.
    #[inline]
    pub fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
        if offset > self.len || len > self.len - offset {
            return None;
        }
        // SAFETY: inside the region, as was just checked.
        let start = unsafe { self.base.add(offset) };
        // SAFETY: R1, R3; the bytes live as long as `self`.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), len) })
    }

    #[inline]
    fn word(&self, offset: usize) -> Option<&AtomicU32> {
        if !offset.is_multiple_of(4) || offset > self.len || self.len - offset < 4 {
            return None;
        }
        // SAFETY: inside the region, as was just checked.
        let word = unsafe { self.base.add(offset) };
        // SAFETY: R1, R2; aligned, since the base and the offset are.
        Some(unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) })
    }

    /// Returns a pointer to a word that may change, for as long as the region lives; `None` if it is not inside.
    pub fn word_pointer(&self, offset: usize) -> Option<NonNull<AtomicU32>> {
        self.word(offset).map(NonNull::from)
    }

    /// Reads a word that may change; 0 if it is not inside.
    #[inline]
    pub fn load(&self, offset: usize, ordering: Ordering) -> u32 {
        match self.word(offset) {
            Some(word) => u32::from_le(word.load(ordering)),
            None => 0,
        }
    }

    /// Writes a word that may change. Does nothing if it is not inside, or the region is not writable.
    pub fn store(&self, offset: usize, value: u32, ordering: Ordering) {
        if let Some(word) = self.word(offset).filter(|_| self.writable) {
            word.store(value.to_le(), ordering);
        }
    }

    /// Sets bits of a word that may change, and returns its old value. Does nothing if it is not inside, or the region
    /// is not writable.
    pub fn set_bits(&self, offset: usize, bits: u32, ordering: Ordering) -> u32 {
        let word = self.word(offset).filter(|_| self.writable);
        word.map_or(0, |word| u32::from_le(word.fetch_or(bits.to_le(), ordering)))
    }

    /// Clears a word that may change, and returns its old value; as [`Region::set_bits`].
    pub fn take(&self, offset: usize, ordering: Ordering) -> u32 {
        let word = self.word(offset).filter(|_| self.writable);
        word.map_or(0, |word| u32::from_le(word.swap(0, ordering)))
    }

    /// Waits until the word is woken or the time is over; returns at once if the word does not hold `value`.
    pub fn wait(&self, offset: usize, value: u32, timeout: std::time::Duration) {
        use rustix::thread::futex::{Flags, Timespec, wait};
        let Some(word) = self.word(offset) else { return };
        let timeout = Timespec::try_from(timeout).ok();
        // The caller checks the word again, however the wait ends.
        let _ = wait(word, Flags::empty(), value.to_le(), timeout.as_ref());
    }

    /// Wakes all threads that wait for a word.
    pub fn wake(&self, offset: usize) {
        use rustix::thread::futex::{Flags, wake};
        if let Some(word) = self.word(offset) {
            let _ = wake(word, Flags::empty(), i32::MAX.cast_unsigned());
        }
    }

    /// Returns the words of a cache line that may change; `None` if it is not inside.
    #[inline]
    pub fn line(&self, offset: usize) -> Option<Line<'_>> {
        if !offset.is_multiple_of(4) || offset > self.len || self.len - offset < LINE * 4 {
            return None;
        }
        // SAFETY: inside the region, as was just checked.
        let start = unsafe { self.base.add(offset) };
        // SAFETY: R1, R2; aligned, since the base and the offset are.
        Some(Line(unsafe { start.cast::<[AtomicU32; LINE]>().as_ref() }))
    }

    /// Prefetches the cache lines from `offset` on.
    #[inline]
    pub fn prefetch(&self, offset: usize, lines: usize) {
        for line in 0..lines {
            super::simd::prefetch(self.base.as_ptr().wrapping_add(offset).wrapping_add(line * 64));
        }
    }

    /// Reads `N` bytes that never change any more (R3).
    ///
    /// # Safety
    ///
    /// They are all inside the region.
    #[inline(always)]
    pub unsafe fn read<const N: usize>(&self, offset: usize) -> [u8; N] {
        // SAFETY: the caller's promise.
        let start = unsafe { self.base.add(offset) };
        // SAFETY: the same, and R1.
        unsafe { start.cast::<[u8; N]>().read() }
    }

    /// As [`Region::bytes`], without a bounds check.
    ///
    /// # Safety
    ///
    /// They are all inside the region.
    #[inline(always)]
    pub unsafe fn bytes_unchecked(&self, offset: usize, len: usize) -> &[u8] {
        // SAFETY: the caller's promise.
        let start = unsafe { self.base.add(offset) };
        // SAFETY: the same, R1 and R3.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }

    /// As [`Region::line`], without a bounds check.
    ///
    /// # Safety
    ///
    /// It is inside the region, aligned to 4 bytes, and its words may change.
    #[inline(always)]
    pub unsafe fn line_unchecked(&self, offset: usize) -> Line<'_> {
        // SAFETY: the caller's promise.
        let start = unsafe { self.base.add(offset) };
        // SAFETY: R1, R2 and the caller's promise.
        Line(unsafe { start.cast::<[AtomicU32; LINE]>().as_ref() })
    }

    /// Writes bytes. Does nothing if they are not inside, or the region is not writable.
    ///
    /// # Safety
    ///
    /// No reference to any of these bytes exists, and no other thread writes to them: their position has not been
    /// published yet.
    pub unsafe fn write(&self, offset: usize, bytes: &[u8]) {
        if !self.writable || offset > self.len || bytes.len() > self.len - offset {
            return;
        }
        // SAFETY: inside the region, as was just checked.
        let start = unsafe { self.base.add(offset) };
        // SAFETY: R1; the caller's promise means that no reference is invalidated and that `bytes`, which
        // is one, does not overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
    }
}

/// A cache line of words that may change.
#[derive(Clone, Copy)]
pub(crate) struct Line<'r>(&'r [AtomicU32; LINE]);

impl Line<'_> {
    /// Reads word `index`; 0 if there is none.
    #[inline(always)]
    pub fn load(self, index: usize, ordering: Ordering) -> u32 {
        match self.0.get(index) {
            Some(word) => u32::from_le(word.load(ordering)),
            None => 0,
        }
    }

    /// Returns a bit for each of the twelve slots of a bucket, set if its tag is `tag`.
    #[inline(always)]
    pub fn tagged(self, tag: u8) -> u32 {
        #[cfg(all(
            any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")),
            not(miri)
        ))]
        {
            use super::simd::vector;
            // SAFETY: the line has more than sixteen bytes. The writer may change a word meanwhile, which `asm!` may
            // read; a word lies in one cache line and is aligned, so that it is read as it was before or after.
            vector::equal(unsafe { vector::load(self.0.as_ptr().cast()) }, tag) & 0xfff
        }
        #[cfg(not(all(
            any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")),
            not(miri)
        )))]
        super::simd::equal_tags([0, 1, 2].map(|word| self.load(word, Ordering::Relaxed)), tag)
    }
}
