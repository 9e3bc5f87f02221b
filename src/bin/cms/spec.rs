//! Defines commands and their options; [`crate::shape`] defines their JSON. An option has a type and a target: the
//! member of the command's `Flags` that its value goes to.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::global::Global;
use crate::shape::Output;

/// How an option is written, and its help.
#[derive(Clone, Copy)]
pub struct FlagText {
    pub long: &'static str,
    pub short: Option<char>,
    /// The name of its value in help; `None` if it takes no value.
    pub value: Option<&'static str>,
    pub help: &'static str,
    pub scope: Scope,
}

/// Whether a line of a batch may have the option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A line may have it: the option concerns one command.
    Command,
    /// Only the batch may have it: the option concerns the transaction, which has one store, one source and one of each
    /// time-out.
    Transaction,
}

/// Which member of `F` an option sets, and the type of its value.
enum Target<F> {
    /// The option has no value; the member says whether it was given.
    Switch(fn(&mut F) -> &mut bool),
    Bytes(fn(&mut F) -> &mut Option<Vec<u8>>),
    Text(fn(&mut F) -> &mut Option<String>),
    Path(fn(&mut F) -> &mut Option<PathBuf>),
    Seconds(fn(&mut F) -> &mut Option<Duration>),
    /// It may be given several times.
    Many(fn(&mut F) -> &mut Vec<Vec<u8>>),
    /// A type of the command's own.
    Parsed(fn(&mut F, &str) -> Result<(), Failure>),
}

/// An option of a command whose options are `F`, or of all commands.
pub struct Flag<F> {
    pub text: FlagText,
    target: Target<F>,
}

impl<F> Flag<F> {
    const fn new(
        long: &'static str,
        value: Option<&'static str>,
        help: &'static str,
        target: Target<F>,
    ) -> Self {
        Self { text: FlagText { long, short: None, value, help, scope: Scope::Command }, target }
    }

    /// Adds a short form, one letter.
    pub const fn short(mut self, letter: char) -> Self {
        self.text.short = Some(letter);
        self
    }

    /// Makes it an option of the transaction.
    const fn of_transaction(mut self) -> Self {
        self.text.scope = Scope::Transaction;
        self
    }

    /// Stores a value in the member that the option names. The last value given counts.
    pub fn put(&self, flags: &mut F, value: Vec<u8>) -> Result<(), Failure> {
        let place = match self.target {
            Target::Switch(target) => Place::Switch(target(flags)),
            Target::Bytes(target) => Place::Bytes(target(flags)),
            Target::Text(target) => Place::Text(target(flags)),
            Target::Path(target) => Place::Path(target(flags)),
            Target::Seconds(target) => Place::Seconds(target(flags)),
            Target::Many(target) => Place::Many(target(flags)),
            Target::Parsed(parse) => return parse(flags, &String::from_utf8_lossy(&value)),
        };
        place.put(value)
    }
}

/// The member of a command's options that a value goes to, independent of the type of the options: so the program has
/// the code that converts values once, and not once for each command.
enum Place<'a> {
    Switch(&'a mut bool),
    Bytes(&'a mut Option<Vec<u8>>),
    Text(&'a mut Option<String>),
    Path(&'a mut Option<PathBuf>),
    Seconds(&'a mut Option<Duration>),
    Many(&'a mut Vec<Vec<u8>>),
}

impl Place<'_> {
    fn put(self, value: Vec<u8>) -> Result<(), Failure> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        match self {
            Self::Switch(place) => *place = true,
            Self::Bytes(place) => *place = Some(value),
            Self::Text(place) => *place = Some(text(&value)),
            Self::Path(place) => *place = Some(PathBuf::from(OsString::from_vec(value))),
            Self::Seconds(place) => *place = Some(seconds_of(&text(&value))?),
            Self::Many(place) => place.push(value),
        }
        Ok(())
    }
}

fn seconds_of(text: &str) -> Result<Duration, Failure> {
    let parsed = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed.ok_or_else(|| Failure::Usage(format!("'{text}' is not a number of seconds")))
}

/// An option without a value.
pub const fn switch<F>(long: &'static str, help: &'static str, target: fn(&mut F) -> &mut bool) -> Flag<F> {
    Flag::new(long, None, help, Target::Switch(target))
}

/// An option whose value need not be UTF-8.
pub const fn bytes<F>(
    long: &'static str,
    value: &'static str,
    help: &'static str,
    target: fn(&mut F) -> &mut Option<Vec<u8>>,
) -> Flag<F> {
    Flag::new(long, Some(value), help, Target::Bytes(target))
}

/// An option whose value is text.
pub const fn text<F>(
    long: &'static str,
    value: &'static str,
    help: &'static str,
    target: fn(&mut F) -> &mut Option<String>,
) -> Flag<F> {
    Flag::new(long, Some(value), help, Target::Text(target))
}

/// An option whose value is a time in seconds.
pub const fn seconds<F>(
    long: &'static str,
    help: &'static str,
    target: fn(&mut F) -> &mut Option<Duration>,
) -> Flag<F> {
    Flag::new(long, Some("SECONDS"), help, Target::Seconds(target))
}

/// An option that may be given several times.
pub const fn many<F>(
    long: &'static str,
    value: &'static str,
    help: &'static str,
    target: fn(&mut F) -> &mut Vec<Vec<u8>>,
) -> Flag<F> {
    Flag::new(long, Some(value), help, Target::Many(target))
}

/// An option whose value has a type of the command's own.
pub const fn parsed<F>(
    long: &'static str,
    value: &'static str,
    help: &'static str,
    parse: fn(&mut F, &str) -> Result<(), Failure>,
) -> Flag<F> {
    Flag::new(long, Some(value), help, Target::Parsed(parse))
}

/// An option whose value is a path.
const fn path(
    long: &'static str,
    value: &'static str,
    help: &'static str,
    target: fn(&mut Global) -> &mut Option<PathBuf>,
) -> Flag<Global> {
    Flag::new(long, Some(value), help, Target::Path(target)).of_transaction()
}

/// A directory of the store.
const fn dir(
    long: &'static str,
    help: &'static str,
    target: fn(&mut Global) -> &mut Option<PathBuf>,
) -> Flag<Global> {
    path(long, "DIR", help, target)
}

/// Options that every command takes, before or behind its name.
pub const GLOBAL: &[Flag<Global>] = &[
    dir("config-dir", "where packages are (CMS_CONFIG_DIR, default /etc/config)", |all| &mut all.config_dir)
        .short('c'),
    dir(
        "save-dir",
        "where changes are staged (CMS_SAVE_DIR, default /tmp/.uci, or /tmp/.uci-UID if not root)",
        |all| &mut all.save_dir,
    )
    .short('t'),
    dir("run-dir", "where locks and maps are (CMS_RUN_DIR, default /run/cms)", |all| &mut all.run_dir),
    dir("state-dir", "where the log is (CMS_STATE_DIR, default /var/lib/cms)", |all| &mut all.state_dir),
    text("message", "TEXT", "the reason, for the history", |all: &mut Global| &mut all.message).short('m'),
    text("source", "NAME", "the name of the program, for the history (default cms)", |all: &mut Global| {
        &mut all.source
    })
    .of_transaction(),
    seconds("lock-timeout", "how long to wait for another writer (default 10)", |all: &mut Global| {
        &mut all.lock_timeout
    })
    .of_transaction(),
    seconds("verify-timeout", "how long a commit waits for its verifiers (default 5)", |all: &mut Global| {
        &mut all.verify_timeout
    })
    .of_transaction(),
    switch("json", "output and errors as JSON", |all| &mut all.json),
    switch("json-lines", "output as one JSON object a line", |all| &mut all.json_lines),
    switch("dry-run", "show what a writing command would do, and do nothing", |all: &mut Global| {
        &mut all.dry_run
    })
    .short('n'),
    switch("quiet", "no messages but errors", |all: &mut Global| &mut all.quiet).short('q'),
    switch("verbose", "say what is read and written, and where (CMS_VERBOSE=1)", |all: &mut Global| {
        &mut all.verbose
    })
    .short('v'),
    path(
        "log-file",
        "FILE",
        "append all messages to a file, with --verbose or without (CMS_LOG_FILE)",
        |all| &mut all.log_file,
    ),
    text("color", "WHEN", "auto, always or never (NO_COLOR is honoured)", |all| &mut all.color),
    switch("no-pager", "print long output as it is (CMS_PAGER, PAGER)", |all: &mut Global| &mut all.no_pager),
    switch("reveal", "print secret values as they are, not stand-ins for them", |all: &mut Global| {
        &mut all.reveal
    }),
    switch("version", "print the version", |all| &mut all.version),
    switch("help", "print help", |all: &mut Global| &mut all.help).short('h'),
];

/// `--commit`, for commands that change packages.
pub const fn commit<F>(target: fn(&mut F) -> &mut bool) -> Flag<F> {
    switch("commit", "commit these changes at once, and nothing else that is staged", target)
}

/// `--with-staged`, for commands that commit changes.
pub const fn with_staged<F>(target: fn(&mut F) -> &mut bool) -> Flag<F> {
    switch("with-staged", "commit the staged changes of these packages as well, before these changes", target)
}

/// `--stale`, for commands that read packages.
pub const fn stale<F>(target: fn(&mut F) -> &mut bool) -> Flag<F> {
    switch("stale", "read the file as it is, even if newer commits are not in it yet", target)
}

/// `--at`, for commands that read packages.
pub const fn at<F>(target: fn(&mut F) -> &mut Option<String>) -> Flag<F> {
    text("at", "REVISION", "as it was: a number, -N, a snapshot, or @{10 min ago}", target)
}

/// The options of commands that print packages of any state.
#[derive(Default)]
pub struct Reading {
    pub at: Option<String>,
    pub stale: bool,
}

/// The changes that a command can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    Nothing,
    /// Something, but not within a batch that is one transaction.
    Alone,
    /// Something, also as part of a transaction.
    InTransactions,
    /// It changes nothing itself, but runs command lines that can.
    ByItsLines,
}

/// The options of a command, with their types.
pub trait FlagValues: Default + 'static {
    /// Reports whether the command only prints the changes that it would make.
    fn only_check(&self) -> bool {
        false
    }

    /// Reports whether the command reads files without deferred texts.
    fn stale(&self) -> bool {
        false
    }

    /// The name of the command if it cannot be part of a transaction with these options, although it can with others.
    fn alone(&self) -> Option<&'static str> {
        None
    }
}

impl FlagValues for () {}

/// A command: a file of `command` defines it, the table lists it.
pub struct Command<F: 'static = ()> {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub arguments: &'static str,
    /// A description, for help and manual page.
    pub summary: &'static str,
    pub flags: &'static [Flag<F>],
    /// Whether it can change something; such a command takes `--dry-run` and is refused in safe mode.
    pub writes: Writes,
    /// Its output with `--json`: nothing, or one of these.
    pub json: &'static [Output],
    pub run: fn(&mut Context, &Call<F>) -> Result<Exit, Failure>,
}

/// The options and arguments that a command was called with.
pub struct Call<F = ()> {
    pub flags: F,
    pub arguments: Vec<Vec<u8>>,
    /// The table, for commands that describe or run other commands.
    pub commands: Commands,
    /// The name and the arguments of the command as help shows them.
    usage: (&'static str, &'static str),
}

impl<F> Call<F> {
    /// Checks the number of arguments.
    pub fn expect(&self, least: usize, most: usize) -> Result<&[Vec<u8>], Failure> {
        if (least..=most).contains(&self.arguments.len()) {
            return Ok(&self.arguments);
        }
        let what = if self.arguments.len() < least { "an argument is missing" } else { "too many arguments" };
        Err(Failure::Usage(format!("{what}: cms {} {}", self.usage.0, self.usage.1)))
    }
}

/// The table of commands, whatever the types of their options.
pub type Commands = &'static [&'static dyn AnyCommand];

/// A command, whatever the types of its options.
pub trait AnyCommand: Sync {
    fn name(&self) -> &'static str;
    fn aliases(&self) -> &'static [&'static str];
    fn arguments(&self) -> &'static str;
    fn summary(&self) -> &'static str;
    fn flags(&self) -> Vec<FlagText>;
    fn writes(&self) -> Writes;
    fn json(&self) -> &'static [Output];
    /// Begins a call. It has no options yet.
    fn call(&'static self) -> Box<dyn AnyCall>;
}

impl<F: FlagValues> AnyCommand for Command<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn arguments(&self) -> &'static str {
        self.arguments
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn flags(&self) -> Vec<FlagText> {
        self.flags.iter().map(|flag| flag.text).collect()
    }

    fn writes(&self) -> Writes {
        self.writes
    }

    fn json(&self) -> &'static [Output] {
        self.json
    }

    fn call(&'static self) -> Box<dyn AnyCall> {
        Box::new(StartedCall { command: self, flags: F::default() })
    }
}

/// A call of a command, whatever the types of its options.
pub trait AnyCall {
    fn command(&self) -> &'static dyn AnyCommand;
    /// Sets an option, by its index among those of the command.
    fn put(&mut self, flag: usize, value: Vec<u8>) -> Result<(), Failure>;
    /// See [`FlagValues::only_check`].
    fn only_check(&self) -> bool;
    /// See [`FlagValues::stale`].
    fn stale(&self) -> bool;
    /// The name of the command if it changes something and cannot be part of a transaction.
    fn alone(&self) -> Option<&'static str>;
    fn run(
        self: Box<Self>,
        context: &mut Context,
        arguments: Vec<Vec<u8>>,
        commands: Commands,
    ) -> Result<Exit, Failure>;
}

struct StartedCall<F: 'static> {
    command: &'static Command<F>,
    flags: F,
}

impl<F: FlagValues> AnyCall for StartedCall<F> {
    fn command(&self) -> &'static dyn AnyCommand {
        self.command
    }

    fn put(&mut self, flag: usize, value: Vec<u8>) -> Result<(), Failure> {
        self.command.flags[flag].put(&mut self.flags, value)
    }

    fn only_check(&self) -> bool {
        self.flags.only_check()
    }

    fn stale(&self) -> bool {
        self.flags.stale()
    }

    fn alone(&self) -> Option<&'static str> {
        match self.command.writes {
            Writes::Nothing | Writes::ByItsLines => None,
            Writes::Alone => Some(self.command.name),
            Writes::InTransactions => self.flags.alone(),
        }
    }

    fn run(
        self: Box<Self>,
        context: &mut Context,
        arguments: Vec<Vec<u8>>,
        commands: Commands,
    ) -> Result<Exit, Failure> {
        let Self { command, flags } = *self;
        let call = Call { flags, arguments, commands, usage: (command.name, command.arguments) };
        // A command with an empty `arguments` takes none.
        if command.arguments.is_empty() {
            call.expect(0, 0)?;
        }
        (command.run)(context, &call)
    }
}
