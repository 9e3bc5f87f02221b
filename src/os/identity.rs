//! Identities of files: one of the file, and one of its content.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The identity of a file's content, as far as the system tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub inode: u64,
    pub size: u64,
    pub modified_ns: i128,
}

impl Identity {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        let modified_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.len(), modified_ns }
    }

    /// Returns the identity of the file at `path`; `None` without a file there.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::symlink_metadata(path).ok().as_ref().map(Self::of)
    }
}

/// The identity of a file, independent of its content: device and inode. No two files share them while one of them is
/// open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }

    pub fn inode(self) -> u64 {
        self.1
    }

    /// Returns the identity of the file that a path leads to; `None` without a file there.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::of)
    }
}
