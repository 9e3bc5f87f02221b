//! The table of found keys: it finds the keys that a process reads again and again without the index.
//!
//! An entry is a cache line: a key of up to 32 bytes, and the slot and the record to which it led. The entry is valid as
//! long as the slot leads to the same record and the map is not retired; so commits need not invalidate entries.
//! Snapshots use the table as well: an entry has the commit that made its value.
//!
//! The table belongs to a [`Table`] of maps, which keeps the maps of all entries mapped. It is allocated after
//! [`BEFORE`] reads, with at most [`MOST`] entries, and takes at most four times as much memory as the maps, six times if
//! there are keys of more than 32 bytes: an option of a usual length takes a hundred bytes in a map, and a table is hit
//! seldom if more than half of its entries are in use.
//!
//! # Replacement
//!
//! A key has [`WAYS`] places, next to each other. A key that was found in the index replaces the first entry there that was
//! not hit since another key last tried to replace it; the key that an entry is written for counts as hit. If all entries
//! were hit, they stay, and their marks are cleared. So one pass over many keys replaces no entry that is in use, and
//! entries that are no longer in use are replaced.
//!
//! # Scores
//!
//! If fewer than half of a thread's reads hit the table, as with keys that are all read equally often, looking up the
//! table costs more than it saves. So each thread has a score of its hits and misses. While the score is low, the thread
//! uses the table in one of [`SAMPLE`] reads only, later in one of [`LATER`], and enters the key if it is not there. When
//! most of these reads hit, the score rises, and the thread uses the table in each read again, whatever it read before.
//! As long as no thread's score is below [`Score::SURE`], hits are not counted: then a hit needs no memory of the thread.
//!
//! # Ways
//!
//! A read first tries [`HotKeys::find_first`]: the first place of a key of 8 bytes or more, in as few instructions as
//! will do. All else is left to [`HotKeys::find`].
//!
//! [`Table`]: crate::map::table::Table

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::hot_entry::{Entry, Place, Rest, Words};
use super::sync::thread_mark;
use crate::map::layout::format::{At, R_VALUE, Seq, W_RETIRED};
use crate::map::read::fast_key::{KeyText, ScannedKey};
use crate::map::read::lookup::FoundValue;
use crate::map::read::map::Map;

/// The most entries of a table: 96 KiB fit into the second cache of any processor, beside other data.
const MOST: usize = 1024;
/// How many reads are made before the table is allocated: by then the packages that a program reads are open.
const BEFORE: u32 = 1024;
/// While a thread's score is low, it uses the table in one of so many reads.
const SAMPLE: u32 = 16;
/// After [`LATE`] reads it does so in one of so many.
const LATER: u32 = 64;
/// See above; a multiple of both.
const LATE: u32 = 4096;
/// In how many entries a key may be; a power of two.
const WAYS: usize = 4;
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
    /// Whether a score is below [`Score::SURE`], or was, and is not [`Score::BEST`] again.
    is_unsure: AtomicBool,
    scores: Box<[Score; SCORES]>,
    /// As many as entries, for keys of more than 32 bytes; allocated with the first such key.
    rests: OnceLock<Box<[Rest]>>,
}

/// The hits and misses of a thread: in the low byte more for hits and less for misses, above it the number of reads
/// while that is low. Relaxed, since it is a hint; each has a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Score(AtomicU32);

impl Score {
    /// The score of a thread that begins, and of one whose reads hit.
    const BEST: u32 = 64;
    /// Below this score hits are counted as well, until the score is [`Score::BEST`] again.
    const SURE: u32 = 40;
    /// The score from which on each read uses the table: so many hits more than misses a sample needs.
    const LEAST: u32 = 8;
    const READ: u32 = 0x100;

    fn value(&self) -> u32 {
        self.0.load(Ordering::Relaxed) & 0xff
    }

    /// Reports whether this read uses the table; `skips` is set to how many of the next ones do not.
    #[inline(always)]
    fn looks(&self, skips: Option<&AtomicUsize>) -> bool {
        self.value() >= Self::LEAST || self.is_sample(skips)
    }

    #[inline(always)]
    fn is_sample(&self, skips: Option<&AtomicUsize>) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        let reads = now / Self::READ;
        let every = if reads < LATE { SAMPLE } else { LATER };
        let before_next = every - 1 - reads % every;
        match skips {
            // This one is a sample only if it begins a run of reads.
            Some(skips) => {
                skips.store(before_next as usize, Ordering::Relaxed);
                self.0.store(now.wrapping_add((1 + before_next) * Self::READ), Ordering::Relaxed);
            }
            None => self.0.store(now.wrapping_add(Self::READ), Ordering::Relaxed),
        }
        before_next == every - 1
    }

    /// Returns whether the score is the best one now.
    fn note_hit(&self) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        match now & 0xff {
            // Forgets how many reads there were.
            value if value + 1 == Self::LEAST => self.0.store(Self::LEAST, Ordering::Relaxed),
            value if value < Self::BEST => self.0.store(now + 1, Ordering::Relaxed),
            _ => return true,
        }
        false
    }

    /// Returns whether the score is low enough for hits to be counted.
    fn note_miss(&self) -> bool {
        let now = self.0.load(Ordering::Relaxed);
        if now & 0xff > 0 {
            self.0.store(now - 1, Ordering::Relaxed);
        }
        now & 0xff <= Self::SURE
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
    /// Finds a key in its first place: its newest value, or the one the commit `seq` left. `skips` is set to how many more
    /// reads of this thread shall not call this.
    #[inline(always)]
    pub fn find_first(&self, key: KeyText<'_>, seq: Option<Seq>, skips: Option<&AtomicUsize>) -> Hot<&[u8]> {
        let Some(lines) = self.table.get() else { return Hot::Absent };
        let is_unsure = lines.is_unsure.load(Ordering::Relaxed);
        if is_unsure && !lines.score().looks(skips) {
            return Hot::Skipped;
        }
        let Some(scanned) = ScannedKey::of(key) else { return Hot::Absent };
        let value = match scanned.short_words() {
            Some(words) => lines.short_value(scanned, &words, seq),
            None => scanned.long_words().and_then(|words| lines.long_value(&words, lines.place(&words), seq)),
        };
        match value {
            Some(value) => {
                if is_unsure {
                    lines.note_hit();
                }
                Hot::Found(value)
            }
            None => Hot::Absent,
        }
    }

    /// As [`HotKeys::find_first`], in all places, a key of any length. The score is not looked at.
    #[inline(always)]
    pub fn find(&self, key: KeyText<'_>, seq: Option<Seq>) -> Option<&[u8]> {
        let lines = self.table.get()?;
        let words = ScannedKey::of(key)?.words()?;
        let place = lines.place(&words);
        let mut value = None;
        let mut way = 0;
        // No iterator: those of the standard library are built for size.
        while way < WAYS && value.is_none() {
            value = lines.any_value(&words, place ^ way, seq);
            way += 1;
        }
        if value.is_none() {
            lines.note_miss();
        } else if lines.is_unsure.load(Ordering::Relaxed) {
            lines.note_hit();
        }
        value
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
        let (Ok(slot), Ok(len)) = (u32::try_from(found.slot), u16::try_from(found.value.len())) else {
            return;
        };
        let since = if found.made.is_after(map.base()) { found.made } else { map.base() };
        let map = map.region.start();
        let value = map.wrapping_add(value_offset(found.word));
        lines.enter(key, &Place { map, value, slot, since: since.0, len });
    }

    /// Returns how many bytes the table takes.
    pub fn bytes(&self) -> usize {
        self.table.get().map_or(0, |lines| {
            let rests = lines.rests.get().map_or(0, |rests| size_of_val(&**rests));
            size_of_val(&*lines.entries) + rests + size_of_val(&*lines.scores)
        })
    }
}

impl Lines {
    /// Makes a table for maps of `mapped` bytes.
    fn of(mapped: usize) -> Self {
        let count = entries_for(mapped);
        Self {
            entries: (0..count).map(|_| Entry::default()).collect(),
            shift: u64::BITS - count.trailing_zeros(),
            is_unsure: AtomicBool::new(false),
            scores: Box::new([const { Score(AtomicU32::new(Score::BEST)) }; SCORES]),
            rests: OnceLock::new(),
        }
    }

    /// Returns the first place of a key; the others are its neighbours.
    #[inline(always)]
    fn place(&self, key: &Words) -> usize {
        // At most the number of entries, which is small.
        #[expect(clippy::cast_possible_truncation, reason = "below `MOST`")]
        let place = (key.mixed() >> (self.shift & 63)) as usize;
        place
    }

    /// Returns the value of a key of at most 32 bytes, if the entry at `place` is that of the key, and holds.
    #[inline(always)]
    fn value(&self, key: &Words, place: usize, seq: Option<Seq>) -> Option<&[u8]> {
        let entry = self.entries.get(place)?;
        self.value_of(entry, &entry.find(key)?, seq)
    }

    /// The same for its first place. Each word is used only once: so they need no registers.
    #[cfg(all(target_arch = "x86_64", not(miri), not(all(test, loom))))]
    #[inline(always)]
    fn short_value(&self, key: ScannedKey<'_>, words: &Words, seq: Option<Seq>) -> Option<&[u8]> {
        use crate::map::layout::simd::vector::{differs, load};
        let (ends, len) = key.ends()?;
        let entry = self.entries.get(self.place(words))?;
        let found = entry.find_by(len, |words| {
            // SAFETY: the entry has 32 bytes of words. Other threads may write them meanwhile, which `asm!` may read; the
            // version shows that.
            let first = unsafe { load(words) };
            // SAFETY: the same.
            differs(ends, [first, unsafe { load(words.wrapping_add(16)) }])
        })?;
        self.value_of(entry, &found, seq)
    }

    /// The same for its first place.
    #[cfg(not(all(target_arch = "x86_64", not(miri), not(all(test, loom)))))]
    #[inline(always)]
    fn short_value(&self, _: ScannedKey<'_>, words: &Words, seq: Option<Seq>) -> Option<&[u8]> {
        self.value(words, self.place(words), seq)
    }

    /// The same for a key of any length.
    #[inline(always)]
    fn any_value(&self, key: &Words, place: usize, seq: Option<Seq>) -> Option<&[u8]> {
        if key.is_long() { self.long_value(key, place, seq) } else { self.value(key, place, seq) }
    }

    /// The same for a longer key.
    #[inline(always)]
    fn long_value(&self, key: &Words, place: usize, seq: Option<Seq>) -> Option<&[u8]> {
        let (entry, rest) = (self.entries.get(place)?, self.rests.get()?.get(place)?);
        self.value_of(entry, &entry.find_long(rest, key)?, seq)
    }

    #[inline(always)]
    fn value_of(&self, entry: &Entry, found: &Place, seq: Option<Seq>) -> Option<&[u8]> {
        // SAFETY: `enter` has written it, into the table of the same maps.
        let value = unsafe { value_at(found, seq) }?;
        entry.mark();
        Some(value)
    }

    fn enter(&self, key: &Words, place: &Place) {
        let first = self.place(key);
        let rests = if key.is_long() { Some(self.rests.get_or_init(|| self.new_rests())) } else { None };
        let at = |way: usize| {
            let place = first ^ way;
            Some((self.entries.get(place)?, rests.and_then(|rests| rests.get(place))))
        };
        let is_of_key = |(entry, rest): (&Entry, Option<&Rest>)| match rest {
            Some(rest) => entry.find_long(rest, key).is_some(),
            None => entry.find(key).is_some(),
        };
        let mut chosen = None;
        let mut way = 0;
        while way < WAYS && chosen.is_none() {
            chosen = at(way).filter(|at| is_of_key(*at));
            way += 1;
        }
        way = 0;
        // It ends with the first one: the marks of those behind it stay.
        while way < WAYS && chosen.is_none() {
            chosen = at(way).filter(|(entry, _)| !entry.unmark());
            way += 1;
        }
        if let Some((entry, rest)) = chosen {
            entry.write(rest, key, place);
        }
    }

    #[cold]
    fn new_rests(&self) -> Box<[Rest]> {
        self.entries.iter().map(|_| Rest::default()).collect()
    }

    #[inline(always)]
    fn score(&self) -> &Score {
        // The upper bits of a product: the marks of threads are often multiples of the size of a stack.
        let [.., high] = (thread_mark() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        &self.scores[usize::from(high) % SCORES]
    }

    /// Counts a hit of this thread.
    #[cold]
    #[inline(never)]
    fn note_hit(&self) {
        // If another thread's score falls meanwhile, its next miss says so again.
        if self.score().note_hit() && self.scores.iter().all(|score| score.value() >= Score::SURE) {
            self.is_unsure.store(false, Ordering::Relaxed);
        }
    }

    /// Counts a miss of this thread.
    #[inline(always)]
    fn note_miss(&self) {
        if self.score().note_miss() && !self.is_unsure.load(Ordering::Relaxed) {
            self.is_unsure.store(true, Ordering::Relaxed);
        }
    }
}

/// Returns how many entries there are for maps of `mapped` bytes.
fn entries_for(mapped: usize) -> usize {
    let most = (mapped / size_of::<Entry>()).saturating_mul(4).clamp(WAYS, MOST);
    if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }
}

/// Returns how many bytes the table of found keys of a program takes at most that reads maps of `mapped` bytes.
#[must_use]
pub fn hot_memory(mapped: u64) -> u64 {
    let entries = entries_for(usize::try_from(mapped).unwrap_or(usize::MAX));
    (entries * (size_of::<Entry>() + size_of::<Rest>()) + SCORES * size_of::<Score>()) as u64
}

/// Returns the offset of the value of the record to which a slot leads.
#[inline(always)]
fn value_offset(word: u32) -> usize {
    At(word).offset().wrapping_add(R_VALUE)
}

/// Returns the value at a place, if it is the newest, or the one the commit `seq` left, and the map was not retired.
///
/// # Safety
///
/// The place was made of something found in a map, which is mapped as long as `'t` lasts.
#[inline(always)]
unsafe fn value_at<'t>(place: &Place, seq: Option<Seq>) -> Option<&'t [u8]> {
    let Place { map, value, slot, since, len } = *place;
    // SAFETY: the slot is inside the map; the same for the word of the header.
    let newest = map.wrapping_add(value_offset(unsafe { word(map, slot as usize) }));
    // SAFETY: see above.
    let retired = unsafe { word(map, W_RETIRED) };
    // SAFETY: the value was found there, with this length and a NUL byte behind it.
    let end = unsafe { value.add(usize::from(len)) };
    // SAFETY: the same. It is at rest, but a map may be damaged while it is in use.
    let end = unsafe { end.read() };
    if newest != value || retired | u32::from(end) != 0 {
        return None;
    }
    if let Some(seq) = seq
        && Seq(since).is_after(seq)
    {
        return None;
    }
    // SAFETY: see above; the bytes stay as they are, also when the slot leads elsewhere.
    Some(unsafe { std::slice::from_raw_parts(value, usize::from(len)) })
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
#[path = "tests/hot.rs"]
mod tests;
