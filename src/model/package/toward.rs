//! The way from a package to a wanted state: the smallest set of changes, and the changes as a list or made in place.
//!
//! Sections with a name are matched by it. Those without one are matched by content: first the longest sequence of equal
//! ones that both packages have in the same order, then equal ones that have moved, then equal ones that have got a name
//! (which is given to them), then those that share most of their options, then those at the same place with the same
//! options. Matched sections keep their place in the text, with
//! their comments; of a section only the options that differ are changed. The order of sections is part of the state, that
//! of options is not.

use super::alike::match_unnamed;
use super::arrange::Held;
use super::{Package, Section, SectionId, Value};
use crate::error::{Error, Result};
use crate::model::change::{Delta, DeltaKind};
use crate::model::dialect::Dialect;
use std::collections::{HashMap, HashSet};

/// How much of a package a wanted state describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a state describes all of a package or not")]
pub enum Extent {
    /// The whole package: what the state does not have is deleted.
    Whole,
    /// A part of it: everything else stays. Items are added to lists unless they are there already, and so are sections
    /// without a name.
    Part,
}

/// A section of the wanted state: its positions in the package that is there and in the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub have: Option<usize>,
    pub want: Option<usize>,
}

/// The change of an option.
enum Change {
    Delete,
    Hold(Held),
}

/// Returns the sections of the wanted state in order.
pub(crate) fn plan(have: &Package, wanted: &Package, extent: Extent) -> Result<Vec<Match>> {
    let mut named = HashMap::with_capacity(have.len());
    for (index, section) in have.sections().enumerate().filter(|(_, section)| !section.is_anonymous()) {
        named.entry(section.name()).or_insert(index);
    }
    let unnamed = match_unnamed(have, wanted, extent);
    let found = |(want, section): (usize, Section<'_>)| {
        let have = match section.is_anonymous() {
            true => unnamed.get(&want).copied(),
            // A section without a name may have become this one.
            false => named.get(section.name()).or_else(|| unnamed.get(&want)).copied(),
        };
        Match { have, want: Some(want) }
    };
    let wanted_order = wanted.sections().enumerate().map(found);
    if extent == Extent::Whole {
        return Ok(wanted_order.collect());
    }
    let mut all: Vec<Match> = (0..have.len()).map(|have| Match { have: Some(have), want: None }).collect();
    let sections: Vec<Section<'_>> = have.sections().collect();
    for (one, section) in wanted_order.zip(wanted.sections()) {
        match one.have {
            Some(index) if sections[index].section_type() != section.section_type() => {
                let key = [have.name(), b".", section.name()].concat();
                return Err(Error::invalid(&key, "the section is there with another type; delete it first"));
            }
            Some(index) => all[index] = one,
            None => all.push(one),
        }
    }
    Ok(all)
}

/// Returns the changes that give a section the options of another one.
fn differences(have: Section<'_>, want: Section<'_>, extent: Extent) -> Vec<(Vec<u8>, Change)> {
    let mut changes = Vec::new();
    if extent == Extent::Whole {
        let gone = have.options().filter(|option| want.option(option.name()).is_none());
        changes.extend(gone.map(|option| (option.name().to_vec(), Change::Delete)));
    }
    for option in want.options() {
        let held = match (have.get(option.name()), option.value()) {
            (Some(now), value) if now == value => continue,
            (Some(now), Value::List(list)) if extent == Extent::Part => {
                let there: Vec<&[u8]> = now.items().collect();
                let known: HashSet<&[u8]> = there.iter().copied().collect();
                let mut added: Vec<&[u8]> = Vec::new();
                let is_new = |item: &&[u8]| !known.contains(item);
                for item in list.iter().filter(is_new) {
                    if !added.contains(&item) {
                        added.push(item);
                    }
                }
                if added.is_empty() {
                    continue;
                }
                Held::List(there.into_iter().chain(added).map(<[u8]>::to_vec).collect())
            }
            (_, value) => Held::of(value),
        };
        changes.push((option.name().to_vec(), Change::Hold(held)));
    }
    changes
}

impl Package {
    /// Returns the changes that lead from this package to a wanted state: as few as there have to be. Applied in order with
    /// [`Package::apply`], they give a package with the wanted sections, options and values. Options that stay keep their
    /// order.
    ///
    /// # Errors
    ///
    /// As for [`Package::apply`], if the wanted package holds a name or a value that cannot be set;
    /// [`Error::Invalid`] if a section is to be changed in part, and has another type.
    pub fn changes_toward(&self, wanted: &Self, extent: Extent) -> Result<Vec<Delta>> {
        let plan = plan(self, wanted, extent)?;
        let (have, want): (Vec<_>, Vec<_>) = (self.sections().collect(), wanted.sections().collect());
        let mut steps = Steps { package: self.clone(), deltas: Vec::new() };
        let mut stays = vec![false; have.len()];
        plan.iter().filter_map(|one| one.have).for_each(|index| stays[index] = true);
        for (section, _) in have.iter().zip(&stays).filter(|(_, stays)| !**stays) {
            steps.make(DeltaKind::Delete, section.name(), None, None)?;
        }
        let mut order = Vec::with_capacity(plan.len());
        for one in &plan {
            order.push(match (one.have, one.want) {
                (Some(index), want_index) => {
                    let mut name = have[index].name();
                    if let Some(target) = want_index {
                        steps.adapt(have[index], want[target], extent)?;
                        if gains_name(have[index], want[target]) {
                            steps.make(DeltaKind::Rename, name, None, Some(want[target].name()))?;
                            name = want[target].name();
                        }
                    }
                    name.to_vec()
                }
                (None, Some(target)) => steps.add(want[target])?,
                (None, None) => continue,
            });
        }
        steps.reorder(&order)?;
        Ok(steps.deltas)
    }

    /// Makes this package have the wanted state, by the changes of a plan. `lines` returns the text of a new section, by its
    /// position among the wanted ones, if it has one with comments.
    pub(crate) fn go_toward(
        &mut self,
        wanted: &Self,
        plan: &[Match],
        extent: Extent,
        lines: &mut dyn FnMut(usize) -> Option<Vec<u8>>,
    ) -> Result<()> {
        let ids: Vec<SectionId> = self.order.iter().map(|id| SectionId(*id)).collect();
        let want: Vec<Section<'_>> = wanted.sections().collect();
        let mut stays = vec![false; ids.len()];
        plan.iter().filter_map(|one| one.have).for_each(|index| stays[index] = true);
        for (id, _) in ids.iter().zip(&stays).filter(|(_, stays)| !**stays) {
            self.delete_section(*id);
        }
        let mut order = Vec::with_capacity(plan.len());
        for one in plan {
            let id = match (one.have, one.want) {
                (Some(index), None) => ids[index],
                (Some(index), Some(target)) => {
                    self.adapt_to(ids[index], want[target], extent)?;
                    ids[index]
                }
                (None, Some(target)) => self.push_copy(want[target], lines(target))?,
                (None, None) => continue,
            };
            order.push(id.0);
        }
        if order != self.order {
            self.touch_all();
            self.order = order;
        }
        Ok(())
    }

    /// Returns a copy whose new sections are written without comments; `None` if they are anyway.
    pub(crate) fn without_lines(&self) -> Option<Self> {
        (!self.lines.is_empty()).then(|| Self { lines: Vec::new(), ..self.clone() })
    }

    fn adapt_to(&mut self, id: SectionId, want: Section<'_>, extent: Extent) -> Result<()> {
        let have = Section { package: self, id };
        let is_retyped = have.section_type() != want.section_type();
        if gains_name(have, want) {
            self.rename_section(id, want.name())?;
        }
        let have = Section { package: self, id };
        let changes = differences(have, want, extent);
        if is_retyped {
            let kind = self.intern(want.section_type(), None)?;
            self.set_type(id, kind);
        }
        for (name, change) in changes {
            match (change, self.find_option(id, &name)) {
                (Change::Delete, Some(option)) => self.delete_option(id, option),
                (Change::Delete, None) => {}
                (Change::Hold(held), _) => self.hold(id, &name, &held)?,
            }
        }
        Ok(())
    }

    /// Appends a copy of a section, and remembers the lines that it is to be written as.
    fn push_copy(&mut self, section: Section<'_>, lines: Option<Vec<u8>>) -> Result<SectionId> {
        if section.is_anonymous() {
            self.next_name(section.section_type());
        }
        let kind = self.intern(section.section_type(), None)?;
        let name = match section.is_anonymous() {
            true => None,
            false => Some(self.intern(section.name(), None)?),
        };
        let id = self.push_section(kind, name)?;
        for option in section.options() {
            self.hold(id, option.name(), &Held::of(option.value()))?;
        }
        if let Some(lines) = lines {
            let span = self.text.add(&lines)?;
            self.lines.push((id.0, span));
        }
        Ok(id)
    }
}

/// The changes so far, and the package after them.
struct Steps {
    package: Package,
    deltas: Vec<Delta>,
}

impl Steps {
    fn make(
        &mut self,
        kind: DeltaKind,
        section: &[u8],
        option: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<()> {
        let delta = Delta::new(kind, section, option, value);
        self.deltas.extend(self.package.apply(&delta, Dialect::Cms)?);
        Ok(())
    }

    fn adapt(&mut self, have: Section<'_>, want: Section<'_>, extent: Extent) -> Result<()> {
        let section = have.name();
        if have.section_type() != want.section_type() {
            self.make(DeltaKind::Set, section, None, Some(want.section_type()))?;
        }
        for (name, change) in differences(have, want, extent) {
            match change {
                Change::Delete => self.make(DeltaKind::Delete, section, Some(&name), None)?,
                Change::Hold(Held::String(value)) => {
                    self.make(DeltaKind::Set, section, Some(&name), Some(&value))?;
                }
                Change::Hold(Held::List(items)) => self.list(section, &name, have.get(&name), &items)?,
            }
        }
        Ok(())
    }

    /// Turns an option into a list. It keeps its place among the options, even if no item stays.
    fn list(&mut self, section: &[u8], name: &[u8], now: Option<Value<'_>>, items: &[Vec<u8>]) -> Result<()> {
        let there: Vec<&[u8]> = now.map_or_else(Vec::new, |now| now.items().collect());
        let is_list = matches!(now, Some(Value::List(_)));
        // Items of the old list that the new one has in this order stay. The others are deleted from the last one on, and
        // new items can only be appended.
        let kept = kept_items(&there, items);
        let appends =
            kept.iter().map(|index| there[*index]).eq(items[..kept.len()].iter().map(Vec::as_slice));
        let added = match now {
            Some(_) if is_list && appends && !kept.is_empty() => {
                for index in (0..there.len()).rev().filter(|index| !kept.contains(index)) {
                    self.make(DeltaKind::Delete, section, Some(name), Some(index.to_string().as_bytes()))?;
                }
                &items[kept.len()..]
            }
            Some(_) => {
                let Some((first, others)) = items.split_first() else {
                    return self.make(DeltaKind::Delete, section, Some(name), None);
                };
                self.make(DeltaKind::Set, section, Some(name), Some(first))?;
                if others.is_empty() {
                    // The string becomes a list of one item.
                    self.make(DeltaKind::AddList, section, Some(name), Some(first))?;
                    return self.make(DeltaKind::Delete, section, Some(name), Some(b"1"));
                }
                others
            }
            None => items,
        };
        added.iter().try_for_each(|item| self.make(DeltaKind::AddList, section, Some(name), Some(item)))
    }

    /// Adds a section, and returns its name.
    fn add(&mut self, want: Section<'_>) -> Result<Vec<u8>> {
        let name = match want.is_anonymous() {
            true => self.package.next_name(want.section_type()).into_bytes(),
            false => want.name().to_vec(),
        };
        let kind = if want.is_anonymous() { DeltaKind::Add } else { DeltaKind::Set };
        self.make(kind, &name, None, Some(want.section_type()))?;
        for option in want.options() {
            match option.value() {
                Value::String(value) => {
                    self.make(DeltaKind::Set, &name, Some(option.name()), Some(value))?;
                }
                Value::List(list) => list.iter().try_for_each(|item| {
                    self.make(DeltaKind::AddList, &name, Some(option.name()), Some(item))
                })?,
            }
        }
        Ok(name)
    }

    /// Moves the sections that are not at their places.
    fn reorder(&mut self, order: &[Vec<u8>]) -> Result<()> {
        let now: HashMap<Vec<u8>, usize> =
            self.package.sections().enumerate().map(|(at, section)| (section.name().to_vec(), at)).collect();
        let positions: Vec<Option<usize>> = order.iter().map(|name| now.get(name).copied()).collect();
        let stays = super::rising::longest_rising(&positions);
        for (index, name) in order.iter().enumerate().filter(|(index, _)| !stays[*index]) {
            let Some(id) = self.package.find_section(name) else { continue };
            let from = self.package.position(id);
            let before = index.checked_sub(1).and_then(|before| self.package.find_section(&order[before]));
            let place = before.map_or(0, |before| self.package.position(before) + 1);
            // The position is the one in the order without the section.
            let to = if from < place { place - 1 } else { place };
            self.make(DeltaKind::Reorder, name, None, Some(to.to_string().as_bytes()))?;
        }
        Ok(())
    }
}

/// Reports whether a section without a name is to have one.
fn gains_name(have: Section<'_>, want: Section<'_>) -> bool {
    have.is_anonymous() && !want.is_anonymous()
}

/// Returns the positions of the old items that a list keeps: the longest start of the new list that the old one has in the
/// same order.
fn kept_items(there: &[&[u8]], items: &[Vec<u8>]) -> Vec<usize> {
    let mut kept = Vec::new();
    let mut from = 0;
    for item in items {
        let Some(at) = there[from..].iter().position(|old| old == item) else { break };
        kept.push(from + at);
        from += at + 1;
    }
    kept
}
