//! Who is trusted. Files that the library keeps beside a configuration directory (maps, notes of verifiers, staged
//! changes, the log) count only if they belong to a user who could do the same harm without them. The rule:
//!
//! - a file, and a directory that is only ours: root and the user this process runs as ([`is_trusted`]);
//! - files of one configuration directory alone that are neither mapped nor staged from: the owner of that directory as
//!   well ([`Config::trusts`]), who may change every package in it anyway.
//!
//! A missing file is never trusted: the owner is checked on the open file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Returns the user this process runs as.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Reports whether `user` trusts files of `owner`.
pub(crate) fn is_trusted(owner: u32, user: u32) -> bool {
    owner == 0 || owner == user
}

/// A configuration directory, and the user who uses its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    pub device: u64,
    pub inode: u64,
    pub owner: u32,
    pub user: u32,
}

impl Config {
    pub fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino(), owner: found.uid(), user: user() }
    }

    /// Reports whether `owner` is trusted with this configuration.
    pub fn trusts(self, owner: u32) -> bool {
        is_trusted(owner, self.user) || owner == self.owner
    }

    /// Returns the name of the directories that are kept for this configuration; it is the same for every path to it.
    pub fn name(self) -> String {
        format!("{:x}-{:x}", self.device, self.inode)
    }
}
