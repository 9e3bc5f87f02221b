//! Commits that are rolled back unless they are confirmed in time: an administrator who locks himself out with a
//! commit only has to wait.
//!
//! The commit's record in the log holds the time limit, the revision to roll back to, and the start of the time, as
//! uptime of the system, so that changes of the clock do not matter. After a boot the time starts anew. A file
//! `pending` beside the log has the same content, so that one `stat` shows whether anything is pending. It is written
//! before the record, and removed when the commit has been confirmed or rolled back.
//!
//! Another commit to be confirmed joins the pending ones: the time limit given last applies to all of them. They
//! are confirmed together, or rolled back together, key by key (see `rollback`).
//!
//! After the time is up, the next program to open the store rolls the commit back before it reads anything
//! ([`Confirmations::recover`]); so does a guard that is started with the commit (see `guard`).

pub(crate) mod by_key;
pub(crate) mod guard;
pub(crate) mod rollback;

use std::ops::ControlFlow;
use std::time::Duration;

use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::log_session::LogSession;
use crate::commit::open_session::{self, session_within};
use crate::commit::{publish, recovery, retry};
use crate::error::Result;
use crate::error::not_found::Missing;
use crate::log::{Guard, Kind};

/// The longest sleep between two checks while waiting.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// A commit that waits to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// The transaction; of several pending ones, the last.
    pub sequence: u64,
    /// The revision before the first pending transaction.
    pub baseline: u64,
    /// The time left.
    pub left: Duration,
}

/// The commits of a store that wait to be confirmed: see [`crate::Engine::confirmations`].
#[derive(Debug, Clone, Copy)]
pub struct Confirmations<'e> {
    pub(super) core: &'e Core,
}

impl<'e> Confirmations<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }
}

impl Confirmations<'_> {
    /// Finishes a commit that a crash has interrupted, and rolls back pending commits whose time is up. It costs
    /// little if there are none.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`].
    pub fn recover(&self) -> Result<()> {
        recovery::finish_last(self.core)?;
        self.enforce()
    }

    /// Returns the commit that waits to be confirmed; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`]. If its time is up, it is rolled back first.
    pub fn pending(&self) -> Result<Option<Pending>> {
        self.recover()?;
        if self.core.pending.is_absent() {
            return Ok(None);
        }
        let session = open_session::session_of_log(self.core)?;
        let Some((sequence, guard)) = session.pending() else {
            // It was rolled back or undone by hand: nothing is pending.
            self.core.pending.remove();
            return Ok(None);
        };
        Ok(Some(self.pending_of(sequence, guard)))
    }

    pub(crate) fn pending_of(&self, sequence: u64, guard: Guard) -> Pending {
        Pending { sequence, baseline: guard.baseline, left: guard.left((self.core.options.uptime)()) }
    }

    /// Confirms all pending commits. Returns the number of the last one.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Missing`] if nothing is pending, or if the pending commit is not `sequence`; as for
    /// [`crate::Engine::commit`].
    pub fn confirm(&self, sequence: Option<u64>, message: Option<&str>) -> Result<u64> {
        self.recover()?;
        let mut session = if self.core.pending.is_absent() {
            open_session::session(self.core)?
        } else {
            open_session::session_of_log(self.core)?
        };
        let pending = session.pending().map(|(waiting, _)| waiting);
        let asked = |waiting: &u64| sequence.is_none_or(|sequence| sequence == *waiting);
        let waiting = pending.filter(asked).ok_or(Missing::Pending { asked: sequence, waiting: pending })?;
        let intent = Intent { message: message.map(str::to_owned), ..Intent::new(Kind::Confirm, waiting) };
        self.log_alone(&mut session, &intent)?;
        self.core.pending.remove();
        Ok(waiting)
    }

    /// Waits until nothing is pending. When the time is up and no other process rolls the commit back, this call
    /// does, and retries as long as that fails. Returns whether the commit was confirmed. It holds no lock until
    /// the time is up.
    ///
    /// # Errors
    ///
    /// As for [`crate::Confirmations::pending`].
    pub fn wait_for_confirmation(&self) -> Result<bool> {
        let Some(pending) = self.pending()? else { return Ok(true) };
        while let Some(left) = self.core.pending.left() {
            // Retry after a failure: no other process may be left to roll back.
            let failed = left == Duration::ZERO && self.recover().is_err();
            let pause =
                if failed { POLL_INTERVAL } else { left.clamp(Duration::from_millis(10), POLL_INTERVAL) };
            std::thread::sleep(pause);
        }
        let ended = self.core.logs.require()?.each_back(|record| {
            let ends = record.kind == Kind::Confirm
                || record.kind == Kind::Rollback && record.refers == pending.baseline;
            Ok(match record.sequence > pending.baseline {
                true if ends => ControlFlow::Break(Some(record.kind)),
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(None),
            })
        })?;
        Ok(ended.flatten() == Some(Kind::Confirm))
    }

    /// Logs a transaction without changes.
    pub(crate) fn log_alone(&self, session: &mut LogSession<'_>, intent: &Intent) -> Result<Option<u64>> {
        let logged = session.commit(&[], intent)?;
        session.applied();
        publish::publish(self.core, &[], logged.map(|logged| session.logged(logged)));
        Ok(logged)
    }

    /// Rolls back pending commits whose time is up. If nothing is pending, it costs one `stat`.
    pub(crate) fn enforce(&self) -> Result<()> {
        if self.core.pending.left() != Some(Duration::ZERO) {
            return Ok(());
        }
        retry::with_session(self.core, session_within, |session| {
            let Some((sequence, guard)) = session.pending() else {
                if session.is_kept() {
                    self.core.pending.remove();
                }
                return Ok(());
            };
            if guard.left((self.core.options.uptime)()) > Duration::ZERO {
                // Another commit has joined and extended the time.
                return self.core.pending.write(&guard);
            }
            let message = format!("transaction {sequence} was not confirmed in time");
            self.roll_back_pending(session, &guard, &message).map(|_| ())
        })
    }
}
