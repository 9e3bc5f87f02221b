//! `current` with readers that make no barrier.

pub(super) mod sync {
    pub use super::super::primitives::*;

    pub fn barrier_of_reader() {}
}

#[path = "../../current.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the same code, of which the model uses a part")]
pub(super) mod shipped;
