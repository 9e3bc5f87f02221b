//! Whether the log is as it was written.

use super::segment::{self, Chain, HEAD};
use super::{Log, Record};
use crate::error::{Error, Result};

/// What a check of the log has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// The oldest and the newest record there is; 0 if there is none.
    pub first: u64,
    /// See `first`.
    pub last: u64,
    /// The chain of the newest record, in hexadecimal digits.
    pub chain: String,
    /// What is wrong, each with its file.
    pub problems: Vec<String>,
}

impl Log {
    /// Checks all records; see [`Verified`].
    pub fn verify(&self) -> Result<Verified> {
        let mut found = Verified::default();
        let mut before: Option<(u64, Chain)> = None;
        for first in self.segments()? {
            let path = self.path(first);
            let (head, bytes) = match self.read(first) {
                Ok(Some(read)) => read,
                Ok(None) => {
                    found.problems.push(format!("{}: it is not the segment its name says", path.display()));
                    continue;
                }
                Err(Error::Damaged { path, why, .. }) => {
                    found.problems.push(format!("{}: {why}", path.display()));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let fits = before.is_none_or(|(last, chain)| last + 1 == first && chain == head.chain);
            if !fits {
                let (last, _) = before.unwrap_or_default();
                found.problems.push(format!(
                    "{}: it does not follow on record {last}: records are missing, or were changed",
                    path.display()
                ));
            }
            let (mut sequence, mut chain, mut end) = (first - 1, head.chain, HEAD);
            for frame in segment::frames(&bytes, HEAD, head.chain) {
                match Record::decode(frame.body) {
                    Some(record) if record.sequence == sequence + 1 => sequence += 1,
                    _ => {
                        found.problems.push(format!(
                            "{}: record {}: it cannot be read",
                            path.display(),
                            sequence + 1
                        ));
                        break;
                    }
                }
                (chain, end) = (frame.chain, frame.end);
            }
            // Whoever appended notes now and then where the last record starts, and marks each that is in place: if
            // that is not reached, one is not right.
            if (head.hint as usize) >= end || segment::is_damaged_at(&bytes, end) {
                found.problems.push(format!(
                    "{}: record {} is damaged, or was changed",
                    path.display(),
                    sequence + 1
                ));
            }
            if found.first == 0 {
                found.first = first;
            }
            found.last = sequence;
            before = Some((sequence, chain));
        }
        if let Some((_, chain)) = before {
            found.chain = chain.iter().map(|byte| format!("{byte:02x}")).collect();
        }
        Ok(found)
    }

    /// Sets the segments of a damaged log aside, for someone to look at: `.log` becomes `.damaged`.
    pub fn set_aside(&self) -> Result<()> {
        for first in self.segments()? {
            let path = self.path(first);
            let aside = path.with_extension("damaged");
            self.files.rename(&path, &aside).map_err(Error::io("rename", path))?;
        }
        self.files.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))
    }
}
