//! `current` as it is.

pub(super) mod sync {
    pub use super::super::primitives::*;
}

#[path = "../../current.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the same code, of which the model uses a part")]
pub(super) mod shipped;
