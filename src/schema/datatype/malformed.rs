//! Faults of an expression itself.

use std::fmt;

use crate::error::{Error, shown};

/// Why an expression is no datatype: the fault, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Malformed {
    /// The part of the expression that is wrong; empty if something is missing.
    pub part: String,
    /// The column of the part in the expression, in bytes, counted from 1.
    pub column: usize,
    /// The fault.
    pub why: &'static str,
    /// The name that was meant, if there is one near.
    pub near: Option<&'static str>,
}

impl Malformed {
    /// Makes the fault of the part `from..to` of an expression.
    pub(super) fn at(text: &[u8], from: usize, to: usize, why: &'static str) -> Self {
        let part = text.get(from..to).unwrap_or_default();
        let blanks = part.len() - part.trim_ascii_start().len();
        Self { part: shown::text(part.trim_ascii()), column: from + blanks + 1, why, near: None }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: ", self.column)?;
        if !self.part.is_empty() {
            write!(f, "'{}': ", self.part)?;
        }
        f.write_str(self.why)?;
        self.near.map_or(Ok(()), |near| write!(f, "; did you mean '{near}'?"))
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for Error {
    fn from(fault: Malformed) -> Self {
        Self::Invalid { what: format!("{}, column {}", fault.part, fault.column), why: fault.why }
    }
}
