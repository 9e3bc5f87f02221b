//! `current` with writers that make no barrier.

pub(super) mod sync {
    use super::super::primitives::full;
    pub use super::super::primitives::{
        Arc, AtomicPtr, AtomicUsize, Mutex, Ordering, SLOTS, at_thread_end, epoch, prepare_thread_end,
        thread_mark,
    };

    pub fn barrier_of_reader() {
        full();
    }

    pub fn barrier_of_all() -> bool {
        true
    }
}

#[path = "../../current.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the same code, of which the model uses a part")]
pub(super) mod shipped;
