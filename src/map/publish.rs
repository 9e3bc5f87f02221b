//! Brings a map up to a new state of its package, by appending what differs.
//!
//! Everything is written behind the tail first, where no reader looks. Then each changed block and record is
//! published by one store of its slot. A reader sees each option as it was before or as it is now; one with a
//! snapshot follows the versions back to the commit it belongs to.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::block::{Block, Order, Record, SectionBlock};
use super::content::{Content, Head, check, check_name, head, options};
use super::encode::{self, Version, parts_for};
use super::format::{
    At, LEAF_MAX, PART, PART_OPTIONS, S_NAME, SECTION, SPLIT_ABOVE, Seq, W_BEGUN, W_DEAD, W_DONE, W_SOURCE,
    W_TAIL,
};
use super::hash::{Kind, hash, of_part};
use super::index::{BLOCK, Found, SlotId};
use super::lookup::OVERREAD;
use super::mapping::{Map, part_number};
use super::source::Source;
use crate::error::Result;
use crate::package::{Package, Section, Touched, Value};

/// Whether a state could be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is what readers see now.
    Done,
    /// The map has no room for it, and shows the state from before. It is to be made anew.
    Full,
}

/// The most records a block can count.
const MAX_RECORDS: usize = 65_535;

/// Something the map has no room for.
struct NoRoom;

/// What is about to be published.
struct Publication<'a> {
    map: &'a Map,
    document: &'a Package,
    seq: Seq,
    /// Where the free space starts, in bytes, and what is to be written there.
    tail: usize,
    out: Vec<u8>,
    /// The slots to change, with their new words.
    updates: Vec<(SlotId, u32)>,
    /// How many bytes of older blocks are replaced.
    replaced: usize,
    names: HashMap<&'a [u8], At>,
}

impl Map {
    /// Publishes the state of `document`, of which `touched` tells how it differs from what the map has.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if the document holds what no map can; nothing is changed then.
    pub fn publish(&self, document: &Package, touched: &Touched, seq: Seq) -> Result<Outcome> {
        let tail = At(self.region.load(W_TAIL, Ordering::Relaxed)).offset();
        let mut publication = Publication {
            map: self,
            document,
            seq,
            tail,
            out: Vec::new(),
            updates: Vec::new(),
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
        // SAFETY: no slot leads behind the tail, so nobody has a reference to anything there, and there is
        // one writer at a time: it holds the package's lock.
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

/// An option to be written and its rank in its section.
type Ranked<'a> = (encode::Written<Value<'a>>, u32);

/// A step that may fail, or find no room.
type Step<T> = Result<std::result::Result<T, NoRoom>>;

/// Passes on that there is no room.
macro_rules! room {
    ($step:expr) => {
        match $step {
            Ok(value) => value,
            Err(NoRoom) => return Ok(Err(NoRoom)),
        }
    };
}

impl<'a> Publication<'a> {
    fn collect(&mut self, touched: &Touched) -> Step<()> {
        if let Touched::Options(touched) = touched {
            // Each section once, in the order in which they were touched.
            let mut places = HashMap::new();
            // A section's options; `None` for all of them.
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
            let live = old.records().filter(|record| record.value.is_some());
            !old.is_deleted()
                && old.is_anonymous() == called.anonymous
                && old.block.type_word() == section_type.0
                && live
                    .map(|record| (record.name, record.value.map(bytes_of)))
                    .eq(written.iter().map(|(name, value)| (*name, value.map(bytes_of))))
        };
        if entry.old.as_ref().is_some_and(unchanged) {
            return Ok(Ok(()));
        }
        let known: HashSet<u32> = written.iter().map(|(name, _)| name.0).collect();
        for record in entry.old.iter().flat_map(SectionBlock::records) {
            if record.value.is_some() && !known.contains(&record.name.0) {
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

    /// Returns the name at a position, in the map or among what is to be written.
    fn name_at(&self, at: At) -> &[u8] {
        match at.offset().checked_sub(self.tail) {
            None => self.map.name(at).unwrap_or_default(),
            Some(start) => {
                let bytes = self.out.get(start..).unwrap_or_default();
                Block { kind: super::format::NAME, bytes }.name().unwrap_or_default()
            }
        }
    }

    /// A split section of which any option may have changed.
    fn all_parts(&mut self, section: Section<'a>, called: &Head<'a>, entry: &Entry<'a>) -> Step<()> {
        let mut all: Vec<(u64, At, Value<'a>)> = Vec::new();
        for (name, value) in options(section) {
            check(name, value)?;
            all.push((self.map.name_hash(name), room!(self.name(name)?), value));
        }
        let old_parts = entry.old.and_then(|old| old.parts()).map(|[parts, ..]| parts);
        // It was split before, and then deleted: the versions of its parts would lead past that. A new map has none.
        if old_parts.is_none() && self.map.find_part(entry.hash, called.name, 0).is_some() {
            return Ok(Err(NoRoom));
        }
        if old_parts.is_some_and(|parts| !self.is_likely(parts)) {
            return Ok(Err(NoRoom));
        }
        let parts = parts_for(all.len()).max(old_parts.unwrap_or(1));
        let mut groups: Vec<Vec<Ranked<'a>>> = vec![Vec::new(); parts as usize];
        let mut known = HashSet::with_capacity(all.len());
        for (rank, (hash, name, value)) in (0..).zip(&all) {
            known.insert(name.0);
            groups[part_number(*hash, parts) as usize].push(((*name, Some(*value)), rank));
        }
        for name in self.live_names(entry).into_iter().filter(|name| !known.contains(&name.0)) {
            let hash = self.map.name_hash(self.map.name(name).unwrap_or_default());
            groups[part_number(hash, parts) as usize].push(((name, None), 0));
        }
        for (number, group) in (0..).zip(&groups) {
            // When parts have become more, each follows the one its options were in.
            let from = old_parts.map(|old| number & (old - 1));
            let prev = from.and_then(|from| self.map.find_part(entry.hash, called.name, from));
            let prev = prev.map(|found| found.at).or(entry.at);
            room!(self.part(called.name, entry.hash, number, prev, group)?);
        }
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        self.split_head(called, entry, [parts, total, total])
    }

    fn split_head(&mut self, called: &Head<'a>, entry: &Entry<'a>, numbers: [u32; 3]) -> Step<()> {
        let section_type = room!(self.name(called.section_type)?);
        let unchanged = |old: &SectionBlock<'_>| {
            let same_head = old.is_anonymous() == called.anonymous && old.block.type_word() == section_type.0;
            !old.is_deleted() && same_head && old.parts() == Some(numbers)
        };
        if entry.old.as_ref().is_some_and(unchanged) {
            return Ok(Ok(()));
        }
        let at = room!(self.at());
        let version = self.version(entry);
        encode::split_section(&mut self.out, version, called, section_type, numbers);
        self.updates.push((entry.slot, at.0 | BLOCK));
        self.replaced += entry.old.map_or(0, |old| old.block.bytes.len());
        Ok(Ok(()))
    }

    /// Writes a part, unless it is as it was.
    fn part(
        &mut self,
        section: &[u8],
        section_hash: u64,
        number: u32,
        prev: Option<At>,
        group: &[Ranked<'a>],
    ) -> Step<()> {
        let found = self.map.find_part(section_hash, section, number);
        let old = found.and_then(|found| self.map.newest_section(found.at));
        if old.is_some_and(|old| same_part(&old, group)) {
            return Ok(Ok(()));
        }
        let slot = match found {
            Some(found) => found.slot,
            None => room!(self.claim(of_part(section_hash, number))),
        };
        let at = room!(self.at());
        let version = Version { prev: prev.unwrap_or_default(), seq: self.seq };
        encode::part(&mut self.out, version, section, number, group);
        self.updates.push((slot, at.0 | BLOCK));
        self.replaced += old.map_or(0, |old| old.block.bytes.len());
        self.records(at, PART, section)
    }

    /// A split section of which only the options `touched` may have changed.
    fn some_parts(
        &mut self,
        section: Section<'a>,
        called: &Head<'a>,
        entry: &Entry<'a>,
        touched: Option<&[&[u8]]>,
    ) -> Step<()> {
        let numbers = entry.old.and_then(|old| old.parts());
        let (Some(touched), Some([parts, total, next_rank])) = (touched, numbers) else {
            return self.all_parts(section, called, entry);
        };
        let most = u64::from(parts) * (PART_OPTIONS * 4) as u64;
        if !self.is_likely(parts) || u64::from(total) > most || next_rank > u32::MAX / 2 {
            return self.all_parts(section, called, entry);
        }
        let mut total = i64::from(total);
        // Those that were added, in their order, whatever part they are in.
        let added = section.options().filter(|option| option.origin().is_none());
        let fresh: HashMap<&[u8], u32> = added.map(|option| option.name()).zip(next_rank..).collect();
        let next_rank = fresh.values().fold(next_rank, |next, rank| next.max(rank.saturating_add(1)));
        let mut touched: Vec<(u32, &[u8])> =
            touched.iter().map(|name| (part_number(self.map.name_hash(name), parts), *name)).collect();
        touched.sort_by_key(|(number, _)| *number);
        touched.dedup();
        for group in touched.chunk_by(|a, b| a.0 == b.0) {
            let number = group[0].0;
            let found = self.map.find_part(entry.hash, called.name, number);
            let old = found.and_then(|found| self.map.newest_section(found.at));
            let live = old.iter().flat_map(|old| {
                let records = (0..).zip(old.records()).filter(|(_, record)| record.value.is_some());
                records.map(|(index, record)| (record.name, old.rank(index))).collect::<Vec<_>>()
            });
            let mut written: Vec<Ranked<'a>> = Vec::new();
            for (name, rank) in live {
                let option = section.option(self.map.name(name).unwrap_or_default());
                // One that was deleted and added again has moved to the end.
                let rank = fresh.get(self.map.name(name).unwrap_or_default()).copied().unwrap_or(rank);
                let value = option.map(|option| option.value());
                total -= i64::from(value.is_none());
                written.push(((name, value), rank));
            }
            for (_, name) in group {
                let Some(option) = section.option(name) else { continue };
                check(option.name(), option.value())?;
                let at = room!(self.name(option.name())?);
                if !written.iter().any(|((known, _), _)| *known == at) {
                    let rank = fresh.get(name).copied().unwrap_or(next_rank);
                    written.push(((at, Some(option.value())), rank));
                    total += 1;
                }
            }
            room!(self.part(called.name, entry.hash, number, found.map(|found| found.at), &written)?);
        }
        self.split_head(called, entry, [parts, u32::try_from(total).unwrap_or(0), next_rank])
    }

    /// Reports whether a section may have so many parts; if not, the map is damaged and to be made anew.
    fn is_likely(&self, parts: u32) -> bool {
        parts.is_power_of_two() && parts <= self.map.index.slots()
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

    /// Publishes the order of the sections, and those of the types.
    fn orders(&mut self, slots: &[SlotId]) -> Step<()> {
        let mut types: Vec<(&'a [u8], Vec<SlotId>)> = Vec::new();
        let mut of_type: HashMap<&'a [u8], usize> = HashMap::new();
        for (section, slot) in self.document.sections().zip(slots) {
            let name = section.section_type();
            let index = *of_type.entry(name).or_insert_with(|| {
                types.push((name, Vec::new()));
                types.len() - 1
            });
            types[index].1.push(*slot);
        }
        room!(self.order(None, slots)?);
        for (name, slots) in &types {
            room!(self.order(Some(name), slots)?);
        }
        // Types of which no section is left.
        let old: Vec<At> = match self.map.order(None, None) {
            None => Vec::new(),
            Some(order) => order
                .slots()
                .filter_map(|slot| self.map.section_in(slot, None))
                .map(|section| At(section.block.type_word()))
                .collect(),
        };
        let mut done = HashSet::new();
        for at in old.into_iter().filter(|at| done.insert(at.0)) {
            let name = self.map.name(at).unwrap_or_default();
            if !of_type.contains_key(name) {
                room!(self.order(Some(name), &[])?);
            }
        }
        Ok(Ok(()))
    }

    /// Publishes one order, if it has changed. Leaves at both ends that are as they were are used again.
    fn order(&mut self, section_type: Option<&[u8]>, slots: &[SlotId]) -> Step<()> {
        let found = self.map.find_order(section_type);
        let old = self.map.order(section_type, None);
        let mut leaves: Vec<(At, Vec<SlotId>)> = Vec::new();
        for (at, _) in old.iter().flat_map(Order::leaves) {
            leaves.push((at, Order::leaf(&self.map.region, at).collect()));
        }
        let same_head = leaves.iter().scan(0, |start, (_, leaf)| {
            let range = *start..*start + leaf.len();
            *start = range.end;
            (slots.get(range) == Some(&leaf[..])).then_some(leaf.len())
        });
        let heads: Vec<usize> = same_head.collect();
        let head_len: usize = heads.iter().sum();
        if found.is_some() && heads.len() == leaves.len() && head_len == slots.len() {
            return Ok(Ok(()));
        }
        let mut middle = &slots[head_len..];
        let mut tails = 0;
        for (_, leaf) in leaves[heads.len()..].iter().rev() {
            let Some(rest) = middle.strip_suffix(&leaf[..]) else { break };
            middle = rest;
            tails += 1;
        }
        let count = |slots: &[SlotId]| u32::try_from(slots.len()).unwrap_or(0);
        let mut entries: Vec<(At, u32)> =
            leaves[..heads.len()].iter().map(|(at, leaf)| (*at, count(leaf))).collect();
        for chunk in middle.chunks(LEAF_MAX) {
            entries.push((room!(self.at()), count(chunk)));
            encode::leaf(&mut self.out, chunk);
        }
        let kept = &leaves[leaves.len() - tails..];
        entries.extend(kept.iter().map(|(at, leaf)| (*at, count(leaf))));
        let replaced = &leaves[heads.len()..leaves.len() - tails];
        self.replaced += replaced.iter().map(|(_, leaf)| 12 + leaf.len() * 4).sum::<usize>();
        self.replaced += old.map_or(0, |old| old.block.bytes.len());
        self.order_root(section_type, found, &entries)
    }

    fn order_root(
        &mut self,
        section_type: Option<&[u8]>,
        found: Option<Found>,
        entries: &[(At, u32)],
    ) -> Step<()> {
        let name = match section_type {
            None => At(0),
            Some(name) => {
                let hash = self.map.name_hash(name);
                let known = self.map.find_name(hash, name).or_else(|| self.names.get(name).copied());
                room!(known.ok_or(NoRoom))
            }
        };
        let slot = match found {
            Some(found) => found.slot,
            None => room!(self.claim(hash(Kind::Order, self.map.seed, section_type.unwrap_or_default()))),
        };
        let at = room!(self.at());
        let version = Version { prev: found.map_or(At(0), |found| found.at), seq: self.seq };
        encode::order(&mut self.out, version, name, entries);
        self.updates.push((slot, at.0 | BLOCK));
        Ok(Ok(()))
    }
}

/// What the map has of a section.
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

/// Returns the bytes of a value as a block holds them, and whether it is a list.
fn bytes_of(value: impl Content) -> (bool, Vec<u8>) {
    let mut bytes = Vec::with_capacity(value.len());
    value.write(&mut bytes);
    (value.is_list(), bytes)
}

/// Reports whether a part holds just these options.
fn same_part(old: &SectionBlock<'_>, group: &[Ranked<'_>]) -> bool {
    let live = |value: &Option<Value<'_>>| value.is_some();
    let mine = group.iter().filter(|((_, value), _)| live(value));
    let records = (0..).zip(old.records()).filter(|(_, record)| record.value.is_some());
    old.block.kind == PART
        && group.iter().all(|((_, value), _)| live(value))
        && records
            .map(|(index, record)| (record.name, old.rank(index), record.value.map(bytes_of)))
            .eq(mine.map(|((name, value), rank)| (*name, *rank, value.map(bytes_of))))
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
