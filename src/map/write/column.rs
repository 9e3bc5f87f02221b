//! Makes the indexes of columns, and keeps them up.

use super::column_changes::{ChangedPart, ColumnEntry};
use super::content::Content;
use super::encode::{self, Version};
use super::publication::{Collected, Publication, PublishError};
use crate::map::layout::block::{Block, SectionBlock};
use crate::map::layout::format::{COMMON, COMMON_ABOVE, PART_ENTRIES, X_ENTRY};
use crate::map::layout::hash::{of_cell, part_number};
use crate::map::layout::index::{BLOCK, SlotId};
use crate::map::read::column::{ColumnId, ColumnPart, entry_hash, entry_slot};
use crate::model::digest::u32_at;
use crate::model::package::Section;

/// Returns the number of parts of an index with this number of entries.
pub(super) fn parts_for(entries: usize) -> u32 {
    u32::try_from(entries / PART_ENTRIES).unwrap_or(u32::MAX / 2).next_power_of_two()
}

/// The index of a column that is being made: the hash of the value of each cell with its section, in the order of the file.
pub(super) struct NewColumn {
    pub id: ColumnId,
    pub parts: u32,
    pub cells: Vec<(u64, u32)>,
}

impl NewColumn {
    pub fn new(id: ColumnId) -> Self {
        Self { id, parts: 1, cells: Vec::new() }
    }

    /// Adds the value that the section `number` has.
    pub fn add<V: Content>(&mut self, number: u32, value: V, scratch: &mut Vec<u8>) {
        scratch.clear();
        value.write(scratch);
        // Each item ends with a NUL byte.
        let items = scratch.split_last().map_or(&[][..], |(_, items)| items);
        if scratch.is_empty() {
            return;
        }
        self.cells.extend(items.split(|byte| *byte == 0).map(|item| (of_cell(self.id.hash, item), number)));
    }

    /// Returns the entries of each part. `slot` gives the slot of a section.
    pub fn entries(&self, slot: impl Fn(u32) -> SlotId) -> Vec<Vec<ColumnEntry>> {
        let mut parts: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.parts as usize];
        for (cell, number) in &self.cells {
            parts[part_number(*cell, self.parts) as usize].push((entry_hash(*cell), *number));
        }
        let of_part = |mut part: Vec<(u32, u32)>| {
            // The numbers of the sections are in the order of the file.
            part.sort_unstable();
            part.dedup();
            with_common(part.into_iter().map(|(hash, number)| (hash, slot(number))).collect())
        };
        parts.into_iter().map(of_part).collect()
    }
}

/// Replaces the entries of a hash that very many sections have by one that says so.
fn with_common(entries: Vec<ColumnEntry>) -> Vec<ColumnEntry> {
    if entries.len() <= COMMON_ABOVE {
        return entries;
    }
    let runs = entries.chunk_by(|a, b| a.0 == b.0);
    let kept = runs.flat_map(|run| match run {
        [(hash, _), ..] if run.len() > COMMON_ABOVE => vec![(*hash, SlotId(COMMON))],
        run => run.to_vec(),
    });
    kept.collect()
}

/// Reports whether a part has so many entries that the index should have more parts.
fn is_crowded(entries: &[ColumnEntry]) -> bool {
    entries.len() > PART_ENTRIES * 8 && entries.chunk_by(|a, b| a.0 == b.0).count() > PART_ENTRIES * 4
}

impl<'a> Publication<'a> {
    /// Finds the columns of the map that have an index.
    pub(super) fn find_columns(&mut self) {
        let named = self.map.indexed_columns().into_iter();
        self.columns.columns = named
            .filter_map(|(kind, option)| Some((self.map.column_id(kind, option)?, kind, option)))
            .collect();
    }

    /// Brings the indexes up to a section that has only other values than before. Its place in the file is the same.
    pub(super) fn index_changes(
        &mut self,
        section: Section<'a>,
        slot: SlotId,
        old: Option<&SectionBlock<'a>>,
    ) -> Collected<()> {
        for at in 0..self.columns.columns.len() {
            let (id, kind, option) = self.columns.columns[at];
            let was = old.filter(|old| !old.is_deleted() && old.block.type_word() == id.section_type.0);
            let was = was.and_then(|old| self.map.value_in(old, option, None));
            let is_of_type = section.section_type() == kind;
            let now = section.get(option).filter(|_| is_of_type);
            if was.is_none() && now.is_none() {
                continue;
            }
            // A map without this part is damaged, and is made anew.
            let parts = self.map.column_part(&id, 0, None).ok_or(PublishError::NoRoom)?.parts();
            let before = cells(&id, parts, was.iter().flat_map(|was| was.value.items()));
            let after = cells(&id, parts, now.iter().flat_map(|now| now.items()));
            for cell in before.iter().filter(|cell| after.binary_search(cell).is_err()) {
                self.change_part(&id, cell.0, parts)?.remove(cell.1, slot);
            }
            for cell in after.iter().filter(|cell| before.binary_search(cell).is_err()) {
                self.insert(&id, *cell, parts, (slot, section))?;
            }
        }
        Ok(())
    }

    /// Adds an entry among those of the same hash, which are in the order of the file.
    fn insert(
        &mut self,
        id: &ColumnId,
        (number, hash): (u32, u32),
        parts: u32,
        (slot, section): (SlotId, Section<'a>),
    ) -> Collected<()> {
        let rank = section.origin().ok_or(PublishError::NoRoom)?;
        let (map, document) = (self.map, self.document);
        let rank_of = |slot: SlotId| -> Option<usize> {
            document.section(map.section_in(slot, None)?.name())?.origin()
        };
        let part = self.change_part(id, number, parts)?;
        let start = part.entries.partition_point(|(other, _)| *other < hash);
        let len = part.entries[start..].iter().take_while(|(other, _)| *other == hash).count();
        let run = &part.entries[start..start + len];
        if run.iter().any(|(_, other)| other.0 == COMMON || *other == slot) {
            return Ok(());
        }
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low.midpoint(high);
            match rank_of(run[middle].1).ok_or(PublishError::NoRoom)? < rank {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        part.entries.insert(start + low, (hash, slot));
        part.is_changed = true;
        Ok(())
    }

    /// Returns a part, to be changed.
    fn change_part(&mut self, id: &ColumnId, number: u32, parts: u32) -> Collected<&mut ChangedPart> {
        if !self.columns.parts.contains_key(&(id.hash, number)) {
            let part = self.read_part(id, number, parts)?;
            self.columns.parts.insert((id.hash, number), part);
        }
        self.columns.parts.get_mut(&(id.hash, number)).ok_or(PublishError::NoRoom)
    }

    fn read_part(&self, id: &ColumnId, number: u32, parts: u32) -> Collected<ChangedPart> {
        let found = self.map.find_column_part(id, number).ok_or(PublishError::NoRoom)?;
        let block = Block::at(&self.map.region, found.at).and_then(ColumnPart::of);
        let block = block.ok_or(PublishError::NoRoom)?;
        let entry = |entry: &[u8; X_ENTRY]| (u32_at(entry, 0), entry_slot(entry));
        let entries = block.entries().iter().map(entry).collect();
        let size = block.block.bytes.len();
        Ok(ChangedPart { id: *id, number, parts, found, size, entries, is_changed: false })
    }

    /// Makes the indexes of the whole document, where sections were added, deleted or moved. Parts that are as before
    /// stay. `slots` are those of the sections.
    pub(super) fn all_columns(&mut self, slots: &[SlotId]) -> Collected<()> {
        for at in 0..self.columns.columns.len() {
            let (id, kind, option) = self.columns.columns[at];
            let first = self.map.column_part(&id, 0, None).ok_or(PublishError::NoRoom)?;
            let parts =
                Some(first.parts()).filter(|parts| self.is_likely(*parts)).ok_or(PublishError::NoRoom)?;
            let mut new = NewColumn { parts, ..NewColumn::new(id) };
            for (number, section) in (0..).zip(self.document.sections()) {
                if section.section_type() == kind
                    && let Some(value) = section.get(option)
                {
                    new.cells.extend(value.items().map(|item| (of_cell(id.hash, item), number)));
                }
            }
            let slot = |number: u32| slots.get(number as usize).copied().unwrap_or(SlotId(COMMON));
            for (number, entries) in (0..).zip(new.entries(slot)) {
                let mut part = self.read_part(&id, number, parts)?;
                part.is_changed = part.entries != entries;
                part.entries = entries;
                self.columns.parts.insert((id.hash, number), part);
            }
        }
        Ok(())
    }

    /// Writes the parts that have changed.
    pub(super) fn write_columns(&mut self) -> Collected<()> {
        let changed = std::mem::take(&mut self.columns.parts).into_values();
        let mut changed: Vec<ChangedPart> = changed.filter(|part| part.is_changed).collect();
        changed.sort_unstable_by_key(|part| (part.id.hash, part.number));
        for part in changed {
            let entries = with_common(part.entries);
            if is_crowded(&entries) {
                return Err(PublishError::NoRoom);
            }
            let at = self.at()?;
            let version = Version { prev: part.found.at, seq: self.seq };
            encode::column_part(&mut self.out, version, &part.id, (part.number, part.parts), &entries);
            self.updates.push((part.found.slot, at.0 | BLOCK));
            self.replaced += part.size;
        }
        Ok(())
    }
}

/// Returns the part and the entry of each item of a value, each once and in order.
fn cells<'i>(id: &ColumnId, parts: u32, items: impl Iterator<Item = &'i [u8]>) -> Vec<(u32, u32)> {
    let cell = |item: &[u8]| {
        let cell = of_cell(id.hash, item);
        (part_number(cell, parts), entry_hash(cell))
    };
    let mut cells: Vec<(u32, u32)> = items.map(cell).collect();
    cells.sort_unstable();
    cells.dedup();
    cells
}
