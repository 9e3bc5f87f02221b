//! Who is trusted. What the library keeps beside a configuration directory (maps, notes of verifiers, staged changes,
//! the log) counts only if it belongs to somebody who could do the same harm without it. There is this one rule:
//!
//! - a file, and a directory that is only ours: root and the user this process runs as ([`is_trusted`]);
//! - what concerns one configuration directory alone, and is neither mapped nor staged from: the owner of that as well
//!   ([`Config::trusts`]), who may change every package in it anyway.
//!
//! What is missing is never trusted: it is looked at once it is open.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Returns the user this process runs as.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Reports whether what belongs to `owner` is trusted by `user`.
pub(crate) fn is_trusted(owner: u32, user: u32) -> bool {
    owner == 0 || owner == user
}

/// A configuration directory, and who looks at what belongs to it.
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

    /// Reports whether what belongs to `owner` is trusted with this configuration.
    pub fn trusts(self, owner: u32) -> bool {
        is_trusted(owner, self.user) || owner == self.owner
    }

    /// Returns the name of what is kept for this configuration: every path to it leads to the same.
    pub fn name(self) -> String {
        format!("{:x}-{:x}", self.device, self.inode)
    }
}
