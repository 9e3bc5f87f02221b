//! The orders of the sections: of all, and of each type.

use std::collections::{HashMap, HashSet};

use super::encode::{self, Version};
use super::publication::{Collected, Publication, PublishError};
use crate::map::layout::block::Order;
use crate::map::layout::format::{At, LEAF_MAX};
use crate::map::layout::hash::{Kind, hash};
use crate::map::layout::index::{BLOCK, Found, SlotId};

impl<'a> Publication<'a> {
    /// Publishes the order of the sections, and those of the types.
    pub(super) fn orders(&mut self, slots: &[SlotId]) -> Collected<()> {
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
        self.order(None, slots)?;
        for (name, slots) in &types {
            self.order(Some(name), slots)?;
        }
        // The types that have no section any more.
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
                self.order(Some(name), &[])?;
            }
        }
        Ok(())
    }

    /// Publishes one order, if it has changed. Unchanged leaves at both ends are used again.
    fn order(&mut self, section_type: Option<&[u8]>, slots: &[SlotId]) -> Collected<()> {
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
            return Ok(());
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
            entries.push((self.at()?, count(chunk)));
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
    ) -> Collected<()> {
        let name = match section_type {
            None => At(0),
            Some(name) => {
                let hash = self.map.name_hash(name);
                let known = self.map.find_name(hash, name).or_else(|| self.names.get(name).copied());
                known.ok_or(PublishError::NoRoom)?
            }
        };
        let slot = match found {
            Some(found) => found.slot,
            None => self.claim(hash(Kind::Order, self.map.seed, section_type.unwrap_or_default()))?,
        };
        let at = self.at()?;
        let version = Version { prev: found.map_or(At(0), |found| found.at), seq: self.seq };
        encode::order(&mut self.out, version, name, entries);
        self.updates.push((slot, at.0 | BLOCK));
        Ok(())
    }
}
