//! Updates a map to a new state of its package, by appending the differences.
//!
//! All new bytes are first written behind the tail, where no reader reads. Then each changed block and record is
//! published by one store of its slot. A reader sees the old or the new value of each option; a reader with a
//! snapshot follows the versions back to the commit of the snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::column_changes::ColumnChanges;
use super::content::{Head, PackageValue, check, check_name, head, options};
use super::encode;
use super::publication::{Collected, Entry, Publication, PublishError, is_same};
use crate::error::Result;
use crate::map::layout::block::SectionBlock;
use crate::map::layout::format::{
    At, OVERREAD, SECTION, SPLIT_ABOVE, Seq, W_BEGUN, W_DEAD, W_DONE, W_SOURCE, W_TAIL,
};
use crate::map::layout::index::{BLOCK, SlotId};
use crate::map::layout::source::Source;
use crate::map::read::map::Map;
use crate::model::package::{Package, Section, Touched};

/// Whether a state could be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishOutcome {
    /// Readers see the new state now.
    Done,
    /// The map has no room and still shows the old state: the caller makes a new map.
    Full,
}

/// The most records a block can count.
const MAX_RECORDS: usize = 65_535;

/// The number of bytes that most commits do not exceed.
const USUAL: usize = 1024;

impl Map {
    /// Publishes the state of `document`; `touched` lists its differences from the map.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if a map cannot hold the document; nothing is changed then.
    pub fn publish(&self, document: &Package, touched: &Touched, seq: Seq) -> Result<PublishOutcome> {
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
            columns: ColumnChanges::default(),
            is_structural: matches!(touched, Touched::Everything),
        };
        publication.find_columns();
        match publication.collect(touched) {
            Ok(()) => Ok(publication.finish()),
            Err(PublishError::NoRoom) => Ok(PublishOutcome::Full),
            Err(PublishError::Invalid(error)) => Err(error),
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

    /// Records the text that the map shows now. Returns whether there was room.
    pub fn set_source(&self, source: &Source) -> bool {
        // The columns with an index stay those that the map was made with.
        let columns = self.source().map_or(0, |before| before.columns);
        let source = &source.with_digest_of_columns(columns);
        let tail = At(self.region.load(W_TAIL, Ordering::Relaxed)).offset();
        let mut out = Vec::new();
        encode::source(&mut out, source);
        let Some(at) = self.append(tail, &out) else { return false };
        self.region.store(W_SOURCE, at.0, Ordering::Release);
        self.add_dead(out.len());
        true
    }

    /// Writes behind the tail and moves the tail. Returns the position.
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

impl<'a> Publication<'a> {
    fn collect(&mut self, touched: &Touched) -> Collected<()> {
        if let Touched::Options(touched) = touched {
            // Handle each section once, in the order of the first change.
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
                self.section(section, options.as_deref())?;
            }
            return self.write_columns();
        }
        let mut slots = Vec::with_capacity(self.document.len());
        for section in self.document.sections() {
            if is_twin(self.document, section) {
                // The name of this section leads to another section; only a new map can hold both.
                return Err(PublishError::NoRoom);
            }
            slots.push(self.section(section, None)?);
        }
        self.delete_others(&slots)?;
        self.orders(&slots)?;
        self.all_columns(&slots)?;
        self.write_columns()
    }

    /// Writes and publishes all that was collected.
    fn finish(self) -> PublishOutcome {
        if self.map.append(self.tail, &self.out).is_none() {
            return PublishOutcome::Full;
        }
        for (slot, word) in &self.updates {
            self.map.index.publish(&self.map.region, *slot, *word);
        }
        self.map.add_dead(self.replaced);
        PublishOutcome::Done
    }

    /// Publishes a section, if it has changed. `touched` names the options that may have changed; `None` means all.
    /// Returns the section's slot.
    fn section(&mut self, section: Section<'a>, touched: Option<&[&[u8]]>) -> Collected<SlotId> {
        let called = head(section);
        check_name(called.name)?;
        let hash = self.map.section_hash(called.name);
        let found = self.map.find_section(hash, called.name);
        let old = found.and_then(|found| self.map.newest_section(found.at));
        let was_split = old.is_some_and(|old| old.is_split());
        let slot = match found {
            Some(found) => found.slot,
            None => self.claim(hash)?,
        };
        let entry = Entry { slot, hash, at: found.map(|found| found.at), old };
        if !self.is_structural {
            self.index_changes(section, slot, old.as_ref())?;
        }
        let few = options(section).nth(SPLIT_ABOVE).is_none();
        match (was_split, few) {
            (false, true) => self.plain(section, &called, &entry)?,
            (true, _) if touched.is_some() => self.some_parts(section, &called, &entry, touched)?,
            _ => self.all_parts(section, &called, &entry)?,
        }
        Ok(slot)
    }

    /// A section of one block.
    fn plain(&mut self, section: Section<'a>, called: &Head<'a>, entry: &Entry<'a>) -> Collected<()> {
        let section_type = self.name(called.section_type)?;
        let mut written: Vec<(At, Option<PackageValue<'a>>)> = Vec::new();
        for (name, value) in options(section) {
            check(name, value)?;
            written.push((self.name(name)?, Some(value)));
        }
        let unchanged = |old: &SectionBlock<'_>| {
            let mut live = old.records().filter(|record| record.value.is_some());
            let is_next = |(name, value): &(At, Option<PackageValue<'a>>)| {
                live.next().is_some_and(|record| record.name == *name && is_same(record.value, *value))
            };
            !old.is_deleted()
                && old.is_anonymous() == called.anonymous
                && old.block.type_word() == section_type.0
                && written.iter().all(is_next)
                && live.next().is_none()
        };
        if entry.old.as_ref().is_some_and(unchanged) {
            return Ok(());
        }
        // There are few.
        let count = written.len();
        for record in entry.old.iter().flat_map(SectionBlock::records) {
            if record.value.is_some() && !written[..count].iter().any(|(name, _)| *name == record.name) {
                written.push((record.name, None));
            }
        }
        let at = self.at()?;
        let version = self.version(entry);
        encode::section(&mut self.out, version, called, section_type, written.iter().copied());
        self.updates.push((entry.slot, at.0 | BLOCK));
        self.replaced += entry.old.map_or(0, |old| old.block.bytes.len());
        self.records(at, SECTION, called.name)
    }

    /// Marks sections of the map that the document does not have as deleted.
    fn delete_others(&mut self, slots: &[SlotId]) -> Collected<()> {
        let kept: HashSet<SlotId> = slots.iter().copied().collect();
        let Some(order) = self.map.order(None, None) else { return Ok(()) };
        for slot in order.slots().filter(|slot| !kept.contains(slot)) {
            let at = self.map.index.get(&self.map.region, slot);
            let old = at.and_then(|at| self.map.newest_section(at)).filter(|old| !old.is_deleted());
            let Some(old) = old else { continue };
            let hash = self.map.section_hash(old.name());
            if self.map.find_section(hash, old.name()).is_none_or(|found| found.slot != slot) {
                // A twin: the section that its name leads to must not be deleted.
                return Err(PublishError::NoRoom);
            }
            let entry = Entry { slot, hash, at, old: Some(old) };
            let names = self.live_names(&entry);
            self.updates.push((slot, self.at()?.0 | BLOCK));
            self.replaced += old.block.bytes.len();
            let (first, rest) = names.split_at(names.len().min(MAX_RECORDS));
            for names in std::iter::once(first).chain(rest.chunks(MAX_RECORDS)) {
                let at = self.at()?;
                let version = self.version(&entry);
                encode::deleted(&mut self.out, version, old.name(), names);
                self.records(at, SECTION, old.name())?;
            }
        }
        Ok(())
    }
}

/// Reports whether the generated name of a section equals the given name of an earlier section.
fn is_twin(document: &Package, section: Section<'_>) -> bool {
    section.is_anonymous() && document.section(section.name()).is_some_and(|first| !first.is_anonymous())
}
