//! Limits the time that a thread waits for a lock, and the time that it retries a lock while it holds others: see
//! `commit::retry`.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::Error;

/// How long to retry a lock that only programs of the same user can hold. They usually hold it for a shorter time.
pub(crate) const BRIEFLY: Duration = Duration::from_millis(5);

/// How long to retry a lock after the thread has waited for it once and found it free. If many threads compete for a
/// package, each gets its turn in this time. A process that never releases a lock does not cause this delay, since
/// its lock is never found free.
const AGAIN: Duration = Duration::from_millis(100);

/// The time limit of waiting for locks.
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
    /// How long this thread retries the lock of a package file.
    static SHORTLY: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Returns the time until which the lock of a package file is retried.
pub(crate) fn shortly() -> Instant {
    Instant::now() + SHORTLY.get()
}

/// As [`shortly`], for locks that only programs of the same user can hold.
pub(crate) fn briefly() -> Instant {
    Instant::now() + SHORTLY.get().max(BRIEFLY)
}

/// Restores this thread's time for retrying locks when it is dropped.
pub(crate) struct Tries(Duration);

impl Tries {
    /// Sets the time to zero: the lock of a package file is tried once.
    pub fn begin() -> Self {
        Self(SHORTLY.replace(Duration::ZERO))
    }

    /// Sets the time to [`AGAIN`]: the thread has waited, and the lock has been free once.
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
