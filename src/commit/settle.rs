//! Waiting until the text of a package is not behind a log any more. `mark` describes the marks that show it.
//!
//! A program that may write the log of the mark takes that log's lock and puts the text in place. Any other program
//! polls until the mark is gone. No function here may be called with a lock held, unless its patience is zero: the
//! program that puts the text in place takes the same locks.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::commit::core::Core;
use crate::commit::log_session::LogSession;
use crate::commit::mark::{self, Mark, boot};
use crate::commit::save_deferred;
use crate::error::{Error, Result};
use crate::log::Log;
use crate::os::patience::{Patience, taken};
use crate::os::trust::Config;

/// How long [`settle_mark`] waits for the lock of the other log before it checks whether the text is in place by now.
const TURN: Duration = Duration::from_millis(300);

/// How long [`settle_mark`] sleeps between two checks of the mark.
const PAUSE: Duration = Duration::from_millis(2);

/// Waits until the text of a package that is about to be read is not behind a log.
///
/// # Errors
///
/// [`Error::Locked`] if another log is ahead of the text, and the text is not put in place in time.
pub(crate) fn await_text(core: &Core, file: &Path) -> Result<()> {
    // A verifier reads the text as it was before the transaction: the writer waits for its answer.
    if crate::os::caller::check_may_commit().is_err() {
        return Ok(());
    }
    Mark::of(file).map_or(Ok(()), |mark| {
        settle_mark(core, &mark, false, &Patience::new(core.settings.get().lock_timeout))
    })
}

/// Puts the text of a mark in place, or waits until another program has done so. The caller holds no lock, unless
/// `patience` is zero.
pub(crate) fn settle_mark(core: &Core, mark: &Mark, is_writer: bool, patience: &Patience) -> Result<()> {
    let log = log_of_mark(core, mark);
    let mut may_write = true;
    loop {
        if is_writer {
            mark::write_together(core, mark);
        }
        save_deferred::save_replaced(core, mark)?;
        if may_write && log.id().is_some_and(|id| id == mark.id) {
            match finish_log(core, mark, is_writer, patience.deadline.min(Instant::now() + TURN)) {
                Ok(()) => return Ok(()),
                Err(Error::Locked { .. }) => {}
                Err(error) if crate::commit::log_session::cannot_be_written(&error) => may_write = false,
                Err(error) => return Err(error),
            }
        }
        // The mark is from an earlier boot, so its writer has ended, and the log with the newer text is gone.
        if mark.boot != boot() && mark.is_lost(&core.options.files) {
            let _ = core.options.files.remove(&mark.path);
        }
        if !mark.is_current() {
            return Ok(());
        }
        if patience.is_over() {
            return Err(mark.locked(patience.timeout));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Returns the log that a mark names. Its directories are trusted if they belong to a user who is trusted with the
/// configuration, or to the user who made the mark: no other user may direct this one to a directory of his own.
fn log_of_mark(core: &Core, mark: &Mark) -> Log {
    let log = Log::new(mark.log.clone(), core.options.files.clone(), core.options.log_limits());
    let Some(found) = mark.path.parent().and_then(|dir| std::fs::metadata(dir).ok()) else { return log };
    let config = Config::of(&found);
    let owner = if config.trusts(mark.owner) { config.owner } else { mark.owner };
    log.of_config(Config { owner, ..config })
}

/// Takes the lock of the log of a mark, which may be another store's, and puts its deferred texts in place. A reader can go
/// on if the text is in place and the mark cannot be removed; a writer cannot.
pub(crate) fn finish_log(core: &Core, mark: &Mark, is_writer: bool, deadline: Instant) -> Result<()> {
    let is_ours = core.logs.current().is_some_and(|log| mark.is_of(log));
    let config = mark.path.parent().unwrap_or(Path::new("."));
    let other = core.elsewhere(config, (!is_ours).then(|| log_of_mark(core, mark)));
    let Some(log) = other.logs.current() else { return Ok(()) };
    // The log's lock is held until the mark is removed: the next commit may make the same mark again.
    let mut session = LogSession::of(&other, log.write(deadline, Duration::ZERO)?);
    // The directory may have been replaced while this program waited for its lock.
    let is_it = log.id().is_some_and(|id| id == mark.id) && !session.is_replaced();
    session.recover()?;
    if mark.is_current() {
        if !is_it {
            return Err(taken(&mark.path));
        }
        // No text is behind the log: a crash has left the mark.
        let removed = core.options.files.remove(&mark.path);
        if is_writer && mark.is_current() {
            removed.map_err(Error::io("remove", &mark.path))?;
        }
    }
    Ok(())
}
