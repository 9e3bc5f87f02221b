//! The kinds of errors.

use std::io;

use super::Error;

/// The kinds of [`Error`]: one for each that a caller may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are those of `Error`, and what the system says to a call that failed")]
#[non_exhaustive]
pub enum Code {
    NotFound,
    Invalid,
    Type,
    Range,
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
    Schema,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::NotFound,
        Self::Invalid,
        Self::Type,
        Self::Range,
        Self::Exists,
        Self::Ambiguous,
        Self::Parse,
        Self::Conflict,
        Self::Locked,
        Self::Permission,
        Self::NoSpace,
        Self::Io,
        Self::Full,
        Self::Stale,
        Self::Damaged,
        Self::NotDurable,
        Self::Refused,
        Self::Memory,
        Self::Schema,
    ];
}

impl Error {
    /// Returns the kind of the failure.
    #[must_use]
    pub fn code(&self) -> Code {
        use io::ErrorKind::{OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match self {
            Self::NotFound { .. } | Self::Missing(_) => Code::NotFound,
            Self::Invalid { .. } | Self::NotPossible { .. } => Code::Invalid,
            Self::Type { .. } => Code::Type,
            Self::Range { .. } => Code::Range,
            Self::Exists { .. } => Code::Exists,
            Self::Ambiguous { .. } => Code::Ambiguous,
            Self::Parse(_) => Code::Parse,
            Self::Conflict { .. } => Code::Conflict,
            Self::Locked { .. } => Code::Locked,
            Self::Refused { .. } => Code::Refused,
            Self::Schema { .. } => Code::Schema,
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
}
