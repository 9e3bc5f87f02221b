//! A package in a map, for programs that iterate.

use super::map::Map;
use crate::map::layout::block::{Order, Record, Records, SectionBlock};
use crate::map::layout::format::{At, NAME, Seq};
use crate::map::layout::index::SlotId;
use crate::map::layout::value::{MapValue, TypedValue};
use crate::model::digest::u32_at;

/// A package at one revision.
#[derive(Debug, Clone, Copy)]
pub struct MapPackage<'m> {
    map: &'m Map,
    seq: Option<Seq>,
}

impl<'m> MapPackage<'m> {
    pub(crate) fn of(map: &'m Map, seq: Option<Seq>) -> Self {
        Self { map, seq }
    }

    /// Returns the package's name.
    #[must_use]
    pub fn name(&self) -> &'m [u8] {
        self.map.package()
    }

    /// Returns the number of sections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.order(None, self.seq).map_or(0, |order| order.len())
    }

    /// Returns the number of sections of a type; an empty type means all.
    #[must_use]
    pub fn len_of_type(&self, section_type: &[u8]) -> usize {
        let wanted = Some(section_type).filter(|name| !name.is_empty());
        self.map.order(wanted, self.seq).map_or(0, |order| order.len())
    }

    /// Reports whether the package has no sections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the sections in the order of the file.
    #[must_use]
    pub fn sections(&self) -> MapSections<'m> {
        self.ordered(self.map.order(None, self.seq))
    }

    /// Iterates over the sections of a type in the order of the file. An empty type means all.
    #[must_use]
    pub fn sections_of_type(&self, section_type: &[u8]) -> MapSections<'m> {
        let wanted = Some(section_type).filter(|name| !name.is_empty());
        self.ordered(self.map.order(wanted, self.seq))
    }

    pub(super) fn map_and_seq(&self) -> (&'m Map, Option<Seq>) {
        (self.map, self.seq)
    }

    /// Returns the section in a slot, if it is of the type whose name is at `section_type`.
    pub(super) fn section_in(&self, slot: SlotId, section_type: At) -> Option<MapSection<'m>> {
        let block = self.map.section_in(slot, self.seq)?;
        let is_it = block.block.type_word() == section_type.0;
        is_it.then_some(MapSection { map: self.map, block, seq: self.seq })
    }

    fn ordered(&self, order: Option<Order<'m>>) -> MapSections<'m> {
        MapSections { map: self.map, seq: self.seq, order, slots: &[], leaves_done: 0 }
    }

    /// Returns the section at `index` of those of a type; an empty type means all. Negative counts from the
    /// end.
    #[must_use]
    pub fn section_of_type(&self, section_type: &[u8], index: i64) -> Option<MapSection<'m>> {
        let wanted = Some(section_type).filter(|name| !name.is_empty());
        let order = self.map.order(wanted, self.seq)?;
        let index = match usize::try_from(index) {
            Ok(index) => index,
            Err(_) => order.len().checked_sub(usize::try_from(index.checked_neg()?).ok()?)?,
        };
        let block = self.map.section_in(order.get(index)?, self.seq)?;
        Some(MapSection { map: self.map, block, seq: self.seq })
    }

    /// Returns where the name of an option is; `None` if no section has had such an option.
    pub(super) fn option_name(&self, option: &[u8]) -> Option<At> {
        self.map.find_name(self.map.name_hash(option), option)
    }

    /// Returns the section of a name; generated names count.
    #[must_use]
    pub fn section(&self, name: &[u8]) -> Option<MapSection<'m>> {
        let found = self.map.find_section(self.map.section_hash(name), name)?;
        let block = self.map.visible_section(found.at, self.seq)?;
        Some(MapSection { map: self.map, block, seq: self.seq })
    }
}

/// Iterates over sections; see [`MapPackage::sections`].
#[derive(Debug, Clone)]
pub struct MapSections<'m> {
    map: &'m Map,
    seq: Option<Seq>,
    order: Option<Order<'m>>,
    /// The slots of the present leaf that are still to come, and the number of leaves that were begun.
    slots: &'m [u8],
    leaves_done: usize,
}

impl<'m> Iterator for MapSections<'m> {
    type Item = MapSection<'m>;

    fn next(&mut self) -> Option<MapSection<'m>> {
        let order = self.order?;
        loop {
            let Some((slot, others)) = self.slots.split_at_checked(4) else {
                let (leaf, count) = order.leaf_at(self.leaves_done)?;
                self.leaves_done += 1;
                // A damaged count may be any number; the leaf itself is inside the file.
                let slots = Order::leaf_slots(&self.map.region, leaf);
                self.slots = slots.get(..count.saturating_mul(4)).unwrap_or(slots);
                continue;
            };
            self.slots = others;
            let slot = SlotId(u32_at(slot, 0));
            // In a damaged map a section may be missing; the others are still there.
            if let Some(block) = self.map.section_in(slot, self.seq) {
                return Some(MapSection { map: self.map, block, seq: self.seq });
            }
        }
    }
}

/// A section at one revision.
#[derive(Debug, Clone, Copy)]
pub struct MapSection<'m> {
    map: &'m Map,
    block: SectionBlock<'m>,
    seq: Option<Seq>,
}

impl<'m> MapSection<'m> {
    /// Returns the section's name, given or generated.
    #[must_use]
    pub fn name(&self) -> &'m [u8] {
        self.block.name()
    }

    /// Returns the section's type.
    #[must_use]
    pub fn section_type(&self) -> &'m [u8] {
        self.map
            .block(At(self.block.block.type_word()), NAME)
            .and_then(|block| block.name())
            .unwrap_or_default()
    }

    /// Reports whether the section has only a generated name.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.block.is_anonymous()
    }

    /// Returns the value of an option.
    #[must_use]
    pub fn get(&self, option: &[u8]) -> Option<MapValue<'m>> {
        self.get_typed(option).map(|typed| typed.value)
    }

    /// Returns the value of an option, with its type.
    #[must_use]
    pub fn get_typed(&self, option: &[u8]) -> Option<TypedValue<'m>> {
        self.map.value_in(&self.block, option, self.seq)
    }

    /// Returns an option: its name, as the map has it, and its value with its type.
    #[must_use]
    pub fn option(&self, name: &[u8]) -> Option<(&'m [u8], TypedValue<'m>)> {
        let value = self.get_typed(name)?;
        let at = self.map.find_name(self.map.name_hash(name), name)?;
        Some((self.map.name(at)?, value))
    }

    /// As [`MapSection::get`], of an option whose name is at `name`: that saves looking the name up for each section.
    pub(super) fn get_named(&self, name: At, option: &[u8]) -> Option<MapValue<'m>> {
        match self.block.is_split() {
            true => self.get(option),
            false => self.block.find(name).map(|typed| typed.value),
        }
    }

    /// Iterates over the options in the order of the file.
    #[must_use]
    pub fn options(&self) -> MapOptions<'m> {
        let ranked = match self.block.split() {
            Some(split) => self.ranked(split.parts),
            None => Vec::new(),
        };
        MapOptions { map: self.map, records: self.block.records(), ranked: ranked.into_iter() }
    }

    /// Collects the options of a split section, in their order.
    fn ranked(&self, parts: u32) -> Vec<Record<'m>> {
        let hash = self.map.section_hash(self.name());
        let mut ranked = Vec::new();
        // A damaged number of parts is bounded by what the index can hold.
        for number in 0..parts.min(self.map.index.slots()) {
            let found = self.map.find_part(hash, self.name(), number);
            if let Some(part) = found.and_then(|found| self.map.visible_section(found.at, self.seq)) {
                ranked.extend((0..).zip(part.records()).map(|(index, record)| (part.rank(index), record)));
            }
        }
        ranked.sort_unstable_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, record)| record).collect()
    }
}

/// Iterates over the options of a section; see [`MapSection::options`].
#[derive(Debug, Clone)]
pub struct MapOptions<'m> {
    map: &'m Map,
    records: Records<'m>,
    ranked: std::vec::IntoIter<Record<'m>>,
}

impl<'m> MapOptions<'m> {
    /// Returns the next option, its value with its type.
    pub fn next_typed(&mut self) -> Option<(&'m [u8], TypedValue<'m>)> {
        // Deleted and damaged options are skipped.
        self.records
            .by_ref()
            .chain(self.ranked.by_ref())
            .find_map(|record| Some((self.map.name(record.name)?, record.value?)))
    }
}

impl<'m> Iterator for MapOptions<'m> {
    type Item = (&'m [u8], MapValue<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_typed().map(|(name, typed)| (name, typed.value))
    }
}
