//! The programs that watch a store, and those that verify its transactions. Each has a lease in the run directory,
//! `RUN/watchers/DEVICE-INODE/NAME` or `RUN/verifiers/DEVICE-INODE/NAME`, named after the configuration directory, so
//! that every path to it leads to the same leases.
//!
//! A lease says who wrote it and which keys that one is about. It is locked as long as its process lives, so that
//! one which a crash has left is known, and removed by whoever sees it. It comes under its name when it is complete
//! and locked. A child made by `fork` keeps the lock of its parent; so the process has to be there as well, as far
//! as that can be seen from here.
//!
//! Notes count only if they, and the directories they are in, belong to root, to the owner of the configuration, or
//! to ourselves.

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

/// How a lease starts.
const TITLE: &str = "cms 1";

/// What a lease is longer than in no case, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// What someone is there for.
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
pub struct Subscriber {
    /// The name it gave itself (see [`crate::Options::source`]), else that of the program.
    pub program: String,
    /// The number of its process.
    pub pid: u32,
    /// Which keys it is about: see [`crate::Pattern`].
    pub pattern: String,
}

impl std::fmt::Display for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {})", self.program, self.pid)
    }
}

/// The leases of one role, in one run directory.
#[derive(Debug)]
pub(crate) struct Presence {
    dir: PathBuf,
    /// These lead through the open directory.
    files: Files,
    config: Metadata,
}

impl Presence {
    /// Finds the leases of a role, in every run directory that counts. Where nobody ever was there, that is one look
    /// at each.
    pub fn all(dirs: &Dirs, role: Role) -> Vec<Self> {
        let own = dirs.run.as_ref();
        let system = own.is_none_or(|run| run.origin != Origin::Given && run.path != Path::new(SYSTEM_RUN));
        let runs = own.map(|run| run.path.as_path()).into_iter();
        runs.chain(system.then_some(Path::new(SYSTEM_RUN)))
            .filter_map(|run| Self::find(dirs, run, role))
            .collect()
    }

    fn find(dirs: &Dirs, run: &Path, role: Role) -> Option<Self> {
        // Mostly there is nobody.
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

    /// Finds the leases of a role in our own run directory, made if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no run directory; [`Error::Io`] if it cannot be made, or is none of ours.
    fn make(core: &Core, role: Role) -> Result<Self> {
        let (dirs, files) = (core.dirs(), &core.options.files);
        let run = &dirs.run.as_ref().ok_or(Missing::RunDir)?.path;
        Self::open(files, dirs, run, role, true).map_err(Error::io("use", &run.join(role.folder())))
    }

    /// Returns the configuration directory, as it is.
    pub fn config(&self) -> &Metadata {
        &self.config
    }

    /// Lists those who are there, each with its lease. Notes of those who are not are removed, as far as we may.
    pub fn list(&self) -> Vec<(Subscriber, PathBuf)> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_none() && !is_hidden(path));
        paths.sort_unstable();
        let here = |path: PathBuf| Some((self.read(&path)?, path));
        paths.into_iter().filter_map(here).collect()
    }

    /// Reads a lease; `None` if nobody is there, or nobody who counts.
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

    /// Removes what a subscriber has left; see [`remove_lease`].
    pub fn remove(&self, lease: &Path) {
        remove_lease(&self.files, lease);
    }

    /// Returns file operations that lead through the directory of the leases.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Reports whether something is by one whose word counts.
    pub fn is_trusted(&self, found: &Metadata) -> bool {
        Config::of(&self.config).trusts(found.uid())
    }
}

/// Removes what a subscriber has left, as far as we may: its lease, and its socket if it has one. `files` lead through
/// the directory it is in.
fn remove_lease(files: &Files, lease: &Path) {
    let _ = files.remove(lease);
    let _ = files.remove(&socket_of(lease));
    // The last one removes the directories, which are empty then: who commits need not look inside.
    let _ = lease.parent().map(std::fs::remove_dir);
    let _ = lease.parent().and_then(Path::parent).map(std::fs::remove_dir);
}

/// Returns where the socket of a verifier is.
pub(crate) fn socket_of(lease: &Path) -> PathBuf {
    lease.with_extension("socket")
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Our own lease. It goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    files: Files,
    file: OpenFile,
    path: PathBuf,
    program: String,
    /// After a fork the lease stays the parent's.
    process: u32,
}

impl Lease {
    /// Writes a lease, and has it seen once `ready` has run, which is told where it will be.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if there is no run directory, [`Error::Io`] if it cannot be written to; what `ready` says.
    pub fn create(
        core: &Core,
        role: Role,
        pattern: &str,
        ready: impl FnOnce(&Presence, &Path) -> Result<()>,
    ) -> Result<Self> {
        let process = std::process::id();
        let chance = std::hash::RandomState::new().hash_one(process);
        for last in [false, false, true] {
            // The last one of the others may be about to remove the directory.
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

    /// Reports whether others can find it.
    pub fn is_there(&self) -> bool {
        FileId::at(&self.path) == Some(self.file.id)
    }

    /// Says anew what it is about.
    pub fn set_pattern(&self, pattern: &str) {
        // What is read meanwhile, or after a failure, is no lease: then one who would be told is not shown.
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

/// What tells a process from another of the same number: in which space of numbers it has it, and since when.
#[derive(Debug, PartialEq, Eq)]
struct ProcessId {
    space: String,
    started: String,
}

impl ProcessId {
    fn ours() -> Self {
        Self { space: space(), started: started(std::process::id()).unwrap_or_default() }
    }

    /// Reports whether the process is certainly not there any more.
    fn has_ended(&self, pid: u32) -> bool {
        self.space == space() && !self.started.is_empty() && started(pid).as_ref() != Some(&self.started)
    }
}

/// Names the space that numbers of processes are of.
fn space() -> String {
    std::fs::read_link("/proc/self/ns/pid").map_or_else(|_| "-".into(), |name| name.display().to_string())
}

/// Tells when a process was started, in whatever unit.
fn started(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything; 20 fields stand behind it.
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.to_owned())
}

/// Names this program: as it has named itself, else as the system knows it.
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
