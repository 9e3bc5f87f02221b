//! The changes of a map that are about to be published: the new blocks, and the new words of slots.

use std::collections::HashMap;

use super::column_changes::ColumnChanges;
use super::content::{Content, PackageValue, check_name};
use super::encode::{self, Version};
use crate::error::Error;
use crate::map::layout::block::{Block, Record, SectionBlock};
use crate::map::layout::format::{At, NAME, Seq};
use crate::map::layout::hash::{Kind, hash};
use crate::map::layout::index::{BLOCK, SlotId};
use crate::map::layout::value::TypedValue;
use crate::map::read::map::Map;
use crate::model::package::Package;

/// Why a state cannot be published.
pub(super) enum PublishError {
    /// The map has no room for it.
    NoRoom,
    /// No map can hold the document.
    Invalid(Error),
}

impl From<Error> for PublishError {
    fn from(error: Error) -> Self {
        Self::Invalid(error)
    }
}

/// The result of a step that collects changes.
pub(super) type Collected<T> = Result<T, PublishError>;

/// The state that is about to be published.
pub(super) struct Publication<'a> {
    pub(super) map: &'a Map,
    pub(super) document: &'a Package,
    pub(super) seq: Seq,
    /// The start of the free space, in bytes, and the bytes to write there.
    pub(super) tail: usize,
    pub(super) out: Vec<u8>,
    /// The slots to change, with their new words.
    pub(super) updates: Vec<(SlotId, u32)>,
    /// How many bytes of older blocks are replaced.
    pub(super) replaced: usize,
    pub(super) names: HashMap<&'a [u8], At>,
    pub(super) columns: ColumnChanges<'a>,
    /// Whether sections were added, deleted, moved or renamed.
    pub(super) is_structural: bool,
}

impl<'a> Publication<'a> {
    pub(super) fn at(&self) -> Collected<At> {
        At::of(self.tail + self.out.len()).ok_or(PublishError::NoRoom)
    }

    pub(super) fn claim(&self, hash: u64) -> Collected<SlotId> {
        self.map.index.claim(&self.map.region, hash).ok_or(PublishError::NoRoom)
    }

    /// Returns the position of a name; a new name is added.
    pub(super) fn name(&mut self, name: &'a [u8]) -> Collected<At> {
        let hash = self.map.name_hash(name);
        if let Some(at) = self.map.find_name(hash, name).or_else(|| self.names.get(name).copied()) {
            return Ok(at);
        }
        check_name(name)?;
        let (at, slot) = (self.at()?, self.claim(hash)?);
        encode::name(&mut self.out, name);
        self.updates.push((slot, at.0 | BLOCK));
        self.names.insert(name, at);
        Ok(at)
    }

    pub(super) fn version(&self, entry: &Entry<'_>) -> Version {
        Version { prev: entry.at.unwrap_or_default(), seq: self.seq }
    }

    /// Publishes the records of the block that was just written at `at`.
    pub(super) fn records(&mut self, at: At, kind: u32, section: &[u8]) -> Collected<()> {
        let start = at.offset() - self.tail;
        let block = SectionBlock { block: Block { kind, bytes: &self.out[start..] } };
        let mut key = [self.map.package(), b".", section, b"."].concat();
        let prefix = key.len();
        let mut updates = Vec::with_capacity(block.count());
        for record in block.records() {
            key.truncate(prefix);
            key.extend_from_slice(self.name_at(record.name));
            let hash = hash(Kind::Key, self.map.seed, &key);
            let slot = match self.map.find_record(hash, section, record.name) {
                Some(slot) => slot,
                None => self.claim(hash)?,
            };
            let place = At::of(at.offset() + record.start);
            updates.push((slot, place.ok_or(PublishError::NoRoom)?.0));
        }
        self.updates.append(&mut updates);
        Ok(())
    }

    /// Returns the name at a position, in the map or among the bytes to be written.
    fn name_at(&self, at: At) -> &[u8] {
        match at.offset().checked_sub(self.tail) {
            None => self.map.name(at).unwrap_or_default(),
            Some(start) => {
                let bytes = self.out.get(start..).unwrap_or_default();
                Block { kind: NAME, bytes }.name().unwrap_or_default()
            }
        }
    }

    /// Returns the names of the options a section has in the map.
    pub(super) fn live_names(&self, entry: &Entry<'_>) -> Vec<At> {
        let Some(old) = entry.old else { return Vec::new() };
        let live = |record: &Record<'_>| record.value.is_some();
        match old.split() {
            None => old.records().filter(live).map(|record| record.name).collect(),
            Some(split) => (0..split.parts.min(self.map.index.slots()))
                .filter_map(|number| self.map.find_part(entry.hash, old.name(), number))
                .filter_map(|found| self.map.newest_section(found.at))
                .flat_map(|part| part.records().filter(live).map(|record| record.name))
                .collect(),
        }
    }
}

/// A section as the map has it.
pub(super) struct Entry<'a> {
    pub(super) slot: SlotId,
    pub(super) hash: u64,
    /// The position of the newest version, perhaps of a deleted section.
    pub(super) at: Option<At>,
    pub(super) old: Option<SectionBlock<'a>>,
}

/// Reports whether a value in a map equals the one in a document.
pub(super) fn is_same(old: Option<TypedValue<'_>>, new: Option<PackageValue<'_>>) -> bool {
    match (old, new) {
        (None, None) => true,
        // If the lengths are equal, the map's list has no bytes after its items.
        (Some(old), Some(new)) => {
            (old.value_type(), old.len()) == (new.value_type(), new.len())
                && old.value.items().eq(new.value.items())
        }
        _ => false,
    }
}
