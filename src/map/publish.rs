//! Updates a map to a new state of its package, by appending the differences.
//!
//! Everything is written behind the tail first, where no reader looks. Then each changed block and record is
//! published by one store of its slot. A reader sees each option as it was before or as it is now; one with a
//! snapshot follows the versions back to the commit it belongs to.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::block::{Block, Record, SectionBlock};
use super::content::{Content, Head, check, check_name, head, options};
use super::encode::{self, Version};
use super::format::{At, PART, S_NAME, SECTION, SPLIT_ABOVE, Seq, W_BEGUN, W_DEAD, W_DONE, W_SOURCE, W_TAIL};
use super::hash::{Kind, hash};
use super::index::{BLOCK, SlotId};
use super::lookup::OVERREAD;
use super::mapping::Map;
use super::source::Source;
use crate::error::Result;
use crate::model::package::{Package, Section, Touched, Value};

/// Returns early on `NoRoom`. It is declared above the `mod` lines because the submodules use it.
macro_rules! room {
    ($step:expr) => {
        match $step {
            Ok(value) => value,
            Err(NoRoom) => return Ok(Err(NoRoom)),
        }
    };
}

mod orders;
mod parts;

/// Whether a state could be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Readers see the new state now.
    Done,
    /// The map has no room for it, and shows the state from before. It is to be made anew.
    Full,
}

/// The most records a block can count.
const MAX_RECORDS: usize = 65_535;

/// How many bytes most commits publish at most.
const USUAL: usize = 1024;

/// Something the map has no room for.
struct NoRoom;

/// The state that is about to be published.
struct Publication<'a> {
    map: &'a Map,
    document: &'a Package,
    seq: Seq,
    /// Where the free space starts, in bytes, and the bytes to be written there.
    tail: usize,
    out: Vec<u8>,
    /// The slots to change, with their new words.
    updates: Vec<(SlotId, u32)>,
    /// How many bytes of older blocks are replaced.
    replaced: usize,
    names: HashMap<&'a [u8], At>,
}

impl Map {
    /// Publishes the state of `document`; `touched` says how it differs from the map.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if a map cannot hold the document; nothing is changed then.
    pub fn publish(&self, document: &Package, touched: &Touched, seq: Seq) -> Result<Outcome> {
        let tail = At(self.region.load(W_TAIL, Ordering::Relaxed)).offset();
        let mut publication = Publication {
            map: self,
            document,
            seq,
            tail,
            out: Vec::with_capacity(USUAL),
            updates: Vec::with_capacity(USUAL / 64),
            replaced: 0,
            names: HashMap::new(),
        };
        match publication.collect(touched)? {
            Ok(()) => Ok(publication.finish()),
            Err(NoRoom) => Ok(Outcome::Full),
        }
    }

    /// Marks that a commit begins to publish here, or that it is done.
    pub fn mark(&self, begun: bool, seq: Seq) {
        self.region.store(if begun { W_BEGUN } else { W_DONE }, seq.0, Ordering::Release);
    }

    /// Returns the commit that last began to publish here, and the one that was last done.
    pub fn marks(&self) -> (Seq, Seq) {
        let load = |word| Seq(self.region.load(word, Ordering::Acquire));
        (load(W_BEGUN), load(W_DONE))
    }

    /// Records the text the map is up to now. Returns whether there was room.
    pub fn set_source(&self, source: &Source) -> bool {
        let tail = At(self.region.load(W_TAIL, Ordering::Relaxed)).offset();
        let mut out = Vec::new();
        encode::source(&mut out, source);
        let Some(at) = self.append(tail, &out) else { return false };
        self.region.store(W_SOURCE, at.0, Ordering::Release);
        self.add_dead(out.len());
        true
    }

    /// Writes behind the tail and moves it. Returns where.
    fn append(&self, tail: usize, bytes: &[u8]) -> Option<At> {
        let end = tail.checked_add(bytes.len()).filter(|end| *end + OVERREAD <= self.region.len())?;
        let (start, tail) = (At::of(tail)?, At::of(end)?);
        // SAFETY: no slot leads behind the tail, so no thread has a reference to anything there, and there is one
        // writer at a time: it holds the package's lock.
        unsafe { self.region.write(start.offset(), bytes) };
        self.region.store(W_TAIL, tail.0, Ordering::Release);
        Some(start)
    }

    fn add_dead(&self, bytes: usize) {
        let dead = self.region.load(W_DEAD, Ordering::Relaxed);
        let more = At::of(bytes).unwrap_or_default();
        self.region.store(W_DEAD, dead.saturating_add(more.0), Ordering::Relaxed);
    }
}

/// A step that may fail, or find no room.
type Step<T> = Result<std::result::Result<T, NoRoom>>;

impl<'a> Publication<'a> {
    fn collect(&mut self, touched: &Touched) -> Step<()> {
        if let Touched::Options(touched) = touched {
            // Each section once, in the order in which they were touched.
            let mut places = HashMap::new();
            // The options of a section that may have changed; `None` for all of them.
            type Options<'t> = Option<Vec<&'t [u8]>>;
            let mut sections: Vec<(&[u8], Options<'_>)> = Vec::new();
            for (name, option) in touched {
                let place = *places.entry(name.as_slice()).or_insert(sections.len());
                if place == sections.len() {
                    sections.push((name, Some(Vec::new())));
                }
                match (&mut sections[place].1, option) {
                    (Some(options), Some(option)) => options.push(option),
                    (options, _) => *options = None,
                }
            }
            for (name, options) in sections {
                let Some(section) = self.document.section(name) else { continue };
                room!(self.section(section, options.as_deref())?);
            }
            return Ok(Ok(()));
        }
        let mut slots = Vec::with_capacity(self.document.len());
        for section in self.document.sections() {
            if is_twin(self.document, section) {
                // Its name leads to another one; only a new map has a place for both.
                return Ok(Err(NoRoom));
            }
            slots.push(room!(self.section(section, None)?));
        }
        room!(self.delete_others(&slots)?);
        room!(self.orders(&slots)?);
        Ok(Ok(()))
    }

    /// Writes and publishes all that was collected.
    fn finish(self) -> Outcome {
        if self.map.append(self.tail, &self.out).is_none() {
            return Outcome::Full;
        }
        for (slot, word) in &self.updates {
            self.map.index.publish(&self.map.region, *slot, *word);
        }
        self.map.add_dead(self.replaced);
        Outcome::Done
    }

    fn at(&self) -> std::result::Result<At, NoRoom> {
        At::of(self.tail + self.out.len()).ok_or(NoRoom)
    }

    fn claim(&self, hash: u64) -> std::result::Result<SlotId, NoRoom> {
        self.map.index.claim(&self.map.region, hash).ok_or(NoRoom)
    }

    /// Returns where a name is; a new one is added.
    fn name(&mut self, name: &'a [u8]) -> Step<At> {
        let hash = self.map.name_hash(name);
        if let Some(at) = self.map.find_name(hash, name).or_else(|| self.names.get(name).copied()) {
            return Ok(Ok(at));
        }
        check_name(name)?;
        let (at, slot) = (room!(self.at()), room!(self.claim(hash)));
        encode::name(&mut self.out, name);
        self.updates.push((slot, at.0 | BLOCK));
        self.names.insert(name, at);
        Ok(Ok(at))
    }

    /// Publishes a section, if it has changed. `touched` names the options that may have; `None` is all.
    /// Returns the section's slot.
    fn section(&mut self, section: Section<'a>, touched: Option<&[&[u8]]>) -> Step<SlotId> {
        let called = head(section);
        check_name(called.name)?;
        let hash = self.map.section_hash(called.name);
        let found = self.map.find_section(hash, called.name);
        let old = found.and_then(|found| self.map.newest_section(found.at));
        let was_split = old.is_some_and(|old| old.is_split());
        let slot = match found {
            Some(found) => found.slot,
            None => room!(self.claim(hash)),
        };
        let entry = Entry { slot, hash, at: found.map(|found| found.at), old };
        let few = options(section).nth(SPLIT_ABOVE).is_none();
        match (was_split, few) {
            (false, true) => room!(self.plain(section, &called, &entry)?),
            (true, _) if touched.is_some() => room!(self.some_parts(section, &called, &entry, touched)?),
            _ => room!(self.all_parts(section, &called, &entry)?),
        }
        Ok(Ok(slot))
    }

    /// A section of one block.
    fn plain(&mut self, section: Section<'a>, called: &Head<'a>, entry: &Entry<'a>) -> Step<()> {
        let section_type = room!(self.name(called.section_type)?);
        let mut written: Vec<(At, Option<Value<'a>>)> = Vec::new();
        for (name, value) in options(section) {
            check(name, value)?;
            written.push((room!(self.name(name)?), Some(value)));
        }
        let unchanged = |old: &SectionBlock<'_>| {
            let mut live = old.records().filter(|record| record.value.is_some());
            let is_next = |(name, value): &(At, Option<Value<'a>>)| {
                live.next().is_some_and(|record| record.name == *name && is_same(record.value, *value))
            };
            !old.is_deleted()
                && old.is_anonymous() == called.anonymous
                && old.block.type_word() == section_type.0
                && written.iter().all(is_next)
                && live.next().is_none()
        };
        if entry.old.as_ref().is_some_and(unchanged) {
            return Ok(Ok(()));
        }
        // There are few.
        let count = written.len();
        for record in entry.old.iter().flat_map(SectionBlock::records) {
            if record.value.is_some() && !written[..count].iter().any(|(name, _)| *name == record.name) {
                written.push((record.name, None));
            }
        }
        let at = room!(self.at());
        let version = self.version(entry);
        encode::section(&mut self.out, version, called, section_type, &written);
        self.updates.push((entry.slot, at.0 | BLOCK));
        self.replaced += entry.old.map_or(0, |old| old.block.bytes.len());
        self.records(at, SECTION, called.name)
    }

    fn version(&self, entry: &Entry<'_>) -> Version {
        Version { prev: entry.at.unwrap_or_default(), seq: self.seq }
    }

    /// Publishes the records of the block that was just written at `at`.
    fn records(&mut self, at: At, kind: u32, section: &[u8]) -> Step<()> {
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
                None => room!(self.claim(hash)),
            };
            let place = At::of(at.offset() + record.start);
            updates.push((slot, room!(place.ok_or(NoRoom)).0));
        }
        self.updates.append(&mut updates);
        Ok(Ok(()))
    }

    /// Returns the name at a position, in the map or among the bytes to be written.
    fn name_at(&self, at: At) -> &[u8] {
        match at.offset().checked_sub(self.tail) {
            None => self.map.name(at).unwrap_or_default(),
            Some(start) => {
                let bytes = self.out.get(start..).unwrap_or_default();
                Block { kind: super::format::NAME, bytes }.name().unwrap_or_default()
            }
        }
    }

    /// Returns the names of the options a section has in the map.
    fn live_names(&self, entry: &Entry<'_>) -> Vec<At> {
        let Some(old) = entry.old else { return Vec::new() };
        let live = |record: &Record<'_>| record.value.is_some();
        match old.parts() {
            None => old.records().filter(live).map(|record| record.name).collect(),
            Some([parts, ..]) => (0..parts.min(self.map.index.slots()))
                .filter_map(|number| self.map.find_part(entry.hash, old.name(), number))
                .filter_map(|found| self.map.newest_section(found.at))
                .flat_map(|part| part.records().filter(live).map(|record| record.name))
                .collect(),
        }
    }

    /// Marks the sections the map has and the document has not as deleted.
    fn delete_others(&mut self, slots: &[SlotId]) -> Step<()> {
        let kept: HashSet<SlotId> = slots.iter().copied().collect();
        let Some(order) = self.map.order(None, None) else { return Ok(Ok(())) };
        for slot in order.slots().filter(|slot| !kept.contains(slot)) {
            let at = self.map.index.get(&self.map.region, slot);
            let old = at.and_then(|at| self.map.newest_section(at)).filter(|old| !old.is_deleted());
            let Some(old) = old else { continue };
            let hash = self.map.section_hash(old.name());
            if self.map.find_section(hash, old.name()).is_none_or(|found| found.slot != slot) {
                // A twin: what its name leads to is not to be deleted.
                return Ok(Err(NoRoom));
            }
            let entry = Entry { slot, hash, at, old: Some(old) };
            let names = self.live_names(&entry);
            self.updates.push((slot, room!(self.at()).0 | BLOCK));
            self.replaced += old.block.bytes.len();
            let (first, rest) = names.split_at(names.len().min(MAX_RECORDS));
            for names in std::iter::once(first).chain(rest.chunks(MAX_RECORDS)) {
                let at = room!(self.at());
                let version = self.version(&entry);
                encode::deleted(&mut self.out, version, old.name(), names);
                room!(self.records(at, SECTION, old.name())?);
            }
        }
        Ok(Ok(()))
    }
}

/// A section as the map has it.
struct Entry<'a> {
    slot: SlotId,
    hash: u64,
    /// Where the newest version is, perhaps of a deleted section.
    at: Option<At>,
    old: Option<SectionBlock<'a>>,
}

/// Reports whether a section has a generated name that another one before it was given.
fn is_twin(document: &Package, section: Section<'_>) -> bool {
    section.is_anonymous() && document.section(section.name()).is_some_and(|first| !first.is_anonymous())
}

/// Reports whether a value in a map equals the one in a document.
fn is_same(old: Option<super::Value<'_>>, new: Option<Value<'_>>) -> bool {
    match (old, new) {
        (None, None) => true,
        // Where the lengths are the same, the map's list has no rest that is no item.
        (Some(old), Some(new)) => {
            (old.is_list(), old.len()) == (new.is_list(), new.len()) && old.items().eq(new.items())
        }
        _ => false,
    }
}

impl Map {
    /// Returns the newest version of a section or part, deleted ones included.
    pub(super) fn newest_section(&self, at: At) -> Option<SectionBlock<'_>> {
        let block = Block::at(&self.region, at)?;
        (matches!(block.kind, SECTION | PART) && block.bytes.len() >= S_NAME)
            .then_some(SectionBlock { block })
    }

    /// Finds the slot of the option a path leads to.
    pub(super) fn find_slot(&self, path: &super::path::Path<'_>) -> Option<SlotId> {
        let name = self.find_name(self.name_hash(path.option), path.option)?;
        self.find_record(path.hash, path.section, name)
    }

    /// Finds the slot of an option's record.
    pub(super) fn find_record(&self, hash: u64, section: &[u8], name: At) -> Option<SlotId> {
        self.index.find_record(&self.region, hash, |at| {
            self.record(at).is_some_and(|(block, record)| record.name == name && block.name() == section)
        })
    }
}
