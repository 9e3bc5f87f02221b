//! Changes names in directories (renames, removes, makes), and makes such changes durable.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Call, Files};
use crate::os::folder::Folder;

impl Files {
    pub(crate) fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.before(Call::SyncDir, dir)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let (at, rest) = self.at(dir)?;
        match rustix::fs::fsync(rustix::fs::openat(at, rest, flags, Mode::empty())?) {
            // Some file systems cannot sync a directory; they need no sync.
            Err(Errno::INVAL) => Ok(()),
            synced => Ok(synced?),
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Call::Rename, to)?;
        let ((from_at, from), (to_at, to)) = (self.at(from)?, self.at(to)?);
        Ok(rustix::fs::renameat(from_at, from, to_at, to)?)
    }

    /// Swaps two files. `Ok(false)` if the file system does not support it.
    pub(crate) fn exchange(&self, a: &Path, b: &Path) -> io::Result<bool> {
        self.before(Call::Rename, b)?;
        let ((a_at, a), (b_at, b)) = (self.at(a)?, self.at(b)?);
        match renameat_with(a_at, a, b_at, b, RenameFlags::EXCHANGE).map_err(io::Error::from) {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Renames `from` to `to`, which must not exist.
    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Call::Rename, to)?;
        let ((from_at, from), (to_at, to)) = (self.at(from)?, self.at(to)?);
        match renameat_with(from_at, from, to_at, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Ok(rustix::fs::renameat(from_at, from, to_at, to)?)
            }
            renamed => Ok(renamed?),
        }
    }

    /// Creates a symbolic link. Its content is complete from the moment it exists.
    pub(crate) fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.before(Call::Open, path)?;
        std::os::unix::fs::symlink(target, path)
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.before(Call::Remove, path)?;
        let (at, rest) = self.at(path)?;
        Ok(rustix::fs::unlinkat(at, rest, AtFlags::empty())?)
    }

    pub(crate) fn mkdir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.before(Call::Mkdir, path)?;
        let (at, rest) = self.at(path)?;
        Ok(rustix::fs::mkdirat(at, rest, Mode::from_raw_mode(mode))?)
    }

    /// Makes a directory in another, unless it is there.
    pub(crate) fn mkdir_in(&self, folder: &Folder, name: &OsStr, mode: u32) -> io::Result<()> {
        self.before(Call::Mkdir, &folder.path().join(name))?;
        match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
