//! Whether the code that runs is a verifier's: a callback that answers whether a transaction may be made, or a program
//! that such a callback has started. The committer waits for the answer with its locks held, so that a verifier cannot
//! commit, and does not wait for locks.

use std::cell::Cell;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::os::environment;

/// How long a commit waits for its verifiers unless it is told otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// How long who commits waits for another writer, unless it is told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// The variable that says, to the programs a verifier runs, which process waits for their answer. As long as that is
/// there they do not wait for its locks.
pub const VERIFYING: &str = "CMS_VERIFYING";

const WITHIN: &str = "a verifier cannot change anything while it decides: the commit waits for its answer";

thread_local! {
    /// Whether this thread is in a callback of a verifier.
    pub(crate) static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Reports whether what runs here has to answer first: a callback of a verifier, or a program that runs for one.
fn has_to_answer() -> bool {
    ASKED.get() || runs_for_verifier()
}

/// Refuses to change anything from within a callback of a verifier.
pub(crate) fn check_may_commit() -> Result<()> {
    match ASKED.get() {
        true => Err(Error::Invalid { what: "change".into(), why: WITHIN }),
        false => Ok(()),
    }
}

/// Reports whether this program runs for a verifier, and who waits for that is still there.
fn runs_for_verifier() -> bool {
    let pid = environment::variable(VERIFYING).and_then(|pid| pid.to_str()?.parse::<u32>().ok());
    pid.is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
}

/// See [`crate::Options::lock_timeout`].
pub(crate) fn default_patience() -> Duration {
    if runs_for_verifier() { Duration::ZERO } else { PATIENCE }
}

/// Says what is behind a lock that cannot be had.
pub(crate) fn explain(error: Error) -> Error {
    match error {
        Error::Locked { .. } if has_to_answer() => Error::Invalid { what: "change".into(), why: WITHIN },
        error => error,
    }
}
