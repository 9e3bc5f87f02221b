//! One record of the log: a transaction, with all it changed.
//!
//! The bytes of a record (numbers and strings as in `wire`):
//!
//! ```text
//! record  = sequence time uid pid kind refers source message guard packages
//! time    = microseconds since 1970, not before that of the record before it unless the clock was wrong
//! guard   = 0 | 1 milliseconds boot started baseline
//! package = name flags [before] after hunks changes
//! before  = after = length hash
//! flags   = 1: there is a text before, 2: it is unknown, 4: the changes are left out, 8: the file is gone after it
//! ```
//!
//! The text after a deletion is empty, for versions of cms that ignore flag 8.
//!
//! The changes of a package that was empty before are left out; the reader computes them from the text.

use std::sync::Arc;
use std::time::Duration;

use super::change::{self, KeyChange};
use super::hunks::{self, Hunk};
use super::wire::{Count, Out, Reader, put_bytes, put_number};
use crate::format::uci::{Dialect, ParseOptions, parse};
use crate::model::package::Package;
use crate::os::clock::Uptime;

/// The origin of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A commit.
    Commit,
    /// Someone changed a package file without this library, with an editor for example.
    FileEdit,
    /// The log sees a package for the first time: the record has its text, and no change.
    Baseline,
    /// The changes of one transaction were undone.
    Undo,
    /// Packages were rolled back to an earlier revision, or restored from an archive.
    Rollback,
    /// A commit that was to be confirmed was confirmed.
    Confirm,
    /// The state of all packages at the start of a segment.
    Heads,
}

impl Kind {
    /// All of them, in the order of their numbers in the log.
    pub const ALL: [Self; 7] = [
        Self::Commit,
        Self::FileEdit,
        Self::Baseline,
        Self::Undo,
        Self::Rollback,
        Self::Confirm,
        Self::Heads,
    ];

    /// Returns the name of the kind, for people.
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
        Self::ALL.iter().zip(0..).find(|(kind, _)| **kind == self).map_or(0, |(_, number)| number)
    }
}

/// Length and hash of a text: enough to recognize it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest {
    pub len: u64,
    pub hash: u64,
}

impl Digest {
    pub fn of(text: &[u8]) -> Self {
        Self { len: text.len() as u64, hash: crate::model::digest::of_text(text) }
    }
}

/// The change of one package by a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// The package.
    pub package: String,
    /// The text before; `None` if there was no file.
    pub(crate) before: Option<Digest>,
    /// The text after.
    pub(crate) after: Digest,
    /// Whether the package was deleted: its file is gone. The text after is empty then.
    pub deleted: bool,
    /// Whether the text before is unknown, so that the changes are unknown too.
    pub unknown: bool,
    /// The change of the text, byte for byte.
    pub hunks: Vec<Hunk>,
    /// The changes, key by key. In a record to be written they may be left out if the text before was empty.
    pub changes: Vec<KeyChange>,
}

impl PackageChange {
    /// Returns the digest of the text after; `None` if there is no file.
    pub(crate) fn left(&self) -> Option<Digest> {
        (!self.deleted).then_some(self.after)
    }

    /// Reports whether the package was created.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.before.is_none() && !self.unknown
    }

    /// Reports whether the changes are left out of the record, because they can be computed from the first text of
    /// the package, read as UCI. The writer of a UCI text then passes no changes; a record that was read has them.
    /// For a text in another format the record holds the changes, so that a log can be read without that format.
    fn is_implied_by_text(&self) -> bool {
        let Some(text) = self.first_text() else { return false };
        self.changes.is_empty() || self.changes == changes_of_text(text)
    }

    /// Returns the first text of a package that was empty before.
    fn first_text(&self) -> Option<&[u8]> {
        let was_empty = !self.unknown && self.before.is_none_or(|before| before.len == 0);
        match self.hunks.as_slice() {
            [Hunk { at: 0, removed, inserted }] if was_empty && removed.is_empty() => Some(inserted),
            _ => None,
        }
    }
}

/// A commit that is rolled back unless it is confirmed in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// The time to confirm it, in milliseconds of running time.
    pub milliseconds: u64,
    /// The id of the boot in which it was made.
    pub(crate) boot: [u8; 16],
    /// How long the system had been running, in milliseconds.
    pub(crate) started: u64,
    /// The revision to roll back to.
    pub baseline: u64,
}

impl Guard {
    /// Begins to count.
    pub(crate) fn new(time: Duration, now: Uptime, baseline: u64) -> Self {
        Self { milliseconds: millis(time), boot: now.boot, started: millis(now.running), baseline }
    }

    /// Returns how much time is left.
    pub(crate) fn left(&self, now: Uptime) -> Duration {
        let start = if now.boot == self.boot { self.started } else { 0 };
        let passed = millis(now.running).saturating_sub(start);
        Duration::from_millis(self.milliseconds.saturating_sub(passed))
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A transaction as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Its number: one more than that of the transaction before it. The revision of the store after it.
    pub sequence: u64,
    /// When: microseconds since 1970. It does not go back when the clock is set back a little, by an hour at most.
    pub time: u64,
    /// The number of the user.
    pub uid: u32,
    /// The process.
    pub pid: u32,
    /// Its origin.
    pub kind: Kind,
    /// For an undo or a confirmation, its transaction; for a rollback, the revision it returned to; else 0.
    pub refers: u64,
    /// The name that the program gave itself: `cms`, `c-pid-42` or any other.
    pub source: String,
    /// The author's message.
    pub message: String,
    /// Set if it is rolled back unless it is confirmed.
    pub guard: Option<Guard>,
    /// The packages that it changed.
    pub packages: Vec<PackageChange>,
}

impl Record {
    /// Returns its change of a package.
    #[must_use]
    pub fn package(&self, name: &str) -> Option<&PackageChange> {
        self.packages.iter().find(|change| change.package == name)
    }

    /// Returns how many bytes it takes.
    pub(super) fn len(&self) -> usize {
        let mut count = Count(0);
        self.put(&mut count);
        count.0
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        self.put(&mut out);
        out
    }

    pub(super) fn put(&self, out: &mut impl Out) {
        put_number(out, self.sequence);
        put_number(out, self.time);
        put_number(out, self.uid.into());
        put_number(out, self.pid.into());
        out.put(&[self.kind.number()]);
        put_number(out, self.refers);
        put_bytes(out, self.source.as_bytes());
        put_bytes(out, self.message.as_bytes());
        out.put(&[u8::from(self.guard.is_some())]);
        if let Some(guard) = &self.guard {
            put_number(out, guard.milliseconds);
            out.put(&guard.boot);
            put_number(out, guard.started);
            put_number(out, guard.baseline);
        }
        put_number(out, self.packages.len() as u64);
        for package in &self.packages {
            let first = package.is_implied_by_text();
            put_bytes(out, package.package.as_bytes());
            let flags = [package.before.is_some(), package.unknown, first, package.deleted];
            out.put(&[flags.iter().rev().fold(0, |flags, flag| flags << 1 | u8::from(*flag))]);
            for digest in package.before.iter().chain([&package.after]) {
                put_number(out, digest.len);
                out.put(&digest.hash.to_le_bytes());
            }
            hunks::put(out, &package.hunks);
            let changes = if first { &[][..] } else { &package.changes };
            put_number(out, changes.len() as u64);
            changes.iter().for_each(|change| change.put(out));
        }
    }

    /// Reads a record. `None` if it is damaged, or by a later version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode_with(bytes, read_package)
    }

    /// Reports whether bytes are exactly one record.
    pub(super) fn is_whole(bytes: &[u8]) -> bool {
        let mut rest = None;
        let read = Self::decode_rest(bytes, read_outline, &mut rest);
        read.is_some() && rest == Some(0)
    }

    /// As [`Record::decode`], without the changes within packages: for callers that need only the states of packages.
    pub(super) fn decode_outline(bytes: &[u8]) -> Option<Self> {
        Self::decode_with(bytes, read_outline)
    }

    fn decode_with(
        bytes: &[u8],
        package: impl FnMut(&mut Reader<'_>) -> Option<PackageChange>,
    ) -> Option<Self> {
        Self::decode_rest(bytes, package, &mut None)
    }

    /// As [`Record::decode_with`], and sets `rest` to the number of bytes behind the record.
    fn decode_rest(
        bytes: &[u8],
        package: impl FnMut(&mut Reader<'_>) -> Option<PackageChange>,
        rest: &mut Option<usize>,
    ) -> Option<Self> {
        let mut reader = Reader(bytes);
        let r = &mut reader;
        let read = Self {
            sequence: r.number()?,
            time: r.number()?,
            uid: r.u32()?,
            pid: r.u32()?,
            kind: *Kind::ALL.get(usize::from(r.byte()?))?,
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
        };
        *rest = Some(reader.0.len());
        Some(read)
    }
}

/// Reads a package without its hunks and changes.
fn read_outline(reader: &mut Reader<'_>) -> Option<PackageChange> {
    let (package, _) = read_digests(reader)?;
    hunks::skip(reader)?;
    (0..reader.len()?).try_for_each(|_| KeyChange::skip(reader))?;
    Some(package)
}

fn read_package(reader: &mut Reader<'_>) -> Option<PackageChange> {
    let (mut read, is_first) = read_digests(reader)?;
    read.hunks = hunks::read(reader)?;
    read.changes = reader.many(KeyChange::read)?;
    if is_first {
        read.changes = changes_of_text(read.first_text()?);
    }
    Some(read)
}

/// Reads the name of a package, its text before and after, and whether its changes are left out.
fn read_digests(reader: &mut Reader<'_>) -> Option<(PackageChange, bool)> {
    // The log may belong to another user, and the texts of its packages are placed in the configuration directory: it
    // must not name a file in another directory.
    let package = reader.text().filter(|name| crate::model::name::is_in_directory(name.as_bytes()))?;
    let flags = reader.byte()?;
    let before = if flags & 1 == 1 { Some(read_digest(reader)?) } else { None };
    let read = PackageChange {
        package,
        before,
        after: read_digest(reader)?,
        deleted: flags & 8 != 0,
        unknown: flags & 2 != 0,
        hunks: Vec::new(),
        changes: Vec::new(),
    };
    Some((read, flags & 4 != 0))
}

/// Returns the changes from an empty package to the one that a text describes, skipping statements with errors.
fn changes_of_text(text: &[u8]) -> Vec<KeyChange> {
    let options = ParseOptions { dialect: Dialect::Cms, strict: false, progress: None };
    let read = parse(b"", Arc::new(text.to_vec()), &options);
    read.map(|read| change::compare(&Package::default(), &read.package)).unwrap_or_default()
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
                deleted: false,
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
    fn changes_of_an_empty_package_are_read_from_its_text() {
        let text = "config a\n\toption p '1'\n\tlist l 'it'\\''s'\n\tlist l ''\nconfig a 'y'\nno statement\n";
        for before in [None, Some(Digest::of(b""))] {
            let mut record = sample();
            let change = &mut record.packages[0];
            (change.before, change.changes) = (before, Vec::new());
            change.hunks = hunks::compare(b"", text.as_bytes());
            let bytes = record.encode();
            assert_eq!(record.len(), bytes.len());
            let read = Record::decode(&bytes).expect("it reads");
            let keys: Vec<String> = read.packages[0]
                .changes
                .iter()
                .map(|change| String::from_utf8(change.key("n")).expect("text"))
                .collect();
            assert_eq!(keys, ["n.cfg01b606", "n.cfg01b606.p", "n.cfg01b606.l", "n.y"]);
            assert_eq!(read.encode(), bytes, "they are left out again");
            // This does not hold for a package that had a text before, or whose text before is unknown.
            record.packages[0].unknown = true;
            let read = Record::decode(&record.encode()).expect("it reads");
            assert!(read.packages[0].changes.is_empty());
        }
    }

    #[test]
    fn changes_that_the_first_text_does_not_tell_as_uci_are_in_the_record() {
        let mut record = sample();
        let change = &mut record.packages[0];
        change.before = None;
        change.hunks = hunks::compare(b"", b"lan=interface\nlan.ipaddr=10.0.0.1\n");
        assert!(!change.changes.is_empty());
        let bytes = record.encode();
        let read = Record::decode(&bytes).expect("it reads");
        assert_eq!(read, record);
        assert_eq!(read.encode(), bytes);
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_no_part_of_it_does() {
        let mut record = sample();
        let moved = What::Moved { old: 3, new: 300 };
        record.packages[0].changes.push(KeyChange { section: b"a".to_vec(), option: None, what: moved });
        let bytes = record.encode();
        assert_eq!(record.len(), bytes.len());
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
        // Other versions read these bytes: raise the version of segments before you change them.
        assert_eq!(crate::model::digest::of_text(&sample().encode()), 433_517_452_247_698_739);
    }

    #[test]
    fn a_deletion_is_a_flag_that_earlier_versions_ignore() {
        let mut record = sample();
        record.packages[0].after = Digest::of(b"");
        let kept = record.encode();
        record.packages[0].deleted = true;
        let deleted = record.encode();
        let differs = kept.iter().zip(&deleted).filter(|(a, b)| a != b).count();
        assert_eq!((kept.len(), differs), (deleted.len(), 1));
        assert_eq!(Record::decode(&deleted), Some(record));
    }

    #[test]
    fn every_kind_has_a_number() {
        for (number, kind) in (0..).zip(Kind::ALL) {
            assert_eq!(kind.number(), number);
        }
    }

    #[test]
    fn x_m3_a_record_names_only_packages_of_its_directory() {
        let with = |name: &str| {
            let mut record = sample();
            name.clone_into(&mut record.packages[0].package);
            let bytes = record.encode();
            (Record::decode(&bytes).is_some(), Record::decode_outline(&bytes).is_some())
        };
        for name in ["network", "a.b", "a b"] {
            assert_eq!(with(name), (true, true), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "../network", "/etc/passwd", "a/b", "a\0b"] {
            assert_eq!(with(name), (false, false), "{name:?}");
        }
    }
}
