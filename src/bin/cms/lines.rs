//! Command lines of a file or of standard input.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;

use cms::Error;
use cms::text::words;
use serde_json::json;

use crate::context::Context;
use crate::dispatch::run_line;
use crate::failure::{Exit, Failure, print_error, print_message};
use crate::input::open_input;
use crate::line::Line;
use crate::progress;
use crate::spec::Commands;

/// Runs the lines of a file up to the first that fails, or all of them. Returns the exit code of the first that fails.
pub fn each_line(
    context: &mut Context,
    file: Option<&Vec<u8>>,
    keep_going: bool,
    mut run: impl FnMut(&mut Context, Vec<Vec<u8>>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let (name, input) = open_input(file)?;
    let mut input = BufReader::new(input);
    let mut number = 0;
    let mut worst = Exit::Ok;
    let mut failures = Vec::new();
    let shows_progress = shows_progress(context, file.is_some());
    loop {
        let (start, read) = (number + 1, next_line(&mut input, &mut number));
        // After an error of the input, nothing more can be read.
        let is_end = read.as_ref().is_err_and(|failure| failure.exit() == Exit::Io);
        if shows_progress {
            progress::lines(start - 1);
        }
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
                progress::end();
                context.report(&failure)?;
                failure.exit()
            }
        };
        failures.push(start);
        if !context.json {
            let so = if context.gathered.is_some() { ", so nothing is changed" } else { "" };
            print_message(&format!("{name}: line {start} failed{so}"));
        }
        if worst == Exit::Ok {
            worst = failed;
        }
        if is_end || !keep_going {
            break;
        }
    }
    progress::end();
    // The exit code is that of the first line that failed.
    context.worst = Exit::Ok;
    if worst != Exit::Ok && context.json {
        print_error(&json!({"batch": {"file": name, "failed": failures}}).to_string());
    }
    Ok(worst)
}

/// Reports whether the progress of the lines is shown: to a person who does not type them.
fn shows_progress(context: &Context, has_file: bool) -> bool {
    let is_typed = !has_file && io::stdin().is_terminal();
    !context.quiet && !context.json && !is_typed && io::stderr().is_terminal()
}

/// The largest size of a logical line, in bytes. It bounds memory, since the input may be endless.
const LONGEST_LINE: u64 = 64 << 20;

/// Returns the failure to read more commands.
fn unreadable(why: impl std::fmt::Display) -> Failure {
    Failure::Other(Exit::Io, format!("cannot read the commands: {why}"))
}

/// Reads the words of one logical line; a quoted word may span several physical lines. `None` at the end.
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
                let why = "one command a line: an unquoted ';' or '#', or an empty word, ends it";
                return Err(Failure::Usage(why.into()));
            }
            Ok(line) => return Ok(Some(line.words)),
            Err(error) => return Err(Error::from(error).into()),
        }
    }
}

/// Parses the words of a line of a batch as a command line.
pub fn parse_words(commands: Commands, words: Vec<Vec<u8>>) -> Result<Line, Failure> {
    let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
    let mut line = Line::parse(commands, &words)?;
    if line.command().is_some_and(|command| matches!(command.name(), "batch" | "shell")) {
        return Err(Failure::Usage("a batch cannot hold another".into()));
    }
    line.check()?;
    Ok(line)
}

/// Runs a command with the global options of the batch and its own.
pub fn run_words(context: &Context, commands: Commands, words: Vec<Vec<u8>>) -> Result<Exit, Failure> {
    if words.is_empty() {
        return Ok(Exit::Ok);
    }
    let mut line = parse_words(commands, words)?;
    line.inherit(&context.global);
    run_line(line)
}
