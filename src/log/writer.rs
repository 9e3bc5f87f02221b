//! Appending to the log: its lock, its end, and the records whose texts are still to be put in place.

mod rotate;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::record::{Digest, Guard, Kind, Record};
use super::scan::scan;
use super::segment::{self, Chain, HEAD, ORIGIN};
use super::ticket::Turn;
use super::{Log, REPLACED_WITHIN, is_missing};
use crate::error::{Damage, Error, Result};
use crate::os::files::{FileId, OpenFile, Pauses, Wait};

/// If the clock is set back by no more than this, records keep the time of the one before: an hour, in microseconds.
const MOST_BACK: u64 = 3_600_000_000;

/// A clock before this time was never set (routers start in 1970, or at the build time of their firmware): 2025-01-01.
const CLOCK_IS_SET: u64 = 1_735_689_600_000_000;

/// Part of the names of segments, texts and snapshots that are not complete yet; see `Files::create_unique`.
const UNFINISHED: &str = ".cms-";

/// How far the hint may lag behind the last record. It is in the segment's first block, which would have to be synced
/// with each record if the hint changed as often.
pub(super) const HINT_EVERY: usize = 4096;

/// Who is in the way while the directory of a log is replaced.
const REPLACER: &str = "another program that is replacing the directory";

/// How long a thread sleeps while another thread or process is about to finish.
const BRIEFLY: Duration = Duration::from_millis(200);

/// Poll interval of the thread at the head of the queue. Only one thread is ever in this state, so polling often is
/// cheap.
const NEXT: Pauses = Pauses { first: Duration::from_micros(100), last: Duration::from_micros(500) };

/// Poll intervals of the processes behind it: the longer one has waited, the more often it polls, so that none starves.
const QUEUED: Pauses = Pauses { first: Duration::from_millis(3), last: Duration::from_micros(500) };

/// The end of the log, as far as a handle knows, with all that is needed to append there.
#[derive(Debug)]
pub(super) struct Tail {
    /// The process that opened the files: after a fork the child must not share the lock.
    process: u32,
    lock: OpenFile,
    /// Locked by the process that is next, so that one that has just released the lock does not get it again before
    /// others.
    queue: OpenFile,
    /// `None` in a log that is empty.
    segment: Option<Segment>,
    end: End,
    /// The records whose texts may not be in place, the oldest first.
    open_ends: Vec<Spot>,
}

#[derive(Debug)]
struct Segment {
    open: OpenFile,
    id: FileId,
    first: u64,
    length: usize,
    /// Where the next record goes.
    end: usize,
    /// Whether the segment gets no more records: it has an older version, or is damaged.
    is_closed: bool,
    is_damaged: bool,
    /// The offset in the hint, as far as this handle knows.
    hint: usize,
}

impl Segment {
    fn room(&self) -> usize {
        if self.is_closed { 0 } else { self.length - self.end }
    }
}

/// Where a record is.
#[derive(Debug, Clone, Copy)]
struct Spot {
    /// The first record of its segment.
    first: u64,
    offset: usize,
    sequence: u64,
    /// Whether its texts are to follow later.
    ahead: bool,
}

/// The end of the log.
#[derive(Debug, Clone)]
struct End {
    sequence: u64,
    time: u64,
    chain: Chain,
    packages: BTreeMap<String, Newest>,
    /// The commit that waits to be confirmed.
    pending: Option<(u64, Guard)>,
}

/// The newest state of a package the log knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The transaction that made it.
    pub sequence: u64,
    /// Its text; empty if the package does not exist.
    pub digest: Digest,
    /// Whether the package was deleted.
    pub gone: bool,
}

/// Whether all texts are in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// All are in place.
    Nowhere,
    /// Some are not, and need not be for now.
    Later,
    /// Some are not, and have to be put in place before anything else is done: a process has died before it did that,
    /// or the segment with their records is not the last.
    Now,
}

/// The right to append: the lock is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Writer<'l> {
    log: &'l Log,
    // Dropped before the turn: when the turn ends, the lock is the next thread's.
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

impl Log {
    /// Takes the lock, and finds the end of the log. The directory is made if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another writer does not finish in time, [`Error::Io`], and [`Error::Damaged`] if the
    /// log is by a later version, or an earlier sync has failed.
    pub fn write(&self, deadline: Instant, timeout: Duration) -> Result<Writer<'_>> {
        if self.broken.load(Ordering::Relaxed) {
            let why = "an earlier sync failed, so it is not known which transactions are durable".to_owned();
            return Err(Error::Damaged { what: Damage::Handle, path: self.dir.clone(), why });
        }
        let locked =
            |path: &Path, holder: String| Error::Locked { path: path.into(), holder, waited: timeout };
        let Some(turn) = self.turns.take(deadline) else {
            return Err(locked(&self.dir, "another thread of this process".into()));
        };
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = Writer { log: self, tail, _turn: turn };
        loop {
            self.lock_end(&mut writer.tail, deadline, timeout)?;
            let followed = writer.follow();
            if writer.is_current() {
                return followed.map(|()| writer);
            }
            // What was read by its path may be of the log that is there now.
            if !self.leave(&mut writer.tail, deadline) || Instant::now() >= deadline {
                return Err(locked(&self.dir, REPLACER.into()));
            }
        }
    }

    /// Takes the lock of the log that is at the path.
    fn lock_end(&self, tail: &mut Option<Tail>, deadline: Instant, timeout: Duration) -> Result<()> {
        let locked =
            |path: &Path, holder: String| Error::Locked { path: path.into(), holder, waited: timeout };
        let (process, mut tries) = (std::process::id(), 0);
        loop {
            let known = match tail.take().filter(|tail| tail.process == process) {
                Some(known) => known,
                None => match self.open(process) {
                    // The directory was replaced after it was made and before it was opened.
                    Err(error) if is_missing(&error) && tries < REPLACED_WITHIN => {
                        tries += 1;
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                    opened => opened?,
                },
            };
            let known = tail.insert(known);
            let wait = |open: &OpenFile, pauses| match self.files.lock_at_path(open, deadline, pauses) {
                Ok(Wait::Held) => Ok(true),
                Ok(Wait::Replaced) => Ok(false),
                Ok(Wait::TimedOut) => {
                    // The holder is the process that works with the log; if none does, the one at the head of the
                    // queue.
                    Err(locked(&open.path, crate::os::lock::holder_of_one(&[&known.lock, open])))
                }
                Err(error) => Err(Error::io("lock", &open.path)(error)),
            };
            let held = wait(&known.queue, QUEUED)? && {
                let held = wait(&known.lock, NEXT);
                self.files.unlock(&known.queue);
                held?
            };
            if held {
                return Ok(());
            }
            // The directory was removed, or another is in its place: this handle's knowledge of the log is void.
            if !self.leave(tail, deadline) || Instant::now() >= deadline {
                return Err(locked(&self.dir, REPLACER.into()));
            }
        }
    }

    /// Forgets where the log ends if its directory was replaced; its records are kept for [`Log::left`]. While another
    /// thread appends, that one does it. Returns whether nobody appends to a replaced log any more.
    pub fn leave_replaced(&self) -> bool {
        let Some(_turn) = self.turns.take(Instant::now() + BRIEFLY) else { return false };
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let is_replaced = tail.as_ref().is_some_and(|known| !known.lock.is_at_path());
        !is_replaced || self.leave(&mut tail, Instant::now() + BRIEFLY)
    }

    /// Leaves a log whose directory was replaced. A writer that has its lock may still append to it, so its end is read
    /// with that lock held; later writers find the directory replaced. Returns false if the lock cannot be had in time.
    fn leave(&self, tail: &mut Option<Tail>, deadline: Instant) -> bool {
        let Some(known) = tail.take().filter(|known| known.process == std::process::id()) else {
            return true;
        };
        if !matches!(self.files.lock(&known.lock, true, deadline), Ok(Wait::Held)) {
            *tail = Some(known);
            return false;
        }
        let Some(segment) = &known.segment else { return true };
        let Ok(bytes) = self.files.read_at(&segment.open, 0, segment.length) else { return true };
        let Ok(head) = segment::Head::decode(&bytes) else { return true };
        let found = scan(&bytes, HEAD, &[head.chain], segment.first.saturating_sub(1));
        let records = found.frames.iter().filter_map(|(_, frame)| Record::decode(frame.body));
        self.left.lock().unwrap_or_else(PoisonError::into_inner).extend(records);
        true
    }

    /// Returns the records of the logs that were left because their directories were replaced, the oldest first.
    pub fn left(&self) -> Vec<Record> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the records of the logs that were left: all that was in them is in the texts.
    pub fn forget_left(&self) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the error of a writer whose log was replaced before it has appended: see `retry`.
    pub fn replaced(&self) -> Error {
        Error::Locked { path: self.dir.join("lock"), holder: REPLACER.into(), waited: Duration::ZERO }
    }

    fn open(&self, process: u32) -> Result<Tail> {
        self.make_dir()?;
        let files = self.within(None)?;
        *self.texts.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let path = self.dir.join("lock");
        let lock = files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        let path = self.dir.join("queue");
        let queue = files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        Ok(Tail { process, lock, queue, segment: None, end: End::empty(), open_ends: Vec::new() })
    }

    /// Makes the directory and syncs its parents, so that a power cut does not lose it with its contents.
    pub(super) fn make_dir(&self) -> Result<()> {
        let state = self.dir.parent().unwrap_or(Path::new(""));
        let missing: Vec<&Path> = state.ancestors().take_while(|dir| !is_there(dir)).collect();
        for dir in missing.into_iter().rev() {
            match self.files.mkdir(dir, 0o700) {
                Err(error) if !dir.is_dir() => return Err(Error::io("create the directory", dir)(error)),
                _ => {}
            }
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            self.files.sync_dir(parent).map_err(Error::io("sync", parent))?;
        }
        if self.dir.is_dir() {
            return Ok(());
        }
        // Only in a directory of a trusted user.
        let folder = self.open_state().map_err(Error::io("trust", state))?;
        let name = self.dir.file_name().unwrap_or_default();
        folder.make_sub(&self.files, name, 0o700).map_err(Error::io("create the directory", &self.dir))?;
        self.files.sync_dir(folder.path()).map_err(Error::io("sync", state))
    }

    /// Removes incomplete files that a crash has left. The caller holds the lock.
    fn sweep(&self) {
        for dir in [self.dir.clone(), self.dir.join("texts"), self.dir.join("snapshots")] {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with('.') && name.contains(UNFINISHED) {
                    // If it cannot be removed, it only takes room.
                    let _ = self.files.remove(&entry.path());
                }
            }
        }
    }

    /// Finds the records without a mark at the end of the segments before this one. There are some only if the first
    /// record of this segment has no mark either.
    fn open_ends_before(&self, first: u64) -> Result<Vec<Spot>> {
        let before = self.segments()?.into_iter().rev().find(|other| *other < first);
        let (Some(whole), Some(before)) = (self.read(first)?, before) else { return Ok(Vec::new()) };
        if segment::frame(&whole.bytes, HEAD).is_none_or(|frame| frame.applied) {
            return Ok(Vec::new());
        }
        let Some(whole) = self.read(before)? else { return Ok(Vec::new()) };
        let mut spots = self.open_ends_before(before)?;
        for (sequence, frame) in self.scan(&whole).frames {
            if frame.applied {
                spots.clear();
            } else {
                spots.push(Spot { first: before, offset: frame.offset, sequence, ahead: frame.ahead });
            }
        }
        Ok(spots)
    }
}

impl Writer<'_> {
    fn tail(&mut self) -> &mut Tail {
        self.tail.as_mut().expect("it is there as long as the lock is held")
    }

    fn known(&self) -> &End {
        &self.tail.as_ref().expect("it is there as long as the lock is held").end
    }

    /// Reports whether the log that this writer has the lock of is still the one at the path. What was read by its path
    /// before this was is of this log.
    pub fn is_current(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.lock.is_at_path())
    }

    /// As [`Log::replaced`].
    pub fn replaced(&self) -> Error {
        self.log.replaced()
    }

    /// Returns the sequence of the last record.
    pub fn sequence(&self) -> u64 {
        self.known().sequence
    }

    /// Returns the first record of the segment that is appended to; 0 if there is none.
    pub fn segment(&self) -> u64 {
        let segment = self.tail.as_ref().and_then(|tail| tail.segment.as_ref());
        segment.map_or(0, |segment| segment.first)
    }

    /// The current segment, or 0 if records of an earlier segment still have texts to be written.
    pub fn rested_segment(&self) -> u64 {
        let segment = self.segment();
        let oldest = self.tail.as_ref().and_then(|tail| tail.open_ends.first());
        // The first record repeats the newest digests; the segment was begun for the second one.
        let rested = oldest.is_none_or(|spot| spot.first == segment && spot.sequence > segment + 1);
        if rested { segment } else { 0 }
    }

    /// Reports whether the texts of all records are in place.
    pub fn is_at_rest(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.open_ends.is_empty())
    }

    /// Returns the newest state of a package.
    pub fn newest(&self, package: &str) -> Option<Newest> {
        self.known().packages.get(package).copied()
    }

    /// Lists the packages in the log that were not deleted.
    pub fn packages(&self) -> Vec<String> {
        let there = self.known().packages.iter().filter(|(_, newest)| !newest.gone);
        there.map(|(package, _)| package.clone()).collect()
    }

    /// Returns the commit that waits to be confirmed, and its number.
    pub fn pending(&self) -> Option<(u64, Guard)> {
        self.known().pending
    }

    /// Finds the end of the log, starting from the end that this handle last saw.
    fn follow(&mut self) -> Result<()> {
        let log = self.log;
        loop {
            let tail = self.tail();
            let at = tail.segment.as_ref().map(|segment| log.path(segment.first));
            // A segment that was dropped, or is used again, cannot be the starting point.
            let gone = match (&tail.segment, at) {
                (Some(segment), Some(path)) => FileId::at(&path) != Some(segment.id),
                _ => true,
            };
            if gone {
                if !self.is_current() {
                    return Ok(());
                }
                log.sweep();
                let Some(first) = self.enter_last()? else { return Ok(()) };
                self.tail().open_ends = log.open_ends_before(first)?;
            }
            self.forget_marked();
            self.read_on()?;
            let next = self.known().sequence + 1;
            let segment = self.tail().segment.as_ref().map(|segment| (segment.first, segment.is_damaged));
            let next = match segment {
                // After damage some numbers are skipped.
                Some((first, true)) => log.segments()?.into_iter().find(|other| *other > first),
                Some((first, false)) if first == next => None,
                _ => Some(next).filter(|next| log.path(*next).exists()),
            };
            match next {
                Some(next) if self.is_current() => self.enter(next)?,
                _ => return Ok(()),
            }
        }
    }

    /// Goes to the start of the last segment. If its first record, which sums up the segments before, cannot be read,
    /// those segments are read first. Returns its number; `None` in a log without segments.
    fn enter_last(&mut self) -> Result<Option<u64>> {
        let log = self.log;
        let firsts = log.segments()?;
        let Some(last) = firsts.last().copied() else {
            self.forget_all();
            return Ok(None);
        };
        let begins = |first: u64| -> Result<bool> {
            if log.files.open(&log.path(first)).is_ok_and(|open| log.sound_head(&open, first).is_some()) {
                return Ok(true);
            }
            let Some(whole) = log.read(first)? else { return Ok(false) };
            Ok(whole.scan().frames.first().is_some_and(|(number, _)| *number == first))
        };
        let mut start = firsts.len() - 1;
        while start > 0 && !begins(firsts[start])? {
            start -= 1;
        }
        for first in &firsts[start..] {
            if *first != firsts[start] {
                self.read_on()?;
            }
            self.enter(*first)?;
        }
        Ok(Some(last))
    }

    /// Makes numbers go on after one that is taken, even if the log ends before it.
    pub fn raise(&mut self, floor: u64) {
        let tail = self.tail();
        if floor > tail.end.sequence {
            tail.end.sequence = floor;
            // The numbers of a segment have no gaps.
            tail.segment.iter_mut().for_each(|segment| segment.is_closed = true);
        }
    }

    /// Begins a new segment if the last one is damaged, so that new records do not follow damage.
    pub fn leave_damaged(&mut self) -> Result<()> {
        match self.tail().segment.as_ref().is_some_and(|segment| segment.is_damaged) {
            true => self.rotate(0),
            false => Ok(()),
        }
    }

    /// Begins a new first segment, in a log whose segments were all removed.
    fn forget_all(&mut self) {
        let tail = self.tail();
        (tail.segment, tail.end) = (None, End::empty());
        tail.open_ends.clear();
    }

    /// Forgets the records that another process has marked since.
    fn forget_marked(&mut self) {
        let files = self.log.files.clone();
        let tail = self.tail();
        let Some(segment) = &tail.segment else { return };
        // The last is marked first. One of an earlier segment can stay.
        let Some(last) = tail.open_ends.last().filter(|last| last.first == segment.first) else { return };
        let (offset, mark) = segment::applied(last.offset);
        if files.read_at(&segment.open, offset, mark.len()).is_ok_and(|found| found == mark) {
            tail.open_ends.clear();
        }
    }

    /// Goes to the start of a segment.
    fn enter(&mut self, first: u64) -> Result<()> {
        let path = self.log.path(first);
        let open = self.log.files.open_to_write(&path).map_err(Error::io("open", &path))?;
        let found = open.file.metadata().map_err(Error::io("read", &path))?;
        let id = open.id;
        let length = usize::try_from(found.len()).unwrap_or(usize::MAX);
        let whole = match self.log.sound_head(&open, first) {
            Some(head) => Some((head, head.chain)),
            None => self.log.read(first)?.map(|whole| (whole.head, whole.before[0])),
        };
        let head = whole.map(|(head, _)| head);
        // A segment whose name does not match its first record is left alone, and the numbers that it may hold are not
        // used again.
        let skipped = if head.is_none() { (length / 40) as u64 } else { 0 };
        let tail = self.tail();
        tail.end.sequence = tail.end.sequence.max(first - 1 + skipped);
        if let Some((_, chain)) = whole {
            (tail.end.sequence, tail.end.chain) = (first - 1, chain);
        }
        let (hint, is_closed) =
            (head.map_or(0, |head| head.hint as usize), head.is_none_or(|head| head.is_old));
        let (end, is_damaged) = (if head.is_some() { HEAD } else { length }, head.is_none());
        tail.segment = Some(Segment { open, id, first, length, end, is_closed, is_damaged, hint });
        Ok(())
    }

    /// Reads the records that were appended since.
    fn read_on(&mut self) -> Result<()> {
        let (log, files) = (self.log, self.log.files.clone());
        let tail = self.tail();
        let Some(segment) = &mut tail.segment else { return Ok(()) };
        let io = |error| Error::io("read", &segment.open.path)(error);
        let (start, is_entered) = (segment.end, segment.end == HEAD);
        let next = files.read_at(&segment.open, start as u64, 8).map_err(io)?;
        if next.iter().all(|byte| *byte == 0) && !is_entered {
            return Ok(());
        }
        // The first time all of it is checked; later it is known to be good up to here.
        let whole = if is_entered { log.read(segment.first)? } else { None };
        let rest = segment.length.saturating_sub(start);
        let bytes = match whole {
            Some(_) => Vec::new(),
            None => files.read_at(&segment.open, start as u64, rest).map_err(io)?,
        };
        let (scan, base) = match &whole {
            Some(whole) => (log.scan(whole), 0),
            None => (scan(&bytes, 0, &[tail.end.chain], tail.end.sequence), start),
        };
        for (number, frame) in &scan.frames {
            let Some(record) = Record::decode_outline(frame.body) else {
                let why = format!("record {number} was written by a later version of cms");
                return Err(Error::Damaged { what: Damage::Log, path: segment.open.path.clone(), why });
            };
            tail.end.take(&record, frame.chain);
            if frame.applied {
                tail.open_ends.clear();
            } else {
                let offset = base + frame.offset;
                let (first, ahead) = (segment.first, frame.ahead);
                tail.open_ends.push(Spot { first, offset, sequence: *number, ahead });
            }
        }
        segment.end = base + scan.end;
        // The bytes after the damage stay, for a person to look at.
        segment.is_damaged |= !scan.gaps.is_empty();
        segment.is_closed |= segment.is_damaged;
        tail.end.sequence = tail.end.sequence.max(scan.last);
        Ok(())
    }

    /// Returns the records whose texts may not be in place, the oldest first; and for each, whether its mark says that
    /// its texts follow later.
    pub fn open_ended(&self) -> Result<Vec<(Record, bool)>> {
        let spots = self.tail.as_ref().map_or(&[][..], |tail| &tail.open_ends);
        let mut records = Vec::with_capacity(spots.len());
        for spots in spots.chunk_by(|a, b| a.first == b.first) {
            let Some(whole) = self.log.read(spots[0].first)? else { continue };
            let frames = spots.iter().filter_map(|spot| segment::frame(&whole.bytes, spot.offset));
            let found = frames.filter_map(|frame| Some((Record::decode(frame.body)?, frame.ahead)));
            // The first record of a segment changes no text.
            records.extend(found.filter(|(record, _)| record.kind != Kind::Heads));
        }
        Ok(records)
    }

    /// Appends records, all of them or none, and syncs them if `durable`. They get their sequences and times here.
    /// Returns the last sequence.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: nothing was appended. After an error of the sync the log takes no more, see G6.
    pub fn append(&mut self, mut records: Vec<Record>, durable: bool) -> Result<u64> {
        let room = self.tail().segment.as_ref().map_or(0, Segment::room);
        // The first record of a new segment comes before them, so their chains are made after that.
        let wanted = records.iter().map(segment::size).sum::<usize>();
        if wanted > room {
            let rotated = self.rotate(wanted);
            if !self.is_current() {
                return Err(self.log.replaced());
            }
            rotated?;
        }
        let (bytes, chains) = self.encode(&mut records, wanted)?;
        let files = self.log.files.clone();
        let log = self.log;
        let tail = self.tail();
        let Some(segment) = &mut tail.segment else { return Ok(tail.end.sequence) };
        let start = segment.end;
        let forget = |segment: &Segment| {
            // The bytes written may be a record, or part of one, that was reported as failed.
            let _ = std::os::unix::fs::FileExt::write_all_at(&segment.open.file, &[0; 8], start as u64);
        };
        if let Err(error) = files.write_at(&segment.open, &bytes, start as u64) {
            forget(segment);
            return Err(Error::io("append to", &segment.open.path)(error));
        }
        if durable && let Err(error) = files.sync_data(&segment.open) {
            forget(segment);
            log.broken.store(true, Ordering::Relaxed);
            return Err(Error::io("sync", &segment.open.path)(error));
        }
        let mut offset = start;
        for (record, chain) in records.iter().zip(chains) {
            tail.open_ends.push(Spot {
                first: segment.first,
                offset,
                sequence: record.sequence,
                ahead: false,
            });
            let end = segment::frame(&bytes, offset - start).map_or(bytes.len(), |frame| frame.end);
            if offset.abs_diff(segment.hint) >= HINT_EVERY {
                let hint = u32::try_from(offset).unwrap_or(0).to_le_bytes();
                // Only a hint: without it finding the end takes longer.
                let _ = files.write_at(&segment.open, &hint, segment::hint_offset());
                segment.hint = offset;
            }
            offset = start + end;
            tail.end.take(record, chain);
        }
        segment.end = offset;
        Ok(tail.end.sequence)
    }

    /// Numbers records, and encodes them into one buffer of about `size` bytes. Returns it with their chains.
    fn encode(&self, records: &mut [Record], size: usize) -> Result<(Vec<u8>, Vec<Chain>)> {
        let end = self.known();
        let (mut chain, mut sequence, mut time) = (end.chain, end.sequence, end.time_of_next(self.log.now()));
        let (mut bytes, mut chains) = (Vec::with_capacity(size), Vec::new());
        for record in records {
            sequence += 1;
            (record.sequence, record.time) = (sequence, time);
            time += 1;
            let too_large = || Error::invalid(b"", "a transaction of more than 4 GiB cannot be logged");
            chain = segment::encode(record, &chain, &mut bytes).ok_or_else(too_large)?;
            chains.push(chain);
        }
        Ok((bytes, chains))
    }

    /// Marks all records: their texts are in place. The last is marked first: a reader that sees the mark of a record
    /// then sees the marks after it, and so the record that rolls it back.
    pub fn mark_applied(&mut self) {
        let log = self.log;
        let is_current = self.is_current();
        let tail = self.tail();
        for spot in std::mem::take(&mut tail.open_ends).into_iter().rev() {
            let (offset, bytes) = segment::applied(spot.offset);
            // Without the mark the next process compares the texts themselves.
            let _ = match &tail.segment {
                Some(segment) if segment.first == spot.first => {
                    log.files.write_at(&segment.open, &bytes, offset)
                }
                _ if !is_current => Ok(()),
                _ => log
                    .files
                    .open_to_write(&log.path(spot.first))
                    .and_then(|open| log.files.write_at(&open, &bytes, offset)),
            };
        }
    }

    /// Marks all records: their texts follow later.
    pub fn mark_ahead(&mut self) {
        let log = self.log;
        let tail = self.tail();
        let Some(segment) = &tail.segment else { return };
        for spot in tail.open_ends.iter_mut().filter(|spot| !spot.ahead) {
            spot.ahead = true;
            let (offset, bytes) = segment::ahead(spot.offset);
            // Without this mark watches get the records once the texts are in place.
            let _ = log.files.write_at(&segment.open, &bytes, offset);
        }
    }

    /// Reports whether some texts are not in place yet.
    pub fn behind(&self) -> Behind {
        let Some(tail) = &*self.tail else { return Behind::Nowhere };
        let Some(first) = tail.open_ends.first() else { return Behind::Nowhere };
        let here = tail.segment.as_ref().is_some_and(|segment| segment.first == first.first);
        if here && tail.open_ends.iter().all(|spot| spot.ahead) { Behind::Later } else { Behind::Now }
    }

    /// Reports whether the text of a package is not in place yet.
    pub fn is_behind(&self, package: &str) -> bool {
        let first = self.tail.as_ref().and_then(|tail| tail.open_ends.first());
        first.zip(self.newest(package)).is_some_and(|(first, newest)| newest.sequence >= first.sequence)
    }

    /// Syncs the last segment: the process that appended to it may have died before its sync, or committed at a level
    /// without one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the log takes no more then, see G6.
    pub fn sync(&mut self) -> Result<()> {
        let (log, files) = (self.log, self.log.files.clone());
        let Some(segment) = &self.tail().segment else { return Ok(()) };
        files.sync_data(&segment.open).map_err(|error| {
            log.broken.store(true, Ordering::Relaxed);
            Error::io("sync", &segment.open.path)(error)
        })
    }
}

impl End {
    /// The end of a log that has no records.
    fn empty() -> Self {
        Self { sequence: 0, time: 0, chain: ORIGIN, packages: BTreeMap::new(), pending: None }
    }

    /// Returns the time of the next record when the clock says `now`. Times do not go back, unless the clock was ahead
    /// by far when the last record was written: then only that record has a wrong time, and not all later ones.
    fn time_of_next(&self, now: u64) -> u64 {
        let was_ahead = self.time.saturating_sub(now) > MOST_BACK && now >= CLOCK_IS_SET;
        if was_ahead { now } else { self.time.max(now) }
    }

    fn take(&mut self, record: &Record, chain: Chain) {
        self.sequence = record.sequence;
        self.time = record.time + 1;
        self.chain = chain;
        let ended = |(sequence, guard): (u64, Guard)| match record.kind {
            Kind::Confirm => true,
            Kind::Rollback => record.refers == guard.baseline,
            Kind::Undo => record.refers == sequence,
            _ => false,
        };
        self.pending = match (record.kind, record.guard) {
            (Kind::Heads, guard) => guard.map(|guard| (record.refers, guard)),
            (_, Some(guard)) => Some((record.sequence, guard)),
            (_, None) => self.pending.filter(|pending| !ended(*pending)),
        };
        for change in &record.packages {
            let newest = Newest { sequence: record.sequence, digest: change.after, gone: change.deleted };
            // The first record of a segment only repeats earlier facts.
            match self.packages.get_mut(&change.package) {
                Some(known)
                    if record.kind == Kind::Heads
                        && (known.digest, known.gone) == (change.after, change.deleted) => {}
                Some(known) => *known = newest,
                None => drop(self.packages.insert(change.package.clone(), newest)),
            }
        }
    }
}

/// Reports whether a directory exists; the empty path is the current one.
fn is_there(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir.is_dir()
}
