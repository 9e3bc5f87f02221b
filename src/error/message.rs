//! Messages of errors, and hints.

use std::fmt;
use std::io;
use std::path::Path;

use super::{Damage, Error};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { key } => write!(f, "{key}: not found"),
            Self::Missing(missing) => missing.fmt(f),
            Self::Invalid { what, why } => write!(f, "'{what}': {why}"),
            Self::NotPossible { why } => f.write_str(why),
            Self::Type { key, text, value_type } => {
                write!(f, "{key}: '{text}' is no value of type {value_type}")
            }
            Self::Range { key, text } => {
                write!(f, "{key}: {text} is not between -9223372036854775808 and 9223372036854775807")
            }
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
            Self::Schema { violations } => super::violation::summary(violations, f),
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

/// Returns the owner of a file, or of the nearest directory above it that this user can read, if a call failed
/// because they belong to another user.
fn owner_in_the_way(path: &Path, source: &io::Error) -> Option<u32> {
    // An error without a number comes from this library, and its text names the fault.
    if source.kind() != io::ErrorKind::PermissionDenied || source.raw_os_error().is_none() {
        return None;
    }
    let found = path.ancestors().find_map(|path| std::fs::symlink_metadata(path).ok())?;
    let owner = std::os::unix::fs::MetadataExt::uid(&found);
    (owner != rustix::process::geteuid().as_raw()).then_some(owner)
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

impl Error {
    /// Returns advice on how to solve the problem, if there is any. The advice names no command and no function, since
    /// each interface has its own.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Parse(error) => error.hint(),
            Self::Type { .. } => {
                Some("give a value of that type, or ask for another one, as with --type string")
            }
            Self::Ambiguous { .. } => Some("name one of the sections, or select it by its index"),
            Self::Conflict { .. } => Some("read the package again and repeat the change"),
            Self::Locked { .. } => Some("wait until the holder has finished, or end it if it hangs"),
            Self::Schema { .. } => {
                Some("correct the values, or change the schema; a forced commit is made all the same")
            }
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
