//! Verifies a whole map. Lookups check only what they rely on; this finds damage they would not notice.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::block::{Block, Record, SectionBlock};
use super::format::{
    At, BUCKET, F_ANONYMOUS, F_DELETED, F_SPLIT, H_FIXED, HEADER, INDEX, LEAF, NAME, ORDER, PART, S_FLAGS,
    SECTION, SOURCE, W_DEAD, W_RETIRED, W_TAIL,
};
use super::hash::{Kind, hash, u16_at};
use super::index::{BLOCK, SlotId, tag};
use super::mapping::Map;

/// Maps up to this size are verified when they are opened: it takes less time than to read the text.
const CHECKED_AT_OPEN: usize = 1 << 16;

/// What is wrong with a map, and where, in bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub what: &'static str,
    /// Where.
    pub offset: usize,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

type Checked<T> = Result<T, Damage>;

fn damage<T>(what: &'static str, offset: usize) -> Checked<T> {
    Err(Damage { what, offset })
}

impl Map {
    /// Reports whether a small map is sound, all of it; larger ones are taken on trust until they are checked.
    pub fn is_sound(&self) -> bool {
        self.region.len() > CHECKED_AT_OPEN || self.check().is_ok()
    }

    /// Verifies the whole map.
    ///
    /// # Errors
    ///
    /// The first damage that was found.
    pub fn check(&self) -> Checked<()> {
        let blocks = self.check_blocks()?;
        let slots = self.check_slots(&blocks)?;
        self.check_found(&blocks, &slots)?;
        self.check_orders(&blocks)?;
        if self.source().is_none() {
            return damage("no text is recorded", 0);
        }
        Ok(())
    }

    /// Walks through the arena. Returns what block is where.
    fn check_blocks(&self) -> Checked<HashMap<usize, u32>> {
        let tail = At(self.region.load(W_TAIL, Ordering::Acquire)).offset();
        let dead = At(self.region.load(W_DEAD, Ordering::Acquire)).offset();
        if tail > self.region.len() || dead > tail {
            return damage("the numbers of bytes in use are wrong", W_TAIL);
        }
        if self.region.load(W_RETIRED, Ordering::Acquire) > 1 {
            return damage("the mark of a map that was replaced is wrong", W_RETIRED);
        }
        let rest = self.region.bytes(H_FIXED, W_RETIRED - H_FIXED).unwrap_or_default();
        if rest.iter().any(|byte| *byte != 0) {
            return damage("the header holds what it should not", H_FIXED);
        }
        let mut blocks = HashMap::new();
        let mut offset = HEADER;
        while offset < tail {
            let Some(block) = At::of(offset).and_then(|at| Block::at(&self.region, at)) else {
                return damage("a block is not inside the file", offset);
            };
            if !(NAME..=INDEX).contains(&block.kind) || block.bytes.len() < 8 {
                return damage("a block is of no known kind", offset);
            }
            if block.kind != INDEX && !block.is_intact() {
                return damage("a block's checksum is wrong", offset);
            }
            let start = (offset + 8).next_multiple_of(BUCKET);
            let end = start + self.index.buckets as usize * BUCKET;
            if block.kind == INDEX && (start != self.index.start || end != offset + block.bytes.len()) {
                return damage("the index is not where the header says", offset);
            }
            blocks.insert(offset, block.kind);
            offset += block.bytes.len();
        }
        let free = self.region.bytes(tail, self.region.len() - tail).unwrap_or_default();
        match free.iter().position(|byte| *byte != 0) {
            _ if offset != tail => damage("the last block is cut off", offset),
            Some(at) => damage("the free space is not empty", tail + at),
            None => Ok(blocks),
        }
    }

    /// Checks that every slot leads somewhere. Returns them by where they lead.
    fn check_slots(&self, blocks: &HashMap<usize, u32>) -> Checked<HashMap<u32, SlotId>> {
        let mut slots = HashMap::new();
        let mut records = HashSet::new();
        for (offset, kind) in blocks.iter().filter(|(_, kind)| matches!(**kind, SECTION | PART)) {
            let Some(block) = self.at_block(*offset, *kind) else {
                return damage("a block is gone", *offset);
            };
            let flags = u16_at(block.bytes, S_FLAGS);
            if flags & !(F_ANONYMOUS | F_SPLIT | F_DELETED) != 0 {
                return damage("a section's flags are wrong", *offset);
            }
            let section = SectionBlock { block };
            let mut count = 0;
            for record in section.records() {
                records.insert(offset + record.start);
                count += 1;
            }
            if count != section.count() {
                return damage("a section's options are cut off", *offset);
            }
        }
        for number in 0..self.index.slots() {
            let slot = SlotId(number);
            let (at, tag) = (self.index.word_of(slot), self.index.tag_of(&self.region, slot));
            let word = self.index.word(&self.region, slot);
            let offset = At(word & !BLOCK).offset();
            let known = match word & BLOCK {
                0 => records.contains(&offset),
                _ => blocks.contains_key(&offset),
            };
            if word != 0 && (!known || tag == 0 || slots.insert(word, slot).is_some()) {
                return damage("a slot of the index leads nowhere", at);
            }
        }
        Ok(slots)
    }

    fn at_block(&self, offset: usize, kind: u32) -> Option<Block<'_>> {
        Block::at(&self.region, At::of(offset)?).filter(|block| block.kind == kind)
    }

    /// Checks that everything is found by its hash, and that what a slot leads to is found in that slot.
    fn check_found(&self, blocks: &HashMap<usize, u32>, slots: &HashMap<u32, SlotId>) -> Checked<()> {
        for (word, slot) in slots {
            let offset = At(word & !BLOCK).offset();
            let found = match word & BLOCK {
                0 => self.is_record_found(offset, *slot),
                _ => self.is_found(offset, blocks, *slot),
            };
            if !found {
                return damage("a block or option is not found by its name", offset);
            }
        }
        for (offset, kind) in blocks {
            let Some(block) = self.at_block(*offset, *kind) else {
                return damage("a block is gone", *offset);
            };
            let section = SectionBlock { block };
            let known = match *kind {
                NAME if *offset != HEADER => block.name().is_some_and(|name| self.knows_name(name)),
                SECTION => self.find_section(self.section_hash(section.name()), section.name()).is_some(),
                ORDER => {
                    let name = self.name(At(block.type_word())).filter(|_| block.type_word() != 0);
                    self.find_order(name).is_some()
                }
                _ => true,
            };
            let of_section = matches!(*kind, SECTION | PART);
            let options = |record: Record<'_>| {
                let name = self.name(record.name).unwrap_or_default();
                self.find_record(self.key_hash(section.name(), name), section.name(), record.name).is_some()
            };
            if !known || (of_section && !section.records().all(options)) {
                return damage("a block or one of its options cannot be found", *offset);
            }
        }
        Ok(())
    }

    fn knows_name(&self, name: &[u8]) -> bool {
        self.find_name(self.name_hash(name), name).is_some()
    }

    fn key_hash(&self, section: &[u8], option: &[u8]) -> u64 {
        hash(Kind::Key, self.seed, &[self.package(), b".", section, b".", option].concat())
    }

    fn is_record_found(&self, offset: usize, slot: SlotId) -> bool {
        let found = || {
            let bytes = self.region.bytes(offset, self.region.len().checked_sub(offset)?)?;
            let record = Record::at(bytes, 0)?;
            let section = self.newest_section(At::of(offset.checked_sub(record.back)?)?)?;
            let hash = self.key_hash(section.name(), self.name(record.name)?);
            let tagged = tag(hash) == self.index.tag_of(&self.region, slot);
            Some(tagged && self.find_record(hash, section.name(), record.name) == Some(slot))
        };
        found() == Some(true)
    }

    fn is_found(&self, offset: usize, blocks: &HashMap<usize, u32>, slot: SlotId) -> bool {
        let kind = blocks.get(&offset).copied().unwrap_or(0);
        let Some(block) = self.at_block(offset, kind) else { return false };
        let tagged = |hash| tag(hash) == self.index.tag_of(&self.region, slot);
        match kind {
            NAME => block.name().is_some_and(|name| {
                let hash = self.name_hash(name);
                tagged(hash) && self.find_name(hash, name) == At::of(offset)
            }),
            SECTION => {
                let name = SectionBlock { block }.name();
                let hash = self.section_hash(name);
                tagged(hash) && self.find_section(hash, name).is_some_and(|found| found.slot == slot)
            }
            PART => {
                let name = SectionBlock { block }.name();
                let found = self.find_part(self.section_hash(name), name, block.type_word());
                found.is_some_and(|found| found.slot == slot)
            }
            ORDER => {
                let name = self.name(At(block.type_word())).filter(|_| block.type_word() != 0);
                self.find_order(name).is_some_and(|found| found.slot == slot)
            }
            _ => false,
        }
    }

    /// Checks that each section is in the order of all and in that of its type, once.
    fn check_orders(&self, blocks: &HashMap<usize, u32>) -> Checked<()> {
        let Some(all) = self.order(None, None) else { return damage("there is no order of sections", 0) };
        for (at, count) in all.leaves() {
            if blocks.get(&at.offset()) != Some(&LEAF) || count == 0 {
                return damage("a leaf of the order is gone", at.offset());
            }
        }
        let slots: Vec<SlotId> = all.slots().collect();
        let unique: HashSet<SlotId> = slots.iter().copied().collect();
        if slots.len() != all.len() || unique.len() != slots.len() {
            return damage("the order of sections is wrong", 0);
        }
        let mut of_type: HashMap<u32, Vec<SlotId>> = HashMap::new();
        for slot in &slots {
            let Some(section) = self.section_in(*slot, None) else {
                return damage("a section of the order is gone", self.index.word_of(*slot));
            };
            of_type.entry(section.block.type_word()).or_default().push(*slot);
        }
        for (section_type, slots) in of_type {
            let Some(name) = self.name(At(section_type)) else {
                return damage("a section's type is gone", At(section_type).offset());
            };
            if !self.order(Some(name), None).is_some_and(|order| order.slots().eq(slots)) {
                return damage("the order of a type's sections is wrong", 0);
            }
        }
        let sources = blocks.values().filter(|kind| **kind == SOURCE).count();
        if sources == 0 { damage("no text is recorded", 0) } else { Ok(()) }
    }
}
