//! An entry of the table of found keys: a cache line that many threads read, and that any of them may overwrite.
//!
//! Orderings: an entry has a version, which is odd while a thread writes the entry. The writer makes the version odd,
//! with a release fence after that, stores the fields, and makes the version even by a release store. A reader loads the
//! version with acquire, then the fields, then the version again after an acquire fence: if it is the same and even, the
//! fields are those of one key. The reader follows no pointer before that. The rest of a long key is written and read like a
//! field. All fields are atomics. The mark of a hit is a
//! hint, and may be lost.

use super::sync::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

/// The longest key in the table, in bytes.
pub(crate) const LONGEST: usize = 64;
/// The longest key of which an entry alone has all bytes; those of longer keys have a [`Rest`] as well.
pub(crate) const SHORT: usize = 32;

/// A key, as entries have it. The words overlap where it is shorter than all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    /// The first sixteen bytes and the last sixteen; of keys below sixteen bytes the first eight and the last eight, both
    /// twice.
    pub ends: [u64; 4],
    /// Of keys above 32 bytes the sixteen behind the first ones, and the sixteen before the last ones; else zeros.
    pub middle: [u64; 4],
    pub len: u8,
}

impl Words {
    /// Returns a number whose upper bits lead to an entry; each byte of the key takes part in them.
    ///
    /// It is the sum of the words, each multiplied by its factor, so that the distance of two keys which differ in a few
    /// bytes depends on the factors and on nothing else. They were drawn so that keys with other digits in one or two
    /// places lead to different pairs of entries.
    #[inline(always)]
    pub fn mixed(&self) -> u64 {
        const ENDS: [u64; 4] =
            [0xeee0_adb3_115b_5411, 0xc6be_e06e_5364_3a07, 0xba60_16be_26ea_ee2d, 0x38c9_3256_4a87_f423];
        const MIDDLE: [u64; 4] =
            [0xd086_889b_1c5b_b9cd, 0xd0b7_7293_7404_2acd, 0xea22_5256_6ba0_d4af, 0xf080_90e3_3486_6199];
        let sum = |words: [u64; 4], [a, b, c, d]: [u64; 4]| {
            let first = words[0].wrapping_mul(a).wrapping_add(words[1].wrapping_mul(b));
            first.wrapping_add(words[2].wrapping_mul(c).wrapping_add(words[3].wrapping_mul(d)))
        };
        let ends = sum(self.ends, ENDS);
        if self.is_long() { ends.wrapping_add(sum(self.middle, MIDDLE)) } else { ends }
    }

    /// Reports whether the key needs a [`Rest`].
    #[inline(always)]
    pub fn is_long(&self) -> bool {
        usize::from(self.len) > SHORT
    }
}

/// Where the value of a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The start of the map.
    pub map: *mut u8,
    /// The start of the value, in the record to which the slot led.
    pub value: *mut u8,
    /// The offset of the slot.
    pub slot: u32,
    /// The commit that made the value, or the one the map starts from, if that is later.
    pub since: u32,
    /// The length of the value, without the NUL byte: below 32 KiB.
    pub len: u16,
}

/// The middle of a key of more than 32 bytes. It belongs to an entry, which has the version of both.
#[repr(align(32))]
#[derive(Debug, Default)]
pub(crate) struct Rest([AtomicU64; 4]);

impl Rest {
    /// Returns 0 if the words are these.
    #[inline(always)]
    fn differs(&self, words: &[u64; 4]) -> u64 {
        differs(&self.0, words)
    }
}

/// Returns 0 if the words are the same.
#[inline(always)]
fn differs(fields: &[AtomicU64; 4], words: &[u64; 4]) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (fields, words);
    (a.load(Ordering::Relaxed) ^ e)
        | (b.load(Ordering::Relaxed) ^ f)
        | (c.load(Ordering::Relaxed) ^ g)
        | (d.load(Ordering::Relaxed) ^ h)
}

/// See the module documentation.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(crate) struct Entry {
    words: [AtomicU64; 4],
    map: AtomicPtr<u8>,
    value: AtomicPtr<u8>,
    slot: AtomicU32,
    since: AtomicU32,
    version: AtomicU32,
    /// The length of the value.
    len: AtomicU16,
    /// The length of the key; 0 in an entry that was never written.
    key_len: AtomicU8,
    /// Whether it was hit since another key wanted its place: 0 or 1.
    hit: AtomicU8,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Entry>() == 64);

impl Entry {
    /// Returns the place of a key of at most 32 bytes, if the entry is that of the key.
    #[inline(always)]
    pub fn find(&self, key: &Words) -> Option<Place> {
        self.find_if(key.len, |entry| differs(&entry.words, &key.ends), || 0)
    }

    /// Returns the place of a longer key, if the entry and its rest are those of the key.
    #[inline(always)]
    pub fn find_long(&self, rest: &Rest, key: &Words) -> Option<Place> {
        self.find_if(key.len, |entry| differs(&entry.words, &key.ends), || rest.differs(&key.middle))
    }

    /// As [`Entry::find`], for a key of which the caller has the words in another form. `differs` gets a pointer to those of
    /// the entry, 32 bytes, aligned, and returns 0 if they are the same. Other threads may write them meanwhile.
    #[inline(always)]
    #[cfg(all(target_arch = "x86_64", not(miri), not(all(test, loom))))]
    pub fn find_by(&self, key_len: u8, differs: impl FnOnce(*const u8) -> u64) -> Option<Place> {
        self.find_if(key_len, |entry| differs(entry.words.as_ptr().cast()), || 0)
    }

    /// Returns the place, if the key has this length, and both functions return 0.
    #[inline(always)]
    fn find_if(
        &self,
        key_len: u8,
        differs: impl FnOnce(&Self) -> u64,
        more: impl FnOnce() -> u64,
    ) -> Option<Place> {
        // Acquire: the fields are loaded after it.
        let version = self.version.load(Ordering::Acquire);
        let differs = differs(self);
        if differs | u64::from(self.key_len.load(Ordering::Relaxed) ^ key_len) != 0 || more() != 0 {
            return None;
        }
        let place = Place {
            map: self.map.load(Ordering::Relaxed),
            value: self.value.load(Ordering::Relaxed),
            slot: self.slot.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
            len: self.len.load(Ordering::Relaxed),
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

    /// Writes the entry, and the rest of a long key. Does nothing if another thread is just doing so.
    pub fn write(&self, rest: Option<&Rest>, key: &Words, place: &Place) {
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
        for (field, word) in self.words.iter().zip(key.ends) {
            field.store(word, Ordering::Relaxed);
        }
        for (field, word) in rest.into_iter().flat_map(|rest| &rest.0).zip(key.middle) {
            field.store(word, Ordering::Relaxed);
        }
        self.map.store(place.map, Ordering::Relaxed);
        self.value.store(place.value, Ordering::Relaxed);
        self.slot.store(place.slot, Ordering::Relaxed);
        self.since.store(place.since, Ordering::Relaxed);
        self.len.store(place.len, Ordering::Relaxed);
        self.key_len.store(key.len, Ordering::Relaxed);
        // A new entry counts as hit: else two keys with one place would replace each other again and again.
        self.hit.store(1, Ordering::Relaxed);
        // Release: a reader that sees this version sees the fields.
        self.version.store(odd.wrapping_add(1), Ordering::Release);
    }
}
