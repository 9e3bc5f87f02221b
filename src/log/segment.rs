//! A segment: one file of the log, of fixed length, written from the start.
//!
//! ```text
//! segment = head record*                                    the rest means nothing
//! head    = "CMSLOG" version:u16 first:u64 chain hint:u32 0:u32 created:u64 0:u64       56 bytes
//! record  = length:u32 state:u32 chain body                 at a multiple of 8
//! chain   = the first 16 bytes of SHA-256 over the chain before, the length and the body
//! ```
//!
//! Numbers are little-endian. `first` is the sequence of the first record, the head's chain that of the record before
//! it; from version 3 on, its bytes are mixed with the version (see [`mixed`]). A record is valid if its chain is right; the first with a wrong chain ends the segment. So a record that was
//! written in part is not valid, nor are old records in a file that is used again.
//!
//! Two fields may change later, and no chain covers them: `state`, which becomes 1 once the texts are in place, or 2
//! before that if they are to follow later (this is the record's mark); and `hint`, the offset of the last record at
//! the time the hint was written.

use sha2::{Digest as _, Sha256};

use super::record::Record;

pub(super) const HEAD: usize = 56;
/// The error for a segment that a later version has written.
pub(super) const LATER: &str = "it was written by a later version of cms";
const MAGIC: &[u8; 6] = b"CMSLOG";
/// 3: records and packages may have fields, values may have types (see `record`, `fields` and `change`). 2: records may
/// leave out changes that can be read from their text. Segments of earlier versions are read as well.
const VERSION: u16 = 3;
const HINT: usize = 32;

/// The bytes of a record before its body.
pub(super) const RECORD_HEAD: usize = 24;
const STATE: usize = 4;
/// A record whose texts are in place.
const APPLIED: u32 = 1;
/// A record that is durable, and whose texts follow.
const AHEAD: u32 = 2;

pub(super) type Chain = [u8; 16];

/// The first chain of a log.
pub(super) const ORIGIN: Chain = [0; 16];

/// The start of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The sequence of the first record.
    pub first: u64,
    /// The chain of the record before it.
    pub chain: Chain,
    /// When the segment was begun: microseconds since 1970.
    pub created: u64,
    /// The offset of the last record at the time the hint was written.
    pub hint: u32,
    /// Whether earlier versions read the segment: then it must not get a record that they cannot read.
    pub is_old: bool,
}

impl Head {
    pub fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..6].copy_from_slice(MAGIC);
        bytes[6..8].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..32].copy_from_slice(&mixed(self.chain, VERSION));
        bytes[32..36].copy_from_slice(&self.hint.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created.to_le_bytes());
        bytes
    }

    /// Reads the start of a segment; the error describes the fault.
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let damaged = "it is not a segment of a log";
        let head = bytes.get(..HEAD).filter(|head| head.starts_with(MAGIC)).ok_or(damaged)?;
        let version = u16_at(head, 6);
        if version == 0 || version > VERSION {
            return Err(LATER);
        }
        let mut chain = ORIGIN;
        chain.copy_from_slice(&head[16..32]);
        let chain = mixed(chain, version);
        let (first, created, hint) = (u64_at(head, 8), u64_at(head, 40), u32_at(head, HINT));
        Ok(Self { first, chain, created, hint, is_old: version < VERSION })
    }
}

/// Returns the chain in the head of a segment as it is written, or a written one as it was.
///
/// A reader takes a head with a wrong version for damaged if its chain leads to the first record, and reads the records all
/// the same. The mixed bytes let that be so only for heads of its own version: one of a later version is refused.
fn mixed(chain: Chain, version: u16) -> Chain {
    let [low, _] = version.to_le_bytes();
    let mask = if version < 3 { 0 } else { 0xa0 ^ low };
    chain.map(|byte| byte ^ mask)
}

/// Returns the chains that a damaged head may mean: of this version, and of those before version 3.
pub(super) fn told_chains(segment: &[u8]) -> [Chain; 2] {
    let told = chain_at(segment, 8).unwrap_or(ORIGIN);
    [mixed(told, VERSION), told]
}

/// Returns the offset of the hint.
pub(super) fn hint_offset() -> u64 {
    HINT as u64
}

/// Returns the offset and the bytes of a record's state once its texts are in place.
pub(super) fn applied(record: usize) -> (u64, [u8; 4]) {
    ((record + STATE) as u64, APPLIED.to_le_bytes())
}

/// As [`applied`], for a record that is durable and whose texts follow.
pub(super) fn ahead(record: usize) -> (u64, [u8; 4]) {
    ((record + STATE) as u64, AHEAD.to_le_bytes())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Returns the chain of a record.
pub(super) fn chain(before: &Chain, body: &[u8]) -> Chain {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update((body.len() as u64).to_le_bytes());
    hash.update(body);
    let mut chain = ORIGIN;
    chain.copy_from_slice(&hash.finalize()[..16]);
    chain
}

/// Returns the largest size that a record can have once its number and time are set.
pub(super) fn size(record: &Record) -> usize {
    (RECORD_HEAD + record.len() + 20).next_multiple_of(8)
}

/// Appends a record to the bytes to be written, and returns its chain. `None` if it is too large for any segment.
pub(super) fn encode(record: &Record, before: &Chain, out: &mut Vec<u8>) -> Option<Chain> {
    let start = out.len();
    out.resize(start + RECORD_HEAD, 0);
    record.put(out);
    let (head, body) = out[start..].split_at_mut(RECORD_HEAD);
    let len = u32::try_from(body.len()).ok()?;
    let chain = chain(before, body);
    head[..4].copy_from_slice(&len.to_le_bytes());
    head[8..].copy_from_slice(&chain);
    out.resize(out.len().next_multiple_of(8), 0);
    Some(chain)
}

/// A record and its position in the segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'s> {
    pub offset: usize,
    pub body: &'s [u8],
    pub chain: Chain,
    pub applied: bool,
    /// Whether it is durable and cannot be rolled back, although its texts are not in place yet.
    pub ahead: bool,
    /// The offset of the next record.
    pub end: usize,
}

/// Reads the frame at an offset, without checking its chain. `None` if there is none.
pub(super) fn frame(segment: &[u8], offset: usize) -> Option<Frame<'_>> {
    let head = segment.get(offset..offset.checked_add(RECORD_HEAD)?)?;
    let len = u32_at(head, 0) as usize;
    let start = offset + RECORD_HEAD;
    let body = segment.get(start..start.checked_add(len)?).filter(|body| !body.is_empty())?;
    let mut chain = ORIGIN;
    chain.copy_from_slice(&head[8..24]);
    let (applied, ahead) = (u32_at(head, STATE) == APPLIED, u32_at(head, STATE) == AHEAD);
    Some(Frame { offset, body, chain, applied, ahead, end: (start + len).next_multiple_of(8) })
}

/// Iterates over the valid records from an offset on; `before` is the chain of the record before.
pub(super) fn frames(segment: &[u8], offset: usize, before: Chain) -> impl Iterator<Item = Frame<'_>> {
    let (mut offset, mut before) = (offset, before);
    std::iter::from_fn(move || {
        let found = frame(segment, offset).filter(|found| found.chain == chain(&before, found.body))?;
        (offset, before) = (found.end, found.chain);
        Some(found)
    })
}

impl Frame<'_> {
    /// Reports whether it has a mark, and so is durable.
    pub fn is_marked(&self) -> bool {
        self.applied || self.ahead
    }
}

/// Returns the number in a record.
pub(super) fn sequence(frame: &Frame<'_>) -> Option<u64> {
    super::wire::Reader(frame.body).number()
}

/// Reports whether bytes are zeros.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|chunk| chunk == &ZEROS[..chunk.len()])
}

/// Reports whether the first record of a segment has this number; true if it has no record.
pub(super) fn begins_with(segment: &[u8], number: u64) -> bool {
    frame(segment, HEAD).is_none_or(|frame| sequence(&frame) == Some(number))
}

/// Returns the bytes at the position where a record that starts at an offset would have its chain.
pub(super) fn chain_at(segment: &[u8], offset: usize) -> Option<Chain> {
    segment.get(offset + 8..offset + RECORD_HEAD)?.try_into().ok()
}

/// Reports whether a marked record follows the last valid one: then the record between was damaged, and not written
/// in part. Its length may be the damaged field.
pub(super) fn is_marked_at(segment: &[u8], end: usize) -> bool {
    let next = |before: &Frame<'_>| frame(segment, before.end);
    segment.get(end + STATE..).is_some_and(|state| u32_at(state, 0) != 0)
        || std::iter::successors(frame(segment, end), next).any(|frame| frame.is_marked())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::Kind;

    fn record(sequence: u64, message: &str) -> Record {
        Record {
            sequence,
            time: sequence,
            pid: 1,
            source: "test".into(),
            message: message.into(),
            ..Record::new(Kind::Commit)
        }
    }

    fn segment(messages: &[&str]) -> Vec<u8> {
        let mut bytes =
            Head { first: 1, chain: ORIGIN, created: 0, hint: 0, is_old: false }.encode().to_vec();
        let mut before = ORIGIN;
        for (sequence, message) in (1..).zip(messages) {
            before = encode(&record(sequence, message), &before, &mut bytes).expect("small");
        }
        bytes
    }

    fn messages(bytes: &[u8]) -> Vec<String> {
        let read = |frame: Frame<'_>| Record::decode(frame.body).expect("it counts").message;
        frames(bytes, HEAD, ORIGIN).map(read).collect()
    }

    #[test]
    fn records_are_read_back_up_to_the_first_that_was_not_wholly_written() {
        let whole = segment(&["one", "two", "three"]);
        assert_eq!(messages(&whole), ["one", "two", "three"]);
        for len in HEAD..whole.len() {
            let read = messages(&whole[..len]);
            assert!(
                ["one", "two", "three"].starts_with(&read.iter().map(String::as_str).collect::<Vec<_>>())
            );
            assert!(read.len() < 3 || len > whole.len() - 8, "{len}");
        }
        let mut padded = whole.clone();
        padded.resize(whole.len() + 100, 0);
        assert_eq!(messages(&padded), ["one", "two", "three"]);
    }

    #[test]
    fn old_bytes_of_a_reused_file_are_not_taken_for_records() {
        let old = segment(&["first", "second", "third"]);
        let mut new = segment(&["other"]);
        // The old records have the same length, so they are at the offsets of the next ones.
        new.extend_from_slice(&old[new.len()..]);
        assert_eq!(messages(&new), ["other"]);
    }

    #[test]
    fn a_changed_byte_is_found() {
        let whole = segment(&["one", "two"]);
        for at in HEAD..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let first = frame(&whole, HEAD).expect("it is there");
            let state = |record: usize| record + STATE..record + STATE + 4;
            let padding = |record: Frame<'_>| record.offset + RECORD_HEAD + record.body.len()..record.end;
            let second = frame(&whole, first.end).expect("it is there");
            let free = [state(HEAD), state(first.end), padding(first), padding(second)];
            if free.iter().any(|free| free.contains(&at)) {
                assert_eq!(messages(&bytes).len(), 2);
            } else {
                assert!(messages(&bytes).len() < 2, "byte {at}");
            }
        }
    }

    #[test]
    fn a_head_of_another_version_is_refused() {
        let mut bytes = segment(&[]);
        assert_eq!(Head::decode(&bytes).map(|head| head.first), Ok(1));
        for version in [1, 2] {
            bytes[6] = version;
            assert_eq!(Head::decode(&bytes).map(|head| head.is_old), Ok(true));
        }
        bytes[6] = 9;
        assert_eq!(Head::decode(&bytes), Err("it was written by a later version of cms"));
        bytes[0] = 0;
        assert_eq!(Head::decode(&bytes), Err("it is not a segment of a log"));
        assert!(Head::decode(&bytes[..20]).is_err());
    }
}
