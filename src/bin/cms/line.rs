//! The words of a command line, sorted into a command, its options and its arguments.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use lexopt::Arg;

use crate::failure::Failure;
use crate::spec::{Command, Flag, GLOBAL};
use crate::table::{COMMANDS, find};

/// A command line that was understood.
pub struct Line {
    pub command: Option<&'static Command>,
    pub arguments: Vec<Vec<u8>>,
    flags: Vec<(&'static str, Vec<u8>)>,
}

impl Line {
    /// Parses words. Global options may stand anywhere, those of a command behind its name.
    pub fn parse(words: &[OsString]) -> Result<Self, Failure> {
        let mut line = Self { command: None, arguments: Vec::new(), flags: Vec::new() };
        let mut parser = lexopt::Parser::from_args(words);
        while let Some(arg) = parser.next().map_err(|error| usage(&error))? {
            let flag = match arg {
                Arg::Value(word) => {
                    line.word(word.into_vec())?;
                    continue;
                }
                Arg::Long(name) => line.flag(|flag| flag.long == name).ok_or_else(|| line.unknown(name))?,
                Arg::Short(letter) => match line.flag(|flag| flag.short == Some(letter)) {
                    Some(flag) => flag,
                    // A revision: so many transactions back.
                    None if letter.is_ascii_digit() => {
                        let mut word = format!("-{letter}").into_bytes();
                        word.extend(parser.optional_value().map(OsString::into_vec).unwrap_or_default());
                        line.word(word)?;
                        continue;
                    }
                    None => return Err(line.unknown(&letter.to_string())),
                },
            };
            let value = match flag.value {
                Some(_) => parser.value().map_err(|error| usage(&error))?.into_vec(),
                None => Vec::new(),
            };
            line.flags.push((flag.long, value));
        }
        Ok(line)
    }

    fn word(&mut self, word: Vec<u8>) -> Result<(), Failure> {
        if self.command.is_some() {
            self.arguments.push(word);
            return Ok(());
        }
        let name = String::from_utf8_lossy(&word);
        self.command = find(&name);
        if self.command.is_some() {
            return Ok(());
        }
        let near = nearest(&name, COMMANDS.iter().map(|command| command.name));
        let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        Err(Failure::Usage(format!("no command '{name}'{near}")))
    }

    fn flag(&self, wanted: impl Fn(&Flag) -> bool) -> Option<&'static Flag> {
        let own = self.command.map_or(&[][..], |command| command.flags);
        own.iter().chain(GLOBAL).find(|flag| wanted(flag))
    }

    fn unknown(&self, name: &str) -> Failure {
        let own = self.command.map_or(&[][..], |command| command.flags);
        let near = nearest(name, own.iter().chain(GLOBAL).map(|flag| flag.long));
        let near = near.map(|near| format!("; did you mean '--{near}'?")).unwrap_or_default();
        Failure::Usage(format!("no option '{name}'{near}"))
    }

    /// Reports whether an option was given.
    pub fn has(&self, long: &str) -> bool {
        self.flags.iter().any(|(name, _)| *name == long)
    }

    /// Returns the value of an option; the last one given counts.
    pub fn value(&self, long: &str) -> Option<&[u8]> {
        self.flags.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value.as_slice())
    }

    /// Returns all values of an option that may be given several times.
    pub fn values(&self, long: &str) -> impl Iterator<Item = &[u8]> {
        self.flags.iter().filter(move |(name, _)| *name == long).map(|(_, value)| value.as_slice())
    }

    /// Returns the value of an option as text.
    pub fn text(&self, long: &str) -> Option<String> {
        self.value(long).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Returns the value of an option as a time in seconds.
    pub fn seconds(&self, long: &str) -> Result<Option<Duration>, Failure> {
        let Some(text) = self.text(long) else { return Ok(None) };
        let parsed = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        parsed.map(Some).ok_or_else(|| Failure::Usage(format!("'{text}' is not a number of seconds")))
    }

    /// Takes over the global options of the line this one is part of.
    pub fn inherit(&mut self, outer: &Self) {
        let global = |name: &str| GLOBAL.iter().any(|flag| flag.long == name);
        self.flags.splice(0..0, outer.flags.iter().filter(|(name, _)| global(name)).cloned());
    }

    /// Checks the number of arguments.
    pub fn expect(&self, least: usize, most: usize) -> Result<&[Vec<u8>], Failure> {
        if (least..=most).contains(&self.arguments.len()) {
            return Ok(&self.arguments);
        }
        let command = self.command.map_or(("", ""), |command| (command.name, command.arguments));
        let what = if self.arguments.len() < least { "an argument is missing" } else { "too many arguments" };
        Err(Failure::Usage(format!("{what}: cms {} {}", command.0, command.1)))
    }
}

fn usage(error: &lexopt::Error) -> Failure {
    Failure::Usage(error.to_string())
}

/// Returns the name nearest to a mistyped one, if one is near.
pub fn nearest<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|name| (distance(typed, name), name))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, name)| name)
}

/// The number of letters to change, add or take away to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
