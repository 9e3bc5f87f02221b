//! Formats of package files: bytes in, a package out, and back with only the edited lines changed.
//!
//! A [`Format`] knows the model and errors, and nothing of files, of the log or of maps. An engine asks its format for
//! each text of a package it reads or writes; [`uci`] is the only format that the library has. Delta
//! files, policy files and the corners of stock uci's dialect are UCI text in every engine.

#[cfg(not(all(feature = "json", feature = "toml")))]
mod absent;
#[cfg(feature = "json")]
pub mod json;
mod patch;
#[cfg(feature = "toml")]
pub mod toml;
#[cfg(any(feature = "json", feature = "toml"))]
mod tree;
pub mod uci;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};

pub use crate::error::parse::{ParseError, Reason};
pub use crate::model::dialect::Dialect;
use crate::model::format_kind::FormatKind;
#[cfg(any(feature = "json", feature = "toml"))]
use crate::model::key_part;
pub use crate::model::package::build::{Builder, Piece};
pub use crate::model::package::{Package, SectionId};
#[cfg(any(feature = "json", feature = "toml"))]
use crate::model::value_type::ValueType;

/// A format of package files. Each call handles one whole text, so that nothing inside a parser's loops is dispatched
/// dynamically.
///
/// These laws hold for each format, and `tests/it/formats.rs` checks them:
///
/// - `read(print(p)) == p`, for each package whose names the format allows.
/// - `rewrite` of a package that was not edited returns its text, byte for byte; otherwise it keeps each line that the
///   edits do not concern. Its result reads as the edited package, or it fails.
/// - An error of `read` has the line and the column of the fault, both counted from 1.
pub trait Format: fmt::Debug + Send + Sync {
    /// Returns the name of the format, as messages show it.
    fn name(&self) -> &'static str;

    /// Returns which of the formats of packages it is.
    fn kind(&self) -> FormatKind {
        FormatKind::Uci
    }

    /// Reads the text of one package. The text becomes the package's source.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if `options` are strict and the text has errors, and if the text cannot be read at all;
    /// [`Error::OutOfMemory`].
    fn read(&self, name: &[u8], text: Arc<Vec<u8>>, options: &ParseOptions<'_>) -> Result<Parsed>;

    /// Writes a package in canonical form, without comments. With `names`, anonymous sections get their generated names
    /// as real ones.
    fn print(&self, package: &Package, names: bool) -> Vec<u8>;

    /// Writes `edited` into the text of `original`, and returns the package read from the new text. `original` is the
    /// package as it was read with `options`; `edited` is a copy of it, perhaps changed.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the format cannot hold the edited package; [`Error::Parse`] if the text of `original` has
    /// errors.
    fn rewrite(&self, original: &Package, edited: &Package, options: &ParseOptions<'_>) -> Result<Package>;

    /// Reports whether this name can be written in this format.
    fn names(&self, part: Part, name: &[u8]) -> bool;

    /// Returns the text with canonical spacing and quoting; comments, blank lines and order stay.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if the text does not parse strictly.
    fn tidy(&self, text: &Arc<Vec<u8>>) -> Result<Vec<u8>>;

    /// Returns the lines of `package`'s source that hold the whole section and nothing else, if they can be read and
    /// rewritten without the rest of the text. `package` must not have been changed since it was read.
    ///
    /// This and [`Format::option_line`] are shortcuts of small commits in large packages. `None` is always correct.
    fn section_text(&self, package: &Package, section: &[u8]) -> Option<Range<usize>> {
        let _ = (package, section);
        None
    }

    /// Reports whether all texts are UCI text and [`Format::read`] reads them as [`uci::parse`] does. The library then
    /// makes a map of a text without reading it as a package first.
    fn is_uci(&self) -> bool {
        false
    }

    /// Reports whether the log reads the changes of the first text of a package from that text. That is so for UCI
    /// alone, since a log must be readable without a format; other formats have the changes in the record.
    fn is_read_by_log(&self) -> bool {
        false
    }

    /// Reads a line, its line end included, that sets one option to a string, with name and value written literally.
    /// If the same line with another value can be read in this way too, then it sets the option to that value, and
    /// the other lines of the text keep their meaning.
    fn option_line(&self, line: &[u8]) -> Option<OptionLine> {
        let _ = line;
        None
    }
}

impl dyn Format + '_ {
    /// Reads a text in the intended dialect, strictly.
    pub(crate) fn read_strictly(&self, name: &str, text: &Arc<Vec<u8>>) -> Result<Package> {
        Ok(self.read(name.as_bytes(), Arc::clone(text), &ParseOptions::default())?.package)
    }

    /// Reads a text in the intended dialect, and skips errors; `None` for a text that cannot be read at all.
    pub(crate) fn read_leniently(&self, name: &str, text: &Arc<Vec<u8>>) -> Option<Package> {
        let options = ParseOptions { strict: false, ..ParseOptions::default() };
        self.read(name.as_bytes(), Arc::clone(text), &options).ok().map(|read| read.package)
    }

    /// Writes a package, which was read with `options` and perhaps edited since, into its text.
    ///
    /// # Errors
    ///
    /// As for [`Format::rewrite`].
    pub(crate) fn render(&self, package: &Package, options: &ParseOptions<'_>) -> Result<Vec<u8>> {
        let original = self.read(package.name(), Arc::clone(package.source()), options)?.package;
        let source = Arc::clone(self.rewrite(&original, package, options)?.source());
        Ok(Arc::unwrap_or_clone(source))
    }
}

/// The format of package files, unless a test sets another.
pub const DEFAULT: &dyn Format = &uci::Uci;

/// Returns the format of that kind. In a build without it, each text is refused.
#[must_use]
pub fn of_kind(kind: FormatKind) -> &'static dyn Format {
    match kind {
        FormatKind::Uci => DEFAULT,
        #[cfg(feature = "toml")]
        FormatKind::Toml => &toml::Toml,
        #[cfg(feature = "json")]
        FormatKind::Json => &json::Json,
        #[cfg(not(feature = "toml"))]
        FormatKind::Toml => &absent::Absent(FormatKind::Toml),
        #[cfg(not(feature = "json"))]
        FormatKind::Json => &absent::Absent(FormatKind::Json),
    }
}

/// The parts of a package that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "of a seam for tests")]
pub enum Part {
    /// The name of a section.
    Section,
    /// The type of a section.
    Type,
    /// The name of an option.
    Option,
}

/// Where a line holds the name and the value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "of a seam for tests")]
pub struct OptionLine {
    /// The name.
    pub name: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// How text is read. The default is strict, in the intended dialect.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ParseOptions<'a> {
    /// Which reading of UCI's corner cases applies. Other formats have one reading.
    pub dialect: Dialect,
    /// Stop at the first error. Otherwise a faulty statement takes the rest of its logical line with it, and surplus
    /// words and changed section types are not errors.
    pub strict: bool,
    /// Called now and then with the number of bytes read and the number of all bytes, and at the end.
    pub progress: Option<&'a dyn Fn(usize, usize)>,
}

impl<'a> ParseOptions<'a> {
    /// Returns the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which reading of UCI's corner cases applies.
    #[must_use]
    pub fn dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// Sets whether reading stops at the first error.
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Sets the function that is called with the number of bytes read and the number of all bytes.
    #[must_use]
    pub fn progress(self, progress: &'a dyn Fn(usize, usize)) -> Self {
        Self { progress: Some(progress), ..self }
    }
}

impl Default for ParseOptions<'_> {
    fn default() -> Self {
        Self { dialect: Dialect::Cms, strict: true, progress: None }
    }
}

impl fmt::Debug for ParseOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParseOptions").field("dialect", &self.dialect).field("strict", &self.strict).finish()
    }
}

/// A package and the errors that were skipped in reading it; strict mode skips none.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parsed {
    /// The package.
    pub package: Package,
    /// The errors that were skipped.
    pub errors: Vec<ParseError>,
}

impl Parsed {
    /// Makes the result of reading a text.
    #[must_use]
    pub fn new(package: Package, errors: Vec<ParseError>) -> Self {
        Self { package, errors }
    }
}

/// Returns the error for a package that a format cannot write.
#[must_use]
pub fn unwritable(package: &Package) -> Error {
    Error::invalid(package.name(), "the changed package cannot be written as text; is a name used twice?")
}

/// Refuses a text that is too large for a package.
#[cfg(any(feature = "json", feature = "toml"))]
fn check_size(text: &[u8]) -> Result<()> {
    if text.len() > crate::error::memory::MAX_TEXT {
        return Err(ParseError::at(Reason::TooLarge, text, 0).into());
    }
    // Each value may have a line, and a tree is made of them first.
    crate::error::memory::check_available_for_package(text, b"\n")
}

/// Reports whether a name can be written in a format whose names are strings.
#[cfg(any(feature = "json", feature = "toml"))]
fn is_free_name(part: Part, name: &[u8]) -> bool {
    let is_form = match part {
        Part::Option => key_part::is_part(name),
        Part::Section | Part::Type => key_part::is_path(name),
    };
    is_form && std::str::from_utf8(name).is_ok()
}

/// Refuses values and names of an edited package that a format with types cannot hold.
#[cfg(any(feature = "json", feature = "toml"))]
fn check_values(original: &Package, edited: &Package, format: FormatKind) -> Result<()> {
    let originals: Vec<_> = original.sections().collect();
    for section in edited.sections() {
        let origin = section.origin().and_then(|origin| originals.get(origin));
        for option in section.options() {
            let was = origin.zip(option.origin()).and_then(|(section, at)| section.options().nth(at));
            if was.is_none_or(|was| !tree::wanted::same_option(was, option)) {
                check_option(edited.name(), section, option, format)?;
                #[cfg(feature = "toml")]
                if format == FormatKind::Toml {
                    toml::check(edited.name(), section, option)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(any(feature = "json", feature = "toml"))]
fn check_option(
    package: &[u8],
    section: crate::model::package::Section<'_>,
    option: crate::model::package::OptionView<'_>,
    format: FormatKind,
) -> Result<()> {
    let key = || [package, b".", section.name(), b".", option.name()].concat();
    let value_type = option.value_type();
    if std::str::from_utf8(option.name()).is_err() {
        return Err(Error::invalid(
            &key(),
            "the name is no UTF-8: JSON and TOML cannot hold it, UCI text can",
        ));
    }
    for text in option.value().items() {
        if std::str::from_utf8(text).is_err() {
            return Err(Error::invalid(
                &key(),
                "the value is no UTF-8: JSON and TOML cannot hold it, UCI text can",
            ));
        }
        let is_own = format == FormatKind::Toml
            && matches!(text, b"inf" | b"+inf" | b"-inf" | b"nan" | b"+nan" | b"-nan");
        let is_spelled = match value_type.of_items() {
            ValueType::Float if is_own => true,
            of => of.spelled(text).is_some_and(|spelled| *spelled == *text),
        };
        if !is_spelled {
            let text = crate::error::shown::name(text);
            return Err(Error::Type {
                key: crate::error::shown::name(&key()),
                text,
                value_type: value_type.name(),
            });
        }
    }
    Ok(())
}
