//! Read-only views of sections, options and values.

use crate::model::value_type::ValueType;

use super::{OptionData, OptionId, Package, SectionData, SectionId, Slot, Span};

/// A section of a package.
#[derive(Debug, Clone, Copy)]
pub struct Section<'p> {
    pub(super) package: &'p Package,
    pub(super) id: SectionId,
}

impl<'p> Section<'p> {
    fn data(&self) -> &'p SectionData {
        self.package.data(self.id)
    }

    /// Returns the package that it is in.
    #[must_use]
    pub fn package(&self) -> &'p Package {
        self.package
    }

    /// Returns the section's name: as given, or generated if it is anonymous.
    #[must_use]
    pub fn name(&self) -> &'p [u8] {
        self.package.text.get(self.data().name)
    }

    /// Returns the section's type.
    #[must_use]
    pub fn section_type(&self) -> &'p [u8] {
        self.package.text.get(self.data().kind)
    }

    /// Reports whether the section has only a generated name.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.data().anonymous
    }

    /// Returns the offset of the section's type in the text that the package was read from, in bytes. `None` for a
    /// section that was added or retyped since, or whose type is written as several quoted parts.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        let start = self.data().kind.start;
        (start & super::ADDED == 0).then_some(start as usize)
    }

    /// Returns the position among the sections of the text the package was read from; `None` for a section that was
    /// added since.
    #[must_use]
    pub fn origin(&self) -> Option<usize> {
        origin(self.data().origin)
    }

    /// Returns the lines that a new section is written as, if it has some: those of the text that it comes from.
    pub(crate) fn lines(&self) -> Option<&'p [u8]> {
        let lines = &self.package.lines;
        let at = lines.binary_search_by_key(&self.id.0, |(slot, _)| *slot).ok()?;
        Some(self.package.text.get(lines[at].1))
    }

    /// Returns the value of an option.
    #[must_use]
    pub fn get(&self, option: &[u8]) -> Option<Value<'p>> {
        self.option(option).map(|option| option.value())
    }

    /// Returns the option of that name.
    #[must_use]
    pub fn option(&self, name: &[u8]) -> Option<OptionView<'p>> {
        let OptionId(index) = self.package.option_id(self.id, name)?;
        Some(OptionView { package: self.package, data: &self.data().options[index as usize] })
    }

    /// Iterates over the options in order.
    pub fn options(&self) -> impl DoubleEndedIterator<Item = OptionView<'p>> + use<'p> {
        let package = self.package;
        self.data().options.iter().filter(|data| data.alive).map(move |data| OptionView { package, data })
    }
}

/// An option of a section.
#[derive(Debug, Clone, Copy)]
pub struct OptionView<'p> {
    package: &'p Package,
    data: &'p OptionData,
}

impl<'p> OptionView<'p> {
    /// Returns the option's name.
    #[must_use]
    pub fn name(&self) -> &'p [u8] {
        self.package.text.get(self.data.name)
    }

    /// Returns the option's value.
    #[must_use]
    pub fn value(&self) -> Value<'p> {
        match self.data.value {
            Slot::String(span) => Value::String(self.package.text.get(span)),
            Slot::List(index) => {
                Value::List(List { package: self.package, items: &self.package.lists[index as usize] })
            }
        }
    }

    /// Returns the type of the option's value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        self.data.value_type
    }

    /// Returns the offset of the option's name in the text that the package was read from, in bytes. `None` for an
    /// option that was added since, or whose name is written as several quoted parts.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        let start = self.data.name.start;
        (start & super::ADDED == 0).then_some(start as usize)
    }

    /// Returns the position among the options of the section in the text the package was read from; `None` for an
    /// option that was added since.
    #[must_use]
    pub fn origin(&self) -> Option<usize> {
        origin(self.data.origin)
    }
}

fn origin(origin: u32) -> Option<usize> {
    (origin != super::NEW).then_some(origin as usize)
}

/// The value of an option.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "a value is a string or a list")]
pub enum Value<'p> {
    /// One string.
    String(&'p [u8]),
    /// A list of strings, perhaps empty.
    List(List<'p>),
}

impl<'p> Value<'p> {
    /// Iterates over the items: the one string, or those of the list.
    pub fn items(self) -> impl DoubleEndedIterator<Item = &'p [u8]> + Clone {
        let (one, list) = match self {
            Self::String(string) => (Some(string), None),
            Self::List(list) => (None, Some(list.iter())),
        };
        one.into_iter().chain(list.into_iter().flatten())
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a == b,
            (Self::List(a), Self::List(b)) => a.iter().eq(b.iter()),
            _ => false,
        }
    }
}

/// The items of a list option.
#[derive(Debug, Clone, Copy)]
pub struct List<'p> {
    package: &'p Package,
    items: &'p [Span],
}

impl<'p> List<'p> {
    /// Returns the number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Reports whether the list has no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the item at `index`, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'p [u8]> {
        self.items.get(index).map(|span| self.package.text.get(*span))
    }

    /// Iterates over the items.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'p [u8]> + ExactSizeIterator + Clone + use<'p> {
        let package = self.package;
        self.items.iter().map(move |span| package.text.get(*span))
    }
}

/// Packages are equal if they have the same names, types, options and values in the same order. Generated names of
/// anonymous sections do not count, nor does the text they were read from. An empty list equals no option where
/// the format cannot hold one.
impl PartialEq for Package {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.sections().zip(other.sections()).all(|(a, b)| same_section(a, b))
    }
}

fn same_section(a: Section<'_>, b: Section<'_>) -> bool {
    let holds_empty = a.package.format.has_types() && b.package.format.has_types();
    let written = |option: &OptionView<'_>| {
        holds_empty || !matches!(option.value(), Value::List(list) if list.is_empty())
    };
    let named_alike = a.is_anonymous() == b.is_anonymous() && (a.is_anonymous() || a.name() == b.name());
    named_alike
        && a.section_type() == b.section_type()
        && a.options().filter(written).map(|option| (option.name(), option.value_type(), option.value())).eq(
            b.options().filter(written).map(|option| (option.name(), option.value_type(), option.value())),
        )
}
