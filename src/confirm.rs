//! Commits that are taken back unless they are confirmed in time: whoever locks himself out with one only has to
//! wait.
//!
//! The commit's record in the log says how long there is, what is gone back to, and since when the time runs: in
//! running time of the system, so that no setting of the clock matters. After a boot it runs from the boot on.
//! A file `pending` beside the log says the same, so that a look is enough to know that nothing is pending; it is
//! there before the record is, and is removed when the commit has been confirmed or taken back.
//!
//! Nobody stands guard: whoever opens the store after the time is up takes the commit back, before anything is
//! read ([`Store::recover`]). [`Store::wait_for_confirmation`] is for who wants to.

use std::io::ErrorKind;
use std::time::Duration;

use crate::clock::Uptime;
use crate::error::{Error, Result};
use crate::ledger::{Ledger, Why};
use crate::log::{Guard, Kind};
use crate::missing::Missing;
use crate::store::Store;

/// A commit that waits to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The transaction.
    pub sequence: u64,
    /// The revision that is gone back to if it is not confirmed.
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
    fn left(&self, now: Uptime) -> Duration {
        let start = if now.boot == self.boot { self.started } else { 0 };
        let passed = millis(now.running).saturating_sub(start);
        Duration::from_millis(self.milliseconds.saturating_sub(passed))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Store {
    /// Returns the commit that waits to be confirmed, if there is one.
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`]. If its time is up, it is taken back first.
    pub fn pending(&self) -> Result<Option<Pending>> {
        self.recover()?;
        let ledger = self.ledger_of_pending()?;
        let pending = |(sequence, guard): (u64, Guard)| {
            let left = guard.left((self.options.uptime)());
            Pending { sequence, baseline: guard.baseline, left }
        };
        Ok(ledger.pending().map(pending))
    }

    /// Confirms the commit that waits for it, and all before it. Returns its number.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if nothing waits, or if it is another than `sequence`; as for [`Store::commit`].
    pub fn confirm(&self, sequence: Option<u64>, message: Option<&str>) -> Result<u64> {
        self.recover()?;
        let mut ledger = self.ledger_of_pending()?;
        let pending = ledger.pending().map(|(waiting, _)| waiting);
        let asked = |waiting: &u64| sequence.is_none_or(|sequence| sequence == *waiting);
        let waiting = pending.filter(asked).ok_or(Missing::Pending { asked: sequence, waiting: pending })?;
        let why = Why { message: message.map(str::to_owned), ..Why::new(Kind::Confirm, waiting) };
        self.end_pending(&mut ledger, &why)?;
        self.forget_pending();
        Ok(waiting)
    }

    /// Waits until nothing is pending any more: confirmed by someone, or taken back here because the time is up.
    /// Returns whether it was confirmed.
    ///
    /// # Errors
    ///
    /// As for [`Store::pending`].
    pub fn wait_for_confirmation(&self) -> Result<bool> {
        let mut baseline = None;
        while let Some(pending) = self.pending()? {
            baseline = Some(pending.baseline);
            std::thread::sleep(pending.left.clamp(Duration::from_millis(10), Duration::from_millis(500)));
        }
        let Some(baseline) = baseline else { return Ok(true) };
        let last = self.history(None, 64)?;
        let ended = last.iter().find(|record| matches!(record.kind, Kind::Confirm | Kind::Rollback));
        Ok(!ended.is_some_and(|record| record.kind == Kind::Rollback && record.refers == baseline))
    }

    /// Takes the log's lock. That it cannot be written matters unless it is plain that nothing is pending.
    fn ledger_of_pending(&self) -> Result<Ledger<'_>> {
        let noted = self.pending_path().map(|path| path.symlink_metadata());
        let none = noted.is_none_or(|noted| noted.is_err_and(|error| error.kind() == ErrorKind::NotFound));
        if none { self.ledger() } else { self.ledger_of_log() }
    }

    fn pending_path(&self) -> Option<std::path::PathBuf> {
        self.log().map(|log| log.dir().join("pending"))
    }

    /// Notes that something will be pending; see the module documentation.
    pub(crate) fn note_pending(&self, guard: &Guard) -> Result<()> {
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

    /// Logs that nothing is pending any more.
    fn end_pending(&self, ledger: &mut crate::ledger::Ledger<'_>, why: &Why) -> Result<()> {
        let ended = ledger.commit(&[], why)?;
        ledger.applied();
        self.publish(&[], ended.map(|ended| ledger.logged(ended)));
        Ok(())
    }

    fn forget_pending(&self) {
        if let Some(path) = self.pending_path() {
            // Left behind, it makes whoever comes next look into the log.
            let _ = self.options.files.remove(&path);
        }
    }

    /// Takes back what was not confirmed in time. Where nothing is pending it costs one look at a directory.
    pub(crate) fn enforce(&self) -> Result<()> {
        let Some(path) = self.pending_path() else { return Ok(()) };
        let Ok(text) = self.options.files.read_at_path(&path) else { return Ok(()) };
        let text = String::from_utf8_lossy(&text);
        let now = (self.options.uptime)();
        if read_note(&text).is_some_and(|guard| guard.left(now) > Duration::ZERO) {
            return Ok(());
        }
        let ledger = self.ledger()?;
        let pending = ledger.pending();
        drop(ledger);
        let Some((sequence, guard)) = pending else {
            self.forget_pending();
            return Ok(());
        };
        if guard.left(now) > Duration::ZERO {
            return Ok(());
        }
        let message = format!("transaction {sequence} was not confirmed in time");
        // It is the safety net: nobody may refuse it.
        let why =
            Why { message: Some(message), refusable: false, ..Why::new(Kind::Rollback, guard.baseline) };
        self.note_edits()?;
        if self.rollback_because(guard.baseline, &[], &why)?.is_none() {
            // It is as it was already; that this is the end of it is noted all the same.
            self.end_pending(&mut self.ledger()?, &why)?;
        }
        self.forget_pending();
        Ok(())
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
