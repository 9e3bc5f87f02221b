//! Sections with so many options that they are stored in parts.

use std::collections::{HashMap, HashSet};

use super::content::{Head, PackageValue, check, options};
use super::encode::{self, Version, parts_for};
use super::publication::{Collected, Entry, Publication, PublishError, is_same};
use crate::map::layout::block::{SectionBlock, Split};
use crate::map::layout::format::{At, PART, PART_OPTIONS};
use crate::map::layout::hash::of_part;
use crate::map::layout::hash::part_number;
use crate::map::layout::index::BLOCK;
use crate::model::package::Section;

/// An option to be written and its rank in its section.
type Ranked<'a> = (encode::Written<PackageValue<'a>>, u32);

impl<'a> Publication<'a> {
    /// A split section of which any option may have changed.
    pub(super) fn all_parts(
        &mut self,
        section: Section<'a>,
        called: &Head<'a>,
        entry: &Entry<'a>,
    ) -> Collected<()> {
        let mut all: Vec<(u64, At, PackageValue<'a>)> = Vec::new();
        for (name, value) in options(section) {
            check(name, value)?;
            all.push((self.map.name_hash(name), self.name(name)?, value));
        }
        let old_parts = entry.old.and_then(|old| old.split()).map(|split| split.parts);
        // The section was split before, and then deleted: the versions of its new parts would lead to those before
        // the deletion. A new map has no old versions.
        if old_parts.is_none() && self.map.find_part(entry.hash, called.name, 0).is_some() {
            return Err(PublishError::NoRoom);
        }
        if old_parts.is_some_and(|parts| !self.is_likely(parts)) {
            return Err(PublishError::NoRoom);
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
            // If the number of parts has grown, each part follows the one that had its options.
            let from = old_parts.map(|old| number & (old - 1));
            let prev = from.and_then(|from| self.map.find_part(entry.hash, called.name, from));
            let prev = prev.map(|found| found.at).or(entry.at);
            self.part(called.name, entry.hash, number, prev, group)?;
        }
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        self.split_head(called, entry, Split { parts, options: total, next_rank: total })
    }

    fn split_head(&mut self, called: &Head<'a>, entry: &Entry<'a>, split: Split) -> Collected<()> {
        let section_type = self.name(called.section_type)?;
        let unchanged = |old: &SectionBlock<'_>| {
            let same_head = old.is_anonymous() == called.anonymous && old.block.type_word() == section_type.0;
            !old.is_deleted() && same_head && old.split() == Some(split)
        };
        if entry.old.as_ref().is_some_and(unchanged) {
            return Ok(());
        }
        let at = self.at()?;
        let version = self.version(entry);
        encode::split_section(&mut self.out, version, called, section_type, split);
        self.updates.push((entry.slot, at.0 | BLOCK));
        self.replaced += entry.old.map_or(0, |old| old.block.bytes.len());
        Ok(())
    }

    /// Writes a part, unless it is unchanged.
    fn part(
        &mut self,
        section: &[u8],
        section_hash: u64,
        number: u32,
        prev: Option<At>,
        group: &[Ranked<'a>],
    ) -> Collected<()> {
        let found = self.map.find_part(section_hash, section, number);
        let old = found.and_then(|found| self.map.newest_section(found.at));
        if old.is_some_and(|old| same_part(&old, group)) {
            return Ok(());
        }
        let slot = match found {
            Some(found) => found.slot,
            None => self.claim(of_part(section_hash, number))?,
        };
        let at = self.at()?;
        let version = Version { prev: prev.unwrap_or_default(), seq: self.seq };
        encode::part(&mut self.out, version, section, number, group);
        self.updates.push((slot, at.0 | BLOCK));
        self.replaced += old.map_or(0, |old| old.block.bytes.len());
        self.records(at, PART, section)
    }

    /// A split section of which only the options `touched` may have changed.
    pub(super) fn some_parts(
        &mut self,
        section: Section<'a>,
        called: &Head<'a>,
        entry: &Entry<'a>,
        touched: Option<&[&[u8]]>,
    ) -> Collected<()> {
        let split = entry.old.and_then(|old| old.split());
        let (Some(touched), Some(Split { parts, options: total, next_rank })) = (touched, split) else {
            return self.all_parts(section, called, entry);
        };
        let most = u64::from(parts) * (PART_OPTIONS * 4) as u64;
        if !self.is_likely(parts) || u64::from(total) > most || next_rank > u32::MAX / 2 {
            return self.all_parts(section, called, entry);
        }
        let mut total = i64::from(total);
        // The options that were added, in their order, in any part.
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
                // An option that was deleted and added again has moved to the end.
                let rank = fresh.get(self.map.name(name).unwrap_or_default()).copied().unwrap_or(rank);
                let value = option.map(|option| PackageValue::of(&option));
                total -= i64::from(value.is_none());
                written.push(((name, value), rank));
            }
            for (_, name) in group {
                let Some(option) = section.option(name) else { continue };
                let value = PackageValue::of(&option);
                check(option.name(), value)?;
                let at = self.name(option.name())?;
                if !written.iter().any(|((known, _), _)| *known == at) {
                    let rank = fresh.get(name).copied().unwrap_or(next_rank);
                    written.push(((at, Some(value)), rank));
                    total += 1;
                }
            }
            self.part(called.name, entry.hash, number, found.map(|found| found.at), &written)?;
        }
        self.split_head(called, entry, Split { parts, options: u32::try_from(total).unwrap_or(0), next_rank })
    }

    /// Reports whether a section may have so many parts; if not, the map is damaged and must be rebuilt.
    pub(super) fn is_likely(&self, parts: u32) -> bool {
        parts.is_power_of_two() && parts <= self.map.index.slots()
    }
}

/// Reports whether a part holds just these options.
fn same_part(old: &SectionBlock<'_>, group: &[Ranked<'_>]) -> bool {
    let mut records = (0..).zip(old.records()).filter(|(_, record)| record.value.is_some());
    let is_next = |((name, value), rank): &Ranked<'_>| {
        let next = records.next().filter(|_| value.is_some());
        next.is_some_and(|(index, record)| {
            (record.name, old.rank(index)) == (*name, *rank) && is_same(record.value, *value)
        })
    };
    old.block.kind == PART && group.iter().all(is_next) && records.next().is_none()
}
