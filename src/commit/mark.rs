//! Marks beside packages whose texts are behind a log.
//!
//! With [`crate::Durability::Log`] a transaction is committed once it is in the log; the text of the package follows
//! later. A program with another log of the same directory (of another user, in another state directory, or through
//! an alias made by a bind mount), or without the right to read this log, would take the text for the newest state.
//! So a mark is made durable beside the package before the first such commit, `.PACKAGE.behind`: a symbolic link
//! whose target names the log. It is removed when the text is in place. All code of this library that reads or writes
//! a text looks for the mark:
//!
//! - A program that may write the log puts the text in place.
//! - A program that may not waits until the owner of the log has done so, and in the end fails with [`Error::Locked`]. A
//!   reader need not wait if it may read the map that the commit was published to.
//!
//! A mark is made while the package file is locked (`flock`), and each writer looks for one while it holds that lock:
//! so no text is deferred while another program works with it. A writer that has found the mark of another log leaves
//! another mark, `.PACKAGE.at-once`: for the next seconds all programs write the text with each commit, so that
//! neither has to wait again and again.
//!
//! No text is deferred if no mark can be made, if the package is a symbolic link, or if changes are staged for the
//! package: stock uci may be about to commit those, and does not look for marks.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::commit::core::Core;
use crate::commit::place::Place;
use crate::error::{Error, Result};
use crate::log::{self, Log};
use crate::os::file_name;
use crate::os::files::{FileId, Files};
use crate::os::patience::taken;

/// How long texts are written with each commit once the programs of two logs have met.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A mark: see the module documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub path: PathBuf,
    /// The target of the link. It differs each time that a mark is made.
    target: Vec<u8>,
    pub owner: u32,
    pub log: PathBuf,
    /// The id of the log, which identifies the log even if its path leads elsewhere now: see [`Log::id`].
    pub id: String,
    /// The last transaction before the first whose text is not in place.
    pub since: u64,
    /// The id of the boot in which it was made.
    pub boot: String,
    /// The run directory that the commit was published in.
    pub run: PathBuf,
}

/// Returns the path of the mark of a package file.
fn mark_path(file: &Path, kind: &str) -> PathBuf {
    file.with_file_name(file_name::hidden(file.file_name().unwrap_or_default(), kind))
}

const BEHIND: &str = ".behind";
const TOGETHER: &str = ".at-once";

impl Mark {
    /// Finds the mark beside a package file, and follows a symbolic link. Without a mark, which is the usual case, this
    /// costs two system calls.
    pub fn of(file: &Path) -> Option<Self> {
        let is_link = || std::fs::symlink_metadata(file).is_ok_and(|found| found.is_symlink());
        Self::beside(file).or_else(|| is_link().then(|| Self::beside_target(file)).flatten())
    }

    fn beside(file: &Path) -> Option<Self> {
        Self::at(mark_path(file, BEHIND))
    }

    /// Finds the mark beside the file that a symbolic link leads to.
    fn beside_target(link: &Path) -> Option<Self> {
        Self::beside(&std::fs::canonicalize(link).ok()?)
    }

    /// Reads a mark, given where it is.
    pub fn at(path: PathBuf) -> Option<Self> {
        let target = std::fs::read_link(&path).ok()?.into_os_string().into_vec();
        let owner = std::fs::symlink_metadata(&path).ok()?.uid();
        // ID BOOT SINCE LENGTH LOG RUN
        let mut parts = target.splitn(5, |byte| *byte == b' ');
        let id = String::from_utf8(parts.next()?.to_vec()).ok()?;
        let boot = String::from_utf8(parts.next()?.to_vec()).ok()?;
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
        let since = number()?;
        let length = usize::try_from(number()?).ok()?;
        let (log, run) = parts.next()?.split_at_checked(length)?;
        let path_of = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let (log, run) = (path_of(log), path_of(run.strip_prefix(b" ")?));
        Some(Self { path, owner, log, id, since, boot, run, target }).filter(Self::is_trusted)
    }

    /// Reports whether the owner of a mark may also replace the package, and not just add files beside it.
    fn is_trusted(&self) -> bool {
        const STICKY: u32 = 0o1000;
        let Some(dir) = self.path.parent().and_then(|dir| std::fs::metadata(dir).ok()) else { return false };
        let trusted = [0, dir.uid(), rustix::process::geteuid().as_raw()];
        dir.mode() & STICKY == 0 || trusted.contains(&self.owner)
    }

    /// Reports whether the mark names this log.
    pub fn is_of(&self, log: &Log) -> bool {
        FileId::at(log.dir()).is_some_and(|dir| FileId::at(&self.log) == Some(dir))
            && log.id().is_some_and(|id| id == self.id)
    }

    /// Reports whether the log that the mark names is certainly gone, with all its transactions.
    pub fn is_lost(&self, files: &Files) -> bool {
        match log::read_id(files, &self.log) {
            Ok(id) => id != self.id,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Reports whether this very mark is still there. A new mark means that the text was in place in between.
    pub fn is_current(&self) -> bool {
        std::fs::read_link(&self.path).is_ok_and(|target| target.as_os_str().as_bytes() == self.target)
    }

    pub fn locked(&self, waited: Duration) -> Error {
        let user = match self.owner {
            0 => "root".to_owned(),
            uid => format!("the user {uid}"),
        };
        let holder = format!(
            "{user}, whose log {} has commits that are not in the file yet: they are put there by the program that made \
             them, or by any cms command of {user}",
            self.log.display()
        );
        Error::Locked { path: self.path.clone(), holder, waited }
    }
}

/// Makes the mark of a package whose text will be deferred. The caller holds the locks of the log, of the package
/// and of the package file. Returns `None` if no mark can be made: the text must be written at once.
pub(crate) fn make(
    core: &Core,
    place: &Place,
    since: u64,
    is_log_replaced: impl FnOnce() -> bool,
) -> Option<Mark> {
    let (log, run) = (core.logs.current()?, run_path(core)?);
    let is_link = std::fs::symlink_metadata(&place.path).map_or(true, |found| found.is_symlink());
    if is_link || is_staged_anywhere(core, place) || has_two_logs(&place.path) {
        return None;
    }
    let (id, dir) = (log.make_id().ok()?, std::fs::canonicalize(log.dir()).ok()?);
    let path = mark_path(&place.path, BEHIND);
    let dir = dir.as_os_str().as_bytes();
    let head = format!("{id} {} {since} {} ", boot(), dir.len());
    let target = [head.as_bytes(), dir, b" ", run.as_os_str().as_bytes()].concat();
    let target = Path::new(std::ffi::OsStr::from_bytes(&target)).to_owned();
    let files = &core.options.files;
    let mut made = files.symlink(&target, &path);
    let is_left = made.is_err() && Mark::at(path.clone()).is_some_and(|mark| mark.is_of(log));
    if is_left && !is_log_replaced() {
        // A crash has left the mark: the log says that no text is behind it.
        made = files.remove(&path).and_then(|()| files.symlink(&target, &path));
    }
    let dir = place.path.parent().unwrap_or(Path::new("."));
    let durable = made.and_then(|()| files.sync_dir(dir));
    let mark = Mark::at(path.clone()).filter(|mark| mark.target == target.as_os_str().as_bytes());
    if durable.is_err()
        && let Some(mark) = &mark
    {
        let _ = files.remove(&mark.path);
    }
    mark.filter(|_| durable.is_ok())
}

/// Removes the marks whose logs are gone; for `cms repair`. Returns the names of their packages.
pub(crate) fn remove_lost_marks(core: &Core) -> Result<Vec<String>> {
    let lost = |name: &String| {
        let mark =
            Mark::of(&core.packages.in_config(name).path).filter(|mark| mark.is_lost(&core.options.files));
        mark.is_some_and(|mark| core.options.files.remove(&mark.path).is_ok())
    };
    Ok(core.packages.list()?.into_iter().filter(lost).collect())
}

/// Reports whether the text in place is as new as the log or newer, although the last transaction of its package says that
/// the text follows later. A mark is made durable before the first such transaction is logged, and stays until the text is
/// in place. So if there is no mark, the log was restored from a copy that is older than the text.
pub(crate) fn is_newer_than_logged(core: &Core, place: &Place, last: u64) -> bool {
    // A text that this store has deferred itself is not in place.
    let Some(id) = core.logs.current().and_then(Log::id).filter(|_| core.deferred.get(&place.path).is_none())
    else {
        return false;
    };
    Mark::of(&place.path).is_none_or(|mark| mark.id != id || mark.since >= last)
}

/// Finds the marks of a log beside packages.
pub(crate) fn marks_of(core: &Core, log: &Log, names: &[&str]) -> Vec<Mark> {
    let marks = names.iter().filter_map(|name| Mark::of(&core.packages.in_config(name).path));
    marks.filter(|mark| mark.is_of(log)).collect()
}

/// Removes marks of packages whose texts are in place.
pub(crate) fn remove_marks(core: &Core, marks: &[Mark]) {
    for mark in marks.iter().filter(|mark| mark.is_current()) {
        // If this fails, the next program that looks at the text removes it.
        let _ = core.options.files.remove(&mark.path);
    }
}

/// Finds the mark of a package whose text is behind the log with this id.
pub(crate) fn mark_of(file: &Path, id: &str) -> Option<Mark> {
    Mark::of(file).filter(|mark| mark.id == id)
}

/// Reports whether the log that a mark names is gone, and another has its path.
pub(crate) fn is_log_lost(core: &Core, file: &Path) -> bool {
    let mark = Mark::of(file).filter(|mark| has_path_of(core, mark));
    mark.is_some_and(|mark| !core.logs.current().is_some_and(|log| mark.is_of(log)))
}

fn has_path_of(core: &Core, mark: &Mark) -> bool {
    core.logs.current().is_some_and(|log| {
        let real = std::fs::canonicalize(log.dir());
        log.dir() == mark.log || real.is_ok_and(|real| real == mark.log)
    })
}

/// Reports whether a mark says that the commit was published to the maps of this store.
pub(crate) fn is_published_here(core: &Core, place: &Place) -> bool {
    Mark::of(&place.path).is_none_or(|mark| run_path(core).is_some_and(|run| run == mark.run))
}

/// Reports whether the text of a package is behind a log.
pub(crate) fn is_behind_log(place: &Place) -> bool {
    Mark::of(&place.path).is_some()
}

fn run_path(core: &Core) -> Option<PathBuf> {
    std::fs::canonicalize(&core.dirs().run.as_ref()?.path).ok()
}

/// Reports whether changes are staged for a package, in the save directory of this store or in that of stock uci.
fn is_staged_anywhere(core: &Core, place: &Place) -> bool {
    let dirs = [core.dirs().save.path.as_path(), Path::new("/tmp/.uci")];
    let is_default = core.dirs().config.path == Path::new("/etc/config");
    let dirs = &dirs[..if is_default { 2 } else { 1 }];
    dirs.iter().any(|dir| std::fs::metadata(dir.join(&place.name)).is_ok_and(|found| found.len() > 0))
}

/// Fails if another log is ahead of a text. The caller holds the lock of the package file, so it must not wait as
/// `settle::await_text` does: see `retry`. It also knows whether the package is a symbolic link.
pub(crate) fn check_others(core: &Core, file: &Path, is_link: bool) -> Result<()> {
    let mark = Mark::beside(file).or_else(|| is_link.then(|| Mark::beside_target(file)).flatten());
    match mark.filter(|mark| !core.logs.current().is_some_and(|log| mark.is_of(log))) {
        Some(mark) => Err(taken(&mark.path)),
        None => Ok(()),
    }
}

/// Makes all programs write this text with each commit for a while.
pub(crate) fn write_together(core: &Core, mark: &Mark) {
    let name = mark.path.file_name().unwrap_or_default().to_string_lossy();
    let Some(package) = name.strip_prefix('.').and_then(|name| name.strip_suffix(BEHIND)) else { return };
    let path = mark_path(&mark.path.with_file_name(package), TOGETHER);
    if is_fresh(&path) {
        return;
    }
    // If this fails, a program may have to wait again.
    let _ = std::fs::remove_file(&path);
    let _ = core.options.files.symlink(Path::new("two logs"), &path);
}

/// Returns the id of the present boot.
pub(crate) fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_end().to_owned()
}

/// Reports whether each commit must write the text of a package at once, since marks of two logs were found there.
fn has_two_logs(file: &Path) -> bool {
    let path = mark_path(file, TOGETHER);
    if is_fresh(&path) {
        return true;
    }
    // Removes an old mark, if there is one.
    let _ = std::fs::remove_file(&path);
    false
}

fn is_fresh(path: &Path) -> bool {
    let made = std::fs::symlink_metadata(path).and_then(|found| found.modified());
    made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age < AT_ONCE))
}
