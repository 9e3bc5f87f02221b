//! Checks that the log was not changed after it was written.

use super::scan::Scan;
use super::segment::{Chain, Frame};
use super::whole::{Found, WRONG, Whole};
use super::{Log, Record};
use crate::error::{Error, Result};

/// The findings of a check of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LogInfo {
    /// The oldest and the newest record; 0 if the log is empty.
    pub first: u64,
    /// See `first`.
    pub last: u64,
    /// The chain of the newest record, in hexadecimal digits.
    pub chain: String,
    /// The problems, each with its file.
    pub problems: Vec<String>,
}

/// The findings, and the damaged pieces that will be set aside.
struct Audit {
    found: LogInfo,
    damaged: Vec<Found>,
    /// The segments whose names do not match their first records.
    wrong: Vec<u64>,
}

impl Log {
    /// Checks all records; see [`LogInfo`].
    pub fn check(&self) -> Result<LogInfo> {
        self.audit().map(|audit| audit.found)
    }

    /// Sets damaged pieces aside for inspection, and keeps the rest: see [`Log::set_aside_pieces`].
    pub fn set_aside(&self) -> Result<()> {
        self.rename_wrong(&self.audit()?.wrong)?;
        self.set_aside_pieces(&self.audit()?.damaged)
    }

    fn audit(&self) -> Result<Audit> {
        let (mut found, mut damaged, mut wrong) = (LogInfo::default(), Vec::new(), Vec::new());
        let mut before: Option<(u64, Chain, bool)> = None;
        for first in self.segments()? {
            let whole = match self.read(first) {
                Ok(Some(whole)) => whole,
                Ok(None) => {
                    let path = self.path(first);
                    found.problems.push(format!("{}: {WRONG}", path.display()));
                    wrong.push(first);
                    continue;
                }
                Err(Error::Damaged { path, why, .. }) => {
                    found.problems.push(format!("{}: {why}", path.display()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let scan = whole.scan();
            let unknown = self.unknown(&whole, &scan);
            found.problems.extend(unknown.iter().map(|found| found.text.clone()));
            damaged.extend(unknown);
            let is_odd = |(_, frame): &&(u64, Frame<'_>)| Record::decode(frame.body).is_none();
            found.problems.extend(scan.frames.iter().filter(is_odd).map(|(number, _)| {
                format!(
                    "{}: record {number}: it was written by a later version of cms",
                    self.path(first).display()
                )
            }));
            // The gap is reported already, and the record after it has no readable record before it to compare with.
            let is_cut = before.as_ref().is_some_and(|(last, chain, is_whole)| {
                *last + 1 == first && *is_whole && *chain != scan_start(&scan, &whole)
            });
            if is_cut {
                let text = "its chain does not follow from the record before it: records were changed";
                found.problems.push(format!("{}: {text}", self.path(first).display()));
            }
            if found.first == 0 {
                found.first = scan.frames.first().map_or(0, |(number, _)| *number);
            }
            if let Some((number, _)) = scan.frames.last() {
                found.last = *number;
            }
            before = Some((scan.last, scan.chain, scan.gaps.is_empty()));
        }
        if let Some((_, chain, _)) = before {
            found.chain = chain.iter().map(|byte| format!("{byte:02x}")).collect();
        }
        Ok(Audit { found, damaged, wrong })
    }
}

/// Returns the chain before the first record of a segment.
fn scan_start(scan: &Scan<'_>, whole: &Whole) -> Chain {
    match scan.gaps.first().filter(|gap| gap.from == 0) {
        // The head is damaged; the chain was found in the segment before.
        Some(_) => whole.before.last().copied().unwrap_or(whole.head.chain),
        None => whole.head.chain,
    }
}
