//! The log: every transaction, in order, in files that are only appended to.
//!
//! A directory holds segments named by the sequence of their first record, `00000000000000000001.log`; the `lock`
//! that the appending process holds; and in `texts` an older text of each package, from which the records lead to its
//! newest one (see `Log::text_of`). The holder of the lock may append, and may write the texts of the packages that
//! the log knows. `snapshots` holds archives; the log only reserves room for the automatic ones.
//!
//! Invariants, each with a test:
//!
//! - G1. A record is valid once its last byte is durable. Before that it is invalid, no matter which of its bytes are
//!   on the disk and in which order they were written (`segment`).
//! - G2. Sequences have gaps only after damage, and no sequence is given to two records. Times go back only after a
//!   record that was written when the clock was far ahead.
//! - G3. A segment starts with the newest digest of each package, and with the commit that waits to be confirmed, so
//!   that a writer needs no earlier segment to continue.
//! - G4. Only records at the end are without the mark that their texts are in place.
//! - G5. Only whole segments are dropped, the oldest first; never the two newest, nor a segment that is needed to
//!   roll back the commit that waits to be confirmed. Before that, the text in `texts` is written again for each
//!   package that needs one of their records.
//! - G6. After a failed sync nothing more is appended through this handle, since it is unknown which records are
//!   durable.

mod attribution;
mod change;
mod check;
mod directory;
mod end;
mod fields;
mod hunks;
mod id;
pub(crate) mod key_path;
mod keys;
mod layer_revision;
mod limits;
#[cfg(test)]
pub(crate) mod memory;
mod reader;
pub(crate) mod record;
mod scan;
mod segment;
mod store;
mod summary;
mod texts;
mod ticket;
mod whole;
mod wire;
mod writer;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

pub use attribution::{Attribution, RequestId};
pub use change::{Content, KeyChange, What};
pub(crate) use change::{compare as compare_packages, longest_rising};
pub use check::LogInfo;
pub(crate) use end::End;
pub use hunks::Hunk;
pub(crate) use hunks::{apply, compare as compare_texts, revert};
pub(crate) use id::read as read_id;
pub(crate) use keys::Wanted;
pub use layer_revision::LayerRevision;
pub use limits::Limits;
pub(crate) use reader::{Batch, CANCELLED, Reader, is_cancellation};
pub(crate) use record::Digest;
pub use record::{Guard, Kind, PackageChange, Record};
pub(crate) use store::LogRead;
#[cfg(test)]
pub(crate) use store::LogStore;
use store::Look;
use ticket::Turns;
use writer::Tail;
pub(crate) use writer::{Behind, Writer};

use crate::error::{Error, Result};
use crate::os::files::{Files, OpenFile};
use crate::os::trust::Config;

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
    /// The end of the log as this handle last saw it; locked while this process appends.
    tail: Mutex<Option<Tail>>,
    /// The queue of the threads that wait for `tail`.
    turns: Turns,
    /// See G6.
    broken: AtomicBool,
    /// The records of logs whose directories were replaced. Some of their texts may not be in place.
    replaced_records: Mutex<Vec<Record>>,
    /// The damage that was found so far.
    problems: Mutex<std::collections::BTreeSet<String>>,
}

/// How many transactions are committed together at most.
pub(crate) const GROUP: usize = 128;

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
            replaced_records: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    /// Returns the limits.
    fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the limits from now on.
    pub fn limit(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Makes the log check that the owners of its directories are trusted with this configuration.
    pub fn of_config(self, config: Config) -> Self {
        Self { config: Some(config), ..self }
    }

    /// Replaces the clock.
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

    /// Reports whether the log has a record.
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
    pub fn has_grown_since(&self, revision: u64) -> Result<bool> {
        let firsts = self.segments()?;
        let Some((_, full)) = firsts.split_last() else { return Ok(false) };
        let since = full.iter().filter(|first| **first > revision);
        let written: u64 = since.map(|first| size_of(&self.path(*first))).sum();
        Ok(written >= self.limits().bytes / 4 || firsts[0] > revision + 1)
    }

    /// Calls `look` with each record, the newest first, until `look` stops it or all are read.
    pub fn each_back<B>(&self, look: impl FnMut(Record) -> Result<ControlFlow<B>>) -> Result<Option<B>> {
        (self as &dyn LogRead).each_back(look)
    }

    /// Reads the records back, as [`LogRead::read_back`]. Segments that hold none of the wanted keys are skipped.
    fn walk_back(&self, wanted: Option<&Wanted>, look: Look<'_>) -> Result<()> {
        for first in self.segments()?.into_iter().rev() {
            if wanted.is_some_and(|wanted| !wanted.may_be_in(&self.files, &self.keys_path(first))) {
                continue;
            }
            let Some(whole) = self.read(first)? else { continue };
            for (_, frame) in self.scan(&whole).frames.into_iter().rev() {
                let Some(record) = Record::decode(frame.body) else { continue };
                if look(record)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
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
