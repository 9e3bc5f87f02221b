//! The tail of the log as the watches of an open store have read it: the newest transactions, and those to be
//! delivered soon.
//!
//! # When a transaction is told
//!
//! A transaction is delivered once its record is ripe (see `log::reader`) and the maps show it, as the control file
//! says (`C_LOGGED`). A writer that dies in between never sets that mark, and a writer with another run directory
//! sets it elsewhere. So after [`GRACE`] the watch updates the maps itself, and delivers the transaction. If a record
//! is not ripe after [`PATIENCE`], its writer may have died: the watch finishes the commit, if this process has the
//! right to.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::feed::{Next, earliest};
use crate::commit::recovery;
use crate::error::{Error, Result};
use crate::log::{Batch, Digest, Log, Reader, Record};
use crate::map::{Seq, low};
use crate::watch::source::Source;

/// How long the maps may take to show a transaction whose texts are in place.
pub(super) const GRACE: Duration = Duration::from_millis(20);
/// How long a writer may take before the watch tries to finish its commit.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long the log is left unread while the control file says that it has no new records.
const QUIET: Duration = Duration::from_millis(50);
/// How many transactions are kept, and about how many bytes.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 256 << 10;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Tail {
    reader: Reader,
    /// The directory of the log.
    log: PathBuf,
    switches: Arc<AtomicU32>,
    /// The transactions after `start`, each with its approximate size in bytes.
    recent: VecDeque<(Arc<Record>, usize)>,
    bytes: usize,
    start: u64,
    /// The last transaction that can be delivered.
    end: u64,
    /// Transactions that are ripe, but perhaps not in the maps yet.
    held: Vec<Arc<Record>>,
    /// When to read again without an event.
    due: Option<Instant>,
    patience: Duration,
    /// The time since when the log has had no new records, and the mark of the control file at that time.
    quiet: Option<(Instant, Seq)>,
}

impl Tail {
    /// Starts after the last transaction.
    pub fn open(source: &dyn Source) -> Result<Self> {
        let reader = source.core().logs.require()?.reader(None)?;
        let at = reader.sequence();
        let (recent, held) = (VecDeque::new(), Vec::new());
        Ok(Self {
            reader,
            log: source.core().logs.require()?.dir().to_owned(),
            switches: Arc::default(),
            recent,
            bytes: 0,
            start: at,
            end: at,
            held,
            due: None,
            patience: PATIENCE,
            quiet: None,
        })
    }

    /// Continues at the end of a log.
    fn begin_anew(&mut self, log: &Log) -> Result<()> {
        self.reader = log.reader(None)?;
        log.dir().clone_into(&mut self.log);
        (self.recent, self.bytes, self.held) = (VecDeque::new(), 0, Vec::new());
        (self.start, self.end, self.quiet) = (self.reader.sequence(), self.reader.sequence(), None);
        Ok(())
    }

    /// Returns the counter of switches to another log.
    pub fn switches(&self) -> Arc<AtomicU32> {
        self.switches.clone()
    }

    /// Returns the number of the last transaction that can be delivered.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the number of the last transaction that was read.
    pub fn read_to(&self) -> u64 {
        self.reader.sequence()
    }

    /// Lists the packages, as far as the log was read.
    pub fn packages(&self) -> Vec<String> {
        self.reader.packages().cloned().collect()
    }

    /// Returns the newest state of a package, as far as the log was read.
    pub fn newest(&self, package: &str) -> Option<Digest> {
        self.reader.newest(package)
    }

    /// Returns when to read again without an event.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Reports whether transactions are held back since the maps may not show them.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Reports whether a position is beyond the end of the log.
    pub fn is_beyond(&self, place: u64) -> bool {
        place > self.end && place > self.reader.sequence()
    }

    /// Has the next call read the log, whatever the control file says.
    pub fn invalidate(&mut self) {
        self.quiet = None;
    }

    /// Returns the transaction after a position, as far as the log was read.
    pub fn after(&self, place: u64) -> Next {
        if place < self.start {
            return Next::Before(self.start);
        }
        let at = self.recent.partition_point(|(record, _)| record.sequence <= place);
        self.recent.get(at).map_or(Next::Nothing, |(record, _)| Next::Record(record.clone()))
    }

    /// Updates the maps, and then releases all transactions that were read. Returns the number of the last one.
    pub fn release_all(&mut self, source: &dyn Source) -> u64 {
        // Without held records there is nothing to wait for: the maps show all released transactions.
        let end = self.reader.sequence();
        if self.end < end || !self.is_shown(source, end) {
            let _ = source.refresh();
            self.release();
        }
        end
    }

    /// Reads new records. Returns whether a transaction was released for which no writer has woken the watches.
    pub fn read_on(&mut self, source: &dyn Source) -> Result<bool> {
        let log = source.core().logs.require()?;
        let now = Instant::now();
        if self.log != log.dir() {
            // The configuration directory was replaced: each watch gets `TooOld`.
            self.begin_anew(log)?;
            self.switches.fetch_add(1, Ordering::Relaxed);
            return Ok(true);
        }
        let logged = source.table().control.as_ref().and_then(|control| control.logged());
        if let (Some((since, seen)), Some(logged)) = (self.quiet, logged)
            && seen == logged
            && now.saturating_duration_since(since) < QUIET
        {
            return Ok(false);
        }
        let Batch { records, unripe, more, .. } = match self.reader.read(log) {
            Ok(batch) => batch,
            Err(Error::TooOld { .. }) => {
                // Each watch gets `TooOld` when it reads on.
                self.begin_anew(log)?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let fresh = !records.is_empty();
        self.held.extend(records.into_iter().map(Arc::new));
        if more && self.held.is_empty() {
            // The batch has no transaction to deliver; the next one may.
            self.end = self.reader.sequence();
            return self.read_on(source);
        }
        let mut due = None;
        let mut late = false;
        if self.held.is_empty() {
            self.end = self.reader.sequence();
        } else if self.is_shown(source, self.reader.sequence()) {
            self.release();
        } else if !fresh && self.due.is_some_and(|due| due <= now) {
            // A package that cannot be refreshed returns its error to its readers.
            let _ = source.refresh();
            self.release();
            late = true;
        } else {
            due = if fresh { Some(now + GRACE) } else { self.due };
        }
        self.due = if unripe {
            self.await_writer(source, fresh, due, now)
        } else {
            self.patience = PATIENCE;
            due
        };
        // Stop reading the log for a while only if all records that the mark announced were read, including records
        // of a segment that was not open yet.
        let is_all = !fresh || logged == Some(low(self.reader.sequence()));
        let still = is_all && !unripe && !more && self.held.is_empty();
        self.quiet = logged.filter(|_| still).map(|logged| (now, logged));
        Ok(late)
    }

    /// Returns when to read on while a record lacks its mark, and finishes the work of a writer that takes too long. `due`
    /// is when the records that are held are due.
    fn await_writer(
        &mut self,
        source: &dyn Source,
        fresh: bool,
        due: Option<Instant>,
        now: Instant,
    ) -> Option<Instant> {
        if fresh || self.due.is_none() || due.is_some() {
            return earliest(due, Some(now + self.patience));
        }
        if self.due.is_some_and(|due| due > now) {
            return self.due;
        }
        // Its writer takes long or has died. If this fails, the next writer tries again.
        let _ = recovery::finish_last(source.core());
        self.patience = (self.patience * 2).min(Duration::from_secs(2));
        Some(now + self.patience)
    }

    /// Reports whether the maps show all transactions up to this one.
    fn is_shown(&self, source: &dyn Source, sequence: u64) -> bool {
        let table = source.table();
        let Some(control) = &table.control else {
            // The maps are private to this process, which has to write the deferred texts, and then to update the
            // maps.
            let _ = recovery::finish_last(source.core());
            let _ = source.refresh();
            return true;
        };
        let private = |record: &Arc<Record>| {
            record.packages.iter().any(|change| source.is_private(change.package.as_bytes()))
        };
        if self.held.iter().any(private) {
            let _ = recovery::finish_last(source.core());
            let _ = source.refresh();
        }
        control.logged().is_some_and(|logged| !low(sequence).is_after(logged))
    }

    /// Releases the transactions held back.
    fn release(&mut self) {
        for record in self.held.drain(..) {
            let size = size_of_record(&record);
            self.bytes += size;
            self.recent.push_back((record, size));
        }
        self.end = self.reader.sequence();
        while self.recent.len() > 1 && (self.recent.len() > KEPT || self.bytes > KEPT_BYTES) {
            let Some((dropped, size)) = self.recent.pop_front() else { break };
            self.start = dropped.sequence;
            self.bytes -= size;
        }
    }
}

/// Returns the approximate size of a record in memory, in bytes.
fn size_of_record(record: &Record) -> usize {
    let content = |content: Option<&crate::log::Content>| {
        content.map_or(0, |content| content.items().iter().map(|item| item.len() + 24).sum())
    };
    let change = |change: &crate::log::KeyChange| {
        let (old, new) = change.values();
        100 + content(old) + content(new)
    };
    let hunk = |hunk: &crate::log::Hunk| 64 + hunk.inserted.len() + hunk.removed.len();
    let package = |package: &crate::log::PackageChange| {
        200 + package.changes.iter().map(change).sum::<usize>()
            + package.hunks.iter().map(hunk).sum::<usize>()
    };
    300 + record.packages.iter().map(package).sum::<usize>()
}
