//! Errors, with the data a caller needs to act on them.

pub(crate) mod memory;
pub(crate) mod not_found;
pub(crate) mod parse;
pub mod shown;
pub(crate) mod warn;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// A lock could not be taken in time.
    Locked {
        /// The file that is locked.
        path: PathBuf,
        /// The process that holds it, as far as the system says.
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
    /// A snapshot is older than what is still kept of a package that it had not read before.
    Stale {
        /// The key that was asked for.
        key: String,
    },
    /// The log does not have the transactions since a given one: it does not go back that far, or was begun anew. The
    /// caller has to read the packages again to find the changes.
    TooOld {
        /// The transaction.
        since: u64,
        /// The last transaction, to go on from: a read that starts now sees at least its changes.
        revision: u64,
    },
    /// A limit on the number of open things is reached.
    TooMany {
        /// The things that are counted.
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
        /// Why it could not.
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

impl Damage {
    fn hint(self) -> Option<&'static str> {
        match self {
            Self::Map => Some("rebuild it from the text"),
            Self::Log => Some("check the log to see how much of it is damaged, then repair it"),
            Self::Archive => None,
            Self::Handle => Some("close the store and open it again"),
        }
    }
}

/// The kinds of [`Error`]: one for each that a caller may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are those of `Error`, and what the system says to a call that failed")]
pub enum Code {
    NotFound,
    Invalid,
    Exists,
    Ambiguous,
    Parse,
    Conflict,
    Locked,
    Permission,
    NoSpace,
    Io,
    Full,
    Stale,
    Damaged,
    NotDurable,
    Refused,
    Memory,
}

/// The file, position and key that an [`Error`] is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file.
    pub file: Option<PathBuf>,
    /// Line and column in the file, in bytes, counted from 1; 0 if there is no such position.
    pub line: u32,
    /// See `line`.
    pub column: u32,
    /// The key, name or value.
    pub key: Option<String>,
}

impl Error {
    /// Returns the kind of the failure.
    #[must_use]
    pub fn code(&self) -> Code {
        use io::ErrorKind::{OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match self {
            Self::NotFound { .. } | Self::Missing(_) => Code::NotFound,
            Self::Invalid { .. } => Code::Invalid,
            Self::Exists { .. } => Code::Exists,
            Self::Ambiguous { .. } => Code::Ambiguous,
            Self::Parse(_) => Code::Parse,
            Self::Conflict { .. } => Code::Conflict,
            Self::Locked { .. } => Code::Locked,
            Self::Refused { .. } => Code::Refused,
            Self::OutOfMemory { .. } => Code::Memory,
            Self::SafeMode { .. } => Code::Permission,
            Self::Stale { .. } | Self::TooOld { .. } => Code::Stale,
            Self::Full { .. } | Self::TooMany { .. } => Code::Full,
            Self::Damaged { .. } => Code::Damaged,
            Self::NotDurable { .. } | Self::Unfinished { .. } => Code::NotDurable,
            Self::Io { source, .. } => match source.kind() {
                OutOfMemory => Code::Memory,
                PermissionDenied => Code::Permission,
                StorageFull | QuotaExceeded | ReadOnlyFilesystem => Code::NoSpace,
                _ => Code::Io,
            },
        }
    }

    /// Returns the file, the position in it and the key that the error is about, as far as it has them.
    #[must_use]
    pub fn place(&self) -> Place {
        let file = |file: &PathBuf| Place { file: Some(file.clone()), ..Place::default() };
        let key = |key: &String| Place { key: Some(key.clone()), ..Place::default() };
        match self {
            Self::NotFound { key: name }
            | Self::Exists { key: name }
            | Self::Ambiguous { key: name, .. }
            | Self::Conflict { key: name, .. }
            | Self::Stale { key: name }
            | Self::Invalid { what: name, .. }
            | Self::Full { package: name, .. } => key(name),
            Self::Missing(Missing::Revision { spec: name, .. } | Missing::Snapshot(name)) => key(name),
            Self::Missing(
                Missing::Unlogged { package: name }
                | Missing::Before { package: name, .. }
                | Missing::TooOld { package: name, .. },
            ) => key(name),
            Self::Missing(Missing::ConfigDir(path) | Missing::File(path)) => file(path),
            Self::Missing(_)
            | Self::TooOld { .. }
            | Self::TooMany { .. }
            | Self::Refused { .. }
            | Self::OutOfMemory { .. }
            | Self::SafeMode { .. } => Place::default(),
            Self::Locked { path, .. }
            | Self::Io { path, .. }
            | Self::Damaged { path, .. }
            | Self::NotDurable { path, .. }
            | Self::Unfinished { path, .. } => file(path),
            Self::Parse(error) => {
                let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                let (line, column) = (number(error.line), number(error.column));
                Place { file: error.file.clone(), line, column, key: None }
            }
        }
    }

    /// Makes an [`Error::Invalid`].
    pub(crate) fn invalid(what: &[u8], why: &'static str) -> Self {
        Self::Invalid { what: crate::error::shown::name(what), why }
    }

    /// Makes an [`Error::Io`]; for use with `map_err`.
    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { op, path, source }
    }

    /// Returns advice on how to solve the problem, if there is any. The advice names no command and no function, since
    /// each interface has its own.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Parse(error) => error.reason.hint(),
            Self::Ambiguous { .. } => Some("name one of the sections, or select it by its index"),
            Self::Conflict { .. } => Some("read the package again and repeat the change"),
            Self::Locked { .. } => Some("wait until the holder has finished, or end it if it hangs"),
            Self::Stale { .. } => Some("open a new snapshot"),
            Self::TooOld { .. } => {
                Some("read the packages again, and go on from the revision in this message")
            }
            Self::TooMany { .. } => {
                Some("close those that are no longer needed; the program may have forgotten some")
            }
            Self::Full { .. } => Some("raise the limit, or split the package"),
            Self::OutOfMemory { .. } => Some("end other programs, or split the package"),
            Self::Unfinished { .. } => {
                Some("the next program that opens the store writes the file; do not repeat the change")
            }
            Self::Damaged { what, .. } => what.hint(),
            Self::Missing(missing) => missing.hint(),
            Self::Io { op: "trust", .. } => Some("remove it, or use another directory"),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::OutOfMemory => Some("end other programs, or split the package"),
                io::ErrorKind::PermissionDenied => Some("run as root, or as the user it belongs to"),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("free some space and try again; nothing was lost")
                }
                io::ErrorKind::ReadOnlyFilesystem => Some("remount it read-write, or use another directory"),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Returns the owner of a file, or of the nearest directory above it that can be seen, if a call failed because they
/// belong to another user.
fn owner_in_the_way(path: &Path, source: &io::Error) -> Option<u32> {
    // An error without a number comes from this library, and its text names the fault.
    if source.kind() != io::ErrorKind::PermissionDenied || source.raw_os_error().is_none() {
        return None;
    }
    let found = path.ancestors().find_map(|path| std::fs::symlink_metadata(path).ok())?;
    let owner = std::os::unix::fs::MetadataExt::uid(&found);
    (owner != rustix::process::geteuid().as_raw()).then_some(owner)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { key } => write!(f, "{key}: not found"),
            Self::Missing(missing) => missing.fmt(f),
            Self::Invalid { what, why } => write!(f, "'{what}': {why}"),
            Self::Exists { key } => write!(f, "{key}: the name is in use"),
            Self::Ambiguous { key, matches } => {
                write!(f, "{key}: matches {} sections ({})", matches.len(), matches.join(", "))
            }
            Self::Parse(error) => error.fmt(f),
            Self::Conflict { key, why } => write!(f, "{key}: {why}"),
            Self::Locked { path, holder, waited } => {
                write!(f, "{}: locked by {holder}, waited {} ms", path.display(), waited.as_millis())
            }
            Self::Refused { program, pid, reason } => {
                write!(f, "refused by {program} (process {pid}): {reason}")
            }
            Self::SafeMode { origin } => write!(f, "safe mode: nothing is written ({origin})"),
            Self::Io { op, path, source } => {
                write!(f, "cannot {op} {}: {source}", path.display())?;
                match owner_in_the_way(path, source) {
                    Some(0) => write!(f, "; it belongs to root"),
                    Some(owner) => write!(f, "; it belongs to user {owner}"),
                    None => Ok(()),
                }
            }
            Self::Stale { key } => {
                write!(f, "{key}: the snapshot is older than what is still kept of this package")
            }
            Self::TooOld { since, revision } => {
                write!(
                    f,
                    "the log no longer has the changes since revision {since}; it is at revision {revision} now"
                )
            }
            Self::TooMany { what, limit } => {
                write!(f, "there are {limit} {what} already, which is the limit")
            }
            Self::Full { package, limit, needed } => {
                write!(f, "{package}: the map would take {needed} bytes, {limit} are allowed")
            }
            Self::OutOfMemory { bytes } => write!(f, "out of memory: {bytes} bytes could not be reserved"),
            Self::Damaged { path, why, .. } => write!(f, "{}: {why}", path.display()),
            Self::Unfinished { path, source } => {
                write!(f, "{}: committed, but the file could not be written yet: {source}", path.display())
            }
            Self::NotDurable { path, source } => {
                write!(f, "{}: written, but not safe from a power cut yet: {source}", path.display())
            }
        }
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
            Self::Exists { key } => Self::Exists { key: key.clone() },
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
