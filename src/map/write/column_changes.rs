//! The changes of the indexes of columns, as they are collected before they are published.

use std::collections::HashMap;

use crate::map::layout::index::{Found, SlotId};
use crate::map::read::column::ColumnId;

/// An entry of a part: the hash, and the section.
pub(super) type ColumnEntry = (u32, SlotId);

/// The changes of the indexes of a map that are about to be published.
#[derive(Default)]
pub(super) struct ColumnChanges<'a> {
    /// The columns that have an index, with the names of their types and options.
    pub(super) columns: Vec<(ColumnId, &'a [u8], &'a [u8])>,
    /// The parts that change, by the hash of their column and their number.
    pub(super) parts: HashMap<(u64, u32), ChangedPart>,
}

/// A part that changes.
pub(super) struct ChangedPart {
    pub(super) id: ColumnId,
    pub(super) number: u32,
    pub(super) parts: u32,
    pub(super) found: Found,
    /// The size of the block that is replaced.
    pub(super) size: usize,
    pub(super) entries: Vec<ColumnEntry>,
    pub(super) is_changed: bool,
}

impl ChangedPart {
    pub(super) fn remove(&mut self, hash: u32, slot: SlotId) {
        let before = self.entries.len();
        self.entries.retain(|entry| *entry != (hash, slot));
        self.is_changed |= self.entries.len() != before;
    }
}
