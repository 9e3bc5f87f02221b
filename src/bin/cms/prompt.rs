//! The line editor of `cms shell`: its prompt, its completion and its history.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use cms::text::words;
use cms::{Error, environment};
use rustix::fs::OFlags;
use rustyline::Editor;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;

use crate::complete::candidates;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::lines::run_words;
use crate::spec::Commands;

/// Runs lines as they are typed, until the input ends.
pub fn interact(context: &mut Context, commands: Commands) -> Result<Exit, Failure> {
    let broken = |error: ReadlineError| Failure::Other(Exit::Io, format!("terminal: {error}"));
    let mut editor: Editor<Completion, FileHistory> = Editor::new().map_err(broken)?;
    editor.set_helper(Some(Completion { commands }));
    let history = History::open();
    if let Some(history) = &history {
        let _ = editor.load_history(&history.path());
    }
    loop {
        let typed = match editor.readline("cms> ") {
            Ok(typed) => typed,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(broken(error)),
        };
        let _ = editor.add_history_entry(typed.as_str());
        let outcome = match words(typed.as_bytes(), usize::MAX) {
            Ok(split) if matches!(split.words.first().map(Vec::as_slice), Some(b"exit" | b"quit")) => break,
            Ok(split) => run_words(context, commands, split.words),
            Err(error) => Err(Error::from(error).into()),
        };
        if let Err(failure) = outcome {
            context.report(&failure)?;
        }
        context.out.flush()?;
    }
    if let Some(history) = &history {
        let _ = editor.save_history(&history.path());
    }
    context.worst = Exit::Ok;
    Ok(Exit::Ok)
}

/// Completes commands, options and keys.
struct Completion {
    commands: Commands,
}

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
        Ok((start, candidates(self.commands, &words)))
    }
}

/// The directory of the history: the user's state directory, if that can be written.
struct History {
    dir: File,
}

impl History {
    /// Opens the directory. `None` if it does not exist, or if other users can write to it or to the file in it: root
    /// may run this with the `HOME` of another user, who could link the file to any other.
    fn open() -> Option<Self> {
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

    /// Returns the path of the file, which leads through the open directory, even if it is renamed meanwhile.
    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}/shell-history", self.dir.as_raw_fd()).into()
    }
}
