//! The copy of a text that an editor works on, and the editor.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use cms::Error;
use cms::environment::variable;

use crate::failure::{Exit, Failure};
use crate::signals::KeysLeft;

/// The editors that are tried if none is set, the first one that there is.
const FALLBACKS: &[&str] = &["editor", "vi", "nano"];

/// The name of the file that holds the text which a copy was made from.
const BASE: &str = ".cms-base";

/// How many names are tried for the directory of a copy.
const NAMES: u32 = 1000;

/// A copy of a text, in a directory that only this user can enter. It stays there until [`WorkingCopy::remove`] is called: an
/// editor or a terminal that dies loses nothing.
pub struct WorkingCopy {
    dir: PathBuf,
    pub path: PathBuf,
}

impl WorkingCopy {
    /// Makes a copy with the name of its package.
    pub fn make(package: &str, text: &[u8]) -> Result<Self, Failure> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Failure::from(Error::Io { op: "make a copy in", path, source })
        };
        let parent = parent();
        let (user, process) = (rustix::process::geteuid().as_raw(), std::process::id());
        for number in 0..NAMES {
            let dir = parent.join(format!("{}{process}-{number}", begin(user)));
            // A name that exists, even as a link, is refused by the system, so the directory is new.
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(&parent)(error)),
            }
            let copy = Self { path: dir.join(package), dir };
            copy.create(text).map_err(failed(&copy.path))?;
            return Ok(copy);
        }
        Err(failed(&parent)(ErrorKind::AlreadyExists.into()))
    }

    fn create(&self, text: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        file.write_all(text)?;
        file.sync_all()
    }

    /// Reads what the editor has saved.
    pub fn read(&self) -> Result<Vec<u8>, Failure> {
        let failed = |source| Error::Io { op: "read", path: self.path.clone(), source };
        Ok(cms::named_file::read(&self.path, cms::MAX_TEXT, b"").map_err(failed)?)
    }

    /// Replaces the text, for the next round of the editor.
    pub fn write(&self, text: &[u8]) -> Result<(), Failure> {
        self.write_to(&self.path, text)
    }

    /// Keeps the text that the copy was made from, so that an edit that goes on later knows what others have changed.
    pub fn keep_base(&self, text: &[u8]) -> Result<(), Failure> {
        self.write_to(&self.dir.join(BASE), text)
    }

    fn write_to(&self, path: &Path, text: &[u8]) -> Result<(), Failure> {
        let failed = |source| Error::Io { op: "write", path: path.to_owned(), source };
        let new = self.dir.join(".cms-new");
        let _ = std::fs::remove_file(&new);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
        let written = written.and_then(|mut file: File| file.write_all(text).and_then(|()| file.sync_all()));
        Ok(written.and_then(|()| std::fs::rename(&new, path)).map_err(failed)?)
    }

    /// Removes the copy, and what the editor has left beside it.
    pub fn remove(self) {
        // A copy that cannot be removed harms nobody; it is in a directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn parent() -> PathBuf {
    variable("TMPDIR").map_or_else(|| "/tmp".into(), PathBuf::from)
}

fn begin(user: u32) -> String {
    format!("cms-edit-{user}-")
}

/// Returns the copies of a package that earlier edits of this user have left.
pub fn left_copies(package: &str) -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let begin = begin(user);
    let Ok(entries) = std::fs::read_dir(parent()) else { return Vec::new() };
    let is_left = |dir: &PathBuf| {
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let process = name.strip_prefix(&begin).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        let is_ours = std::fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir() && found.uid() == user);
        is_ours && process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists())
    };
    let dirs = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_left);
    let mut left: Vec<PathBuf> = dirs.map(|dir| dir.join(package)).filter(|path| path.is_file()).collect();
    left.sort();
    left
}

/// Returns the text that a copy was made from, which an earlier edit has left.
pub fn base_of(copy: &Path) -> Option<Vec<u8>> {
    std::fs::read(copy.parent()?.join(BASE)).ok()
}

/// Removes a copy that an earlier edit has left, once it is committed. Any other file stays.
pub fn remove_left(package: &str, copy: &Path) {
    let is_left = || left_copies(package).iter().any(|left| left == copy);
    if let Some(dir) = copy.parent().filter(|_| is_left()) {
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// Runs the editor on a file and waits until it ends.
pub fn edit(file: &Path) -> Result<ExitStatus, Failure> {
    let editor = editor()?;
    let mut command = command(&editor);
    command.arg(file);
    // Ctrl-C is a key of many editors.
    let _keys = KeysLeft::new()?;
    command.status().map_err(|error| {
        Failure::Other(Exit::Io, format!("the editor '{}' cannot be run: {error}", editor.to_string_lossy()))
    })
}

/// Makes the command of an editor, which may hold options, quotes and variables as well. A shell is left out where none
/// is needed: it would end by Ctrl-C, which is for the editor.
fn command(editor: &OsStr) -> Command {
    let bytes = editor.as_bytes();
    let mut words =
        bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(OsStr::from_bytes);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@% \t".contains(byte);
    match words.next().filter(|_| bytes.iter().all(is_plain)) {
        Some(program) => {
            let mut command = Command::new(program);
            command.args(words);
            command
        }
        None => {
            let mut script = editor.to_owned();
            script.push(" \"$@\"");
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(script).arg(editor);
            shell
        }
    }
}

/// Returns the editor that is set, or the first one that there is.
fn editor() -> Result<OsString, Failure> {
    if let Some(editor) = variable("VISUAL").or_else(|| variable("EDITOR")) {
        return Ok(editor);
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let hint = "set EDITOR to a command that needs none, or use 'cms apply'".to_owned();
        return Err(Failure::Hinted(Exit::Io, "there is no terminal for an editor".to_owned(), hint));
    }
    let path = variable("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let is_there = |name: &&&str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    let found = FALLBACKS.iter().find(is_there).map(|name| OsStr::new(*name).to_owned());
    found.ok_or_else(|| {
        let hint = "set VISUAL or EDITOR to the command of your editor".to_owned();
        Failure::Hinted(Exit::Io, "there is no editor: neither vi nor nano is installed".to_owned(), hint)
    })
}
