//! Puts changes into package files: wholly or not at all.
//!
//! The steps of a commit, each checked:
//! 1. Take the package's lock, then a lock on the package file itself. Stock uci takes that one as well; since
//!    a commit replaces the file, the lock counts only if the file is still the one at that path.
//! 2. Lock and read the delta file; read the package and apply the changes to it.
//! 3. Write a temporary file beside the package file, give it owner, group and mode, sync it.
//! 4. Write the journal (see `staging`), so that a crash from here on can be told apart.
//! 5. Swap the two files. If what comes out is not the file that was read, an editor has saved in between:
//!    swap back and start again, so that its changes are merged and not lost. This is the commit point.
//! 6. Sync the directory, cut the delta file, remove the journal and the old file.
//! 7. Publish the new state to the map of the package, if there is one (see `sharing`).
//!
//! A failure before step 5 leaves the old file and the staged changes; one after it the new file, complete.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::delta::{Delta, read_lines};
use crate::error::{Error, Result};
use crate::files::{Identity, OpenFile, Wait};
use crate::lock::{PackageLock, holder_of_file};
use crate::package::Package;
use crate::sharing::State;
use crate::staging::{Locked, Staging};
use crate::store::{Place, Replay, Store};
use crate::text::{Dialect, print, render};

/// How often a commit starts again because someone else saved the file, before it gives up.
const ATTEMPTS: u32 = 20;

/// How a package is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Into the text that is there, touching only the lines concerned.
    #[default]
    Lossless,
    /// As stock uci writes it: canonical, without comments.
    Canonical,
    /// Canonical, with the generated names of anonymous sections.
    CanonicalNamed,
}

impl Form {
    /// Returns the text a package is written as.
    ///
    /// # Errors
    ///
    /// As for [`render`], in [`Form::Lossless`].
    pub fn text(self, package: &Package, store: &Store) -> Result<Vec<u8>> {
        match self {
            Self::Lossless => render(package, &store.parse_options()),
            Self::Canonical => Ok(print(package, false)),
            Self::CanonicalNamed => Ok(print(package, true)),
        }
    }
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Changes that are in the file now.
    pub applied: usize,
    /// Changes that could not be applied and stay staged.
    pub failed: usize,
    /// Whether the file was written.
    pub written: bool,
}

/// What became of an attempt to put a new file in place.
enum Replaced {
    /// It is in place, and locked; the old one, if any, is at the path beside it.
    Done(OpenFile, Option<PathBuf>),
    /// Someone else has saved the file since it was read.
    ChangedMeanwhile,
}

/// What was put in place.
struct Written {
    /// The document it was rendered from, if it is a change of what was there.
    package: Option<Package>,
    text: Arc<Vec<u8>>,
    metadata: std::fs::Metadata,
}

impl Written {
    /// Takes the attributes of the new file, which is in place.
    fn new(package: Option<Package>, text: Vec<u8>, new: &OpenFile) -> Result<Self> {
        let metadata = new.file.metadata().map_err(Error::io("read", &new.path))?;
        Ok(Self { package, text: Arc::new(text), metadata })
    }

    fn state<'a>(&'a self, place: &'a Place) -> State<'a> {
        let (text, metadata) = (self.text.clone(), self.metadata.clone());
        State { place, text, metadata, edited: self.package.as_ref() }
    }
}

impl Store {
    /// Commits the staged changes of a package.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if the package's text has errors; [`Error::Locked`] if another writer does not
    /// finish in time; [`Error::Conflict`] if the file keeps changing; [`Error::Io`] if a system call
    /// fails. The file and the staged changes are as before then. [`Error::NotDurable`] if the new file is
    /// in place but could not be synced.
    pub fn commit(&self, place: &Place, form: Form) -> Result<Committed> {
        let _lock = self.take_lock(&place.path)?;
        self.attempt(place, || self.try_commit(place, form))
    }

    /// Reads a package, changes it and writes it back under one lock, without staging.
    ///
    /// # Errors
    ///
    /// What `edit` returns, and as for [`Store::commit`]; the file is as before then.
    pub fn update<R>(
        &self,
        place: &Place,
        form: Form,
        mut edit: impl FnMut(&mut Package) -> Result<R>,
    ) -> Result<R> {
        let _lock = self.take_lock(&place.path)?;
        let (result, written) = self.rewrite_locked(place, form, &mut edit)?;
        self.publish(&[written.state(place)]);
        Ok(result)
    }

    /// As [`Store::update`], under a lock that is held, and without publishing.
    fn rewrite_locked<R>(
        &self,
        place: &Place,
        form: Form,
        edit: &mut impl FnMut(&mut Package) -> Result<R>,
    ) -> Result<(R, Written)> {
        self.attempt(place, || {
            let current = self.lock_current(&place.path)?;
            let Some((old, text)) = self.read_stable(&current)? else { return Ok(None) };
            let (mut package, _) = self.parse(place, text)?;
            let result = edit(&mut package)?;
            let text = form.text(&package, self)?;
            self.check_limit(&place.name, &package, &text)?;
            match self.replace_file(&place.path, &text, Some(old), |_| Ok(()))? {
                Replaced::ChangedMeanwhile => Ok(None),
                Replaced::Done(new, displaced) => {
                    self.settle_replaced(place, &new, displaced.as_deref())?;
                    Ok(Some((result, Written::new(Some(package), text, &new)?)))
                }
            }
        })
    }

    /// Commits changes to several packages together, each given with its place. Returns the revision, where
    /// there are maps. If one cannot be written, those that were are put back as they were.
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`], and whatever a change is refused with.
    pub(crate) fn commit_all(&self, changes: &[(Place, &[Delta])], form: Form) -> Result<Option<u64>> {
        // In the order of their names, which is that of the caller's list, so that two never wait for each
        // other.
        let locks: Result<Vec<_>> = changes.iter().map(|(place, _)| self.take_lock(&place.path)).collect();
        let _locks = locks?;
        let apply = |package: &mut Package, deltas: &[Delta]| -> Result<()> {
            let mut replay = Replay::new(Dialect::Cms);
            deltas.iter().try_for_each(|delta| replay.apply(package, delta))
        };
        // All are tried before one is written.
        for (place, deltas) in changes {
            let mut package = self.load_committed(place.clone())?.package;
            apply(&mut package, deltas)?;
            form.text(&package, self)?;
        }
        let mut done: Vec<Written> = Vec::new();
        for (place, deltas) in changes {
            match self.rewrite_locked(place, form, &mut |package| apply(package, deltas)) {
                Ok(((), written)) => done.push(written),
                Err(error) => {
                    self.put_back(changes, &done);
                    return Err(error);
                }
            }
        }
        let states: Vec<State<'_>> =
            changes.iter().zip(&done).map(|((place, _), written)| written.state(place)).collect();
        Ok(self.publish(&states))
    }

    /// Undoes what was written of a commit that failed.
    fn put_back(&self, changes: &[(Place, &[Delta])], done: &[Written]) {
        for ((place, _), written) in changes.iter().zip(done) {
            let Some(package) = &written.package else { continue };
            let now = Identity::at(&place.path);
            let back = self.replace_file(&place.path, package.source(), now, |_| Ok(()));
            if let Ok(Replaced::Done(new, displaced)) = back {
                // The text is in place again; that it may not survive a power cut is told by the first error.
                let _ = self.settle_replaced(place, &new, displaced.as_deref());
            }
        }
    }

    /// Tidies the text of a package: see [`crate::text::format`].
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`].
    pub fn tidy(&self, place: &Place) -> Result<()> {
        let _lock = self.take_lock(&place.path)?;
        self.attempt(place, || {
            let current = self.lock_current(&place.path)?;
            let Some((old, text)) = self.read_stable(&current)? else { return Ok(None) };
            let text = crate::text::format(&std::sync::Arc::new(text))?;
            match self.replace_file(&place.path, &text, Some(old), |_| Ok(()))? {
                Replaced::ChangedMeanwhile => Ok(None),
                Replaced::Done(new, displaced) => {
                    self.settle_replaced(place, &new, displaced.as_deref())?;
                    self.publish(&[Written::new(None, text, &new)?.state(place)]);
                    Ok(Some(()))
                }
            }
        })
    }

    /// Replaces the whole content of a package of the configuration directory, which need not exist.
    /// Changes staged for the old content are set aside in `.PACKAGE.replaced` in the save directory.
    ///
    /// # Errors
    ///
    /// As for [`Store::commit`]; [`Error::Invalid`] if `package` is not a package name.
    pub fn replace(&self, package: &[u8], text: &[u8]) -> Result<()> {
        let outside = package.split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."));
        if !crate::name::is_package(package) || outside {
            return Err(Error::invalid(package, "not a package name"));
        }
        let name = crate::name::show(package);
        let place = Place { path: follow(self.dirs().config.path.join(&name)), name, staged: true };
        let _lock = self.take_lock(&place.path)?;
        self.attempt(&place, || {
            let current = match self.lock_current(&place.path) {
                Ok(current) => Some(current),
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let old =
                current.as_ref().and_then(|open| open.file.metadata().ok()).map(|found| Identity::of(&found));
            let staging = self.staging(&place, &self.dirs().save.path);
            let locked = staging.lock()?;
            match self.replace_file(&place.path, text, old, |_| Ok(()))? {
                Replaced::ChangedMeanwhile => Ok(None),
                Replaced::Done(new, displaced) => {
                    let staged = locked.filter(|locked| !locked.text.is_empty());
                    if let Some(locked) = staged {
                        staging.set_aside(&locked)?;
                    }
                    self.settle_replaced(&place, &new, displaced.as_deref())?;
                    self.publish(&[Written::new(None, text.to_vec(), &new)?.state(&place)]);
                    Ok(Some(()))
                }
            }
        })
    }

    fn attempt<R>(&self, place: &Place, mut once: impl FnMut() -> Result<Option<R>>) -> Result<R> {
        for _ in 0..ATTEMPTS {
            if let Some(result) = once()? {
                return Ok(result);
            }
        }
        let why = "the file kept changing while it was being written".to_owned();
        Err(Error::Conflict { key: place.name.clone(), why })
    }

    fn try_commit(&self, place: &Place, form: Form) -> Result<Option<Committed>> {
        let current = self.lock_current(&place.path)?;
        let staging = self.staging(place, &self.dirs().save.path);
        let Some(locked) = staging.lock()? else {
            // Nothing is staged, but a package that cannot be read is an error all the same.
            let Some((_, text)) = self.read_stable(&current)? else { return Ok(None) };
            return self.parse(place, text).map(|_| Some(Committed::default()));
        };
        self.remove_leftovers(&place.path);
        let Some((old, text)) = self.read_stable(&current)? else { return Ok(None) };
        let (mut package, _) = self.parse(place, text)?;
        let (mut outcome, mut kept) = apply_lines(&locked, place, &mut package, self.options.dialect);
        if outcome.applied == 0 {
            return Ok(Some(outcome));
        }
        if self.options.dialect == Dialect::Uci && !kept.is_empty() {
            self.keep_rejected(place, &kept);
            kept.clear();
        }
        let text = form.text(&package, self)?;
        self.check_limit(&place.name, &package, &text)?;
        outcome.written = form != Form::Lossless || text != **package.source();
        if !outcome.written {
            staging.rewrite(&locked, &kept)?;
            return Ok(Some(outcome));
        }
        let replaced = self.replace_file(&place.path, &text, Some(old), |new| {
            staging.write_journal(&locked, new, old, &kept)
        });
        match replaced {
            Ok(Replaced::Done(new, displaced)) => {
                self.finish(&staging, &locked, &kept)?;
                self.settle_replaced(place, &new, displaced.as_deref())?;
                self.publish(&[Written::new(Some(package), text, &new)?.state(place)]);
                Ok(Some(outcome))
            }
            Ok(Replaced::ChangedMeanwhile) => staging.remove_journal().map(|()| None),
            Err(error) => {
                let _ = staging.remove_journal();
                Err(error)
            }
        }
    }

    /// Takes the changes that are in the package file now out of the delta file. If that fails, the journal
    /// stays, and whoever comes next does it.
    fn finish(&self, staging: &Staging<'_>, locked: &Locked, kept: &[u8]) -> Result<()> {
        staging.rewrite_committed(locked, kept)?;
        staging.remove_journal()
    }

    /// Makes a replacement durable and removes the old file.
    fn settle_replaced(&self, place: &Place, new: &OpenFile, displaced: Option<&Path>) -> Result<()> {
        let dir = new.path.parent().unwrap_or(Path::new("."));
        let synced = self.options.files.sync_dir(dir);
        if let Some(displaced) = displaced {
            // Left behind, it is removed by the next commit.
            let _ = self.options.files.remove(displaced);
        }
        synced.map_err(|source| Error::NotDurable { path: place.path.clone(), source })
    }

    /// Keeps what stock uci drops, for a person to look at: `rejected/PACKAGE` in the run directory.
    fn keep_rejected(&self, place: &Place, lines: &[u8]) {
        let Some(run) = &self.dirs().run else { return };
        let dir = run.path.join("rejected");
        let _ = self.options.files.mkdir(&dir, 0o700);
        if let Ok(open) = self.options.files.open(&dir.join(&place.name), Some(0o600)) {
            let _ = std::io::Seek::seek(&mut &open.file, std::io::SeekFrom::End(0));
            let _ = self.options.files.write(&open, lines);
        }
    }

    pub(crate) fn take_lock(&self, path: &Path) -> Result<PackageLock> {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let dir = real.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        let run = self.dirs().run.as_ref().map(|run| run.path.as_path());
        PackageLock::take(&self.options.files, run, dir, &name, self.options.lock_timeout)
    }

    /// Opens and locks the file that stands at `path` once the lock is held.
    fn lock_current(&self, path: &Path) -> Result<OpenFile> {
        let files = &self.options.files;
        let deadline = Instant::now() + self.options.lock_timeout;
        loop {
            let open = files.open_existing(path).map_err(Error::io("open", path))?;
            let wait = files.lock(&open, true, deadline).map_err(Error::io("lock", path))?;
            if wait == Wait::TimedOut {
                let holder = holder_of_file(&open);
                return Err(Error::Locked { path: path.into(), holder, waited: self.options.lock_timeout });
            }
            let held = open.file.metadata().map_err(Error::io("read", path))?;
            if std::fs::metadata(path)
                .is_ok_and(|found| Identity::of(&found).inode == Identity::of(&held).inode)
            {
                return Ok(open);
            }
        }
    }

    /// Reads a file together with its identity; `None` if someone was writing to it.
    fn read_stable(&self, open: &OpenFile) -> Result<Option<(Identity, Vec<u8>)>> {
        let identity =
            || open.file.metadata().map(|found| Identity::of(&found)).map_err(Error::io("read", &open.path));
        let before = identity()?;
        let text = self.options.files.read(open).map_err(Error::io("read", &open.path))?;
        Ok((identity()? == before).then_some((before, text)))
    }

    /// Puts `text` in place of the file at `path`, whose identity was `old` when it was read.
    /// `before_swap` is the last thing that may fail before the new file shows.
    fn replace_file(
        &self,
        path: &Path,
        text: &[u8],
        old: Option<Identity>,
        before_swap: impl FnOnce(&OpenFile) -> Result<()>,
    ) -> Result<Replaced> {
        let files = &self.options.files;
        let real = match old {
            Some(_) => std::fs::canonicalize(path).map_err(Error::io("find", path))?,
            None => path.to_path_buf(),
        };
        let dir = real.parent().unwrap_or(Path::new("."));
        let stem = real.file_name().unwrap_or_default().to_string_lossy();
        let new = files.create_unique(dir, &stem).map_err(Error::io("create a file beside", &real))?;
        let written = self.fill(&new, text, old.is_some().then_some(&real)).and_then(|()| before_swap(&new));
        let swapped = written.and_then(|()| self.swap(&new, &real, old));
        if !matches!(swapped, Ok(true)) {
            let _ = std::fs::remove_file(&new.path);
        }
        Ok(match swapped? {
            false => Replaced::ChangedMeanwhile,
            true => {
                let displaced = Some(new.path.clone()).filter(|path| path.exists());
                Replaced::Done(new, displaced)
            }
        })
    }

    /// Writes a temporary file and makes it durable. It is locked before it can be seen in place.
    fn fill(&self, new: &OpenFile, text: &[u8], like: Option<&PathBuf>) -> Result<()> {
        let files = &self.options.files;
        files.lock(new, true, Instant::now()).map_err(Error::io("lock", &new.path))?;
        files.write(new, text).map_err(Error::io("write", &new.path))?;
        if let Some(like) = like {
            let like = std::fs::metadata(like).map_err(Error::io("read the attributes of", like))?;
            files.copy_attributes(new, &like).map_err(Error::io("set the attributes of", &new.path))?;
        }
        files.sync(new).map_err(Error::io("sync", &new.path))
    }

    /// Puts a temporary file in place; `false` if the file there is not the one expected.
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

    /// Removes temporary files of this package that a crash has left. One that is locked is in use.
    fn remove_leftovers(&self, path: &Path) {
        let Ok(real) = std::fs::canonicalize(path) else { return };
        let (Some(dir), Some(name)) = (real.parent(), real.file_name()) else { return };
        let prefix = format!(".{}.cms-", name.to_string_lossy());
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for entry in
            entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        {
            let Ok(open) = self.options.files.open(&entry.path(), None) else { continue };
            if matches!(self.options.files.lock(&open, true, Instant::now()), Ok(Wait::Held)) {
                let _ = self.options.files.remove(&open.path);
            }
        }
    }
}

/// Follows a symbolic link to a file that need not exist.
fn follow(mut path: PathBuf) -> PathBuf {
    for _ in 0..40 {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new(".")).join(target);
    }
    path
}

/// Applies the staged lines to a package, and returns those that are to stay staged: the lines that cannot
/// be applied, and those of other packages.
fn apply_lines(
    locked: &Locked,
    place: &Place,
    package: &mut Package,
    dialect: Dialect,
) -> (Committed, Vec<u8>) {
    let mut replay = Replay::new(dialect);
    let mut outcome = Committed::default();
    let mut kept = Vec::new();
    for line in read_lines(&locked.text) {
        let stays = match &line.delta {
            Some((of, delta)) if of == place.name.as_bytes() => {
                let failed = replay.apply(package, delta).is_err();
                outcome.failed += usize::from(failed);
                outcome.applied += usize::from(!failed);
                failed
            }
            Some(_) => true,
            None => false,
        };
        if stays {
            kept.extend_from_slice(&locked.text[line.range]);
        }
    }
    (outcome, kept)
}
