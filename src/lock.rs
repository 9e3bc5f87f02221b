//! The lock of a package: a file in the run directory that is never renamed or removed.
//!
//! It keeps writers of one package apart and tells a waiting one who holds it. Where no run directory can
//! be had, the lock on the package file itself (see `commit`) still keeps updates from being lost.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::files::{Files, OpenFile, Wait};

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub(crate) struct PackageLock {
    _file: Option<OpenFile>,
}

impl PackageLock {
    /// Takes the lock of `package` in `dir`, waiting for `timeout` at the longest.
    pub fn take(
        files: &Files,
        run: Option<&Path>,
        dir: &Path,
        package: &str,
        timeout: Duration,
    ) -> Result<Self> {
        let Some(path) = run.and_then(|run| lock_path(run, dir, package)) else {
            return Ok(Self { _file: None });
        };
        let file = match open(files, &path) {
            Ok(file) => file,
            // Another user's lock directory, a read-only one, or no directory at all: the lock on the package file has to do.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied
                        | io::ErrorKind::ReadOnlyFilesystem
                        | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Self { _file: None });
            }
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        match files.lock(&file, true, Instant::now() + timeout).map_err(Error::io("lock", &path))? {
            Wait::TimedOut => Err(Error::Locked { path, holder: holder_of(files, &file), waited: timeout }),
            Wait::Held => {
                // The note is for people; a lock without one works as well.
                let note = format!("{} {}\n", std::process::id(), command_name());
                let _ = file.file.set_len(0);
                let _ = io::Seek::rewind(&mut &file.file);
                let _ = io::Write::write_all(&mut &file.file, note.as_bytes());
                Ok(Self { _file: Some(file) })
            }
        }
    }
}

/// Names the lock after the directory's device and inode, so that every path to it leads to one lock.
fn lock_path(run: &Path, dir: &Path, package: &str) -> Option<PathBuf> {
    let found = std::fs::metadata(dir).ok()?;
    Some(run.join("locks").join(format!("{:x}-{:x}-{package}", found.dev(), found.ino())))
}

fn open(files: &Files, path: &Path) -> io::Result<OpenFile> {
    match files.open(path, Some(0o644)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for dir in path.ancestors().skip(1).take(2).collect::<Vec<_>>().into_iter().rev() {
                match files.mkdir(dir, 0o755) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => made?,
                }
            }
            files.open(path, Some(0o644))
        }
        opened => opened,
    }
}

fn command_name() -> String {
    std::env::args_os().next().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Names the holder of a lock: from the note in the lock file if that process is alive.
fn holder_of(files: &Files, lock: &OpenFile) -> String {
    let note = files.read(lock).unwrap_or_default();
    let note = String::from_utf8_lossy(&note);
    let (pid, name) = note.trim().split_once(' ').unwrap_or_default();
    match pid.parse::<u32>() {
        Ok(pid) if Path::new(&format!("/proc/{pid}")).exists() => format!("process {pid} ({name})"),
        _ => "another process".to_owned(),
    }
}

/// Names whoever holds a lock on the file itself, as far as the system tells.
pub(crate) fn holder_of_file(file: &OpenFile) -> String {
    // The list may leave some out while others take and give back locks, so it is read more than once.
    let Some(pid) = (0..20).find_map(|_| holder_in_list(file)) else { return "another process".to_owned() };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("process {pid} ({})", name.trim())
}

/// Looks the process up that holds a lock on a file.
fn holder_in_list(file: &OpenFile) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let inode = format!(":{}", file.file.metadata().ok()?.ino());
    locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|fields| {
        let held = fields.get(1) == Some(&"FLOCK") && fields.get(5).is_some_and(|id| id.ends_with(&inode));
        held.then(|| fields.get(4).map(|pid| (*pid).to_owned())).flatten()
    })
}
