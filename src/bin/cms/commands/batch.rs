//! `batch`, `shell` and completion: command lines that come from elsewhere.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use cms::text::words;
use cms::{Error, Key};
use serde_json::json;

use super::context::{Context, Found, find, open_input, show};
use super::failure::{Exit, Failure, tell};
use super::line::Line;
use super::table::{COMMANDS, GLOBAL};

pub fn batch(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let (name, input) = open_input(line.expect(0, 1)?.first())?;
    let mut input = BufReader::new(input);
    let mut number = 0;
    let mut worst = Exit::Ok;
    let mut failures = Vec::new();
    loop {
        let (start, read) = (number + 1, next_line(&mut input, &mut number));
        let outcome = match read {
            Ok(None) => break,
            Ok(Some(words)) => run_words(line, words),
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
            tell(&format!("cms: {name}: line {start} failed"));
        }
        if worst == Exit::Ok {
            worst = failed;
        }
        if !line.has("keep-going") {
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

/// Reads the words of one logical line, as many physical ones as its quotes want. `None` at the end.
pub fn next_line(input: &mut impl BufRead, number: &mut usize) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    let mut text = Vec::new();
    loop {
        let read = input
            .read_until(b'\n', &mut text)
            .map_err(|error| Failure::Other(Exit::Io, format!("cannot read the commands: {error}")))?;
        *number += usize::from(read > 0);
        if text.is_empty() {
            return Ok(None);
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

/// Runs a command of a batch with the global options of the batch, and those of its own.
fn run_words(outer: &Line, words: Vec<Vec<u8>>) -> Result<Exit, Failure> {
    if words.is_empty() {
        return Ok(Exit::Ok);
    }
    let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
    let mut line = Line::parse(&words)?;
    line.inherit(outer);
    if line.command.is_some_and(|command| matches!(command.name, "batch" | "shell")) {
        return Err(Failure::Usage("a batch cannot hold another".into()));
    }
    super::run_line(&line)
}

#[cfg(not(feature = "shell"))]
pub fn shell(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    context.note("this cms was built without line editing");
    batch(context, line)
}

#[cfg(feature = "shell")]
pub fn shell(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    use rustyline::error::ReadlineError;
    use std::io::IsTerminal;
    if !io::stdin().is_terminal() {
        return batch(context, line);
    }
    let broken = |error: ReadlineError| Failure::Other(Exit::Io, format!("terminal: {error}"));
    let mut editor: rustyline::Editor<prompt::Completion, rustyline::history::FileHistory> =
        rustyline::Editor::new().map_err(broken)?;
    editor.set_helper(Some(prompt::Completion));
    let history = prompt::history_file();
    if let Some(file) = &history {
        let _ = editor.load_history(file);
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
    if let Some(file) = &history {
        let _ = editor.save_history(file);
    }
    context.worst = Exit::Ok;
    Ok(Exit::Ok)
}

#[cfg(feature = "shell")]
mod prompt {
    //! What the line editor of `cms shell` needs.

    use std::path::PathBuf;

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

    /// Where the history is kept: in the user's state directory, if that can be written.
    pub fn history_file() -> Option<PathBuf> {
        let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
        let dir = base.join("cms");
        std::fs::create_dir_all(&dir).ok()?;
        Some(dir.join("shell-history"))
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
