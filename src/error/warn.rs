//! The function that is called with each warning.

use std::sync::Arc;

/// A function that is called with each warning of a store, on the thread whose call causes it or on a thread of the
/// library. It must not use the store, since locks may be held.
#[derive(Clone)]
pub struct Warn(Arc<dyn Fn(&str) + Send + Sync>);

impl Warn {
    /// Makes one of a function.
    #[must_use]
    pub fn new(function: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Calls it.
    pub(crate) fn call(&self, text: &str) {
        (self.0)(text);
    }
}

impl std::fmt::Debug for Warn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Warn")
    }
}
