//! The primitives of these models. A model that has a function of the same name uses that one.

pub use super::super::unpinned::sync::Arc;
pub use loom::sync::Mutex;
pub use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

pub const SLOTS: usize = 2;

/// One thread reads, and the writer needs no slot. A number of loom's would differ from run to run, and with it the slot:
/// loom repeats what it has chosen before, and needs the same steps for that.
pub fn thread_mark() -> usize {
    1
}

pub fn prepare_thread_end() -> bool {
    true
}

pub fn at_thread_end(_: Box<dyn FnOnce()>) -> bool {
    true
}

/// What the barrier of the kernel does; a model may replace each of the two by nothing.
fn full() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}

pub fn barrier_of_reader() {
    full();
}

pub fn barrier_of_all() -> bool {
    full();
    true
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
