//! The primitives of all these models.

pub use super::super::unpinned::sync::Arc;
pub use loom::sync::Mutex;
pub use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

pub const SLOTS: usize = 2;

/// Loom's numbers of threads.
pub fn thread_mark() -> usize {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    loom::thread::current().id().hash(&mut hasher);
    usize::try_from(hasher.finish() >> 33).expect("31 bits") | 1
}

pub fn at_thread_end(_: Box<dyn FnOnce()>) -> bool {
    true
}

/// What the barrier of the kernel does.
pub fn full() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// All readers have slots, so nothing has to wait for others.
pub mod epoch {
    pub struct Guard;

    pub fn pin() -> Guard {
        Guard
    }

    impl Guard {
        pub fn defer(&self, what: impl FnOnce()) {
            what();
        }

        pub fn flush(&self) {}
    }
}
