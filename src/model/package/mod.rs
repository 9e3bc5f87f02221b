//! A package in memory: ordered sections of ordered options, found by name in constant time.
//!
//! It is a document in the memory of one process, to read and to edit; maps share packages between processes. Strings
//! are spans of the text the package was read from, or of a growing buffer of added bytes.
//!
//! Invariants:
//! - P1. `order` lists each live section once; `by_name` leads to the first live section of a name.
//! - P2. Sections and options keep their slot for life; deleted ones are marked dead, so ids stay valid.
//! - P3. `origin` is the position among the sections (options of the section) of the text read, so that an
//!   edited package can be written back into that text.

mod alike;
mod arrange;
pub(crate) mod build;
mod dirty;
mod edit;
pub mod expected;
#[cfg(miri)]
mod names_miri;
pub(crate) mod replay;
pub(crate) mod rising;
mod rules;
mod selector;
mod shared;
mod splice;
mod table;
pub(crate) mod toward;
mod view;

use std::sync::Arc;

pub(crate) use arrange::{Held, Wanted};
pub(crate) use dirty::Touched;
pub(crate) use rules::Made;
pub use selector::{Key, Selector};
use shared::SharedVec;
use table::NameTable;
pub use view::{List, OptionView, Section, Value};

use crate::error::{Error, Result};
use crate::model::format_kind::FormatKind;
use crate::model::value_type::ValueType;

pub use crate::error::memory::MAX_TEXT;

/// Marks a section or option that was not in the text read.
const NEW: u32 = u32::MAX;

/// A span of bytes: below [`MAX_TEXT`] in the source text, above it in the added bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

const ADDED: u32 = 1 << 31;

impl Span {
    /// Returns the span of a piece of the source.
    #[inline]
    pub fn of_source(start: usize, len: usize) -> Self {
        let fits = "texts are refused above MAX_TEXT";
        Self { start: u32::try_from(start).expect(fits), len: u32::try_from(len).expect(fits) }
    }
}

/// The bytes behind all spans of a package.
#[derive(Debug, Clone, Default)]
struct Text {
    source: Arc<Vec<u8>>,
    added: Vec<u8>,
}

impl Text {
    fn get(&self, span: Span) -> &[u8] {
        let start = (span.start & !ADDED) as usize;
        let bytes = if span.start & ADDED == 0 { self.source.as_slice() } else { self.added.as_slice() };
        &bytes[start..start + span.len as usize]
    }

    fn add(&mut self, bytes: &[u8]) -> Result<Span> {
        let start = self.added.len();
        if bytes.len() > MAX_TEXT - start.min(MAX_TEXT) {
            return Err(Error::invalid(&bytes[..bytes.len().min(32)], "the package would grow beyond 2 GiB"));
        }
        self.added.extend_from_slice(bytes);
        let span = Span::of_source(start, bytes.len());
        Ok(Span { start: span.start | ADDED, ..span })
    }
}

/// The value of an option. Lists are kept in the package's pool, to keep options small.
#[derive(Debug, Clone, Copy)]
enum Slot {
    String(Span),
    List(u32),
}

#[derive(Debug, Clone, Copy)]
struct OptionData {
    name: Span,
    value: Slot,
    origin: u32,
    alive: bool,
    /// [`ValueType::List`] and [`ValueType::String`] in UCI text, whose values have no other types.
    value_type: ValueType,
}

#[derive(Debug, Clone)]
struct SectionData {
    kind: Span,
    name: Span,
    anonymous: bool,
    alive: bool,
    origin: u32,
    /// Shared with clones once the package is complete: see [`Package::share`].
    options: SharedVec<OptionData>,
    /// Option names, once there are too many for a linear search.
    by_name: Option<Box<NameTable>>,
}

/// A package: see the module documentation.
#[derive(Debug, Clone, Default)]
pub struct Package {
    name: Vec<u8>,
    /// The format of its text.
    format: FormatKind,
    text: Text,
    sections: Vec<SectionData>,
    order: Vec<u32>,
    /// Shared with clones: it is large, and most changes do not touch it.
    by_name: Arc<NameTable>,
    /// Set once two sections, or two options of a section, have had the same name.
    duplicates: bool,
    lists: Vec<Vec<Span>>,
    /// Sections created so far: the counter in generated names.
    created: u32,
    /// Set while the text is read: added sections and options come from the text.
    loading: bool,
    /// The sections and options that were changed since it was read.
    touched: Touched,
    /// Whether a section of type `field` was added: it may describe options.
    has_fields: bool,
    /// New sections that are written with comments: their slots, which rise, and their lines.
    lines: Vec<(u32, Span)>,
}

/// The handle of a section in its package; valid until the section is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SectionId(u32);

/// The handle of an option in its section; valid until the option is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionId(u32);

impl Package {
    /// Makes an empty package.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        Self { name: name.to_vec(), ..Self::default() }
    }

    /// Makes an empty package of a format.
    #[must_use]
    pub fn of_format(name: &[u8], format: FormatKind) -> Self {
        Self { format, ..Self::new(name) }
    }

    /// Makes an empty package to be filled from `source`.
    pub(crate) fn over(name: &[u8], source: Arc<Vec<u8>>) -> Self {
        let mut package = Self::new(name);
        package.text.source = source;
        package.loading = true;
        package
    }

    /// Has the clones made from now on share the options of all sections that they do not change. For a package that
    /// is complete.
    pub(crate) fn share(&mut self) {
        self.sections.iter_mut().for_each(|data| data.options.share());
    }

    /// Returns the name of the package.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Returns the format of its text.
    #[must_use]
    pub fn format(&self) -> FormatKind {
        self.format
    }

    /// Reports whether the package may have sections `field`, which describe its options.
    #[cfg(feature = "schema")]
    pub(crate) fn describes_itself(&self) -> bool {
        self.has_fields
    }

    /// Returns the text the package was read from; empty for a new one.
    #[must_use]
    pub fn source(&self) -> &Arc<Vec<u8>> {
        &self.text.source
    }

    /// Reports whether the package has no sections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the number of sections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Iterates over the sections in order.
    pub fn sections(&self) -> impl DoubleEndedIterator<Item = Section<'_>> + ExactSizeIterator {
        self.order.iter().map(|id| Section { package: self, id: SectionId(*id) })
    }

    /// Iterates over the sections of a type in order. An empty type means all.
    pub fn sections_of_type<'p, 't>(
        &'p self,
        section_type: &'t [u8],
    ) -> impl DoubleEndedIterator<Item = Section<'p>> + use<'p, 't> {
        self.sections()
            .filter(move |section| section_type.is_empty() || section.section_type() == section_type)
    }

    /// Returns the first section of that name; generated names of anonymous sections count.
    #[must_use]
    pub fn section(&self, name: &[u8]) -> Option<Section<'_>> {
        self.section_id(name).map(|id| Section { package: self, id })
    }

    /// Returns the value of an option.
    #[must_use]
    pub fn get(&self, section: &[u8], option: &[u8]) -> Option<Value<'_>> {
        self.section(section)?.get(option)
    }

    fn section_id(&self, name: &[u8]) -> Option<SectionId> {
        if self.duplicates && !self.loading {
            // The table has one option of that name, which need not be the first one in the present order.
            let named = |index: &&u32| self.text.get(self.sections[**index as usize].name) == name;
            return self.order.iter().find(named).map(|index| SectionId(*index));
        }
        self.by_name.find(name).map(SectionId)
    }

    fn data(&self, id: SectionId) -> &SectionData {
        &self.sections[id.0 as usize]
    }

    fn option_id(&self, section: SectionId, name: &[u8]) -> Option<OptionId> {
        let data = self.data(section);
        if let Some(table) = data.by_name.as_ref().filter(|_| !self.duplicates || self.loading) {
            return table.find(name).map(OptionId);
        }
        let index = data.options.iter().position(|o| o.alive && self.text.get(o.name) == name)?;
        u32::try_from(index).ok().map(OptionId)
    }
}
