//! The region of the models: the memory of a map, watched by loom.
//!
//! It replaces `region`; all other code is the production code. Words that may change are loom's atomics, and loom
//! tries every value that a load may return. For all other bytes loom records reads and writes, and fails if nothing
//! orders a read and a write.

use std::cell::{Cell, UnsafeCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell as UnsafeWatch;
use loom::sync::atomic::AtomicU32;
use loom::thread::{self, ThreadId};

/// Changes the ordering of a load or a store of the word at an offset.
pub(crate) type Weaken = fn(is_store: bool, offset: usize, asked: Ordering) -> Ordering;

/// See the module documentation.
pub(crate) struct Region {
    memory: Vec<UnsafeCell<u8>>,
    len: usize,
    watched: Option<Watched>,
}

struct Watched {
    words: BTreeMap<usize, AtomicU32>,
    /// The range of bytes that are written while others read, and a loom cell for each two of them.
    range: Range<usize>,
    rest: Vec<UnsafeWatch<()>>,
    weaken: Weaken,
    writer: Cell<Option<ThreadId>>,
}

// SAFETY: loom runs one thread at a time.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl std::fmt::Debug for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Region").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Region {
    pub fn heap(bytes: &[u8], len: usize) -> Self {
        let len = len.max(bytes.len()).next_multiple_of(8);
        let memory = (0..len).map(|at| UnsafeCell::new(bytes.get(at).copied().unwrap_or(0))).collect();
        Self { memory, len, watched: None }
    }

    pub fn map(_: &File, _: usize, _: bool) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// From here on loom tracks the words at these offsets, and the reads and writes of the bytes of `range`.
    pub fn watched(self, words: impl Iterator<Item = usize>, range: Range<usize>, weaken: Weaken) -> Self {
        let words = words.map(|offset| (offset, AtomicU32::new(self.plain(offset)))).collect();
        let rest = range.clone().step_by(2).map(|_| UnsafeWatch::new(())).collect();
        Self { watched: Some(Watched { words, range, rest, weaken, writer: Cell::new(None) }), ..self }
    }

    /// Makes this thread the writer. It loads only words that no other thread stores, so these loads have one
    /// possible result. They are hidden from loom, which remembers only the last access to a word: a load by the
    /// writer just before its store would hide the loads of other threads from loom.
    pub fn written_from_here(&self) {
        self.watched.iter().for_each(|watched| watched.writer.set(Some(thread::current().id())));
    }

    pub fn start(&self) -> *mut u8 {
        self.memory.as_ptr().cast_mut().cast()
    }

    fn plain(&self, offset: usize) -> u32 {
        let bytes = self.bytes(offset, 4).and_then(|bytes| bytes.first_chunk::<4>());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    fn rest(&self, offset: usize, len: usize) -> impl Iterator<Item = &UnsafeWatch<()>> {
        self.watched.iter().flat_map(move |watched| {
            let (start, end) = (offset.max(watched.range.start), (offset + len).min(watched.range.end));
            (start..end.max(start)).step_by(2).map(|at| &watched.rest[(at - watched.range.start) / 2])
        })
    }

    pub fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        bytes.as_ptr().addr().checked_sub(self.start().addr())
    }

    /// None: the models read words by [`Region::load`] alone, and no prepared keys.
    #[expect(clippy::unused_self, reason = "as that of the region")]
    pub fn word_pointer(&self, _: usize) -> Option<std::ptr::NonNull<std::sync::atomic::AtomicU32>> {
        None
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_shared(&self) -> bool {
        false
    }

    pub fn bytes(&self, offset: usize, len: usize) -> Option<&[u8]> {
        if offset > self.len || len > self.len - offset {
            return None;
        }
        self.rest(offset, len).for_each(|byte| byte.with(|_| ()));
        // SAFETY: inside, as was just checked; one thread runs at a time, and none writes what was read.
        Some(unsafe { std::slice::from_raw_parts(self.start().wrapping_add(offset), len) })
    }

    pub unsafe fn read<const N: usize>(&self, offset: usize) -> [u8; N] {
        *self.bytes(offset, N).and_then(|bytes| bytes.first_chunk()).expect("inside")
    }

    pub unsafe fn bytes_unchecked(&self, offset: usize, len: usize) -> &[u8] {
        self.bytes(offset, len).expect("inside")
    }

    pub unsafe fn line_unchecked(&self, offset: usize) -> Line<'_> {
        self.line(offset).expect("inside")
    }

    pub fn load(&self, offset: usize, ordering: Ordering) -> u32 {
        let watched = self.watched.as_ref();
        match watched.and_then(|watched| Some((watched, watched.words.get(&offset)?))) {
            // SAFETY: loom notices if another thread stores it.
            Some((watched, word)) if watched.writer.get() == Some(thread::current().id()) => unsafe {
                word.unsync_load()
            },
            Some((watched, word)) => word.load((watched.weaken)(false, offset, ordering)),
            None => self.plain(offset),
        }
    }

    pub fn store(&self, offset: usize, value: u32, ordering: Ordering) {
        let Some(watched) = &self.watched else {
            // SAFETY: no other thread has it yet.
            return unsafe { self.write(offset, &value.to_le_bytes()) };
        };
        let word = watched.words.get(&offset).expect("a word that is watched");
        word.store(value, (watched.weaken)(true, offset, ordering));
    }

    fn watched_word(&self, offset: usize) -> Option<&AtomicU32> {
        self.watched.as_ref()?.words.get(&offset)
    }

    pub fn set_bits(&self, offset: usize, bits: u32, ordering: Ordering) -> u32 {
        self.watched_word(offset).map_or(0, |word| word.fetch_or(bits, ordering))
    }

    pub fn take(&self, offset: usize, ordering: Ordering) -> u32 {
        self.watched_word(offset).map_or(0, |word| word.swap(0, ordering))
    }

    /// A waiting thread may wake spuriously and checks again, which is enough for the models.
    pub fn wait(&self, _: usize, _: u32, _: std::time::Duration) {
        thread::yield_now();
    }

    pub fn wake(&self, _: usize) {}

    pub fn line(&self, offset: usize) -> Option<Line<'_>> {
        (offset < self.len && self.len - offset >= 64).then_some(Line { region: self, offset })
    }

    pub fn prefetch(&self, _: usize, _: usize) {}

    pub unsafe fn write(&self, offset: usize, bytes: &[u8]) {
        if offset > self.len || bytes.len() > self.len - offset {
            return;
        }
        if let Some(watched) = &self.watched {
            assert!(
                watched.range.start <= offset && offset + bytes.len() <= watched.range.end,
                "not watched"
            );
        }
        self.rest(offset, bytes.len()).for_each(|byte| byte.with_mut(|_| ()));
        // SAFETY: inside, as was just checked; one thread runs at a time.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start().wrapping_add(offset), bytes.len());
        };
    }
}

/// A cache line of words that may change.
#[derive(Clone, Copy)]
pub(crate) struct Line<'r> {
    region: &'r Region,
    offset: usize,
}

impl Line<'_> {
    pub fn load(self, index: usize, ordering: Ordering) -> u32 {
        self.region.load(self.offset + index * 4, ordering)
    }

    pub fn tagged(self, tag: u8) -> u32 {
        crate::map::layout::simd::equal_tags([0, 1, 2].map(|word| self.load(word, Ordering::Relaxed)), tag)
    }
}
