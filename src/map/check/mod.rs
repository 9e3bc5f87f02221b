//! Verifies a whole map. Lookups check only what they rely on; this finds damage that they do not detect.
//!
//! It walks through the arena from the header to the tail. It checks each block by itself, then looks it up as a
//! reader would, and notes the slot that leads to it. A slot that is left over leads to no block, which is damage.
//! Then the orders are compared with the sections. The time is proportional to the size of the map; the memory is 8
//! bytes a block and some bits a slot.
//!
//! A map is not in order while a commit is being published to it. [`Map::check`] waits for that to pass.

mod blocks;
mod columns;
mod orders;
mod sections;

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::map::layout::block::Block;
use crate::map::layout::format::{
    At, B_BODY, B_CHECKSUM, B_SIZE, BUCKET, COLUMN, H_FIXED, HEADER, INDEX, KIND_BITS, NAME, OVERREAD,
    SRC_SIZE, W_BEGUN, W_DEAD, W_DONE, W_RETIRED, W_RETIRED_SEQ, W_SOURCE, W_TAIL,
};
use crate::map::layout::index::SlotId;
use crate::map::read::map::Map;
use crate::model::digest::u32_at;

/// Maps up to this size are verified when they are opened: it takes less time than to read the text.
const CHECKED_AT_OPEN: usize = 1 << 16;

/// How often a map that seems to be changing is checked again, and the pause before that.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_micros(500);

/// The damage of a map, and its position in bytes from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapDamage {
    /// The damage.
    pub what: &'static str,
    /// Where.
    pub offset: usize,
}

impl std::fmt::Display for MapDamage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

type Checked<T> = Result<T, MapDamage>;

fn ensure(holds: bool, what: &'static str, offset: usize) -> Checked<()> {
    if holds { Ok(()) } else { Err(MapDamage { what, offset }) }
}

impl Map {
    /// Verifies a small map whole; a larger map is assumed to be sound until it is checked.
    pub fn is_sound(&self) -> bool {
        self.region.len() > CHECKED_AT_OPEN || self.check().is_ok()
    }

    /// Reports whether the last writer has finished: then the last block is the source that it recorded.
    pub fn is_finished(&self) -> bool {
        // Relaxed: the caller holds the lock that keeps writers out.
        let end = |word| At(self.region.load(word, Ordering::Relaxed)).offset();
        end(W_TAIL) == end(W_SOURCE) + SRC_SIZE && self.source().is_some()
    }

    /// Verifies the whole map.
    ///
    /// # Errors
    ///
    /// The first damage that was found.
    pub fn check(&self) -> Checked<()> {
        let mut tries = 1;
        loop {
            let before = self.moment();
            let found = Checker::new(self).run();
            let [begun, done, _] = before;
            // A commit may be in progress, or a writer may have died: try again later.
            if found.is_ok() || (begun == done && before == self.moment()) || tries == TRIES {
                return found;
            }
            std::thread::sleep(PAUSE);
            tries += 1;
        }
    }

    /// Returns the words that change with each publication.
    fn moment(&self) -> [u32; 3] {
        [W_BEGUN, W_DONE, W_TAIL].map(|word| self.region.load(word, Ordering::Acquire))
    }
}

/// One pass over a map.
struct Checker<'m> {
    map: &'m Map,
    /// The start of the free space, in bytes.
    tail: usize,
    /// The blocks in the order of their positions, with their kinds.
    blocks: Vec<(At, u32)>,
    /// For each slot whether its entry was found through it.
    led: Vec<bool>,
    /// The number of sections in the newest state.
    live: usize,
    /// The buffer in which a key is assembled.
    key: Vec<u8>,
}

impl<'m> Checker<'m> {
    fn new(map: &'m Map) -> Self {
        // Acquire: blocks before the tail are at rest.
        let tail = At(map.region.load(W_TAIL, Ordering::Acquire)).offset();
        Self { map, tail, blocks: Vec::new(), led: Vec::new(), live: 0, key: Vec::new() }
    }

    fn run(mut self) -> Checked<()> {
        self.header()?;
        self.walk()?;
        self.free_space()?;
        self.led = vec![false; self.map.index.slots() as usize];
        for index in 0..self.blocks.len() {
            let (at, kind) = self.blocks[index];
            self.block(at, kind)?;
        }
        self.slots()?;
        self.orders()?;
        self.columns()
    }

    fn header(&self) -> Checked<()> {
        let region = &self.map.region;
        // Acquire: as everywhere; nothing depends on it here.
        let word = |offset| region.load(offset, Ordering::Acquire);
        let in_file = self.tail > HEADER && self.tail <= region.len().saturating_sub(OVERREAD);
        ensure(in_file, "the end of what is in use is wrong", W_TAIL)?;
        ensure(
            At(word(W_DEAD)).offset() <= self.tail,
            "the number of bytes no longer in use is wrong",
            W_DEAD,
        )?;
        ensure(word(W_RETIRED) <= 1, "the mark of a map that was replaced is wrong", W_RETIRED)?;
        for (start, end) in [(H_FIXED, W_RETIRED), (W_RETIRED_SEQ + 4, W_BEGUN), (W_SOURCE + 4, HEADER)] {
            let unused = region.bytes(start, end - start).unwrap_or_default();
            ensure(unused.iter().all(|byte| *byte == 0), "an unused part of the header is not zero", start)?;
        }
        Ok(())
    }

    /// Walks through the arena and collects the blocks. The walk ends because each block is inside the arena.
    fn walk(&mut self) -> Checked<()> {
        let region = &self.map.region;
        let mut offset = HEADER;
        let mut indexes = 0;
        while offset < self.tail {
            let head = region.bytes(offset, B_BODY).unwrap_or_default();
            let (size, kind) = ((u32_at(head, B_SIZE) >> KIND_BITS) as usize, u32_at(head, B_SIZE) & 7);
            let fits = size >= B_BODY && size.is_multiple_of(2) && size <= self.tail - offset;
            ensure(fits, "a block is not inside the part in use", offset)?;
            ensure((COLUMN..=INDEX).contains(&kind), "a block has an unknown kind", offset)?;
            let Some(at) = At::of(offset) else {
                return ensure(false, "a block is beyond the largest position", offset);
            };
            if kind == INDEX {
                // The slots of the index change, so no reference to them is made.
                let start = (offset + B_BODY).next_multiple_of(BUCKET);
                let end = start + self.map.index.buckets as usize * BUCKET;
                let fits = start == self.map.index.start && end == offset + size;
                ensure(fits, "the index is not where the header says", offset)?;
                let unused = region.bytes(offset + B_CHECKSUM, start - offset - B_CHECKSUM);
                let empty = unused.is_some_and(|unused| unused.iter().all(|byte| *byte == 0));
                ensure(empty, "an unused part of the head of the index is not zero", offset)?;
                indexes += 1;
            } else {
                let intact = Block::at(region, at).is_some_and(|block| block.is_intact());
                ensure(intact, "a block's checksum is wrong", offset)?;
            }
            self.blocks.push((at, kind));
            offset += size;
        }
        ensure(indexes == 1, "there is no index", HEADER)
    }

    /// Checks that nothing is behind the tail. A writer may be writing there, so this reads atomic words; the result
    /// counts only if the tail has not moved.
    fn free_space(&self) -> Checked<()> {
        let region = &self.map.region;
        let used = (self.tail.next_multiple_of(4)..region.len())
            .step_by(4)
            .find(|offset| region.load(*offset, Ordering::Relaxed) != 0);
        ensure(used.is_none(), "the free space is not empty", used.unwrap_or_default())
    }

    /// Checks that each slot leads to the entry that a look-up finds through it.
    fn slots(&self) -> Checked<()> {
        for (number, led) in (0..self.map.index.slots()).zip(&self.led) {
            let slot = SlotId(number);
            // A slot stays empty if the commit that claimed it found no room in the map.
            let empty = self.map.index.word(&self.map.region, slot) == 0;
            ensure(empty || *led, "a slot of the index leads nowhere", self.map.index.word_of(slot))?;
        }
        Ok(())
    }

    /// Reports whether there is a block of a kind at a position.
    fn is_block(&self, at: At, kind: u32) -> bool {
        let found = self.blocks.binary_search_by_key(&at.0, |(at, _)| at.0);
        found.is_ok_and(|index| self.blocks.get(index).is_some_and(|(_, found)| *found == kind))
    }

    /// Returns the name at a position, of a known name block.
    fn name(&self, at: At, from: usize) -> Checked<&'m [u8]> {
        let name = self.map.name(at).filter(|_| self.is_block(at, NAME));
        name.ok_or(MapDamage { what: "a name is gone", offset: from })
    }

    /// Notes that the entry of `slot` was found through it.
    fn lead(&mut self, slot: SlotId) {
        if let Some(led) = self.led.get_mut(slot.0 as usize) {
            *led = true;
        }
    }
}
