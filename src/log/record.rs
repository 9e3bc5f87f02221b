//! One record of the log: a transaction, with all it changed.
//!
//! The bytes of a record (numbers and strings as in `wire`):
//!
//! ```text
//! record  = sequence time uid pid kind refers source message guard packages
//! time    = microseconds since 1970, never before that of the record before it
//! guard   = 0 | 1 milliseconds boot started baseline
//! package = name flags [before] after hunks changes
//! before  = after = length hash
//! ```

use super::change::KeyChange;
use super::hunks::{self, Hunk};
use super::wire::{Reader, put_bytes, put_number};

/// What made a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A commit.
    Commit,
    /// Someone changed a package file without this library, with an editor for example.
    FileEdit,
    /// A package is seen for the first time: what its text is, and no change.
    Baseline,
    /// The changes of one transaction were taken back.
    Undo,
    /// The store was brought back to an earlier revision, or to what a file holds.
    Rollback,
    /// A commit that was to be confirmed was confirmed.
    Confirm,
    /// What the packages were at the start of a segment.
    Heads,
}

const KINDS: [Kind; 7] =
    [Kind::Commit, Kind::FileEdit, Kind::Baseline, Kind::Undo, Kind::Rollback, Kind::Confirm, Kind::Heads];

impl Kind {
    /// Returns the kind in words, as it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::FileEdit => "file-edit",
            Self::Baseline => "baseline",
            Self::Undo => "undo",
            Self::Rollback => "rollback",
            Self::Confirm => "confirm",
            Self::Heads => "heads",
        }
    }

    fn number(self) -> u8 {
        KINDS.iter().zip(0..).find(|(kind, _)| **kind == self).map_or(0, |(_, number)| number)
    }
}

/// Length and hash of a text: enough to know it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest {
    pub len: u64,
    pub hash: u64,
}

impl Digest {
    pub fn of(text: &[u8]) -> Self {
        Self { len: text.len() as u64, hash: crate::map::of_text(text) }
    }
}

/// What a transaction changed in one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// The package.
    pub package: String,
    /// The text before; `None` if there was no file.
    pub(crate) before: Option<Digest>,
    /// The text after.
    pub(crate) after: Digest,
    /// Whether the text before is not known, so that what was changed cannot be told.
    pub unknown: bool,
    /// The change of the text, byte for byte.
    pub hunks: Vec<Hunk>,
    /// The change key by key.
    pub changes: Vec<KeyChange>,
}

/// A commit that is taken back unless it is confirmed in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// How long there is to confirm it, in milliseconds of running time.
    pub milliseconds: u64,
    /// Which run of the system it was made in.
    pub(crate) boot: [u8; 16],
    /// How long the system had been running, in milliseconds.
    pub(crate) started: u64,
    /// The revision that is gone back to.
    pub baseline: u64,
}

/// A transaction as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number: one more than that of the transaction before it. The revision of the store after it.
    pub sequence: u64,
    /// When: microseconds since 1970. It never goes back, whatever the clock does.
    pub time: u64,
    /// Who: the user's number.
    pub uid: u32,
    /// Which process.
    pub pid: u32,
    /// What made it.
    pub kind: Kind,
    /// The transaction an undo or a confirmation is about, the revision a rollback went back to; else 0.
    pub refers: u64,
    /// Through what: `cms`, `c-pid-42`, or whatever a program calls itself.
    pub source: String,
    /// What the author had to say.
    pub message: String,
    /// Set if it is taken back unless it is confirmed.
    pub guard: Option<Guard>,
    /// What it changed.
    pub packages: Vec<PackageChange>,
}

impl Record {
    /// Returns what it changed in a package.
    #[must_use]
    pub fn package(&self, name: &str) -> Option<&PackageChange> {
        self.packages.iter().find(|change| change.package == name)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        put_number(&mut out, self.sequence);
        put_number(&mut out, self.time);
        put_number(&mut out, self.uid.into());
        put_number(&mut out, self.pid.into());
        out.push(self.kind.number());
        put_number(&mut out, self.refers);
        put_bytes(&mut out, self.source.as_bytes());
        put_bytes(&mut out, self.message.as_bytes());
        out.push(u8::from(self.guard.is_some()));
        if let Some(guard) = &self.guard {
            put_number(&mut out, guard.milliseconds);
            out.extend_from_slice(&guard.boot);
            put_number(&mut out, guard.started);
            put_number(&mut out, guard.baseline);
        }
        put_number(&mut out, self.packages.len() as u64);
        for package in &self.packages {
            put_bytes(&mut out, package.package.as_bytes());
            out.push(u8::from(package.before.is_some()) | u8::from(package.unknown) << 1);
            for digest in package.before.iter().chain([&package.after]) {
                put_number(&mut out, digest.len);
                out.extend_from_slice(&digest.hash.to_le_bytes());
            }
            hunks::put(&mut out, &package.hunks);
            put_number(&mut out, package.changes.len() as u64);
            package.changes.iter().for_each(|change| change.put(&mut out));
        }
        out
    }

    /// Reads a record. `None` if it is damaged, or by a later version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode_with(bytes, read_package)
    }

    /// As [`Record::decode`], without what was changed within packages: for who only follows the log.
    pub(super) fn decode_outline(bytes: &[u8]) -> Option<Self> {
        Self::decode_with(bytes, |reader| {
            let package = read_digests(reader)?;
            hunks::skip(reader)?;
            (0..reader.len()?).try_for_each(|_| KeyChange::skip(reader))?;
            Some(package)
        })
    }

    fn decode_with(
        bytes: &[u8],
        package: impl FnMut(&mut Reader<'_>) -> Option<PackageChange>,
    ) -> Option<Self> {
        let mut reader = Reader(bytes);
        let r = &mut reader;
        Some(Self {
            sequence: r.number()?,
            time: r.number()?,
            uid: r.u32()?,
            pid: r.u32()?,
            kind: *KINDS.get(usize::from(r.byte()?))?,
            refers: r.number()?,
            source: r.text()?,
            message: r.text()?,
            guard: match r.byte()? {
                0 => None,
                _ => Some(Guard {
                    milliseconds: r.number()?,
                    boot: r.take(16)?.try_into().ok()?,
                    started: r.number()?,
                    baseline: r.number()?,
                }),
            },
            packages: r.many(package)?,
        })
    }
}

fn read_package(reader: &mut Reader<'_>) -> Option<PackageChange> {
    let digests = read_digests(reader)?;
    Some(PackageChange { hunks: hunks::read(reader)?, changes: reader.many(KeyChange::read)?, ..digests })
}

/// Reads which package it is, and from what state to what state it went.
fn read_digests(reader: &mut Reader<'_>) -> Option<PackageChange> {
    let package = reader.text()?;
    let flags = reader.byte()?;
    let before = if flags & 1 == 1 { Some(read_digest(reader)?) } else { None };
    Some(PackageChange {
        package,
        before,
        after: read_digest(reader)?,
        unknown: flags & 2 != 0,
        hunks: Vec::new(),
        changes: Vec::new(),
    })
}

fn read_digest(reader: &mut Reader<'_>) -> Option<Digest> {
    let len = reader.number()?;
    Some(Digest { len, hash: u64::from_le_bytes(reader.take(8)?.try_into().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::change::{Content, What};

    fn sample() -> Record {
        let text = |text: &str| Content::String(text.into());
        let change =
            |option: &str, what| KeyChange { section: b"lan".to_vec(), option: Some(option.into()), what };
        Record {
            sequence: 300,
            time: 1_700_000_000_000_000,
            uid: 1000,
            pid: 4242,
            kind: Kind::Commit,
            refers: 0,
            source: "cms".into(),
            message: "a new address".into(),
            guard: Some(Guard { milliseconds: 300_000, boot: [7; 16], started: 99, baseline: 299 }),
            packages: vec![PackageChange {
                package: "network".into(),
                before: Some(Digest::of(b"old")),
                after: Digest::of(b"new"),
                unknown: false,
                hunks: hunks::compare(b"a\nb\n", b"a\nc\n"),
                changes: vec![
                    change("ipaddr", What::Changed { old: text("10.0.0.1"), new: text("10.0.0.2") }),
                    change("dns", What::Added(Content::List(vec![b"1.1.1.1".to_vec(), Vec::new()]))),
                    change("gone", What::Deleted(Content::List(Vec::new()))),
                ],
            }],
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_no_part_of_it_does() {
        let mut record = sample();
        let moved = What::Moved { old: 3, new: 300 };
        record.packages[0].changes.push(KeyChange { section: b"a".to_vec(), option: None, what: moved });
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes).as_ref(), Some(&record));
        let mut outline = record.clone();
        outline.packages[0].hunks.clear();
        outline.packages[0].changes.clear();
        assert_eq!(Record::decode_outline(&bytes).as_ref(), Some(&outline));
        for len in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..len]), None, "{len}");
            assert_eq!(Record::decode_outline(&bytes[..len]), None, "{len}");
        }
    }

    #[test]
    fn the_bytes_of_a_record_are_pinned() {
        // Another version has to read these: change the version of segments before you change them.
        assert_eq!(crate::map::of_text(&sample().encode()), 433_517_452_247_698_739);
    }

    #[test]
    fn every_kind_has_a_number() {
        for (number, kind) in (0..).zip(KINDS) {
            assert_eq!(kind.number(), number);
        }
    }
}
