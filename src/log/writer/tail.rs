//! The end of the log as a handle knows it, with all that is needed to append there.

use crate::log::segment::Chain;
use crate::log::summary::Summary;
use crate::os::files::{FileId, Names, OpenFile};

/// See the module documentation.
#[derive(Debug)]
pub(in crate::log) struct Tail {
    /// The process that opened the files: after a fork the child must not share the lock.
    pub process: u32,
    pub lock: OpenFile,
    /// The lock of the process at the head of the queue, so that a process that has just released the log's lock does
    /// not get it again before others.
    pub queue: OpenFile,
    /// The names in the directory when both locks and the segment were found at their paths and no later segment was
    /// there; `None` if that has to be looked at again. As long as the directory has this state, all of it holds.
    pub names: Option<Names>,
    /// `None` in an empty log.
    pub segment: Option<Segment>,
    /// The chain of the last record.
    pub chain: Chain,
    pub summary: Summary,
    /// The records whose texts may not be in place, the oldest first.
    pub unplaced: Vec<RecordPosition>,
}

/// The segment that is appended to.
#[derive(Debug)]
pub(in crate::log) struct Segment {
    pub open: OpenFile,
    pub id: FileId,
    /// Its first record.
    pub first: u64,
    pub length: usize,
    /// The offset of the next record.
    pub end: usize,
    /// Whether the segment gets no more records: it has an older version, or is damaged.
    pub is_closed: bool,
    pub is_damaged: bool,
    /// The offset in the hint, as far as this handle knows.
    pub hint: usize,
}

impl Segment {
    /// Returns how many bytes of records the segment can still take.
    pub fn room(&self) -> usize {
        if self.is_closed { 0 } else { self.length - self.end }
    }
}

/// The position of a record whose text may not be in place.
#[derive(Debug, Clone, Copy)]
pub(in crate::log) struct RecordPosition {
    /// The first record of its segment.
    pub first: u64,
    pub offset: usize,
    pub sequence: u64,
    /// Whether its mark says that its texts follow later.
    pub ahead: bool,
}
