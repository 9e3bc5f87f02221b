//! Writes the log: a writer holds the lock, and has found the end of the log.

mod append;
mod follow;
mod lock;
mod marks;
mod replaced;
mod rotate;
mod tail;

use std::sync::MutexGuard;

pub(super) use append::HINT_EVERY;
pub(crate) use marks::Behind;
pub(super) use tail::Tail;

use super::Log;
use super::record::Guard;
use super::summary::{Newest, Summary};
use super::ticket::Turn;
use crate::error::{Error, Result};

/// The right to append: the lock is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Writer<'l> {
    log: &'l Log,
    // Dropped before the turn: when the turn ends, the next thread uses the lock.
    tail: MutexGuard<'l, Option<Tail>>,
    _turn: Turn<'l>,
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Some(tail) = &*self.tail {
            self.log.files.unlock(&tail.lock);
        }
    }
}

impl Writer<'_> {
    fn tail(&mut self) -> &mut Tail {
        self.tail.as_mut().expect("it is set as long as the lock is held")
    }

    fn known(&self) -> &Tail {
        self.tail.as_ref().expect("it is set as long as the lock is held")
    }

    fn summary(&self) -> &Summary {
        &self.known().summary
    }

    /// Reports whether the log whose lock this writer holds is still the one at the path. If so, all files that were
    /// read through that path so far belong to this log.
    pub fn is_current(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.lock.is_at_path())
    }

    /// As [`Log::replaced`].
    pub fn replaced(&self) -> Error {
        self.log.replaced()
    }

    /// As [`Log::id`]; a log without a name gets one.
    pub fn make_id(&mut self) -> Result<String> {
        self.log.make_id()
    }

    /// Returns the sequence of the last record.
    pub fn sequence(&self) -> u64 {
        self.summary().sequence
    }

    /// Returns the first record of the segment that is appended to; 0 in an empty log.
    pub fn segment(&self) -> u64 {
        let segment = self.tail.as_ref().and_then(|tail| tail.segment.as_ref());
        segment.map_or(0, |segment| segment.first)
    }

    /// As [`Writer::segment`]; 0 if records of an earlier segment still have texts to be placed.
    pub fn settled_segment(&self) -> u64 {
        let segment = self.segment();
        let oldest = self.tail.as_ref().and_then(|tail| tail.unplaced.first());
        // The first record repeats the newest digests; the segment was begun for the second one.
        let rested = oldest.is_none_or(|spot| spot.first == segment && spot.sequence > segment + 1);
        if rested { segment } else { 0 }
    }

    /// Returns the newest state of a package.
    pub fn newest(&self, package: &str) -> Option<Newest> {
        self.summary().packages.get(package).copied()
    }

    /// Lists the packages in the log that were not deleted.
    pub fn packages(&self) -> Vec<String> {
        self.summary().present()
    }

    /// Returns the commit that waits to be confirmed, and its number.
    pub fn pending(&self) -> Option<(u64, Guard)> {
        self.summary().pending
    }
}
