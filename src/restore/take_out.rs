//! Taking the changes of one transaction out of a text, while the later ones stay.
//!
//! A transaction and its undo leave the text as it was, and so do an undo and its redo. Both are left out first: the
//! changes between them are moved to the positions that they would have without them. So a transaction can be undone
//! after a later one of the same lines was undone.

use std::collections::{HashMap, HashSet};

use crate::log::{Hunk, Kind, Record};

/// A later change of the package.
pub(super) struct Later {
    /// The transaction; of an undo or redo the one that it takes back or makes again.
    of: u64,
    hunks: Vec<Hunk>,
}

/// Returns by how many bytes a hunk makes the text longer.
fn growth(hunk: &Hunk) -> isize {
    hunk.inserted.len().cast_signed() - hunk.removed.len().cast_signed()
}

/// Returns where the inserted bytes of each hunk begin in the text after all of them.
fn places_after(hunks: &[Hunk]) -> Vec<usize> {
    let mut longer = 0_isize;
    let place = |hunk: &Hunk| {
        let at = hunk.at.saturating_add_signed(longer);
        longer += growth(hunk);
        at
    };
    hunks.iter().map(place).collect()
}

/// The side of an earlier hunk that a later one is on.
enum Side {
    Before,
    Behind,
}

/// Returns the side on which `other` lies of the range that an earlier hunk has inserted; `None` if they overlap.
/// Adjacent hunks do not overlap, except two insertions at one place.
fn side(other: &Hunk, start: usize, end: usize) -> Option<Side> {
    let other_end = other.at + other.removed.len();
    let both_insert_here = start == end && other.at == start && other_end == start;
    match () {
        () if both_insert_here => None,
        () if other_end <= start => Some(Side::Before),
        () if other.at >= end => Some(Side::Behind),
        () => None,
    }
}

/// Moves the places of `hunks`, which are in the text before `later`, into the text after it. `None` if both have
/// changed the same lines.
fn follow(places: &mut [usize], hunks: &[Hunk], later: &[Hunk]) -> Option<()> {
    for (place, hunk) in places.iter_mut().zip(hunks) {
        let (start, end) = (*place, *place + hunk.inserted.len());
        let mut moved = 0_isize;
        for other in later {
            if matches!(side(other, start, end)?, Side::Before) {
                moved += growth(other);
            }
        }
        *place = start.saturating_add_signed(moved);
    }
    Some(())
}

/// Moves hunks to where they are in the text without `hunks`, which are at `places` in the text that they change. `None`
/// if both have changed the same lines.
fn without(moved: &[Hunk], hunks: &[Hunk], places: &[usize]) -> Option<Vec<Hunk>> {
    let one = |other: &Hunk| {
        let mut other = other.clone();
        let mut longer = 0_isize;
        for (hunk, start) in hunks.iter().zip(places) {
            if matches!(side(&other, *start, start + hunk.inserted.len())?, Side::Behind) {
                longer += growth(hunk);
            }
        }
        other.at = other.at.saturating_add_signed(-longer);
        Some(other)
    };
    moved.iter().map(one).collect()
}

/// Leaves out each transaction that is followed by its undo, and each undo that is followed by its redo. `later` has the
/// oldest first.
fn without_reversed(later: Vec<Later>) -> Vec<Later> {
    let mut left: Vec<Later> = Vec::new();
    for change in later {
        let reversed = left.iter().rposition(|one| one.of == change.of);
        let rest = reversed.and_then(|at| without_pair(&left[at..], &change));
        match (reversed, rest) {
            (Some(at), Some(rest)) => {
                left.truncate(at);
                left.extend(rest);
            }
            _ => left.push(change),
        }
    }
    left
}

/// Returns the changes between the first one and its reversal, as they are without both. `None` if they have changed the
/// same lines.
fn without_pair(changes: &[Later], reversal: &Later) -> Option<Vec<Later>> {
    let (first, between) = changes.split_first()?;
    let total = |change: &Later| change.hunks.iter().map(growth).sum::<isize>();
    let mut places = places_after(&first.hunks);
    let mut left = Vec::new();
    for change in between {
        left.push(Later { of: change.of, hunks: without(&change.hunks, &first.hunks, &places)? });
        follow(&mut places, &first.hunks, &change.hunks)?;
    }
    (total(first) == -total(reversal)).then_some(left)
}

/// Returns the text `now` without the hunks of a transaction; `None` if a later transaction has changed the same lines.
/// `later` has the oldest first.
pub(super) fn take_out(hunks: &[Hunk], later: Vec<Later>, now: &[u8]) -> Option<Vec<u8>> {
    let mut places = places_after(hunks);
    for change in without_reversed(later) {
        follow(&mut places, hunks, &change.hunks)?;
    }
    let mut text = now.to_vec();
    for (place, hunk) in places.into_iter().zip(hunks).rev() {
        let range = place..place + hunk.inserted.len();
        if text.get(range.clone()) != Some(hunk.inserted.as_slice()) {
            return None;
        }
        text.splice(range, hunk.removed.iter().copied());
    }
    Some(text)
}

/// The changes of a package since a transaction, while the log is read from its end.
#[derive(Default)]
pub(super) struct Since {
    changes: Vec<(u64, Vec<Hunk>)>,
    /// The undos and redos, each with the transaction that it reverses.
    reversals: HashMap<u64, u64>,
    /// The transactions that they reverse and that were not read yet.
    awaited: HashSet<u64>,
    /// Whether it is not known what one of them has changed.
    is_unknown: bool,
}

impl Since {
    /// Takes the next older record, which is later than the transaction.
    pub fn pass(&mut self, record: Record, package: &str) {
        self.pass_reversal(&record);
        let sequence = record.sequence;
        if let Some(change) = record.packages.into_iter().find(|change| change.package == package) {
            self.is_unknown |= change.unknown;
            self.changes.push((sequence, change.hunks));
        }
    }

    /// Takes the next older record, which is not later. Returns whether an older one has to be read.
    pub fn pass_older(&mut self, record: &Record) -> bool {
        if self.awaited.contains(&record.sequence) {
            self.pass_reversal(record);
        }
        !self.awaited.is_empty()
    }

    fn pass_reversal(&mut self, record: &Record) {
        self.awaited.remove(&record.sequence);
        if record.kind == Kind::Undo {
            self.reversals.insert(record.sequence, record.refers);
            self.awaited.insert(record.refers);
        }
    }

    /// Returns the changes, the oldest first; `None` if they are not known.
    pub fn oldest_first(mut self) -> Option<Vec<Later>> {
        let changes = std::mem::take(&mut self.changes).into_iter().rev();
        let later = changes.map(|(sequence, hunks)| Later { of: self.reversed_at_last(sequence), hunks });
        let later = later.collect();
        (!self.is_unknown).then_some(later)
    }

    /// Returns the transaction that an undo takes back, or a redo makes again.
    fn reversed_at_last(&self, mut sequence: u64) -> u64 {
        // A record names only earlier ones, so this ends.
        while let Some(reversed) = self.reversals.get(&sequence).filter(|reversed| **reversed < sequence) {
            sequence = *reversed;
        }
        sequence
    }
}
