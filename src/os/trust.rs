//! Decides which owners of files are trusted. Files that the library keeps for a configuration directory (maps,
//! leases of verifiers, staged changes, the log) are used only if they belong to a user who could do the same harm
//! without them. The trusted owners are:
//!
//! - of a file or directory that only this process's user needs: root and that user ([`is_trusted`]);
//! - of a file that belongs to one configuration directory and is neither mapped nor a delta file: also the owner of
//!   that directory ([`Config::trusts`]), who may change every package in it anyway.
//!
//! A missing file is never trusted: the owner is checked on the open file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use crate::os::identity::FileId;

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
    pub id: FileId,
    pub owner: u32,
    pub user: u32,
}

impl Config {
    pub fn of(found: &Metadata) -> Self {
        Self { id: FileId::of(found), owner: found.uid(), user: user() }
    }

    /// Reports whether `owner` is trusted with this configuration.
    pub fn trusts(self, owner: u32) -> bool {
        is_trusted(owner, self.user) || owner == self.owner
    }

    /// Returns the name of the directories that are kept for this configuration; it is the same for every path to it.
    pub fn name(self) -> String {
        format!("{:x}-{:x}", self.id.device(), self.id.inode())
    }
}
