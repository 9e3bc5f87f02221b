//! The changes of a text, byte for byte: the pieces that were removed and inserted.
//!
//! Lines that are the same at both ends are left out. The lines between are compared one by one. A line that occurs
//! more than once is matched with its next occurrence: the hunks are not always the shortest, but always correct.

use std::collections::HashMap;

use crate::bytes;

use super::wire::{Out, Reader, put_bytes, put_number};

/// A replaced piece of a text: its offset in the old text, the bytes removed there and the bytes inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hunk {
    /// The offset in the text before, in bytes.
    pub at: usize,
    /// The bytes that were removed.
    pub removed: Vec<u8>,
    /// The bytes that were inserted.
    pub inserted: Vec<u8>,
}

/// Returns the hunks that turn one text into the other, in the order of the text.
pub(crate) fn compare(old: &[u8], new: &[u8]) -> Vec<Hunk> {
    let head = alike(old.chunks(CHUNK), new.chunks(CHUNK), |a, b| {
        a.iter().zip(b).take_while(|(a, b)| a == b).count()
    });
    // Go back to the start of the line, so that hunks consist of whole lines.
    let head = old[..head].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = alike(old_rest.rchunks(CHUNK), new_rest.rchunks(CHUNK), |a, b| {
        a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
    });
    let same = &old_rest[old_rest.len() - tail..];
    // Equal bytes at the end count only from the start of a line.
    let tail = bytes::find(b'\n', same).map_or(0, |at| tail - at - 1);
    let (old_middle, new_middle) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    match (old_middle, new_middle) {
        ([], []) => Vec::new(),
        // One side has no lines to match.
        ([], _) | (_, []) => {
            vec![Hunk { at: head, removed: old_middle.to_vec(), inserted: new_middle.to_vec() }]
        }
        _ => between(old_middle, new_middle, head),
    }
}

/// How many bytes are compared at once until the first difference.
const CHUNK: usize = 256;

/// Counts the equal bytes at one end of two texts, which are given in pieces; `count` counts within the first pieces
/// that differ.
fn alike<'t>(
    old: impl Iterator<Item = &'t [u8]>,
    new: impl Iterator<Item = &'t [u8]>,
    count: impl Fn(&[u8], &[u8]) -> usize,
) -> usize {
    let mut same = 0;
    for (a, b) in old.zip(new) {
        if a != b {
            return same + count(a, b);
        }
        same += a.len();
    }
    same
}

/// Compares line by line. `base` is the offset of the texts.
fn between(old: &[u8], new: &[u8], base: usize) -> Vec<Hunk> {
    let old_lines = lines(old);
    let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (index, range) in old_lines.iter().enumerate() {
        places.entry(&old[range.clone()]).or_default().push(index);
    }
    let mut hunks = Vec::new();
    // The position up to which both texts are compared, and the next line of the old text.
    let (mut old_at, mut new_at, mut next) = (0, 0, 0);
    let mut push = |at: usize, removed: &[u8], inserted: &[u8]| {
        if !removed.is_empty() || !inserted.is_empty() {
            hunks.push(Hunk { at: base + at, removed: removed.to_vec(), inserted: inserted.to_vec() });
        }
    };
    for range in lines(new) {
        let Some(found) = places.get(&new[range.clone()]) else { continue };
        let first = found.partition_point(|index| *index < next);
        // A single common line far away is worth less than the lines that would be skipped for it.
        let Some(index) = found.get(first).filter(|index| **index - next < 64) else { continue };
        let line = &old_lines[*index];
        push(old_at, &old[old_at..line.start], &new[new_at..range.start]);
        (old_at, new_at, next) = (line.end, range.end, index + 1);
    }
    push(old_at, &old[old_at..], &new[new_at..]);
    hunks
}

/// Returns the ranges of the lines, each with its newline.
fn lines(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    let mut lines: Vec<_> =
        bytes::positions(b'\n', text).map(|at| std::mem::replace(&mut start, at + 1)..at + 1).collect();
    if start < text.len() {
        lines.push(start..text.len());
    }
    lines
}

/// Returns the text after the hunks; `None` if they were not made from this text.
pub(crate) fn apply(old: &[u8], hunks: &[Hunk]) -> Option<Vec<u8>> {
    let mut new = Vec::with_capacity(old.len());
    let mut done = 0;
    for hunk in hunks {
        new.extend_from_slice(old.get(done..hunk.at)?);
        done = hunk.at.checked_add(hunk.removed.len())?;
        if old.get(hunk.at..done)? != hunk.removed {
            return None;
        }
        new.extend_from_slice(&hunk.inserted);
    }
    new.extend_from_slice(old.get(done..)?);
    Some(new)
}

/// Returns the text before the hunks; `None` if this is not the text after them.
pub(crate) fn revert(new: &[u8], hunks: &[Hunk]) -> Option<Vec<u8>> {
    let mut old = Vec::with_capacity(new.len());
    let mut done = 0;
    for hunk in hunks {
        let unchanged = hunk.at.checked_sub(old.len())?;
        let end = done + unchanged;
        old.extend_from_slice(new.get(done..end)?);
        done = end.checked_add(hunk.inserted.len())?;
        if new.get(end..done)? != hunk.inserted {
            return None;
        }
        old.extend_from_slice(&hunk.removed);
    }
    old.extend_from_slice(new.get(done..)?);
    Some(old)
}

pub(super) fn put(out: &mut impl Out, hunks: &[Hunk]) {
    put_number(out, hunks.len() as u64);
    for hunk in hunks {
        put_number(out, hunk.at as u64);
        put_bytes(out, &hunk.removed);
        put_bytes(out, &hunk.inserted);
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Vec<Hunk>> {
    reader.many(|reader| {
        Some(Hunk {
            at: reader.len()?,
            removed: reader.bytes()?.to_vec(),
            inserted: reader.bytes()?.to_vec(),
        })
    })
}

/// Skips hunks in the bytes, without decoding them.
pub(super) fn skip(reader: &mut Reader<'_>) -> Option<()> {
    (0..reader.len()?).try_for_each(|_| {
        reader.len()?;
        reader.bytes()?;
        reader.bytes().map(|_| ())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(old: &[u8], new: &[u8]) -> Vec<Hunk> {
        let hunks = compare(old, new);
        assert_eq!(apply(old, &hunks).as_deref(), Some(new));
        assert_eq!(revert(new, &hunks).as_deref(), Some(old));
        let mut bytes = Vec::new();
        put(&mut bytes, &hunks);
        assert_eq!(read(&mut Reader(&bytes)).as_ref(), Some(&hunks));
        hunks
    }

    #[test]
    fn only_the_lines_that_changed_are_kept() {
        let old =
            b"config a 'x'\n\toption p '1'\n\toption q '2'\n\nconfig a 'y'\n\toption p '1'\n\toption q '2'\n";
        let new =
            b"config a 'x'\n\toption p '9'\n\toption q '2'\n\nconfig a 'y'\n\toption p '1'\n\toption q '8'\n";
        let hunks = check(old, new);
        assert_eq!(hunks.len(), 2);
        assert_eq!(
            (hunks[0].removed.as_slice(), hunks[0].inserted.as_slice()),
            (&b"\toption p '1'\n"[..], &b"\toption p '9'\n"[..])
        );
        assert_eq!(check(old, old), []);
        assert_eq!(check(b"", new).len(), 1);
        assert_eq!(check(new, b"").len(), 1);
        assert_eq!(check(b"a\nb", b"a\nb\n").len(), 1);
    }

    #[test]
    fn hunks_of_another_text_are_refused() {
        let hunks = compare(b"a\nb\nc\n", b"a\nB\nc\n");
        assert_eq!(apply(b"a\nx\nc\n", &hunks), None);
        assert_eq!(revert(b"a\nx\nc\n", &hunks), None);
        assert_eq!(apply(b"", &hunks), None);
        assert_eq!(revert(b"", &hunks), None);
    }

    proptest! {
        #[test]
        fn hunks_lead_from_one_text_to_another_and_back(
            old in prop::collection::vec(prop::sample::select(vec!["a\n", "b\n", "c", "\n", "dd\n"]), 0..20),
            new in prop::collection::vec(prop::sample::select(vec!["a\n", "b\n", "c", "\n", "dd\n"]), 0..20),
        ) {
            check(old.concat().as_bytes(), new.concat().as_bytes());
        }
    }
}
