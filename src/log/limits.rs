//! How much of the log is kept.

use std::time::Duration;

/// How much of the log is kept. When it exceeds one of the bounds the oldest segments are dropped; see G5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes in all, at least 256 KiB: for the segments and their lists of keys, the texts of packages beside them,
    /// and automatic snapshots. A single record that is larger is kept nevertheless.
    pub bytes: u64,
    /// How old a record may be.
    pub age: Option<Duration>,
    /// How many records.
    pub records: Option<u64>,
}

impl Default for Limits {
    /// 4 MiB, for the flash of a router.
    fn default() -> Self {
        Self { bytes: 4 << 20, age: None, records: None }
    }
}

impl Limits {
    /// Returns how many of the bytes are for automatic snapshots.
    pub(crate) fn for_snapshots(self) -> u64 {
        self.bytes / 8
    }

    /// Returns the length of a segment, in bytes.
    pub(super) fn segment(self) -> usize {
        usize::try_from(self.bytes / 32).unwrap_or(usize::MAX).clamp(64 << 10, 16 << 20)
    }
}
