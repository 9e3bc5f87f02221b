//! Completion: finds the words that can come next on a command line.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use cms::Key;

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::{Commands, GLOBAL};

/// Prints the completions of the last of `words`, one a line, for the shells' completion scripts.
pub fn complete_line(commands: Commands, words: &[OsString]) -> Exit {
    let text = candidates(commands, words).join("\n");
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Io,
        _ => Exit::Ok,
    }
}

/// Lists the completions of the last of `words`.
pub fn candidates(commands: Commands, words: &[OsString]) -> Vec<String> {
    let Some((last, before)) = words.split_last() else { return Vec::new() };
    let last = show(last.as_bytes());
    let line = Line::parse(commands, before).ok();
    let command = line.as_ref().and_then(Line::command);
    let takes_command = command.is_none_or(|command| matches!(command.name(), "help" | "man"));
    let all: Vec<String> = if last.starts_with('-') {
        let own = command.map_or_else(Vec::new, |command| command.flags());
        let long = own.iter().map(|flag| flag.long).chain(GLOBAL.iter().map(|flag| flag.text.long));
        long.map(|long| format!("--{long}")).collect()
    } else if takes_command {
        commands.iter().map(|command| command.name().to_owned()).collect()
    } else {
        line.and_then(|line| keys(&line, &last).ok()).unwrap_or_default()
    };
    all.into_iter().filter(|candidate| candidate.starts_with(&last)).collect()
}

/// Lists the keys one level below the complete part of a key.
fn keys(line: &Line, typed: &str) -> Result<Vec<String>, Failure> {
    let mut context = Context::new(&line.global, line.stale())?;
    let Some(dot) = typed.rfind('.') else {
        return Ok(context.store.packages().list()?.into_iter().map(|name| format!("{name}.")).collect());
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
