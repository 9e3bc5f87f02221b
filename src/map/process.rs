//! The number of this process, kept in a page that the kernel clears in a child made by `fork`. It is here since only
//! `map` may have `unsafe`.
//!
//! The C library does not keep the number, so that asking for it is a system call; a commit asks a dozen times.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::mm::{Advice, madvise};

/// The page; `None` if the kernel cannot clear it at a fork (Linux before 4.14). It stays for the life of the process.
static PAGE: OnceLock<Option<MmapRaw>> = OnceLock::new();

/// Room for the number. The page is at least as large.
const LENGTH: usize = size_of::<AtomicU32>();

fn page() -> Option<MmapRaw> {
    let page = MmapRaw::from(MmapOptions::new().len(LENGTH).map_anon().ok()?);
    // SAFETY: the range is the mapping that was made just now, and nothing refers to its bytes yet. This advice only
    // concerns what a child made by `fork` finds there: zeros.
    unsafe { madvise(page.as_mut_ptr().cast(), page.len(), Advice::LinuxWipeOnFork) }.ok()?;
    Some(page)
}

/// Returns the number of this process; `None` if the kernel cannot clear memory at a fork.
pub(crate) fn id() -> Option<u32> {
    let page = PAGE.get_or_init(page).as_ref()?;
    // SAFETY: the mapping has room for the number, begins at a page boundary, is never removed, and is only used as
    // an atomic.
    let kept = unsafe { AtomicU32::from_ptr(page.as_mut_ptr().cast()) };
    // Relaxed: no other memory depends on it. Threads that find no number store the same one.
    match kept.load(Ordering::Relaxed) {
        0 => {
            let id = std::process::id();
            kept.store(id, Ordering::Relaxed);
            Some(id)
        }
        id => Some(id),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_int;

    use super::*;

    unsafe extern "C" {
        fn fork() -> c_int;
        fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
        fn _exit(status: c_int) -> !;
    }

    /// Runs `check` in a child and returns whether it was true there. `check` makes only calls that are safe after a
    /// fork of a program with threads.
    fn is_true_in_child(check: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child only runs `check` and ends.
        match unsafe { fork() } {
            // SAFETY: this ends the child at once, without any clean-up.
            0 => unsafe { _exit(c_int::from(check())) },
            child => {
                assert!(child > 0, "forks");
                let mut status = 0;
                // SAFETY: the status is a number of this function.
                assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
                assert_eq!(status & 0x7f, 0, "the child ended by itself");
                status >> 8 == 1
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri cannot fork")]
    fn a_child_made_by_fork_has_another_number_and_so_has_its_child() {
        let own = std::process::id();
        let Some(first) = id() else { return };
        assert_eq!((first, id()), (own, Some(own)));
        let is_new = move || id() != Some(own) && id() == Some(std::process::id()) && id() == id();
        assert!(is_true_in_child(is_new));
        assert!(is_true_in_child(move || is_new() && is_true_in_child(is_new)));
        assert_eq!(id(), Some(own));
    }
}
