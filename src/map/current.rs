//! A value that many threads read and one at a time replaces.
//!
//! A reader pins an epoch, loads the pointer and uses the value; a value that was replaced is dropped when no reader can
//! have it any more. Readers never wait, and write no memory that others read but for the pin, which is each thread's
//! own. There are two kinds of pins:
//!
//! - A *slot* of this value: a cache line that a thread claims with its first read and gives back when it ends. To pin
//!   is to store the epoch in the slot, which takes a few instructions and no barrier: the thread that replaces the value
//!   has the kernel run a barrier on every processor that runs a thread of the process (`membarrier`).
//! - *crossbeam-epoch*, for threads that have no slot, which read by [`Current::read`] alone: because there are more of them than slots, because the thread is
//!   ending, or because the kernel or the processor does not offer what slots need.
//!
//! A value that was replaced first waits until no slot pins an epoch before its replacement ([`Current::tidy`]), and is
//! then handed to crossbeam-epoch, which waits for the other threads. A thread that is stopped in the middle of a read
//! keeps it until [`Current::tidy`] is called after that: by the next replacement, or when the value is taken to be kept.
//!
//! Orderings: the pointer is stored with release and loaded with acquire, so that a thread that sees the pointer sees
//! the value behind it. A replacement swaps the pointer, increments the epoch with release, runs the barrier, and looks
//! at the slots with acquire. A reader loads the epoch with acquire, stores it in its slot with release, and loads the
//! pointer. If the reader loads the old pointer, then the barrier ran after it had stored the epoch, so its slot is seen;
//! and the epoch is one from before the replacement, since with a later one it would have seen the new pointer. The
//! release stores to the slot order the reads of the old value before the moment at which its slot is seen free.

use super::sync::{
    Arc, AtomicPtr, AtomicUsize, Mutex, Ordering, SLOTS, at_thread_end, barrier_of_all, barrier_of_reader,
    epoch, prepare_thread_end, thread_mark,
};

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Current<T> {
    /// From `Arc::into_raw`; this holds one of its counts.
    value: AtomicPtr<T>,
    /// One more than the number of replacements; never 0.
    epoch: AtomicUsize,
    /// `None` if there are only pins of crossbeam-epoch.
    slots: Option<std::sync::Arc<Slots>>,
    /// The values that were replaced and may be pinned by slots, each with the epoch that its replacement began.
    replaced: Mutex<Vec<(usize, Arc<T>)>>,
    /// How many there are.
    waiting: AtomicUsize,
}

#[derive(Debug)]
struct Slots([Slot; SLOTS]);

/// What a thread pins.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    /// The mark of the thread; 0 if the slot is free.
    owner: AtomicUsize,
    /// The epoch that is pinned; 0 if none is.
    pinned: AtomicUsize,
    /// How many of the next reads leave out what the value itself remembers of reads: see [`OwnSlot::skips`].
    skips: AtomicUsize,
}

/// The value of the moment, pinned by a slot.
pub(crate) struct Pinned<'c, T> {
    pub value: &'c T,
    _pin: Pin<'c>,
}

impl<'c, T> Pinned<'c, T> {
    /// Returns the word for [`OwnSlot::skips`].
    #[inline(always)]
    pub fn skips(&self) -> &'c AtomicUsize {
        &self._pin.slot.skips
    }
}

/// The slot of this thread.
pub(crate) struct OwnSlot<'c, T> {
    current: &'c Current<T>,
    slot: &'c Slot,
}

impl<'c, T: Send + Sync + 'static> OwnSlot<'c, T> {
    /// Reports whether [`Pinned::skips`] was set to more than the number of reads since. Relaxed: only this thread uses it.
    #[inline(always)]
    pub fn skips(&self) -> bool {
        let skips = self.slot.skips.load(Ordering::Relaxed);
        if skips > 0 {
            self.slot.skips.store(skips - 1, Ordering::Relaxed);
        }
        skips > 0
    }

    /// Returns the value of the moment, pinned.
    #[inline(always)]
    pub fn pinned(self) -> Pinned<'c, T> {
        let pin = self.current.pin(self.slot);
        let value = self.current.value.load(Ordering::Acquire);
        // SAFETY: the pointer came from `Arc::into_raw`, and its count is given up only when no slot pins an epoch
        // before its replacement: see the module documentation.
        Pinned { value: unsafe { &*value }, _pin: pin }
    }
}

/// The pin of a slot.
struct Pin<'c> {
    slot: &'c Slot,
    /// What was pinned before: a read within a read, as in a signal handler, leaves that to the outer one.
    outer: usize,
}

impl Drop for Pin<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: the value was read before.
        self.slot.pinned.store(self.outer, Ordering::Release);
    }
}

impl<T: Send + Sync + 'static> Current<T> {
    pub fn new(value: Arc<T>) -> Self {
        Self::with(value, thread_mark() != 0 && barrier_of_all())
    }

    fn with(value: Arc<T>, has_slots: bool) -> Self {
        Self {
            value: AtomicPtr::new(Arc::into_raw(value).cast_mut()),
            epoch: AtomicUsize::new(1),
            slots: has_slots.then(|| std::sync::Arc::new(Slots(std::array::from_fn(|_| Slot::default())))),
            replaced: Mutex::new(Vec::new()),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Returns the slot of this thread, if it has one already: the start of the cheapest read.
    #[inline(always)]
    pub fn own_slot(&self) -> Option<OwnSlot<'_, T>> {
        Some(OwnSlot { current: self, slot: self.slots.as_ref()?.of(thread_mark())? })
    }

    /// Returns the value of the moment, pinned by a slot; `None` if this thread cannot have one.
    #[inline(always)]
    pub fn pinned(&self) -> Option<Pinned<'_, T>> {
        Some(OwnSlot { current: self, slot: self.slot()? }.pinned())
    }

    #[inline(always)]
    fn pin<'c>(&self, slot: &'c Slot) -> Pin<'c> {
        let outer = slot.pinned.load(Ordering::Relaxed);
        let epoch = self.epoch.load(Ordering::Acquire);
        slot.pinned.store(if outer == 0 { epoch } else { outer }, Ordering::Release);
        barrier_of_reader();
        Pin { slot, outer }
    }

    /// Returns the slot of this thread, which claims one if it has none.
    #[inline(always)]
    fn slot(&self) -> Option<&Slot> {
        let (mark, slots) = (thread_mark(), self.slots.as_ref()?);
        match slots.of(mark) {
            Some(slot) => Some(slot),
            None => self.claim(mark),
        }
    }

    #[cold]
    fn claim(&self, mark: usize) -> Option<&Slot> {
        let slots = self.slots.as_ref()?;
        // Even if both slots are taken: this thread may find one free when it ends.
        if !prepare_thread_end() {
            return None;
        }
        // The same for the handle of crossbeam-epoch, which this thread may need only then.
        drop(epoch::pin());
        for place in [home(mark), home(mark) ^ 1] {
            let slot = slots.0.get(place)?;
            // Acquire: the thread that had the slot before has unpinned it.
            if slot.owner.compare_exchange(0, mark, Ordering::Acquire, Ordering::Relaxed).is_err() {
                continue;
            }
            let of_value = std::sync::Arc::downgrade(slots);
            let give_back = move || {
                if let Some(slots) = of_value.upgrade() {
                    slots.0[place].owner.store(0, Ordering::Release);
                }
            };
            if at_thread_end(Box::new(give_back)) {
                return Some(slot);
            }
            // The thread is ending, and would not give it back.
            slot.owner.store(0, Ordering::Release);
            return None;
        }
        None
    }

    /// Calls `read` with the value of the moment.
    #[inline]
    pub fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        // Held until the end.
        let (_pin, _guard) = match self.slot() {
            Some(slot) => (Some(self.pin(slot)), None),
            None => (None, Some(epoch::pin())),
        };
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: the pointer came from `Arc::into_raw`, and its count is given up only when every epoch
        // pinned before it was replaced has ended; ours was pinned before it was loaded.
        read(unsafe { &*value })
    }

    /// Returns the value of the moment, to keep.
    pub fn get(&self) -> Arc<T> {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.tidy();
        }
        let _guard = epoch::pin();
        let value = self.value.load(Ordering::Acquire).cast_const();
        // SAFETY: as in `read`: there is still a count, so another may be taken.
        unsafe { Arc::increment_strong_count(value) };
        // SAFETY: the count was taken just now.
        unsafe { Arc::from_raw(value) }
    }

    /// Puts another value in place.
    pub fn replace(&self, value: Arc<T>) {
        let old = self.value.swap(Arc::into_raw(value).cast_mut(), Ordering::AcqRel).cast_const();
        // SAFETY: the pointer came from `Arc::into_raw`, and no other thread can swap out the same one.
        let old = unsafe { Arc::from_raw(old) };
        // Release: a reader that loads this epoch loads the new pointer.
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        // The list is as valid after a panic as before.
        self.replaced.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((epoch, old));
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.tidy();
    }

    /// Hands the values that no slot pins any more to crossbeam-epoch.
    fn tidy(&self) {
        let mut replaced = self.replaced.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut oldest = usize::MAX;
        if let Some(slots) = &self.slots {
            if !barrier_of_all() {
                // Without it the slots say nothing; it was there when the value was made, and may be again.
                return;
            }
            let pinned = slots.0.iter().map(|slot| slot.pinned.load(Ordering::Acquire));
            oldest = pinned.filter(|epoch| *epoch != 0).min().unwrap_or(usize::MAX);
        }
        let (kept, gone): (Vec<_>, Vec<_>) = replaced.drain(..).partition(|(epoch, _)| *epoch > oldest);
        *replaced = kept;
        self.waiting.fetch_sub(gone.len(), Ordering::Relaxed);
        drop(replaced);
        let guard = epoch::pin();
        gone.into_iter().for_each(|old| guard.defer(move || drop(old)));
        // Mappings are large: they are not to wait until this thread has more to give back.
        guard.flush();
    }
}

impl Slots {
    /// Returns the slot of the thread of a mark.
    #[inline(always)]
    fn of(&self, mark: usize) -> Option<&Slot> {
        let place = home(mark);
        let slot = self.0.get(place)?;
        // Relaxed: the mark is there only if this thread has stored it, or one before it that had the same mark.
        if slot.owner.load(Ordering::Relaxed) == mark {
            return Some(slot);
        }
        let slot = self.0.get(place ^ 1)?;
        if slot.owner.load(Ordering::Relaxed) == mark { Some(slot) } else { None }
    }
}

/// Returns the first slot that a thread tries; the other one is its neighbour.
#[inline(always)]
fn home(mark: usize) -> usize {
    // The upper bits of a product: marks are often multiples of the size of a stack.
    let [.., high] = (mark as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    usize::from(high) % SLOTS
}

impl<T> Drop for Current<T> {
    fn drop(&mut self) {
        // SAFETY: from `Arc::into_raw`; no thread reads any more, since `self` is borrowed mutably.
        drop(unsafe { Arc::from_raw(self.value.load(Ordering::Relaxed).cast_const()) });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// Calls crossbeam-epoch as often as it takes to drop what it was given.
    fn is_dropped<T>(weak: &std::sync::Weak<T>) -> bool {
        (0..100_000).any(|_| {
            epoch::pin().flush();
            std::thread::yield_now();
            weak.upgrade().is_none()
        })
    }

    fn owners<T>(current: &Current<T>) -> usize {
        let slots = current.slots.as_ref().map_or(&[][..], |slots| &slots.0);
        slots.iter().filter(|slot| slot.owner.load(Ordering::Relaxed) != 0).count()
    }

    /// A value of each kind: with slots, if this machine has them, and without.
    fn both() -> [Current<u32>; 2] {
        [Current::new(Arc::new(1)), Current::with(Arc::new(1), false)]
    }

    #[test]
    fn threads_that_end_give_their_slots_back() {
        let current = Current::new(Arc::new(1_u32));
        for _ in 0..SLOTS * 3 {
            std::thread::scope(|scope| {
                let read = || {
                    assert_eq!(current.read(|value| *value), 1);
                    // The second read is the cheap one, unless another thread has the first slot.
                    assert!(current.pinned().is_none_or(|pinned| *pinned.value == 1));
                };
                scope.spawn(read).join().expect("read");
            });
        }
        assert_eq!(owners(&current), 0);
        current.read(|_| ());
        assert_eq!(owners(&current), usize::from(current.slots.is_some()));
    }

    #[test]
    fn more_threads_than_slots_read_and_a_replaced_value_goes_after_the_last() {
        for current in both() {
            let old = Arc::downgrade(&current.get());
            let count = if cfg!(miri) { 5 } else { SLOTS + 20 };
            let (reading, replaced) = (Barrier::new(count + 1), Barrier::new(count + 1));
            std::thread::scope(|scope| {
                for _ in 0..count {
                    scope.spawn(|| {
                        current.read(|value| {
                            reading.wait();
                            replaced.wait();
                            assert_eq!(*value, 1);
                        });
                        assert_eq!(current.read(|value| *value), 2);
                    });
                }
                reading.wait();
                current.replace(Arc::new(2));
                assert!(old.upgrade().is_some());
                replaced.wait();
            });
            assert_eq!(*current.get(), 2);
            assert!(is_dropped(&old));
        }
    }

    #[test]
    fn a_read_within_a_read_leaves_the_pin_to_the_outer_one() {
        let current = Current::new(Arc::new(1_u32));
        let old = Arc::downgrade(&current.get());
        current.read(|value| {
            assert_eq!(current.read(|value| *value), 1);
            current.replace(Arc::new(2));
            assert_eq!(current.read(|value| *value), 2);
            drop(current.get());
            assert!(old.upgrade().is_some());
            assert_eq!(*value, 1);
        });
        drop(current.get());
        assert!(is_dropped(&old));
    }

    #[test]
    fn values_are_whole_while_they_are_replaced() {
        for current in [Current::new(Arc::new([0_u64; 64])), Current::with(Arc::new([0; 64]), false)] {
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        let mut last = 0;
                        while !done.load(Ordering::Relaxed) {
                            let check = |value: &[u64; 64]| {
                                assert!(value.iter().all(|each| *each == value[0]));
                                value[0]
                            };
                            let seen = match current.pinned() {
                                Some(pinned) => check(pinned.value),
                                None => current.read(check),
                            };
                            assert!(seen >= last);
                            last = seen;
                        }
                    });
                }
                for number in 1..if cfg!(miri) { 20 } else { 20_000 } {
                    current.replace(Arc::new([number; 64]));
                }
                done.store(true, Ordering::Relaxed);
            });
            drop(current.get());
            assert_eq!(current.waiting.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "it has no processes")]
    fn a_child_process_reads_and_replaces_values_of_its_own() {
        unsafe extern "C" {
            fn fork() -> i32;
            fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
            fn _exit(status: i32) -> !;
        }
        let current = Current::new(Arc::new(1_u32));
        assert_eq!(current.read(|value| *value), 1);
        // SAFETY: the child calls nothing that another thread may have locked but for the allocator, which glibc makes
        // usable.
        let child = unsafe { fork() };
        if child == 0 {
            let own = Current::new(Arc::new(3_u32));
            let mut good = own.read(|value| *value) == 3 && own.slots.is_some() == current.slots.is_some();
            own.replace(Arc::new(4));
            good &= own.read(|value| *value) == 4 && own.waiting.load(Ordering::Relaxed) == 0;
            // SAFETY: it ends the child, and runs nothing of the tests.
            unsafe { _exit(if good { 0 } else { 1 }) };
        }
        let mut status = -1;
        // SAFETY: a variable.
        assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}
