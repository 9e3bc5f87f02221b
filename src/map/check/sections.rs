//! Checks sections and parts: their options, and that each is found by its key.

use super::{Checked, Checker, ensure};
use crate::map::layout::block::{Block, Record, SectionBlock, Split};
use crate::map::layout::format::{
    At, F_ANONYMOUS, F_DELETED, F_SPLIT, NAME, P_NEXT_RANK, PART, S_COUNT, S_FLAGS, S_NAME, behind_name,
};
use crate::map::layout::hash::{Kind, hash, of_twin};
use crate::map::layout::index::BLOCK;
use crate::map::layout::value::{MapValue, TypedValue};
use crate::map::read::map::Map;
use crate::model::digest::u16_at;

/// The size of the numbers behind the name of a split section, in bytes.
const SPLIT: usize = P_NEXT_RANK + 4;

impl Checker<'_> {
    pub(crate) fn section(&mut self, at: At, block: Block<'_>) -> Checked<()> {
        let offset = at.offset();
        let section = SectionBlock { block };
        let (name, behind) = (section.name(), behind_name(section.name_len()));
        let named = behind <= block.bytes.len() && block.bytes.get(S_NAME + name.len()) == Some(&0);
        ensure(named, "a section's name is not inside its block", offset)?;
        let flags = u16_at(block.bytes, S_FLAGS);
        let known = match block.kind {
            PART => flags == 0,
            _ if section.is_deleted() => flags == F_DELETED && block.type_word() == 0,
            _ => flags & !(F_ANONYMOUS | F_SPLIT) == 0 && self.is_block(At(block.type_word()), NAME),
        };
        ensure(known, "a section's head is wrong", offset)?;
        let hash = self.map.section_hash(name);
        let by_name = self.map.find_section(hash, name);
        // The section that its name leads to is no twin, even if the tag of its slot matches that of a twin: tags
        // have 8 bits.
        let is_named = by_name.is_some_and(|found| found.at == at);
        let is_twin = section.is_anonymous() && !is_named && self.twin(at, hash);
        if section.is_split() {
            let fits = block.bytes.len() == behind + SPLIT && u16_at(block.bytes, S_COUNT) == 0;
            ensure(fits, "a section is not as long as its block", offset)?;
        } else {
            self.records(at, &section, is_twin)?;
        }
        if is_twin {
            self.live += 1;
            return Ok(());
        }
        if block.kind == PART {
            let found = self.map.find_part(hash, name, block.type_word());
            return self.newest(at, found, false).map(|_| ());
        }
        let found = by_name;
        // A deleted section with very many options takes several blocks; the slot leads to the first.
        let first = |found: &SectionBlock<'_>| found.is_deleted() && found.block.seq() == block.seq();
        let heir = section.is_deleted()
            && found.and_then(|found| self.map.newest_section(found.at)).as_ref().is_some_and(first);
        let newest = self.newest(at, found, heir)?;
        if newest && !section.is_deleted() {
            self.live += 1;
            return self.parts(offset, &section, hash);
        }
        Ok(())
    }

    /// Reports whether a section cannot be found by its name, since another section has the same name.
    fn twin(&mut self, at: At, hash: u64) -> bool {
        let found = self.map.index.find(&self.map.region, of_twin(hash), |found| found == at);
        found.inspect(|found| self.lead(found.slot)).is_some()
    }

    fn records(&mut self, at: At, section: &SectionBlock<'_>, is_twin: bool) -> Checked<()> {
        let (offset, bytes) = (at.offset(), section.block.bytes);
        let ranks = if section.block.kind == PART { section.count() * 4 } else { 0 };
        let mut end = behind_name(section.name_len()) + ranks;
        let mut count = 0;
        self.start_key(section.name());
        let prefix = self.key.len();
        for record in section.records() {
            let place = offset + record.start;
            let ended = match record.value {
                // That the last item is ended was found when the record was read.
                Some(TypedValue { value: MapValue::List(_), .. }) => true,
                Some(TypedValue { value: MapValue::String(string), .. }) => !string.contains(&0),
                None => section.block.kind == PART || !section.is_split(),
            };
            ensure(record.back == record.start && ended, "an option is damaged", place)?;
            self.key.truncate(prefix);
            self.key.extend_from_slice(self.name(record.name, place)?);
            if !is_twin {
                self.record(place, section, &record)?;
            }
            (end, count) = (record.end, count + 1);
        }
        ensure(count == section.count() && end == bytes.len(), "a section's options are cut off", offset)
    }

    fn start_key(&mut self, section: &[u8]) {
        self.key.clear();
        for part in [self.map.package(), b".", section, b"."] {
            self.key.extend_from_slice(part);
        }
    }

    /// Checks that a look-up of `self.key` finds the record, or a newer one.
    fn record(&mut self, place: usize, section: &SectionBlock<'_>, record: &Record<'_>) -> Checked<()> {
        let hash = hash(Kind::Key, self.map.seed, &self.key);
        let slot = self.map.find_record(hash, section.name(), record.name);
        let word = slot.map_or(0, |slot| self.map.index.word(&self.map.region, slot));
        let at = At::of(place).unwrap_or_default();
        ensure(word >= at.0 && word & BLOCK == 0, "an option is not found by its key", place)?;
        if word == at.0 {
            slot.into_iter().for_each(|slot| self.lead(slot));
        }
        Ok(())
    }

    /// Checks that the parts of a split section are there.
    fn parts(&self, offset: usize, section: &SectionBlock<'_>, hash: u64) -> Checked<()> {
        let Some(Split { parts, options, next_rank }) = section.split() else { return Ok(()) };
        let likely = parts.is_power_of_two() && parts <= self.map.index.slots();
        ensure(likely, "a section's parts are wrong", offset)?;
        let mut count = 0_usize;
        for number in 0..parts {
            let part = part(self.map, section, hash, number);
            let Some(part) = part else { return ensure(false, "a part of a section is gone", offset) };
            for (index, _) in part.records().enumerate().filter(|(_, record)| record.value.is_some()) {
                ensure(part.rank(index) < next_rank, "an option's place is wrong", offset)?;
                count += 1;
            }
        }
        ensure(count == options as usize, "a section has another number of options", offset)
    }
}

fn part<'m>(map: &'m Map, of: &SectionBlock<'_>, hash: u64, number: u32) -> Option<SectionBlock<'m>> {
    map.visible_section(map.find_part(hash, of.name(), number)?.at, None)
}
