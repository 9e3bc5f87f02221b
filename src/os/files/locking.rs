//! Locks and unlocks open files (`flock`).

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::{Call, FileId, Files, OpenFile};

/// The outcome of waiting for a lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Held,
    TimedOut,
    /// The locked file is not at its path any more: other processes lock the file that is there now.
    Replaced,
}

/// What was found at the path of a locked package file.
#[derive(Debug)]
pub(crate) struct Locked {
    /// The attributes of the file.
    pub found: Metadata,
    /// Whether the path is a symbolic link to it.
    pub is_link: bool,
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

    /// Locks the file of a package as [`Files::lock_at_path`] does, and returns what was found at the path.
    pub(crate) fn lock_package(
        &self,
        open: &OpenFile,
        deadline: Instant,
    ) -> io::Result<std::result::Result<Locked, Wait>> {
        match self.lock_unchecked(open, deadline, PAUSES)? {
            Wait::Held => {}
            wait => return Ok(Err(wait)),
        }
        let is_ours = |found: &Metadata| FileId::of(found) == open.id;
        let found = std::fs::symlink_metadata(&open.path).ok();
        if let Some(found) = found.as_ref().filter(|found| is_ours(found)) {
            return Ok(Ok(Locked { found: found.clone(), is_link: false }));
        }
        let found = found.filter(Metadata::is_symlink).and_then(|_| std::fs::metadata(&open.path).ok());
        match found.filter(is_ours) {
            Some(found) => Ok(Ok(Locked { found, is_link: true })),
            None => {
                self.unlock(open);
                Ok(Err(Wait::Replaced))
            }
        }
    }

    /// Creates a file as [`Files::create_unique`] does, and locks it: another program may remove an unlocked one as a
    /// leftover of a crash. Also returns its attributes.
    pub(crate) fn create_unique_locked(&self, dir: &Path, stem: &str) -> io::Result<(OpenFile, Metadata)> {
        loop {
            let open = self.create_unique(dir, stem)?;
            if self.lock_unchecked(&open, Instant::now(), PAUSES)? != Wait::Held {
                continue;
            }
            // Another program can take its name only by removing it. It may have more names: of a backup, for example.
            let found = open.file.metadata()?;
            if found.nlink() > 0 {
                return Ok((open, found));
            }
        }
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
