//! The file operations of the write path. Every system call that a commit depends on goes through here,
//! so that a test can make each of them fail: see [`Probe`].

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use crate::error::memory::{self, MAX_TEXT};
use crate::os::file_name;
use crate::os::folder::Folder;

mod locking;

pub(crate) use crate::os::identity::{FileId, Identity};
pub(crate) use locking::{PAUSES, Pauses, Wait};

/// A system call of the write path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the system call of that name")]
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
    /// Returns how many bytes a write may take (any large number for all), or the error to answer with.
    ///
    /// # Errors
    ///
    /// The error that the call fails with instead of happening.
    fn before(&self, call: Call, path: &Path) -> io::Result<usize>;
}

/// An open file and where it is. When it is dropped, its lock is released.
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

    /// Releases the lock, if this process has taken it. Closing the file would not do: a child made by `fork` has
    /// it open as well, and would keep the lock. For the same reason the child must not release that of its parent.
    fn release(&self) {
        // Only one thread uses the file at a time, and no other memory depends on this number.
        let locked_by = self.locked_by.swap(0, Ordering::Relaxed);
        if locked_by != 0 && locked_by == std::process::id() {
            // It fails only without a lock.
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.release();
    }
}

/// The error for a file that is larger than any the library writes. Such a file may be sparse and take no room on the
/// disk.
fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 2 GiB, the limit of a package")
}

/// Turns the error of opening a file into one that names the cause, where the system's words do not.
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
    /// Opens it, when it is first needed.
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
    /// needed, and stays the same even if the path is replaced later. As long as it cannot be opened, no file below it
    /// can.
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
            // It was made just now.
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

    fn ask(&self, call: Call, path: &Path) -> io::Result<usize> {
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
        self.ask(Call::Open, path)?;
        let (at, rest) = self.at(path)?;
        let socket =
            rustix::fs::openat(at, rest, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let found = rustix::fs::fstat(&socket)?;
        let is_socket = FileType::from_raw_mode(found.st_mode) == FileType::Socket;
        // A socket with a second name may belong to another program.
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

    /// Every file of the library is opened here. The rule: opening never waits (any user who may write to the directory
    /// may put a FIFO there), a terminal does not become the controlling terminal, child programs do not inherit the
    /// file, and anything but a regular file is refused before it is used.
    fn open_regular(&self, path: &Path, flags: OFlags, mode: u32) -> io::Result<OpenFile> {
        self.ask(Call::Open, path)?;
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

    /// Gives a new file its length, with all the room it takes: `more` zeros behind the `written` bytes it has.
    pub(crate) fn allocate(&self, open: &OpenFile, written: u64, more: u64) -> io::Result<()> {
        self.ask(Call::Allocate, &open.path)?;
        match rustix::fs::fallocate(&open.file, rustix::fs::FallocateFlags::empty(), written, more) {
            // The call fails for a length of 0.
            Err(Errno::INVAL) if more == 0 => Ok(()),
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.fill_with_zeros(open, more),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes zeros from the file's position on, and goes back to its start.
    pub(crate) fn fill_with_zeros(&self, open: &OpenFile, length: u64) -> io::Result<()> {
        let page = [0; 1 << 15];
        let mut left = length;
        while left > 0 {
            let step = usize::try_from(left.min(page.len() as u64)).unwrap_or(page.len());
            self.write(open, &page[..step])?;
            left -= step as u64;
        }
        io::Seek::rewind(&mut &open.file)
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
            let unique = format!(".cms-{:x}-{:x}-{count:x}", std::process::id(), now.subsec_nanos());
            let path = dir.join(file_name::hidden(OsStr::new(stem), &unique));
            match self.create_new(&path, 0o600) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
    }

    /// Reads an open file from its start.
    pub(crate) fn read(&self, open: &OpenFile) -> io::Result<Vec<u8>> {
        self.ask(Call::Read, &open.path)?;
        let length = open.file.metadata()?.len();
        let length =
            usize::try_from(length).ok().filter(|length| *length <= MAX_TEXT).ok_or_else(too_large)?;
        io::Seek::rewind(&mut &open.file)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length.saturating_add(1)).map_err(|_| io::ErrorKind::OutOfMemory)?;
        memory::ask_for_work_on(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let read = match rustix::io::read(&open.file, rustix::buffer::spare_capacity(&mut bytes)) {
            Err(Errno::INTR) => 0,
            read => read?,
        };
        // The buffer has room for one more byte than expected: if that stays free, the whole file was read.
        if read != length {
            (&open.file).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// Writes all of `bytes` at the file's position.
    pub(crate) fn write(&self, open: &OpenFile, bytes: &[u8]) -> io::Result<()> {
        let allowed = self.ask(Call::Write, &open.path)?;
        if allowed < bytes.len() {
            (&open.file).write_all(&bytes[..allowed])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        (&open.file).write_all(bytes)
    }

    /// Writes all of `bytes` at an offset.
    pub(crate) fn write_at(&self, open: &OpenFile, bytes: &[u8], offset: u64) -> io::Result<()> {
        let allowed = self.ask(Call::Write, &open.path)?;
        if allowed < bytes.len() {
            std::os::unix::fs::FileExt::write_all_at(&open.file, &bytes[..allowed], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        std::os::unix::fs::FileExt::write_all_at(&open.file, bytes, offset)
    }

    /// Reads up to `len` bytes at an offset; fewer at the end of the file.
    pub(crate) fn read_at(&self, open: &OpenFile, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.ask(Call::Read, &open.path)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        memory::ask_for_work_on(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(len, 0);
        let mut done = 0;
        while done < len {
            match std::os::unix::fs::FileExt::read_at(&open.file, &mut bytes[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    /// Makes what was written to a file durable, without its times.
    pub(crate) fn sync_data(&self, open: &OpenFile) -> io::Result<()> {
        self.ask(Call::Sync, &open.path)?;
        open.file.sync_data()
    }

    /// Gives up the lock of a file that stays open.
    pub(crate) fn unlock(&self, open: &OpenFile) {
        open.release();
    }

    pub(crate) fn truncate(&self, open: &OpenFile, length: u64) -> io::Result<()> {
        self.ask(Call::Truncate, &open.path)?;
        open.file.set_len(length)
    }

    /// Gives `open` the owner, group and mode of another file, as far as the caller is permitted to.
    pub(crate) fn copy_attributes(&self, open: &OpenFile, like: &std::fs::Metadata) -> io::Result<()> {
        let mine = open.file.metadata()?;
        if (mine.uid(), mine.gid()) != (like.uid(), like.gid()) {
            self.ask(Call::Chown, &open.path)?;
            // Only root may give a file away; a member may still keep the group.
            let owner = std::os::unix::fs::fchown(&open.file, Some(like.uid()), Some(like.gid()));
            if owner.is_err() {
                let _ = std::os::unix::fs::fchown(&open.file, None, Some(like.gid()));
            }
        }
        self.set_mode(open, like.mode() & 0o7777)
    }

    /// Gives a file to a group. `Ok(false)` if the caller is not permitted to.
    pub(crate) fn set_group(&self, open: &OpenFile, group: u32) -> io::Result<bool> {
        self.ask(Call::Chown, &open.path)?;
        Ok(std::os::unix::fs::fchown(&open.file, None, Some(group)).is_ok())
    }

    pub(crate) fn set_mode(&self, open: &OpenFile, mode: u32) -> io::Result<()> {
        self.ask(Call::Chmod, &open.path)?;
        open.file.set_permissions(Permissions::from_mode(mode))
    }

    pub(crate) fn sync(&self, open: &OpenFile) -> io::Result<()> {
        self.ask(Call::Sync, &open.path)?;
        open.file.sync_all()
    }

    pub(crate) fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.ask(Call::SyncDir, dir)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let (at, rest) = self.at(dir)?;
        match rustix::fs::fsync(rustix::fs::openat(at, rest, flags, Mode::empty())?) {
            // Some file systems cannot sync a directory, and need not.
            Err(Errno::INVAL) => Ok(()),
            synced => Ok(synced?),
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Call::Rename, to)?;
        let ((from_at, from), (to_at, to)) = (self.at(from)?, self.at(to)?);
        Ok(rustix::fs::renameat(from_at, from, to_at, to)?)
    }

    /// Swaps two files. `Ok(false)` where the file system cannot.
    pub(crate) fn exchange(&self, a: &Path, b: &Path) -> io::Result<bool> {
        self.ask(Call::Rename, b)?;
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
        self.ask(Call::Rename, to)?;
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
        self.ask(Call::Open, path)?;
        std::os::unix::fs::symlink(target, path)
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::Remove, path)?;
        let (at, rest) = self.at(path)?;
        Ok(rustix::fs::unlinkat(at, rest, AtFlags::empty())?)
    }

    pub(crate) fn mkdir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.ask(Call::Mkdir, path)?;
        let (at, rest) = self.at(path)?;
        Ok(rustix::fs::mkdirat(at, rest, Mode::from_raw_mode(mode))?)
    }

    /// Makes a directory in another, unless it is there.
    pub(crate) fn mkdir_in(&self, folder: &Folder, name: &OsStr, mode: u32) -> io::Result<()> {
        self.ask(Call::Mkdir, &folder.path().join(name))?;
        match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
