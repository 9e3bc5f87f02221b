//! Waiting until the text of a package is not behind a log any more: see `mark`.

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

/// For how long who waits for a text stands in line for the lock of the other log, before it looks whether the text is in
/// place by now.
const TURN: Duration = Duration::from_millis(300);

/// How long who waits for a text sleeps between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Sees to it that the text of a package is not behind a log, for who is to read it.
///
/// # Errors
///
/// [`Error::Locked`] if another's log is ahead of it, and that is not put in place in time.
pub(crate) fn await_text(core: &Core, file: &Path) -> Result<()> {
    // Who verifies a transaction has the text as it was before: the writer waits for the answer.
    if crate::os::caller::check_may_commit().is_err() {
        return Ok(());
    }
    Mark::of(file).map_or(Ok(()), |mark| {
        settle_mark(core, &mark, false, &Patience::new(core.settings.get().lock_timeout))
    })
}

/// Has the text behind a mark put in place, or waits until another has done that. For who holds no lock, but for
/// one who has no patience.
pub(crate) fn settle_mark(core: &Core, mark: &Mark, is_writer: bool, patience: &Patience) -> Result<()> {
    let log = log_of_mark(core, mark);
    let mut may_write = true;
    loop {
        if is_writer {
            mark::write_together(core, mark);
        }
        save_deferred::save_replaced(core, mark)?;
        if may_write && log.id().is_some_and(|id| id == mark.id) {
            match finish_log(core, mark, patience.deadline.min(Instant::now() + TURN)) {
                Ok(()) => return Ok(()),
                Err(Error::Locked { .. }) => {}
                Err(error) if crate::commit::log_session::cannot_be_written(&error) => may_write = false,
                Err(error) => return Err(error),
            }
        }
        // Whoever has made it has ended with the system, and what it knew with the log.
        if mark.boot != boot() && mark.is_lost(&core.options.files) {
            let _ = core.options.files.remove(&mark.path);
        }
        if !mark.stands() {
            return Ok(());
        }
        if patience.is_over() {
            return Err(mark.locked(patience.timeout));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Returns the log that a mark names. Its directories count if they belong to somebody who is trusted with the
/// configuration, or to who made the mark: any other user may not lead this one into them.
fn log_of_mark(core: &Core, mark: &Mark) -> Log {
    let log = Log::new(mark.log.clone(), core.options.files.clone(), core.options.log);
    let Some(found) = mark.path.parent().and_then(|dir| std::fs::metadata(dir).ok()) else { return log };
    let config = Config::of(&found);
    let owner = if config.trusts(mark.owner) { config.owner } else { mark.owner };
    log.of_config(Config { owner, ..config })
}

/// Puts the texts in place that are behind a log, perhaps not ours, once nobody works on it.
pub(crate) fn finish_log(core: &Core, mark: &Mark, deadline: Instant) -> Result<()> {
    let is_ours = core.logs.current().is_some_and(|log| mark.is_of(log));
    let config = mark.path.parent().unwrap_or(Path::new("."));
    let other = core.elsewhere(config, (!is_ours).then(|| log_of_mark(core, mark)));
    let Some(log) = other.logs.current() else { return Ok(()) };
    // Under the log's lock until the end: the next commit may make the same mark again.
    let mut session = LogSession::of(&other, log.write(deadline, Duration::ZERO)?);
    // The directory may have been replaced while its lock was waited for.
    let is_it = log.id().is_some_and(|id| id == mark.id) && !session.is_replaced();
    session.recover()?;
    if mark.stands() {
        if !is_it {
            return Err(taken(&mark.path));
        }
        // Nothing is behind it: a crash has left it.
        let _ = core.options.files.remove(&mark.path);
    }
    Ok(())
}
