//! Warnings: what was passed over, and does not stop what was asked for. A store gives each once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::commit::engine::Store;

/// What is called with each warning of a store, on the thread that makes the call it is about, or on one of the library.
/// Locks may be held then: it must not use the store.
#[derive(Clone)]
pub struct Warn(Arc<dyn Fn(&str) + Send + Sync>);

impl Warn {
    /// Makes one of a function.
    #[must_use]
    pub fn new(function: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Calls it.
    pub(crate) fn tell(&self, text: &str) {
        (self.0)(text);
    }
}

impl std::fmt::Debug for Warn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Warn")
    }
}

/// The warnings that a store has given.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<BTreeSet<String>>);

impl Store {
    /// Gives a warning, unless it was given before: see [`crate::Options::warn`].
    pub(crate) fn warn(&self, text: &str) {
        // A panic of another thread leaves a set like any other.
        let mut given = self.warnings.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = given.insert(text.to_owned());
        drop(given);
        if let Some(warn) = self.options().warn.as_ref().filter(|_| is_new) {
            warn.tell(text);
        }
    }

    /// Returns the warnings that were given so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
