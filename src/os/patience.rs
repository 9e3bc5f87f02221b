//! How long locks are waited for, and how long those are tried that are not waited for: see `commit::retry`.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::Error;

/// For how long a lock is tried that only programs of the same user can hold: mostly they have it for less.
pub(crate) const BRIEFLY: Duration = Duration::from_millis(5);

/// For how long locks are tried that were waited for already, and found free: where many come for the same package,
/// each is to have its turn. A process that keeps a lock all the time makes no other process wait here.
const AGAIN: Duration = Duration::from_millis(100);

/// How long to wait for locks, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub timeout: Duration,
    pub deadline: Instant,
}

impl Patience {
    /// Begins to wait.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, deadline: Instant::now() + timeout }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

thread_local! {
    /// For how long this thread tries the lock of a package file.
    static SHORTLY: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Returns until when the lock of a package file is tried.
pub(crate) fn shortly() -> Instant {
    Instant::now() + SHORTLY.get()
}

/// As [`shortly`], for locks that only programs of the same user can hold.
pub(crate) fn briefly() -> Instant {
    Instant::now() + SHORTLY.get().max(BRIEFLY)
}

/// Has this thread try locks for as long as it did before, when it is dropped.
pub(crate) struct Tries(Duration);

impl Tries {
    /// Begins: the lock of a package file is not waited for at all.
    pub fn begin() -> Self {
        Self(SHORTLY.replace(Duration::ZERO))
    }

    /// Goes on with what was waited for, and found free.
    pub fn go_on(&self) {
        SHORTLY.set(AGAIN);
    }
}

impl Drop for Tries {
    fn drop(&mut self) {
        SHORTLY.set(self.0);
    }
}

/// The error for a taken lock, for a caller that releases all its other locks and waits for this one. It names no
/// holder, since looking for one takes time.
pub(crate) fn taken(path: &Path) -> Error {
    Error::Locked { path: path.into(), holder: "another process".into(), waited: Duration::ZERO }
}
