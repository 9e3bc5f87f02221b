//! Commits that are taken back unless they are confirmed in time: whoever locks himself out with one only has to
//! wait.
//!
//! The commit's record in the log says how long there is, what is gone back to, and since when the time runs: in
//! running time of the system, so that no setting of the clock matters. After a boot it runs from the boot on.
//! A file `pending` beside the log says the same, so that a look is enough to know that nothing is pending; it is
//! there before the record is, and is removed when the commit has been confirmed or taken back.
//!
//! Another commit to be confirmed joins the one that waits: there is one window, and the time given last counts for
//! all that wait. They are confirmed together, and taken back together, key by key (see `unconfirmed`).
//!
//! Whoever opens the store after the time is up takes the commit back before anything is read ([`Engine::recover`]), and
//! so does a guard that is started with the commit (see `guard`).

pub(crate) mod by_key;
pub(crate) mod guard;
pub(crate) mod rollback;

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::commit::engine::Engine;
use crate::commit::log_session::{Ledger, Why};
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::log::{Guard, Kind, Record};
use crate::os::clock::Uptime;

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

impl Guard {
    /// Begins to count.
    pub(crate) fn new(time: Duration, now: Uptime, baseline: u64) -> Self {
        Self { milliseconds: millis(time), boot: now.boot, started: millis(now.running), baseline }
    }

    /// Returns how much time is left.
    pub(crate) fn left(&self, now: Uptime) -> Duration {
        let start = if now.boot == self.boot { self.started } else { 0 };
        let passed = millis(now.running).saturating_sub(start);
        Duration::from_millis(self.milliseconds.saturating_sub(passed))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Engine {
    /// Returns the commit that waits to be confirmed, if there is one.
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`]. If its time is up, it is taken back first.
    pub fn pending(&self) -> Result<Option<Pending>> {
        self.recover()?;
        if self.pending_is_absent() {
            return Ok(None);
        }
        let ledger = self.ledger_of_log()?;
        let Some((sequence, guard)) = ledger.pending() else {
            // Someone went back by hand: nothing is left to be confirmed.
            self.forget_pending();
            return Ok(None);
        };
        Ok(Some(self.told(sequence, guard)))
    }

    pub(crate) fn told(&self, sequence: u64, guard: Guard) -> Pending {
        Pending { sequence, baseline: guard.baseline, left: guard.left((self.options.uptime)()) }
    }

    /// Confirms the commit that waits for it, and all that wait with it. Returns its number.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if nothing waits, or if it is another than `sequence`; as for [`Engine::commit`].
    pub fn confirm(&self, sequence: Option<u64>, message: Option<&str>) -> Result<u64> {
        self.recover()?;
        let mut ledger = if self.pending_is_absent() { self.ledger()? } else { self.ledger_of_log()? };
        let pending = ledger.pending().map(|(waiting, _)| waiting);
        let asked = |waiting: &u64| sequence.is_none_or(|sequence| sequence == *waiting);
        let waiting = pending.filter(asked).ok_or(Missing::Pending { asked: sequence, waiting: pending })?;
        let why = Why { message: message.map(str::to_owned), ..Why::new(Kind::Confirm, waiting) };
        self.log_alone(&mut ledger, &why)?;
        self.forget_pending();
        Ok(waiting)
    }

    /// Waits until nothing is pending any more: confirmed by someone, or taken back, here if nobody else does it, and
    /// for as long as that fails again and again. Returns whether it was confirmed. Until the time is up no lock is held.
    ///
    /// # Errors
    ///
    /// As for [`Engine::pending`].
    pub fn wait_for_confirmation(&self) -> Result<bool> {
        let Some(pending) = self.pending()? else { return Ok(true) };
        while let Some(left) = self.left_by_note() {
            // Who waits is the last resort, and so no failure is its end.
            let failed = left == Duration::ZERO && self.recover().is_err();
            let pause = if failed { LOOK_AGAIN } else { left.clamp(Duration::from_millis(10), LOOK_AGAIN) };
            std::thread::sleep(pause);
        }
        let ended = self.the_log()?.each_back(|record| {
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

    /// Reports whether it is plain that nothing is pending.
    pub(crate) fn pending_is_absent(&self) -> bool {
        let noted = self.pending_path().map(|path| path.symlink_metadata());
        noted.is_none_or(|noted| noted.is_err_and(|error| error.kind() == ErrorKind::NotFound))
    }

    /// Returns how much time is left as the note says; `None` if nothing is noted.
    pub(crate) fn left_by_note(&self) -> Option<Duration> {
        let text = self.options.files.read_at_path(&self.pending_path()?).ok()?;
        let (text, now) = (String::from_utf8_lossy(&text), (self.options.uptime)());
        // One that a power cut has torn says nothing: the log is to be asked.
        Some(read_note(&text).map_or(Duration::ZERO, |guard| guard.left(now)))
    }

    fn pending_path(&self) -> Option<std::path::PathBuf> {
        self.log().map(|log| log.dir().join("pending"))
    }

    /// Notes that something will be pending; see the module documentation. If something waits already, what is noted
    /// is over as soon as one of the two is, also after a boot: should the commit fail, the other is not taken back late
    /// for that. Whoever looks then corrects the note.
    pub(crate) fn note_pending(&self, guard: &Guard, waiting: Option<&Guard>) -> Result<()> {
        let Some(waiting) = waiting else { return self.write_note(guard) };
        let now = (self.options.uptime)();
        let milliseconds = waiting.milliseconds.min(guard.milliseconds);
        let left = millis(waiting.left(now).min(guard.left(now)));
        let started = millis(now.running).saturating_sub(milliseconds.saturating_sub(left));
        self.write_note(&Guard { milliseconds, boot: now.boot, started, baseline: guard.baseline })
    }

    fn write_note(&self, guard: &Guard) -> Result<()> {
        let Some(path) = self.pending_path() else {
            return Err(Missing::Log.into());
        };
        let files = &self.options.files;
        let boot: String = guard.boot.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{} {boot} {}\n", guard.milliseconds, guard.started);
        let open = files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        let dir = path.parent().unwrap_or(&path);
        files
            .truncate(&open, 0)
            .and_then(|()| files.write(&open, text.as_bytes()))
            .and_then(|()| files.sync(&open))
            .and_then(|()| files.sync_dir(dir))
            .map_err(Error::io("write", &path))
    }

    /// Logs a transaction that changes no package.
    pub(crate) fn log_alone(&self, ledger: &mut Ledger<'_>, why: &Why) -> Result<Option<u64>> {
        let logged = ledger.commit(&[], why)?;
        ledger.applied();
        self.publish(&[], logged.map(|logged| ledger.logged(logged)));
        Ok(logged)
    }

    /// Removes the note. The log's lock has to be held, or another commit may be about to need it.
    pub(crate) fn forget_pending(&self) {
        if let Some(path) = self.pending_path() {
            // Left behind, it makes whoever comes next look into the log.
            let _ = self.options.files.remove(&path);
        }
    }

    /// Takes back what was not confirmed in time. Where nothing is pending it costs one look at a directory.
    pub(crate) fn enforce(&self) -> Result<()> {
        if self.left_by_note() != Some(Duration::ZERO) {
            return Ok(());
        }
        self.with_ledger(Self::ledger_within, |ledger| {
            let Some((sequence, guard)) = ledger.pending() else {
                if ledger.is_kept() {
                    self.forget_pending();
                }
                return Ok(());
            };
            if guard.left((self.options.uptime)()) > Duration::ZERO {
                // Another commit has joined it since.
                return self.write_note(&guard);
            }
            let message = format!("transaction {sequence} was not confirmed in time");
            self.take_back_pending(ledger, &guard, &message).map(|_| ())
        })
    }

    /// Returns the guard that a record is to carry on although it says otherwise: going back by some of what waits
    /// does not end the wait for the rest.
    pub(crate) fn guard_carried_on(&self, pending: Option<(u64, Guard)>, why: &Why) -> Result<Option<Guard>> {
        let Some((sequence, guard)) = pending else { return Ok(None) };
        match why.kind {
            Kind::Rollback if why.in_part && why.refers == guard.baseline => Ok(Some(guard)),
            Kind::Undo if why.refers == sequence => self.guard_before(sequence, guard.baseline),
            _ => Ok(None),
        }
    }

    /// Returns the guard of what was waiting already when a transaction joined it.
    pub(crate) fn guard_before(&self, sequence: u64, baseline: u64) -> Result<Option<Guard>> {
        let found = self.the_log()?.each_back(|record: Record| {
            Ok(match record.guard {
                _ if record.sequence <= baseline => ControlFlow::Break(None),
                Some(guard) if record.sequence < sequence => ControlFlow::Break(Some(guard)),
                _ => ControlFlow::Continue(()),
            })
        })?;
        Ok(found.flatten())
    }
}

/// Reads the note of something pending.
fn read_note(text: &str) -> Option<Guard> {
    let mut words = text.split_ascii_whitespace();
    let milliseconds = words.next()?.parse().ok()?;
    let digits = words.next().filter(|digits| digits.len() == 32)?;
    let mut boot = [0; 16];
    for (byte, at) in boot.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(Guard { milliseconds, boot, started: words.next()?.parse().ok()?, baseline: 0 })
}
