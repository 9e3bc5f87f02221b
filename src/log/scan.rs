//! Reading a segment that may be damaged: finds all intact records and all damaged bytes.
//!
//! Records follow each other, and the chain of each covers the one before. Where the chain ends, the next record is
//! searched at each multiple of 8. It is taken if it is well formed, if its number can come next, and if it is tied
//! to a neighbour: the chain of a record before it is still among the damaged bytes, or the record behind it follows
//! from its own chain, or it is the last. Also, the record or a later one must have a mark: marks are written once a
//! record is durable, so remains of unacknowledged records after a power cut do not count as damage.

use super::record::Record;
use super::segment::{self, Chain, Frame, HEAD};

/// The smallest size of a record. It bounds the number of transactions that unreadable bytes can have held.
const LEAST: usize = 40;

/// How far back in damaged bytes the chain of a record is searched.
const CHAINS: usize = 8 << 10;

/// A range of damaged bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub from: usize,
    pub to: usize,
    /// The last record before the gap, and the first behind it; `None` if nothing behind it can be read.
    pub after: u64,
    pub before: Option<u64>,
    /// How many bytes are missing behind the gap.
    pub missing: usize,
}

impl Gap {
    /// Returns the numbers of the lost transactions; if the gap is at the end, of those that may be lost.
    pub fn lost(&self) -> std::ops::Range<u64> {
        let next = self
            .before
            .unwrap_or_else(|| self.after + 1 + ((self.to - self.from + self.missing) / LEAST) as u64);
        self.after + 1..next
    }

    /// Describes the damage and its loss.
    pub fn describe(&self) -> String {
        let lost = self.lost();
        let what = match (self.before, lost.end - lost.start) {
            (Some(_), 0) => "no transaction is lost".to_owned(),
            (Some(_), 1) => format!("transaction {} is lost", lost.start),
            (Some(_), _) => format!("transactions {} to {} are lost", lost.start, lost.end - 1),
            (None, _) => format!("any transactions after {} are lost", self.after),
        };
        match self.from == self.to {
            true => format!("{what}, a segment is missing"),
            false => format!("bytes {} to {} are damaged, or were changed; {what}", self.from, self.to - 1),
        }
    }
}

/// The readable records of a segment, and its damage.
#[derive(Debug)]
pub(super) struct Scan<'s> {
    /// The intact records, each with its number.
    pub frames: Vec<(u64, Frame<'s>)>,
    pub gaps: Vec<Gap>,
    /// The end of the last record, or of the damage behind it.
    pub end: usize,
    /// The chain of the last record.
    pub chain: Chain,
    /// The last used number; after damage, an upper bound of it.
    pub last: u64,
}

/// Reads the records from an offset on; `before` are the chains that the first of them may follow, the likeliest
/// first, and `last` is the number of the record before it.
pub(super) fn scan<'s>(bytes: &'s [u8], offset: usize, before: &[Chain], last: u64) -> Scan<'s> {
    let chain = before.first().copied().unwrap_or(segment::ORIGIN);
    let mut scan = Scan { frames: Vec::new(), gaps: Vec::new(), end: offset, chain, last };
    for other in before.iter().skip(1) {
        let fits = |chain: &Chain| segment::frames(bytes, offset, *chain).next().is_some();
        if !fits(&scan.chain) && fits(other) {
            // The chain in the head is not that of the record before the first one.
            scan.gaps.push(Gap { from: 0, to: HEAD, after: last, before: Some(last + 1), missing: 0 });
            scan.chain = *other;
        }
    }
    loop {
        scan.read_on(bytes);
        let Some(from) = scan.damage(bytes) else { return scan };
        scan.step_over(bytes, from);
    }
}

impl<'s> Scan<'s> {
    /// Reads the records up to the first invalid one.
    fn read_on(&mut self, bytes: &'s [u8]) {
        for frame in segment::frames(bytes, self.end, self.chain) {
            let Some(number) = segment::sequence(&frame) else { break };
            (self.end, self.chain, self.last) = (frame.end, frame.chain, number);
            self.frames.push((number, frame));
        }
    }

    /// Returns where the damage starts; `None` if the records end here, or with part of one that a power cut has left.
    fn damage(&self, bytes: &[u8]) -> Option<usize> {
        let rest = bytes.get(self.end..)?;
        let found =
            !segment::is_zero(rest) && (segment::is_marked_at(bytes, self.end) || self.next(bytes).is_some());
        found.then_some(self.end)
    }

    /// Continues with the next readable record, if there is one.
    fn step_over(&mut self, bytes: &'s [u8], from: usize) {
        match self.next(bytes) {
            Some((number, frame)) => {
                // The record itself may be intact except for its chain.
                let own = (from + 8, from + segment::RECORD_HEAD);
                let (from, to) = if frame.offset == from { own } else { (from, frame.offset) };
                self.gaps.push(Gap { from, to, after: self.last, before: Some(number), missing: 0 });
                (self.end, self.chain, self.last) = (frame.end, frame.chain, number);
                self.frames.push((number, frame));
            }
            None => {
                let written = bytes.iter().rposition(|byte| *byte != 0).map_or(from, |last| last + 1);
                let gap = Gap { from, to: written.max(from + 1), after: self.last, before: None, missing: 0 };
                (self.end, self.last) = (bytes.len(), gap.lost().end - 1);
                self.gaps.push(gap);
            }
        }
    }

    /// Finds the next record behind damage.
    fn next(&self, bytes: &'s [u8]) -> Option<(u64, Frame<'s>)> {
        // A record whose stored chain is damaged is taken if the next record follows from its computed chain.
        if let Some(frame) = segment::frame(bytes, self.end)
            && let Some(number) = segment::sequence(&frame).filter(|number| *number == self.last + 1)
        {
            let chain = segment::chain(&self.chain, frame.body);
            if segment::frames(bytes, frame.end, chain).next().is_some() {
                return Some((number, Frame { chain, ..frame }));
            }
        }
        let starts = (self.end + 8..bytes.len()).step_by(8);
        starts.filter_map(|at| self.is_next(bytes, at)).next()
    }

    /// Reports whether there is a record at an offset that can be accepted: see the module documentation.
    fn is_next(&self, bytes: &'s [u8], at: usize) -> Option<(u64, Frame<'s>)> {
        let frame = segment::frame(bytes, at)?;
        let number = segment::sequence(&frame)?;
        let most = self.last + 1 + ((at - self.end) / LEAST) as u64;
        if number <= self.last || number > most || !Record::is_whole(frame.body) {
            return None;
        }
        let next = segment::frames(bytes, frame.end, frame.chain).next();
        let start = self.end.max(at.saturating_sub(CHAINS).next_multiple_of(8));
        let goes_on = || {
            let chains = (start..at).step_by(8).filter_map(|start| segment::chain_at(bytes, start));
            chains.into_iter().any(|before| segment::chain(&before, frame.body) == frame.chain)
        };
        let behind = bytes.get(frame.end..).unwrap_or_default();
        let is_last = || frame.is_marked() && segment::is_zero(behind);
        if next.is_none() && !goes_on() && !is_last() {
            return None;
        }
        let mut durable = std::iter::once(frame).chain(segment::frames(bytes, frame.end, frame.chain));
        durable.any(|frame| frame.is_marked()).then_some((number, frame))
    }
}
