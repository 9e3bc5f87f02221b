//! `current` with readers that pin no epoch. The writer is unchanged: it defers the drop of a replaced value.

pub(super) mod sync {
    pub use loom::sync::Mutex;
    pub use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

    /// There are no slots: see `slots`.
    pub const SLOTS: usize = 2;

    pub fn thread_mark() -> usize {
        0
    }

    pub fn barrier_of_all() -> bool {
        false
    }

    pub fn barrier_of_reader() {}

    pub fn prepare_thread_end() -> bool {
        true
    }

    pub fn at_thread_end(_: Box<dyn FnOnce()>) -> bool {
        false
    }

    /// The one count of a value. Its memory is never freed, so that loom notices a read that comes too late.
    #[derive(Debug)]
    pub struct Arc<T>(*const T);

    // SAFETY: loom runs one thread at a time.
    unsafe impl<T: Send> Send for Arc<T> {}

    impl<T> Arc<T> {
        pub fn new(value: T) -> Self {
            Self(Box::leak(Box::new(value)))
        }

        pub fn into_raw(this: Self) -> *const T {
            std::mem::ManuallyDrop::new(this).0
        }

        pub unsafe fn from_raw(value: *const T) -> Self {
            Self(value)
        }

        pub unsafe fn increment_strong_count(_: *const T) {
            panic!("there is one count");
        }
    }

    impl<T> Drop for Arc<T> {
        fn drop(&mut self) {
            // SAFETY: it is the one count.
            unsafe { std::ptr::drop_in_place(self.0.cast_mut()) };
        }
    }

    pub mod epoch {
        pub struct Guard;

        pub fn pin() -> Guard {
            Guard
        }

        impl Guard {
            pub fn defer(&self, what: impl FnOnce() + Send + 'static) {
                crossbeam_epoch::pin().defer(what);
            }

            pub fn flush(&self) {
                crossbeam_epoch::pin().flush();
            }
        }
    }
}

#[path = "../current.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the same code again, of which the model only reads")]
pub(super) mod shipped;
