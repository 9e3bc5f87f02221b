//! A value that many threads read and one at a time replaces.
//!
//! A reader pins an epoch (crossbeam-epoch), loads the pointer and uses the value; a replaced value is dropped once
//! no reader can use it any more. Readers never wait, and write no shared memory except their own pin.
//!
//! Orderings: the pointer is stored with release and loaded with acquire, so that a thread that sees the pointer sees
//! the value behind it.

use super::sync::{Arc, AtomicPtr, Ordering, epoch};

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Current<T> {
    /// From `Arc::into_raw`; this holds one of its counts.
    value: AtomicPtr<T>,
}

impl<T: Send + Sync + 'static> Current<T> {
    pub fn new(value: Arc<T>) -> Self {
        Self { value: AtomicPtr::new(Arc::into_raw(value).cast_mut()) }
    }

    /// Calls `read` with the current value.
    #[inline(always)]
    pub fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        let _guard = epoch::pin();
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: the pointer came from `Arc::into_raw`, and its count is given up only when every epoch
        // pinned before it was replaced has ended; ours was pinned before it was loaded.
        read(unsafe { &*value })
    }

    /// Returns the current value, and counts a reference to it.
    pub fn get(&self) -> Arc<T> {
        let _guard = epoch::pin();
        let value = self.value.load(Ordering::Acquire).cast_const();
        // SAFETY: as in `read`: there is still a count, so another may be taken.
        unsafe { Arc::increment_strong_count(value) };
        // SAFETY: the count was taken just now.
        unsafe { Arc::from_raw(value) }
    }

    /// Replaces the value.
    pub fn replace(&self, value: Arc<T>) {
        let old = self.value.swap(Arc::into_raw(value).cast_mut(), Ordering::AcqRel).cast_const();
        // SAFETY: the pointer came from `Arc::into_raw`, and no other thread can swap out the same one.
        let old = unsafe { Arc::from_raw(old) };
        let guard = epoch::pin();
        guard.defer(move || drop(old));
        // Mappings are large: unmap them soon, and do not wait until this thread has more garbage.
        guard.flush();
    }
}

impl<T> Drop for Current<T> {
    fn drop(&mut self) {
        // SAFETY: from `Arc::into_raw`; no thread reads any more, since `self` is borrowed mutably.
        drop(unsafe { Arc::from_raw(self.value.load(Ordering::Relaxed).cast_const()) });
    }
}
