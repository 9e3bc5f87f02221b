//! The one table of commands and options. Usage, help, completion and man pages all come from it.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::line::Line;
use super::{
    archive, audit, batch, bisect, check, confirm, docs, history, maps, meta, policy, read, stage, status,
    transfer, undo, verify, watch, write,
};

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

const fn flag(long: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value: None, help, scope: Scope::Command }
}

const fn short(long: &'static str, short: char, help: &'static str) -> Flag {
    Flag { long, short: Some(short), value: None, help, scope: Scope::Command }
}

const fn valued(long: &'static str, short: Option<char>, value: &'static str, help: &'static str) -> Flag {
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

const COMMIT: Flag = flag("commit", "commit these changes at once, and nothing else that is staged");
const WITH_STAGED: Flag =
    flag("with-staged", "commit what is staged for these packages as well, before these changes");
const STALE: Flag =
    flag("stale", "read the file as it is, also where newer commits are still to be put there");
const AT: Flag = valued("at", None, "REVISION", "as it was: a number, -N, a snapshot, or @{10 min ago}");

/// All commands, in the order a newcomer meets them.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        aliases: &[],
        arguments: "KEY...",
        summary: "print values",
        flags: &[
            valued("default", None, "VALUE", "print this for a key that is not there"),
            flag("sh", "print NAME='value' lines that are safe to eval"),
            short("null", '0', "end each value with a NUL byte"),
            valued("delimiter", Some('d'), "TEXT", "what to put between list items (default: a space)"),
            AT,
            STALE,
        ],
        writes: false,
        run: read::get,
    },
    Command {
        name: "set",
        aliases: &[],
        arguments: "KEY=VALUE... | KEY VALUE",
        summary: "stage values; PACKAGE.SECTION=TYPE makes a section",
        flags: &[
            flag("stdin", "read the value from standard input"),
            valued("from-file", None, "FILE", "read the value from a file"),
            COMMIT,
            WITH_STAGED,
        ],
        writes: true,
        run: write::set,
    },
    Command {
        name: "add",
        aliases: &[],
        arguments: "PACKAGE TYPE [OPTION=VALUE...]",
        summary: "stage a new anonymous section and print its name",
        flags: &[COMMIT, WITH_STAGED],
        writes: true,
        run: write::add,
    },
    Command {
        name: "add_list",
        aliases: &["add-list"],
        arguments: "KEY=VALUE...",
        summary: "stage new list items",
        flags: &[COMMIT, WITH_STAGED],
        writes: true,
        run: write::add_list,
    },
    Command {
        name: "del_list",
        aliases: &["del-list"],
        arguments: "KEY=VALUE...",
        summary: "stage the removal of list items by value",
        flags: &[COMMIT, WITH_STAGED],
        writes: true,
        run: write::del_list,
    },
    Command {
        name: "delete",
        aliases: &["del"],
        arguments: "KEY[=VALUE|=INDEX]...",
        summary: "stage the deletion of options, sections or list items; with VALUE only if that is the value",
        flags: &[COMMIT, WITH_STAGED],
        writes: true,
        run: write::delete,
    },
    Command {
        name: "rename",
        aliases: &["ren"],
        arguments: "KEY=NAME...",
        summary: "stage a new name of a section or an option",
        flags: &[COMMIT, WITH_STAGED],
        writes: true,
        run: write::rename,
    },
    Command {
        name: "reorder",
        aliases: &[],
        arguments: "SECTION=POSITION...",
        summary: "stage a new position of a section, counted from 0",
        flags: &[COMMIT, WITH_STAGED],
        writes: true,
        run: write::reorder,
    },
    Command {
        name: "ensure",
        aliases: &[],
        arguments: "KEY=VALUE...",
        summary: "set and commit what is not so already; says whether anything changed",
        flags: &[
            flag("check", "change nothing, only say what would change"),
            flag("no-commit", "stage only"),
            WITH_STAGED,
            flag("diff", "show the difference"),
        ],
        writes: true,
        run: write::ensure,
    },
    Command {
        name: "changes",
        aliases: &[],
        arguments: "[PACKAGE...]",
        summary: "list staged changes",
        flags: &[],
        writes: false,
        run: stage::changes,
    },
    Command {
        name: "diff",
        aliases: &[],
        arguments: "[PACKAGE...] | FILE FILE | REVISION REVISION [PACKAGE...]",
        summary: "compare staged with committed, two files or two revisions; exits 1 if they differ",
        flags: &[flag("keys", "compare keys and values, not lines")],
        writes: false,
        run: stage::diff,
    },
    Command {
        name: "commit",
        aliases: &[],
        arguments: "[PACKAGE...]",
        summary: "write staged changes into the files, comments kept",
        flags: &[
            valued("confirm", None, "TIME", "take it back unless it is confirmed in time, for example 5min"),
            valued("then", None, "COMMAND", "run it after the commit; if it fails, the commit is taken back"),
            valued("on-rollback", None, "COMMAND", "have the guard run it once the commit was taken back"),
            flag("check", "only check that it can be done; says who would refuse it, and who would be told"),
            flag("canonical", "rewrite the file in canonical form; comments are lost"),
            flag("force", "commit even if others have changed the same keys since they were staged"),
        ],
        writes: true,
        run: stage::commit,
    },
    Command {
        name: "revert",
        aliases: &[],
        arguments: "[KEY...]",
        summary: "drop staged changes",
        flags: &[],
        writes: true,
        run: stage::revert,
    },
    Command {
        name: "show",
        aliases: &[],
        arguments: "[KEY...]",
        summary: "print packages, sections or options as KEY='value'",
        flags: &[short("real-names", 'X', "print generated names instead of @type[index]"), AT, STALE],
        writes: false,
        run: read::show,
    },
    Command {
        name: "list",
        aliases: &["ls"],
        arguments: "[PACKAGE[.SECTION]]",
        summary: "list packages, sections or options",
        flags: &[STALE],
        writes: false,
        run: read::list,
    },
    Command {
        name: "search",
        aliases: &[],
        arguments: "PATTERN [PACKAGE...]",
        summary: "find keys and values; prints FILE:LINE",
        flags: &[
            flag("glob", "PATTERN is a shell pattern"),
            flag("regex", "PATTERN is a regular expression"),
            short("ignore-case", 'i', "ignore case"),
            flag("keys", "look at keys only"),
            flag("values", "look at values only"),
        ],
        writes: false,
        run: check::search,
    },
    Command {
        name: "export",
        aliases: &[],
        arguments: "[PACKAGE...]",
        summary: "print packages as text to import elsewhere",
        flags: &[valued("format", None, "FORMAT", "uci (default) or json")],
        writes: false,
        run: transfer::export,
    },
    Command {
        name: "import",
        aliases: &[],
        arguments: "[PACKAGE] [FILE]",
        summary: "replace packages by text from a file (a name with '.' or '/') or standard input",
        flags: &[
            valued("format", None, "FORMAT", "uci or json (default: by the content)"),
            flag("merge", "stage the text on top of what is there instead"),
            COMMIT,
            WITH_STAGED,
        ],
        writes: true,
        run: transfer::import,
    },
    Command {
        name: "validate",
        aliases: &["check"],
        arguments: "[PACKAGE|FILE...]",
        summary: "check the syntax, all errors at once",
        flags: &[],
        writes: false,
        run: check::validate,
    },
    Command {
        name: "fmt",
        aliases: &[],
        arguments: "[PACKAGE|FILE...]",
        summary: "tidy indentation and quoting; comments stay",
        flags: &[flag("check", "change nothing; exit 1 if something would change")],
        writes: true,
        run: check::fmt,
    },
    Command {
        name: "batch",
        aliases: &["txn", "transaction"],
        arguments: "[FILE]",
        summary: "run the commands of a file or standard input, and commit all they change, or nothing",
        flags: &[
            flag("no-transaction", "run each line for itself, up to the first that fails; 'commit' commits"),
            flag("keep-going", "the same, but report failures and go on"),
        ],
        writes: false,
        run: batch::batch,
    },
    Command {
        name: "shell",
        aliases: &[],
        arguments: "",
        summary: "run commands interactively",
        flags: &[],
        writes: false,
        run: batch::shell,
    },
    Command {
        name: "history",
        aliases: &["log"],
        arguments: "[KEY]",
        summary: "list the transactions that changed the store, a package, a section or an option",
        flags: &[valued("number", None, "N", "no more than so many, the newest")],
        writes: false,
        run: history::history,
    },
    Command {
        name: "watch",
        aliases: &[],
        arguments: "[PATTERN...]",
        summary: "tell of changes as they are committed: of network, network.lan, *.lan.ipaddr",
        flags: &[
            valued("since", None, "REVISION", "begin behind this revision, and miss nothing"),
            valued("exec", None, "COMMAND", "run it for each change, told by CMS_KEY, CMS_OLD, CMS_NEW, ..."),
            valued("count", None, "N", "end after so many transactions"),
            valued("timeout", None, "SECONDS", "end once nothing has happened for so long, with exit code 8"),
        ],
        writes: false,
        run: watch::watch,
    },
    Command {
        name: "run",
        aliases: &[],
        arguments: "-- PROGRAM [WORD...]",
        summary: "run a program, and send it a signal or restart it when something has changed",
        flags: &[
            valued(
                "watch",
                None,
                "PATTERN",
                "what it is to be told of (default: everything); again for more",
            ),
            valued("signal", None, "NAME", "the signal that tells it (default HUP)"),
            flag("restart", "end it and start it anew instead"),
            valued("env", None, "PATTERN", "values to put in its environment, as 'get --sh' names them"),
        ],
        writes: false,
        run: watch::run,
    },
    Command {
        name: "verify",
        aliases: &[],
        arguments: "PATTERN -- COMMAND [WORD...]",
        summary: "have a command decide on changes before they are made; its standard error says why not",
        flags: &[valued("timeout", None, "SECONDS", "how long the command may take (default 4)")],
        writes: false,
        run: verify::verify,
    },
    Command {
        name: "blame",
        aliases: &[],
        arguments: "PACKAGE",
        summary: "print a package, each line with the last transaction that wrote it",
        flags: &[],
        writes: false,
        run: history::blame,
    },
    Command {
        name: "undo",
        aliases: &[],
        arguments: "[REVISION]",
        summary: "take a transaction back, the last one if none is named; later changes stay",
        flags: &[],
        writes: true,
        run: undo::undo,
    },
    Command {
        name: "rollback",
        aliases: &[],
        arguments: "REVISION|LABEL|FILE [PACKAGE...]",
        summary: "bring packages exactly to what they were",
        flags: &[
            flag("merge", "only set what was set then; what has come since stays"),
            flag("from-file", "what is named is a file, also without a '/' in its name"),
        ],
        writes: true,
        run: undo::rollback,
    },
    Command {
        name: "bisect",
        aliases: &[],
        arguments: "-- COMMAND [ARGUMENT...]",
        summary: "find the transaction after which a command fails",
        flags: &[
            valued("good", None, "REVISION", "where it works (default: the oldest)"),
            valued("bad", None, "REVISION", "where it fails (default: the newest)"),
        ],
        writes: false,
        run: bisect::bisect,
    },
    Command {
        name: "snapshot",
        aliases: &[],
        arguments: "[LABEL]",
        summary: "keep the committed state of all packages under a label",
        flags: &[flag("delete", "delete the snapshots of these labels")],
        writes: true,
        run: archive::snapshot,
    },
    Command {
        name: "snapshots",
        aliases: &["list-snapshots"],
        arguments: "",
        summary: "list snapshots: time, revision, size, source, kind, name",
        flags: &[],
        writes: false,
        run: archive::snapshots,
    },
    Command {
        name: "backup",
        aliases: &[],
        arguments: "FILE",
        summary: "write the committed state of all packages into a file, or to standard output (-)",
        flags: &[],
        writes: true,
        run: archive::backup,
    },
    Command {
        name: "restore",
        aliases: &[],
        arguments: "FILE",
        summary: "bring all packages to what a backup or snapshot file holds",
        flags: &[],
        writes: true,
        run: archive::restore,
    },
    Command {
        name: "confirm",
        aliases: &[],
        arguments: "[REVISION]",
        summary: "confirm a commit made with --confirm",
        flags: &[
            flag("wait", "stand guard until it is confirmed or taken back; exits 1 if it was taken back"),
            valued("on-rollback", None, "COMMAND", "with --wait: run it once the commit was taken back"),
            flag("enforce", "only take back what was not confirmed in time; for boot scripts"),
        ],
        writes: true,
        run: confirm::confirm,
    },
    Command {
        name: "pending",
        aliases: &[],
        arguments: "",
        summary: "show the commit that waits to be confirmed; exits 1 if there is none",
        flags: &[],
        writes: false,
        run: confirm::pending,
    },
    Command {
        name: "audit",
        aliases: &[],
        arguments: "verify",
        summary: "check that no record of the log was changed, taken out or put in",
        flags: &[],
        writes: false,
        run: audit::audit,
    },
    Command {
        name: "repair",
        aliases: &[],
        arguments: "",
        summary: "mend a damaged log, and bring packages with errors back to their newest text without",
        flags: &[],
        writes: true,
        run: audit::repair,
    },
    Command {
        name: "memory",
        aliases: &[],
        arguments: "[PACKAGE...]",
        summary: "show how much memory the maps take that programs read from",
        flags: &[],
        writes: false,
        run: maps::memory,
    },
    Command {
        name: "check-map",
        aliases: &[],
        arguments: "[PACKAGE...]",
        summary: "verify every byte of the maps; exit status 3 if one is damaged",
        flags: &[],
        writes: false,
        run: maps::check_map,
    },
    Command {
        name: "rebuild",
        aliases: &[],
        arguments: "[PACKAGE...]",
        summary: "make the maps anew from the text: all, or those named",
        flags: &[],
        writes: true,
        run: maps::rebuild,
    },
    Command {
        name: "status",
        aliases: &[],
        arguments: "",
        summary: "say whether directories, log and packages are in order; exit status 3 if not",
        flags: &[],
        writes: false,
        run: status::status,
    },
    Command {
        name: "paths",
        aliases: &[],
        arguments: "",
        summary: "print what is read and written where, and why",
        flags: &[],
        writes: false,
        run: meta::paths,
    },
    Command {
        name: "policy",
        aliases: &[],
        arguments: "",
        summary: "print what counts for this store: each setting, its value and where that comes from",
        flags: &[],
        writes: false,
        run: policy::policy,
    },
    Command {
        name: "completion",
        aliases: &[],
        arguments: "bash|zsh|fish",
        summary: "print a completion script",
        flags: &[],
        writes: false,
        run: docs::completion,
    },
    Command {
        name: "man",
        aliases: &[],
        arguments: "[COMMAND] | DIR",
        summary: "print a manual page, or write all into a directory",
        flags: &[flag("all", "write all pages into DIR")],
        writes: false,
        run: docs::man,
    },
    Command {
        name: "help",
        aliases: &[],
        arguments: "[COMMAND]",
        summary: "print help",
        flags: &[],
        writes: false,
        run: docs::help,
    },
    Command {
        name: "version",
        aliases: &[],
        arguments: "",
        summary: "print the version",
        flags: &[],
        writes: false,
        run: meta::version,
    },
];

/// Finds a command by its name or an alias.
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name || command.aliases.contains(&name))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_commands_and_no_option_two_things() {
        let mut names: Vec<&str> =
            COMMANDS.iter().flat_map(|c| c.aliases.iter().chain([&c.name])).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for command in COMMANDS {
            let mut flags: Vec<&str> = command.flags.iter().chain(GLOBAL).map(|flag| flag.long).collect();
            let count = flags.len();
            flags.sort_unstable();
            flags.dedup();
            assert_eq!(flags.len(), count, "{}", command.name);
            let mut letters: Vec<char> =
                command.flags.iter().chain(GLOBAL).filter_map(|flag| flag.short).collect();
            let count = letters.len();
            letters.sort_unstable();
            letters.dedup();
            assert_eq!(letters.len(), count, "{}", command.name);
        }
    }

    #[test]
    fn a_mistyped_command_suggests_the_nearest_one() {
        let names = || COMMANDS.iter().map(|command| command.name);
        assert_eq!(nearest("comit", names()), Some("commit"));
        assert_eq!(nearest("xyzzy", names()), None);
    }
}
