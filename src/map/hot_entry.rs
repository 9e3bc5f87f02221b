//! An entry of the table of found keys: a cache line that many threads read, and that any of them may overwrite.
//!
//! Orderings: an entry has a version, which is odd while a thread writes the entry. The writer makes the version odd,
//! with a release fence after that, stores the fields, and makes the version even by a release store. A reader loads the
//! version with acquire, then the fields, then the version again after an acquire fence: if it is the same and even, the
//! fields are those of one key. The reader follows no pointer before that. All fields are atomics. The mark of a hit is a
//! hint, and may be lost.

use super::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
use crate::model::digest::{MIX, fold};

/// The longest key in the table, in bytes.
pub(crate) const LONGEST: usize = 32;

/// A key, as entries have it: four words that overlap where it is shorter than 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    pub words: [u64; 4],
    pub len: u32,
}

impl Words {
    /// Returns a number whose upper bits lead to an entry; each byte of the key takes part in them.
    #[inline(always)]
    pub fn mixed(&self) -> u64 {
        let [a, b, c, d] = self.words;
        // One multiplication, and its upper half as well: keys that differ in a few digits only are spread as evenly as
        // any others.
        fold(a ^ c.rotate_left(32) ^ MIX[0], d ^ b.rotate_left(32) ^ MIX[1])
    }
}

/// Where the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The start of the map.
    pub map: *mut u8,
    /// The offset of the slot, and the word that it held: where the record is.
    pub slot: u32,
    pub word: u32,
    /// The commit that made the value, or the one the map starts from, if that is later.
    pub since: u32,
    /// The length of the value, without the NUL byte: below 32 KiB.
    pub len: u32,
}

/// See the module documentation.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(crate) struct Entry {
    words: [AtomicU64; 4],
    map: AtomicPtr<u8>,
    slot: AtomicU32,
    word: AtomicU32,
    since: AtomicU32,
    /// The length of the key, and 256 times that of the value; 0 in an entry that was never written.
    lengths: AtomicU32,
    version: AtomicU32,
    /// Whether it was hit since another key wanted its place: 0 or 1.
    hit: AtomicU32,
}

impl Entry {
    /// Returns the place of a key, if the entry is that of the key.
    #[inline(always)]
    pub fn find(&self, key: &Words) -> Option<Place> {
        // Acquire: the fields are loaded after it.
        let version = self.version.load(Ordering::Acquire);
        let ([a, b, c, d], [e, f, g, h]) = (&self.words, key.words);
        let differs = (a.load(Ordering::Relaxed) ^ e)
            | (b.load(Ordering::Relaxed) ^ f)
            | (c.load(Ordering::Relaxed) ^ g)
            | (d.load(Ordering::Relaxed) ^ h);
        let lengths = self.lengths.load(Ordering::Relaxed);
        if differs | u64::from((lengths & 0xff) ^ key.len) != 0 {
            return None;
        }
        let place = Place {
            map: self.map.load(Ordering::Relaxed),
            slot: self.slot.load(Ordering::Relaxed),
            word: self.word.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
            len: lengths >> 8,
        };
        // The version is loaded after the fields.
        fence(Ordering::Acquire);
        // An odd version differs as well.
        if self.version.load(Ordering::Relaxed) == version & !1 { Some(place) } else { None }
    }

    /// Marks the entry as hit.
    #[inline(always)]
    pub fn mark(&self) {
        // A store for each hit would take the line from the other processors.
        if self.hit.load(Ordering::Relaxed) == 0 {
            self.hit.store(1, Ordering::Relaxed);
        }
    }

    /// Clears the mark. Returns whether it was set.
    pub fn unmark(&self) -> bool {
        let was = self.hit.load(Ordering::Relaxed) != 0;
        self.hit.store(0, Ordering::Relaxed);
        was
    }

    /// Reports whether the entry is one of this key, whether or not it still holds.
    pub fn is_of(&self, key: &Words) -> bool {
        self.find(key).is_some()
    }

    /// Writes the entry. Does nothing if another thread is just doing so.
    pub fn write(&self, key: &Words, place: &Place) {
        let version = self.version.load(Ordering::Relaxed);
        if version & 1 != 0 {
            return;
        }
        let odd = version.wrapping_add(1);
        // Acquire: the stores of the thread that has written the entry before come before the ones below.
        if self.version.compare_exchange(version, odd, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return;
        }
        // A reader that sees one of the fields below sees the odd version.
        fence(Ordering::Release);
        for (field, word) in self.words.iter().zip(key.words) {
            field.store(word, Ordering::Relaxed);
        }
        self.map.store(place.map, Ordering::Relaxed);
        self.slot.store(place.slot, Ordering::Relaxed);
        self.word.store(place.word, Ordering::Relaxed);
        self.since.store(place.since, Ordering::Relaxed);
        self.lengths.store(key.len | place.len << 8, Ordering::Relaxed);
        // A new entry counts as hit: else two keys with one place would replace each other again and again.
        self.hit.store(1, Ordering::Relaxed);
        // Release: a reader that sees this version sees the fields.
        self.version.store(odd.wrapping_add(1), Ordering::Release);
    }
}
