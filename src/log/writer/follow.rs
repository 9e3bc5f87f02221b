//! Finds the end of the log: a writer starts from the end that its handle last saw, and reads the records that others
//! appended since.

use super::Writer;
use super::tail::{RecordPosition, Segment};
use crate::error::{Damage, Error, Result};
use crate::log::Log;
use crate::log::record::Record;
use crate::log::scan::scan;
use crate::log::segment::{self, HEAD, ORIGIN};
use crate::log::summary::Summary;
use crate::os::files::{FileId, Names};

/// Part of the names of segments, texts and snapshots that are not complete yet; see `Files::create_unique`.
const UNFINISHED: &str = ".cms-";

/// How many bytes of the next record tell whether there is one.
const NEXT_HEAD: usize = 8;

/// The largest distance from the mark of the last record to its end that is read at once.
const MARK_TO_END: usize = 4096;

impl Log {
    /// Removes incomplete files that a crash has left. The caller holds the lock.
    fn sweep(&self) {
        for dir in [self.dir.clone(), self.dir.join("texts"), self.dir.join("snapshots")] {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with('.') && name.contains(UNFINISHED) {
                    // A file that cannot be removed only takes room.
                    let _ = self.files.remove(&entry.path());
                }
            }
        }
    }

    /// Finds the records without a mark at the end of the segments before this one. Such records exist only if the
    /// first record of this segment has no mark either.
    fn unplaced_before(&self, first: u64) -> Result<Vec<RecordPosition>> {
        let before = self.segments()?.into_iter().rev().find(|other| *other < first);
        let (Some(whole), Some(before)) = (self.read(first)?, before) else { return Ok(Vec::new()) };
        if segment::frame(&whole.bytes, HEAD).is_none_or(|frame| frame.applied) {
            return Ok(Vec::new());
        }
        let Some(whole) = self.read(before)? else { return Ok(Vec::new()) };
        let mut spots = self.unplaced_before(before)?;
        for (sequence, frame) in self.scan(&whole).frames {
            if frame.applied {
                spots.clear();
            } else {
                spots.push(RecordPosition {
                    first: before,
                    offset: frame.offset,
                    sequence,
                    ahead: frame.ahead,
                });
            }
        }
        Ok(spots)
    }
}

impl Writer<'_> {
    /// Finds the end of the log, starting from the end that this handle last saw.
    pub(super) fn follow(&mut self) -> Result<()> {
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
                self.tail().unplaced = log.unplaced_before(first)?;
            }
            self.forget_marked();
            self.read_on()?;
            match self.next_segment()? {
                Some(next) if self.is_current() => self.enter(next)?,
                _ => return Ok(()),
            }
        }
    }

    /// Keeps the names of the directory: both locks and the segment are at their paths, and no segment follows.
    pub(super) fn keep_names(&mut self, names: Option<Names>) {
        let tail = self.tail();
        tail.names = names.filter(|_| tail.segment.is_some());
    }

    /// Reports whether no record was appended to the segment since this handle has read it. Also notices that another
    /// process has put the texts in place. The caller knows that the segment is still the last one.
    pub(super) fn is_at_known_end(&mut self) -> bool {
        let log = self.log;
        let tail = self.tail();
        let Some(segment) = tail.segment.as_ref().filter(|segment| !segment.is_closed) else { return false };
        let last = tail.unplaced.last().filter(|last| last.first == segment.first);
        let (start, mark) = last.map_or((segment.end as u64, None), |last| {
            let (offset, mark) = segment::applied(last.offset);
            (offset, Some(mark))
        });
        // The mark of the last record and the start of the next one are read in one go.
        let length = (segment.end as u64).checked_sub(start).and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length <= MARK_TO_END) else { return false };
        let Ok(bytes) = log.files.read_at(&segment.open, start, length + NEXT_HEAD) else { return false };
        let Some((between, next)) = bytes.split_at_checked(length) else { return false };
        if next.iter().any(|byte| *byte != 0) || segment.end == HEAD {
            return false;
        }
        if mark.is_some_and(|mark| between.starts_with(&mark)) {
            tail.unplaced.clear();
        }
        true
    }

    /// Finds the segment after the one that was read to its end.
    fn next_segment(&mut self) -> Result<Option<u64>> {
        let (log, next) = (self.log, self.sequence() + 1);
        let segment = self.tail().segment.as_ref().map(|segment| (segment.first, segment.is_damaged));
        Ok(match segment {
            // After damage the numbers have a gap.
            Some((first, true)) => log.segments()?.into_iter().find(|other| *other > first),
            Some((first, false)) if first == next => None,
            _ => Some(next).filter(|next| log.path(*next).exists()),
        })
    }

    /// Goes to the start of the last segment. If its first record, which holds the state after all earlier segments,
    /// cannot be read, those segments are read first. Returns its number; `None` in a log without segments.
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

    /// Forgets the end of a log whose segments were all removed: the next record begins its first segment.
    fn forget_all(&mut self) {
        let tail = self.tail();
        (tail.segment, tail.chain, tail.summary) = (None, ORIGIN, Summary::default());
        tail.unplaced.clear();
    }

    /// Forgets the records that another process has marked since.
    fn forget_marked(&mut self) {
        let log = self.log;
        let tail = self.tail();
        let Some(segment) = &tail.segment else { return };
        // The last record is marked first, so an unmarked record of an earlier segment may remain.
        let Some(last) = tail.unplaced.last().filter(|last| last.first == segment.first) else { return };
        let (offset, mark) = segment::applied(last.offset);
        if log.files.read_at(&segment.open, offset, mark.len()).is_ok_and(|found| found == mark) {
            tail.unplaced.clear();
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
        tail.summary.sequence = tail.summary.sequence.max(first - 1 + skipped);
        if let Some((_, chain)) = whole {
            (tail.summary.sequence, tail.chain) = (first - 1, chain);
        }
        let (hint, is_closed) =
            (head.map_or(0, |head| head.hint as usize), head.is_none_or(|head| head.is_old));
        let (end, is_damaged) = (if head.is_some() { HEAD } else { length }, head.is_none());
        tail.segment = Some(Segment { open, id, first, length, end, is_closed, is_damaged, hint });
        Ok(())
    }

    /// Reads the records that were appended since.
    fn read_on(&mut self) -> Result<()> {
        let log = self.log;
        let tail = self.tail();
        let Some(segment) = &mut tail.segment else { return Ok(()) };
        let io = |error| Error::io("read", &segment.open.path)(error);
        let (start, is_entered) = (segment.end, segment.end == HEAD);
        let next = log.files.read_at(&segment.open, start as u64, NEXT_HEAD).map_err(io)?;
        if next.iter().all(|byte| *byte == 0) && !is_entered {
            return Ok(());
        }
        // The first read checks the whole segment; later reads start from the checked part.
        let whole = if is_entered { log.read(segment.first)? } else { None };
        let rest = segment.length.saturating_sub(start);
        let bytes = match whole {
            Some(_) => Vec::new(),
            None => log.files.read_at(&segment.open, start as u64, rest).map_err(io)?,
        };
        let (scan, base) = match &whole {
            Some(whole) => (log.scan(whole), 0),
            None => (scan(&bytes, 0, &[tail.chain], tail.summary.sequence), start),
        };
        for (number, frame) in &scan.frames {
            let Some(record) = Record::decode_outline(frame.body) else {
                let why = format!("record {number} was written by a later version of cms");
                return Err(Error::Damaged { what: Damage::Log, path: segment.open.path.clone(), why });
            };
            tail.chain = frame.chain;
            tail.summary.add(&record);
            if frame.applied {
                tail.unplaced.clear();
            } else {
                let offset = base + frame.offset;
                let (first, ahead) = (segment.first, frame.ahead);
                tail.unplaced.push(RecordPosition { first, offset, sequence: *number, ahead });
            }
        }
        segment.end = base + scan.end;
        // The bytes after the damage are kept for inspection.
        segment.is_damaged |= !scan.gaps.is_empty();
        segment.is_closed |= segment.is_damaged;
        tail.summary.sequence = tail.summary.sequence.max(scan.last);
        Ok(())
    }
}
