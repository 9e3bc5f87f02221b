//! Finds out whether the running code belongs to a verifier: a callback that accepts or refuses a transaction, or a
//! program that such a callback has started. The committer waits for the answer with its locks held, so that a
//! verifier cannot commit, and does not wait for locks.

use std::cell::Cell;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::os::environment;

/// How long a commit waits for its verifiers by default.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a commit waits for another writer by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// The variable with the number of the process that waits for the answer, for the programs of a verifier. While that
/// process lives, these programs do not wait for its locks.
pub const VERIFYING: &str = "CMS_VERIFYING";

const WITHIN: &str = "a verifier cannot change anything while it decides: the commit waits for its answer";

thread_local! {
    /// Whether this thread is in a callback of a verifier.
    pub(crate) static IN_VERIFIER: Cell<bool> = const { Cell::new(false) };
}

/// Reports whether a commit waits for this code: it is a callback of a verifier, or a program that runs for one.
fn is_within_verifier() -> bool {
    IN_VERIFIER.get() || runs_for_verifier()
}

/// Refuses to change anything from within a callback of a verifier.
pub(crate) fn check_may_commit() -> Result<()> {
    match IN_VERIFIER.get() {
        true => Err(Error::NotPossible { why: WITHIN.into() }),
        false => Ok(()),
    }
}

/// Reports whether this program runs for a verifier, and the process that waits for the answer still lives.
fn runs_for_verifier() -> bool {
    let pid = environment::variable(VERIFYING).and_then(|pid| pid.to_str()?.parse::<u32>().ok());
    pid.is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
}

/// See [`crate::Options::lock_timeout`].
pub(crate) fn default_patience() -> Duration {
    if runs_for_verifier() { Duration::ZERO } else { PATIENCE }
}

/// Describes the holder of a lock that cannot be taken.
pub(crate) fn explain(error: Error) -> Error {
    match error {
        Error::Locked { .. } if is_within_verifier() => Error::NotPossible { why: WITHIN.into() },
        error => error,
    }
}
