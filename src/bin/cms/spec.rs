//! What a command is, and what an option is.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::line::Line;

/// An option of a command, or of all.
#[derive(Clone, Copy)]
pub struct Flag {
    pub long: &'static str,
    pub short: Option<char>,
    /// What its value is called; `None` if it has none.
    pub value: Option<&'static str>,
    pub help: &'static str,
    pub scope: Scope,
}

/// What an option is about, where commands are lines of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The command it is given to.
    Command,
    /// Which store is meant, who changes it, and how long is waited: a transaction has one of each.
    Transaction,
}

/// A command.
pub struct Command {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub arguments: &'static str,
    pub summary: &'static str,
    pub flags: &'static [Flag],
    /// Whether it can change something; such a command takes `--dry-run` and is refused in safe mode.
    pub writes: bool,
    pub run: fn(&mut Context, &Line) -> Result<Exit, Failure>,
}

pub const fn flag(long: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value: None, help, scope: Scope::Command }
}

pub const fn short(long: &'static str, short: char, help: &'static str) -> Flag {
    Flag { long, short: Some(short), value: None, help, scope: Scope::Command }
}

pub const fn valued(
    long: &'static str,
    short: Option<char>,
    value: &'static str,
    help: &'static str,
) -> Flag {
    Flag { long, short, value: Some(value), help, scope: Scope::Command }
}

const fn of_transaction(flag: Flag) -> Flag {
    Flag { scope: Scope::Transaction, ..flag }
}

/// Options that every command takes, before or behind its name.
pub const GLOBAL: &[Flag] = &[
    of_transaction(valued(
        "config-dir",
        Some('c'),
        "DIR",
        "where packages are (CMS_CONFIG_DIR, default /etc/config)",
    )),
    of_transaction(valued(
        "save-dir",
        Some('t'),
        "DIR",
        "where changes are staged (CMS_SAVE_DIR, default /tmp/.uci, or /tmp/.uci-UID if not root)",
    )),
    of_transaction(valued(
        "run-dir",
        None,
        "DIR",
        "where locks and maps are (CMS_RUN_DIR, default /run/cms)",
    )),
    of_transaction(valued(
        "state-dir",
        None,
        "DIR",
        "where the log is to be (CMS_STATE_DIR, default /var/lib/cms)",
    )),
    valued("message", Some('m'), "TEXT", "why, for the history of changes"),
    of_transaction(valued(
        "source",
        None,
        "NAME",
        "what changes are made through, for the history (default cms)",
    )),
    of_transaction(valued(
        "lock-timeout",
        None,
        "SECONDS",
        "how long to wait for another writer (default 10)",
    )),
    of_transaction(valued(
        "verify-timeout",
        None,
        "SECONDS",
        "how long to wait for those who verify a commit (default 5)",
    )),
    flag("json", "output and errors as JSON"),
    flag("json-lines", "output as one JSON object a line"),
    short("dry-run", 'n', "show what a writing command would do, and do nothing"),
    short("quiet", 'q', "no messages but errors"),
    short("verbose", 'v', "more messages"),
    valued("color", None, "WHEN", "auto, always or never (NO_COLOR is honoured)"),
    flag("version", "print the version"),
    short("help", 'h', "print help"),
];

pub const COMMIT: Flag = flag("commit", "commit these changes at once, and nothing else that is staged");
pub const WITH_STAGED: Flag =
    flag("with-staged", "commit what is staged for these packages as well, before these changes");
pub const STALE: Flag =
    flag("stale", "read the file as it is, also where newer commits are still to be put there");
pub const AT: Flag = valued("at", None, "REVISION", "as it was: a number, -N, a snapshot, or @{10 min ago}");
