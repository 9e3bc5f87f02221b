//! The file operations of the write path. Every system call that a commit depends on goes through here,
//! so that a test can make each of them fail: see [`Probe`].

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use crate::os::file_name;
use crate::os::folder::Folder;

mod attributes;
mod content;
mod locking;
mod names;

pub(crate) use crate::os::identity::{FileId, Identity, Names};
pub(crate) use locking::{Locked, PAUSES, Pauses, Wait};

/// A system call of the write path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the system call of that name")]
#[expect(clippy::exhaustive_enums, reason = "of a seam for tests")]
pub enum Call {
    Open,
    Lock,
    Read,
    Write,
    Truncate,
    Chown,
    Chmod,
    Sync,
    Rename,
    SyncDir,
    Remove,
    Mkdir,
    Allocate,
}

/// Decides before each call whether it may happen. The seam for fault injection.
pub trait Probe: Send + Sync {
    /// Returns how many bytes a write may take (any large number for all), or the error that the call returns.
    ///
    /// # Errors
    ///
    /// The error that the call returns without being made.
    fn before(&self, call: Call, path: &Path) -> io::Result<usize>;
}

/// An open file and its path. When it is dropped, its lock is released.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub file: File,
    pub path: PathBuf,
    pub id: FileId,
    /// The process that locked it through this handle; 0 if it is not locked.
    locked_by: AtomicU32,
}

impl OpenFile {
    fn new(file: File, path: PathBuf, id: FileId) -> Self {
        Self { file, path, id, locked_by: AtomicU32::new(0) }
    }

    /// Makes another handle of the same open file; dropping that one does not release the lock.
    pub fn another(&self) -> io::Result<Self> {
        Ok(Self::new(self.file.try_clone()?, self.path.clone(), self.id))
    }

    /// Reports whether it is the file at its path.
    pub fn is_at_path(&self) -> bool {
        FileId::at(&self.path) == Some(self.id)
    }

    /// Releases the lock, if this process has taken it. Closing the file is not enough: a child made by `fork` has it
    /// open as well, and would keep the lock. The child must not release the lock of its parent either.
    fn release(&self) {
        // Only one thread uses the file at a time, and no other memory depends on this number.
        let locked_by = self.locked_by.swap(0, Ordering::Relaxed);
        if locked_by != 0 && locked_by == crate::os::process::id() {
            // It fails only if there is no lock.
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.release();
    }
}

/// Turns the error of opening a file into one that names the cause, if the system's message does not.
fn refusal(error: Errno, flags: OFlags) -> io::Error {
    match error {
        Errno::LOOP if flags.contains(OFlags::NOFOLLOW) => {
            io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link, which is not followed here")
        }
        // A socket, or a device without a driver.
        Errno::NXIO => not_regular(),
        error => error.into(),
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

/// The file operations, perhaps with a probe in between.
#[derive(Clone, Default)]
pub struct Files {
    probe: Option<Arc<dyn Probe>>,
    /// See [`Files::within`].
    root: Option<Arc<Root>>,
}

/// A directory through which all files below a path are reached.
struct Root {
    path: PathBuf,
    folder: OnceLock<Folder>,
    /// Opens the directory when it is first needed.
    open: Opener,
}

type Opener = Box<dyn Fn() -> io::Result<Folder> + Send + Sync>;

impl Root {
    fn folder(&self) -> io::Result<&Folder> {
        match self.folder.get() {
            Some(folder) => Ok(folder),
            None => {
                let opened = (self.open)()?;
                Ok(self.folder.get_or_init(|| opened))
            }
        }
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("probed", &self.probe.is_some()).finish()
    }
}

impl Files {
    /// Makes file operations that ask `probe` first.
    #[must_use]
    pub fn probed(probe: Arc<dyn Probe>) -> Self {
        Self { probe: Some(probe), root: None }
    }

    /// Returns file operations that reach all files below `path` through a directory that is opened when it is first
    /// needed, and stays the same even if the path is replaced later. While the directory cannot be opened, no file
    /// below it can be used.
    pub(crate) fn within(
        &self,
        path: &Path,
        open: impl Fn() -> io::Result<Folder> + Send + Sync + 'static,
    ) -> Self {
        let root = Root { path: path.to_path_buf(), folder: OnceLock::new(), open: Box::new(open) };
        Self { probe: self.probe.clone(), root: Some(Arc::new(root)) }
    }

    /// Returns file operations that reach the files in a directory through the open directory.
    pub(crate) fn through(&self, folder: Folder) -> Self {
        let files = self.within(folder.path(), || Err(io::ErrorKind::NotFound.into()));
        if let Some(root) = &files.root {
            // The directory was made just now.
            let _ = root.folder.set(folder);
        }
        files
    }

    /// Opens the directory of [`Files::within`], unless it is open.
    pub(crate) fn enter(&self) -> io::Result<()> {
        self.root.as_ref().map_or(Ok(()), |root| root.folder().map(|_| ()))
    }

    /// Returns the directory from which a path is followed, and the rest of the path.
    fn at<'p>(&'p self, path: &'p Path) -> io::Result<(BorrowedFd<'p>, &'p Path)> {
        let below = self.root.as_ref().and_then(|root| Some((root, path.strip_prefix(&root.path).ok()?)));
        match below {
            Some((root, rest)) => {
                let folder = root.folder()?;
                Ok((folder.as_fd(), if rest.as_os_str().is_empty() { Path::new(".") } else { rest }))
            }
            None => Ok((CWD, path)),
        }
    }

    fn before(&self, call: Call, path: &Path) -> io::Result<usize> {
        self.probe.as_ref().map_or(Ok(usize::MAX), |probe| probe.before(call, path))
    }

    /// Opens a file for reading. Like all files but packages it must be a regular file itself, not a symbolic link.
    pub(crate) fn open(&self, path: &Path) -> io::Result<OpenFile> {
        self.open_regular(path, OFlags::RDONLY | OFlags::NOFOLLOW, 0)
    }

    /// Reports whether there is a regular file at a path. A symbolic link does not count.
    pub(crate) fn is_file(&self, path: &Path) -> bool {
        let found = self
            .at(path)
            .ok()
            .and_then(|(at, rest)| rustix::fs::statat(at, rest, AtFlags::SYMLINK_NOFOLLOW).ok());
        found.is_some_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile)
    }

    /// Opens a socket that this process has just made, to change its owner or mode and not to connect.
    pub(crate) fn open_socket(&self, path: &Path) -> io::Result<OwnedFd> {
        self.before(Call::Open, path)?;
        let (at, rest) = self.at(path)?;
        let socket =
            rustix::fs::openat(at, rest, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let found = rustix::fs::fstat(&socket)?;
        let is_socket = FileType::from_raw_mode(found.st_mode) == FileType::Socket;
        // A socket with a second hard link may belong to another program.
        match is_socket && found.st_uid == crate::os::trust::user() && found.st_nlink == 1 {
            true => Ok(socket),
            false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a socket of this user")),
        }
    }

    /// Opens an existing file for reading and writing.
    pub(crate) fn open_to_write(&self, path: &Path) -> io::Result<OpenFile> {
        self.open_regular(path, OFlags::RDWR | OFlags::NOFOLLOW, 0)
    }

    /// Opens a file for reading and writing, and creates it with a mode if it is missing.
    pub(crate) fn open_or_create(&self, path: &Path, mode: u32) -> io::Result<OpenFile> {
        self.open_regular(path, OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW, mode)
    }

    /// Opens a package, or a file that the user names, for reading: these may be symbolic links.
    pub(crate) fn open_package(&self, path: &Path) -> io::Result<OpenFile> {
        self.open_regular(path, OFlags::RDONLY, 0)
    }

    /// As [`Files::open_package`], for reading and writing.
    pub(crate) fn open_package_to_write(&self, path: &Path) -> io::Result<OpenFile> {
        self.open_regular(path, OFlags::RDWR, 0)
    }

    /// Reads a whole file, opened as by [`Files::open`].
    pub(crate) fn read_at_path(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.open(path).and_then(|open| self.read(&open))
    }

    /// Reads a whole file, opened as by [`Files::open_package`].
    pub(crate) fn read_package(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.open_package(path).and_then(|open| self.read(&open))
    }

    /// The library opens all its files with this function. Opening never waits (any user who may write to the
    /// directory may put a FIFO there), a terminal does not become the controlling terminal, child programs do not
    /// inherit the file, and anything but a regular file is refused before it is used.
    fn open_regular(&self, path: &Path, flags: OFlags, mode: u32) -> io::Result<OpenFile> {
        self.before(Call::Open, path)?;
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let (at, rest) = self.at(path)?;
        let opened = rustix::fs::openat(at, rest, flags, Mode::from_raw_mode(mode));
        let file = File::from(opened.map_err(|error| refusal(error, flags))?);
        let found = file.metadata()?;
        match found.is_file() {
            true => Ok(OpenFile::new(file, path.to_path_buf(), FileId::of(&found))),
            false => Err(not_regular()),
        }
    }

    /// Creates a file that must not exist yet, for reading and writing.
    pub(crate) fn create_new(&self, path: &Path, mode: u32) -> io::Result<OpenFile> {
        self.open_regular(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW, mode)
    }

    /// Creates a new file with a unique name: `.STEM.cms-XXXXXX` in `dir`.
    pub(crate) fn create_unique(&self, dir: &Path, stem: &str) -> io::Result<OpenFile> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        loop {
            // The counter only has to differ between threads; no other memory depends on it.
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let unique = format!(".cms-{:x}-{:x}-{count:x}", crate::os::process::id(), now.subsec_nanos());
            let path = dir.join(file_name::hidden(OsStr::new(stem), &unique));
            match self.create_new(&path, 0o600) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
    }
}
