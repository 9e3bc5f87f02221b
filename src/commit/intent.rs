//! The intent of a transaction (its kind, message and deadline), and the record that it begins with.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::log::{Attribution, Guard, Kind, Log, Record};
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
    /// Its author, program, message and request. The options give the parts that are missing.
    pub by: Option<Arc<Attribution>>,
    /// Whether it is made even if it breaks a schema.
    pub force: bool,
    /// How many violations of schemas it makes by force.
    pub forced: u64,
}

impl Intent {
    pub const COMMIT: Self = Self {
        kind: Kind::Commit,
        refers: 0,
        message: None,
        confirm: None,
        refusable: true,
        in_part: false,
        by: None,
        force: false,
        forced: 0,
    };

    pub fn new(kind: Kind, refers: u64) -> Self {
        Self { kind, refers, ..Self::COMMIT }
    }

    /// Begins the record of a transaction. `by` counts unless the intent has an attribution of its own.
    pub fn record(&self, options: &Options, by: Option<&Attribution>) -> Record {
        let by = self.by.as_deref().or(by);
        let source = by.and_then(|by| by.source.as_ref()).unwrap_or(&options.source);
        let message = by.and_then(|by| by.message.as_ref()).unwrap_or(&options.message);
        let mut record = Record {
            uid: rustix::process::getuid().as_raw(),
            pid: crate::os::process::id(),
            refers: self.refers,
            source: source.clone(),
            message: self.message.as_ref().unwrap_or(message).clone(),
            ..Record::new(self.kind)
        };
        record.forced = self.forced;
        if let Some(by) = by {
            record.author.clone_from(&by.author);
            record.request = by.request;
            record.decided = by.time.filter(|_| self.kind == Kind::Remote);
        }
        record
    }

    /// Returns the intent of a transaction that makes so many violations of schemas by force.
    pub fn with_forced(&self, forced: u64) -> Self {
        Self { forced, ..self.clone() }
    }

    /// Sets a part of the attribution.
    pub fn attribute(&mut self, set: impl FnOnce(&mut Attribution)) {
        set(Arc::make_mut(self.by.get_or_insert_default()));
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
