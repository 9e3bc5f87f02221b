//! Staged changes: the delta files of the save directory, in the format and the directory of stock uci.
//!
//! A program appends to a delta file, or cuts it, under an exclusive lock on the file itself, as stock uci does. A
//! commit writes a journal beside it, `.PACKAGE.commit`, which records how much of the delta file the new package
//! file includes, and the identity of that file. After a crash, the journal shows the next program which changes were
//! committed.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bytes;
use crate::error::warn::Warn;
use crate::error::{Error, Result};
use crate::format::uci::delta_line::{DeltaLine, read_lines};
use crate::model::change::Delta;
use crate::model::digest::of_text;
use crate::model::format_kind::FormatKind;
use crate::os::access::Access;
use crate::os::file_name;
use crate::os::files::{Files, Identity, OpenFile, PAUSES, Wait};
use crate::os::lock::holder_of_file;
use crate::staging::save_dir::SaveDir;

/// The delta file of one package in one directory.
pub(crate) struct Staging<'s> {
    /// These file operations go through the open directory.
    pub files: Files,
    pub save: SaveDir<'s>,
    pub dir: &'s Path,
    pub package: &'s str,
    /// The package file, for the journal to compare with.
    pub target: &'s Path,
    /// How long to wait for the lock. The function runs only if the lock is held by another.
    pub timeout: Box<dyn Fn() -> Duration + 's>,
    /// See [`crate::Options::warn`].
    pub warn: Option<&'s Warn>,
}

/// Computes the new text of the base file from the staged lines and its present text; `None` leaves the file
/// unchanged.
pub(crate) type MakeBases<'m> = dyn Fn(&[u8], &[u8]) -> Result<Option<Vec<u8>>> + 'm;

/// A delta file that is locked and read.
#[derive(Debug)]
pub(crate) struct Locked {
    open: OpenFile,
    pub text: Vec<u8>,
}

/// Reports whether there may be staged lines of a package in a directory, without reading them.
pub(crate) fn may_hold_lines(dir: &Path, package: &Path) -> bool {
    std::fs::metadata(dir.join(package)).is_ok_and(|found| found.len() > 0)
        || journal_of(dir, package.as_os_str()).exists()
}

fn journal_of(dir: &Path, package: &OsStr) -> PathBuf {
    dir.join(file_name::hidden(package, ".commit"))
}

impl Staging<'_> {
    pub fn path(&self) -> PathBuf {
        self.dir.join(self.package)
    }

    /// Returns the format of the package, by the name of its file.
    fn format(&self) -> FormatKind {
        let file = self.target.file_name().unwrap_or_default().as_encoded_bytes();
        match FormatKind::of_file_name(file) {
            Some((name, format)) if name == self.package.as_bytes() => format,
            _ => FormatKind::Uci,
        }
    }

    fn journal_path(&self) -> PathBuf {
        journal_of(self.dir, self.package.as_ref())
    }

    /// Reads the staged lines. A missing file has no lines; a file that this user may not read is another user's, and
    /// counts as missing.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another process keeps it locked, [`Error::Io`] if it cannot be read.
    pub fn lines(&self) -> Result<(Vec<u8>, Vec<DeltaLine>)> {
        let path = self.path();
        let none = || Ok((Vec::new(), Vec::new()));
        if is_missing(&path) {
            return none();
        }
        let open = match self.files.open(&path) {
            Ok(open) => open,
            Err(error) if self.holds_no_own_changes(&error) => return none(),
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

    /// Reports whether a delta file that cannot be opened holds no changes of this user: it was removed, is no
    /// regular file, belongs to another user, or is in a directory that is refused.
    fn holds_no_own_changes(&self, error: &io::Error) -> bool {
        let Ok(found) = std::fs::symlink_metadata(self.path()) else { return true };
        let is_refused = error.kind() == io::ErrorKind::PermissionDenied && !is_denied(error);
        !found.is_file() || is_refused || is_denied(error) && found.uid() != crate::os::trust::user()
    }

    /// Returns the error of committing or dropping the staged changes, if another user has staged them and the
    /// permissions exclude this user.
    pub fn refusal_of_other_user(&self) -> Option<Error> {
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

    /// Opens and locks the delta file, finishes a commit that a crash has interrupted, and reads the file. `None` if it
    /// is missing.
    pub fn lock(&self) -> Result<Option<Locked>> {
        let path = self.path();
        if is_missing(&path) {
            return Ok(None);
        }
        let (is_there, aside) = self.save.is_there()?;
        self.warn_of(aside);
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
        may_hold_lines(self.dir, self.package.as_ref())
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

    /// Locks a delta file; `false` if another file has taken its path.
    fn wait_for(&self, open: &OpenFile) -> Result<bool> {
        match self.files.lock_at_path(open, Instant::now() + (self.timeout)(), PAUSES) {
            Ok(Wait::Held) => Ok(true),
            Ok(Wait::Replaced) => Ok(false),
            Ok(Wait::TimedOut) => Err(self.locked_by_another(open)),
            Err(error) => Err(Error::io("lock", &open.path)(error)),
        }
    }

    /// Turns the lock of a delta file into a shared one, so that others can read the file, until
    /// [`Staging::lock_again`].
    pub fn let_read(&self, locked: &Locked) -> Result<()> {
        let shared = self.files.lock(&locked.open, false, Instant::now() + (self.timeout)());
        shared.map(|_| ()).map_err(Error::io("unlock", &locked.open.path))
    }

    /// Turns the shared lock into an exclusive one again. Returns whether the file is unchanged: the kernel may release
    /// a lock while it converts it.
    pub fn lock_again(&self, locked: &Locked) -> Result<bool> {
        if !self.wait_for(&locked.open)? {
            return Ok(false);
        }
        let text = self.files.read(&locked.open).map_err(Error::io("read", &locked.open.path))?;
        Ok(text == locked.text)
    }

    /// Appends changes: all of them, or none. `bases` computes the base file, which is written first, so that each
    /// line has its base.
    pub fn append(&self, deltas: &[Delta], config_dir: &Path, bases: &MakeBases<'_>) -> Result<()> {
        let mut lines = Vec::new();
        for delta in deltas {
            delta.write_line_of(self.package.as_bytes(), self.format(), &mut lines);
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
            // If a line was written in part, it must not be read as a change.
            let _ = open.file.set_len(before.len() as u64);
            Error::io("stage the change in", &path)(error)
        })
    }

    /// Replaces a delta file that is open to more users than the package. A process that has opened the old file
    /// could read all that is written to it later, whatever its mode. The caller holds the lock of the old file.
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
        self.warn_of(self.save.make(mode)?);
        Ok(())
    }

    /// Warns that another user's directory was renamed.
    fn warn_of(&self, aside: Option<PathBuf>) {
        if let (Some(aside), Some(warn)) = (aside, self.warn) {
            let (dir, aside) = (self.dir.display(), aside.display());
            warn.call(&format!(
                "{dir} did not belong to root and was moved to {aside}; nothing in it was committed"
            ));
        }
    }

    /// Replaces the text of a locked delta file.
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

    /// Cuts a locked delta file down to the lines that the commit kept. If that fails nothing is lost: the next
    /// program reads the journal and finishes it.
    pub fn rewrite_committed(&self, locked: &Locked, kept: &[u8]) -> Result<()> {
        let open = &locked.open;
        self.files.truncate(open, 0).map_err(Error::io("empty", &open.path))?;
        io::Seek::rewind(&mut &open.file).map_err(Error::io("empty", &open.path))?;
        if !kept.is_empty() {
            self.files.write(open, kept).map_err(Error::io("rewrite", &open.path))?;
        }
        // The journal is removed after this. Without the sync, a power cut could remove it first.
        self.files.sync(open).map_err(Error::io("sync", &open.path))?;
        self.cut_bases(kept);
        Ok(())
    }

    /// Appends the staged lines to `.PACKAGE.replaced`, and empties the delta file.
    pub fn set_aside(&self, locked: &Locked) -> Result<()> {
        let path = self.dir.join(file_name::hidden(self.package.as_ref(), ".replaced"));
        let aside = self.files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        io::Seek::seek(&mut &aside.file, io::SeekFrom::End(0)).map_err(Error::io("write", &path))?;
        self.files.write(&aside, &locked.text).map_err(Error::io("write", &path))?;
        self.rewrite(locked, &[])
    }

    /// Writes the journal: once the file `new` with the text `text` has replaced the file `old` (`None`: no file),
    /// all lines of the locked delta file except `kept` are committed. With the journal, the next program can recover
    /// from a crash.
    pub fn write_journal(
        &self,
        locked: &Locked,
        (old, new): (Option<Identity>, &OpenFile),
        text: &[u8],
        kept: &[u8],
    ) -> Result<()> {
        let path = self.journal_path();
        // An identity that no file has.
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

    /// Finishes a commit that a crash has interrupted, or drops its journal if nothing was committed.
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

    /// Returns the text of the delta file without the lines that an interrupted commit has committed.
    fn unconsumed(&self, text: Vec<u8>) -> Vec<u8> {
        match self.journal() {
            Ok(Some(journal)) if journal.committed => journal.rest(&text),
            _ => text,
        }
    }

    /// Reads the journal and finds out whether its commit happened; `None` without a journal. An incomplete journal
    /// belongs to a commit that did not happen.
    fn journal(&self) -> io::Result<Option<Journal>> {
        let text = match self.files.read_at_path(&self.journal_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A directory or a device is no journal of this library.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Vec::new(),
            text => text?,
        };
        Ok(Some(self.decode(&text).unwrap_or_default()))
    }

    fn decode(&self, text: &[u8]) -> Option<Journal> {
        let end = bytes::find(b'\n', text).unwrap_or(text.len());
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
        // If another program has changed the package file since, the displaced file shows that the commit has
        // happened.
        let displaced = || temporary.is_some_and(|temporary| temporary.inode == old.inode);
        // Recovery may have written the text into a third file.
        let is_new = || self.files.read_package(&real).is_ok_and(|text| of_text(&text) == hash);
        let committed = present == Some(new) || (present != Some(old) && (displaced() || is_new()));
        Some(Journal { committed, consumed, taken, kept: text[(end + 1).min(text.len())..].to_vec() })
    }
}

/// Reports whether the system denies access. If this library refuses a directory, the error has no number.
fn is_denied(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::ACCESS.raw_os_error())
}

/// Reports whether there is nothing at a path. Usually nothing is staged; then this is the only system call.
fn is_missing(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err()
}

#[derive(Default)]
struct Journal {
    committed: bool,
    /// How many bytes of the delta file the commit has read.
    consumed: usize,
    /// The hash of these bytes.
    taken: u64,
    /// The lines in these bytes that stay staged.
    kept: Vec<u8>,
}

impl Journal {
    /// Returns the lines that are still staged: those that the commit kept, and those appended since.
    fn rest(&self, text: &[u8]) -> Vec<u8> {
        match text.split_at_checked(self.consumed) {
            Some((taken, after)) if of_text(taken) == self.taken => [&self.kept, after].concat(),
            // The file was cut already; perhaps the crash came before the kept lines were written.
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
