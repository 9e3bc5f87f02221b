//! The directory of a log: it is made if necessary, and used only if a trusted user owns it.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::Log;
use crate::error::{Error, Result};
use crate::os::files::Files;
use crate::os::folder::Folder;

/// How many milliseconds a directory may be missing while it is replaced.
pub(super) const REPLACED_WITHIN: u32 = 100;

pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

impl Log {
    /// Returns file operations that go through the open directory of the log, or through one in it. With `sub`, missing
    /// directories are made.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `PermissionDenied` if the directory, or that of the logs, belongs to a user who is not
    /// trusted with the configuration: that user could make root create files anywhere.
    pub fn within(&self, sub: Option<&str>) -> Result<Files> {
        let mut tries = 0;
        loop {
            match self.open_within(sub) {
                // Another program may be replacing the directory; or it was removed, and this program has to make it
                // again.
                Err(error) if sub.is_some() && is_missing(&error) && tries < REPLACED_WITHIN => tries += 1,
                opened => return opened,
            }
            std::thread::sleep(Duration::from_millis(1));
            match self.make_dir() {
                Err(error) if !is_missing(&error) => return Err(error),
                _ => {}
            }
        }
    }

    fn open_within(&self, sub: Option<&str>) -> Result<Files> {
        let dir = sub.map_or_else(|| self.dir.clone(), |sub| self.dir.join(sub));
        let open = || -> std::io::Result<Folder> {
            let (state, name) = (self.open_state()?, self.dir.file_name().unwrap_or_default());
            match sub.map(OsStr::new) {
                Some(sub) => {
                    let log = self.trusted(state.make_sub(&self.files, name, 0o700)?)?;
                    self.trusted(log.make_sub(&self.files, sub, 0o700)?)
                }
                None => self.trusted(state.sub(name)?),
            }
        };
        let failed = |error: std::io::Error| {
            // Other errors of the system are not about trust.
            let op = if error.raw_os_error().is_none() { "trust" } else { "use" };
            Error::io(op, &dir)(error)
        };
        open().map(|folder| self.files.through(folder)).map_err(failed)
    }

    /// Opens the state directory, which holds this and other logs.
    fn open_state(&self) -> std::io::Result<Folder> {
        let above = self.dir.parent().filter(|above| !above.as_os_str().is_empty());
        let trusts = |owner| self.config.is_none_or(|config| config.trusts(owner));
        self.trusted(Folder::open_led(above.unwrap_or(Path::new(".")), trusts)?)
    }

    fn trusted(&self, folder: Folder) -> std::io::Result<Folder> {
        match self.config.is_none_or(|config| config.trusts(folder.owner())) {
            true => Ok(folder),
            false => Err(folder.refusal()),
        }
    }

    /// Makes the directory and syncs its parents, so that a power cut does not lose it with its contents.
    pub(super) fn make_dir(&self) -> Result<()> {
        let state = self.dir.parent().unwrap_or(Path::new(""));
        let missing: Vec<&Path> = state.ancestors().take_while(|dir| !is_there(dir)).collect();
        for dir in missing.into_iter().rev() {
            match self.files.mkdir(dir, 0o700) {
                Err(error) if !dir.is_dir() => return Err(Error::io("create the directory", dir)(error)),
                _ => {}
            }
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            self.files.sync_dir(parent).map_err(Error::io("sync", parent))?;
        }
        if self.dir.is_dir() {
            return Ok(());
        }
        // Directories are made only in a directory of a trusted user.
        let folder = self.open_state().map_err(Error::io("trust", state))?;
        let name = self.dir.file_name().unwrap_or_default();
        folder.make_sub(&self.files, name, 0o700).map_err(Error::io("create the directory", &self.dir))?;
        self.files.sync_dir(folder.path()).map_err(Error::io("sync", state))
    }
}

/// Reports whether a directory exists; the empty path is the current one.
fn is_there(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir.is_dir()
}
