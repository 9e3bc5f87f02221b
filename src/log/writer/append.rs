//! Appends records to the segment.

use std::sync::atomic::Ordering;

use super::Writer;
use super::tail::{RecordPosition, Segment};
use crate::error::{Error, Result};
use crate::log::record::Record;
use crate::log::segment::{self, Chain};

/// How far the hint may lag behind the last record. It is in the segment's first block, which would have to be synced
/// with each record if the hint changed as often.
pub(in crate::log) const HINT_EVERY: usize = 4096;

/// Encoded records: their bytes, and the chain of each.
struct Encoded {
    bytes: Vec<u8>,
    chains: Vec<Chain>,
}

impl Writer<'_> {
    /// Appends records, all of them or none, and syncs them if `durable`. They get their sequences and times here.
    /// Returns the last sequence.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: nothing was appended. After an error of the sync nothing more can be appended, see G6.
    pub fn append(&mut self, mut records: Vec<Record>, durable: bool) -> Result<u64> {
        let room = self.tail().segment.as_ref().map_or(0, Segment::room);
        // The first record of a new segment precedes these records, so their chains are computed after it.
        let wanted = records.iter().map(segment::size).sum::<usize>();
        if wanted > room {
            let rotated = self.rotate(wanted);
            if !self.is_current() {
                return Err(self.log.replaced());
            }
            rotated?;
        }
        let encoded = self.encode(&mut records, wanted)?;
        self.write_records(&encoded.bytes, durable)?;
        self.note_appended(&records, encoded);
        Ok(self.sequence())
    }

    /// Numbers records, and encodes them into one buffer of about `size` bytes.
    fn encode(&self, records: &mut [Record], size: usize) -> Result<Encoded> {
        let summary = self.summary();
        let (mut sequence, mut time) = (summary.sequence, summary.time_of_next(self.log.now()));
        let mut chain = self.known().chain;
        let (mut bytes, mut chains) = (Vec::with_capacity(size), Vec::new());
        for record in records {
            sequence += 1;
            (record.sequence, record.time) = (sequence, time);
            time += 1;
            let too_large = || Error::invalid(b"", "a transaction of more than 4 GiB cannot be logged");
            chain = segment::encode(record, &chain, &mut bytes).ok_or_else(too_large)?;
            chains.push(chain);
        }
        Ok(Encoded { bytes, chains })
    }

    /// Writes the bytes of records at the end of the segment.
    fn write_records(&mut self, bytes: &[u8], durable: bool) -> Result<()> {
        let log = self.log;
        let Some(segment) = &self.tail().segment else { return Ok(()) };
        let start = segment.end as u64;
        let forget = || {
            // The bytes that were written may be a whole record, or a part of one, whose append has failed.
            let _ = std::os::unix::fs::FileExt::write_all_at(&segment.open.file, &[0; 8], start);
        };
        if let Err(error) = log.files.write_at(&segment.open, bytes, start) {
            forget();
            return Err(Error::io("append to", &segment.open.path)(error));
        }
        if durable && let Err(error) = log.files.sync_data(&segment.open) {
            forget();
            log.broken.store(true, Ordering::Relaxed);
            return Err(Error::io("sync", &segment.open.path)(error));
        }
        Ok(())
    }

    /// Notes that records were appended, and moves the hint if it lags too far behind.
    fn note_appended(&mut self, records: &[Record], Encoded { bytes, chains }: Encoded) {
        let log = self.log;
        let tail = self.tail();
        let Some(segment) = &mut tail.segment else { return };
        let start = segment.end;
        let (mut offset, first) = (start, segment.first);
        for (record, chain) in records.iter().zip(chains) {
            tail.unplaced.push(RecordPosition { first, offset, sequence: record.sequence, ahead: false });
            let end = segment::frame(&bytes, offset - start).map_or(bytes.len(), |frame| frame.end);
            if offset.abs_diff(segment.hint) >= HINT_EVERY {
                let hint = u32::try_from(offset).unwrap_or(0).to_le_bytes();
                // A failure is ignored: without the hint it only takes longer to find the end.
                let _ = log.files.write_at(&segment.open, &hint, segment::hint_offset());
                segment.hint = offset;
            }
            offset = start + end;
            tail.chain = chain;
            tail.summary.add(record);
        }
        segment.end = offset;
    }

    /// Syncs the last segment: the process that appended to it may have died before its sync, or committed at a level
    /// without one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; nothing more can be appended then, see G6.
    pub fn sync(&mut self) -> Result<()> {
        let log = self.log;
        let Some(segment) = &self.tail().segment else { return Ok(()) };
        log.files.sync_data(&segment.open).map_err(|error| {
            log.broken.store(true, Ordering::Relaxed);
            Error::io("sync", &segment.open.path)(error)
        })
    }

    /// Makes the next record get a number above `floor`, even if the log ends before it.
    pub fn raise(&mut self, floor: u64) {
        let tail = self.tail();
        if floor > tail.summary.sequence {
            tail.summary.sequence = floor;
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
}
