//! Owners, groups and modes of open files.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::{Call, Files, OpenFile};

impl Files {
    /// Gives `open` the owner, group and mode of another file, as far as the caller is permitted to. `mine` are the
    /// attributes of `open`, a file that the caller has made.
    pub(crate) fn copy_attributes(
        &self,
        open: &OpenFile,
        mine: &std::fs::Metadata,
        like: &std::fs::Metadata,
    ) -> io::Result<()> {
        if (mine.uid(), mine.gid()) != (like.uid(), like.gid()) {
            self.before(Call::Chown, &open.path)?;
            // Only root may change the owner of a file; a member of the group may still set the group.
            let owner = std::os::unix::fs::fchown(&open.file, Some(like.uid()), Some(like.gid()));
            if owner.is_err() {
                let _ = std::os::unix::fs::fchown(&open.file, None, Some(like.gid()));
            }
        }
        self.set_mode(open, like.mode() & 0o7777)
    }

    /// Sets the group of a file. `Ok(false)` if the caller is not permitted to.
    pub(crate) fn set_group(&self, open: &OpenFile, group: u32) -> io::Result<bool> {
        self.before(Call::Chown, &open.path)?;
        Ok(std::os::unix::fs::fchown(&open.file, None, Some(group)).is_ok())
    }

    pub(crate) fn set_mode(&self, open: &OpenFile, mode: u32) -> io::Result<()> {
        self.before(Call::Chmod, &open.path)?;
        open.file.set_permissions(Permissions::from_mode(mode))
    }
}
