//! The programs that watch a store or verify its transactions. Each has a lease in the run directory,
//! `RUN/watchers/DEVICE-INODE/NAME` or `RUN/verifiers/DEVICE-INODE/NAME`, named after device and inode of the
//! configuration directory, so that every path to it leads to the same leases.
//!
//! A lease is a file that names the program and the pattern of keys it reads or verifies. The program holds a lock
//! on it as long as it lives; the next reader removes a lease left by a crash. A lease is renamed to its final name
//! once it is complete and locked. A child made by `fork` keeps the lock of its parent, so readers also check that
//! the process exists, if they can see its namespace.
//!
//! Readers ignore leases unless the files and their directories belong to root, to the owner of the configuration,
//! or to the reader.

use std::fs::Metadata;
use std::hash::BuildHasher;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::commit::core::Core;
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::os::dirs::{Dirs, Origin, SYSTEM_RUN};
use crate::os::files::{FileId, Files, OpenFile, Wait};
use crate::os::folder::Folder;
use crate::os::trust::Config;

/// The first line of a lease.
const TITLE: &str = "cms 1";

/// The largest lease, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// The role of a program in the transactions of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Watcher,
    Verifier,
}

impl Role {
    fn folder(self) -> &'static str {
        match self {
            Self::Watcher => "watchers",
            Self::Verifier => "verifiers",
        }
    }
}

/// A program that watches a store, or verifies its transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscriber {
    /// The name set by [`crate::Options::source`], or the name of the program.
    pub program: String,
    /// The number of the process.
    pub pid: u32,
    /// The keys it selects: see [`crate::Pattern`].
    pub pattern: String,
}

impl std::fmt::Display for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {})", self.program, self.pid)
    }
}

/// The leases of one role in one run directory.
#[derive(Debug)]
pub(crate) struct Presence {
    dir: PathBuf,
    /// Operations relative to the open directory.
    files: Files,
    config: Metadata,
}

impl Presence {
    /// Finds the leases of a role in each run directory: this user's, and the system's. It costs one `lstat` for each
    /// if there are no leases.
    pub fn all(dirs: &Dirs, role: Role) -> Vec<Self> {
        let own = dirs.run.as_ref();
        let system = own.is_none_or(|run| run.origin != Origin::Given && run.path != Path::new(SYSTEM_RUN));
        let runs = own.map(|run| run.path.as_path()).into_iter();
        runs.chain(system.then_some(Path::new(SYSTEM_RUN)))
            .filter_map(|run| Self::find(dirs, run, role))
            .collect()
    }

    fn find(dirs: &Dirs, run: &Path, role: Role) -> Option<Self> {
        // Usually there are no leases.
        std::fs::symlink_metadata(run.join(role.folder())).ok()?;
        Self::open(&Files::default(), dirs, run, role, false).ok()
    }

    fn open(files: &Files, dirs: &Dirs, run: &Path, role: Role, create: bool) -> io::Result<Self> {
        let config = std::fs::metadata(&dirs.config.path)?;
        let trust = Config::of(&config);
        let folder = Folder::of_run(files, run, [role.folder(), &trust.name()], trust, create)?;
        let dir = folder.path().to_path_buf();
        Ok(Self { files: files.through(folder), dir, config })
    }

    /// Opens the leases of a role in our run directory, creating their directory if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no run directory; [`Error::Io`] if the directory cannot be created, or
    /// belongs to another user.
    fn make(core: &Core, role: Role) -> Result<Self> {
        let (dirs, files) = (core.dirs(), &core.options.files);
        let run = &dirs.run.as_ref().ok_or(Missing::RunDir)?.path;
        Self::open(files, dirs, run, role, true).map_err(Error::io("use", &run.join(role.folder())))
    }

    /// Returns the attributes of the configuration directory.
    pub fn config(&self) -> &Metadata {
        &self.config
    }

    /// Lists the live programs, each with the path of its lease. Leases of dead programs are removed, if this
    /// process has the right to.
    pub fn list(&self) -> Vec<(Subscriber, PathBuf)> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_none() && !is_hidden(path));
        paths.sort_unstable();
        let here = |path: PathBuf| Some((self.read(&path)?, path));
        paths.into_iter().filter_map(here).collect()
    }

    /// Reads a lease; `None` if its program is dead or not trusted.
    fn read(&self, path: &Path) -> Option<Subscriber> {
        let open = self.files.open(path).ok()?;
        if !self.is_trusted(&open.file.metadata().ok()?) {
            return None;
        }
        let is_left = matches!(self.files.lock(&open, false, Instant::now()), Ok(Wait::Held));
        let mut text = String::new();
        (&open.file).take(MAX_LEN).read_to_string(&mut text).ok()?;
        let (subscriber, identity) = parse(&text)?;
        if is_left || identity.has_ended(subscriber.pid) {
            self.remove(path);
            return None;
        }
        Some(subscriber)
    }

    /// Removes a lease: see [`remove_lease`].
    pub fn remove(&self, lease: &Path) {
        remove_lease(&self.files, lease);
    }

    /// Returns file operations relative to the directory of the leases.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Reports whether a file belongs to a trusted user.
    pub fn is_trusted(&self, found: &Metadata) -> bool {
        Config::of(&self.config).trusts(found.uid())
    }
}

/// Removes a lease and its socket, if it has one and this process has the right to. `files` are relative to its
/// directory.
fn remove_lease(files: &Files, lease: &Path) {
    let _ = files.remove(lease);
    let _ = files.remove(&socket_of(lease));
    // Remove the directories if they are empty now, so that a commit need not list them.
    let _ = lease.parent().map(std::fs::remove_dir);
    let _ = lease.parent().and_then(Path::parent).map(std::fs::remove_dir);
}

/// Returns the path of the socket of a verifier.
pub(crate) fn socket_of(lease: &Path) -> PathBuf {
    lease.with_extension("socket")
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The lease of this program. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Lease {
    files: Files,
    file: OpenFile,
    path: PathBuf,
    program: String,
    /// The process that owns the lease: a forked child must not remove it.
    process: u32,
}

impl Lease {
    /// Writes a lease, and renames it to its final path after `ready` has run, which gets that path.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no run directory, [`Error::Io`] if it cannot be written to; the error of
    /// `ready`.
    pub fn create(
        core: &Core,
        role: Role,
        pattern: &str,
        ready: impl FnOnce(&Presence, &Path) -> Result<()>,
    ) -> Result<Self> {
        let process = std::process::id();
        let chance = std::hash::RandomState::new().hash_one(process);
        for last in [false, false, true] {
            // Another program may just have removed the directory with its last lease.
            let presence = match Presence::make(core, role) {
                Err(_) if !last => continue,
                made => made?,
            };
            let path = presence.dir.join(format!("{process}-{chance:016x}"));
            let hidden = presence.dir.join(format!(".{process}-{chance:016x}"));
            let files = presence.files.clone();
            let file = match files.create_new(&hidden, 0o644) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !last => continue,
                created => created.map_err(Error::io("create", &hidden))?,
            };
            let lease = Self { files: files.clone(), file, path, program: program(core), process };
            let written = files
                .lock(&lease.file, true, Instant::now())
                .and_then(|_| lease.write(pattern))
                .map_err(Error::io("write", &hidden));
            let seen = written
                .and_then(|()| ready(&presence, &lease.path))
                .and_then(|()| files.rename(&hidden, &lease.path).map_err(Error::io("rename", &lease.path)));
            if seen.is_err() {
                let _ = files.remove(&hidden);
            }
            return seen.map(|()| lease);
        }
        Err(Missing::RunDir.into())
    }

    /// Reports whether the file of the lease is still at its path.
    pub fn is_there(&self) -> bool {
        FileId::at(&self.path) == Some(self.file.id)
    }

    /// Replaces the pattern.
    pub fn set_pattern(&self, pattern: &str) {
        // A reader ignores a half-written lease, so a failure hides this program from `preview` only.
        let _ = self.write(pattern);
    }

    fn write(&self, pattern: &str) -> io::Result<()> {
        let identity = ProcessId::ours();
        let text = format!(
            "{TITLE}\nspace {}\nstarted {}\npid {}\nprogram {}\npattern {pattern}\n",
            identity.space, identity.started, self.process, self.program
        );
        let mut file = &self.file.file;
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            remove_lease(&self.files, &self.path);
        }
    }
}

/// Identifies a process: its pid namespace and its start time distinguish it from another process with the same
/// number.
#[derive(Debug, PartialEq, Eq)]
struct ProcessId {
    space: String,
    started: String,
}

impl ProcessId {
    fn ours() -> Self {
        Self { space: space(), started: started(std::process::id()).unwrap_or_default() }
    }

    /// Reports whether the process has certainly ended.
    fn has_ended(&self, pid: u32) -> bool {
        self.space == space() && !self.started.is_empty() && started(pid).as_ref() != Some(&self.started)
    }
}

/// Returns the name of this process's pid namespace.
fn space() -> String {
    std::fs::read_link("/proc/self/ns/pid").map_or_else(|_| "-".into(), |name| name.display().to_string())
}

/// Returns the start time of a process, in clock ticks since the boot.
fn started(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program name before the last `)` may hold any character; the start time is the 20th field after it.
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.to_owned())
}

/// Returns the name of this program: the given source, or the name that the system has.
fn program(core: &Core) -> String {
    let given = &core.options.source;
    let numbered = given.ends_with(&format!("-pid-{}", std::process::id()));
    let name = match numbered {
        true => std::fs::read_to_string("/proc/self/comm").unwrap_or_default(),
        false => given.clone(),
    };
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(100).collect();
    if name.is_empty() { "a program".into() } else { name }
}

fn parse(text: &str) -> Option<(Subscriber, ProcessId)> {
    let mut lines = text.lines();
    let mut next = |word: &str| lines.next()?.strip_prefix(word).map(str::to_owned);
    next(TITLE).filter(String::is_empty)?;
    let identity = ProcessId { space: next("space ")?, started: next("started ")? };
    let pid = next("pid ")?.parse().ok()?;
    let subscriber = Subscriber { pid, program: next("program ")?, pattern: next("pattern ")? };
    Some((subscriber, identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_or_was_another_is_over() {
        let identity = ProcessId::ours();
        assert!(!identity.has_ended(std::process::id()));
        let mut child = std::process::Command::new("true").spawn().expect("runs");
        let pid = child.id();
        child.wait().expect("ends");
        assert!(identity.has_ended(pid));
        let elsewhere = ProcessId { space: "pid:[1]".into(), started: identity.started };
        assert!(!elsewhere.has_ended(pid), "what cannot be seen from here may be there");
    }
}
