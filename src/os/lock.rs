//! The lock of a package: a file in the run directory that this library never renames or removes.
//!
//! It keeps writers of one package apart. Without a run directory the lock on the package file itself (see `commit`)
//! still keeps updates from being lost. A store leaves its lock files open: to take a lock again it only locks the open
//! file, and checks that this is still the file at its path.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::os::file_name;
use crate::os::files::{FileId, Files, OpenFile, PAUSES, Wait};
use crate::os::folder::Folder;
use crate::os::patience::{briefly, taken};
use crate::os::trust::Config;

/// How many lock files a store leaves open: those of the packages it works on.
const KEPT: usize = 16;

/// The lock files of a store that are open and not in use, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    free: Mutex<Vec<LockFile>>,
    /// The directory of the locks that was opened last.
    folder: Mutex<Option<OpenFolder>>,
}

/// The directory of the locks, and the directories that it was opened for.
#[derive(Debug)]
struct OpenFolder {
    run: PathBuf,
    config: Config,
    /// These file operations go through the directory.
    files: Files,
}

/// A lock file. One thread owns it at a time: two threads that lock the same open file would both succeed.
#[derive(Debug)]
struct LockFile {
    /// The process that opened it: after a fork the child must not share the lock.
    process: u32,
    /// The directory of the package, and its name.
    config: FileId,
    package: String,
    open: OpenFile,
}

impl Locks {
    fn free(&self) -> std::sync::MutexGuard<'_, Vec<LockFile>> {
        // The list is valid even if another thread has panicked.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns file operations that go through the directory of the locks, which is made if it is missing.
    fn folder(&self, files: &Files, run: &Path, config: Config) -> io::Result<Files> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = folder.as_ref().filter(|open| open.run == run && open.config == config) {
            return Ok(open.files.clone());
        }
        let files = files.through(Folder::of_run(files, run, ["locks"], config, true)?);
        *folder = Some(OpenFolder { run: run.to_path_buf(), config, files: files.clone() });
        Ok(files)
    }

    /// Forgets the directory: the run directory may be deleted at any time.
    fn forget_folder(&self) {
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes the open lock of a package out of the list.
    fn find(&self, config: FileId, package: &str) -> Option<LockFile> {
        let mut free = self.free();
        let at = free.iter().rposition(|file| file.config == config && file.package == package)?;
        Some(free.remove(at)).filter(|file| file.process == crate::os::process::id())
    }

    /// Puts a file back that is not locked any more.
    fn keep(&self, file: LockFile) {
        let mut free = self.free();
        if free.len() == KEPT {
            free.remove(0);
        }
        free.push(file);
    }
}

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub(crate) struct PackageLock {
    held: Option<LockFile>,
    files: Files,
    /// The list to which the open file is returned, if it is kept.
    locks: Option<Arc<Locks>>,
}

impl Drop for PackageLock {
    fn drop(&mut self) {
        let Some(file) = self.held.take() else { return };
        self.files.unlock(&file.open);
        if let Some(locks) = &self.locks {
            locks.keep(file);
        }
    }
}

impl PackageLock {
    /// Takes the lock of `package` in the directory `config`, waiting for `timeout` at the longest. A caller that holds
    /// other locks passes `None`: then the lock is only tried.
    pub fn take(
        files: &Files,
        run: Option<&Path>,
        config: Option<Config>,
        package: &str,
        timeout: Option<Duration>,
        locks: &Arc<Locks>,
    ) -> Result<Self> {
        let mut lock = Self { held: None, files: files.clone(), locks: Some(locks.clone()) };
        let Some((run, config)) = run.zip(config) else {
            return Ok(lock);
        };
        let deadline = timeout.map_or_else(briefly, |timeout| Instant::now() + timeout);
        loop {
            let known = locks.find(config.id, package);
            let file = match known.map_or_else(|| open(files, run, config, package, locks), Ok) {
                Ok(file) => file,
                // The lock directory belongs to another user, is read-only or is missing: only the lock on the
                // package file is taken.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::PermissionDenied
                            | io::ErrorKind::ReadOnlyFilesystem
                            | io::ErrorKind::NotADirectory
                    ) =>
                {
                    return Ok(lock);
                }
                Err(error) => return Err(Error::io("open", path_of(run, config, package))(error)),
            };
            let failed = Error::io("lock", &file.open.path);
            match files.lock_at_path(&file.open, deadline, PAUSES).map_err(failed)? {
                Wait::Held => {
                    lock.held = Some(file);
                    return Ok(lock);
                }
                Wait::TimedOut => {
                    let path = &file.open.path;
                    let error = match timeout {
                        Some(waited) => {
                            let holder = holder_of_file(&file.open);
                            Error::Locked { path: path.clone(), holder, waited }
                        }
                        None => taken(path),
                    };
                    locks.keep(file);
                    return Err(error);
                }
                // The run directory may be deleted at any time.
                Wait::Replaced => locks.forget_folder(),
            }
        }
    }

    /// Makes the file be closed when the lock is released, for callers that work on many packages.
    pub fn once(mut self) -> Self {
        self.locks = None;
        self
    }
}

/// Returns the path of the lock of a package. It is named after the directory's device and inode, so that every path to
/// the directory leads to one lock.
fn path_of(run: &Path, config: Config, package: &str) -> PathBuf {
    let short = file_name::shortened(OsStr::new(package));
    run.join("locks").join(format!("{}-{}", config.name(), short.display()))
}

/// Opens a lock file, making it and its directories if they are missing. No other user may open it: a user who could
/// lock it could stop all commits.
fn open(files: &Files, run: &Path, config: Config, package: &str, locks: &Locks) -> io::Result<LockFile> {
    let path = path_of(run, config, package);
    let open = || locks.folder(files, run, config)?.open_or_create(&path, 0o600);
    let open = open().or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            locks.forget_folder();
            open()
        }
        _ => Err(error),
    })?;
    Ok(LockFile { process: crate::os::process::id(), config: config.id, package: package.to_owned(), open })
}

/// Names the process that holds a lock on a file, as far as the system tells.
pub(crate) fn holder_of_file(file: &OpenFile) -> String {
    holder_of_one(&[file])
}

/// Names the process that holds a lock on the first of some files that is locked. Call it only for errors: while the
/// list of locks is read, no process on the machine can take or release a lock.
pub(crate) fn holder_of_one(files: &[&OpenFile]) -> String {
    // The list may lack some locks while others take and release theirs, so it is read twice.
    let holder = (0..2).find_map(|_| holder_in_list(files));
    let Some(pid) = holder else { return "another process".to_owned() };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("process {pid} ({})", name.trim())
}

/// Reads the list of all locks, and returns the process that holds one on the first of some files that is in it.
fn holder_in_list(files: &[&OpenFile]) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    files.iter().find_map(|file| {
        let inode = format!(":{}", file.id.inode());
        locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|fields| {
            let held =
                fields.get(1) == Some(&"FLOCK") && fields.get(5).is_some_and(|id| id.ends_with(&inode));
            held.then(|| fields.get(4).map(|pid| (*pid).to_owned())).flatten()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Option<Config> {
        std::fs::metadata("/").ok().as_ref().map(Config::of)
    }

    fn take(run: &Path, locks: &Arc<Locks>) -> Result<PackageLock> {
        PackageLock::take(&Files::default(), Some(run), root(), "p", Some(Duration::ZERO), locks)
    }

    fn file(lock: &PackageLock) -> FileId {
        lock.held.as_ref().expect("there is a run directory").open.id
    }

    #[test]
    fn a_lock_that_is_taken_again_is_that_of_the_file_at_its_path() {
        let run = tempfile::tempdir().expect("a directory");
        let (ours, theirs) = (Arc::new(Locks::default()), Arc::new(Locks::default()));
        let first = take(run.path(), &ours).expect("it is free");
        // No other thread and no other process gets the lock.
        assert!(matches!(take(run.path(), &ours), Err(Error::Locked { .. })));
        assert!(matches!(take(run.path(), &theirs), Err(Error::Locked { .. })));
        let id = file(&first);
        drop(first);
        assert_eq!(file(&take(run.path(), &theirs).expect("it is free")), id);
        let again = take(run.path(), &ours).expect("it is free");
        assert_eq!(file(&again), id);
        std::fs::remove_dir_all(run.path().join("locks")).expect("deleted");
        drop(again);
        let anew = take(run.path(), &ours).expect("it is free");
        assert_ne!(file(&anew), id);
        assert!(matches!(take(run.path(), &theirs), Err(Error::Locked { .. })));
    }

    #[test]
    fn few_lock_files_stay_open_and_none_of_those_taken_once() {
        let run = tempfile::tempdir().expect("a directory");
        let locks = Arc::new(Locks::default());
        let take = |package: &str| {
            let timeout = Some(Duration::ZERO);
            PackageLock::take(&Files::default(), Some(run.path()), root(), package, timeout, &locks)
        };
        drop(take("p").expect("it is free").once());
        assert_eq!(locks.free().len(), 0);
        (0..KEPT * 2).for_each(|number| drop(take(&number.to_string()).expect("it is free")));
        assert_eq!(locks.free().len(), KEPT);
    }

    #[test]
    fn x_h10_what_a_child_made_by_fork_has_open_keeps_no_lock() {
        let run = tempfile::tempdir().expect("a directory");
        let files = Files::default();
        let path = run.path().join("file");
        let try_to_lock = || {
            let open = files.open_or_create(&path, 0o600).expect("opens");
            files.lock_at_path(&open, std::time::Instant::now(), PAUSES).expect("no error") == Wait::Held
        };
        let parent = files.open_or_create(&path, 0o600).expect("opens");
        assert_eq!(files.lock(&parent, true, std::time::Instant::now()).expect("locks"), Wait::Held);
        // After a fork the child has the same open file, under another descriptor.
        let child = parent.another().expect("duplicated");
        assert!(!try_to_lock());
        drop(parent);
        assert!(try_to_lock(), "the lock went with the one who took it");
        // The end of the child does not release the parent's lock.
        let parent = files.open_or_create(&path, 0o600).expect("opens");
        assert_eq!(files.lock(&parent, true, std::time::Instant::now()).expect("locks"), Wait::Held);
        drop(parent.another().expect("duplicated"));
        drop(child);
        assert!(!try_to_lock());
    }
}
