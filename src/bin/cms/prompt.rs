//! What the line editor of `cms shell` needs.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use cms::environment;
use rustix::fs::OFlags;
use rustyline::completion::Completer;

/// Completes commands, options and keys.
pub struct Completion;

impl rustyline::Helper for Completion {}
impl rustyline::highlight::Highlighter for Completion {}
impl rustyline::hint::Hinter for Completion {
    type Hint = String;
}
impl rustyline::validate::Validator for Completion {}

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let start = line[..at].rfind(' ').map_or(0, |space| space + 1);
        let words: Vec<_> =
            line[..start].split_whitespace().chain([&line[start..at]]).map(Into::into).collect();
        Ok((start, crate::complete::candidates(&words)))
    }
}

/// The directory of the history: the user's state directory, if that can be written.
pub struct History {
    dir: File,
}

impl History {
    /// Opens the directory. `None` where there is none, or where it or the file in it is not the user's alone:
    /// root may run this with the `HOME` of somebody else, who could lead the file anywhere.
    pub fn open() -> Option<Self> {
        let named = |name| environment::variable(name).map(PathBuf::from);
        let base = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
        let path = base.join("cms");
        DirBuilder::new().recursive(true).mode(0o700).create(&path).ok()?;
        let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
        let dir = OpenOptions::new().read(true).custom_flags(flags).open(&path).ok()?;
        let user = rustix::process::geteuid().as_raw();
        let is_ours = |found: &Metadata| found.uid() == user && found.mode() & 0o002 == 0;
        let history = Self { dir };
        let usable = match std::fs::symlink_metadata(history.path()) {
            Ok(file) => file.is_file() && file.nlink() == 1 && is_ours(&file),
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        (usable && history.dir.metadata().is_ok_and(|dir| is_ours(&dir))).then_some(history)
    }

    /// Returns the path of the file, which leads through the open directory whatever is renamed meanwhile.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}/shell-history", self.dir.as_raw_fd()).into()
    }
}
