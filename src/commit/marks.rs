//! Marks beside packages whose texts are behind a log.
//!
//! With [`crate::Durability::Log`] a transaction is committed once it is in the log; the text of the package follows
//! later. Whoever keeps another log of the same directory (another user, another state directory, an alias made by a
//! bind mount), or may not read this one, would take the text for the newest state. So before the first such commit a
//! mark is made durable beside the package, `.PACKAGE.behind`: a symbolic link whose target names the log. It goes
//! when the text is in place. Everything that reads or writes a text through this library looks for it:
//!
//! - Who may write the log puts the text in place.
//! - Who may not waits until its owner has done so, and gets [`Error::Locked`] in the end. A reader need not wait if
//!   it may read the map that the commit was published to.
//!
//! A mark is made while the package file is locked (`flock`), and each writer looks for one while it holds that lock:
//! so no text is left behind while another works with it. A writer that has come upon the mark of another log leaves
//! one of its own, `.PACKAGE.at-once`: for the next seconds all write the text with each commit, so that nobody
//! has to wait again and again.
//!
//! No text is left behind where no mark can be made, where the package is a symbolic link, and where changes are
//! staged for the package: stock uci may be about to commit those, and knows nothing of marks.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::commit::engine::{Engine, Place};
use crate::commit::log_home::Logs;
use crate::commit::log_session::Ledger;
use crate::error::{Error, Result};
use crate::format::uci::quoted;
use crate::log::{self, Log};
use crate::map::{self, Seq, Shared};
use crate::model::package::Package;
use crate::os::dirs::Dirs;
use crate::os::file_name;
use crate::os::files::{FileId, Files};
use crate::os::lock::PackageLock;
use crate::os::patience::{Patience, taken};
use crate::os::trust::Config;

/// For how long texts are written with each commit once two logs have met.
const AT_ONCE: Duration = Duration::from_secs(10);

/// How long who waits for a text sleeps between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// For how long who waits for a text stands in line for the lock of the other log, before it looks whether the text is in
/// place by now.
const TURN: Duration = Duration::from_millis(300);

/// A mark: see the module documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    path: PathBuf,
    /// What the link says: it is another one each time that a mark is made.
    target: Vec<u8>,
    owner: u32,
    log: PathBuf,
    /// What the log is told by, whatever its path leads to here: see [`Log::id`].
    pub id: String,
    /// The last transaction before the first whose text is not in place.
    since: u64,
    /// Since which start of the system it is there.
    boot: String,
    /// Where the commit was published to.
    run: PathBuf,
}

/// Where the mark of the package file at a path is.
fn mark_path(file: &Path, kind: &str) -> PathBuf {
    file.with_file_name(file_name::hidden(file.file_name().unwrap_or_default(), kind))
}

const BEHIND: &str = ".behind";
const TOGETHER: &str = ".at-once";

impl Mark {
    /// Finds the mark beside a package file; mostly there is none, which costs one system call. A symbolic link is
    /// followed.
    pub fn of(file: &Path) -> Option<Self> {
        if let Some(mark) = Self::at(mark_path(file, BEHIND)) {
            return Some(mark);
        }
        let is_link = std::fs::symlink_metadata(file).is_ok_and(|found| found.is_symlink());
        let real = is_link.then(|| std::fs::canonicalize(file).ok()).flatten()?;
        Self::at(mark_path(&real, BEHIND))
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

    /// Reports whether a mark was made by someone who may replace the package, and not just add files beside it.
    fn is_trusted(&self) -> bool {
        const STICKY: u32 = 0o1000;
        let Some(dir) = self.path.parent().and_then(|dir| std::fs::metadata(dir).ok()) else { return false };
        let trusted = [0, dir.uid(), rustix::process::geteuid().as_raw()];
        dir.mode() & STICKY == 0 || trusted.contains(&self.owner)
    }

    /// Reports whether it names this log.
    fn is_of(&self, log: &Log) -> bool {
        FileId::at(log.dir()).is_some_and(|dir| FileId::at(&self.log) == Some(dir))
            && log.id().is_some_and(|id| id == self.id)
    }

    /// Reports whether the log that it names is certainly gone: what was in it cannot be had any more.
    pub fn is_lost(&self, files: &Files) -> bool {
        match log::read_id(files, &self.log) {
            Ok(id) => id != self.id,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Reports whether it is still there, and was not made anew: then the text was in place in between.
    fn stands(&self) -> bool {
        std::fs::read_link(&self.path).is_ok_and(|target| target.as_os_str().as_bytes() == self.target)
    }

    fn locked(&self, waited: Duration) -> Error {
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

impl Engine {
    /// Makes the mark of a package whose text is to be left behind the log, for who holds the locks of both and of
    /// the package file. Returns `None` if that could not be done: the text is to be written at once.
    pub(crate) fn mark_behind(&self, place: &Place, ledger: &Ledger<'_>) -> Option<Mark> {
        let (log, run, since) = (self.log()?, self.run_path()?, ledger.sequence());
        let is_link = std::fs::symlink_metadata(&place.path).map_or(true, |found| found.is_symlink());
        if is_link || self.is_staged_anywhere(place) || is_together(&place.path) {
            return None;
        }
        let (id, dir) = (log.make_id().ok()?, std::fs::canonicalize(log.dir()).ok()?);
        let path = mark_path(&place.path, BEHIND);
        let dir = dir.as_os_str().as_bytes();
        let head = format!("{id} {} {since} {} ", boot(), dir.len());
        let target = [head.as_bytes(), dir, b" ", run.as_os_str().as_bytes()].concat();
        let target = Path::new(std::ffi::OsStr::from_bytes(&target)).to_owned();
        let files = &self.options.files;
        let mut made = files.symlink(&target, &path);
        let is_left = made.is_err() && Mark::at(path.clone()).is_some_and(|mark| mark.is_of(log));
        if is_left && !ledger.is_replaced() {
            // A crash has left it: no text is behind it, since the log says so.
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

    /// Removes the marks of packages whose logs are gone; for `cms repair`. Returns of which packages.
    pub(crate) fn remove_lost_marks(&self) -> Result<Vec<String>> {
        let lost = |name: &String| {
            let mark =
                Mark::of(&self.config_place(name).path).filter(|mark| mark.is_lost(&self.options.files));
            mark.is_some_and(|mark| self.options.files.remove(&mark.path).is_ok())
        };
        Ok(self.packages()?.into_iter().filter(lost).collect())
    }

    /// Reports whether a text is in place, or a newer one, though the last transaction of its package says that the text
    /// follows later. Before the first such transaction is logged a mark is made durable, and it stays until the text is
    /// in place. So where there is none, the log was restored from a copy that is older than the text.
    pub(crate) fn is_newer_than_logged(&self, place: &Place, last: u64) -> bool {
        // Of a text that this store has left behind itself it knows better.
        let Some(id) = self.log().and_then(Log::id).filter(|_| !self.is_left_behind(&place.path)) else {
            return false;
        };
        Mark::of(&place.path).is_none_or(|mark| mark.id != id || mark.since >= last)
    }

    /// Finds the marks of packages that are of a log.
    pub(crate) fn marks_of(&self, log: &Log, names: &[&str]) -> Vec<Mark> {
        let marks = names.iter().filter_map(|name| Mark::of(&self.config_place(name).path));
        marks.filter(|mark| mark.is_of(log)).collect()
    }

    /// Removes marks of packages whose texts are in place.
    pub(crate) fn remove_marks(&self, marks: &[Mark]) {
        for mark in marks.iter().filter(|mark| mark.stands()) {
            // Left behind, it is removed by whoever looks at the text next.
            let _ = self.options.files.remove(&mark.path);
        }
    }

    /// Finds the mark of a package whose text is behind the log of this name.
    pub(crate) fn mark_of(&self, file: &Path, id: &str) -> Option<Mark> {
        Mark::of(file).filter(|mark| mark.id == id)
    }

    /// Reports whether the log that a mark names is gone, and another has its path.
    pub(crate) fn is_log_lost(&self, file: &Path) -> bool {
        let mark = Mark::of(file).filter(|mark| self.has_path_of(mark));
        mark.is_some_and(|mark| !self.log().is_some_and(|log| mark.is_of(log)))
    }

    fn has_path_of(&self, mark: &Mark) -> bool {
        self.log().is_some_and(|log| {
            let real = std::fs::canonicalize(log.dir());
            log.dir() == mark.log || real.is_ok_and(|real| real == mark.log)
        })
    }

    /// Reports whether a mark says that the commit was published to our maps.
    pub(crate) fn is_published_here(&self, place: &Place) -> bool {
        Mark::of(&place.path).is_none_or(|mark| self.run_path().is_some_and(|run| run == mark.run))
    }

    /// Reports whether the text of a package is behind a log.
    pub(crate) fn is_behind_log(&self, place: &Place) -> bool {
        Mark::of(&place.path).is_some()
    }

    fn run_path(&self) -> Option<PathBuf> {
        std::fs::canonicalize(&self.dirs().run.as_ref()?.path).ok()
    }

    /// Reports whether anyone has staged something for a package: here, or where stock uci does.
    fn is_staged_anywhere(&self, place: &Place) -> bool {
        let dirs = [self.dirs().save.path.as_path(), Path::new("/tmp/.uci")];
        let is_default = self.dirs().config.path == Path::new("/etc/config");
        let dirs = &dirs[..if is_default { 2 } else { 1 }];
        dirs.iter().any(|dir| std::fs::metadata(dir.join(&place.name)).is_ok_and(|found| found.len() > 0))
    }

    /// Sees to it that the text of a package is not behind a log, for who is to read it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another's log is ahead of it, and that is not put in place in time.
    pub(crate) fn await_text(&self, file: &Path) -> Result<()> {
        // Who verifies a transaction has the text as it was before: the writer waits for the answer.
        if crate::os::caller::check_may_commit().is_err() {
            return Ok(());
        }
        Mark::of(file).map_or(Ok(()), |mark| {
            self.settle_mark(&mark, false, &Patience::new(self.settings().lock_timeout))
        })
    }

    /// As [`Engine::await_text`] for who holds the lock of the package file and is to replace it, and does not wait: see
    /// `retry`.
    pub(crate) fn check_others(&self, file: &Path) -> Result<()> {
        match Mark::of(file).filter(|mark| !self.log().is_some_and(|log| mark.is_of(log))) {
            Some(mark) => Err(taken(&mark.path)),
            None => Ok(()),
        }
    }

    /// Has the text behind a mark put in place, or waits until another has done that. For who holds no lock, but for
    /// one who has no patience.
    pub(crate) fn settle_mark(&self, mark: &Mark, is_writer: bool, patience: &Patience) -> Result<()> {
        let log = self.log_of_mark(mark);
        let mut may_write = true;
        loop {
            if is_writer {
                self.write_together(mark);
            }
            self.save_replaced(mark)?;
            if may_write && log.id().is_some_and(|id| id == mark.id) {
                match self.finish_log(mark, patience.deadline.min(Instant::now() + TURN)) {
                    Ok(()) => return Ok(()),
                    Err(Error::Locked { .. }) => {}
                    Err(error) if crate::commit::log_session::cannot_be_written(&error) => may_write = false,
                    Err(error) => return Err(error),
                }
            }
            // Whoever has made it has ended with the system, and what it knew with the log.
            if mark.boot != boot() && mark.is_lost(&self.options.files) {
                let _ = self.options.files.remove(&mark.path);
            }
            if !mark.stands() {
                return Ok(());
            }
            if patience.is_over() {
                return Err(mark.locked(patience.timeout));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Returns the log that a mark names. Its directories count if they belong to somebody who is trusted with the
    /// configuration, or to who made the mark: any other user may not lead this one into them.
    fn log_of_mark(&self, mark: &Mark) -> Log {
        let log = Log::new(mark.log.clone(), self.options.files.clone(), self.options.log);
        let Some(found) = mark.path.parent().and_then(|dir| std::fs::metadata(dir).ok()) else { return log };
        let config = Config::of(&found);
        let owner = if config.trusts(mark.owner) { config.owner } else { mark.owner };
        log.of_config(Config { owner, ..config })
    }

    /// Puts the texts in place that are behind a log, perhaps not ours, once nobody works on it.
    fn finish_log(&self, mark: &Mark, deadline: Instant) -> Result<()> {
        let mut other = self.clone();
        if !self.log().is_some_and(|log| mark.is_of(log)) {
            other.log = Arc::new(Logs::of(self.log_of_mark(mark)));
            other.deferred = Arc::default();
        }
        other.options.dirs.overriding = None;
        other.options.dirs.config.path = mark.path.parent().unwrap_or(Path::new(".")).to_owned();
        let Some(log) = other.log() else { return Ok(()) };
        // Under the log's lock until the end: the next commit may make the same mark again.
        let mut ledger = Ledger::of(&other, log.write(deadline, Duration::ZERO)?);
        // The directory may have been replaced while its lock was waited for.
        let is_it = log.id().is_some_and(|id| id == mark.id) && !ledger.is_replaced();
        ledger.recover()?;
        if mark.stands() {
            if !is_it {
                return Err(taken(&mark.path));
            }
            // Nothing is behind it: a crash has left it.
            let _ = self.options.files.remove(&mark.path);
        }
        Ok(())
    }

    /// Has everyone write this text with each commit for a while.
    fn write_together(&self, mark: &Mark) {
        let name = mark.path.file_name().unwrap_or_default().to_string_lossy();
        let Some(package) = name.strip_prefix('.').and_then(|name| name.strip_suffix(BEHIND)) else { return };
        let path = mark_path(&mark.path.with_file_name(package), TOGETHER);
        if is_fresh(&path) {
            return;
        }
        // Without it one may have to wait again.
        let _ = std::fs::remove_file(&path);
        let _ = self.options.files.symlink(Path::new("two logs"), &path);
    }

    /// Reads a package whose text is behind a log; `None` if it is not, or what is newer may not be read.
    pub(crate) fn read_ahead(&self, place: &Place) -> Option<Package> {
        let mark = Mark::of(&place.path)?;
        if self.log().is_some_and(|log| mark.is_of(log)) && self.finish_log(&mark, Instant::now()).is_ok() {
            return None;
        }
        let mut dirs = self.dirs().clone();
        dirs.run.as_mut()?.path.clone_from(&mark.run);
        self.read_map_in(place, &dirs)
    }

    /// Reads a package from its map, if there is one.
    pub(crate) fn read_map(&self, place: &Place) -> Option<Package> {
        self.is_logged(place).then(|| self.read_map_in(place, self.dirs()))?
    }

    fn read_map_in(&self, place: &Place, dirs: &Dirs) -> Option<Package> {
        for _ in 0..10 {
            let shared = Shared::find(dirs, &self.options.files, false)?;
            let control = shared.control()?;
            let map = shared.open(&place.name, false).ok().flatten()?;
            let seq = map::low(control.round());
            if map.seed() != control.seed() || map.base().is_after(seq) || map.is_retired() {
                continue;
            }
            let text = text_of_map(&map, seq);
            // One that was replaced meanwhile may not show the last commits.
            if !map.is_retired() {
                return self.parse(place, text).ok().map(|(package, _)| package);
            }
        }
        None
    }
}

/// Returns what tells one start of the system from another.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim_end().to_owned()
}

/// Writes a package as a map shows it, in canonical form.
fn text_of_map(map: &map::Map, seq: Seq) -> Vec<u8> {
    let mut text = Vec::new();
    for section in map::Package::of(map, Some(seq)).sections() {
        text.extend_from_slice(b"config ");
        text.extend_from_slice(&quoted(section.section_type()));
        if !section.is_anonymous() {
            text.push(b' ');
            text.extend_from_slice(&quoted(section.name()));
        }
        text.push(b'\n');
        for (name, value) in section.options() {
            let keyword: &[u8] = if matches!(value, map::Value::List(_)) { b"list" } else { b"option" };
            for item in value.items() {
                text.extend_from_slice(&[b"\t", keyword, b" ", name, b" ", &quoted(item), b"\n"].concat());
            }
        }
    }
    text
}

/// Reports whether the text of a package is to be written with each commit, since two logs have met there.
fn is_together(file: &Path) -> bool {
    let path = mark_path(file, TOGETHER);
    if is_fresh(&path) {
        return true;
    }
    // Mostly there is none.
    let _ = std::fs::remove_file(&path);
    false
}

fn is_fresh(path: &Path) -> bool {
    let made = std::fs::symlink_metadata(path).and_then(|found| found.modified());
    made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age < AT_ONCE))
}

impl Ledger<'_> {
    /// Takes the locks of packages whose texts are to be replaced, unless one is taken, or a text is behind another's
    /// log. The texts behind our own are in place.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] for [`Engine::retry`].
    pub fn lock_all<'p>(&self, paths: impl IntoIterator<Item = &'p Path>) -> Result<Vec<PackageLock>> {
        let lock = |path| match (self.store().try_lock(path)?, self.foreign_mark(path)) {
            (lock, None) => Ok(lock),
            // Whoever has left the text behind takes the same locks to put it in place.
            (_, Some(mark)) => Err(taken(&mark.path)),
        };
        paths.into_iter().map(lock).collect()
    }

    /// Finds the mark of another log at a package file; one of our own that a crash has left is removed.
    pub fn foreign_mark(&self, file: &Path) -> Option<Mark> {
        let mark = Mark::of(file)?;
        let log = self.store().log().filter(|_| self.is_kept());
        match log.is_some_and(|log| mark.is_of(log)) && !self.is_replaced() {
            true => {
                self.store().remove_marks(&[mark]);
                None
            }
            false => Some(mark),
        }
    }
}
