//! Sets the processor a thread runs on, and reads how much of the heap is in use.

use crate::Result;

/// Keeps the calling thread, and the threads that it starts, on one processor until dropped.
pub struct Pinned(libc::cpu_set_t);

impl Pinned {
    /// Pins the thread to the allowed processor number `index`, modulo their number.
    pub fn to(index: usize) -> Result<Self> {
        let allowed = allowed()?;
        // SAFETY: `CPU_ISSET` reads within the set for all these numbers.
        let is_allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &allowed) };
        let cpus: Vec<usize> = (0..1024).filter(is_allowed).collect();
        // SAFETY: a set of zeros is an empty one.
        let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the number was found in a set of the same size.
        unsafe { libc::CPU_SET(cpus[index % cpus.len()], &mut one) };
        set(&one)?;
        Ok(Self(allowed))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Err(error) = set(&self.0) {
            eprintln!("cms-bench: cannot leave the processor again: {error}");
        }
    }
}

/// Returns the processors the calling thread may run on.
fn allowed() -> Result<libc::cpu_set_t> {
    // SAFETY: a set of zeros is an empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the size is that of the set.
    match unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) } {
        0 => Ok(set),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// Sets the processors the calling thread may run on.
fn set(cpus: &libc::cpu_set_t) -> Result<()> {
    // SAFETY: the size is that of the set.
    match unsafe { libc::sched_setaffinity(0, size_of_val(cpus), cpus) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// Returns the used bytes of the heap, including the allocator's own.
#[cfg(target_env = "gnu")]
pub fn heap() -> Option<usize> {
    // SAFETY: no conditions.
    let info = unsafe { libc::mallinfo2() };
    Some(info.uordblks + info.hblkhd)
}

/// Other C libraries do not report it.
#[cfg(not(target_env = "gnu"))]
pub fn heap() -> Option<usize> {
    None
}
