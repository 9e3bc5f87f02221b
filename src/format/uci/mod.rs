//! UCI configuration text: read into a [`Package`], written back.
//!
//! It does not use files, locks or staged changes. Text is bytes; it need not be UTF-8.
//!
//! - `lexer` splits text into logical lines and words.
//! - `statement` groups words into `package`, `config`, `option` and `list` statements.
//! - `load` builds packages from statements.
//! - `find` finds one value without making a package.
//! - `print` writes a package in the canonical form of stock uci.
//! - `layout` finds the positions of the sections and options of a package in its text.
//! - `render` writes an edited package back into the text it was read from, and changes only the lines that the edits
//!   concern; `place` is its second pass, which moves sections and inserts new ones.
//! - `reach` edits a package so that it has a wanted state, and takes over the comments of new sections.
//! - `tidy` gives text canonical spacing and quoting.
//! - `words` splits command lines, which are quoted the same way.

pub mod delta_line;
mod find;
mod layout;
mod lexer;
mod load;
mod place;
mod print;
mod reach;
mod render;
mod statement;
mod tidy;
mod words;

use std::ops::Range;
use std::sync::Arc;

pub use super::{ParseOptions, Parsed};
pub use crate::error::parse::{ParseError, Reason};
pub use crate::model::dialect::Dialect;
pub(crate) use find::find_string;
pub(crate) use lexer::{Lexer, Word};
pub use load::{check, import, parse};
pub(crate) use print::push_escaped;
pub use print::{print, print_section, quoted};
pub use reach::{packages, reach};
pub use render::render;
pub(crate) use render::rewrite;
pub(crate) use statement::{Command, Opened, Statement, Statements};
pub use tidy::tidy;
pub use words::{Words, words};

use super::{Format, OptionLine, Part};
use crate::error::Result;
use crate::model::name;
use crate::model::package::Package;

/// UCI, as stock uci reads and writes it.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no fields")]
pub struct Uci;

impl Format for Uci {
    fn name(&self) -> &'static str {
        "uci"
    }

    fn read(&self, name: &[u8], text: Arc<Vec<u8>>, options: &ParseOptions<'_>) -> Result<Parsed> {
        parse(name, text, options)
    }

    fn print(&self, package: &Package, names: bool) -> Vec<u8> {
        print(package, names)
    }

    fn rewrite(&self, original: &Package, edited: &Package, options: &ParseOptions<'_>) -> Result<Package> {
        rewrite(original, edited, options)
    }

    fn names(&self, part: Part, name: &[u8]) -> bool {
        match part {
            Part::Type => name::is_type(name),
            Part::Section | Part::Option => name::is_name(name),
        }
    }

    fn tidy(&self, text: &Arc<Vec<u8>>) -> Result<Vec<u8>> {
        tidy(text)
    }

    fn section_text(&self, package: &Package, section: &[u8]) -> Option<Range<usize>> {
        // A backslash at the end of a line continues it.
        package.section_text(section, |before| {
            let line = before.strip_suffix(b"\n").unwrap_or(before);
            line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"\\")
        })
    }

    fn is_uci(&self) -> bool {
        true
    }

    fn is_read_by_log(&self) -> bool {
        true
    }

    fn option_line(&self, line: &[u8]) -> Option<OptionLine> {
        let read = Lexer::new(line).plain_line()?;
        // An empty value sets nothing.
        (!read.is_list && !read.value.is_empty()).then_some(OptionLine { name: read.name, value: read.value })
    }
}
