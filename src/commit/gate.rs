//! What a commit asks of the layers above it: a gate decides whether a transaction is made, and a hook is called when a
//! segment of the log was begun.

use std::fmt::Debug;

use crate::commit::engine::Engine;
use crate::commit::log_session::{Ledger, Why};
use crate::commit::write::Part;
use crate::error::Result;

/// Decides whether transactions are made. It is asked with all locks of the transaction held, and before that is logged.
pub(crate) trait Gate: Debug + Send + Sync {
    /// Reports whether anything may have to be asked. If not, [`Gate::ask`] need not be called.
    fn is_guarded(&self, engine: &Engine) -> bool;

    /// Asks about a transaction.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Refused`] if it must not be made.
    fn ask(&self, engine: &Engine, parts: &[Part<'_>], why: &Why) -> Result<()>;
}

/// Called with the log's lock held when a segment was begun and all texts are in place.
pub(crate) type SegmentHook = fn(&mut Ledger<'_>);
