//! Reading the log forwards, from where one was: what watches are made of. It takes no lock and writes nothing.
//!
//! A record is handed out once it is *ripe*: the texts it speaks of are in place, or are certain to follow. That shows
//! by its mark, or by that of a record behind it (G4). What is written but not marked yet may still be forgotten,
//! since its sync fails, or be taken back, since a file cannot be put in place; so it is read again each time until
//! it is ripe. A transaction that was taken back is not handed out, and neither is what took it back: nobody has ever
//! seen it. Those of a group are taken back in reverse order, so that each is the last one left when its turn comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::segment::{self, Chain, HEAD, Head};
use super::{Digest, Kind, Log, Record, is_at};
use crate::error::{Damage, Error, Result};
use crate::os::files::OpenFile;

/// What a transaction that is taken back since it could not be finished is told with.
pub(crate) const TAKEN_BACK: &str = "it could not be finished";

/// How many bytes of room a segment has at least, besides twice what was just read, if what
/// takes that back is in the same segment. It is about as large as what it takes back, and a segment is only followed
/// by another when something does not fit in.
const ROOM: usize = 4096;

/// How many bytes are read to see whether there is something new.
const GLANCE: usize = 4096;

/// How many bytes of records are enough for once.
const ENOUGH: usize = 1 << 20;

/// Of what is read when there is more, so many are kept back: they may be a group that is taken back, each transaction by
/// one more. So it is twice the size of the largest group.
const GROUP: usize = 2 * super::GROUP;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The last record that was handed out, or passed over.
    sequence: u64,
    /// Where the next one is, or will be; `None` if the log was empty.
    at: Option<Position>,
    /// The newest state of the packages, as of `sequence`; all of them if the reader has begun at the end.
    newest: BTreeMap<String, Digest>,
}

/// A place between two records.
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

/// What a reader hands out.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub records: Vec<Record>,
    /// Whether there is a record that is not ripe yet, so that one should look again.
    pub unripe: bool,
    /// Whether there is more to be read at once.
    pub more: bool,
}

/// A record that was found.
struct Found {
    record: Record,
    ripe: bool,
    after: Position,
}

/// What was found of the log.
struct Rest {
    found: Vec<Found>,
    /// Whether there may be more.
    more: bool,
    /// Whether it ends where segments were dropped: what is behind is lost.
    lost: bool,
}

impl Log {
    /// Makes a reader of what comes after a transaction; without one, of what comes after the last that is ripe.
    ///
    /// # Errors
    ///
    /// [`Error::TooOld`] if the log does not go back that far, or ends before; as for reading.
    pub fn reader(&self, since: Option<u64>) -> Result<Reader> {
        let Some(since) = since else { return self.reader_at_end() };
        // Segments may be dropped while they are looked at.
        for _ in 0..10 {
            let firsts = self.segments()?;
            let Some(first) = firsts.iter().rev().find(|first| **first <= since.saturating_add(1)) else {
                if firsts.is_empty() && since == 0 {
                    return Ok(Reader { sequence: 0, at: None, newest: BTreeMap::new() });
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
            // Of what is lost there is nothing to be told: one goes on behind it.
            if found.gaps.iter().any(|gap| gap.lost().contains(&since)) {
                sequence = since;
            }
            if sequence == since {
                return Ok(Reader { sequence, at: Some(at), newest: BTreeMap::new() });
            }
            if !firsts.iter().any(|later| later > first) {
                break;
            }
        }
        Err(Error::TooOld { since, revision: self.reader_at_end()?.sequence })
    }

    fn reader_at_end(&self) -> Result<Reader> {
        for _ in 0..10 {
            let mut start = None;
            let firsts = self.segments()?;
            if firsts.is_empty() {
                break;
            }
            for first in firsts.into_iter().rev() {
                // One that was dropped since is one of the oldest: the others will do.
                let Some(at) = self.start_of(first)? else { break };
                let bytes = self.bytes_from(&at, GLANCE)?;
                // If it has no mark, records before it may have none.
                let settled = segment::frame(&bytes, 0).is_none_or(|frame| frame.applied || frame.ahead);
                start = Some((first, at));
                if settled {
                    break;
                }
            }
            let Some((first, at)) = start else { continue };
            let mut reader = Reader { sequence: first - 1, at: Some(at), newest: BTreeMap::new() };
            loop {
                let before = reader.sequence;
                match reader.read(self) {
                    Ok(_) if reader.sequence == before => return Ok(reader),
                    Ok(_) => {}
                    // Damage is passed over; a segment that was dropped is not.
                    Err(Error::TooOld { revision, .. }) if revision > before && reader.is_there(self) => {
                        reader.sequence = revision;
                    }
                    Err(Error::TooOld { .. }) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Reader { sequence: 0, at: None, newest: BTreeMap::new() })
    }

    /// Goes to the start of a segment; `None` if it is gone.
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

    /// Reads the records of a segment from a place on, which it moves, behind a record. Returns how many bytes there were.
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
    /// Reports whether the segment that it reads is there.
    fn is_there(&self, log: &Log) -> bool {
        self.at.as_ref().is_some_and(|at| is_at(&at.open, &log.path(at.first)))
    }

    /// Returns the last transaction that was handed out, or passed over.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns the newest state of a package, see the field.
    pub fn newest(&self, package: &str) -> Option<Digest> {
        self.newest.get(package).copied()
    }

    /// Lists the packages there are, as far as the log was read.
    pub fn packages(&self) -> impl Iterator<Item = &String> {
        self.newest.keys()
    }

    /// Reads what has become ripe since, but not too much at once.
    ///
    /// # Errors
    ///
    /// [`Error::TooOld`] if what comes next was dropped; [`Error::Io`], [`Error::Damaged`].
    pub fn read(&mut self, log: &Log) -> Result<Batch> {
        let Some(Rest { found, more, lost }) = self.look(log)? else { return Ok(Batch::default()) };
        let mut ripe = found.iter().rposition(|found| found.ripe).map_or(0, |last| last + 1);
        if lost {
            // All that was followed by others is ripe.
            ripe = found.len();
            if ripe == 0 {
                return Err(Error::TooOld { since: self.sequence, revision: log.reader_at_end()?.sequence });
            }
        } else if more {
            let keep = found.len().saturating_sub(GROUP).max(1);
            ripe = ripe.min(keep);
        }
        let more = more && ripe > 0;
        let mut batch =
            Batch { records: Vec::with_capacity(ripe), unripe: !more && found.len() > ripe, more };
        let start = self.sequence;
        for Found { record, after, .. } in found.into_iter().take(ripe) {
            (self.sequence, self.at) = (record.sequence, Some(after));
            for change in &record.packages {
                match change.left() {
                    Some(digest) => drop(self.newest.insert(change.package.clone(), digest)),
                    None => drop(self.newest.remove(&change.package)),
                }
            }
            if record.kind == Kind::Heads {
                continue;
            }
            match batch.records.last() {
                Some(last) if takes_back(&record, last) => drop(batch.records.pop()),
                // It was asked for what came after one that was never told.
                None if is_taking_back(&record) && record.refers <= start => {}
                _ => batch.records.push(record),
            }
        }
        Ok(batch)
    }

    /// Finds what there is behind the place of the reader; `None` if there is no log yet.
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
            let last = found.last().map_or(self.sequence, |found: &Found| found.record.sequence);
            let fresh = match log.read_segment(&mut at, &mut found, last) {
                // What was found before the damage comes first.
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
            // Mostly what was read is all there is, and one need not look for another segment.
            let is_roomy = at.length.saturating_sub(at.offset) > 2 * fresh + ROOM;
            if is_roomy && fresh > 0 && read == fresh && found.last().is_some_and(|last| last.ripe) {
                return Ok(Some(Rest { found, more: false, lost: false }));
            }
            let next = found.last().map_or(self.sequence, |found| found.record.sequence) + 1;
            match log.start_of(next)? {
                Some(entered) if at.first != next => {
                    if entered.chain != at.chain {
                        return Ok(Some(Rest { found, more: false, lost: true }));
                    }
                    (at, gone) = (entered, false);
                }
                // Nothing is written any more to a segment that was dropped, and all of it has been read.
                _ if gone && fresh == 0 => return Ok(Some(Rest { found, more: false, lost: true })),
                _ if gone => {}
                // If the segment is gone, it shows when there is nothing more in it.
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

/// Reports whether a record takes back a transaction that could not be finished.
pub(crate) fn is_taking_back(record: &Record) -> bool {
    record.kind == Kind::Undo && record.message == TAKEN_BACK
}

/// Reports whether a record takes back another.
fn takes_back(record: &Record, other: &Record) -> bool {
    is_taking_back(record) && (record.refers, record.pid) == (other.sequence, other.pid)
}
