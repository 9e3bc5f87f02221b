//! Reads the log forwards from a position, for watches. It takes no lock and writes nothing.
//!
//! A record is handed out once it is *ripe*: its texts are in place, or are certain to follow. Its mark says so, or
//! the mark of a later record (G4). A record that is written but not marked may still be dropped, if its sync fails,
//! or be rolled back, if a file cannot be put in place; so the reader reads it again each time until it is ripe. A
//! transaction that was rolled back is not handed out, nor is the record that rolled it back: no reader of the store
//! ever saw its changes. The transactions of a group are rolled back in reverse order, so that each is the last
//! transaction when it is rolled back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::segment::{self, Chain, HEAD, Head};
use super::store::Heads;
use super::{Digest, Kind, Log, Record, is_at};
use crate::error::{Damage, Error, Result};
use crate::os::files::OpenFile;

/// The message of the record that rolls back a transaction whose files could not be replaced.
pub(crate) const CANCELLED: &str = "it could not be finished";

/// If a segment has at least this much room left, besides twice the bytes just read, then a record that rolls them back
/// is in the same segment: it is about as large as the records it rolls back, and a new segment is only begun when a
/// record does not fit.
const ROOM: usize = 4096;

/// How many bytes are read to find new records.
const GLANCE: usize = 4096;

/// After how many bytes of records one call of the reader stops.
const ENOUGH: usize = 1 << 20;

/// When there is more to read, this many of the last records are held back: they may be a group that is rolled back,
/// with one more record for each transaction. So it is twice the size of the largest group.
const GROUP: usize = 2 * super::GROUP;

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The last record that was handed out or skipped, and the state of the packages after it; of all packages if the
    /// reader has begun at the end, else of those that were changed since.
    heads: Heads,
    /// The position of the next record; `None` if the log was empty.
    at: Option<Position>,
}

/// A position between two records.
#[derive(Debug, Clone)]
struct Position {
    open: Arc<OpenFile>,
    /// The first record of the segment.
    first: u64,
    /// How long the segment is.
    length: usize,
    offset: usize,
    /// The chain of the record before.
    chain: Chain,
}

/// Records that a reader hands out.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub records: Vec<Record>,
    /// The last record that was read, from which to continue. It may be one that is not handed out.
    pub last: u64,
    /// Whether the next record is not ripe yet: the caller should read again later.
    pub unripe: bool,
    /// Whether more records are certainly there. If not set, there may still be more, in a segment that was not
    /// looked for.
    pub more: bool,
}

/// A record that was found.
struct Found {
    record: Record,
    ripe: bool,
    after: Position,
}

/// The records found in one pass over the log.
struct Rest {
    found: Vec<Found>,
    /// Whether there may be more.
    more: bool,
    /// Whether it ends where segments were dropped: the records there are lost.
    lost: bool,
}

impl Log {
    /// Makes a reader of the records after a transaction or, if none is given, after the last ripe record.
    ///
    /// # Errors
    ///
    /// [`Error::TooOld`] if the log does not go back that far, or ends before; as for reading.
    pub fn reader(&self, since: Option<u64>) -> Result<Reader> {
        let Some(since) = since else { return self.reader_at_end() };
        // Segments may be dropped during this.
        for _ in 0..10 {
            let firsts = self.segments()?;
            let Some(first) = firsts.iter().rev().find(|first| **first <= since.saturating_add(1)) else {
                if firsts.is_empty() && since == 0 {
                    return Ok(Reader::default());
                }
                break;
            };
            let Some(mut at) = self.start_of(*first)? else { continue };
            let mut sequence = first - 1;
            let Some(whole) = self.read(*first)? else { continue };
            let found = self.scan(&whole);
            for (number, frame) in found.frames.iter().take_while(|(number, _)| *number <= since) {
                sequence = *number;
                (at.offset, at.chain) = (frame.end, frame.chain);
            }
            // Lost records cannot be handed out: the reader continues after them.
            if found.gaps.iter().any(|gap| gap.lost().contains(&since)) {
                sequence = since;
            }
            if sequence == since {
                return Ok(Reader::at(sequence, at));
            }
            if !firsts.iter().any(|later| later > first) {
                break;
            }
        }
        Err(Error::TooOld { since, revision: self.reader_at_end()?.sequence() })
    }

    fn reader_at_end(&self) -> Result<Reader> {
        for _ in 0..10 {
            let mut start = None;
            let firsts = self.segments()?;
            if firsts.is_empty() {
                break;
            }
            for first in firsts.into_iter().rev() {
                // A segment that was dropped meanwhile is one of the oldest, which are not needed.
                let Some(at) = self.start_of(first)? else { break };
                let bytes = self.bytes_from(&at, GLANCE)?;
                // If this record has no mark, records before it may have none.
                let settled = segment::frame(&bytes, 0).is_none_or(|frame| frame.applied || frame.ahead);
                start = Some((first, at));
                if settled {
                    break;
                }
            }
            let Some((first, at)) = start else { continue };
            let mut reader = Reader::at(first - 1, at);
            loop {
                let before = reader.heads.sequence;
                match reader.read(self) {
                    Ok(_) if reader.heads.sequence == before => return Ok(reader),
                    Ok(_) => {}
                    // Damage is skipped; a dropped segment is not.
                    Err(Error::TooOld { revision, .. }) if revision > before && reader.is_there(self) => {
                        reader.heads.sequence = revision;
                    }
                    Err(Error::TooOld { .. }) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Reader::default())
    }

    /// Returns the position at the start of a segment; `None` if it was dropped.
    fn start_of(&self, first: u64) -> Result<Option<Position>> {
        let path = self.path(first);
        let open = match self.files.open(&path) {
            Ok(open) => open,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let bytes = self.files.read_at(&open, 0, HEAD).map_err(Error::io("read", &path))?;
        let head = Head::decode(&bytes).map_err(|why| Error::Damaged {
            what: Damage::Log,
            path: path.clone(),
            why: why.into(),
        })?;
        let length = open.file.metadata().map_err(Error::io("read", &path))?.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let at = Position { open: Arc::new(open), first, length, offset: HEAD, chain: head.chain };
        Ok((head.first == first).then_some(at))
    }

    fn bytes_from(&self, at: &Position, most: usize) -> Result<Vec<u8>> {
        let io = |error| Error::io("read", &at.open.path)(error);
        let length = at.length.saturating_sub(at.offset).min(most);
        self.files.read_at(&at.open, at.offset as u64, length).map_err(io)
    }

    /// Reads the records of a segment from a position on, and moves the position after each. Returns how many bytes
    /// were read.
    ///
    /// # Errors
    ///
    /// [`Error::TooOld`] if those that come next are lost, since the segment is damaged.
    fn read_segment(&self, at: &mut Position, found: &mut Vec<Found>, after: u64) -> Result<usize> {
        let io = |error| Error::io("read", &at.open.path)(error);
        let mut bytes = self.files.read_at(&at.open, at.offset as u64, GLANCE).map_err(io)?;
        let seen = segment::frames(&bytes, 0, at.chain).last().map_or(0, |frame| frame.end);
        let next = bytes.get(seen..seen + 4);
        if bytes.len() == GLANCE && next.is_none_or(|length| length != [0; 4]) {
            bytes = self.bytes_from(at, usize::MAX)?;
        }
        let start = at.offset;
        let frames: Vec<_> = segment::frames(&bytes, 0, at.chain).map(|frame| (start, frame)).collect();
        let is_written = bytes.iter().take(8).any(|byte| *byte != 0);
        let whole = if frames.is_empty() && is_written { self.read(at.first)? } else { None };
        let behind = whole.iter().flat_map(|whole| self.scan(whole).frames);
        let behind: Vec<_> = behind.filter(|(number, _)| *number > after).collect();
        if let Some((next, _)) = behind.first().filter(|(next, _)| *next > after + 1) {
            return Err(Error::TooOld { since: after, revision: next - 1 });
        }
        for (base, frame) in frames.into_iter().chain(behind.into_iter().map(|(_, frame)| (0, frame))) {
            let Some(record) = Record::decode(frame.body) else {
                let why = "a record was written by a later version of cms".to_owned();
                return Err(Error::Damaged { what: Damage::Log, path: at.open.path.clone(), why });
            };
            (at.offset, at.chain) = (base + frame.end, frame.chain);
            found.push(Found { record, ripe: frame.applied || frame.ahead, after: at.clone() });
        }
        Ok(at.offset - start)
    }
}

impl Reader {
    fn at(sequence: u64, at: Position) -> Self {
        Self { heads: Heads { sequence, packages: BTreeMap::new() }, at: Some(at) }
    }

    /// Returns the last record that was handed out or skipped, and the state of the packages after it.
    pub(super) fn into_heads(self) -> Heads {
        self.heads
    }

    /// Reports whether the segment that it reads still exists.
    fn is_there(&self, log: &Log) -> bool {
        self.at.as_ref().is_some_and(|at| is_at(&at.open, &log.path(at.first)))
    }

    /// Returns the last transaction that was handed out or skipped.
    pub fn sequence(&self) -> u64 {
        self.heads.sequence
    }

    /// Returns the newest state of a package, as far as the log was read.
    pub fn newest(&self, package: &str) -> Option<Digest> {
        self.heads.packages.get(package).copied()
    }

    /// Lists the packages that exist, as far as the log was read.
    pub fn packages(&self) -> impl Iterator<Item = &String> {
        self.heads.packages.keys()
    }

    /// Reads the records that have become ripe since, up to a limit. The result may be empty although the reader has
    /// moved on, for example because the records that it read were rolled back.
    ///
    /// # Errors
    ///
    /// [`Error::TooOld`] if the next records were dropped; [`Error::Io`], [`Error::Damaged`].
    pub fn read(&mut self, log: &Log) -> Result<Batch> {
        let Some(Rest { found, more, lost }) = self.look(log)? else {
            return Ok(Batch { last: self.heads.sequence, ..Batch::default() });
        };
        let mut ripe = found.iter().rposition(|found| found.ripe).map_or(0, |last| last + 1);
        if lost {
            // Every record that is followed by others is ripe.
            ripe = found.len();
            if ripe == 0 {
                return Err(Error::TooOld {
                    since: self.heads.sequence,
                    revision: log.reader_at_end()?.sequence(),
                });
            }
        } else if more {
            let keep = found.len().saturating_sub(GROUP).max(1);
            ripe = ripe.min(keep);
        }
        let more = more && ripe > 0;
        let unripe = !more && found.len() > ripe;
        let (start, mut records) = (self.heads.sequence, Vec::with_capacity(ripe));
        for Found { record, after, .. } in found.into_iter().take(ripe) {
            self.heads.add(&record);
            self.at = Some(after);
            hand_out(&mut records, record, start);
        }
        Ok(Batch { records, last: self.heads.sequence, unripe, more })
    }

    /// As [`Reader::read`], until there is a record to hand out, or nothing more to be read.
    pub fn read_some(&mut self, log: &Log) -> Result<Batch> {
        loop {
            let before = self.sequence();
            let batch = self.read(log)?;
            if !batch.records.is_empty() || self.sequence() == before {
                return Ok(batch);
            }
        }
    }

    /// Finds the records after the position of the reader; `None` if there is no log yet.
    fn look(&mut self, log: &Log) -> Result<Option<Rest>> {
        let mut at = match &self.at {
            Some(at) => at.clone(),
            None => match log.segments()?.first() {
                None => return Ok(None),
                Some(1) => match log.start_of(1)? {
                    Some(at) => at,
                    None => return Ok(None),
                },
                Some(_) => {
                    return Ok(Some(Rest { found: Vec::new(), more: false, lost: true }));
                }
            },
        };
        let (mut found, mut read, mut gone) = (Vec::new(), 0, false);
        loop {
            let last = found.last().map_or(self.heads.sequence, |found: &Found| found.record.sequence);
            let fresh = match log.read_segment(&mut at, &mut found, last) {
                // The records before the damage are handed out first.
                Err(Error::TooOld { .. }) if !found.is_empty() => {
                    return Ok(Some(Rest { found, more: true, lost: false }));
                }
                fresh => fresh?,
            };
            read += fresh;
            let telling = found.iter().filter(|found| found.record.kind != Kind::Heads).count();
            if read > ENOUGH && telling > 2 * GROUP || read > 64 * ENOUGH && telling > GROUP {
                return Ok(Some(Rest { found, more: true, lost: false }));
            }
            // Usually all records are read by now. Looking for another segment would cost a system call.
            let is_roomy = at.length.saturating_sub(at.offset) > 2 * fresh + ROOM;
            if is_roomy && fresh > 0 && read == fresh && found.last().is_some_and(|last| last.ripe) {
                return Ok(Some(Rest { found, more: false, lost: false }));
            }
            let next = found.last().map_or(self.heads.sequence, |found| found.record.sequence) + 1;
            match log.start_of(next)? {
                Some(entered) if at.first != next => {
                    if entered.chain != at.chain {
                        return Ok(Some(Rest { found, more: false, lost: true }));
                    }
                    (at, gone) = (entered, false);
                }
                // The dropped segment gets no more records, and all of it has been read.
                _ if gone && fresh == 0 => return Ok(Some(Rest { found, more: false, lost: true })),
                _ if gone => {}
                // Check whether the segment was dropped only after all of it has been read.
                _ if fresh > 0 && found.last().is_some_and(|last| last.ripe) => {
                    return Ok(Some(Rest { found, more: false, lost: false }));
                }
                _ => {
                    gone = !is_at(&at.open, &log.path(at.first));
                    if !gone {
                        return Ok(Some(Rest { found, more: false, lost: false }));
                    }
                }
            }
        }
    }
}

/// Adds a ripe record to those that were read after `start`, unless it only repeats the state of packages. A record
/// that rolls back a transaction removes that one instead.
pub(super) fn hand_out(records: &mut Vec<Record>, record: Record, start: u64) {
    if record.kind == Kind::Heads {
        return;
    }
    match records.last() {
        Some(last) if cancels(&record, last) => drop(records.pop()),
        // The caller asked for the records after one that was never handed out.
        None if is_cancellation(&record) && record.refers <= start => {}
        _ => records.push(record),
    }
}

/// Reports whether a record rolls back a transaction whose files could not be replaced.
pub(crate) fn is_cancellation(record: &Record) -> bool {
    record.kind == Kind::Undo && record.message == CANCELLED
}

/// Reports whether a record rolls back another.
fn cancels(record: &Record, other: &Record) -> bool {
    is_cancellation(record) && (record.refers, record.pid) == (other.sequence, other.pid)
}
