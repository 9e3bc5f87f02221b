//! Checks the indexes of columns: each part by itself, and that each index has just the sections that have a value.

use std::collections::HashMap;

use super::{Checked, Checker, ensure};
use crate::map::layout::block::Block;
use crate::map::layout::format::{
    At, COMMON, NAME, X_COUNT, X_ENTRIES, X_ENTRY, X_LIST, X_NUMBER, X_OPTION, X_PARTS,
};
use crate::map::layout::hash::{of_cell, part_number};
use crate::map::layout::index::SlotId;
use crate::map::read::column::{ColumnId, ColumnPart, entry_hash, entry_slot};
use crate::model::digest::u32_at;

const WRONG: &str = "the index of a column is wrong";

impl Checker<'_> {
    /// Checks a part of an index, or the list of the columns.
    pub(crate) fn column(&mut self, at: At, block: Block<'_>) -> Checked<()> {
        let offset = at.offset();
        let count = u32_at(block.bytes, X_COUNT) as usize;
        let fits = block.bytes.len() == X_ENTRIES.saturating_add(count.saturating_mul(X_ENTRY));
        ensure(fits, "the index of a column is not as long as its block", offset)?;
        let Some(part) = ColumnPart::of(block) else { return self.column_list(at, block) };
        let (kind, option) = (self.name(part.section_type(), offset)?, self.name(part.option(), offset)?);
        let likely = part.parts().is_power_of_two()
            && part.parts() <= self.map.index.slots()
            && part.number() < part.parts();
        ensure(likely, WRONG, offset)?;
        let is_sorted = part.entries().is_sorted_by_key(|entry| u32_at(entry, 0));
        let known = |entry: &[u8; X_ENTRY]| {
            let slot = entry_slot(entry);
            slot.0 == COMMON || slot.0 < self.map.index.slots()
        };
        ensure(is_sorted && part.entries().iter().all(known), WRONG, offset)?;
        let id = self.map.column_id(kind, option);
        let found = id.and_then(|id| self.map.find_column_part(&id, part.number()));
        self.newest(at, found, false).map(|_| ())
    }

    fn column_list(&mut self, at: At, block: Block<'_>) -> Checked<()> {
        let offset = at.offset();
        let empty = [X_OPTION, X_PARTS].iter().all(|place| u32_at(block.bytes, *place) == 0);
        let is_list = u32_at(block.bytes, X_NUMBER) == X_LIST && block.type_word() == 0 && empty;
        ensure(is_list && block.prev().0 == 0, WRONG, offset)?;
        let (names, _) = block.bytes.get(X_ENTRIES..).unwrap_or_default().as_chunks::<4>();
        let named = names.iter().all(|name| self.is_block(At(u32_at(name, 0)), NAME));
        ensure(named, "a name is gone", offset)?;
        self.newest(at, self.map.find_column_list(), false).map(|_| ())
    }

    /// Compares each index with the sections.
    pub(super) fn columns(&self) -> Checked<()> {
        for (kind, option) in self.map.indexed_columns() {
            let Some(id) = self.map.column_id(kind, option) else { return ensure(false, WRONG, 0) };
            let Some(first) = self.map.column_part(&id, 0, None) else { return ensure(false, WRONG, 0) };
            let expected = self.expected(&id, (kind, option), first.parts());
            for number in 0..first.parts() {
                let found = self.map.find_column_part(&id, number);
                let part =
                    self.map.column_part(&id, number, None).filter(|part| part.parts() == first.parts());
                let (Some(found), Some(part)) = (found, part) else { return ensure(false, WRONG, 0) };
                let expected = expected.get(&number).map_or(&[][..], Vec::as_slice);
                ensure(has_just(&part, expected), WRONG, found.at.offset())?;
            }
        }
        Ok(())
    }

    /// Returns the entries that each part of an index should have.
    fn expected(
        &self,
        id: &ColumnId,
        (kind, option): (&[u8], &[u8]),
        parts: u32,
    ) -> HashMap<u32, Vec<(u32, SlotId)>> {
        let mut expected: HashMap<u32, Vec<(u32, SlotId)>> = HashMap::new();
        let slots = self.map.order(Some(kind), None);
        for slot in slots.iter().flat_map(|order| order.slots()) {
            let section = self.map.section_in(slot, None);
            let value = section.and_then(|section| self.map.value_in(&section, option, None));
            for item in value.iter().flat_map(|value| value.value.items()) {
                let cell = of_cell(id.hash, item);
                let part = expected.entry(part_number(cell, parts)).or_default();
                if !part.contains(&(entry_hash(cell), slot)) {
                    part.push((entry_hash(cell), slot));
                }
            }
        }
        expected.values_mut().for_each(|part| part.sort_by_key(|(hash, _)| *hash));
        expected
    }
}

/// Reports whether a part has these entries; those of a value that very many sections have had may be left out.
fn has_just(part: &ColumnPart<'_>, expected: &[(u32, SlotId)]) -> bool {
    let entries = || part.entries().iter().map(|entry| (u32_at(entry, 0), entry_slot(entry)));
    let common: Vec<u32> = entries().filter(|(_, slot)| slot.0 == COMMON).map(|(hash, _)| hash).collect();
    let listed = |hash: &u32| !common.contains(hash);
    let is_alone = |hash: &u32| entries().filter(|(other, _)| other == hash).count() == 1;
    common.iter().all(is_alone)
        && entries()
            .filter(|(hash, _)| listed(hash))
            .eq(expected.iter().copied().filter(|(hash, _)| listed(hash)))
}
