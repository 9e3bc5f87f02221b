//! The log as commits and history use it, independent of how records are stored.
//!
//! [`Log`], the segments in a directory, is one implementation. Only `Log` has methods about its files: its
//! directory, the trust in the owner, limits, and setting damaged pieces aside. The tests have a second
//! implementation, in memory; both pass the same suite (`store/tests.rs`).
//!
//! An implementation keeps these rules:
//!
//! - Only one writer exists at a time, in all processes. It may append; everything else may be called beside it.
//! - Records have one order. Their sequences ascend, no sequence is used twice, and those of one append follow each
//!   other.
//! - The oldest record that is kept is of [`Kind::Heads`](super::Kind::Heads): it names all packages as they were
//!   before the records behind it. More records of that kind may follow. They change no text.
//! - An append adds all its records or none, and they survive a crash if it was `durable`.
//! - A record has no mark when it is appended. The marks of all records are set together, so only records at the end
//!   are without one.
//! - A record is *ripe* once it or a later one has a mark: it will not be dropped or rolled back any more.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::keys::Wanted;
use super::reader::Batch;
use super::record::{Digest, Guard, Record};
use super::summary::Newest;
use super::writer::{Behind, Writer};
use super::{End, Log, LogInfo};
use crate::error::Result;

/// A function that is called with a record, and stops by returning [`ControlFlow::Break`].
pub(crate) type Look<'l> = &'l mut dyn FnMut(Record) -> Result<ControlFlow<()>>;

/// The part of a log that history reads.
pub(crate) trait LogRead: Send + Sync {
    /// Returns the number of the oldest record that is kept; 0 if there is none.
    fn first(&self) -> Result<u64>;

    /// Calls `look` with each record, the newest first, until `look` stops it. With `wanted`, records that changed
    /// none of those keys may be left out.
    fn read_back(&self, wanted: Option<&Wanted>, look: Look<'_>) -> Result<()>;

    /// Returns the newest text of a package, which has this digest; `None` if it cannot be made.
    fn text_of(&self, package: &str, wanted: Digest) -> Result<Option<Vec<u8>>>;
}

/// A log: see the module documentation.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "commits and watches use `Log` itself: a table of functions is linked whole")
)]
pub(crate) trait LogStore: LogRead {
    /// Returns the name of the log, if it has one: it stays the same when the log is moved.
    fn id(&self) -> Option<String>;

    /// Finds the last record; `None` if the log cannot be read.
    fn end(&self) -> Option<End>;

    /// Returns the last ripe record and the state of all packages after it.
    fn heads(&self) -> Result<Heads>;

    /// Reads the ripe records after one, in order, up to a limit; as long as `more` is set, call it again with `last`.
    /// Transactions that were rolled back since their texts
    /// could not be placed are left out, and so are the records that rolled them back.
    ///
    /// # Errors
    ///
    /// [`crate::Error::TooOld`] if the log does not go back that far, or ends before.
    fn read_after(&self, since: u64) -> Result<Batch>;

    /// Stores a text of a package for [`LogRead::text_of`], which makes the newest text from it with the records
    /// since.
    fn keep_text(&self, package: &str, text: &[u8]) -> Result<()>;

    /// Returns the damage that was found so far.
    fn damage(&self) -> Vec<String>;

    /// Reads all records, and returns the damage that was not known before.
    fn check(&self) -> Result<LogInfo>;

    /// Takes the lock, and finds the end of the log. `waited` is the time that a [`crate::Error::Locked`] names.
    fn writer(&self, deadline: Instant, waited: Duration) -> Result<Box<dyn LogWriter + '_>>;
}

/// The right to append to a log: its lock is held until this is dropped.
#[cfg_attr(not(test), expect(dead_code, reason = "as for `LogStore`"))]
pub(crate) trait LogWriter {
    /// Returns the name of the log; one without a name gets one.
    fn make_id(&mut self) -> Result<String>;

    /// Returns the sequence of the last record.
    fn sequence(&self) -> u64;

    /// Returns the newest state of a package.
    fn newest(&self, package: &str) -> Option<Newest>;

    /// Lists the packages that were not deleted.
    fn packages(&self) -> Vec<String>;

    /// Returns the commit that waits to be confirmed, and its number.
    fn pending(&self) -> Option<(u64, Guard)>;

    /// Appends records, all of them or none, and syncs them if `durable`. They get their sequences and times here.
    /// Returns the last sequence.
    fn append(&mut self, records: Vec<Record>, durable: bool) -> Result<u64>;

    /// Makes all records durable.
    fn sync(&mut self) -> Result<()>;

    /// Marks all records: their texts are in place.
    fn mark_applied(&mut self);

    /// Marks all records: their texts follow later.
    fn mark_ahead(&mut self);

    /// Returns the records whose texts may not be in place, the oldest first; and for each, whether its mark says that
    /// its texts follow later.
    fn open_ended(&self) -> Result<Vec<(Record, bool)>>;

    /// Reports whether some texts are not in place yet. A store may return [`Behind::Now`] instead of
    /// [`Behind::Later`], so that its oldest records get marked.
    fn behind(&self) -> Behind;

    /// Reports whether the text of a package is not in place yet. If [`LogWriter::behind`] is [`Behind::Now`], a
    /// store may return true for other packages as well.
    fn is_behind(&self, package: &str) -> bool;
}

/// The state of all packages after a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Heads {
    /// The record.
    pub sequence: u64,
    /// The text of each package that exists.
    pub packages: BTreeMap<String, Digest>,
}

impl Heads {
    /// Adds the next record.
    pub fn add(&mut self, record: &Record) {
        self.sequence = record.sequence;
        for change in &record.packages {
            match change.left() {
                Some(digest) => drop(self.packages.insert(change.package.clone(), digest)),
                None => drop(self.packages.remove(&change.package)),
            }
        }
    }
}

// Requiring `Debug` of each log would link the code that prints it into each program.
impl std::fmt::Debug for dyn LogRead + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogRead")
    }
}

impl dyn LogRead + '_ {
    /// Calls `look` with each record, the newest first, until `look` stops it or all are read.
    pub fn each_back<B>(&self, look: impl FnMut(Record) -> Result<ControlFlow<B>>) -> Result<Option<B>> {
        self.each_back_of(None, look)
    }

    /// As `each_back`, but records that changed none of the wanted keys may be left out.
    pub fn each_back_of<B>(
        &self,
        wanted: Option<&Wanted>,
        mut look: impl FnMut(Record) -> Result<ControlFlow<B>>,
    ) -> Result<Option<B>> {
        let mut found = None;
        self.read_back(wanted, &mut |record| {
            found = look(record)?.break_value();
            Ok(if found.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }
}

impl LogRead for Log {
    fn first(&self) -> Result<u64> {
        Self::first(self)
    }

    fn read_back(&self, wanted: Option<&Wanted>, look: Look<'_>) -> Result<()> {
        self.walk_back(wanted, look)
    }

    fn text_of(&self, package: &str, wanted: Digest) -> Result<Option<Vec<u8>>> {
        Self::text_of(self, package, wanted)
    }
}

impl LogStore for Log {
    fn id(&self) -> Option<String> {
        Self::id(self)
    }

    fn end(&self) -> Option<End> {
        Self::end(self)
    }

    fn heads(&self) -> Result<Heads> {
        Ok(self.reader(None)?.into_heads())
    }

    fn read_after(&self, since: u64) -> Result<Batch> {
        let mut batch = self.reader(Some(since))?.read_some(self)?;
        batch.more |= batch.last > since;
        Ok(batch)
    }

    fn keep_text(&self, package: &str, text: &[u8]) -> Result<()> {
        Self::keep_text(self, package, text)
    }

    fn damage(&self) -> Vec<String> {
        self.problems()
    }

    fn check(&self) -> Result<LogInfo> {
        Self::check(self)
    }

    fn writer(&self, deadline: Instant, waited: Duration) -> Result<Box<dyn LogWriter + '_>> {
        Ok(Box::new(self.write(deadline, waited)?))
    }
}

impl LogWriter for Writer<'_> {
    fn make_id(&mut self) -> Result<String> {
        Self::make_id(self)
    }

    fn sequence(&self) -> u64 {
        Self::sequence(self)
    }

    fn newest(&self, package: &str) -> Option<Newest> {
        Self::newest(self, package)
    }

    fn packages(&self) -> Vec<String> {
        Self::packages(self)
    }

    fn pending(&self) -> Option<(u64, Guard)> {
        Self::pending(self)
    }

    fn append(&mut self, records: Vec<Record>, durable: bool) -> Result<u64> {
        Self::append(self, records, durable)
    }

    fn sync(&mut self) -> Result<()> {
        Self::sync(self)
    }

    fn mark_applied(&mut self) {
        Self::mark_applied(self);
    }

    fn mark_ahead(&mut self) {
        Self::mark_ahead(self);
    }

    fn open_ended(&self) -> Result<Vec<(Record, bool)>> {
        Self::open_ended(self)
    }

    fn behind(&self) -> Behind {
        Self::behind(self)
    }

    fn is_behind(&self, package: &str) -> bool {
        Self::is_behind(self, package)
    }
}

#[cfg(test)]
mod tests;
