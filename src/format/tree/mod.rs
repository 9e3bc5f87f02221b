//! Documents that nest, for the formats JSON and TOML: a tree of values with their places in the text, and how it is a
//! package.
//!
//! An object is a section with a dotted name, and an array of objects is a row of anonymous sections of that type. The
//! values of the root are the root section, whose name is empty. An object that only holds other objects is no section,
//! and neither is a root without values of its own.
//!
//! - `outline` finds the sections of a document.
//! - `wanted` makes the tree that an edited package is to be.
//! - `brackets` makes new text of objects and arrays, `edit` edits the text of old ones, and `commas` keeps what stands
//!   between the values.
//! - `spelling` is JSON text of values.

pub(super) mod brackets;
pub(super) mod commas;
pub(super) mod edit;
pub(super) mod outline;
pub(super) mod spelling;
pub(super) mod wanted;

use std::ops::Range;
use std::sync::Arc;

use crate::format::Piece;

/// The bytes of a name or of a value.
#[derive(Debug, Clone)]
pub(super) enum Text {
    /// A slice of the document.
    Slice(Range<usize>),
    /// Other bytes: a string with escapes has them.
    Own(Vec<u8>),
}

impl Text {
    pub fn of<'t>(&'t self, source: &'t [u8]) -> &'t [u8] {
        match self {
            Self::Slice(range) => &source[range.clone()],
            Self::Own(bytes) => bytes,
        }
    }

    pub fn piece(&self) -> Piece<'_> {
        match self {
            Self::Slice(range) => Piece::InText(range.clone()),
            Self::Own(bytes) => Piece::Apart(bytes),
        }
    }
}

/// How an object or an array is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Between brackets.
    Brackets,
    /// As tables with headers in brackets: `[a]`, `[[a]]`. Also the root of a TOML document, whose span is empty.
    Headers,
    /// By a header of something in it: `[a.b]` alone makes `a`.
    Implicit,
    /// By dotted names of its members: `a.b = 1`.
    Dotted,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Its place in the text: of a table its header, of a dotted object the first mention of its name.
    pub span: Range<usize>,
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(Text),
    Float(Text),
    String(Text),
    /// A date or a time of TOML; its text is a string.
    Date(Text),
    Array(Vec<Node>, Form),
    Object(Vec<Member>, Form),
}

/// A member of an object.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub name: Text,
    /// The name as it is written, its quotes included.
    pub name_span: Range<usize>,
    pub node: Node,
}

/// A document: the tree and what it was read from.
#[derive(Debug)]
pub(super) struct Document {
    pub source: Arc<Vec<u8>>,
    pub root: Node,
    /// The starts of comments.
    pub comments: Vec<usize>,
}

impl Document {
    /// Reports whether a piece of the text holds a comment.
    pub fn has_comment(&self, range: &Range<usize>) -> bool {
        let after = self.comments.partition_point(|at| *at < range.start);
        self.comments.get(after).is_some_and(|at| *at < range.end)
    }
}
