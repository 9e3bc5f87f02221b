//! One record of the log: a transaction, with all it changed.
//!
//! The bytes of a record (numbers and strings as in `wire`):
//!
//! ```text
//! record  = sequence time uid pid kind refers source message guard packages [fields]
//! time    = microseconds since 1970, not before that of the record before it unless the clock was wrong
//! guard   = 0 | 1 milliseconds boot started baseline
//! package = name flags [before] after hunks changes [fields]
//! before  = after = length hash
//! flags   = 1: there is a text before, 2: it is unknown, 4: the changes are left out, 8: the file is gone after it,
//!           16: fields follow
//! ```
//!
//! `fields` tells which fields there are, and which of them a reader may skip.
//!
//! The text after a deletion is empty, for versions of cms that ignore flag 8.
//!
//! The changes of a package that was empty before are left out; the reader computes them from the text.

use std::sync::Arc;
use std::time::Duration;

use super::attribution::RequestId;
use super::change::{self, KeyChange};
use super::fields::{self, AUTHOR, DECIDED, FORCED, FORMATS, Fields, LAYER, REQUEST};
use super::hunks::{self, Hunk};
use super::layer_revision::LayerRevision;
use super::wire::{Count, Out, Reader, put_bytes, put_number};
use crate::error::shown;
use crate::format::uci::{Dialect, ParseOptions, parse};
use crate::model::format_kind::FormatKind;
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
    /// A commit that was decided elsewhere, by the store's backend for example, and adopted here.
    Remote,
    /// A transaction of another layer that has changed effective values of this store.
    Layer,
}

impl Kind {
    /// All of them, in the order of their numbers in the log.
    pub const ALL: [Self; 9] = [
        Self::Commit,
        Self::FileEdit,
        Self::Baseline,
        Self::Undo,
        Self::Rollback,
        Self::Confirm,
        Self::Heads,
        Self::Remote,
        Self::Layer,
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
            Self::Remote => "remote",
            Self::Layer => "layer",
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
    /// The format of the text before.
    pub format_before: FormatKind,
    /// The format of the text after.
    pub format: FormatKind,
}

impl PackageChange {
    /// Makes a change of a package that had no file before, and has this text after; without hunks and changes.
    pub(crate) fn new(package: impl Into<String>, after: Digest) -> Self {
        Self {
            package: package.into(),
            before: None,
            after,
            deleted: false,
            unknown: false,
            hunks: Vec::new(),
            changes: Vec::new(),
            format_before: FormatKind::Uci,
            format: FormatKind::Uci,
        }
    }

    /// Reports whether the texts before and after are UCI.
    fn is_uci(&self) -> bool {
        (self.format_before, self.format) == (FormatKind::Uci, FormatKind::Uci)
    }

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
        let Some(text) = self.first_text().filter(|_| self.is_uci()) else { return false };
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
    /// Who made it, as the program says that committed it: `alice@192.168.7.20` for example. Empty is the user.
    pub author: String,
    /// The request that it was made for.
    pub request: Option<RequestId>,
    /// When it was decided elsewhere, in microseconds since 1970; of [`Kind::Remote`].
    pub decided: Option<u64>,
    /// The transaction of another layer that it stands for; of [`Kind::Layer`].
    pub layer: Option<LayerRevision>,
    /// How many violations of schemas it has made by force.
    pub forced: u64,
}

impl Record {
    /// Makes a record of no user, without changes.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            sequence: 0,
            time: 0,
            uid: 0,
            pid: 0,
            kind,
            refers: 0,
            source: String::new(),
            message: String::new(),
            guard: None,
            packages: Vec::new(),
            author: String::new(),
            request: None,
            decided: None,
            layer: None,
            forced: 0,
        }
    }

    /// Returns who made it, for messages: the author, or `user 1000`.
    pub(crate) fn who(&self) -> String {
        match self.author.as_str() {
            "" => format!("user {}", self.uid),
            author => shown::text(author),
        }
    }

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
            let fields = !package.is_uci();
            let flags = [package.before.is_some(), package.unknown, first, package.deleted, fields];
            out.put(&[flags.iter().rev().fold(0, |flags, flag| flags << 1 | u8::from(*flag))]);
            for digest in package.before.iter().chain([&package.after]) {
                put_number(out, digest.len);
                out.put(&digest.hash.to_le_bytes());
            }
            hunks::put(out, &package.hunks);
            let changes = if first { &[][..] } else { &package.changes };
            put_number(out, changes.len() as u64);
            changes.iter().for_each(|change| change.put(out));
            if !package.is_uci() {
                let mut fields = Fields::default();
                fields.add(FORMATS, &[package.format_before.number(), package.format.number()]);
                fields.put(out);
            }
        }
        let fields = self.fields();
        if !fields.is_empty() {
            fields.put(out);
        }
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        if !self.author.is_empty() {
            fields.add(AUTHOR, self.author.as_bytes());
        }
        if let Some(request) = self.request {
            fields.add(REQUEST, &request.bytes());
        }
        if let Some(decided) = self.decided {
            fields.add_number(DECIDED, decided);
        }
        if let Some(LayerRevision { layer, revision }) = &self.layer {
            let mut value = Vec::with_capacity(10 + layer.len());
            put_number(&mut value, *revision);
            value.extend_from_slice(layer.as_bytes());
            fields.add(LAYER, &value);
        }
        if self.forced != 0 {
            fields.add_number(FORCED, self.forced);
        }
        fields
    }

    /// Takes the value of a field. Returns whether the field is known; `None` if the value is damaged.
    fn take_field(&mut self, tag: u64, value: &[u8]) -> Option<bool> {
        let mut reader = Reader(value);
        match tag {
            AUTHOR => self.author = reader.rest_as_text()?,
            REQUEST => self.request = RequestId::new(value.try_into().ok()?).ok(),
            DECIDED => self.decided = Some(reader.number()?),
            LAYER => {
                let revision = reader.number()?;
                self.layer = Some(LayerRevision { layer: reader.rest_as_text()?, revision });
            }
            FORCED => self.forced = reader.number()?,
            _ => return Some(false),
        }
        Some(true)
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
        let mut read = Self {
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
            author: String::new(),
            request: None,
            decided: None,
            layer: None,
            forced: 0,
        };
        if !r.0.is_empty() {
            fields::read(r, |tag, value| read.take_field(tag, value))?;
        }
        *rest = Some(reader.0.len());
        Some(read)
    }
}

// The flags of a package.
const HAS_BEFORE: u8 = 1;
const UNKNOWN: u8 = 2;
const IMPLIED: u8 = 4;
const DELETED: u8 = 8;
const FIELDS: u8 = 16;

/// Reads a package without its hunks and changes.
fn read_outline(reader: &mut Reader<'_>) -> Option<PackageChange> {
    let (mut package, flags) = read_digests(reader)?;
    hunks::skip(reader)?;
    (0..reader.len()?).try_for_each(|_| KeyChange::skip(reader))?;
    read_fields(reader, flags, &mut package)?;
    Some(package)
}

fn read_package(reader: &mut Reader<'_>) -> Option<PackageChange> {
    let (mut read, flags) = read_digests(reader)?;
    read.hunks = hunks::read(reader)?;
    read.changes = reader.many(KeyChange::read)?;
    read_fields(reader, flags, &mut read)?;
    if flags & IMPLIED != 0 {
        read.changes = changes_of_text(read.first_text()?);
    }
    Some(read)
}

/// Reads the fields of a package, if there are any.
fn read_fields(reader: &mut Reader<'_>, flags: u8, package: &mut PackageChange) -> Option<()> {
    if flags & FIELDS == 0 {
        return Some(());
    }
    fields::read(reader, |tag, value| match (tag, value) {
        (FORMATS, [before, after]) => {
            package.format_before = FormatKind::of_number(*before)?;
            package.format = FormatKind::of_number(*after)?;
            Some(true)
        }
        (FORMATS, _) => None,
        _ => Some(false),
    })
}

/// Reads the name of a package, its text before and after, and its flags.
fn read_digests(reader: &mut Reader<'_>) -> Option<(PackageChange, u8)> {
    // The log may belong to another user, and the texts of its packages are placed in the configuration directory: it
    // must not name a file in another directory.
    let package = reader.text().filter(|name| crate::model::name::is_in_directory(name.as_bytes()))?;
    // A flag that is not known may mean that bytes follow.
    let flags = reader.byte().filter(|flags| *flags < FIELDS * 2)?;
    let before = if flags & HAS_BEFORE != 0 { Some(read_digest(reader)?) } else { None };
    let read = PackageChange {
        package,
        before,
        after: read_digest(reader)?,
        deleted: flags & DELETED != 0,
        unknown: flags & UNKNOWN != 0,
        hunks: Vec::new(),
        changes: Vec::new(),
        format_before: FormatKind::Uci,
        format: FormatKind::Uci,
    };
    Some((read, flags))
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
mod tests;
