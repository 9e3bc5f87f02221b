//! The marks of records, which say whether their texts are in place, and the records without a mark.

use super::Writer;
use super::tail::{RecordPosition, Tail};
use crate::error::Result;
use crate::log::record::{Kind, Record};
use crate::log::segment;

/// Whether all texts are in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// All texts are in place.
    Nowhere,
    /// Some texts are not in place, and need not be for now.
    Later,
    /// Some texts are not in place and have to be placed before anything else: the process that should have done it
    /// has died, or the segment with their records is not the last one.
    Now,
}

impl Writer<'_> {
    /// Reports whether the texts of all records are in place.
    pub fn is_at_rest(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.unplaced.is_empty())
    }

    /// Returns the records whose texts may not be in place, the oldest first; and for each, whether its mark says that
    /// its texts follow later.
    pub fn open_ended(&self) -> Result<Vec<(Record, bool)>> {
        let spots = self.tail.as_ref().map_or(&[][..], |tail| &tail.unplaced);
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

    /// Marks all records: their texts are in place. The last is marked first: so a reader that sees the mark of a
    /// record also sees all later marks, and with them the record that rolls it back.
    pub fn mark_applied(&mut self) {
        let log = self.log;
        let is_elsewhere = |tail: &Tail, spot: &RecordPosition| {
            tail.segment.as_ref().is_none_or(|segment| segment.first != spot.first)
        };
        let needs_path = |tail: &Tail| tail.unplaced.iter().any(|spot| is_elsewhere(tail, spot));
        // Only records of an earlier segment are marked by the path of the log.
        let is_current = self.tail.as_ref().is_some_and(needs_path) && self.is_current();
        let tail = self.tail();
        for spot in std::mem::take(&mut tail.unplaced).into_iter().rev() {
            let (offset, bytes) = segment::applied(spot.offset);
            // If the mark cannot be written, the next process compares the texts instead.
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

    /// Marks the records of the segment that is appended to: their texts follow later. Those of an earlier segment keep
    /// their marks, since their texts are to be placed now, see [`Writer::behind`].
    pub fn mark_ahead(&mut self) {
        let log = self.log;
        let tail = self.tail();
        let Some(segment) = &tail.segment else { return };
        let here = |spot: &&mut RecordPosition| spot.first == segment.first && !spot.ahead;
        for spot in tail.unplaced.iter_mut().filter(here) {
            spot.ahead = true;
            let (offset, bytes) = segment::ahead(spot.offset);
            // If this mark cannot be written, watches get the records once the texts are in place.
            let _ = log.files.write_at(&segment.open, &bytes, offset);
        }
    }

    /// Reports whether some texts are not in place yet.
    pub fn behind(&self) -> Behind {
        let Some(tail) = &*self.tail else { return Behind::Nowhere };
        let Some(first) = tail.unplaced.first() else { return Behind::Nowhere };
        let here = tail.segment.as_ref().is_some_and(|segment| segment.first == first.first);
        if here && tail.unplaced.iter().all(|spot| spot.ahead) { Behind::Later } else { Behind::Now }
    }

    /// Reports whether the text of a package is not in place yet.
    pub fn is_behind(&self, package: &str) -> bool {
        let first = self.tail.as_ref().and_then(|tail| tail.unplaced.first());
        first.zip(self.newest(package)).is_some_and(|(first, newest)| newest.sequence >= first.sequence)
    }
}
