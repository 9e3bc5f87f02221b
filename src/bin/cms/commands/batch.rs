//! `batch`, `shell` and completion: command lines that come from elsewhere. A batch is one transaction unless told
//! otherwise: see [`super::gather`].

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use cms::text::words;
use cms::{Error, Key};
use serde_json::json;

use super::context::{Context, Found, find, open_input, show};
use super::failure::{Exit, Failure, tell};
use super::gather::Gathered;
use super::line::Line;
use super::table::{COMMANDS, GLOBAL};

pub fn batch(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("no-transaction") || line.has("keep-going") {
        return each_line(context, line, |_, words| run_words(line, words));
    }
    context.gathered = Some(Gathered::new(context.dry_run));
    let exit = each_line(context, line, |context, words| gather_words(context, line, words));
    let gathered = context.gathered.take().unwrap_or_default();
    match exit {
        Ok(Exit::Ok) => gathered.commit(context),
        // Whoever read the output may well be gone, but must not believe that it is done.
        Err(Failure::BrokenPipe) if !gathered.is_empty() => {
            Err(Failure::Other(Exit::Io, "nobody reads the output any more, so nothing is changed".into()))
        }
        exit => exit,
    }
}

/// Runs lines up to the first that fails, or all of them. Returns the exit code of the first that fails.
fn each_line(
    context: &mut Context,
    line: &Line,
    mut run: impl FnMut(&mut Context, Vec<Vec<u8>>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let (name, input) = open_input(line.expect(0, 1)?.first())?;
    let mut input = BufReader::new(input);
    let mut number = 0;
    let mut worst = Exit::Ok;
    let mut failures = Vec::new();
    loop {
        let (start, read) = (number + 1, next_line(&mut input, &mut number));
        // What cannot be read has no next line.
        let is_end = read.as_ref().is_err_and(|failure| failure.exit() == Exit::Io);
        let outcome = match read {
            Ok(None) => break,
            Ok(Some(words)) => run(context, words),
            Err(failure) => Err(failure),
        };
        let failed = match outcome {
            Ok(Exit::Ok) => continue,
            Ok(exit) => exit,
            Err(Failure::BrokenPipe) => return Err(Failure::BrokenPipe),
            Err(failure) => {
                context.report(&failure)?;
                failure.exit()
            }
        };
        failures.push(start);
        if !context.json {
            let so = if context.gathered.is_some() { ", so nothing is changed" } else { "" };
            tell(&format!("cms: {name}: line {start} failed{so}"));
        }
        if worst == Exit::Ok {
            worst = failed;
        }
        if is_end || !line.has("keep-going") {
            break;
        }
    }
    // The first failing line decides, whatever the last one did.
    context.worst = Exit::Ok;
    if worst != Exit::Ok && context.json {
        tell(&json!({"batch": {"file": name, "failed": failures}}).to_string());
    }
    Ok(worst)
}

/// How many bytes one logical line has at most; the input need not end.
const LONGEST_LINE: u64 = 64 << 20;

/// Says that the commands cannot be read any further.
fn unreadable(why: impl std::fmt::Display) -> Failure {
    Failure::Other(Exit::Io, format!("cannot read the commands: {why}"))
}

/// Reads the words of one logical line, as many physical ones as its quotes want. `None` at the end.
fn next_line(input: &mut impl BufRead, number: &mut usize) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    let mut text = Vec::new();
    loop {
        let left = (LONGEST_LINE + 1).saturating_sub(text.len() as u64);
        let read = (&mut *input).take(left).read_until(b'\n', &mut text).map_err(unreadable)?;
        *number += usize::from(read > 0);
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() as u64 > LONGEST_LINE {
            return Err(unreadable("a line has more than 64 MiB"));
        }
        match words(&text, usize::MAX) {
            Ok(line) if line.incomplete && read > 0 => {}
            Err(error) if error.is_unterminated() && read > 0 => {}
            Ok(line) if line.rest => {
                let why =
                    "one command a line; a ';', '#' or empty word ends it, unless quoted as part of a word";
                return Err(Failure::Usage(why.into()));
            }
            Ok(line) => return Ok(Some(line.words)),
            Err(error) => return Err(Error::from(error).into()),
        }
    }
}

/// Makes a command line of the words of a line of a batch.
fn parse_words(words: Vec<Vec<u8>>) -> Result<Line, Failure> {
    let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
    let line = Line::parse(&words)?;
    if line.command.is_some_and(|command| matches!(command.name, "batch" | "shell")) {
        return Err(Failure::Usage("a batch cannot hold another".into()));
    }
    Ok(line)
}

/// Runs a command with the global options of the batch, and those of its own.
fn run_words(outer: &Line, words: Vec<Vec<u8>>) -> Result<Exit, Failure> {
    if words.is_empty() {
        return Ok(Exit::Ok);
    }
    let mut line = parse_words(words)?;
    line.inherit(outer);
    super::run_line(&line)
}

/// As [`run_words`], as part of a transaction: the command sees what those before it have changed, and what it changes
/// is gathered.
fn gather_words(context: &mut Context, outer: &Line, words: Vec<Vec<u8>>) -> Result<Exit, Failure> {
    if words.is_empty() {
        return Ok(Exit::Ok);
    }
    let mut line = parse_words(words)?;
    if let Some(gathered) = &mut context.gathered {
        gathered.admit(&line)?;
    }
    line.inherit(outer);
    let mut inner = Context::with(context.store.clone(), &line)?;
    inner.gathered = context.gathered.take();
    let exit = super::dispatch(&mut inner, &line).and_then(|exit| Ok(inner.out.flush().map(|()| exit)?));
    context.gathered = inner.gathered.take();
    exit
}

#[cfg(not(feature = "shell"))]
pub fn shell(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    context.note("this cms was built without line editing");
    each_line(context, line, |_, words| run_words(line, words))
}

#[cfg(feature = "shell")]
pub fn shell(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    use rustyline::error::ReadlineError;
    use std::io::IsTerminal;
    if !io::stdin().is_terminal() {
        return each_line(context, line, |_, words| run_words(line, words));
    }
    let broken = |error: ReadlineError| Failure::Other(Exit::Io, format!("terminal: {error}"));
    let mut editor: rustyline::Editor<prompt::Completion, rustyline::history::FileHistory> =
        rustyline::Editor::new().map_err(broken)?;
    editor.set_helper(Some(prompt::Completion));
    let history = prompt::History::open();
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
            Ok(split) => run_words(line, split.words),
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

#[cfg(feature = "shell")]
mod prompt {
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
            Ok((start, super::candidates(&words)))
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
}

/// Prints what the last of `words` may become, one candidate a line, for the shells' completion scripts.
pub fn complete_line(words: &[OsString]) -> Exit {
    let text = candidates(words).join("\n");
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Io,
        _ => Exit::Ok,
    }
}

/// Lists what the last of `words` may become.
fn candidates(words: &[OsString]) -> Vec<String> {
    let Some((last, before)) = words.split_last() else { return Vec::new() };
    let last = show(last.as_bytes());
    let line = Line::parse(before).ok();
    let command = line.as_ref().and_then(|line| line.command);
    let takes_command = command.is_none_or(|command| matches!(command.name, "help" | "man"));
    let all: Vec<String> = if last.starts_with('-') {
        let own = command.map_or(&[][..], |command| command.flags);
        own.iter().chain(GLOBAL).map(|flag| format!("--{}", flag.long)).collect()
    } else if takes_command {
        COMMANDS.iter().map(|command| command.name.to_owned()).collect()
    } else {
        line.and_then(|line| keys(&line, &last).ok()).unwrap_or_default()
    };
    all.into_iter().filter(|candidate| candidate.starts_with(&last)).collect()
}

/// Lists the keys one level below the part of a key that is complete.
fn keys(line: &Line, typed: &str) -> Result<Vec<String>, Failure> {
    let mut context = Context::new(line)?;
    let Some(dot) = typed.rfind('.') else {
        return Ok(context.store.packages()?.into_iter().map(|name| format!("{name}.")).collect());
    };
    let key = Key::parse(&typed.as_bytes()[..dot])?;
    let stem = &typed[..=dot];
    let package = &context.load(&key.package)?.package;
    Ok(match find(package, &key)? {
        Found::Package(package) => package.sections().map(|s| format!("{stem}{}", show(s.name()))).collect(),
        Found::Section(section) => section.options().map(|o| format!("{stem}{}", show(o.name()))).collect(),
        Found::Option(..) => Vec::new(),
    })
}
