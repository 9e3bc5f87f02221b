//! The index of a map that is being made. No other thread sees it, so it is plain memory; it is filled exactly as
//! [`Index`] fills one.

use crate::map::layout::format::{BUCKET, FIRST_SLOT, MAX_OVERFLOW, OVERFLOW, SLOTS};
use crate::map::layout::index::{Index, SlotId, preferred, tag};
use crate::map::layout::simd::{equal_u8, prefetch};

/// How many entries ahead the index is fetched while it is filled: enough to hide the memory behind the work.
const AHEAD: usize = 12;

/// See the module documentation.
pub(super) struct NewIndex {
    index: Index,
    /// The buckets, from `first` on: each is one cache line.
    memory: Vec<u8>,
    first: usize,
}

impl NewIndex {
    /// Makes an empty index.
    pub fn new(buckets: u32) -> Self {
        let memory = vec![0; (buckets as usize + 1) * BUCKET];
        let first = memory.as_ptr().align_offset(BUCKET).min(BUCKET);
        Self { index: Index { start: 0, buckets }, memory, first }
    }

    pub fn buckets(&self) -> u32 {
        self.index.buckets
    }

    /// Returns the index as it is in the map.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.first..][..self.index.buckets as usize * BUCKET]
    }

    fn lines(&mut self) -> &mut [[u8; BUCKET]] {
        self.memory[self.first..][..self.index.buckets as usize * BUCKET].as_chunks_mut().0
    }

    /// Enters hashes and the words of their slots into an empty index, and returns the slots; `None` if it is too
    /// small.
    #[cfg_attr(cms_speed, optimize(speed))]
    pub fn enter_all(&mut self, entries: &[(u64, u32)]) -> Option<Vec<SlotId>> {
        let index = self.index;
        let lines = self.lines();
        let fetch = |lines: &[[u8; BUCKET]], hash: u64| {
            if let Some(line) = lines.get(index.home(hash) as usize) {
                prefetch(line.as_ptr());
            }
        };
        let mut slots = vec![SlotId(0); entries.len()];
        let mut late = Vec::new();
        // First the entries whose preferred slot is free, so that no other entry takes it.
        for (number, ((hash, word), entered)) in entries.iter().zip(&mut slots).enumerate() {
            if let Some((ahead, _)) = entries.get(number + AHEAD) {
                fetch(lines, *ahead);
            }
            let (bucket, slot) = (index.home(*hash), preferred(*hash));
            let line = lines.get_mut(bucket as usize)?;
            if line[slot as usize] == 0 {
                *entered = take(line, bucket, slot, *hash, *word);
            } else {
                late.push(number);
            }
        }
        for (turn, number) in late.iter().enumerate() {
            if let Some(ahead) = late.get(turn + AHEAD) {
                fetch(lines, entries[*ahead].0);
            }
            let (hash, word) = entries[*number];
            slots[*number] = enter(lines, index, hash, word)?;
        }
        Some(slots)
    }

    /// Enters one hash more; `None` if it is too small.
    pub fn enter(&mut self, hash: u64, word: u32) -> Option<SlotId> {
        let index = self.index;
        enter(self.lines(), index, hash, word)
    }
}

/// As [`Index::claim`] with [`Index::publish`].
#[cfg_attr(cms_speed, optimize(speed))]
fn enter(lines: &mut [[u8; BUCKET]], index: Index, hash: u64, word: u32) -> Option<SlotId> {
    let (mut bucket, slot) = (index.home(hash), preferred(hash));
    let line = lines.get_mut(bucket as usize)?;
    if line[slot as usize] == 0 {
        return Some(take(line, bucket, slot, hash, word));
    }
    for _ in 0..=MAX_OVERFLOW {
        let line = lines.get_mut(bucket as usize)?;
        let tags: &[u8; 16] = line.first_chunk()?;
        let free = equal_u8(tags, 0) & ((1 << SLOTS) - 1);
        if free != 0 {
            return Some(take(line, bucket, free.trailing_zeros(), hash, word));
        }
        line[OVERFLOW * 4..][..4].copy_from_slice(&1_u32.to_le_bytes());
        bucket = index.after(bucket);
    }
    None
}

/// Fills a free slot: its tag and its word.
#[inline(always)]
fn take(line: &mut [u8; BUCKET], bucket: u32, slot: u32, hash: u64, word: u32) -> SlotId {
    line[slot as usize] = tag(hash);
    line[(FIRST_SLOT + slot as usize) * 4..][..4].copy_from_slice(&word.to_le_bytes());
    SlotId(bucket * 12 + slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::layout::region::Region;

    proptest::proptest! {
        /// Entries claimed and published one by one in a map lead to the same bytes and slots.
        #[test]
        fn it_is_filled_as_the_index_of_a_map(
            buckets in 1_u32..12,
            entries in proptest::collection::vec((proptest::num::u64::ANY, 1_u32..), 0..150),
            more in proptest::collection::vec((proptest::num::u64::ANY, 1_u32..), 0..9),
        ) {
            let mut new = NewIndex::new(buckets);
            let region = Region::heap(&[], buckets as usize * BUCKET);
            let index = Index { start: 0, buckets };
            let mut slots = vec![None; entries.len()];
            for (slot, (hash, word)) in slots.iter_mut().zip(&entries) {
                *slot = index.claim_preferred(&region, *hash);
                slot.iter().for_each(|slot| index.publish(&region, *slot, *word));
            }
            for (slot, (hash, word)) in slots.iter_mut().zip(&entries).filter(|(slot, _)| slot.is_none()) {
                *slot = index.claim(&region, *hash);
                slot.iter().for_each(|slot| index.publish(&region, *slot, *word));
            }
            let entered = new.enter_all(&entries);
            proptest::prop_assert_eq!(entered.is_some(), slots.iter().all(Option::is_some));
            let Some(entered) = entered else { return Ok(()) };
            proptest::prop_assert_eq!(entered.into_iter().map(Some).collect::<Vec<_>>(), slots);
            for (hash, word) in more {
                let slot = index.claim(&region, hash);
                slot.iter().for_each(|slot| index.publish(&region, *slot, word));
                proptest::prop_assert_eq!(new.enter(hash, word), slot);
            }
            proptest::prop_assert_eq!(Some(new.bytes()), region.bytes(0, buckets as usize * BUCKET));
        }
    }
}
