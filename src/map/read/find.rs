//! Finding the blocks of a map: names, sections, parts and orders, each as a commit left it.

use super::map::Map;
use super::path::KeyPath;
use crate::map::layout::block::{Block, Order, Record, SectionBlock, same};
use crate::map::layout::format::{
    At, HEADER, NAME, ORDER, PART, R_BACK, R_NAME, R_VALUE, S_NAME, SECTION, Seq, W_BACK, W_VALUE, WIDE,
};
use crate::map::layout::hash::{Kind, hash, of_part, part_number};
use crate::map::layout::index::{Found, SlotId};
use crate::map::layout::value::TypedValue;
use crate::model::digest::{u16_at, u32_at};

impl Map {
    /// Reads the record at a position and the section, or part of one, that it leads back to. Only bytes inside
    /// that section are known to be at rest: the writer may be at work behind it.
    pub(crate) fn record(&self, at: At) -> Option<(SectionBlock<'_>, Record<'_>)> {
        let start = at.offset();
        let narrow = self.region.bytes(start, R_VALUE)?;
        let back = match u16_at(narrow, R_NAME) {
            WIDE => u32_at(self.region.bytes(start, W_VALUE)?, W_BACK),
            _ => u32::from(u16_at(narrow, R_BACK)),
        };
        let back = At(back).offset();
        let section = self.newest_section(At::of(start.checked_sub(back)?)?)?;
        Some((section, Record::at(section.block.bytes, back)?))
    }

    /// Returns the value of an option of a section.
    pub(crate) fn value_in<'m>(
        &'m self,
        section: &SectionBlock<'m>,
        option: &[u8],
        seq: Option<Seq>,
    ) -> Option<TypedValue<'m>> {
        let option_hash = self.name_hash(option);
        let name = self.find_name(option_hash, option)?;
        let Some(split) = section.split() else { return section.find(name) };
        let hash = self.section_hash(section.name());
        let part = self.find_part(hash, section.name(), part_number(option_hash, split.parts))?;
        self.visible_section(part.at, seq)?.find(name)
    }

    /// Finds the name block of an option or type.
    #[inline]
    pub fn find_name(&self, hash: u64, name: &[u8]) -> Option<At> {
        let is_it =
            |at: At| self.block(at, NAME).and_then(|b| b.name()).is_some_and(|found| same(found, name));
        self.index.find(&self.region, hash, is_it).map(|found| found.at)
    }

    /// Finds a section, perhaps a deleted one.
    #[inline]
    pub fn find_section(&self, hash: u64, name: &[u8]) -> Option<Found> {
        let is_it =
            |at| self.block(at, SECTION).is_some_and(|block| same(SectionBlock { block }.name(), name));
        self.index.find(&self.region, hash, is_it)
    }

    /// Finds a part of a split section.
    pub fn find_part(&self, section: u64, name: &[u8], number: u32) -> Option<Found> {
        self.index.find(&self.region, of_part(section, number), |at| {
            self.block(at, PART)
                .is_some_and(|block| block.type_word() == number && same(SectionBlock { block }.name(), name))
        })
    }

    /// Finds the order of the sections of a type, or of all.
    pub fn find_order(&self, section_type: Option<&[u8]>) -> Option<Found> {
        let hash = hash(Kind::Order, self.seed, section_type.unwrap_or_default());
        let name = match section_type {
            Some(name) => self.find_name(self.name_hash(name), name)?,
            None => At(0),
        };
        self.index.find(&self.region, hash, |at| {
            self.block(at, ORDER).is_some_and(|block| block.type_word() == name.0)
        })
    }

    /// Returns the order of the sections of a type, or of all, as a commit left it.
    pub fn order(&self, section_type: Option<&[u8]>, seq: Option<Seq>) -> Option<Order<'_>> {
        let found = self.find_order(section_type)?;
        let block = self.visible(found.at, ORDER, seq)?;
        Some(Order { region: &self.region, block })
    }

    /// Returns the section in a slot as a commit left it.
    pub fn section_in(&self, slot: SlotId, seq: Option<Seq>) -> Option<SectionBlock<'_>> {
        self.visible_section(self.index.get(&self.region, slot)?, seq)
    }

    /// Returns the section or part that a commit left, of the versions from `at` on; not a deleted one.
    #[inline]
    pub fn visible_section(&self, at: At, seq: Option<Seq>) -> Option<SectionBlock<'_>> {
        let block = match seq {
            None => Block::at(&self.region, at)?,
            Some(_) => self.visible(at, 0, seq)?,
        };
        if block.kind != SECTION && block.kind != PART {
            return None;
        }
        Some(SectionBlock { block }).filter(|section| !section.is_deleted())
    }

    /// Returns the version that a commit left; of kind `kind`, if that is not 0. Positions become smaller
    /// from version to version, so that a damaged chain ends.
    #[inline]
    pub(crate) fn visible(&self, mut at: At, kind: u32, seq: Option<Seq>) -> Option<Block<'_>> {
        loop {
            let block = Block::at(&self.region, at)?;
            if kind != 0 && block.kind != kind {
                return None;
            }
            if seq.is_none_or(|seq| !block.seq().is_after(seq)) {
                return Some(block);
            }
            let prev = block.prev();
            if prev.0 == 0 || prev.0 >= at.0 {
                return None;
            }
            at = prev;
        }
    }

    /// Returns the name at a position.
    pub fn name(&self, at: At) -> Option<&[u8]> {
        Block::at(&self.region, at)?.name()
    }

    #[inline]
    pub(crate) fn block(&self, at: At, kind: u32) -> Option<Block<'_>> {
        Block::at(&self.region, at).filter(|block| block.kind == kind)
    }

    pub(crate) fn section_hash(&self, name: &[u8]) -> u64 {
        hash(Kind::Key, self.seed, &[self.package(), b".", name].concat())
    }

    /// Returns the name of the package.
    pub fn package(&self) -> &[u8] {
        Block::at(&self.region, At::of(HEADER).unwrap_or_default())
            .and_then(|block| block.name())
            .unwrap_or_default()
    }

    pub(crate) fn name_hash(&self, name: &[u8]) -> u64 {
        hash(Kind::Name, self.seed, name)
    }

    /// Returns the newest version of a section or part, deleted ones included.
    pub(crate) fn newest_section(&self, at: At) -> Option<SectionBlock<'_>> {
        let block = Block::at(&self.region, at)?;
        (matches!(block.kind, SECTION | PART) && block.bytes.len() >= S_NAME)
            .then_some(SectionBlock { block })
    }

    /// Finds the slot of the option a path leads to.
    pub(crate) fn find_slot(&self, path: &KeyPath<'_>) -> Option<SlotId> {
        let name = self.find_name(self.name_hash(path.option), path.option)?;
        self.find_record(path.hash, path.section, name)
    }

    /// Finds the slot of an option's record.
    pub(crate) fn find_record(&self, hash: u64, section: &[u8], name: At) -> Option<SlotId> {
        self.index.find_record(&self.region, hash, |at| {
            self.record(at).is_some_and(|(block, record)| record.name == name && block.name() == section)
        })
    }
}
