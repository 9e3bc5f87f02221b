//! Commits that are taken back unless they are confirmed in time: whoever locks himself out with one only has to
//! wait.
//!
//! The commit's record in the log says how long there is, what is gone back to, and since when the time runs: in
//! running time of the system, so that no setting of the clock matters. After a boot it runs from the boot on.
//! A file `pending` beside the log says the same, so that a look is enough to know that nothing is pending; it is
//! there before the record is, and is removed when the commit has been confirmed or taken back.
//!
//! Another commit to be confirmed joins the one that waits: there is one window, and the time given last counts for
//! all that wait. They are confirmed together, and taken back together, key by key (see `rollback`).
//!
//! Whoever opens the store after the time is up takes the commit back before anything is read ([`Confirmations::recover`]), and
//! so does a guard that is started with the commit (see `guard`).

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

/// The longest that one who waits sleeps before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A commit that waits to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The transaction; of several that wait together, the last.
    pub sequence: u64,
    /// The revision before the first that waits.
    pub baseline: u64,
    /// How much time is left.
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
    /// Finishes the commit that a crash has interrupted, and takes back the one that was not confirmed in time, if
    /// there are such. It costs next to nothing if not.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`].
    pub fn recover(&self) -> Result<()> {
        recovery::finish_last(self.core)?;
        self.enforce()
    }

    /// Returns the commit that waits to be confirmed, if there is one.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`]. If its time is up, it is taken back first.
    pub fn pending(&self) -> Result<Option<Pending>> {
        self.recover()?;
        if self.core.pending.is_absent() {
            return Ok(None);
        }
        let session = open_session::session_of_log(self.core)?;
        let Some((sequence, guard)) = session.pending() else {
            // Someone went back by hand: nothing is left to be confirmed.
            self.core.pending.remove();
            return Ok(None);
        };
        Ok(Some(self.pending_of(sequence, guard)))
    }

    pub(crate) fn pending_of(&self, sequence: u64, guard: Guard) -> Pending {
        Pending { sequence, baseline: guard.baseline, left: guard.left((self.core.options.uptime)()) }
    }

    /// Confirms the commit that waits for it, and all that wait with it. Returns its number.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Missing`] if nothing waits, or if it is another than `sequence`; as for [`crate::Engine::commit`].
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

    /// Waits until nothing is pending any more: confirmed by someone, or taken back, here if nobody else does it, and
    /// for as long as that fails again and again. Returns whether it was confirmed. Until the time is up no lock is held.
    ///
    /// # Errors
    ///
    /// As for [`crate::Confirmations::pending`].
    pub fn wait_for_confirmation(&self) -> Result<bool> {
        let Some(pending) = self.pending()? else { return Ok(true) };
        while let Some(left) = self.core.pending.left() {
            // Who waits is the last resort, and so no failure is its end.
            let failed = left == Duration::ZERO && self.recover().is_err();
            let pause = if failed { LOOK_AGAIN } else { left.clamp(Duration::from_millis(10), LOOK_AGAIN) };
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

    /// Logs a transaction that changes no package.
    pub(crate) fn log_alone(&self, session: &mut LogSession<'_>, intent: &Intent) -> Result<Option<u64>> {
        let logged = session.commit(&[], intent)?;
        session.applied();
        publish::publish(self.core, &[], logged.map(|logged| session.logged(logged)));
        Ok(logged)
    }

    /// Takes back what was not confirmed in time. Where nothing is pending it costs one look at a directory.
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
                // Another commit has joined it since.
                return self.core.pending.write(&guard);
            }
            let message = format!("transaction {sequence} was not confirmed in time");
            self.roll_back_pending(session, &guard, &message).map(|_| ())
        })
    }
}
