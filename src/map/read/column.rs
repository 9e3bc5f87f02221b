//! The index of a column: from a value to the sections of a type whose option has it.
//!
//! It is split into parts by the hash of the value, each a block with versions, which is found in the hash index like the
//! parts of a large section. A part has, sorted by 32 bits of the hash, the slots of the sections; those of one hash are
//! in the order of the file. A section counts only if its option has the value: that takes care of equal hashes.
//!
//! If very many sections have a value, the part only notes that: then the sections of the type are read one by one.

use super::map::Map;
use crate::map::layout::block::Block;
use crate::map::layout::format::{
    At, COLUMN, COMMON, Seq, V_TYPE, X_COUNT, X_ENTRIES, X_ENTRY, X_LIST, X_NUMBER, X_OPTION, X_PARTS,
};
use crate::map::layout::hash::{of_cell, of_column, of_columns, of_part, part_number};
use crate::map::layout::index::{Found, SlotId};
use crate::model::digest::u32_at;

/// A column that may have an index: where the names of its type and option are, and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnId {
    pub section_type: At,
    pub option: At,
    pub hash: u64,
}

/// A part of the index of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnPart<'m> {
    pub block: Block<'m>,
}

impl<'m> ColumnPart<'m> {
    /// Takes a block for a part, if it is one.
    pub fn of(block: Block<'m>) -> Option<Self> {
        let is_it = block.kind == COLUMN && block.bytes.len() >= X_ENTRIES;
        is_it.then_some(Self { block }).filter(|part| part.number() != X_LIST)
    }

    pub fn section_type(&self) -> At {
        At(u32_at(self.block.bytes, V_TYPE))
    }

    pub fn option(&self) -> At {
        At(u32_at(self.block.bytes, X_OPTION))
    }

    pub fn number(&self) -> u32 {
        u32_at(self.block.bytes, X_NUMBER)
    }

    /// Returns how many parts the index has.
    pub fn parts(&self) -> u32 {
        u32_at(self.block.bytes, X_PARTS)
    }

    /// Returns the entries, 8 bytes each: the hash and the slot.
    pub fn entries(&self) -> &'m [[u8; X_ENTRY]] {
        let count = u32_at(self.block.bytes, X_COUNT) as usize;
        let (entries, _) = self.block.bytes.get(X_ENTRIES..).unwrap_or_default().as_chunks();
        entries.get(..count).unwrap_or_default()
    }

    /// Returns the entries of a hash.
    fn entries_of(&self, hash: u32) -> &'m [[u8; X_ENTRY]] {
        let entries = self.entries();
        let behind = &entries[entries.partition_point(|entry| u32_at(entry, 0) < hash)..];
        let count = behind.iter().take_while(|entry| u32_at(*entry, 0) == hash).count();
        &behind[..count]
    }
}

/// Returns the half of the hash of a value that an entry has.
pub(crate) fn entry_hash(cell: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = cell.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Returns the slot of an entry.
pub(crate) fn entry_slot(entry: &[u8; X_ENTRY]) -> SlotId {
    SlotId(u32_at(entry, 4))
}

/// The sections that may have a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Candidates<'m> {
    /// The column has no index.
    Unknown,
    /// Too many have it.
    Common,
    /// All that have it are among these entries.
    Entries(&'m [[u8; X_ENTRY]]),
}

impl Map {
    /// Returns the id of a column; `None` if no section can have it.
    pub(crate) fn column_id(&self, section_type: &[u8], option: &[u8]) -> Option<ColumnId> {
        Some(ColumnId {
            section_type: self.find_name(self.name_hash(section_type), section_type)?,
            option: self.find_name(self.name_hash(option), option)?,
            hash: of_column(self.seed, section_type, option),
        })
    }

    /// Finds a part of the index of a column.
    pub(crate) fn find_column_part(&self, id: &ColumnId, number: u32) -> Option<Found> {
        self.index.find(&self.region, of_part(id.hash, number), |at| {
            Block::at(&self.region, at).and_then(ColumnPart::of).is_some_and(|part| {
                (part.section_type(), part.option(), part.number()) == (id.section_type, id.option, number)
            })
        })
    }

    /// Returns a part as a commit left it.
    pub(crate) fn column_part(&self, id: &ColumnId, number: u32, seq: Option<Seq>) -> Option<ColumnPart<'_>> {
        ColumnPart::of(self.visible(self.find_column_part(id, number)?.at, 0, seq)?)
    }

    /// Returns the sections that may have a value, as a commit left them.
    pub(crate) fn candidates(&self, id: &ColumnId, value: &[u8], seq: Option<Seq>) -> Candidates<'_> {
        let Some(first) = self.column_part(id, 0, seq) else { return Candidates::Unknown };
        let cell = of_cell(id.hash, value);
        let part = match part_number(cell, first.parts()) {
            0 => Some(first),
            number => self.column_part(id, number, seq),
        };
        let Some(part) = part else { return Candidates::Unknown };
        match part.entries_of(entry_hash(cell)) {
            [entry, ..] if entry_slot(entry).0 == COMMON => Candidates::Common,
            entries => Candidates::Entries(entries),
        }
    }

    /// Finds the list of the columns that have an index.
    pub(crate) fn find_column_list(&self) -> Option<Found> {
        self.index.find(&self.region, of_columns(self.seed), |at| {
            self.block(at, COLUMN).is_some_and(|block| {
                block.bytes.len() >= X_ENTRIES && u32_at(block.bytes, X_NUMBER) == X_LIST
            })
        })
    }

    /// Returns the names of the columns that have an index: type and option.
    pub(crate) fn indexed_columns(&self) -> Vec<(&[u8], &[u8])> {
        let block = self.find_column_list().and_then(|found| self.block(found.at, COLUMN));
        let Some(block) = block else { return Vec::new() };
        let (pairs, _) = block.bytes.get(X_ENTRIES..).unwrap_or_default().as_chunks::<X_ENTRY>();
        let named =
            |pair: &[u8; X_ENTRY]| Some((self.name(At(u32_at(pair, 0)))?, self.name(At(u32_at(pair, 4)))?));
        let count = u32_at(block.bytes, X_COUNT) as usize;
        pairs.iter().take(count).filter_map(named).collect()
    }
}
