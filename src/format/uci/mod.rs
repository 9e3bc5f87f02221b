//! UCI configuration text: read into a [`Package`](crate::Package), written back.
//!
//! It knows nothing of files, locks or staged changes. Text is bytes; it need not be UTF-8.
//!
//! - `lexer` splits text into logical lines and words.
//! - `statement` groups words into `package`, `config`, `option` and `list` statements.
//! - `load` builds packages from statements.
//! - `print` writes a package in the canonical form of stock uci.
//! - `layout` finds where the sections and options of a package stand in its text.
//! - `render` writes an edited package back into the text it was read from, touching only the lines
//!   the edits concern; `place` is its second pass, over sections that move or are new; `patch` applies
//!   what both decide.
//! - `format` tidies text.
//! - `words` splits command lines, which are quoted the same way.

pub mod delta_line;
mod format;
mod layout;
mod lexer;
mod load;
mod patch;
mod place;
mod print;
mod render;
mod statement;
mod words;

pub use crate::error::parse::{ParseError, Reason};
pub use crate::model::dialect::Dialect;
pub use format::format;
pub(crate) use lexer::Lexer;
pub use load::{ParseOptions, Parsed, check, import, parse};
pub(crate) use print::push_escaped;
pub use print::{print, print_section, quoted};
pub use render::render;
pub(crate) use render::rewrite;
pub use words::{Words, words};
