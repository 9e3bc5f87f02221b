//! Puts an engine together: verifiers are its gate, and automatic snapshots are made when the log begins a segment.

use std::sync::Arc;

use crate::commit::engine::Engine;
use crate::restore::automatic::segment_begun;
use crate::settings::options::Options;
use crate::verify::Verifiers;

impl Engine {
    /// Makes an engine. Nothing is read or created yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::with(options, Arc::new(Verifiers::default()), segment_begun)
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(Options::default())
    }
}
