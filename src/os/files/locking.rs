//! Locks and unlocks open files (`flock`).

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::{Call, Files, OpenFile};

/// The outcome of waiting for a lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Held,
    TimedOut,
    /// The locked file is not at its path any more: other processes lock the file that is there now.
    Replaced,
}

/// How long a process that waits for a lock sleeps between two attempts: the first sleep, and the longest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses {
    pub first: Duration,
    pub last: Duration,
}

/// The usual sleep of a process that waits for a lock.
pub(crate) const PAUSES: Pauses =
    Pauses { first: Duration::from_micros(100), last: Duration::from_millis(10) };

impl Files {
    /// Locks a whole file, waiting until `deadline` at the longest. The lock is released when `open` is dropped.
    ///
    /// To lock the file at a path, use [`Files::lock_at_path`].
    pub(crate) fn lock(&self, open: &OpenFile, exclusive: bool, deadline: Instant) -> io::Result<Wait> {
        let operation = match exclusive {
            true => FlockOperation::NonBlockingLockExclusive,
            false => FlockOperation::NonBlockingLockShared,
        };
        self.wait_for_lock(open, operation, deadline, PAUSES)
    }

    /// Locks a whole file as [`Files::lock`] does, exclusively. The lock counts only if the file is still the one at
    /// its path, which later processes lock. If it is not, the lock is released at once.
    pub(crate) fn lock_at_path(
        &self,
        open: &OpenFile,
        deadline: Instant,
        pauses: Pauses,
    ) -> io::Result<Wait> {
        let wait = self.wait_for_lock(open, FlockOperation::NonBlockingLockExclusive, deadline, pauses)?;
        if wait == Wait::Held && !open.is_at_path() {
            self.unlock(open);
            return Ok(Wait::Replaced);
        }
        Ok(wait)
    }

    /// Locks a whole file as [`Files::lock_at_path`] does, for a caller that checks afterwards whether it is the file at
    /// its path.
    pub(crate) fn lock_unchecked(
        &self,
        open: &OpenFile,
        deadline: Instant,
        pauses: Pauses,
    ) -> io::Result<Wait> {
        self.wait_for_lock(open, FlockOperation::NonBlockingLockExclusive, deadline, pauses)
    }

    fn wait_for_lock(
        &self,
        open: &OpenFile,
        operation: FlockOperation,
        deadline: Instant,
        pauses: Pauses,
    ) -> io::Result<Wait> {
        self.before(Call::Lock, &open.path)?;
        let mut pause = pauses.first;
        loop {
            match flock(&open.file, operation).map_err(io::Error::from) {
                Ok(()) => {
                    open.locked_by.store(crate::os::process::id(), Ordering::Relaxed);
                    return Ok(Wait::Held);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Ok(Wait::TimedOut);
                    }
                    std::thread::sleep(pause);
                    pause = match pauses.first < pauses.last {
                        true => (pause * 2).min(pauses.last),
                        false => (pause * 3 / 4).max(pauses.last),
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }
}
