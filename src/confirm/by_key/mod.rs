//! Reverts some of the transactions that led to the text of a package, key by key.
//!
//! Each key that a reverted transaction has changed gets its earlier value, even if it was changed again since;
//! later changes of other keys stay. A section that it added is deleted whole. A section that it deleted, or that
//! was deleted since, is restored whole. A section that it moved returns to its position. A list is one value.
//!
//! Sections are identified by name; anonymous sections are matched from state to state (`follow`).

mod follow;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::commit::merge::join;
use crate::format::{Format, ParseOptions};
use crate::log::{self, Content, KeyChange, What};
use crate::model::package::{Held, Package, Wanted};

/// A text of a package; `None` if the package does not exist.
pub(crate) type Text = Option<Arc<Vec<u8>>>;

/// A change of the text of a package by one transaction, or by several consecutive ones that stay.
#[derive(Debug)]
pub(crate) struct TextChange {
    /// Whether it will be reverted.
    pub is_reverted: bool,
    /// The texts before and after; `None` if the log no longer has them.
    pub texts: Option<(Text, Text)>,
    /// The changed keys; may be empty for changes that stay.
    pub changes: Vec<KeyChange>,
}

/// The result of reverting transactions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reverted {
    /// The new text; `None` if the package is deleted.
    Text(Option<Vec<u8>>),
    /// The present text cannot be read: this is the whole earlier text.
    Whole(Option<Vec<u8>>),
}

/// The identity of a section in all states of a package.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Id {
    Named(Vec<u8>),
    Anonymous(usize),
}

/// A section in one state.
#[derive(Debug, Clone)]
struct Section {
    id: Id,
    /// The name, given or generated.
    name: Vec<u8>,
    /// The content, and the position in the present text.
    is: Wanted,
}

/// Reverts changes in the present text of a package. The changes are in the order they were made; the first one is
/// reverted, and the last one led to the present text.
pub(crate) fn revert(
    format: &dyn Format,
    name: &str,
    text_changes: &[TextChange],
    present: &Text,
) -> Reverted {
    let first = text_changes.iter().find_map(|text_change| text_change.texts.as_ref());
    let before = first.and_then(|(before, _)| before.as_ref()).map(|text| text.to_vec());
    let whole_is_known = text_changes.first().is_some_and(|text_change| text_change.texts.is_some());
    if whole_is_known && text_changes.iter().all(|text_change| text_change.is_reverted) {
        return Reverted::Text(before);
    }
    let Some(package) = read_text(format, name, present) else { return Reverted::Whole(before) };
    let Some(states) = states(format, name, text_changes, &package) else { return Reverted::Whole(before) };
    let mut target = states.present;
    let mut is_there = present.is_some();
    for (text_change, state) in
        text_changes.iter().zip(&states.text_changes).rev().filter(|(text_change, _)| text_change.is_reverted)
    {
        match state {
            Some((was, is)) => undo_changes(&mut target, was, is),
            None => {
                let (was, is) = sections_of(&text_change.changes, &target);
                undo_changes(&mut target, &was, &is);
            }
        }
        match &text_change.texts {
            // A package that the change has created is deleted.
            Some((None, Some(_))) => {
                target.clear();
                is_there = false;
            }
            Some((Some(_), None)) => is_there = true,
            _ => is_there |= !target.is_empty(),
        }
    }
    if !is_there {
        return Reverted::Text(None);
    }
    let target: Vec<Wanted> = target.into_iter().map(|section| section.is).collect();
    match revert_lines(format, name, text_changes, present, &target)
        .or_else(|| rewrite_sections(format, &package, &target))
    {
        Some(text) => Reverted::Text(Some(text)),
        None => Reverted::Whole(before),
    }
}

/// The sections before and after each change whose texts are known, and the present ones.
struct States {
    text_changes: Vec<Option<(Vec<Section>, Vec<Section>)>>,
    present: Vec<Section>,
}

/// Parses all states, and matches the sections through them. `None` if a state cannot be parsed.
fn states(format: &dyn Format, name: &str, text_changes: &[TextChange], present: &Package) -> Option<States> {
    let read = |text: &Text| format.read_leniently(name, &text.clone().unwrap_or_default());
    let mut found = Vec::with_capacity(text_changes.len());
    let mut next = 0;
    let mut last: Option<Vec<Section>> = None;
    for text_change in text_changes {
        let Some((before, after)) = &text_change.texts else {
            found.push(None);
            last = None;
            continue;
        };
        let was = match last.take() {
            Some(last) => last,
            None => follow::begin(sections(&read(before)?), &mut next),
        };
        let is = follow::follow(&was, sections(&read(after)?), &mut next);
        last = Some(is.clone());
        found.push(Some((was, is)));
    }
    let mut now = sections(present);
    for (place, section) in now.iter_mut().enumerate() {
        section.is.place = Some(place);
    }
    let now = match &last {
        Some(last) => follow::follow(last, now, &mut next),
        None => follow::begin(now, &mut next),
    };
    Some(States { text_changes: found, present: now })
}

/// Reads a text; a package without one is empty.
fn read_text(format: &dyn Format, name: &str, text: &Text) -> Option<Package> {
    format.read_strictly(name, &text.clone().unwrap_or_default()).ok()
}

fn sections(package: &Package) -> Vec<Section> {
    let section = |section: crate::model::package::Section<'_>| {
        let name = section.name().to_vec();
        let given = (!section.is_anonymous()).then(|| name.clone());
        let options = section.options().map(|option| (option.name().to_vec(), Held::of(option.value())));
        Section {
            id: given.clone().map_or(Id::Anonymous(usize::MAX), Id::Named),
            is: Wanted {
                place: None,
                kind: section.section_type().to_vec(),
                name: given,
                options: options.collect(),
            },
            name,
        }
    };
    package.sections().map(section).collect()
}

/// Reverts in `target` the changes from state `was` to state `is`.
fn undo_changes(target: &mut Vec<Section>, was: &[Section], is: &[Section]) {
    let (before, after) = (by_id(was), by_id(is));
    target.retain(|section| !after.contains_key(&section.id) || before.contains_key(&section.id));
    let moved = moved_sections(was, &before, is, &after);
    // The sections to insert. They are removed first, so that none of them is inserted relative to another.
    let mut out = Vec::new();
    for (at, old) in was.iter().enumerate() {
        let new = after.get(&old.id).map(|at| &is[*at]);
        let is_moved = moved.contains(&old.id);
        if new.is_some_and(|new| new.is == old.is) && !is_moved {
            continue;
        }
        let here = target.iter().position(|section| section.id == old.id);
        match (here, new) {
            (Some(here), Some(new)) => {
                put_back(&mut target[here].is, &old.is, &new.is);
                if is_moved {
                    out.push((at, target.remove(here)));
                }
            }
            (here, _) => {
                let place = here.and_then(|here| target.remove(here).is.place);
                let mut whole = old.clone();
                whole.is.place = place;
                out.push((at, whole));
            }
        }
    }
    for (at, section) in out {
        let place_of = |other: &Section| target.iter().position(|section| section.id == other.id);
        let behind = was[..at].iter().rev().find_map(place_of).map(|place| place + 1);
        let place = behind.or_else(|| was[at + 1..].iter().find_map(place_of));
        target.insert(place.unwrap_or(target.len()), section);
    }
}

fn by_id(sections: &[Section]) -> HashMap<&Id, usize> {
    let mut places = HashMap::with_capacity(sections.len());
    for (place, section) in sections.iter().enumerate() {
        places.entry(&section.id).or_insert(place);
    }
    places
}

/// Finds the sections, of those in both states, whose order has changed.
fn moved_sections<'s>(
    was: &'s [Section],
    before: &HashMap<&Id, usize>,
    is: &'s [Section],
    after: &HashMap<&Id, usize>,
) -> HashSet<&'s Id> {
    let stayed = was.iter().filter(|section| after.contains_key(&section.id)).map(|section| &section.id);
    let now: Vec<&Id> = is.iter().map(|section| &section.id).filter(|id| before.contains_key(id)).collect();
    if stayed.eq(now.iter().copied()) {
        return HashSet::new();
    }
    let order: Vec<usize> = now.iter().map(|id| before[*id]).collect();
    let stays = log::longest_rising(&order);
    now.into_iter().enumerate().filter(|(at, _)| !stays.contains(at)).map(|(_, id)| id).collect()
}

/// Reverts the changes of one section.
fn put_back(target: &mut Wanted, was: &Wanted, is: &Wanted) {
    if was.kind != is.kind {
        target.kind.clone_from(&was.kind);
    }
    let (before, after): (HashMap<_, _>, HashMap<_, _>) = (
        was.options.iter().map(|(name, held)| (name, held)).collect(),
        is.options.iter().map(|(name, held)| (name, held)).collect(),
    );
    target.options.retain(|(name, _)| before.contains_key(name) || !after.contains_key(name));
    for (name, held) in was.options.iter().filter(|(name, held)| after.get(name) != Some(&held)) {
        match target.options.iter_mut().find(|(other, _)| other == name) {
            Some((_, now)) => now.clone_from(held),
            None => target.options.push((name.clone(), held.clone())),
        }
    }
}

/// Builds the sections before and after changes, with the changed keys only. It replaces texts that the log no
/// longer has.
fn sections_of(changes: &[KeyChange], target: &[Section]) -> (Vec<Section>, Vec<Section>) {
    let (mut was, mut is) = (Vec::<Section>::new(), Vec::<Section>::new());
    let at =
        |sections: &mut Vec<Section>, name: &[u8]| match sections.iter().position(|found| found.name == name)
        {
            Some(at) => at,
            None => {
                let here = target.iter().find(|found| found.name == name);
                let id = here.map_or_else(|| Id::Named(name.to_vec()), |here| here.id.clone());
                let kind = here.map(|here| here.is.kind.clone()).unwrap_or_default();
                let given = here.map_or(!is_generated(name), |here| here.is.name.is_some());
                let name_given = given.then(|| name.to_vec());
                let is = Wanted { place: None, kind, name: name_given, options: Vec::new() };
                sections.push(Section { id, name: name.to_vec(), is });
                sections.len() - 1
            }
        };
    for change in changes {
        if matches!(change.what, What::Moved { .. }) {
            continue;
        }
        let (old, new) = change.values();
        let is_whole = change.option.is_none() && (old.is_none() || new.is_none());
        for (sections, content) in [(&mut was, old), (&mut is, new)] {
            // A section that is not added or deleted exists before and after.
            if is_whole && content.is_none() {
                continue;
            }
            let whole_change = |other: &KeyChange| {
                other.option.is_none() && other.section == change.section && {
                    let (old, new) = other.values();
                    old.is_none() || new.is_none()
                }
            };
            if content.is_none() && changes.iter().any(whole_change) {
                continue;
            }
            let place = at(sections, &change.section);
            match (&change.option, content) {
                (None, Some(Content::String(kind))) => sections[place].is.kind.clone_from(kind),
                (Some(option), Some(content)) => {
                    let held = match content {
                        Content::String(string) => Held::String(string.clone()),
                        Content::List(items) => Held::List(items.clone()),
                    };
                    sections[place].is.options.push((option.clone(), held));
                }
                _ => {}
            }
        }
    }
    (was, is)
}

/// Reports whether a name looks generated.
fn is_generated(name: &[u8]) -> bool {
    let digits = name.strip_prefix(b"cfg");
    digits.is_some_and(|digits| digits.len() >= 6 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Reverts the changes line by line, which restores comments as well. `None` if other changes touch the same lines,
/// or if the result is not `target`.
fn revert_lines(
    format: &dyn Format,
    name: &str,
    text_changes: &[TextChange],
    present: &Text,
    target: &[Wanted],
) -> Option<Vec<u8>> {
    let bytes = |text: &Text| text.as_ref().map_or_else(Vec::new, |text| text.to_vec());
    let mut text = bytes(present);
    for text_change in text_changes.iter().rev().filter(|text_change| text_change.is_reverted) {
        let (before, after) = text_change.texts.as_ref()?;
        let (before, after) = (bytes(before), bytes(after));
        let (back, since) = (log::compare_texts(&after, &before), log::compare_texts(&after, &text));
        text = join(&back, &since, &text)?;
    }
    let package = format.read_strictly(name, &Arc::new(text.clone())).ok()?;
    let found = sections(&package);
    let is_right = found.len() == target.len() && found.iter().zip(target).all(|(a, b)| is_alike(&a.is, b));
    is_right.then_some(text)
}

/// Reports whether two sections have the same content, in any order of options.
fn is_alike(a: &Wanted, b: &Wanted) -> bool {
    let sorted = |section: &Wanted| {
        let mut options = section.options.clone();
        options.sort();
        options
    };
    a.kind == b.kind && a.name == b.name && sorted(a) == sorted(b)
}

/// Edits the text of the package to have the wanted sections; if that fails, prints a new text.
fn rewrite_sections(format: &dyn Format, package: &Package, target: &[Wanted]) -> Option<Vec<u8>> {
    let options = ParseOptions::default();
    let mut edited = package.clone();
    edited.arrange(target).ok()?;
    if let Ok(written) = format.rewrite(package, &edited, &options) {
        return Some(written.source().to_vec());
    }
    let text = format.print(&edited, false);
    let again = format.read(package.name(), Arc::new(text.clone()), &options).ok()?;
    (again.package == edited).then_some(text)
}

#[cfg(test)]
mod tests;
