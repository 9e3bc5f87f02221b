//! The words of a command line, sorted into a command, its options and its arguments.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use lexopt::Arg;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::global::Global;
use crate::near::{hint, nearest};
use crate::spec::{AnyCall, AnyCommand, Commands, FlagText, GLOBAL, Scope};

/// A parsed command line.
pub struct Line {
    pub call: Option<Box<dyn AnyCall>>,
    pub global: Global,
    pub arguments: Vec<Vec<u8>>,
    pub commands: Commands,
    /// The options of all commands that this line gives, by their indexes in [`GLOBAL`].
    given: Vec<(usize, Vec<u8>)>,
    /// The first value that is not of its option's type.
    problem: Option<Failure>,
}

/// The option that was found: its index among those of the command, or of all commands.
#[derive(Clone, Copy)]
enum Place {
    Own(usize),
    Global(usize),
}

impl Line {
    /// Parses words. Global options may be anywhere, those of a command after its name.
    pub fn parse(commands: Commands, words: &[OsString]) -> Result<Self, Failure> {
        let (arguments, given) = (Vec::new(), Vec::new());
        let mut line =
            Self { call: None, global: Global::default(), arguments, commands, given, problem: None };
        let mut parser = lexopt::Parser::from_args(words);
        while let Some(arg) = parser.next().map_err(|error| usage(&error))? {
            let found = match arg {
                Arg::Value(word) => {
                    line.word(word.into_vec())?;
                    continue;
                }
                Arg::Long(name) => line.flag(|flag| flag.long == name).ok_or_else(|| line.unknown(name))?,
                Arg::Short(letter) => match line.flag(|flag| flag.short == Some(letter)) {
                    Some(found) => found,
                    // `-3` is an argument: the revision three transactions back.
                    None if letter.is_ascii_digit() => {
                        let mut word = format!("-{letter}").into_bytes();
                        word.extend(parser.optional_value().map(OsString::into_vec).unwrap_or_default());
                        line.word(word)?;
                        continue;
                    }
                    None => return Err(line.unknown(&letter.to_string())),
                },
            };
            let value = match found.1.value {
                Some(_) => parser.value().map_err(|error| usage(&error))?.into_vec(),
                None => Vec::new(),
            };
            line.put(found.0, value);
        }
        Ok(line)
    }

    /// Takes a word that is no option: the name of the command, or an argument.
    fn word(&mut self, word: Vec<u8>) -> Result<(), Failure> {
        if self.call.is_some() {
            self.arguments.push(word);
            return Ok(());
        }
        let name = String::from_utf8_lossy(&word);
        self.call = find(self.commands, &name).map(|command| command.call());
        if self.call.is_some() {
            return Ok(());
        }
        let near = nearest(&name, self.commands.iter().map(|command| command.name()));
        Err(mistyped(format!("no command '{name}'"), near))
    }

    /// Takes an option.
    fn put(&mut self, place: Place, value: Vec<u8>) {
        let put = match (place, &mut self.call) {
            (Place::Own(own), Some(call)) => call.put(own, value),
            (Place::Own(_), None) => Ok(()),
            (Place::Global(global), _) => {
                self.given.push((global, value.clone()));
                GLOBAL[global].put(&mut self.global, value)
            }
        };
        // The error is kept until all options are parsed, since `--json` may follow.
        self.problem = self.problem.take().or(put.err());
    }

    fn own(&self) -> Vec<FlagText> {
        self.command().map_or_else(Vec::new, |command| command.flags())
    }

    fn flag(&self, wanted: impl Fn(&FlagText) -> bool) -> Option<(Place, FlagText)> {
        let own = self.own();
        if let Some(place) = own.iter().position(&wanted) {
            return Some((Place::Own(place), own[place]));
        }
        let place = GLOBAL.iter().position(|flag| wanted(&flag.text))?;
        Some((Place::Global(place), GLOBAL[place].text))
    }

    fn unknown(&self, name: &str) -> Failure {
        let own = self.own();
        let all = own.iter().map(|flag| flag.long).chain(GLOBAL.iter().map(|flag| flag.text.long));
        let near = nearest(name, all).map(|near| format!("--{near}"));
        mistyped(format!("no option '{name}'"), near.as_deref())
    }

    pub fn command(&self) -> Option<&'static dyn AnyCommand> {
        self.call.as_ref().map(|call| call.command())
    }

    pub fn arguments(&self) -> &[Vec<u8>] {
        &self.arguments
    }

    /// Reports whether files are read as they are, without deferred texts.
    pub fn stale(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.stale())
    }

    /// Fails if an option has a value that is not of its type.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.problem.take().map_or(Ok(()), Err)
    }

    /// Returns an option that this line gives and that a transaction has only one of.
    pub fn of_transaction(&self) -> Option<&'static str> {
        let is_given = |place: &usize| self.given.iter().any(|(given, _)| given == place);
        let mut all = (0..GLOBAL.len()).filter(is_given).map(|place| GLOBAL[place].text);
        all.find(|flag| flag.scope == Scope::Transaction).map(|flag| flag.long)
    }

    /// Takes over those global options of the batch that this line does not give itself.
    pub fn inherit(&mut self, outer: &Global) {
        self.global = outer.clone();
        for (place, value) in &self.given {
            // Values of the wrong type were reported when the batch's own line was parsed, so errors are ignored
            // here.
            let _ = GLOBAL[*place].put(&mut self.global, value.clone());
        }
    }

    /// Runs the command.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let call = self.call.ok_or_else(|| Failure::Usage("no command given".into()))?;
        call.run(context, self.arguments, self.commands)
    }
}

fn mistyped(what: String, near: Option<&str>) -> Failure {
    match near {
        Some(near) => Failure::Hinted(Exit::Usage, what, hint(near)),
        None => Failure::Usage(what),
    }
}

fn usage(error: &lexopt::Error) -> Failure {
    Failure::Usage(error.to_string())
}

/// Finds a command by its name or an alias.
pub fn find(commands: Commands, name: &str) -> Option<&'static dyn AnyCommand> {
    let is = |command: &&&dyn AnyCommand| command.name() == name || command.aliases().contains(&name);
    commands.iter().find(is).copied()
}
