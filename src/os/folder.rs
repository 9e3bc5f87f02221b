//! Directories of the library, opened once: the owner is checked on the open directory, and files in it are reached
//! through it, even if paths are renamed meanwhile.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use crate::os::files::Files;
use crate::os::trust::Config;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Folder {
    file: File,
    path: PathBuf,
    found: Metadata,
}

impl Folder {
    /// Opens a directory. Links in its parents are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(CWD, path.as_os_str(), path.to_path_buf(), OFlags::NOFOLLOW)
    }

    /// Opens the directory in a run directory that belongs to one configuration directory; with `create`, makes it
    /// and its parents. All of them must belong to users who are trusted with the configuration.
    pub fn of_run<'n>(
        files: &Files,
        run: &Path,
        names: impl IntoIterator<Item = &'n str>,
        config: Config,
        create: bool,
    ) -> io::Result<Self> {
        let open = || Self::open_led(run, |owner| config.trusts(owner));
        let mut folder = match open() {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                match files.mkdir(run, 0o755) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => open()?,
                }
            }
            opened => opened?,
        }
        .trusted_with(config)?;
        for name in names {
            let sub = folder.sub(OsStr::new(name));
            folder = match sub {
                Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                    folder.make_sub(files, OsStr::new(name), 0o755)?
                }
                opened => opened?,
            }
            .trusted_with(config)?;
        }
        Ok(folder)
    }

    /// Refuses a directory of a user who is not trusted with the configuration.
    fn trusted_with(self, config: Config) -> io::Result<Self> {
        if config.trusts(self.owner()) { Ok(self) } else { Err(self.refusal()) }
    }

    /// Opens a directory that the user has named: it may be a link itself.
    pub fn open_named(path: &Path) -> io::Result<Self> {
        Self::open_at(CWD, path.as_os_str(), path.to_path_buf(), OFlags::empty())
    }

    /// Opens a directory that may be a link, if the link belongs to a trusted user.
    pub fn open_led(path: &Path, trusts: impl FnOnce(u32) -> bool) -> io::Result<Self> {
        match Self::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let link = std::fs::symlink_metadata(path)?;
                if link.is_symlink() && trusts(link.uid()) { Self::open_named(path) } else { Err(error) }
            }
            opened => opened,
        }
    }

    /// Opens a directory in this one.
    pub fn sub(&self, name: &OsStr) -> io::Result<Self> {
        Self::open_at(self.file.as_fd(), name, self.path.join(name), OFlags::NOFOLLOW)
    }

    /// As [`Folder::sub`]; it is made if it is missing.
    pub fn make_sub(&self, files: &Files, name: &OsStr, mode: u32) -> io::Result<Self> {
        files.mkdir_in(self, name, mode)?;
        self.sub(name)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open_at(at: BorrowedFd<'_>, name: &OsStr, path: PathBuf, flags: OFlags) -> io::Result<Self> {
        let flags = flags | OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(at, name, flags, Mode::empty()).map_err(|error| match error {
            // With both flags, opening a link fails with the same error.
            rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP => io::Error::new(
                io::ErrorKind::NotADirectory,
                "it is not a directory, or a symbolic link to one",
            ),
            error => error.into(),
        });
        let file = File::from(opened?);
        let found = file.metadata()?;
        Ok(Self { file, path, found })
    }

    pub fn owner(&self) -> u32 {
        self.found.uid()
    }

    /// Reports whether everybody may make and rename directories of their own beside this one, as in `/tmp`.
    pub fn is_among_others(&self) -> bool {
        const STICKY: u32 = 0o1000;
        let above = rustix::fs::statat(&self.file, "..", AtFlags::empty());
        above.is_ok_and(|above| above.st_mode & STICKY != 0)
    }

    /// The error for a directory whose owner is not trusted.
    pub fn refusal(&self) -> io::Error {
        let why = format!("it belongs to user {}, who is not trusted with it", self.owner());
        io::Error::new(io::ErrorKind::PermissionDenied, why)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
