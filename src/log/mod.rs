//! The log: every transaction, in order, in files that are only appended to.
//!
//! A directory holds segments named by the sequence of their first record, `00000000000000000001.log`; the `lock` of
//! the process that appends; and in `texts` an older text of each package, from which the records lead to its newest
//! one (see `Log::text_of`). The holder of the lock may append, and may write the texts of the packages that the log
//! knows. `snapshots` has those of `archive`; the log only knows how much room the automatic ones may take.
//!
//! Invariants, each with a test:
//!
//! - G1. A record counts from the moment its last byte is durable. Before that it does not count, no matter which of
//!   its bytes are on the disk and in which order they were written (`segment`).
//! - G2. Sequences have gaps only after damage, and no sequence is given to two records. Times go back only after a
//!   record that was written when the clock was far ahead.
//! - G3. A segment starts with the newest digest of each package, and with the commit that waits to be confirmed, so
//!   that one segment is enough to go on from.
//! - G4. Only records at the end are without the mark that their texts are in place.
//! - G5. Only whole segments are dropped, the oldest first; never the two newest, nor any that a rollback of the commit
//!   that waits to be confirmed needs. Before that, the text in `texts` of each package that needs one of their records
//!   is written anew.
//! - G6. After a failed sync nothing more is appended through this handle, since it is unknown which records are
//!   durable.

mod change;
mod check;
mod hunks;
mod id;
pub(crate) mod key_path;
mod keys;
mod reader;
pub(crate) mod record;
mod scan;
mod segment;
mod ticket;
mod whole;
mod wire;
mod writer;

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

pub use change::{Content, KeyChange, What};
pub(crate) use change::{compare as compare_packages, longest_rising};
pub use check::Verified;
pub use hunks::Hunk;
pub(crate) use hunks::{apply, compare as compare_texts, revert};
pub(crate) use id::read as read_id;
pub(crate) use keys::Wanted;
pub(crate) use reader::{Batch, Reader, TAKEN_BACK, is_taking_back};
pub(crate) use record::Digest;
pub use record::{Guard, Kind, PackageChange, Record};
use segment::{HEAD, Head, RECORD_HEAD};
use ticket::Turns;
use writer::Tail;
pub(crate) use writer::{Behind, Writer};

use crate::error::{Error, Result};
use crate::os::file_name;
use crate::os::files::{Files, OpenFile};
use crate::os::folder::Folder;
use crate::os::trust::Config;

/// How many milliseconds a directory may be missing while it is replaced.
const REPLACED_WITHIN: u32 = 100;

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// How much of the log is kept. When it exceeds one of the bounds the oldest segments are dropped; see G5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all, at least 256 KiB: of the segments with their lists of keys, of the text of each package that goes
    /// with them, and of automatic snapshots. A single record that is larger is kept nevertheless.
    pub bytes: u64,
    /// How old a record may be.
    pub age: Option<Duration>,
    /// How many records.
    pub records: Option<u64>,
}

impl Limits {
    /// How many of the bytes are for automatic snapshots.
    pub(crate) fn for_snapshots(self) -> u64 {
        self.bytes / 8
    }
}

impl Default for Limits {
    /// 4 MiB, for the flash of a router.
    fn default() -> Self {
        Self { bytes: 4 << 20, age: None, records: None }
    }
}

impl Limits {
    /// How long a segment is, in bytes.
    fn segment(self) -> usize {
        usize::try_from(self.bytes / 32).unwrap_or(usize::MAX).clamp(64 << 10, 16 << 20)
    }
}

/// The log of a store. It may be used from many threads.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    files: Files,
    limits: Mutex<Limits>,
    /// File operations through the open directory of the texts.
    texts: Mutex<Option<Files>>,
    /// The configuration that the log belongs to; `None` in tests.
    config: Option<Config>,
    /// The clock.
    time: fn() -> SystemTime,
    /// Where the log ends, as far as this handle knows; held while it is appended to.
    tail: Mutex<Option<Tail>>,
    /// The order in which threads get the tail.
    turns: Turns,
    /// See G6.
    broken: AtomicBool,
    /// The records of logs whose directories were replaced, which some texts may be behind.
    left: Mutex<Vec<Record>>,
    /// The damage that was found so far.
    problems: Mutex<std::collections::BTreeSet<String>>,
}

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The last record; 0 if there is none.
    pub last: u64,
    /// Whether its texts may not be in place.
    pub is_open: bool,
}

/// How many transactions are committed together at most.
pub(crate) const GROUP: usize = 128;

/// How many bytes are read at once to find the last record.
const GLANCE: usize = 2 * writer::HINT_EVERY;

impl Log {
    pub fn new(dir: PathBuf, files: Files, limits: Limits) -> Self {
        Self {
            dir,
            files,
            limits: Mutex::new(limits),
            texts: Mutex::default(),
            config: None,
            time: SystemTime::now,
            tail: Mutex::new(None),
            turns: Turns::default(),
            broken: AtomicBool::new(false),
            left: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    /// Returns how much is kept.
    fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how much is kept from now on.
    pub fn limit(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Makes the log check the owner of its directories, as directories of this configuration.
    pub fn of_config(self, config: Config) -> Self {
        Self { config: Some(config), ..self }
    }

    /// Gives it another clock.
    pub fn with_clock(self, time: fn() -> SystemTime) -> Self {
        Self { time, ..self }
    }

    /// Returns the time: microseconds since 1970.
    pub fn now(&self) -> u64 {
        crate::os::clock::micros((self.time)())
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{first:020}.log"))
    }

    fn keys_path(&self, first: u64) -> PathBuf {
        self.path(first).with_extension("keys")
    }

    /// Lists the segments: the sequence of the first record of each, in order.
    fn segments(&self) -> Result<Vec<u64>> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &self.dir)(error)),
        };
        let mut firsts = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io("read", &self.dir))?.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(".log"));
            let first = first.filter(|name| name.len() == 20).and_then(|name| name.parse::<u64>().ok());
            // There is no record 0, so a file of that name does not belong to the log.
            firsts.extend(first.filter(|first| *first > 0));
        }
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// Reports whether there is a record in it.
    pub fn is_begun(&self) -> bool {
        self.segments().is_ok_and(|firsts| !firsts.is_empty())
    }

    /// Returns the number of the oldest record that is kept; 0 if there is none.
    pub fn first(&self) -> Result<u64> {
        Ok(self.segments()?.first().copied().unwrap_or(0))
    }

    /// Returns when the oldest segment that is kept was begun: microseconds since 1970.
    pub fn begun(&self) -> Option<u64> {
        let first = *self.segments().ok()?.first()?;
        self.read(first).ok()?.map(|whole| whole.head.created)
    }

    /// Reports whether a quarter of the log's size limit has been written since a revision, or the log no longer goes
    /// back to it.
    pub fn has_gone_on(&self, revision: u64) -> Result<bool> {
        let firsts = self.segments()?;
        let Some((_, full)) = firsts.split_last() else { return Ok(false) };
        let since = full.iter().filter(|first| **first > revision);
        let written: u64 = since.map(|first| size_of(&self.path(*first))).sum();
        Ok(written >= self.limits().bytes / 4 || firsts[0] > revision + 1)
    }

    /// Calls `look` with each record, the newest first, until `look` breaks off or all are read.
    pub fn each_back<B>(&self, look: impl FnMut(Record) -> Result<ControlFlow<B>>) -> Result<Option<B>> {
        self.each_back_of(None, look)
    }

    /// As [`Log::each_back`], but segments that hold none of the wanted keys are skipped.
    pub fn each_back_of<B>(
        &self,
        wanted: Option<&Wanted>,
        mut look: impl FnMut(Record) -> Result<ControlFlow<B>>,
    ) -> Result<Option<B>> {
        let mut found = None;
        self.walk_back(wanted, &mut |record| {
            found = look(record)?.break_value();
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    /// As [`Log::each_back_of`], until `look` returns false. It is not generic, so that it is compiled once.
    fn walk_back(&self, wanted: Option<&Wanted>, look: &mut dyn FnMut(Record) -> Result<bool>) -> Result<()> {
        for first in self.segments()?.into_iter().rev() {
            if wanted.is_some_and(|wanted| !wanted.may_be_in(&self.files, &self.keys_path(first))) {
                continue;
            }
            let Some(whole) = self.read(first)? else { continue };
            for (_, frame) in self.scan(&whole).frames.into_iter().rev() {
                let Some(record) = Record::decode(frame.body) else { continue };
                if !look(record)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reports whether the last record may not have its texts in place, at the cost of reading a few bytes.
    pub fn is_open_ended(&self) -> bool {
        self.end().is_some_and(|end| end.is_open)
    }

    /// Finds the last record, at the cost of reading a few bytes; `None` if the log cannot be read.
    pub fn end(&self) -> Option<End> {
        let look = || -> Option<End> {
            let firsts = self.segments().ok()?;
            let Some(first) = firsts.last().copied() else { return Some(End { last: 0, is_open: false }) };
            let open = self.files.open(&self.path(first)).ok()?;
            let head = Head::decode(&self.files.read_at(&open, 0, HEAD).ok()?).ok()?;
            let length = usize::try_from(open.file.metadata().ok()?.len()).ok()?;
            let (mut offset, mut wanted) = (head.hint as usize, GLANCE);
            let (mut applied, mut chain, mut last) = (true, None, first - 1);
            // Mostly one round: the last record is not far behind the offset in the hint.
            while offset != 0 {
                let bytes = self.files.read_at(&open, offset as u64, wanted.max(GLANCE)).ok()?;
                let mut end = 0;
                let first = chain.is_none().then(|| segment::frame(&bytes, 0)).flatten();
                if let Some(first) = first {
                    (applied, chain, end) = (first.applied, Some(first.chain), first.end);
                    last = segment::sequence(&first)?;
                }
                let start = end;
                for frame in chain.into_iter().flat_map(|chain| segment::frames(&bytes, start, chain)) {
                    (applied, chain, end) = (frame.applied, Some(frame.chain), frame.end);
                    last = segment::sequence(&frame)?;
                }
                // The bytes read may end within a record, which is then read again.
                let next = bytes.get(end..end + 4).and_then(|bytes| bytes.try_into().ok());
                wanted = RECORD_HEAD + next.map_or(0, |len| u32::from_le_bytes(len) as usize);
                offset += end;
                if next == Some([0; 4]) || end + wanted <= bytes.len() || offset + wanted > length {
                    break;
                }
            }
            Some(End { last, is_open: !applied })
        };
        look()
    }

    fn text_path(&self, package: &str) -> PathBuf {
        self.dir.join("texts").join(file_name::escaped(OsStr::new(package)))
    }

    /// Stores the text of a package for [`Log::text_of`]. It need not survive a crash: its digest is checked before it
    /// is used.
    pub fn keep_text(&self, package: &str, text: &[u8]) -> Result<()> {
        let path = self.text_path(package);
        let dir = self.dir.join("texts");
        let files = self.within_texts()?;
        let new = files.create_unique(&dir, "text").map_err(Error::io("create a file in", &dir))?;
        let written = files.write(&new, text).and_then(|()| files.rename(&new.path, &path));
        written.map_err(|error| {
            let _ = files.remove(&new.path);
            Error::io("write", &path)(error)
        })
    }

    /// As [`Log::within`], for the texts; it stays open until the log is opened anew.
    fn within_texts(&self) -> Result<Files> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        match &*texts {
            Some(files) => Ok(files.clone()),
            None => Ok(texts.insert(self.within(Some("texts"))?).clone()),
        }
    }

    /// Opens the state directory, which holds this and other logs.
    fn open_state(&self) -> std::io::Result<Folder> {
        let above = self.dir.parent().filter(|above| !above.as_os_str().is_empty());
        let trusts = |owner| self.config.is_none_or(|config| config.trusts(owner));
        self.trusted(Folder::open_led(above.unwrap_or(Path::new(".")), trusts)?)
    }

    fn trusted(&self, folder: Folder) -> std::io::Result<Folder> {
        match self.config.is_none_or(|config| config.trusts(folder.owner())) {
            true => Ok(folder),
            false => Err(folder.refusal()),
        }
    }

    /// Returns file operations that lead through the directory, or one in it. With `sub`, missing directories are made.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `PermissionDenied` if the directory, or that of the logs, belongs to a user who is not
    /// trusted with the configuration: that user could lead root to create files anywhere.
    pub fn within(&self, sub: Option<&str>) -> Result<Files> {
        let mut tries = 0;
        loop {
            match self.open_within(sub) {
                // Another program is replacing the directory, and perhaps only this one makes it anew.
                Err(error) if sub.is_some() && is_missing(&error) && tries < REPLACED_WITHIN => tries += 1,
                opened => return opened,
            }
            std::thread::sleep(Duration::from_millis(1));
            match self.make_dir() {
                Err(error) if !is_missing(&error) => return Err(error),
                _ => {}
            }
        }
    }

    fn open_within(&self, sub: Option<&str>) -> Result<Files> {
        let dir = sub.map_or_else(|| self.dir.clone(), |sub| self.dir.join(sub));
        let open = || -> std::io::Result<Folder> {
            let (state, name) = (self.open_state()?, self.dir.file_name().unwrap_or_default());
            match sub.map(OsStr::new) {
                Some(sub) => {
                    let log = self.trusted(state.make_sub(&self.files, name, 0o700)?)?;
                    self.trusted(log.make_sub(&self.files, sub, 0o700)?)
                }
                None => self.trusted(state.sub(name)?),
            }
        };
        let failed = |error: std::io::Error| {
            // Other errors of the system have nothing to do with trust.
            let op = if error.raw_os_error().is_none() { "trust" } else { "use" };
            Error::io(op, &dir)(error)
        };
        open().map(|folder| self.files.through(folder)).map_err(failed)
    }

    /// Returns the last text of a package, which has this digest: the stored text with the hunks of the records since.
    /// `None` if it cannot be made.
    pub fn text_of(&self, package: &str, wanted: Digest) -> Result<Option<Vec<u8>>> {
        match self.files.read_at_path(&self.text_path(package)) {
            Ok(kept) => self.text_from(package, kept, wanted),
            Err(_) => Ok(None),
        }
    }

    /// Applies the hunks of the records to a text of a package; `None` if the records are not kept, or are of another
    /// text.
    pub fn text_from(&self, package: &str, text: Vec<u8>, wanted: Digest) -> Result<Option<Vec<u8>>> {
        let start = Digest::of(&text);
        if start == wanted {
            return Ok(Some(text));
        }
        let (mut since, mut reached) = (Vec::new(), false);
        for first in self.segments()?.into_iter().rev() {
            let Some(whole) = self.read(first)? else { continue };
            let frames = self.scan(&whole).frames;
            for record in frames.into_iter().rev().filter_map(|(_, frame)| Record::decode(frame.body)) {
                let change = record.packages.into_iter().find(|change| change.package == package);
                let Some(change) = change else { continue };
                if change.after == start {
                    return Ok(follow(&text, &since, wanted));
                }
                reached |= change.after == wanted;
                since.extend(reached.then_some(change.hunks));
                // A package that was created has no record of an earlier text.
                let is_made = change.before.is_none() && text.is_empty();
                if let Some(text) = is_made.then(|| follow(&text, &since, wanted)).flatten() {
                    return Ok(Some(text));
                }
            }
        }
        Ok(None)
    }
}

/// Applies the hunks of transactions, the newest first, to the text before; `None` if they do not lead to the wanted
/// text.
fn follow(text: &[u8], since: &[Vec<Hunk>], wanted: Digest) -> Option<Vec<u8>> {
    let text = since.iter().rev().try_fold(text.to_vec(), |text, hunks| apply(&text, hunks));
    text.filter(|text| Digest::of(text) == wanted)
}

/// Returns the size of a file; 0 if it is missing.
fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

/// Reports whether an open file is the one at a path.
fn is_at(open: &OpenFile, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let held = open.file.metadata().map(|found| (found.dev(), found.ino()));
    let there = std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()));
    held.is_ok() && held.ok() == there.ok()
}

#[cfg(test)]
mod tests;
