//! The hash index of a map: buckets of one cache line, each with twelve slots and an 8-bit tag for each.
//!
//! - A slot never moves, and never becomes empty again. To publish a new version of a block is to store its
//!   position in the slot of the old one.
//! - A new entry first claims a slot by its tag; a claimed slot without a position is not an entry yet. A writer that
//!   dies in between leaves a slot that stays unused until the map is rebuilt.
//! - An entry that does not fit into its bucket goes into one of the next few, and the full ones are marked.

use std::sync::atomic::Ordering;

use super::format::{At, BUCKET, FIRST_SLOT, MAX_OVERFLOW, OVERFLOW, SLOTS};
use super::region::{Line, Region};

/// The position of the index of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index {
    /// The offset of the first bucket in bytes.
    pub start: usize,
    /// How many there are.
    pub buckets: u32,
}

/// A slot, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId(pub u32);

/// A block that was found: its slot and the newest version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub slot: SlotId,
    pub at: At,
}

/// How many buckets a name may be in.
pub(crate) const REACH: u32 = MAX_OVERFLOW + 1;

/// Marks a slot that leads to a block; other slots lead to a record inside a block.
pub(crate) const BLOCK: u32 = 1 << 31;

/// Returns the tag of a hash; never 0, which marks a free slot.
#[inline]
pub(crate) fn tag(hash: u64) -> u8 {
    let [tag, ..] = hash.to_le_bytes();
    if tag == 0 { 0xff } else { tag }
}

/// Returns the slot of its bucket that an entry of this hash prefers. Three of four entries are in theirs, and trying
/// it first saves comparing tags.
#[inline(always)]
pub(crate) fn preferred(hash: u64) -> u32 {
    let [_, byte, ..] = hash.to_le_bytes();
    (u32::from(byte) * 12) >> 8
}

impl Index {
    /// Returns the bucket in which the search for a hash starts.
    #[inline]
    pub(crate) fn home(self, hash: u64) -> u32 {
        let [_, _, _, _, a, b, c, d] = ((hash >> 32).wrapping_mul(u64::from(self.buckets))).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    #[inline]
    fn line(self, region: &Region, bucket: u32) -> Option<Line<'_>> {
        region.line(self.start.checked_add(bucket as usize * BUCKET)?)
    }

    /// Returns the offset in bytes of a slot's word.
    pub fn word_of(self, slot: SlotId) -> usize {
        let (bucket, slot) = (slot.0 as usize / SLOTS, slot.0 as usize % SLOTS);
        self.start + bucket * BUCKET + (FIRST_SLOT + slot) * 4
    }

    /// Prefetches the bucket of a hash.
    #[inline]
    pub fn prefetch(self, region: &Region, hash: u64) {
        region.prefetch(self.start + self.home(hash) as usize * BUCKET, 1);
    }

    /// Finds the block of a hash that `is_it` accepts; records are skipped.
    ///
    /// Orderings: a slot is loaded with acquire, which pairs with the release store that published it, so that the
    /// block can be read. The overflow mark is set before the sequence of the commit is released; a reader that sees
    /// that sequence sees the mark.
    pub fn find(self, region: &Region, hash: u64, mut is_it: impl FnMut(At) -> bool) -> Option<Found> {
        let (slot, at) = self.find_word(region, hash, |word| block_at(word).filter(|at| is_it(*at)))?;
        Some(Found { slot, at })
    }

    /// Finds the slot of the record of a hash that `is_it` accepts; blocks are skipped.
    pub fn find_record(
        self,
        region: &Region,
        hash: u64,
        mut is_it: impl FnMut(At) -> bool,
    ) -> Option<SlotId> {
        let record = |word: u32| (word != 0 && word & BLOCK == 0).then_some(At(word));
        Some(self.find_word(region, hash, |word| record(word).filter(|at| is_it(*at)))?.0)
    }

    fn find_word(
        self,
        region: &Region,
        hash: u64,
        mut wanted: impl FnMut(u32) -> Option<At>,
    ) -> Option<(SlotId, At)> {
        let mut bucket = self.home(hash);
        for _ in 0..REACH {
            let line = self.line(region, bucket)?;
            // The tag becomes visible before the slot; a reader that sees the slot empty skips it.
            let mut bits = line.tagged(tag(hash));
            while bits != 0 {
                let slot = bits.trailing_zeros();
                let word = line.load(FIRST_SLOT + slot as usize, Ordering::Acquire);
                if let Some(at) = wanted(word) {
                    return Some((SlotId(bucket.wrapping_mul(12).wrapping_add(slot)), at));
                }
                bits &= bits - 1;
            }
            if line.load(OVERFLOW, Ordering::Relaxed) == 0 {
                return None;
            }
            bucket = self.after(bucket);
        }
        None
    }

    #[inline]
    pub(crate) fn after(self, bucket: u32) -> u32 {
        if bucket + 1 >= self.buckets { 0 } else { bucket + 1 }
    }

    /// Returns the word of a slot; 0 if there is none.
    #[inline]
    pub fn word(self, region: &Region, slot: SlotId) -> u32 {
        // Acquire: see `find`.
        if slot.0 / 12 < self.buckets { region.load(self.word_of(slot), Ordering::Acquire) } else { 0 }
    }

    /// Returns the position of the block that a slot leads to.
    #[inline]
    pub fn get(self, region: &Region, slot: SlotId) -> Option<At> {
        block_at(self.word(region, slot))
    }

    /// Publishes a block, or a record, in a slot: its position, with [`BLOCK`] for a block.
    pub fn publish(self, region: &Region, slot: SlotId, word: u32) {
        // Release: the block was written before.
        region.store(self.word_of(slot), word, Ordering::Release);
    }

    /// Claims a free slot for a hash. `None` if all buckets it may be in are full: the map has to be rebuilt, with
    /// more buckets.
    pub fn claim(self, region: &Region, hash: u64) -> Option<SlotId> {
        let mut bucket = self.home(hash);
        if let Some(slot) = self.claim_preferred(region, hash) {
            return Some(slot);
        }
        for _ in 0..REACH {
            let start = self.start + bucket as usize * BUCKET;
            let line = self.line(region, bucket)?;
            if let Some(slot) = (0..12).find(|slot| is_free(line, *slot)) {
                return Some(self.take(region, bucket, slot, hash));
            }
            region.store(start + OVERFLOW * 4, 1, Ordering::Relaxed);
            bucket = self.after(bucket);
        }
        None
    }

    /// Claims the slot a hash prefers, if it is free.
    pub fn claim_preferred(self, region: &Region, hash: u64) -> Option<SlotId> {
        let (bucket, slot) = (self.home(hash), preferred(hash));
        let free = is_free(self.line(region, bucket)?, slot);
        free.then(|| self.take(region, bucket, slot, hash))
    }

    fn take(self, region: &Region, bucket: u32, slot: u32, hash: u64) -> SlotId {
        let at = self.start + bucket as usize * BUCKET + slot as usize / 4 * 4;
        // Relaxed: only the writer uses slots that it has claimed, and there is one writer; see `find`.
        let tags = region.load(at, Ordering::Relaxed) | u32::from(tag(hash)) << (8 * (slot % 4));
        region.store(at, tags, Ordering::Relaxed);
        SlotId(bucket * 12 + slot)
    }

    /// Returns the number of slots.
    pub fn slots(self) -> u32 {
        self.buckets.saturating_mul(12)
    }
}

/// Returns the position of a block that a slot's word holds.
#[inline]
fn block_at(word: u32) -> Option<At> {
    (word & BLOCK != 0).then_some(At(word & !BLOCK))
}

fn is_free(line: Line<'_>, slot: u32) -> bool {
    let tags = line.load(slot as usize / 4, Ordering::Relaxed);
    tags >> (8 * (slot % 4)) & 0xff == 0
}
