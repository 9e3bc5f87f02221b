//! The primitives of `current` and `hot_entry`; the models substitute others of the same names.

pub(super) use crossbeam_epoch as epoch;
pub(super) use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering, fence};
pub(super) use std::sync::{Arc, Mutex};

#[cfg(target_has_atomic = "64")]
pub(super) use std::sync::atomic::AtomicU64;

/// For processors that have no atomics of 64 bits: two halves, which may be of two stores. [`super::hot_entry`], which
/// alone uses it, notices that by its version.
#[cfg(not(target_has_atomic = "64"))]
#[derive(Debug, Default)]
pub(super) struct AtomicU64([AtomicU32; 2]);

#[cfg(not(target_has_atomic = "64"))]
impl AtomicU64 {
    pub(super) fn load(&self, ordering: Ordering) -> u64 {
        let [low, high] = [0, 1].map(|half| u64::from(self.0[half].load(ordering)));
        low | high << 32
    }

    pub(super) fn store(&self, value: u64, ordering: Ordering) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.0[0].store(u32::from_le_bytes([a, b, c, d]), ordering);
        self.0[1].store(u32::from_le_bytes([e, f, g, h]), ordering);
    }
}

/// Returns a number that no other living thread has, found in one instruction; 0 where there is none.
#[inline(always)]
pub(super) fn thread_mark() -> usize {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux", not(miri)))]
    {
        let mark;
        // SAFETY: on Linux the first word of a thread's block is the address of the block.
        unsafe {
            std::arch::asm!("mov {}, fs:0", out(reg) mark, options(nostack, preserves_flags, readonly, pure));
        }
        mark
    }
    #[cfg(all(target_arch = "aarch64", target_pointer_width = "64", target_os = "linux", not(miri)))]
    {
        let mark;
        // SAFETY: the register holds the address of the thread's block, and reading it changes nothing.
        unsafe {
            std::arch::asm!("mrs {}, tpidr_el0", out(reg) mark, options(nomem, nostack, preserves_flags, pure));
        }
        mark
    }
    #[cfg(not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        target_os = "linux",
        not(miri)
    )))]
    0
}

/// How many slots a value has for the threads that read it; a power of two.
pub(super) const SLOTS: usize = 128;

/// Has every processor that runs a thread of this process make a full barrier, between two instructions of the thread.
/// Returns whether the kernel does that.
pub(super) fn barrier_of_all() -> bool {
    use rustix::thread::{MembarrierCommand, membarrier};
    if cfg!(miri) {
        return false;
    }
    // The process has to register once; a child process inherits that, or registers here.
    membarrier(MembarrierCommand::PrivateExpedited).is_ok()
        || (membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
            && membarrier(MembarrierCommand::PrivateExpedited).is_ok())
}

/// What a reader does in place of a barrier: the compiler must not move its store behind the load that follows.
#[inline(always)]
pub(super) fn barrier_of_reader() {
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Functions to be called when the thread ends.
struct AtEnd(std::cell::RefCell<Vec<Box<dyn FnOnce()>>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|function| function());
    }
}

thread_local! {
    static AT_END: AtEnd = const { AtEnd(std::cell::RefCell::new(Vec::new())) };
}

/// Makes room for the functions that [`at_thread_end`] takes. Returns whether it can take some: not if the thread is ending
/// already. If the room were made while the thread ends, for a read by a destructor of C, nothing would free it.
pub(super) fn prepare_thread_end() -> bool {
    AT_END.try_with(|_| ()).is_ok()
}

/// Has a function called when this thread ends. Returns whether it will be: not if the thread is ending already.
pub(super) fn at_thread_end(function: Box<dyn FnOnce()>) -> bool {
    AT_END.try_with(|at_end| at_end.0.borrow_mut().push(function)).is_ok()
}
