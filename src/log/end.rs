//! Finding the last record of the log at the cost of reading a few bytes, without its lock.

use super::Log;
use super::segment::{self, HEAD, Head, RECORD_HEAD};
use super::writer::HINT_EVERY;

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The last record; 0 if there is none.
    pub last: u64,
    /// Whether its texts may not be in place.
    pub is_open: bool,
}

/// How many bytes are read at once to find the last record.
pub(super) const GLANCE: usize = 2 * HINT_EVERY;

impl Log {
    /// Reports whether the last record may not have its texts in place, at the cost of reading a few bytes.
    pub fn is_open_ended(&self) -> bool {
        self.end().is_some_and(|end| end.is_open)
    }

    /// Finds the last record, at the cost of reading a few bytes; `None` if the log cannot be read.
    pub fn end(&self) -> Option<End> {
        let firsts = self.segments().ok()?;
        let Some(first) = firsts.last().copied() else { return Some(End { last: 0, is_open: false }) };
        let open = self.files.open(&self.path(first)).ok()?;
        let head = Head::decode(&self.files.read_at(&open, 0, HEAD).ok()?).ok()?;
        let length = usize::try_from(open.file.metadata().ok()?.len()).ok()?;
        let (mut offset, mut wanted) = (head.hint as usize, GLANCE);
        let (mut applied, mut chain, mut last) = (true, None, first - 1);
        // One round is usually enough: the last record is shortly after the offset in the hint.
        while offset != 0 {
            let bytes = self.files.read_at(&open, offset as u64, wanted.max(GLANCE)).ok()?;
            let mut end = 0;
            let first = chain.is_none().then(|| segment::frame(&bytes, 0)).flatten();
            if let Some(first) = first {
                (applied, chain, end) = (first.applied, Some(first.chain), first.end);
                last = segment::sequence(&first)?;
            }
            let start = end;
            for frame in chain.into_iter().flat_map(|chain| segment::frames(&bytes, start, chain)) {
                (applied, chain, end) = (frame.applied, Some(frame.chain), frame.end);
                last = segment::sequence(&frame)?;
            }
            // The bytes read may end within a record, which is then read again.
            let next = bytes.get(end..end + 4).and_then(|bytes| bytes.try_into().ok());
            wanted = RECORD_HEAD + next.map_or(0, |len| u32::from_le_bytes(len) as usize);
            offset += end;
            if next == Some([0; 4]) || end + wanted <= bytes.len() || offset + wanted > length {
                break;
            }
        }
        Some(End { last, is_open: !applied })
    }
}
