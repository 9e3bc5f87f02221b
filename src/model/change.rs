//! A change to a package.

use super::value_type::ValueType;
use crate::bytes;

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the commands of a delta file, which stock uci defines")]
pub enum DeltaKind {
    /// Sets an option, or creates or retypes a section.
    Set,
    /// Adds an anonymous section; `section` is its generated name and the value its type.
    Add,
    /// Deletes a section, an option, or the item of a list whose index is the value.
    Delete,
    /// Renames a section or an option.
    Rename,
    /// Moves a section to the position the value gives.
    Reorder,
    /// Appends an item to a list.
    AddList,
    /// Removes the items of a list that equal the value.
    DelList,
}

/// One change to a package. Names are real names, never selectors.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delta {
    /// The kind of the change.
    pub kind: DeltaKind,
    /// To which section.
    pub section: Vec<u8>,
    /// The option that is changed; `None` for the section itself.
    pub option: Option<Vec<u8>>,
    /// With which value.
    pub value: Option<Vec<u8>>,
    /// For a value of an option: its type. `None` keeps the type of a value that exists, and makes a string of a new one.
    pub value_type: Option<ValueType>,
}

impl Delta {
    /// Makes a change.
    #[must_use]
    pub fn new(kind: DeltaKind, section: &[u8], option: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        Self {
            kind,
            section: section.to_vec(),
            option: option.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            value_type: None,
        }
    }

    /// Sets the type of the value.
    #[must_use]
    pub fn of_type(self, value_type: ValueType) -> Self {
        Self { value_type: Some(value_type), ..self }
    }

    /// Returns `PACKAGE.SECTION[.OPTION]`.
    #[must_use]
    pub fn key(&self, package: &[u8]) -> Vec<u8> {
        let mut key = [package, b".", &self.section].concat();
        if let Some(option) = &self.option {
            key.push(b'.');
            key.extend_from_slice(option);
        }
        key
    }
}

/// Splits `KEY=VALUE` at the first `=`.
#[must_use]
pub fn split_value(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes::find(b'=', argument) {
        Some(at) => (&argument[..at], Some(&argument[at + 1..])),
        None => (argument, None),
    }
}
