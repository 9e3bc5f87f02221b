//! Exit codes, and how a failure is printed.

use std::io::{self, Write};
use std::process::ExitCode;

use cms::Error;
use serde_json::json;

use crate::hint;
use crate::language::message;
use crate::log_file;
use crate::shape::Shape;
use crate::violations::{self, VIOLATION};

/// The exit codes of `cms`. They are documented and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// A key was not found, or files differ.
    NotFound = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Input is not valid: a name, a value, a file.
    Invalid = 3,
    /// Not permitted.
    Permission = 4,
    /// Someone else's change is in the way.
    Conflict = 5,
    /// Input, output or storage failed.
    Io = 6,
    /// Another writer did not finish in time.
    TimeOut = 8,
    /// A program that verifies changes has refused them.
    Refused = 9,
}

/// The meaning of the exit codes.
pub const EXITS: &[(u8, &str)] = &[
    (0, "done"),
    (1, "key not found, or files differ"),
    (2, "the command line is wrong"),
    (3, "invalid input"),
    (4, "not permitted"),
    (5, "conflict with someone else's change"),
    (6, "input, output or storage failed"),
    (8, "waited too long for another writer"),
    (9, "refused by a program that verifies changes"),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Writes a line to standard error. A failure of that cannot be reported, and is ignored.
pub fn print_error(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
    log_file::append(line);
}

/// Writes a message to standard error, in the language of the environment.
pub fn print_message(english: &str) {
    print_error(&format!("cms: {}", message(english)));
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The store refused or failed.
    Engine(Error),
    /// As `Engine`, with a hint that names what was meant.
    Suggested(Error, String),
    /// The command line is wrong.
    Usage(String),
    /// Something else, with its exit code.
    Other(Exit, String),
    /// Something else, with its exit code and a hint on what to do.
    Hinted(Exit, String, String),
    /// The reader of the output has closed it.
    BrokenPipe,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Other(Exit::Io, format!("cannot write the output: {error}")),
        }
    }
}

impl Failure {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Other(exit, _) | Self::Hinted(exit, ..) => *exit,
            Self::BrokenPipe => Exit::Ok,
            Self::Engine(error) | Self::Suggested(error, _) => match error {
                Error::NotFound { .. } | Error::Missing(_) => Exit::NotFound,
                Error::Conflict { .. } => Exit::Conflict,
                Error::Locked { .. } => Exit::TimeOut,
                Error::Refused { .. } => Exit::Refused,
                Error::SafeMode { .. } => Exit::Permission,
                Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                    Exit::Permission
                }
                Error::OutOfMemory { .. }
                | Error::Io { .. }
                | Error::NotDurable { .. }
                | Error::Unfinished { .. } => Exit::Io,
                _ => Exit::Invalid,
            },
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Engine(error) => hint::of(error),
            Self::Usage(_) => Some("see 'cms help'"),
            Self::Hinted(_, _, hint) | Self::Suggested(_, hint) => Some(hint),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            // The message may quote any bytes, line breaks included, and is printed as one line.
            Self::Engine(error) | Self::Suggested(error, _) => cms::shown::text(error.to_string()),
            Self::Usage(text) | Self::Other(_, text) | Self::Hinted(_, text, _) => text.clone(),
            Self::BrokenPipe => String::new(),
        }
    }

    /// Prints the failure to standard error: as text, or as JSON for a program.
    pub fn print(&self, json: bool, color: bool) {
        self.print_hinted(json, color, None);
    }

    /// As [`Failure::print`], with a hint in place of its own.
    pub fn print_hinted(&self, json: bool, color: bool, hint: Option<&str>) {
        if matches!(self, Self::BrokenPipe) {
            return;
        }
        let hint = hint.or_else(|| self.hint());
        if json {
            return print_error(&self.json(hint).to_string());
        }
        let (start, end) = if color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        // One write, so that the lines of two commands do not mix.
        let begin = format!("{start}cms:{end} ");
        let mut text = match self {
            Self::Engine(Error::Schema { violations }) | Self::Suggested(Error::Schema { violations }, _) => {
                violations::all(&begin, violations)
            }
            _ => format!("{begin}{}", cms::shown::lines(message(&self.text()).as_bytes())),
        };
        if let Self::Engine(Error::Parse(error)) = self {
            text.push('\n');
            text.push_str(&error.excerpt());
        }
        if let Some(hint) = hint {
            text.push('\n');
            text.push_str(&cms::shown::lines(message(&format!("hint: {hint}")).as_bytes()));
        }
        print_error(&text);
    }

    /// Returns the failure for a program; see [`ERROR`].
    fn json(&self, hint: Option<&str>) -> serde_json::Value {
        let exit = self.exit();
        let mut object = json!({"code": code(exit), "exit": exit as u8, "message": self.text()});
        if let Self::Engine(error) | Self::Suggested(error, _) = self {
            let place = error.location();
            if let Some(key) = place.key {
                object["key"] = json!(key);
            }
            if let Some(file) = place.file {
                object["file"] = json!(file.display().to_string());
            }
            if place.line != 0 {
                object["line"] = json!(place.line);
            }
            if place.column != 0 {
                object["column"] = json!(place.column);
            }
            if let Error::Schema { violations } = error {
                object["violations"] = violations.iter().map(violations::json_of).collect();
            }
            if let Error::Refused { program, pid, reason } = error {
                (object["program"], object["pid"]) = (json!(program), json!(pid));
                object["reason"] = json!(reason);
            }
        }
        if let Some(hint) = hint {
            object["hint"] = json!(hint);
        }
        json!({"error": object})
    }
}

/// What [`Failure::json`] returns.
pub const ERROR: Shape = Shape::of("error error what failed").using(&[&ERROR_INSIDE]);

/// What happened.
const ERROR_INSIDE: Shape = Shape::named(
    "error",
    "
    code text usage, invalid, not_found, permission, conflict, io, time_out or refused
    exit number the exit code of the command
    message text what failed, and why
    key? text the key it is about
    file? text the file it is about
    line? number the line in that file
    column? number the column in that line
    program? text the verifier that refused the changes
    pid? number its process
    reason? text why it refused them
    violations? [violation] all violations of a schema, for which the changes were refused
    hint? text what to do",
)
.using(&[&VIOLATION]);

fn code(exit: Exit) -> &'static str {
    match exit {
        Exit::Ok => "ok",
        Exit::NotFound => "not_found",
        Exit::Usage => "usage",
        Exit::Invalid => "invalid",
        Exit::Permission => "permission",
        Exit::Conflict => "conflict",
        Exit::Io => "io",
        Exit::TimeOut => "time_out",
        Exit::Refused => "refused",
    }
}
