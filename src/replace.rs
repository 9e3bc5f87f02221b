//! The file part of a commit: reading a package file under its locks, and putting another in its place.
//!
//! The new text is written to a temporary file beside the old one, with its owner, group and mode, and synced.
//! Then the two are swapped. If what comes out is not the file that was read, an editor has saved in between: they
//! are swapped back, so that what it has written is not lost.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::file_name;
use crate::files::{Identity, OpenFile, PAUSES, Wait};
use crate::lock::{PackageLock, holder_of_file};
use crate::store::{Place, Store};

/// A package file that is locked, and was read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub locked: OpenFile,
    pub identity: Identity,
    pub text: Vec<u8>,
}

/// A temporary file, to be put in place of another. It goes when it is dropped before that.
#[derive(Debug)]
pub(crate) struct Draft {
    pub new: OpenFile,
    /// The file whose place it is to take, symbolic links followed.
    real: PathBuf,
    /// What is expected there; `None`: nothing.
    old: Option<Identity>,
    placed: bool,
    /// Whether its place is to survive a power cut; what it holds does in any case.
    durable: bool,
    /// Whether nothing is to take the place: then the temporary file is where the one that goes is moved to.
    removes: bool,
}

impl Draft {
    /// Returns the identity of the file whose place it is to take.
    pub fn old(&self) -> Option<Identity> {
        self.old
    }

    /// Reports whether it stands where it is to stand.
    pub fn is_placed(&self) -> bool {
        self.placed
    }

    /// Reports whether it takes a file away, and puts nothing in its place.
    pub fn removes(&self) -> bool {
        self.removes
    }

    /// Returns the attributes of the new file.
    pub fn metadata(&self) -> Result<Metadata> {
        self.new.file.metadata().map_err(Error::io("read", &self.real))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once in place, the path is that of the file it displaced.
        if !self.placed {
            let _ = std::fs::remove_file(&self.new.path);
        }
    }
}

impl Store {
    pub(crate) fn take_lock(&self, path: &Path) -> Result<PackageLock> {
        // What is no link has its lock where its path says, however that leads there.
        let real = match std::fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => std::fs::canonicalize(path).ok(),
            _ => None,
        };
        let real = real.as_deref().unwrap_or(path);
        let dir = real.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        let run = self.dirs().run.as_ref().map(|run| run.path.as_path());
        let (files, timeout) = (&self.options.files, self.patience());
        PackageLock::take(files, run, dir, &name, timeout, &self.locks)
    }

    /// Opens, locks and reads the file at `path`; `None` if someone was writing to it.
    pub(crate) fn read_current(&self, path: &Path) -> Result<Option<Reading>> {
        let open = self.lock_current(path)?;
        let identity =
            || open.file.metadata().map(|found| Identity::of(&found)).map_err(Error::io("read", path));
        let before = identity()?;
        let text = self.options.files.read(&open).map_err(Error::io("read", path))?;
        let same = identity()? == before;
        Ok(same.then_some(Reading { locked: open, identity: before, text }))
    }

    /// As [`Store::read_current`], of a file that need not be there: then what was read is `None`.
    pub(crate) fn read_if_there(&self, path: &Path) -> Result<Option<Option<Reading>>> {
        match self.read_current(path) {
            Ok(reading) => Ok(reading.map(Some)),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Some(None)),
            Err(error) => Err(error),
        }
    }

    /// Opens and locks the file that stands at `path` once the lock is held.
    fn lock_current(&self, path: &Path) -> Result<OpenFile> {
        let files = &self.options.files;
        let deadline = Instant::now() + self.settings().lock_timeout;
        loop {
            let open = files.open_package_to_write(path).map_err(Error::io("open", path))?;
            match files.lock_at_path(&open, deadline, PAUSES).map_err(Error::io("lock", path))? {
                Wait::Held if self.await_others(path, || files.unlock(&open))? => return Ok(open),
                Wait::Held | Wait::Replaced => {}
                Wait::TimedOut => {
                    let (holder, waited) = (holder_of_file(&open), self.settings().lock_timeout);
                    return Err(Error::Locked { path: path.into(), holder, waited });
                }
            }
        }
    }

    /// Writes what is to take the place of the file at `path`, whose identity was `old` when it was read.
    pub(crate) fn draft(&self, path: &Path, text: &[u8], old: Option<Identity>) -> Result<Draft> {
        let real = match old {
            Some(_) => std::fs::canonicalize(path).map_err(Error::io("find", path))?,
            None => path.to_path_buf(),
        };
        let dir = real.parent().unwrap_or(Path::new("."));
        let stem = real.file_name().unwrap_or_default().to_string_lossy();
        let new = self.create_locked(dir, &stem).map_err(Error::io("create a file beside", &real))?;
        let durable = self.is_durable(path);
        let draft = Draft { new, real, old, placed: false, durable, removes: false };
        self.fill(&draft, text)?;
        Ok(draft)
    }

    /// Prepares to take away the file at `path`, whose identity was `old` when it was read. Of a symbolic link, that
    /// goes and not what it leads to.
    pub(crate) fn removal(&self, path: &Path, old: Identity) -> Result<Draft> {
        let (real, dir) = (path.to_path_buf(), path.parent().unwrap_or(Path::new(".")));
        let stem = real.file_name().unwrap_or_default().to_string_lossy();
        let new = self.create_locked(dir, &stem).map_err(Error::io("create a file beside", &real))?;
        let durable = self.is_durable(path);
        Ok(Draft { new, real, old: Some(old), placed: false, durable, removes: true })
    }

    /// Moves away the file that a removal is about; `false` if the file there is not the one expected.
    fn take_away(&self, draft: &Draft) -> Result<bool> {
        let (files, aside, real) = (&self.options.files, &draft.new.path, &draft.real);
        let is_old =
            |path: &Path| std::fs::metadata(path).is_ok_and(|found| Some(Identity::of(&found)) == draft.old);
        if !is_old(real) {
            return Ok(false);
        }
        files.rename(real, aside).map_err(Error::io("rename", real))?;
        if is_old(aside) {
            return Ok(true);
        }
        // Someone saved the file at the very last moment: it goes back, unless someone has saved it again.
        match files.rename_new(aside, real) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Error::io("rename", real)(error))
            }
            _ => Ok(false),
        }
    }

    /// Brings back the file that a removal has moved away. Returns whether it is there, durably.
    pub(crate) fn bring_back(&self, draft: &Draft) -> bool {
        let files = &self.options.files;
        let dir = draft.real.parent().unwrap_or(Path::new("."));
        files.rename_new(&draft.new.path, &draft.real).is_ok() && files.sync_dir(dir).is_ok()
    }

    /// Takes a temporary file that a crash has left, and that holds the right text, for what is to take the place
    /// of the file at `path`: the journal of staged changes knows it.
    pub(crate) fn find_draft(
        &self,
        path: &Path,
        old: Option<Identity>,
        is_right: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Draft>> {
        let files = &self.options.files;
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let durable = self.is_durable(path);
        for path in leftovers([real.as_path()]) {
            let Ok(new) = files.open_to_write(&path) else { continue };
            let ours = matches!(files.lock(&new, true, Instant::now()), Ok(Wait::Held));
            if ours && files.read(&new).is_ok_and(|text| is_right(&text)) {
                // Whoever wrote it may have died before it had its attributes, or was durable.
                let draft = Draft { new, real, old, placed: false, durable, removes: false };
                self.finish_draft(&draft)?;
                return Ok(Some(draft));
            }
        }
        Ok(None)
    }

    /// Reports whether the text of the package at a path is to survive a power cut.
    fn is_durable(&self, path: &Path) -> bool {
        let package = path.file_name().unwrap_or_default().to_string_lossy();
        self.settings().durability_of(&package) != Durability::None
    }

    /// Creates a temporary file that is locked: until it is, another may take it for one that a crash has left.
    fn create_locked(&self, dir: &Path, stem: &str) -> std::io::Result<OpenFile> {
        let files = &self.options.files;
        loop {
            let new = files.create_unique(dir, stem)?;
            if files.lock_at_path(&new, Instant::now(), PAUSES)? == Wait::Held {
                return Ok(new);
            }
        }
    }

    /// Writes a temporary file and makes it durable.
    fn fill(&self, draft: &Draft, text: &[u8]) -> Result<()> {
        let (files, new) = (&self.options.files, &draft.new);
        files.write(new, text).map_err(Error::io("write", &new.path))?;
        self.finish_draft(draft)
    }

    /// Gives a temporary file the attributes of the file it is to replace, and makes it durable. That is done at
    /// every level of [`Durability`]: a file system may keep a rename and lose what was written to the file, and then
    /// the whole package would be gone, not only the last transactions.
    fn finish_draft(&self, draft: &Draft) -> Result<()> {
        let (files, new) = (&self.options.files, &draft.new);
        if draft.old.is_some() {
            let like = std::fs::metadata(&draft.real);
            let like = like.map_err(Error::io("read the attributes of", &draft.real))?;
            files.copy_attributes(new, &like).map_err(Error::io("set the attributes of", &new.path))?;
        } else {
            self.give_attributes(&draft.real, new);
        }
        files.sync(new).map_err(Error::io("sync", &new.path))
    }

    /// Puts a temporary file in place; `false` if the file there is not the one expected.
    pub(crate) fn put(&self, draft: &mut Draft) -> Result<bool> {
        draft.placed = match draft.removes {
            true => self.take_away(draft)?,
            false => self.swap(&draft.new, &draft.real, draft.old)?,
        };
        Ok(draft.placed)
    }

    fn swap(&self, new: &OpenFile, real: &Path, old: Option<Identity>) -> Result<bool> {
        let files = &self.options.files;
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
        if !files.exchange(&new.path, real).map_err(Error::io("rename", real))? {
            files.rename(&new.path, real).map_err(Error::io("rename", real))?;
            return Ok(true);
        }
        if Identity::at(&new.path) == Some(old) {
            return Ok(true);
        }
        // Someone saved the file at the very last moment: what we displaced goes back.
        let mine = new.file.metadata().map_err(Error::io("read", &new.path))?;
        loop {
            files.exchange(&new.path, real).map_err(Error::io("rename", real))?;
            if Identity::at(&new.path).is_none_or(|found| found.inode == Identity::of(&mine).inode) {
                return Ok(false);
            }
        }
    }

    /// Leaves a draft where it is, for recovery to find.
    pub(crate) fn leave(draft: &mut Draft) {
        draft.placed = true;
    }

    /// Makes a replacement durable, and removes the old file. The new one is in place whatever comes of it.
    pub(crate) fn settle(&self, path: &Path, draft: &Draft) -> Result<()> {
        let files = &self.options.files;
        let dir = draft.real.parent().unwrap_or(Path::new("."));
        let synced = if draft.durable { files.sync_dir(dir) } else { Ok(()) };
        if draft.old.is_some() && draft.new.path.exists() {
            // Left behind, it is removed by the next commit.
            let _ = files.remove(&draft.new.path);
        }
        synced.map_err(|source| Error::NotDurable { path: path.into(), source })
    }

    /// Makes durable what another has put in place of a package file before it died.
    pub(crate) fn settle_for_another(&self, place: &Place) -> Result<()> {
        let real = std::fs::canonicalize(&place.path).unwrap_or_else(|_| place.path.clone());
        let dir = real.parent().unwrap_or(Path::new("."));
        self.options.files.sync_dir(dir).map_err(Error::io("sync", dir))?;
        self.tidy_up([place])
    }

    /// Puts things in order after a crash, under the locks of these packages: delta files whose changes are in the
    /// text, and temporary files. In this order, as the temporary files tell what became of a commit.
    pub(crate) fn tidy_up<'p>(&self, places: impl IntoIterator<Item = &'p Place>) -> Result<()> {
        let mut paths = Vec::new();
        for place in places {
            let staging = self.staging(place, &self.dirs().save.path);
            if place.staged && staging.has_journal() {
                staging.lock()?;
            }
            paths.push(place.path.as_path());
        }
        self.remove_leftovers(paths);
        Ok(())
    }

    /// Removes temporary files of these packages that a crash has left. One that is locked is in use.
    pub(crate) fn remove_leftovers<'p>(&self, paths: impl IntoIterator<Item = &'p Path>) {
        for path in leftovers(paths) {
            let Ok(open) = self.options.files.open(&path) else { continue };
            if matches!(self.options.files.lock(&open, true, Instant::now()), Ok(Wait::Held)) {
                let _ = self.options.files.remove(&open.path);
            }
        }
    }
}

/// Lists the temporary files beside package files. Each directory is read once.
fn leftovers<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Vec<PathBuf> {
    let mut stems: BTreeMap<PathBuf, BTreeSet<OsString>> = BTreeMap::new();
    for path in paths {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if let (Some(dir), Some(name)) = (real.parent(), real.file_name()) {
            let stem = file_name::shortened(name).into_owned();
            stems.entry(dir.to_path_buf()).or_default().insert(stem);
        }
    }
    let mut found = Vec::new();
    for (dir, stems) in stems {
        let Ok(entries) = std::fs::read_dir(dir) else { continue };
        found.extend(
            entries.flatten().filter(|entry| is_leftover(&entry.file_name(), &stems)).map(|e| e.path()),
        );
    }
    found
}

/// Reports whether a file is named as [`crate::files::Files::create_unique`] names those of one of the stems.
fn is_leftover(name: &OsStr, stems: &BTreeSet<OsString>) -> bool {
    let name = name.as_bytes();
    let end = memchr::memmem::rfind(name, b".cms-").filter(|_| name.starts_with(b"."));
    end.is_some_and(|end| end > 1 && stems.contains(OsStr::from_bytes(&name[1..end])))
}
