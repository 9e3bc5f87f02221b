//! The file, position and key that an error is about.

use std::path::PathBuf;

use super::Error;
use crate::error::not_found::Missing;

/// The file, position and key that an [`Error`] is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Location {
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
    /// Returns the file, the position in it and the key that the error is about, as far as it has them.
    #[must_use]
    pub fn location(&self) -> Location {
        let file = |file: &PathBuf| Location { file: Some(file.clone()), ..Location::default() };
        let key = |key: &String| Location { key: Some(key.clone()), ..Location::default() };
        match self {
            Self::NotFound { key: name }
            | Self::Exists { key: name }
            | Self::Type { key: name, .. }
            | Self::Range { key: name, .. }
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
            | Self::NotPossible { .. }
            | Self::TooOld { .. }
            | Self::TooMany { .. }
            | Self::Refused { .. }
            | Self::OutOfMemory { .. }
            | Self::SafeMode { .. } => Location::default(),
            Self::Locked { path, .. }
            | Self::Io { path, .. }
            | Self::Damaged { path, .. }
            | Self::NotDurable { path, .. }
            | Self::Unfinished { path, .. } => file(path),
            Self::Schema { violations } => {
                violations.first().map_or_else(Location::default, |first| Location {
                    file: first.file.clone(),
                    line: first.line,
                    column: 0,
                    key: Some(first.key.clone()),
                })
            }
            Self::Parse(error) => {
                let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                let (line, column) = (number(error.line), number(error.column));
                Location { file: error.file.clone(), line, column, key: None }
            }
        }
    }
}
