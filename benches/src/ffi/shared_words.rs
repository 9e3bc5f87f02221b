//! Words that several processes map: the futex that is the lower limit, and the times at which listeners ran.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};

use memmap2::MmapRaw;

use crate::Result;

/// The size of the file: room for more listeners than a store may have.
const LENGTH: usize = 1 << 16;
/// The offset of the times.
const TIMES: usize = 64;

/// See the module documentation. Clones map the same memory.
#[derive(Clone)]
pub struct SharedWords(std::sync::Arc<MmapRaw>);

impl SharedWords {
    /// Maps the file, and makes it if it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(LENGTH as u64)?;
        Ok(Self(std::sync::Arc::new(MmapRaw::map_raw(&file)?)))
    }

    /// The futex.
    pub fn futex(&self) -> &AtomicU32 {
        // SAFETY: mapped as long as `self` is, aligned to a page, and only ever used as an atomic.
        unsafe { AtomicU32::from_ptr(self.0.as_mut_ptr().cast()) }
    }

    /// Returns the number of events that listeners got.
    pub fn told(&self) -> &AtomicU64 {
        self.word(8)
    }

    /// Returns the time at which this listener ran last, in nanoseconds of the system's clock.
    pub fn time(&self, listener: usize) -> &AtomicU64 {
        self.word(TIMES + listener * 8)
    }

    /// Returns the word at an offset, a multiple of 8.
    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset + 8 <= LENGTH, "the shared memory is too small");
        // SAFETY: inside the mapping, as was just checked.
        let place = unsafe { self.0.as_mut_ptr().add(offset) };
        // SAFETY: mapped as long as `self` is, aligned since the page and the offset are, and only ever an atomic.
        unsafe { AtomicU64::from_ptr(place.cast()) }
    }
}
