//! The gate: the interface through which a commit asks the layers above it whether a transaction may be made.

use std::time::Duration;

use crate::error::Result;
use crate::log::Record;
use crate::os::dirs::Dirs;

/// A transaction that is about to be made, as a gate sees it. All its locks are held, and it is not in the log.
pub(crate) trait Proposal {
    /// Reports whether the transaction may be refused.
    fn is_refusable(&self) -> bool;

    /// Returns how long to wait for an answer.
    fn timeout(&self) -> Duration;

    /// Lets other processes read the packages as they are before the transaction, through maps and through stock uci.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Locked`] and [`crate::Error::Io`] if a package file cannot be locked for that.
    fn let_read(&self) -> Result<()>;

    /// Ends [`Proposal::let_read`].
    ///
    /// # Errors
    ///
    /// As for [`Proposal::let_read`].
    fn end_reading(&self) -> Result<()>;

    /// Returns the record that the transaction would have, with the changes of keys and without those of texts.
    fn record(&self) -> Record;
}

/// Accepts or refuses transactions.
pub(crate) trait Gate: Send + Sync {
    /// Reports whether a verifier may have to be asked about transactions in these directories. If not, [`Gate::ask`]
    /// need not be called.
    fn is_guarded(&self, dirs: &Dirs) -> bool;

    /// Asks whether a transaction may be made.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Refused`] if it must not be made.
    fn ask(&self, dirs: &Dirs, proposal: &dyn Proposal) -> Result<()>;
}

// A trait that requires `Debug` puts the code that prints a whole store into each program, since tables of functions are
// linked whole.
impl std::fmt::Debug for dyn Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}
