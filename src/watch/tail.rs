//! What the watches of an open store have read of the log: the newest transactions, and those that are to be told soon.
//!
//! # When a transaction is told
//!
//! Its record is ripe (see `log::reader`), and the maps show it: the control file says so (`C_LOGGED`). A writer
//! that dies in between never says so, and one that uses another run directory says it elsewhere. So after
//! [`GRACE`] the maps are brought up to the texts here, and it is told then. A record that does not get ripe is
//! that of a writer that has died, after [`PATIENCE`]: what it has left is finished, as far as this process may.

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

/// How long the maps may take to show what is in place.
pub(super) const GRACE: Duration = Duration::from_millis(20);
/// How long a writer may take before it is asked whether it lives.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long nothing is taken to be new as long as the control file says so.
const QUIET: Duration = Duration::from_millis(50);
/// How many transactions are kept, and how many bytes of them, about.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 256 << 10;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Tail {
    reader: Reader,
    /// The directory of the log.
    log: PathBuf,
    switches: Arc<AtomicU32>,
    /// The transactions behind `start`, each with about how many bytes it takes.
    recent: VecDeque<(Arc<Record>, usize)>,
    bytes: usize,
    start: u64,
    /// Up to where they are told.
    end: u64,
    /// Ripe, but perhaps not to be seen in the maps yet.
    held: Vec<Arc<Record>>,
    /// When to look again, and why.
    due: Option<Instant>,
    patience: Duration,
    /// Since when there has been nothing more, and what the control file said then.
    quiet: Option<(Instant, Seq)>,
}

impl Tail {
    /// Starts behind the last transaction.
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

    /// Goes on at the end of a log.
    fn begin_anew(&mut self, log: &Log) -> Result<()> {
        self.reader = log.reader(None)?;
        log.dir().clone_into(&mut self.log);
        (self.recent, self.bytes, self.held) = (VecDeque::new(), 0, Vec::new());
        (self.start, self.end, self.quiet) = (self.reader.sequence(), self.reader.sequence(), None);
        Ok(())
    }

    /// Counts how often the log has become another one.
    pub fn switches(&self) -> Arc<AtomicU32> {
        self.switches.clone()
    }

    /// Returns up to where transactions are told.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns up to where the log was read.
    pub fn read_to(&self) -> u64 {
        self.reader.sequence()
    }

    /// Lists the packages there are, as far as the log was read.
    pub fn packages(&self) -> Vec<String> {
        self.reader.packages().cloned().collect()
    }

    /// Returns the newest state of a package, as far as the log was read.
    pub fn newest(&self, package: &str) -> Option<Digest> {
        self.reader.newest(package)
    }

    /// Returns when to look again even if nothing is heard.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Reports whether something is not told yet since the maps may not show it.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Reports whether a place is one the log has never come to.
    pub fn is_beyond(&self, place: u64) -> bool {
        place > self.end && place > self.reader.sequence()
    }

    /// Has the log looked at even if the control file says that there is nothing new.
    pub fn invalidate(&mut self) {
        self.quiet = None;
    }

    /// Finds what comes after a place, as far as it was read.
    pub fn after(&self, place: u64) -> Next {
        if place < self.start {
            return Next::Before(self.start);
        }
        let at = self.recent.partition_point(|(record, _)| record.sequence <= place);
        self.recent.get(at).map_or(Next::Nothing, |(record, _)| Next::Record(record.clone()))
    }

    /// Tells all that was read, whether the maps show it by themselves or not. Returns up to where.
    pub fn release_all(&mut self, source: &dyn Source) -> u64 {
        // Before the first record there is nothing to wait for: the maps show all that was delivered.
        let end = self.reader.sequence();
        if self.end < end || !self.is_shown(source, end) {
            let _ = source.refresh();
            self.release();
        }
        end
    }

    /// Reads what is new. Returns whether something can be told that nobody was woken for.
    pub fn read_on(&mut self, source: &dyn Source) -> Result<bool> {
        let log = source.core().logs.require()?;
        let now = Instant::now();
        if self.log != log.dir() {
            // The configuration directory is another one: each watch is told that it cannot go on from where it was.
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
                // Each watch finds out by itself that it cannot go on.
                self.begin_anew(log)?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let fresh = !records.is_empty();
        self.held.extend(records.into_iter().map(Arc::new));
        if more && self.held.is_empty() {
            // Nothing of it is to be told; what comes next may be.
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
            // Whatever cannot be read is told to whoever reads it.
            let _ = source.refresh();
            self.release();
            late = true;
        } else {
            due = if fresh { Some(now + GRACE) } else { self.due };
        }
        if !unripe {
            self.patience = PATIENCE;
        } else if fresh || self.due.is_none() || due.is_some() {
            due = earliest(due, Some(now + self.patience));
        } else if self.due.is_some_and(|due| due <= now) {
            // Its writer takes long, or has died. What fails here the next writer tries again.
            let _ = recovery::finish_last(source.core());
            self.patience = (self.patience * 2).min(Duration::from_secs(2));
            due = Some(now + self.patience);
        } else {
            due = self.due;
        }
        self.due = due;
        // Whatever was announced by then has been read: also what may be in a segment that was not looked for.
        let is_all = !fresh || logged == Some(low(self.reader.sequence()));
        let still = is_all && !unripe && !more && self.held.is_empty();
        self.quiet = logged.filter(|_| still).map(|logged| (now, logged));
        Ok(late)
    }

    /// Reports whether the maps show what is told up to a transaction.
    fn is_shown(&self, source: &dyn Source, sequence: u64) -> bool {
        let table = source.table();
        let Some(control) = &table.control else {
            // The maps are of this process; it has to bring them up to the texts, and those up to the log.
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

    /// Tells what was held back.
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

/// About how many bytes a record takes.
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
