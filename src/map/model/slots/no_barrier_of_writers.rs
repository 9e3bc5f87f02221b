//! `current` with writers that make no barrier.

pub(super) mod sync {
    pub use super::super::primitives::*;

    pub fn barrier_of_all() -> bool {
        true
    }
}

#[path = "../../current.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the same code, of which the model uses a part")]
pub(super) mod shipped;
