//! The file part of a commit: reading a package file under its lock, and putting another file in its place.
//!
//! The new text is written to a temporary file beside the old one, with its owner, group and mode, and synced. Then the
//! two are swapped. If the displaced file is not the one that was read, an editor has saved in between, and the files are
//! swapped back, so that the save is not lost.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::commit::beside::Beside;
use crate::commit::core::Core;
use crate::commit::mark;
use crate::error::{Error, Result};
use crate::os::files::{FileId, Identity, Locked, OpenFile, Wait};
use crate::os::lock::PackageLock;
use crate::os::patience::{briefly, shortly, taken};
use crate::os::trust::Config;
use crate::settings::durability::Durability;
use crate::settings::resolved::FILE_MODE;

/// A package file that is locked, and was read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub old: OldFile,
    pub text: Vec<u8>,
}

/// The state of a package file that will be written.
#[expect(clippy::large_enum_variant, reason = "one of them lives for a moment")]
pub(crate) enum Present {
    /// There is no file.
    Absent,
    /// Another program was writing to the file while it was read.
    Busy,
    /// The file is locked and was read.
    Read(Reading),
}

/// A package file that will be replaced. It stays locked until then, so that a stock uci that has opened it waits,
/// and no program defers its text meanwhile.
#[derive(Debug)]
pub(crate) struct OldFile {
    pub open: OpenFile,
    pub identity: Identity,
    /// What was found once it was locked.
    locked: Locked,
}

impl OldFile {
    fn new(open: OpenFile, locked: Locked) -> Self {
        Self { open, identity: Identity::of(&locked.found), locked }
    }
}

/// A temporary file that will take the place of a package file. Dropping it before that removes it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub new: OpenFile,
    /// The path it will be put at, with symbolic links followed.
    pub(crate) real: PathBuf,
    /// The file that is expected there; `None` if there must be none.
    pub(crate) old: Option<OldFile>,
    placed: bool,
    /// Whether the rename must survive a power cut; the content of the file does in any case.
    pub(crate) durable: bool,
    /// Whether the package is to be deleted: its file is then moved to the path of the temporary file.
    removes: bool,
    /// Whether another program has replaced the package file since it was read.
    is_outdated: bool,
}

impl Draft {
    /// Returns the identity of the file that it will replace.
    pub fn old(&self) -> Option<Identity> {
        self.old.as_ref().map(|old| old.identity)
    }

    /// Returns the placed file as one that will be replaced again.
    pub fn placed(&self) -> Result<OldFile> {
        let open = self.new.another().map_err(Error::io("read", &self.real))?;
        let is_link = self.old.as_ref().is_none_or(|old| old.locked.is_link);
        Ok(OldFile::new(open, Locked { found: self.metadata()?, is_link }))
    }

    /// Reports whether it was put in place.
    pub fn is_placed(&self) -> bool {
        self.placed
    }

    /// Reports whether another program has replaced the package file since it was read.
    pub fn is_outdated(&self) -> bool {
        self.is_outdated
    }

    /// Reports whether it deletes the package.
    pub fn removes(&self) -> bool {
        self.removes
    }

    /// Returns the attributes of the file that it deletes, if it deletes one that is no symbolic link.
    pub fn removed_file(&self) -> Option<&Metadata> {
        let old = self.old.as_ref().filter(|old| self.removes && !old.locked.is_link)?;
        Some(&old.locked.found)
    }

    /// Keeps the temporary file when this is dropped, for recovery to find.
    pub fn leave(&mut self) {
        self.placed = true;
    }

    /// Returns the attributes of the new file.
    pub fn metadata(&self) -> Result<Metadata> {
        self.new.file.metadata().map_err(Error::io("read", &self.real))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the swap, this is the path of the displaced file.
        if !self.placed {
            let _ = std::fs::remove_file(&self.new.path);
        }
    }
}

/// Takes the lock of a package, and waits for it. The caller holds no other lock.
pub(crate) fn take_lock(core: &Core, path: &Path) -> Result<PackageLock> {
    lock_within(core, path, None, Some(core.patience()))
}

/// Tries the lock of a package, for a caller that holds other locks and so must not wait: see `retry`.
pub(crate) fn try_lock(core: &Core, path: &Path) -> Result<PackageLock> {
    lock_within(core, path, None, None)
}

/// Tries the lock of a package as [`try_lock`] does. `config` is the configuration directory, if the caller has looked at
/// it since it holds the log's lock.
pub(crate) fn try_lock_in(core: &Core, path: &Path, config: Option<Config>) -> Result<PackageLock> {
    lock_within(core, path, config, None)
}

/// Tries the lock of a package whose text is deferred, so that its file was no symbolic link. Also returns the attributes
/// of the file as they are under the lock; `None` if it is a link now or is missing.
pub(crate) fn try_lock_of_deferred(
    core: &Core,
    path: &Path,
    config: Option<Config>,
) -> Result<(PackageLock, Option<Metadata>)> {
    let lock = lock_file(core, path, config, None)?;
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_symlink() => Ok((lock, Some(found))),
        // This was the lock of the link.
        _ => {
            drop(lock);
            Ok((try_lock_in(core, path, config)?, None))
        }
    }
}

fn lock_within(
    core: &Core,
    path: &Path,
    config: Option<Config>,
    timeout: Option<Duration>,
) -> Result<PackageLock> {
    // Only a link is followed; the lock of any other file is beside its path, even if a directory on the way is a link.
    let real = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => std::fs::canonicalize(path).ok(),
        _ => None,
    };
    lock_file(core, real.as_deref().unwrap_or(path), config, timeout)
}

/// Takes the lock of the package file at a path that is no link.
fn lock_file(
    core: &Core,
    real: &Path,
    config: Option<Config>,
    timeout: Option<Duration>,
) -> Result<PackageLock> {
    let dir = real.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let run = core.dirs().run.as_ref().map(|run| run.path.as_path());
    let known = config.filter(|_| dir == core.dirs().config.path);
    let config = known.or_else(|| std::fs::metadata(dir).ok().as_ref().map(Config::of));
    PackageLock::take(&core.options.files, run, config, &name, timeout, &core.locks)
}

/// Opens, locks and reads the file at `path`; `None` if another program was writing to it.
pub(crate) fn read_current(core: &Core, path: &Path) -> Result<Option<Reading>> {
    let old = lock_current(core, path)?;
    let failed = Error::io("read", path);
    let read = || {
        let text = core.options.files.read_sized(&old.open, old.locked.found.len())?;
        Ok((text, Identity::of(&old.open.file.metadata()?)))
    };
    let (text, after) = read().map_err(failed)?;
    Ok((after == old.identity).then_some(Reading { old, text }))
}

/// Opens, locks and reads the file at `path`, if there is one.
pub(crate) fn read_if_there(core: &Core, path: &Path) -> Result<Present> {
    match read_current(core, path) {
        Ok(Some(reading)) => Ok(Present::Read(reading)),
        Ok(None) => Ok(Present::Busy),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Present::Absent),
        Err(error) => Err(error),
    }
}

/// Opens and locks the file at `path`, unless another log is ahead of its text.
fn lock_current(core: &Core, path: &Path) -> Result<OldFile> {
    let old = lock_at(core, path)?;
    mark::check_others(core, path, old.locked.is_link).map(|()| old)
}

/// Opens and locks the file at `path`, and checks that it is still there once the lock is held. The text may be
/// behind a log. A taken lock is not waited for: see `retry`.
fn lock_at(core: &Core, path: &Path) -> Result<OldFile> {
    let files = &core.options.files;
    loop {
        let open = files.open_package_to_write(path).map_err(Error::io("open", path))?;
        match files.lock_package(&open, shortly()).map_err(Error::io("lock", path))? {
            Ok(locked) => return Ok(OldFile::new(open, locked)),
            Err(Wait::TimedOut) => return Err(taken(path)),
            Err(Wait::Held | Wait::Replaced) => {}
        }
    }
}

/// Locks a file that will be replaced, even if its text is behind a log.
pub(crate) fn old_file(core: &Core, path: &Path) -> Result<OldFile> {
    lock_at(core, path)
}

/// Locks the file again that a draft will replace: exclusively, or shared so that other programs can read it. Waits
/// briefly for readers, so that a transaction that was verified need not be verified again; for longer waits see
/// `retry`.
pub(crate) fn lock_old_file(core: &Core, draft: &Draft, exclusive: bool) -> Result<()> {
    let Some(OldFile { open, .. }) = &draft.old else { return Ok(()) };
    match core.options.files.lock(open, exclusive, briefly()) {
        Ok(Wait::TimedOut) => Err(taken(&draft.real)),
        locked => locked.map(|_| ()).map_err(Error::io("lock", &draft.real)),
    }
}

/// Writes the draft of a text that will take the place of the file `old` at `path`.
pub(crate) fn create(core: &Core, path: &Path, text: &[u8], old: Option<OldFile>) -> Result<Draft> {
    let real = match &old {
        Some(old) if !old.locked.is_link && core.logs.is_in_plain_config(path) => path.to_path_buf(),
        Some(_) => std::fs::canonicalize(path).map_err(Error::io("find", path))?,
        None => path.to_path_buf(),
    };
    let beside = Beside::list_at_rest(&real);
    // The locks are held, so no other commit uses these files.
    beside.leftovers.iter().for_each(|path| remove_leftover(core, path));
    let dir = real.parent().unwrap_or(Path::new("."));
    let stem = real.file_name().unwrap_or_default().to_string_lossy();
    let failed = Error::io("create a file beside", &real);
    let (new, mine) = core.options.files.create_unique_locked(dir, &stem).map_err(failed)?;
    let durable = is_durable(core, path);
    let is_outdated = beside.has_waited && old.as_ref().is_some_and(|old| !old.open.is_at_path());
    let draft = Draft { new, real, old, placed: false, durable, removes: false, is_outdated };
    core.options.files.write(&draft.new, text).map_err(Error::io("write", &draft.new.path))?;
    let like = draft.old.as_ref().map(|old| old.locked.found.clone());
    finish_draft(core, &draft, &mine, like.as_ref())?;
    Ok(draft)
}

/// Prepares the removal of the file at `path`. If it is a symbolic link, the link is removed and its target stays.
pub(crate) fn removal(core: &Core, path: &Path, old: OldFile) -> Result<Draft> {
    let (real, dir) = (path.to_path_buf(), path.parent().unwrap_or(Path::new(".")));
    let stem = real.file_name().unwrap_or_default().to_string_lossy();
    let failed = Error::io("create a file beside", &real);
    let (new, _) = core.options.files.create_unique_locked(dir, &stem).map_err(failed)?;
    let durable = is_durable(core, path);
    Ok(Draft { new, real, old: Some(old), placed: false, durable, removes: true, is_outdated: false })
}

/// Moves the file of a removal away; returns `false` if the file there is not the expected one.
fn move_away(core: &Core, draft: &Draft) -> Result<bool> {
    let (files, aside, real) = (&core.options.files, &draft.new.path, &draft.real);
    let is_old =
        |path: &Path| std::fs::metadata(path).is_ok_and(|found| Some(Identity::of(&found)) == draft.old());
    if !is_old(real) {
        return Ok(false);
    }
    files.rename(real, aside).map_err(Error::io("rename", real))?;
    if is_old(aside) {
        return Ok(true);
    }
    // Another program saved the file at the very last moment: move it back, unless it was saved once more.
    match files.rename_new(aside, real) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Error::io("rename", real)(error)),
        _ => Ok(false),
    }
}

/// Moves the file of a removal back. Returns whether it is in place, durably.
pub(crate) fn move_back(core: &Core, draft: &Draft) -> bool {
    let files = &core.options.files;
    let dir = draft.real.parent().unwrap_or(Path::new("."));
    files.rename_new(&draft.new.path, &draft.real).is_ok() && files.sync_dir(dir).is_ok()
}

/// Writes a draft as [`create`] does, but reuses a temporary file that a crash has left if it holds the text: the journal
/// of the delta file refers to that file.
pub(crate) fn resume(core: &Core, path: &Path, text: &[u8], old: Option<OldFile>) -> Result<Draft> {
    let files = &core.options.files;
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    for leftover in Beside::list(&real).leftovers {
        let Ok(new) = files.open_to_write(&leftover) else { continue };
        let ours = matches!(files.lock(&new, true, Instant::now()), Ok(Wait::Held));
        if ours && files.read(&new).is_ok_and(|found| found == text) {
            // Its writer may have died before it set the attributes or synced the file.
            let durable = is_durable(core, path);
            let is_outdated = false;
            let draft = Draft { new, real, old, placed: false, durable, removes: false, is_outdated };
            let mine = draft.metadata()?;
            let like = draft.old.as_ref().map(|_| std::fs::metadata(&draft.real)).transpose();
            let like = like.map_err(Error::io("read the attributes of", &draft.real))?;
            finish_draft(core, &draft, &mine, like.as_ref())?;
            return Ok(draft);
        }
    }
    create(core, path, text, old)
}

/// Reports whether the text of the package at a path must survive a power cut.
fn is_durable(core: &Core, path: &Path) -> bool {
    let package = path.file_name().unwrap_or_default().to_string_lossy();
    core.settings.get().durability_of(&package) != Durability::None
}

/// Gives a temporary file the attributes `like` of the file it is to replace, and syncs it; `mine` are those that it was
/// made with. It is synced at every level of [`Durability`]: a file system may keep a rename and lose the content of the
/// file, and then the whole package would be gone, not only the last transactions.
fn finish_draft(core: &Core, draft: &Draft, mine: &Metadata, like: Option<&Metadata>) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (files, new) = (&core.options.files, &draft.new);
    match like {
        Some(like) => {
            let copied = files.copy_attributes(new, mine, like);
            copied.map_err(Error::io("set the attributes of", &new.path))?;
            // A new file belongs to the user who makes it.
            if mine.uid() != like.uid() {
                warn_of_new_owner(core, &draft.real, like.uid());
            }
        }
        None if core.attributes.give(&draft.real, new) => {}
        None => {
            let mode = core.settings.get().file_mode;
            // It was made with the narrowest one, so that no one reads it before.
            if mode != FILE_MODE {
                files.set_mode(new, mode).map_err(Error::io("set the mode of", &new.path))?;
            }
        }
    }
    files.sync(new).map_err(Error::io("sync", &new.path))
}

/// Warns that a package changes its owner: the new file belongs to the user who commits, unless that is root.
fn warn_of_new_owner(core: &Core, path: &Path, owner: u32) {
    let user = rustix::process::geteuid().as_raw();
    if user != owner && user != 0 {
        let path = path.display();
        core.warnings.warn(&format!(
            "{path} now belongs to user {user}, no longer to user {owner}: only root can keep another owner"
        ));
    }
}

/// Puts a temporary file in place; returns `false` if the file there is not the expected one.
pub(crate) fn put(core: &Core, draft: &mut Draft) -> Result<bool> {
    draft.placed = match draft.removes {
        true => move_away(core, draft)?,
        false => swap(core, &draft.new, &draft.real, draft.old())?,
    };
    Ok(draft.placed)
}

fn swap(core: &Core, new: &OpenFile, real: &Path, old: Option<Identity>) -> Result<bool> {
    let files = &core.options.files;
    let Some(old) = old else {
        return match files.rename_new(&new.path, real) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::io("rename", real)(error)),
        };
    };
    if Identity::at(real) != Some(old) {
        return Ok(false);
    }
    match files.exchange(&new.path, real) {
        Ok(true) => {}
        Ok(false) => {
            files.rename(&new.path, real).map_err(Error::io("rename", real))?;
            return Ok(true);
        }
        // Another program has removed the package just now.
        Err(error) if error.kind() == ErrorKind::NotFound && new.is_at_path() => return Ok(false),
        Err(error) => return Err(Error::io("rename", real)(error)),
    }
    if Identity::at(&new.path) == Some(old) {
        return Ok(true);
    }
    // Another program saved the file at the very last moment: swap the files back.
    loop {
        match files.exchange(&new.path, real) {
            Ok(_) => {}
            // The displaced file or the package file was removed meanwhile: check which file is at the path.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(FileId::at(real) == Some(new.id));
            }
            Err(error) => return Err(Error::io("rename", real)(error)),
        }
        if FileId::at(&new.path).is_none_or(|found| found == new.id) {
            return Ok(false);
        }
    }
}

/// Makes a replacement durable, and removes the old file. The new file is in place even if this fails.
pub(crate) fn settle(core: &Core, path: &Path, draft: &Draft) -> Result<()> {
    let files = &core.options.files;
    let dir = draft.real.parent().unwrap_or(Path::new("."));
    let synced = if draft.durable { files.sync_dir(dir) } else { Ok(()) };
    if draft.old.is_some() {
        // If this fails, the next commit removes it. Without an exchange there is nothing at that path.
        let _ = files.remove(&draft.new.path);
    }
    synced.map_err(|source| Error::NotDurable { path: path.into(), source })
}

/// Removes a temporary file that a crash has left. A locked file is in use and stays.
///
/// The caller has locked the package file itself, as every program does that replaces it, even if its other locks are
/// in another run directory. Without that lock it could remove the save of an editor: a commit that detects such a
/// save swaps the files back, and until then the editor's file has a temporary name and no lock.
pub(crate) fn remove_leftover(core: &Core, path: &Path) {
    let files = &core.options.files;
    let Ok(open) = files.open(path) else { return };
    if matches!(files.lock(&open, true, Instant::now()), Ok(Wait::Held)) {
        let _ = files.remove(path);
    }
}
