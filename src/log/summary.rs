//! The summary of the records of a log: the newest state of each package, and the commit that waits to be confirmed.

use std::collections::BTreeMap;

use crate::log::record::{Digest, Guard, Kind, Record};

/// If the clock is set back by no more than this, records keep the time of the one before: an hour, in microseconds.
const MOST_BACK: u64 = 3_600_000_000;

/// A clock before this time was never set (routers start in 1970, or at the build time of their firmware): 2025-01-01.
const CLOCK_IS_SET: u64 = 1_735_689_600_000_000;

/// The state after the last record. The default is that of an empty log.
#[derive(Debug, Clone, Default)]
pub(in crate::log) struct Summary {
    /// The last record.
    pub sequence: u64,
    /// The earliest time of the next record.
    pub time: u64,
    pub packages: BTreeMap<String, Newest>,
    /// The commit that waits to be confirmed.
    pub pending: Option<(u64, Guard)>,
}

/// The newest state of a package in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    /// The transaction that made it, or the first record of a later segment, which repeats it.
    pub sequence: u64,
    /// Its text; empty if the package does not exist.
    pub digest: Digest,
    /// Whether the package was deleted.
    pub gone: bool,
}

impl Summary {
    /// Returns the time of the next record when the clock says `now`. Times do not go back, unless the clock was far
    /// ahead when the last record was written: then only that record has a wrong time, and not all later ones.
    pub fn time_of_next(&self, now: u64) -> u64 {
        let was_ahead = self.time.saturating_sub(now) > MOST_BACK && now >= CLOCK_IS_SET;
        if was_ahead { now } else { self.time.max(now) }
    }

    /// Lists the packages that were not deleted.
    pub fn present(&self) -> Vec<String> {
        let present = self.packages.iter().filter(|(_, newest)| !newest.gone);
        present.map(|(package, _)| package.clone()).collect()
    }

    /// Adds the next record.
    pub fn add(&mut self, record: &Record) {
        self.sequence = record.sequence;
        self.time = record.time + 1;
        let is_decided = |(sequence, guard): (u64, Guard)| match record.kind {
            Kind::Confirm => true,
            Kind::Rollback => record.refers == guard.baseline,
            Kind::Undo => record.refers == sequence,
            _ => false,
        };
        self.pending = match (record.kind, record.guard) {
            (Kind::Heads, guard) => guard.map(|guard| (record.refers, guard)),
            (_, Some(guard)) => Some((record.sequence, guard)),
            (_, None) => self.pending.filter(|pending| !is_decided(*pending)),
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
