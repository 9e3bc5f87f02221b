//! The table of found keys: it finds the keys that a process reads again and again without the index.
//!
//! An entry is a cache line: a key of up to 32 bytes, and the slot and the record to which it led. The entry is valid as
//! long as the slot leads to the same record and the map is not retired; so commits need not invalidate entries.
//! Snapshots use the table as well: an entry has the commit that made its value.
//!
//! The table belongs to a [`Table`] of maps, which keeps the maps of all entries mapped. It is allocated after
//! [`BEFORE`] reads, with at most [`MOST`] entries, and takes at most four times as much memory as the maps: an option of
//! a usual length takes a hundred bytes in a map, and a table is hit seldom if more than half of its entries are in use.
//!
//! # Replacement
//!
//! A key has two places, next to each other. A key that was found in the index replaces an entry that was not hit since
//! another key last tried to replace it. The key that the entry is of counts as hit when it is entered. If both entries were hit, both stay, and their marks are cleared. So one pass
//! over many keys replaces no entry that is in use, and entries that are no longer in use are replaced.
//!
//! If fewer than half of a thread's reads hit the table, as with keys that are all read equally often, looking up the
//! table costs more than it saves. So each thread has a score of its hits and misses. While the score is low, the thread
//! uses the table in one of [`SAMPLE`] reads only, and enters the key if it is not there. When most of these reads hit,
//! the score rises, and the thread uses the table in each read again, whatever it read before.
//!
//! [`Table`]: crate::map::table::Table

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::hot_entry::{Entry, Place, Words};
use super::sync::thread_mark;
use crate::map::layout::format::{At, R_VALUE, Seq, W_RETIRED};
use crate::map::read::fast_key::{KeyText, ScannedKey};
use crate::map::read::lookup::FoundValue;
use crate::map::read::map::Map;

/// The most entries of a table: 64 KiB fit into the second cache of any processor, beside other data.
const MOST: usize = 1024;
/// How many reads are made before the table is allocated: by then the packages that a program reads are open.
const BEFORE: u32 = 1024;
/// While a thread's score is low, it uses the table in one of so many reads.
const SAMPLE: u32 = 16;
/// How many scores there are. Threads that share one only share a hint.
const SCORES: usize = 16;

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct HotKeys {
    table: OnceLock<Lines>,
    /// The number of reads that the index has answered before the table was allocated.
    before: AtomicU32,
}

#[derive(Debug)]
struct Lines {
    /// A power of two of them.
    entries: Box<[Entry]>,
    /// By how many bits the number of a key is shifted to become the place of an entry.
    shift: u32,
    scores: Box<[Score; SCORES]>,
}

/// The hits and misses of a thread: in the low byte more for hits and less for misses, above it the number of reads
/// while that is low. Relaxed, since it is a hint; each has a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Score(AtomicU32);

impl Score {
    /// The score of a thread that begins, and of one whose reads hit: so many misses in a row it takes to give up.
    const BEST: u32 = 64;
    /// The score from which on each read uses the table: so many hits more than misses a sample needs.
    const LEAST: u32 = 8;
    const READ: u32 = 0x100;

    /// Reports whether this read uses the table.
    #[inline(always)]
    fn looks(&self) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        if now & 0xff >= Self::LEAST {
            return true;
        }
        self.0.store(now.wrapping_add(Self::READ), Ordering::Relaxed);
        (now / Self::READ).is_multiple_of(SAMPLE)
    }

    #[inline(always)]
    fn note_hit(&self) {
        let now = self.0.load(Ordering::Relaxed);
        if now & 0xff < Self::BEST {
            self.0.store(now + 1, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn note_miss(&self) {
        let now = self.0.load(Ordering::Relaxed);
        if now & 0xff > 0 {
            self.0.store(now - 1, Ordering::Relaxed);
        }
    }
}

/// What the table says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a key is in the table or not, or the table is not asked")]
pub enum Hot<T> {
    /// The value, a string, or what was made of it.
    Found(T),
    /// The key may be entered.
    Absent,
    /// This read does not use the table.
    Skipped,
}

impl HotKeys {
    /// Finds a key: its newest value, or the one the commit `seq` left.
    #[inline(always)]
    pub fn find(&self, key: KeyText<'_>, seq: Option<Seq>) -> Hot<&[u8]> {
        let Some(lines) = self.table.get() else { return Hot::Absent };
        let score = lines.score();
        if !score.looks() {
            return Hot::Skipped;
        }
        let Some(scanned) = ScannedKey::of(key) else { return Hot::Skipped };
        let Some(words) = scanned.words() else { return Hot::Skipped };
        let place = lines.place(&words);
        if let Some(value) = lines.value(&words, place, seq) {
            score.note_hit();
            return Hot::Found(value);
        }
        if let Some(value) = lines.value(&words, place ^ 1, seq) {
            score.note_hit();
            return Hot::Found(value);
        }
        score.note_miss();
        Hot::Absent
    }

    /// Enters a key that was found in `map`, which stays mapped as long as the table of maps that this belongs to.
    /// `mapped` is how many bytes its maps have.
    #[cold]
    #[inline(never)]
    pub fn enter(&self, key: &Words, map: &Map, found: &FoundValue<'_>, mapped: impl FnOnce() -> usize) {
        let Some(lines) = self.table.get() else {
            if self.before.fetch_add(1, Ordering::Relaxed) == BEFORE {
                self.table.get_or_init(|| Lines::of(mapped()));
            }
            return;
        };
        let (Ok(slot), Ok(len)) = (u32::try_from(found.slot), u32::try_from(found.value.len())) else {
            return;
        };
        let since = if found.made.is_after(map.base()) { found.made } else { map.base() };
        let place = Place { map: map.region.start(), slot, word: found.word, since: since.0, len };
        let at = lines.place(key);
        let both = [&lines.entries[at], &lines.entries[at ^ 1]];
        let of_key = both.into_iter().find(|entry| entry.is_of(key));
        // Short-circuits: the second mark is cleared only if the first was set.
        if let Some(entry) = of_key.or_else(|| both.into_iter().find(|entry| !entry.unmark())) {
            entry.write(key, &place);
        }
    }

    /// Returns how many bytes the table takes.
    pub fn bytes(&self) -> usize {
        self.table.get().map_or(0, |lines| size_of_val(&*lines.entries) + size_of_val(&*lines.scores))
    }
}

impl Lines {
    /// Makes a table for maps of `mapped` bytes.
    fn of(mapped: usize) -> Self {
        let count = entries_for(mapped);
        Self {
            shift: u64::BITS - count.trailing_zeros(),
            entries: (0..count).map(|_| Entry::default()).collect(),
            scores: Box::new([const { Score(AtomicU32::new(Score::BEST)) }; SCORES]),
        }
    }

    /// Returns the first place of a key; the other one is its neighbour.
    #[inline(always)]
    fn place(&self, key: &Words) -> usize {
        // At most the number of entries, which is small.
        #[expect(clippy::cast_possible_truncation, reason = "below `MOST`")]
        let place = (key.mixed() >> (self.shift & 63)) as usize;
        place
    }

    /// Returns the value of a key, if the entry at `place` is that of the key, and holds.
    #[inline(always)]
    fn value(&self, key: &Words, place: usize, seq: Option<Seq>) -> Option<&[u8]> {
        let entry = self.entries.get(place)?;
        let found = entry.find(key)?;
        // SAFETY: `enter` has written it, into the table of the same maps.
        let value = unsafe { value_at(&found, seq) }?;
        entry.mark();
        Some(value)
    }

    #[inline(always)]
    fn score(&self) -> &Score {
        // The upper bits of a product: the marks of threads are often multiples of the size of a stack.
        let [.., high] = (thread_mark() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        &self.scores[usize::from(high) % SCORES]
    }
}

/// Returns how many entries there are for maps of `mapped` bytes.
fn entries_for(mapped: usize) -> usize {
    let most = (mapped / size_of::<Entry>()).saturating_mul(4).clamp(2, MOST);
    if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }
}

/// Returns how many bytes the table of found keys of a program takes that reads maps of `mapped` bytes.
#[must_use]
pub fn hot_memory(mapped: u64) -> u64 {
    let entries = entries_for(usize::try_from(mapped).unwrap_or(usize::MAX));
    (entries * size_of::<Entry>() + SCORES * size_of::<Score>()) as u64
}

/// Returns the value at a place, if it is the newest, or the one the commit `seq` left, and the map was not retired.
///
/// # Safety
///
/// The place was made of something found in a map, which is mapped as long as `'t` lasts.
#[inline(always)]
unsafe fn value_at<'t>(place: &Place, seq: Option<Seq>) -> Option<&'t [u8]> {
    // SAFETY: the slot is inside the map; the same for the word of the header.
    let slot = unsafe { word(place.map, place.slot as usize) };
    // SAFETY: see above.
    let retired = unsafe { word(place.map, W_RETIRED) };
    // SAFETY: the record was found there, with a value of this length, which was checked to be inside the map.
    let start = unsafe { place.map.add(At(place.word).offset() + R_VALUE) };
    // SAFETY: the same: a NUL byte was behind it.
    let end = unsafe { start.add(place.len as usize) };
    // SAFETY: the same. It is at rest, but a map may be damaged while it is in use.
    let end = unsafe { end.read() };
    if (slot ^ place.word) | retired | u32::from(end) != 0 {
        return None;
    }
    if let Some(seq) = seq
        && Seq(place.since).is_after(seq)
    {
        return None;
    }
    // SAFETY: see above; the bytes stay as they are, also when the slot leads elsewhere.
    Some(unsafe { std::slice::from_raw_parts(start, place.len as usize) })
}

/// Loads a word of a map.
///
/// # Safety
///
/// It is a word that may change, inside a map that is mapped.
#[inline(always)]
unsafe fn word(map: *mut u8, offset: usize) -> u32 {
    // SAFETY: the caller's promise.
    let word = unsafe { map.add(offset) };
    // SAFETY: the same; aligned, as in `Region::word`.
    let word: &AtomicU32 = unsafe { AtomicU32::from_ptr(word.cast()) };
    // Acquire: see `Index::find` and `Map::retired`.
    u32::from_le(word.load(Ordering::Acquire))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;
    use std::ffi::{CStr, CString};

    use super::*;
    use crate::model::digest::u64_at;

    fn key(number: u64) -> CString {
        CString::new(format!("p.section{number}.option")).expect("no NUL byte")
    }

    fn words(key: &CStr) -> Words {
        ScannedKey::of(key.into()).and_then(|key| key.words()).expect("short")
    }

    /// A table, and a map for what it finds.
    fn reads(hot: &HotKeys, map: &Map, found: &FoundValue<'_>, keys: impl Iterator<Item = u64>) -> usize {
        let mut hits = 0;
        for number in keys {
            let key = key(number);
            match hot.find(key.as_c_str().into(), None) {
                Hot::Found(value) => {
                    assert_eq!(value, found.value);
                    hits += 1;
                }
                Hot::Absent => hot.enter(&words(&key), map, found, || 1 << 20),
                Hot::Skipped => {}
            }
        }
        hits
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes too long")]
    fn hot_keys_become_hot_whatever_was_read_before() {
        let map = crate::map::tests::small();
        let found = crate::map::tests::found(&map, "p.s.x");
        let hot = HotKeys::default();
        assert_eq!((hot.bytes(), reads(&hot, &map, &found, 0..=u64::from(BEFORE))), (0, 0));
        assert_eq!(hot.bytes() as u64, hot_memory(1 << 20));
        assert_eq!(hot.bytes(), MOST * 64 + SCORES * 64);
        let hot_keys = || (0..200_u64).map(|number| number * 7919);
        // One pass over many keys, and a long time of keys that are read once.
        for many in [100_000, 200_000_u64] {
            let cold = (0..many).map(|number| many * 1000 + number);
            assert_eq!(reads(&hot, &map, &found, cold), 0);
            for _ in 0..100 {
                reads(&hot, &map, &found, hot_keys());
            }
            let hits: usize = (0..10).map(|_| reads(&hot, &map, &found, hot_keys())).sum();
            assert!(hits > 1880, "{hits} of 2000 after {many} others");
        }
        // They stay while a few others come and go.
        let mixed = (0..20_000_u64)
            .map(|number| if number % 4 == 0 { 50_000_000 + number } else { number % 200 * 7919 });
        let hits = reads(&hot, &map, &found, mixed);
        assert!(hits > 14_000, "{hits} of 15000");
    }

    #[test]
    fn keys_that_differ_in_one_byte_spread_over_the_table() {
        let lines = Lines::of(usize::MAX);
        for at in 0..30 {
            let key = |byte: u8| {
                let mut key = *b"network.section1.option7.abcdef";
                key[at] = byte;
                Words { words: [0, 8, 15, 23].map(|start| u64_at(&key, start)), len: 31 }
            };
            let places: HashSet<usize> = (b'a'..=b'z').map(|byte| lines.place(&key(byte)) / 2).collect();
            assert!(places.len() > 20, "{at}: {places:?}");
        }
    }

    #[test]
    fn its_memory_is_bounded_by_that_of_the_maps() {
        for (mapped, entries) in
            [(0, 2), (100, 4), (4096, 256), (15_000, 512), (20_480, 1024), (1 << 30, MOST)]
        {
            assert_eq!(Lines::of(mapped).entries.len(), entries, "{mapped}");
        }
    }

    #[test]
    fn an_entry_holds_as_long_as_its_slot_and_its_map() {
        let map = crate::map::tests::small();
        let found = crate::map::tests::found(&map, "p.s.x");
        let hot = HotKeys::default();
        reads(&hot, &map, &found, (0..=u64::from(BEFORE)).chain([5]));
        let is_found = |seq| matches!(hot.find(key(5).as_c_str().into(), seq), Hot::Found(_));
        assert!(is_found(None) && is_found(Some(Seq(1))) && !is_found(Some(Seq(0))));
        map.retire(Seq(9));
        assert!(!is_found(None));
    }
}
