//! Violations: values and sections that break a rule of the schema of their package.

use std::fmt;
use std::path::PathBuf;

use super::shown;

/// The rule of a schema that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The value is not of the type of its option.
    Type,
    /// The value is longer than allowed.
    Size,
    /// The value breaks a rule string, such as `alpha_num`.
    Validation,
    /// The section or package that the value names does not exist.
    Reference,
    /// The value is a list where one value is expected, or the other way round.
    List,
    /// A required option is missing.
    Required,
    /// The option is set, and the one that it depends on has another value.
    Depends,
    /// The schema does not describe the option, or the type of the section.
    Unknown,
    /// The section has a name where none is allowed, or none where one is required.
    Named,
    /// There are too few or too many sections of a type.
    Count,
    /// Two sections of a type have the same value where each must have its own.
    Unique,
    /// The option is read-only, and was changed.
    ReadOnly,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Type,
        Self::Size,
        Self::Validation,
        Self::Reference,
        Self::List,
        Self::Required,
        Self::Depends,
        Self::Unknown,
        Self::Named,
        Self::Count,
        Self::Unique,
        Self::ReadOnly,
    ];

    /// Returns the name of the rule.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Size => "size",
            Self::Validation => "validation",
            Self::Reference => "reference",
            Self::List => "list",
            Self::Required => "required",
            Self::Depends => "depends",
            Self::Unknown => "unknown",
            Self::Named => "named",
            Self::Count => "count",
            Self::Unique => "unique",
            Self::ReadOnly => "read-only",
        }
    }
}

/// A value or a section that breaks a rule of its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The key: `package.section.option`, or less if a section or the package breaks the rule.
    pub key: String,
    /// The file of the package, if it has one.
    pub file: Option<PathBuf>,
    /// The line in the file, counted from 1; 0 if the key is not in the file.
    pub line: u32,
    /// The rule.
    pub rule: Rule,
    /// The value that breaks it; `None` if there is none, and if it is secret.
    pub value: Option<Vec<u8>>,
    /// What is wrong, in a sentence.
    pub problem: String,
    /// What is expected instead.
    pub expected: String,
    /// What to do about it, if there is advice.
    pub hint: Option<String>,
    /// Whether the schema refuses it, or only warns of it.
    pub refused: bool,
    /// The same for the same violation of two states of a package, in which sections may have other positions.
    pub(crate) identity: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            let file = file.display();
            match self.line {
                0 => write!(f, "{file}: ")?,
                line => write!(f, "{file}:{line}: ")?,
            }
        }
        write!(f, "{}: {}", shown::text(&self.key), self.problem)
    }
}

/// The message of an error that has several violations: the first, and how many more there are.
pub(super) fn summary(violations: &[Violation], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(first) = violations.first() else { return f.write_str("the schema is broken") };
    match violations.len() - 1 {
        0 => write!(f, "{first}"),
        1 => write!(f, "{first}, and 1 more violation of the schema"),
        more => write!(f, "{first}, and {more} more violations of the schema"),
    }
}
