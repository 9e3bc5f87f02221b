//! Completion: finds out what the last word of a command line is, and lists the words that can stand there.
//!
//! A word that is complete ends with a blank, as the shells insert it; `network.` goes on, and has none.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use crate::argument::show;
use crate::candidate::{self, Kind, Next};
use crate::context::Context;
use crate::failure::Exit;
use crate::line::Line;
use crate::manual;
use crate::spec::{AnyCommand, Commands, FlagText, GLOBAL};

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
    // Behind `--` is the command line of another program.
    if before.iter().any(|word| word == "--") {
        return candidate::files(&last);
    }
    if let Some((line, flag)) = open_option(commands, before) {
        return of_value(&line, &flag, &last);
    }
    let Ok(line) = Line::parse(commands, before) else { return Vec::new() };
    let command = line.command();
    if let Some((name, value)) = last.strip_prefix("--").and_then(|rest| rest.split_once('=')) {
        let flag = flags(command).into_iter().find(|flag| flag.long == name && flag.value.is_some());
        let head = format!("--{name}=");
        let values = flag.map_or_else(Vec::new, |flag| of_value(&line, &flag, value));
        return values.into_iter().map(|value| format!("{head}{value}")).collect();
    }
    if last.starts_with('-') {
        let all = flags(command).into_iter().map(|flag| format!("--{} ", flag.long));
        return all.filter(|flag| flag.starts_with(&last)).collect();
    }
    let Some(command) = command else { return names(commands, &last) };
    let mut all = Vec::new();
    let (arguments, place) = (command.arguments(), line.arguments().len());
    let kinds = kinds(arguments, place);
    // The keys of a package are in the order of its text: shells sort, and there may be thousands.
    let is_sorted = !matches!(kinds[..], [Kind::Key(_) | Kind::Section(_)]);
    for kind in kinds {
        match kind {
            Kind::Command => all.extend(names(commands, &last)),
            Kind::Topic => all.extend(manual::topics().map(|topic| format!("{topic} "))),
            kind => all.extend(of_kind(&line, &kind, &last)),
        }
    }
    all.retain(|candidate| candidate.starts_with(&last));
    if is_sorted {
        all.sort_unstable();
        all.dedup();
    }
    all
}

fn names(commands: Commands, typed: &str) -> Vec<String> {
    let all = commands.iter().map(|command| format!("{} ", command.name()));
    all.filter(|name| name.starts_with(typed)).collect()
}

/// Returns the options of a command, and those of all commands.
fn flags(command: Option<&'static dyn AnyCommand>) -> Vec<FlagText> {
    let own = command.map_or_else(Vec::new, |command| command.flags());
    own.into_iter().chain(GLOBAL.iter().map(|flag| flag.text)).collect()
}

/// Returns the option that waits for its value, if the line ends with one, and the line before it.
fn open_option(commands: Commands, words: &[OsString]) -> Option<(Line, FlagText)> {
    let (option, before) = words.split_last()?;
    let option = option.to_str()?.strip_prefix('-')?;
    let line = Line::parse(commands, before).ok()?;
    let is_named = |flag: &FlagText| match option.strip_prefix('-') {
        Some(long) => flag.long == long,
        None => flag.short.is_some_and(|short| option.ends_with(short)),
    };
    let flag = flags(line.command()).into_iter().find(|flag| flag.value.is_some() && is_named(flag))?;
    Some((line, flag))
}

/// Lists the values of an option.
fn of_value(line: &Line, flag: &FlagText, typed: &str) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| format!("{word} ")).collect();
    let mut all: Vec<String> = match flag.value {
        Some("WHEN") => words(&["auto", "always", "never"]),
        Some("FORMAT") => words(&["uci", "json"]),
        Some(formats) if formats.starts_with("text|") => words(&formats.split('|').collect::<Vec<_>>()),
        Some(value) => kinds(value, 0).iter().flat_map(|kind| of_kind(line, kind, typed)).collect(),
        None => Vec::new(),
    };
    all.retain(|candidate| candidate.starts_with(typed));
    all
}

fn of_kind(line: &Line, kind: &Kind, typed: &str) -> Vec<String> {
    if *kind == Kind::File {
        return candidate::files(typed);
    }
    let found = Context::new(&line.global, line.stale())
        .and_then(|mut context| candidate::list(&mut context, kind, typed, line.arguments()));
    found.unwrap_or_default()
}

/// Returns what the argument at a place can be, from the arguments that help shows: `PACKAGE TYPE [OPTION=VALUE...]`.
fn kinds(arguments: &str, place: usize) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for form in arguments.split(" | ") {
        let words: Vec<&str> = form.split_whitespace().collect();
        let repeats = words.last().is_some_and(|word| word.contains("..."));
        let word = words.get(place).or_else(|| words.last().filter(|_| repeats));
        let alternatives = word.map_or("", |word| word.trim_matches(['[', ']', '.']));
        for alternative in
            alternatives.split(['|', '[']).filter(|one| !one.is_empty() && !one.starts_with('='))
        {
            kinds.extend(kind(alternative));
        }
    }
    // An assignment may also be written as two words; one of the two ways is enough.
    if kinds.contains(&Kind::Key(Next::Value)) {
        kinds.retain(|kind| *kind != Kind::Key(Next::Blank));
    }
    kinds
}

fn kind(word: &str) -> Option<Kind> {
    let (name, next) = match word.find(['=', '+', '-']) {
        Some(at) if at > 0 => (&word[..at], Next::Value),
        _ => (word, Next::Blank),
    };
    Some(match name.trim_end_matches(['.', ']']) {
        ".SECTION" => Kind::Section(Next::Blank),
        "KEY" => Kind::Key(next),
        "SECTION" => Kind::Section(next),
        "PACKAGE" => Kind::Package,
        "TYPE" => Kind::Type,
        "PATTERN" => Kind::Pattern,
        "REVISION" => Kind::Revision,
        "LABEL" => Kind::Label,
        "FILE" | "DIR" => Kind::File,
        "COMMAND" => Kind::Command,
        "TOPIC" => Kind::Topic,
        word if word.starts_with(|c: char| c.is_ascii_lowercase()) => Kind::Word(word.to_owned()),
        _ => return None,
    })
}
