//! Staged changes: the delta files of the save directory, in stock uci's format and place.
//!
//! A delta file is only ever appended to, or cut, under an exclusive lock on the file itself, as stock uci
//! does it. While a commit is under way a journal stands beside it, `.PACKAGE.commit`. It says how much of
//! the delta file goes into the new package file, and how to tell whether that file has taken its place.
//! Whoever comes next after a crash can thus tell changes that were committed from those that were not.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::warn::Warn;
use crate::error::{Error, Result};
use crate::format::uci::delta_line::{DeltaLine, read_lines};
use crate::model::change::Delta;
use crate::model::digest::of_text;
use crate::os::access::Access;
use crate::os::file_name;
use crate::os::files::{Files, Identity, OpenFile, PAUSES, Wait};
use crate::os::lock::holder_of_file;
use crate::staging::save_dir::SaveDir;

/// The delta file of one package in one directory.
pub(crate) struct Staging<'s> {
    /// These lead through the open directory.
    pub files: Files,
    pub save: SaveDir<'s>,
    pub dir: &'s Path,
    pub package: &'s str,
    /// The package file, for the journal to compare with.
    pub target: &'s Path,
    /// How long to wait for the lock: asked for only where it is waited for.
    pub timeout: Box<dyn Fn() -> Duration + 's>,
    /// See [`crate::Options::warn`].
    pub warn: Option<&'s Warn>,
}

/// Makes what the base file is to hold of what is staged and what it holds; `None` if that stays as it is.
pub(crate) type MakeBases<'m> = dyn Fn(&[u8], &[u8]) -> Result<Option<Vec<u8>>> + 'm;

/// A delta file that is locked and read.
#[derive(Debug)]
pub(crate) struct Locked {
    open: OpenFile,
    pub text: Vec<u8>,
}

impl Staging<'_> {
    pub fn path(&self) -> PathBuf {
        self.dir.join(self.package)
    }

    fn journal_path(&self) -> PathBuf {
        self.dir.join(file_name::hidden(self.package.as_ref(), ".commit"))
    }

    /// Reads the staged lines. A missing file has none, nor has one that this user may not read: it is another's.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if someone keeps it locked, [`Error::Io`] if it cannot be read.
    pub fn lines(&self) -> Result<(Vec<u8>, Vec<DeltaLine>)> {
        let path = self.path();
        let none = || Ok((Vec::new(), Vec::new()));
        if is_missing(&path) {
            return none();
        }
        let open = match self.files.open(&path) {
            Ok(open) => open,
            Err(error) if self.is_of_nobody_here(&error) => return none(),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        match self.files.lock(&open, false, Instant::now() + (self.timeout)()) {
            Ok(Wait::Held) => {}
            Ok(_) => return Err(self.locked_by_another(&open)),
            Err(error) => return Err(Error::io("lock", &path)(error)),
        }
        let text = self.files.read(&open).map_err(Error::io("read", &path))?;
        let text = self.unconsumed(text);
        let lines = read_lines(&text);
        Ok((text, lines))
    }

    /// Reports whether a delta file that cannot be opened holds nothing that this user has staged: it is gone by now, no
    /// regular file, another user's, or in a directory that does not count.
    fn is_of_nobody_here(&self, error: &io::Error) -> bool {
        let Ok(found) = std::fs::symlink_metadata(self.path()) else { return true };
        let is_refused = error.kind() == io::ErrorKind::PermissionDenied && !is_denied(error);
        !found.is_file() || is_refused || is_denied(error) && found.uid() != crate::os::trust::user()
    }

    /// Returns why this user cannot commit or drop what is staged, if that is because another user has staged it.
    pub fn barred(&self) -> Option<Error> {
        let path = self.path();
        let found =
            std::fs::symlink_metadata(&path).ok().filter(|found| found.is_file() && found.len() > 0)?;
        let error = self.files.open_to_write(&path).err()?;
        (is_denied(&error) && found.uid() != crate::os::trust::user())
            .then(|| Error::io("open", &path)(error))
    }

    fn locked_by_another(&self, open: &OpenFile) -> Error {
        let holder = holder_of_file(open);
        crate::os::caller::explain(Error::Locked {
            path: open.path.clone(),
            holder,
            waited: (self.timeout)(),
        })
    }

    /// Opens and locks the delta file, finishes what a crash has left, and reads it. `None` if there is none.
    pub fn lock(&self) -> Result<Option<Locked>> {
        let path = self.path();
        if is_missing(&path) {
            return Ok(None);
        }
        let (is_there, aside) = self.save.is_there()?;
        self.tell_of(aside);
        // A directory or a device of that name holds no changes.
        if !is_there || !self.files.is_file(&path) {
            return Ok(None);
        }
        let open = self.lock_file(|| self.files.open_to_write(&path))?;
        self.settle(&open)?;
        let text = self.files.read(&open).map_err(Error::io("read", &path))?;
        Ok(Some(Locked { open, text }))
    }

    /// Reports whether there may be staged lines, without reading them.
    pub fn may_hold_lines(&self) -> bool {
        std::fs::metadata(self.path()).is_ok_and(|found| found.len() > 0) || self.journal_path().exists()
    }

    /// Reports whether a crash has interrupted a commit of these changes.
    pub fn has_journal(&self) -> bool {
        self.journal_path().exists()
    }

    /// Opens the delta file and locks it.
    fn lock_file(&self, open: impl Fn() -> io::Result<OpenFile>) -> Result<OpenFile> {
        for _ in 0..100 {
            let open = open().map_err(Error::io("open", self.path()))?;
            if self.wait_for(&open)? {
                return Ok(open);
            }
        }
        let why = "the file of the staged changes is replaced again and again".to_owned();
        Err(Error::Conflict { key: self.package.to_owned(), why })
    }

    /// Locks a delta file; `false` if it is not the one at its path any more.
    fn wait_for(&self, open: &OpenFile) -> Result<bool> {
        match self.files.lock_at_path(open, Instant::now() + (self.timeout)(), PAUSES) {
            Ok(Wait::Held) => Ok(true),
            Ok(Wait::Replaced) => Ok(false),
            Ok(Wait::TimedOut) => Err(self.locked_by_another(open)),
            Err(error) => Err(Error::io("lock", &open.path)(error)),
        }
    }

    /// Lets others read a locked delta file, and nobody write to it, until [`Staging::lock_again`].
    pub fn let_read(&self, locked: &Locked) -> Result<()> {
        let shared = self.files.lock(&locked.open, false, Instant::now() + (self.timeout)());
        shared.map(|_| ()).map_err(Error::io("unlock", &locked.open.path))
    }

    /// Locks a delta file again that others were let read. Returns whether it is as it was: for a moment in between
    /// it may have been nobody's.
    pub fn lock_again(&self, locked: &Locked) -> Result<bool> {
        if !self.wait_for(&locked.open)? {
            return Ok(false);
        }
        let text = self.files.read(&locked.open).map_err(Error::io("read", &locked.open.path))?;
        Ok(text == locked.text)
    }

    /// Appends changes. All of them are staged, or none. `bases` is asked, with what is staged and what the base file
    /// holds, what that is to hold: see `staged_base`. It is written first, so that no line is without its base.
    pub fn append(&self, deltas: &[Delta], config_dir: &Path, bases: &MakeBases<'_>) -> Result<()> {
        let mut lines = Vec::new();
        for delta in deltas {
            delta.write_line(self.package.as_bytes(), &mut lines);
        }
        self.append_lines(lines, config_dir, bases)
    }

    fn append_lines(&self, mut lines: Vec<u8>, config_dir: &Path, bases: &MakeBases<'_>) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.make_dir(config_dir)?;
        let path = self.path();
        let text = std::fs::metadata(config_dir.join(self.package)).ok();
        let mode = text.as_ref().map_or(0o600, |found| found.mode() & 0o777);
        let access = Access::to_staged(text.as_ref());
        let open = self.lock_file(|| self.files.open_or_create(&path, mode))?;
        self.settle(&open)?;
        let before = self.files.read(&open).map_err(Error::io("read", &path))?;
        if let Some(bases) = bases(&before, &self.base_text()?)? {
            self.write_bases(&bases, access)?;
        }
        if before.last().is_some_and(|byte| *byte != b'\n') {
            lines.insert(0, b'\n');
        }
        if access.is_exceeded(&open.file.metadata().map_err(Error::io("read", &path))?) {
            return self.replace(access, &[before, lines].concat());
        }
        self.files.write(&open, &lines).map_err(|error| {
            // What was written of a line that did not fit must not be taken for a change.
            let _ = open.file.set_len(before.len() as u64);
            Error::io("stage the change in", &path)(error)
        })
    }

    /// Puts a new file in place of a delta file that is open to more users than the package: whoever has opened that
    /// before would read what is written to it, whatever mode it gets. For who holds its lock.
    fn replace(&self, access: Access, text: &[u8]) -> Result<()> {
        let path = self.path();
        let failed = Error::io("stage the change in", &path);
        let new = match self.files.create_unique(self.dir, self.package) {
            Ok(new) => new,
            Err(error) => return Err(failed(error)),
        };
        let made = access
            .give(&self.files, &new)
            .and_then(|()| self.files.write(&new, text))
            .and_then(|()| self.files.rename(&new.path, &path));
        made.map_err(|error| {
            let _ = std::fs::remove_file(&new.path);
            failed(error)
        })
    }

    /// Makes the save directory, with the mode of the configuration directory.
    fn make_dir(&self, config_dir: &Path) -> Result<()> {
        let mode = std::fs::metadata(config_dir).map_or(0o700, |found| found.mode() & 0o777);
        self.tell_of(self.save.make(mode)?);
        Ok(())
    }

    /// Warns of what was renamed aside.
    fn tell_of(&self, aside: Option<PathBuf>) {
        if let (Some(aside), Some(warn)) = (aside, self.warn) {
            let (dir, aside) = (self.dir.display(), aside.display());
            warn.tell(&format!(
                "{dir} did not belong to root and was moved to {aside}; nothing in it was committed"
            ));
        }
    }

    /// Replaces what a locked delta file holds.
    pub fn rewrite(&self, locked: &Locked, text: &[u8]) -> Result<()> {
        let open = &locked.open;
        let write = || {
            self.files.truncate(open, 0)?;
            io::Seek::rewind(&mut &open.file)?;
            if text.is_empty() { Ok(()) } else { self.files.write(open, text) }
        };
        write().map_err(|error| {
            let _ = open.file.set_len(0);
            let _ = io::Seek::rewind(&mut &open.file);
            let _ = io::Write::write_all(&mut &open.file, &locked.text);
            Error::io("rewrite", &open.path)(error)
        })?;
        self.cut_bases(text);
        Ok(())
    }

    /// Takes what is in the package file now out of a locked delta file. A failure is no loss: the journal
    /// tells the next one what to do.
    pub fn rewrite_committed(&self, locked: &Locked, kept: &[u8]) -> Result<()> {
        let open = &locked.open;
        self.files.truncate(open, 0).map_err(Error::io("empty", &open.path))?;
        io::Seek::rewind(&mut &open.file).map_err(Error::io("empty", &open.path))?;
        if !kept.is_empty() {
            self.files.write(open, kept).map_err(Error::io("rewrite", &open.path))?;
        }
        // The journal goes after this, and must not go before it.
        self.files.sync(open).map_err(Error::io("sync", &open.path))?;
        self.cut_bases(kept);
        Ok(())
    }

    /// Moves the staged lines into `.PACKAGE.replaced`, behind those set aside before.
    pub fn set_aside(&self, locked: &Locked) -> Result<()> {
        let path = self.dir.join(file_name::hidden(self.package.as_ref(), ".replaced"));
        let aside = self.files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        io::Seek::seek(&mut &aside.file, io::SeekFrom::End(0)).map_err(Error::io("write", &path))?;
        self.files.write(&aside, &locked.text).map_err(Error::io("write", &path))?;
        self.rewrite(locked, &[])
    }

    /// Writes down that the file `new`, of the text `text`, once it stands in place of the file `old` (`None`: of
    /// nothing), holds all of the locked delta file but `kept`. From here on a crash can be recovered from.
    pub fn write_journal(
        &self,
        locked: &Locked,
        (old, new): (Option<Identity>, &OpenFile),
        text: &[u8],
        kept: &[u8],
    ) -> Result<()> {
        let path = self.journal_path();
        // A file that was not there had an identity that none has.
        let old = old.unwrap_or(Identity { inode: 0, size: 0, modified_ns: 0 });
        let write = || -> io::Result<()> {
            let name = new.path.file_name().unwrap_or_default().to_string_lossy();
            let new = Identity::of(&new.file.metadata()?);
            let (consumed, taken) = (locked.text.len(), of_text(&locked.text));
            let (new, old, text) = (words(new), words(old), of_text(text));
            let head = format!("cms-commit 2 {new} {old} {text:x} {taken:x} {consumed} {name}\n");
            let journal = self.files.open_or_create(&path, 0o600)?;
            self.files.truncate(&journal, 0)?;
            self.files.write(&journal, &[head.as_bytes(), kept].concat())?;
            self.files.sync(&journal)?;
            self.files.sync_dir(self.dir)
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&path);
            Error::io("write the commit journal", &path)(error)
        })
    }

    pub fn remove_journal(&self) -> Result<()> {
        let path = self.journal_path();
        match self.files.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
            _ => Ok(()),
        }
    }

    /// Finishes or forgets a commit that a crash has interrupted.
    fn settle(&self, open: &OpenFile) -> Result<()> {
        let journal = self.journal().map_err(Error::io("read", self.journal_path()))?;
        let Some(journal) = journal else { return Ok(()) };
        if journal.committed {
            let text = self.files.read(open).map_err(Error::io("read", &open.path))?;
            let rest = journal.rest(&text);
            let open = open.another().map_err(Error::io("read", &open.path))?;
            self.rewrite_committed(&Locked { open, text }, &rest)?;
        }
        self.remove_journal()?;
        io::Seek::seek(&mut &open.file, io::SeekFrom::End(0))
            .map(|_| ())
            .map_err(Error::io("read", &open.path))
    }

    /// Leaves out what an interrupted commit has taken from the text of the delta file.
    fn unconsumed(&self, text: Vec<u8>) -> Vec<u8> {
        match self.journal() {
            Ok(Some(journal)) if journal.committed => journal.rest(&text),
            _ => text,
        }
    }

    /// Reads the journal and finds out whether its commit came to pass; `None` if there is no journal. Of one that is
    /// not whole the commit did not.
    fn journal(&self) -> io::Result<Option<Journal>> {
        let text = match self.files.read_at_path(&self.journal_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // It is no file, so nobody has written a journal there.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Vec::new(),
            text => text?,
        };
        Ok(Some(self.decode(&text).unwrap_or_default()))
    }

    fn decode(&self, text: &[u8]) -> Option<Journal> {
        let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
        let head = std::str::from_utf8(&text[..end]).ok()?;
        let fields: Vec<&str> = head.split(' ').collect();
        let (["cms-commit", "2"], [rest @ .., hash, taken, consumed, name]) =
            (fields.get(..2)?, fields.get(2..)?)
        else {
            return None;
        };
        let (Some(new), Some(old), Ok(hash), Ok(taken), Ok(consumed)) = (
            identity(rest.get(..3).unwrap_or_default()),
            identity(rest.get(3..).unwrap_or_default()),
            u64::from_str_radix(hash, 16),
            u64::from_str_radix(taken, 16),
            consumed.parse(),
        ) else {
            return None;
        };
        let real = std::fs::canonicalize(self.target).unwrap_or_else(|_| self.target.to_path_buf());
        let present = Identity::at(&real);
        let temporary = real.parent().and_then(|dir| Identity::at(&dir.join(name)));
        // Changed since by someone else: then the commit came to pass if what it displaced is still there.
        let displaced = || temporary.is_some_and(|temporary| temporary.inode == old.inode);
        // Recovery may have had to write the text once more.
        let is_new = || self.files.read_package(&real).is_ok_and(|text| of_text(&text) == hash);
        let committed = present == Some(new) || (present != Some(old) && (displaced() || is_new()));
        Some(Journal { committed, consumed, taken, kept: text[(end + 1).min(text.len())..].to_vec() })
    }
}

/// Reports whether there is nothing at a path, at the cost of one look: mostly nothing is staged. That there is something
/// is not trusted.
/// Reports whether it is the system that denies access, and not a rule of ours about directories.
fn is_denied(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::ACCESS.raw_os_error())
}

fn is_missing(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err()
}

#[derive(Default)]
struct Journal {
    committed: bool,
    /// How much of the delta file went into the commit, and the hash of that.
    consumed: usize,
    taken: u64,
    kept: Vec<u8>,
}

impl Journal {
    /// What is still staged: what the commit kept, and what came after it.
    fn rest(&self, text: &[u8]) -> Vec<u8> {
        match text.split_at_checked(self.consumed) {
            Some((taken, after)) if of_text(taken) == self.taken => [&self.kept, after].concat(),
            // It is cut already, and perhaps what was kept is not written yet.
            _ if self.kept.starts_with(text) => self.kept.clone(),
            _ => text.to_vec(),
        }
    }
}

fn words(identity: Identity) -> String {
    format!("{} {} {}", identity.inode, identity.size, identity.modified_ns)
}

fn identity(words: &[&str]) -> Option<Identity> {
    let [inode, size, modified] = words else { return None };
    Some(Identity {
        inode: inode.parse().ok()?,
        size: size.parse().ok()?,
        modified_ns: modified.parse().ok()?,
    })
}
