//! The errors for directories, revisions, snapshots and commits that do not exist, each with the reason.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something other than a key that was looked up and does not exist.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The directory that packages are in.
    ConfigDir(PathBuf),
    /// A directory for the log.
    Log,
    /// A directory for locks, maps, and the leases of watches and verifiers.
    RunDir,
    /// A revision, as it was written.
    Revision {
        /// The text that was written.
        spec: String,
        /// Why there is no such revision.
        why: String,
    },
    /// A package of which the log has no record.
    Unlogged {
        /// The package.
        package: String,
    },
    /// A package that came later than the revision.
    Before {
        /// The package.
        package: String,
        /// The revision.
        revision: u64,
    },
    /// A revision of a package that is not kept any more.
    TooOld {
        /// The package.
        package: String,
        /// The revision.
        revision: u64,
    },
    /// A transaction.
    Transaction(u64),
    /// A transaction of the request with this id.
    Request(String),
    /// A transaction that could be undone.
    ToUndo,
    /// An undone transaction that could be made again.
    ToRedo,
    /// A snapshot of this label.
    Snapshot(String),
    /// A backup file.
    File(PathBuf),
    /// A commit that waits to be confirmed.
    Pending {
        /// The transaction that was asked for, if one was.
        asked: Option<u64>,
        /// The one that waits, if one does.
        waiting: Option<u64>,
    },
}

impl Missing {
    /// Returns the error for a missing configuration directory, if it is missing.
    pub(crate) fn config_dir(path: &Path) -> Option<Self> {
        let missing =
            std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        missing.then(|| Self::ConfigDir(path.to_owned()))
    }
}

impl Missing {
    /// Returns advice on how to solve the problem, if there is any.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::ConfigDir(_) => Some("create it, or name another configuration directory"),
            Self::Log => Some("name a state directory that can be written"),
            Self::RunDir => Some("name a run directory that can be written"),
            Self::Revision { .. } => Some(
                "a revision is a number, -N, @{10 min ago}, @{2026-11-21 08:02} or the label of a snapshot",
            ),
            Self::Unlogged { .. } => Some("see the list of packages"),
            Self::Before { .. } => Some("see the history of the package"),
            Self::TooOld { .. } => Some(
                "see the history for the revisions that are kept; raise the size of the log to keep more",
            ),
            Self::Transaction(_) => Some("see the history for the transactions that are kept"),
            Self::Snapshot(_) => Some("see the list of snapshots"),
            Self::Pending { asked: Some(_), waiting: Some(_) } => {
                Some("see which transaction waits to be confirmed")
            }
            Self::Request(_) | Self::ToUndo | Self::ToRedo | Self::File(_) | Self::Pending { .. } => None,
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigDir(path) => write!(f, "{}: no such configuration directory", path.display()),
            Self::Log => write!(f, "there is no log, since no state directory can be written"),
            Self::RunDir => write!(f, "no run directory can be used"),
            Self::Revision { spec, why } => write!(f, "revision {spec}: {why}"),
            Self::Unlogged { package } => write!(f, "{package}: the log has no transaction of this package"),
            Self::Before { package, revision } => {
                write!(f, "{package}: the package did not exist at revision {revision}")
            }
            Self::TooOld { package, revision } => {
                write!(f, "{package}: the log does not go back to revision {revision}")
            }
            Self::Transaction(sequence) => write!(f, "transaction {sequence}: it is not in the log"),
            Self::Request(id) => write!(f, "request {id}: the log holds no transaction of it"),
            Self::ToUndo => write!(f, "nothing to undo: the log holds no transaction that is not undone yet"),
            Self::ToRedo => write!(f, "nothing to redo: the log holds no transaction that is undone"),
            Self::Snapshot(label) => write!(f, "snapshot {label}: no snapshot has that label"),
            Self::File(path) => write!(f, "{}: no such file", path.display()),
            Self::Pending { asked: Some(asked), waiting: Some(waiting) } => {
                write!(f, "transaction {asked} does not wait to be confirmed; transaction {waiting} does")
            }
            Self::Pending { asked: Some(asked), waiting: None } => {
                write!(f, "transaction {asked} does not wait to be confirmed, and no other does")
            }
            Self::Pending { asked: None, .. } => write!(f, "no commit waits to be confirmed"),
        }
    }
}

impl From<Missing> for crate::error::Error {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}
