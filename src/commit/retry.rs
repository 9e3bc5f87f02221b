//! Waiting for the locks of packages, which nobody does while the log's lock is held.
//!
//! Everyone who can read a package can lock its file with `flock`. If a commit waited for that with the log's lock held,
//! no other package could be committed meanwhile. And of two programs with a log of their own for the same directory,
//! each could wait for a lock of the other. So whoever holds the log's lock only tries the locks of package files and of
//! packages. If one is taken, [`Error::Locked`] goes up to `retry`: by then all locks are
//! released. The one that was taken is waited for, and everything begins again, until the time to wait is over. Of staged
//! changes the lock is waited for all the same: only who may write them, or read the save directory, can hold it.

use std::time::Duration;

use crate::commit::core::Core;
use crate::commit::log_session::LogSession;
use crate::commit::mark::Mark;
use crate::commit::settle;
use crate::error::{Error, Result};
use crate::os::files::{OpenFile, PAUSES, Wait};
use crate::os::lock::holder_of_file;
use crate::os::patience::{Patience, Tries};

/// How long who has found a lock free, and could not take it, sleeps before the next attempt.
const PAUSE: Duration = Duration::from_micros(500);

/// Opens the log to write to it: `session_within`, for example.
pub(crate) type OpenLogSession = for<'s> fn(&'s Core, &Patience) -> Result<LogSession<'s>>;

/// Does what needs several locks, of which all but the log's are only tried. As long as one is taken, waits for that
/// with no lock held, and begins again. So `once` must have changed nothing when it fails with [`Error::Locked`].
///
/// # Errors
///
/// [`Error::Locked`] if a lock cannot be had in time, and whatever `once` fails with.
pub(crate) fn retry<R>(core: &Core, mut once: impl FnMut(&Patience) -> Result<R>) -> Result<R> {
    let patience = Patience::new(core.settings.get().lock_timeout);
    let tries = Tries::begin();
    loop {
        match once(&patience) {
            Err(error @ Error::Locked { .. }) => {
                await_free(core, error, &patience)?;
                tries.go_on();
            }
            done => return done,
        }
    }
}

/// As `retry`, with the log's lock: see [`LogSession::or_unfinished`].
pub(crate) fn with_session<R>(
    core: &Core,
    open: OpenLogSession,
    mut work: impl FnMut(&mut LogSession<'_>) -> Result<R>,
) -> Result<R> {
    retry(core, |patience| {
        let mut session = open(core, patience)?;
        let done = work(&mut session);
        session.or_unfinished(done)
    })
}

/// Waits until what an [`Error::Locked`] is about can be had, for who holds no lock.
///
/// # Errors
///
/// [`Error::Locked`], with the name of the holder, if that takes too long.
pub(crate) fn await_free(core: &Core, locked: Error, patience: &Patience) -> Result<()> {
    let Error::Locked { path, holder, .. } = &locked else { return Err(locked) };
    if core.logs.current().is_some_and(|log| path.starts_with(log.dir())) {
        // It was waited for as long as may be, or its directory was replaced just now.
        if patience.is_over() {
            return Err(locked);
        }
        std::thread::sleep(PAUSE);
        return Ok(());
    }
    if let Some(mark) = Mark::at(path.clone()) {
        return settle::settle_mark(core, &mark, true, patience);
    }
    let files = &core.options.files;
    // A package may be a symbolic link, and no other file is.
    let open = files.open(path).or_else(|_| files.open_package_to_write(path));
    let error = |open: &OpenFile| {
        let locked = (path.clone(), holder_of_file(open), patience.timeout);
        Error::Locked { path: locked.0, holder: locked.1, waited: locked.2 }
    };
    match &open {
        Ok(open) if patience.is_over() => return Err(crate::os::caller::explain(error(open))),
        Ok(open) => match files.lock_at_path(open, patience.deadline, PAUSES) {
            Ok(Wait::Held | Wait::Replaced) => files.unlock(open),
            Ok(Wait::TimedOut) => return Err(crate::os::caller::explain(error(open))),
            Err(error) => return Err(Error::io("lock", path)(error)),
        },
        // It was removed, and its lock with it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !patience.is_over() => {}
        Err(_) => {
            let (path, holder, waited) = (path.clone(), holder.clone(), patience.timeout);
            return Err(crate::os::caller::explain(Error::Locked { path, holder, waited }));
        }
    }
    std::thread::sleep(PAUSE);
    Ok(())
}
