//! Events: a transaction, and those of its changes that a pattern selects.

use std::collections::HashMap;
use std::sync::Arc;

use super::pattern::Pattern;
use crate::log::{Content, Digest, KeyChange, Kind, PackageChange, Record, What};

/// A transaction, with all its changes that the pattern of the watch selects, in order.
#[derive(Debug, Clone)]
pub struct Event {
    record: Arc<Record>,
    /// The number of the first transaction of a merged event.
    first: u64,
    /// The selected changes: the index of the package in the record, and of the change in the package.
    picked: Vec<(usize, usize)>,
    /// The indexes of packages whose changes are not known.
    unknown: Vec<usize>,
}

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// Keys have changed.
    Changed,
    /// A text was saved that cannot be parsed. Readers keep getting the last good state. [`Record::problem`] names
    /// the error and its position.
    Broken,
    /// A broken text was mended. The changes are the differences to the last good state.
    Mended,
}

/// A change of one key.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Changed<'e> {
    /// The package.
    pub package: &'e str,
    /// The section, the option, and the change.
    pub change: &'e KeyChange,
}

impl Event {
    /// Makes an event of the changes that a pattern selects; `None` if it selects none.
    pub(crate) fn of(record: Arc<Record>, pattern: &Pattern) -> Option<Self> {
        if matches!(record.kind, Kind::Baseline | Kind::Heads) {
            return None;
        }
        let (mut picked, mut unknown) = (Vec::new(), Vec::new());
        for (package, change) in record.packages.iter().enumerate() {
            if !pattern.selects_package(&change.package) {
                continue;
            }
            if change.unknown {
                unknown.push(package);
            }
            let selected = |(_, key): &(usize, &KeyChange)| pattern.selects(&change.package, key);
            let found = change.changes.iter().enumerate().filter(selected);
            picked.extend(found.map(|(index, _)| (package, index)));
        }
        let of_text = record.problem().is_some() || record.mends();
        let concerns = record.packages.iter().any(|change| pattern.selects_package(&change.package));
        let is_selected = !picked.is_empty() || !unknown.is_empty() || of_text && concerns;
        is_selected.then(|| Self { first: record.sequence, record, picked, unknown })
    }

    /// Makes an event of the confirmation of a commit, which changes nothing; `None` if the record is no
    /// confirmation, or if the pattern does not select everything.
    pub(crate) fn of_confirmation(record: Arc<Record>, pattern: &Pattern) -> Option<Self> {
        let is_selected = record.kind == Kind::Confirm && pattern.selects_all();
        is_selected.then(|| Self { first: record.sequence, record, picked: Vec::new(), unknown: Vec::new() })
    }

    /// Returns the number of the transaction. A watch opened since this number continues with the next transaction.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.record.sequence
    }

    /// Returns the number of the first transaction in it. It differs from [`Event::sequence`] only in merged
    /// events.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Returns the kind of the event.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match (self.record.problem(), self.record.mends()) {
            (Some(_), _) => EventKind::Broken,
            (None, true) => EventKind::Mended,
            (None, false) => EventKind::Changed,
        }
    }

    /// Returns the whole transaction; of a merged event, the last one.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Returns the changes.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = Changed<'_>> {
        self.picked.iter().map(|(package, index)| {
            let package = &self.record.packages[*package];
            Changed { package: &package.package, change: &package.changes[*index] }
        })
    }

    /// Returns a change by its index.
    #[must_use]
    pub fn change(&self, index: usize) -> Option<Changed<'_>> {
        self.changes().nth(index)
    }

    /// Returns the packages edited by hand whose changes are not known, since the log does not have their text before
    /// the edit.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(|package| self.record.packages[*package].package.as_str())
    }

    /// Merges two events, of which `next` is the later: each key has one change, from its content before both to
    /// its content after both. A key with the same content has none.
    #[must_use]
    pub fn merge(&self, next: &Self) -> Self {
        let mut order: Vec<(&str, KeyChange)> = Vec::new();
        let mut places: HashMap<_, usize> = HashMap::new();
        for Changed { package, change } in self.changes().chain(next.changes()) {
            let moved = matches!(change.what, What::Moved { .. });
            let key = (package, change.section.as_slice(), change.option.as_deref(), moved);
            match places.get(&key) {
                Some(place) => {
                    let merged = then(&order[*place].1, change);
                    order[*place].1 = merged;
                }
                None => {
                    places.insert(key, order.len());
                    order.push((package, change.clone()));
                }
            }
        }
        let mut packages: Vec<PackageChange> = Vec::new();
        let unknown = |package: &str| self.unknown().chain(next.unknown()).any(|name| name == package);
        let names = order.iter().map(|(package, _)| *package).chain(self.unknown()).chain(next.unknown());
        for name in names {
            if !packages.iter().any(|package| package.package == name) {
                let none = Digest { len: 0, hash: 0 };
                packages.push(PackageChange { unknown: unknown(name), ..PackageChange::new(name, none) });
            }
        }
        for (name, change) in &order {
            let package = packages.iter_mut().find(|package| package.package == *name);
            package
                .filter(|_| !change.is_none())
                .into_iter()
                .for_each(|package| package.changes.push(change.clone()));
        }
        let all =
            |package: usize, change: &PackageChange| (0..change.changes.len()).map(move |i| (package, i));
        let picked = packages.iter().enumerate().flat_map(|(place, change)| all(place, change)).collect();
        let of_unknown = |(place, change): (usize, &PackageChange)| change.unknown.then_some(place);
        let unknown = packages.iter().enumerate().filter_map(of_unknown).collect();
        let record = Record { packages, ..Record::clone(&next.record) };
        Self { record: Arc::new(record), first: self.first, picked, unknown }
    }

    /// Reports whether the event has no changes: it confirms a commit, or merged changes have cancelled each other.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.picked.is_empty() && self.unknown.is_empty()
    }
}

/// Merges two changes of the same key.
fn then(first: &KeyChange, next: &KeyChange) -> KeyChange {
    let what = then_what(&first.what, &next.what);
    let merged = KeyChange { what, types: None, ..next.clone() };
    if first.types.is_none() && next.types.is_none() {
        return merged;
    }
    let ((old, _), (_, new)) = (first.value_types(), next.value_types());
    merged.with_types(old.unwrap_or_default(), new.unwrap_or_default())
}

/// A key that was added and deleted becomes a change from an empty list to an empty list.
fn then_what(first: &What, next: &What) -> What {
    let old = match first {
        What::Deleted(old) | What::Changed { old, .. } => Some(old),
        _ => None,
    };
    let new = match next {
        What::Added(new) | What::Changed { new, .. } => Some(new),
        _ => None,
    };
    match (first, next, old.cloned(), new.cloned()) {
        (What::Moved { old, .. }, What::Moved { new, .. }, ..) => What::Moved { old: *old, new: *new },
        (.., Some(old), Some(new)) => What::Changed { old, new },
        (.., Some(old), None) => What::Deleted(old),
        (.., None, Some(new)) => What::Added(new),
        (.., None, None) => What::Changed { old: Content::List(Vec::new()), new: Content::List(Vec::new()) },
    }
}

impl Changed<'_> {
    /// Returns `PACKAGE.SECTION[.OPTION]`.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        self.change.key(self.package)
    }

    /// Returns the kind of the change: `add`, `set`, `delete` or `reorder`. A rename is a deletion and an addition.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.change.what {
            What::Added(_) => "add",
            What::Changed { .. } => "set",
            What::Deleted(_) => "delete",
            What::Moved { .. } => "reorder",
        }
    }

    /// Returns the content of the key before; `None` if there was none, or if a section was moved.
    #[must_use]
    pub fn before(&self) -> Option<&Content> {
        self.change.values().0
    }

    /// Returns the content of the key after; `None` if there is none, or if a section was moved.
    #[must_use]
    pub fn after(&self) -> Option<&Content> {
        self.change.values().1
    }
}
