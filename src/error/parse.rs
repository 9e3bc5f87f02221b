//! Parse errors: the fault, its position, and a hint.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::bytes;

/// The fault of a statement. The messages are those of stock uci where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The first word is not `package`, `config`, `option` or `list`.
    InvalidCommand,
    /// The text ends right after `package`.
    PackageWithoutName,
    /// The text ends right after `config`.
    ConfigWithoutName,
    /// The text ends right after `option` or `list`.
    OptionWithoutName,
    /// A section comes before the first `package` line, and the caller named no package.
    NoPackage,
    /// An option comes before the first section.
    NoSection,
    /// A required word is missing or empty.
    InsufficientArguments,
    /// A section type holds a blank or a non-ASCII character.
    InvalidType,
    /// A name holds a character other than letters, digits and `_`.
    InvalidName,
    /// A statement has more words than it can use.
    TooManyArguments,
    /// A section is continued under another type.
    TypeConflict,
    /// A single quote is not closed.
    UnterminatedSingle,
    /// A double quote is not closed.
    UnterminatedDouble,
    /// The text holds a NUL byte.
    NulByte,
    /// The text is too large for offsets of 31 bits.
    TooLarge,
    /// A fault that only formats other than UCI have, with their message.
    OfFormat(&'static str),
}

impl Reason {
    /// Returns the text of the reason.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::InvalidCommand => "invalid command",
            Self::PackageWithoutName => "package without name",
            Self::ConfigWithoutName => "config without name",
            Self::OptionWithoutName => "option without name",
            Self::NoPackage => "attempting to import a file without a package name",
            Self::NoSection => "option/list command found before the first section",
            Self::InsufficientArguments => "insufficient arguments",
            Self::InvalidType => "invalid character in type field",
            Self::InvalidName => "invalid character in name field",
            Self::TooManyArguments => "too many arguments",
            Self::TypeConflict => "section of different type overwrites prior section with same name",
            Self::UnterminatedSingle => "EOF with unterminated '",
            Self::UnterminatedDouble => "EOF with unterminated \"",
            Self::NulByte => "NUL byte in text",
            Self::TooLarge => "text larger than 2 GiB",
            Self::OfFormat(message) => message,
        }
    }

    /// Returns a hint for the person who edits the text.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::InvalidCommand => {
                "a line starts with 'package', 'config', 'option', 'list' or '#'; a value of several lines needs quotes"
            }
            Self::PackageWithoutName | Self::ConfigWithoutName | Self::OptionWithoutName => {
                "complete the last line, or remove it"
            }
            Self::NoPackage => "name the package on the command line, or start with a 'package NAME' line",
            Self::NoSection => "start a section with 'config TYPE NAME' above this line",
            Self::InsufficientArguments => {
                "write 'config TYPE [NAME]', 'option NAME VALUE' or 'list NAME VALUE'"
            }
            Self::InvalidType => "use printable ASCII characters without blanks",
            Self::InvalidName => "use letters, digits and '_' only",
            Self::TooManyArguments => "put a value that holds blanks into quotes",
            Self::TypeConflict => "give one of the two sections another name",
            Self::UnterminatedSingle => "add the closing '; write a ' inside single quotes as '\\''",
            Self::UnterminatedDouble => "add the closing \"; write a \" inside double quotes as \\\"",
            Self::NulByte => "the file is damaged, perhaps by a power cut; restore it from a backup",
            Self::TooLarge => "split the package",
            Self::OfFormat(_) => return None,
        })
    }
}

/// A fault in configuration text, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    /// The fault.
    pub reason: Reason,
    /// The file, where the text came from one.
    pub file: Option<PathBuf>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, in bytes, counted from 1.
    pub column: usize,
    /// What the parser of a format says of the fault; empty for UCI text and JSON, whose reasons say all.
    pub detail: Box<str>,
    /// The offending physical line, without its end.
    pub text: Vec<u8>,
    /// The line number stock uci reports: the newlines read so far.
    pub uci_line: usize,
    /// The position stock uci reports: the cursor in its logical line.
    pub uci_byte: usize,
}

impl ParseError {
    /// Makes the error of a fault at `offset` of `text`, the position that is shown to a person.
    #[must_use]
    pub fn at(reason: Reason, text: &[u8], offset: usize) -> Self {
        let at = offset.min(text.len());
        let start = bytes::find_last(b'\n', &text[..at]).map_or(0, |newline| newline + 1);
        let end = bytes::find(b'\n', &text[at..]).map_or(text.len(), |newline| at + newline);
        let line = bytes::count(b'\n', &text[..at]) + 1;
        let column = at - start + 1;
        let excerpt = text[start..end].strip_suffix(b"\r").unwrap_or(&text[start..end]).to_vec();
        let detail = Box::default();
        Self { reason, file: None, line, column, detail, text: excerpt, uci_line: line, uci_byte: column }
    }

    /// Returns the error with what the parser of the format says.
    #[must_use]
    pub fn with_detail(self, detail: &str) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// Returns the error with the file it happened in.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_path_buf());
        self
    }

    /// Returns a hint for the person who edits the text.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let is_apostrophe = |three: &[u8]| {
            three[1] == b'\'' && three[0].is_ascii_alphabetic() && three[2].is_ascii_alphabetic()
        };
        let counts = matches!(
            self.reason,
            Reason::TooManyArguments
                | Reason::InvalidCommand
                | Reason::InvalidName
                | Reason::UnterminatedSingle
        );
        if counts && self.text.contains(&b'\'') && self.text.windows(3).any(is_apostrophe) {
            return Some("a ' inside single quotes is written '\\'': 'Foo'\\''s subnet'");
        }
        self.reason.hint()
    }

    /// Returns the suffix of stock uci's message, for example `(too many arguments) at line 2, byte 14`.
    #[must_use]
    pub fn uci_text(&self) -> String {
        format!("({}) at line {}, byte {}", self.reason.text(), self.uci_line, self.uci_byte)
    }

    /// Returns the offending line with a caret under the position, cut to the width of a screen.
    #[must_use]
    pub fn excerpt(&self) -> String {
        const WIDTH: usize = 100;
        let at = (self.column - 1).min(self.text.len());
        let start = at.saturating_sub(WIDTH / 2);
        let end = self.text.len().min(start + WIDTH);
        let visible = |bytes: &[u8]| crate::error::shown::lines(bytes).replace('\t', " ");
        let lead = visible(&self.text[start..at]);
        let rest = visible(&self.text[at..end]);
        format!("{lead}{rest}\n{}^", " ".repeat(lead.chars().count()))
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        write!(f, "{}:{}: {}", self.line, self.column, self.reason.text())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl std::error::Error for ParseError {}
