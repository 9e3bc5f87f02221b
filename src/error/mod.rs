//! Errors, with the data a caller needs to act on them.

mod code;
mod location;
pub(crate) mod memory;
mod message;
pub(crate) mod not_found;
pub(crate) mod parse;
pub mod shown;
pub(crate) mod violation;
pub(crate) mod warn;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use code::Code;
pub use location::Location;
pub use violation::{Rule, Violation};

use crate::error::not_found::Missing;
use crate::error::parse::ParseError;

/// The result of a fallible call of this library.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. Nothing was changed unless the variant says otherwise.
#[non_exhaustive]
#[derive(Debug)]
pub enum Error {
    /// The package, section or option does not exist.
    NotFound {
        /// The key or path that was looked up.
        key: String,
    },
    /// Something other than a key does not exist: a directory, a revision, a snapshot.
    Missing(Missing),
    /// A name, type, value, key or argument is not allowed.
    Invalid {
        /// The offending text.
        what: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// The text is no value of the type that the option has, or that was asked for.
    Type {
        /// The key.
        key: String,
        /// The text.
        text: String,
        /// The name of the type.
        value_type: &'static str,
    },
    /// The result is a whole number that does not fit into 64 bits.
    Range {
        /// The key.
        key: String,
        /// The number, or the sum that would give it.
        text: String,
    },
    /// The name is taken.
    Exists {
        /// The key that exists already.
        key: String,
    },
    /// A selector by value matches more than one section.
    Ambiguous {
        /// The selector as given.
        key: String,
        /// The names of the sections it matches.
        matches: Vec<String>,
    },
    /// Configuration text could not be read.
    Parse(Box<ParseError>),
    /// Another transaction changed the same keys, or other programs kept changing the package while it was being
    /// written.
    Conflict {
        /// The package or key in conflict.
        key: String,
        /// The reason.
        why: String,
    },
    /// What was asked for cannot be done now, whatever the names and values are.
    NotPossible {
        /// What cannot be done, and why.
        why: String,
    },
    /// A lock could not be taken in time.
    Locked {
        /// The file that is locked.
        path: PathBuf,
        /// The process that holds it, as far as the system tells.
        holder: String,
        /// How long the call has waited.
        waited: Duration,
    },
    /// A verifier has refused the transaction: see [`crate::Store::verify`].
    Refused {
        /// The program of the verifier.
        program: String,
        /// The number of its process.
        pid: u32,
        /// The reason that it gave.
        reason: String,
    },
    /// The transaction breaks the schema of a package: all violations that it makes, at least one.
    Schema {
        /// The violations, in the order of their places.
        violations: Vec<Violation>,
    },
    /// The store is in safe mode, in which nothing is written: see [`crate::Settings::safe_mode`].
    SafeMode {
        /// The origin of the setting: a variable of the environment, or file and line of the policy.
        origin: String,
    },
    /// A system call failed.
    Io {
        /// The operation that failed, for example "rename".
        op: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A snapshot is older than all kept states of a package that it had not read before.
    Stale {
        /// The key that was asked for.
        key: String,
    },
    /// The log does not have the transactions since a given one: it does not go back that far, or was begun anew. The
    /// caller has to read the packages again to find the changes.
    TooOld {
        /// The transaction.
        since: u64,
        /// The last transaction, from which to continue: a read that starts now sees at least its changes.
        revision: u64,
    },
    /// A limit on the number of open handles is reached.
    TooMany {
        /// The kind of handle that is limited.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The map of a package would exceed its size limit.
    Full {
        /// The package.
        package: String,
        /// How many bytes a map may have.
        limit: u64,
        /// How many it would need.
        needed: u64,
    },
    /// There is not enough memory.
    OutOfMemory {
        /// How many bytes were requested.
        bytes: usize,
    },
    /// A file is damaged, or of another version.
    Damaged {
        /// The kind of file.
        what: Damage,
        /// The file.
        path: PathBuf,
        /// The damage.
        why: String,
    },
    /// The transaction is in the log, and so it is committed; but its text could not be put in place. The next process
    /// that opens the store does that.
    Unfinished {
        /// The file.
        path: PathBuf,
        /// Why the text could not be put in place.
        source: Box<Error>,
    },
    /// The new file is in place, but the system could not promise that it survives a power cut.
    NotDurable {
        /// The file that was written.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// The kind of file that is damaged, which decides how it can be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The map of a package. It can be rebuilt from the text, so nothing is lost.
    Map,
    /// A segment of the log.
    Log,
    /// A snapshot or a backup.
    Archive,
    /// Not a file: after a failed sync this process no longer knows which transactions are durable.
    Handle,
}

impl Error {
    /// Makes an [`Error::Invalid`].
    pub(crate) fn invalid(what: &[u8], why: &'static str) -> Self {
        Self::Invalid { what: crate::error::shown::name(what), why }
    }

    /// Makes an [`Error::Io`]; for use with `map_err`.
    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { op, path, source }
    }
}

impl Error {
    /// Copies the error, so that each member of a group gets one.
    pub(crate) fn again(&self) -> Self {
        let system = |error: &io::Error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        match self {
            Self::SafeMode { origin } => Self::SafeMode { origin: origin.clone() },
            Self::NotFound { key } => Self::NotFound { key: key.clone() },
            Self::Missing(missing) => Self::Missing(missing.clone()),
            Self::Invalid { what, why } => Self::Invalid { what: what.clone(), why },
            Self::NotPossible { why } => Self::NotPossible { why: why.clone() },
            Self::Range { key, text } => Self::Range { key: key.clone(), text: text.clone() },
            Self::Exists { key } => Self::Exists { key: key.clone() },
            Self::Type { key, text, value_type } => {
                Self::Type { key: key.clone(), text: text.clone(), value_type }
            }
            Self::Ambiguous { key, matches } => {
                Self::Ambiguous { key: key.clone(), matches: matches.clone() }
            }
            Self::Parse(error) => Self::Parse(error.clone()),
            Self::Conflict { key, why } => Self::Conflict { key: key.clone(), why: why.clone() },
            Self::Locked { path, holder, waited } => {
                Self::Locked { path: path.clone(), holder: holder.clone(), waited: *waited }
            }
            Self::Refused { program, pid, reason } => {
                Self::Refused { program: program.clone(), pid: *pid, reason: reason.clone() }
            }
            Self::Schema { violations } => Self::Schema { violations: violations.clone() },
            Self::Io { op, path, source } => Self::Io { op, path: path.clone(), source: system(source) },
            Self::Stale { key } => Self::Stale { key: key.clone() },
            Self::TooOld { since, revision } => Self::TooOld { since: *since, revision: *revision },
            Self::TooMany { what, limit } => Self::TooMany { what, limit: *limit },
            Self::Full { package, limit, needed } => {
                Self::Full { package: package.clone(), limit: *limit, needed: *needed }
            }
            Self::OutOfMemory { bytes } => Self::OutOfMemory { bytes: *bytes },
            Self::Damaged { what, path, why } => {
                Self::Damaged { what: *what, path: path.clone(), why: why.clone() }
            }
            Self::Unfinished { path, source } => {
                Self::Unfinished { path: path.clone(), source: Box::new(source.again()) }
            }
            Self::NotDurable { path, source } => {
                Self::NotDurable { path: path.clone(), source: system(source) }
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NotDurable { source, .. } => Some(source),
            Self::Parse(error) => Some(error),
            Self::Unfinished { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::Parse(Box::new(error))
    }
}
