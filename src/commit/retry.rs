//! Waiting for the locks of packages, without holding the log's lock.
//!
//! Every user who can read a package can lock its file with `flock`. If a commit waited for that lock while it held
//! the log's lock, no other package could be committed meanwhile. And two programs with different logs for the same
//! directory could each wait for a lock of the other. So the holder of the log's lock only tries the locks of
//! packages and of package files. If one is taken, [`Error::Locked`] is returned up to [`retry`]; by then all locks
//! are released. It waits for the taken lock and begins again, until the time to wait is over. Only the lock of
//! staged changes is waited for with the log's lock held: no user can hold it without the right to write them or to
//! read the save directory.

use std::time::Duration;

use crate::commit::core::Core;
use crate::commit::log_session::LogSession;
use crate::commit::mark::Mark;
use crate::commit::settle;
use crate::error::{Error, Result};
use crate::os::files::{OpenFile, PAUSES, Wait};
use crate::os::lock::holder_of_file;
use crate::os::patience::{Patience, Tries};

/// How long to sleep before the next attempt if a lock was found free and could not be taken.
const PAUSE: Duration = Duration::from_micros(500);

/// A function that opens the log for writing, for example `session_within`.
pub(crate) type OpenLogSession = for<'s> fn(&'s Core, &Patience) -> Result<LogSession<'s>>;

/// Calls `once`, which takes several locks, and waits for none but the log's. If one is taken, waits for it without
/// holding a lock, and calls `once` again. So `once` must have changed nothing when it fails with [`Error::Locked`].
///
/// # Errors
///
/// [`Error::Locked`] if a lock is not free in time, and the error of `once`.
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

/// Opens a session and calls `work` with it, again and again as [`retry`] does. A logged transaction is not repeated: see
/// [`LogSession::or_unfinished`].
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

/// Waits until the lock or the text that an [`Error::Locked`] names is free. The caller holds no lock.
///
/// # Errors
///
/// [`Error::Locked`], with the name of the holder, if that takes too long.
pub(crate) fn await_free(core: &Core, locked: Error, patience: &Patience) -> Result<()> {
    let Error::Locked { path, holder, .. } = &locked else { return Err(locked) };
    if core.logs.current().is_some_and(|log| path.starts_with(log.dir())) {
        // The caller has waited for the log's lock already, or the directory of the log was replaced just now.
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
    // Only a package file may be a symbolic link.
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
        // The file was removed, and its lock with it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !patience.is_over() => {}
        Err(_) => {
            let (path, holder, waited) = (path.clone(), holder.clone(), patience.timeout);
            return Err(crate::os::caller::explain(Error::Locked { path, holder, waited }));
        }
    }
    std::thread::sleep(PAUSE);
    Ok(())
}
