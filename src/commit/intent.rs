//! The intent of a transaction (its kind, message and deadline), and the record that it begins with.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::Result;
use crate::log::{Guard, Kind, Log, Record};
use crate::settings::options::Options;

/// The intent of a transaction, as its record in the log states it.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub kind: Kind,
    pub refers: u64,
    pub message: Option<String>,
    /// The time in which it must be confirmed.
    pub confirm: Option<Duration>,
    /// Whether verifiers may refuse it.
    pub refusable: bool,
    /// Whether a rollback concerns only some packages.
    pub in_part: bool,
}

impl Intent {
    pub const COMMIT: Self =
        Self { kind: Kind::Commit, refers: 0, message: None, confirm: None, refusable: true, in_part: false };

    pub fn new(kind: Kind, refers: u64) -> Self {
        Self { kind, refers, ..Self::COMMIT }
    }

    /// Begins the record of a transaction.
    pub fn record(&self, options: &Options) -> Record {
        Record {
            sequence: 0,
            time: 0,
            uid: rustix::process::getuid().as_raw(),
            pid: crate::os::process::id(),
            kind: self.kind,
            refers: self.refers,
            source: options.source.clone(),
            message: self.message.clone().unwrap_or_else(|| options.message.clone()),
            guard: None,
            packages: Vec::new(),
        }
    }

    /// Returns the guard that the record must carry although the intent has none: rolling back a part of the pending
    /// transactions does not end the wait for the rest. `pending` is the last of them, with its guard.
    ///
    /// # Errors
    ///
    /// As for [`Log::each_back`].
    pub fn guard_carried_on(&self, log: &Log, pending: Option<(u64, Guard)>) -> Result<Option<Guard>> {
        let Some((sequence, guard)) = pending else { return Ok(None) };
        match self.kind {
            Kind::Rollback if self.in_part && self.refers == guard.baseline => Ok(Some(guard)),
            Kind::Undo if self.refers == sequence => guard_before(log, sequence, guard.baseline),
            _ => Ok(None),
        }
    }
}

/// Returns the guard of the transactions that were pending already when this one joined them.
fn guard_before(log: &Log, sequence: u64, baseline: u64) -> Result<Option<Guard>> {
    let found = log.each_back(|record: Record| {
        Ok(match record.guard {
            _ if record.sequence <= baseline => ControlFlow::Break(None),
            Some(guard) if record.sequence < sequence => ControlFlow::Break(Some(guard)),
            _ => ControlFlow::Continue(()),
        })
    })?;
    Ok(found.flatten())
}
