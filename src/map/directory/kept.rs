//! The maps that a store keeps open from one commit to the next, so that the next commit need not find, check and map
//! them again.
//!
//! They may be replaced meanwhile: the run directory deleted, a map rebuilt. So before they are used again, each file
//! must still be at its path and have the same owner; otherwise all files are opened and checked again.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::session::PublishSession;
use crate::os::dirs::Dirs;
use crate::os::trust::Config;

/// See the module documentation. One thread uses it at a time: two threads that lock the same open file would both
/// succeed.
#[derive(Debug, Default)]
pub(crate) struct KeptSession(Mutex<Option<PublishSession>>);

impl KeptSession {
    /// Takes the right to publish with the kept files. `None` if there are none, or they cannot be used any more.
    /// `config` is the configuration directory, if the caller has looked at it already.
    pub fn begin(&self, dirs: &Dirs, config: Option<Config>, deadline: Instant) -> Option<PublishSession> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let look = || std::fs::metadata(&dirs.config.path).ok().as_ref().map(Config::of);
        let config = config.or_else(look)?;
        (kept.shared().config() == config).then_some(())?;
        kept.begin_again(deadline)
    }

    /// Gives up the right to publish, and keeps the open files.
    pub fn keep(&self, mut publishing: PublishSession) {
        publishing.end();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(publishing);
    }
}
