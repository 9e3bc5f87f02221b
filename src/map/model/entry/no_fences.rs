//! `hot_entry` without its fences.

pub(super) mod sync {
    pub use loom::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

    pub fn fence(_: Ordering) {}
}

#[path = "../../hot_entry.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the same code, of which the model uses a part")]
pub(super) mod shipped;
