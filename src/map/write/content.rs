//! The contents that a map is built from: a document that was read from a text, or another map.

use crate::bytes;
use crate::error::{Error, Result};
use crate::map::layout::format::{MAX_BLOCK, SPLIT_ABOVE};
use crate::map::layout::value::{MapValue, TypedValue};
use crate::map::read::map::Map;
use crate::map::read::view::{MapOptions, MapPackage};
use crate::model::name::{MAX_NAME, MAX_VALUE};
use crate::model::package::{OptionView, Package, Value};
use crate::model::value_type::ValueType;

/// A value that can be put into a block.
pub(crate) trait Content: Copy {
    fn value_type(self) -> ValueType;
    /// Returns how many bytes [`Content::write`] writes.
    fn len(self) -> usize;
    /// Writes the value, a NUL byte behind each string.
    fn write(self, out: &mut Vec<u8>);
    /// Reports whether there is a NUL byte inside a string.
    fn holds_nul(self) -> bool;
}

/// A value of a document, with its type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackageValue<'p> {
    pub value: Value<'p>,
    value_type: ValueType,
}

impl<'p> PackageValue<'p> {
    pub fn of(option: &OptionView<'p>) -> Self {
        Self { value: option.value(), value_type: option.value_type() }
    }
}

impl Content for PackageValue<'_> {
    fn value_type(self) -> ValueType {
        self.value_type
    }

    fn len(self) -> usize {
        match self.value {
            Value::String(string) => string.len() + 1,
            Value::List(list) => list.iter().map(|item| item.len() + 1).sum(),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let mut put = |string: &[u8]| {
            out.extend_from_slice(string);
            out.push(0);
        };
        match self.value {
            Value::String(string) => put(string),
            Value::List(list) => list.iter().for_each(put),
        }
    }

    fn holds_nul(self) -> bool {
        let holds = |string: &[u8]| bytes::find(0, string).is_some();
        match self.value {
            Value::String(string) => holds(string),
            Value::List(list) => list.iter().any(holds),
        }
    }
}

impl Content for TypedValue<'_> {
    fn value_type(self) -> ValueType {
        self.value_type
    }

    fn len(self) -> usize {
        match self.value {
            MapValue::String(string) => string.len() + 1,
            MapValue::List(list) => list.as_bytes().len(),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        match self.value {
            MapValue::String(string) => {
                out.extend_from_slice(string);
                out.push(0);
            }
            MapValue::List(list) => out.extend_from_slice(list.as_bytes()),
        }
    }

    fn holds_nul(self) -> bool {
        matches!(self.value, MapValue::String(string) if bytes::find(0, string).is_some())
    }
}

/// The name of a section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'c> {
    pub name: &'c [u8],
    pub section_type: &'c [u8],
    pub anonymous: bool,
}

/// The sections of a package, in order, with their options.
pub(crate) trait Sections {
    type Value<'c>: Content
    where
        Self: 'c;

    fn sections<'c>(
        &'c self,
    ) -> impl Iterator<Item = (Head<'c>, impl Iterator<Item = (&'c [u8], Self::Value<'c>)>)>;

    /// Estimates the size of a map of these contents, in bytes.
    fn size_hint(&self) -> usize;
}

impl Sections for Package {
    type Value<'c> = PackageValue<'c>;

    fn sections<'c>(
        &'c self,
    ) -> impl Iterator<Item = (Head<'c>, impl Iterator<Item = (&'c [u8], PackageValue<'c>)>)> {
        Self::sections(self).map(|section| (head(section), options(section)))
    }

    fn size_hint(&self) -> usize {
        self.source().len()
    }
}

/// Returns the name of a section of a document.
pub(crate) fn head(section: crate::model::package::Section<'_>) -> Head<'_> {
    let anonymous = section.is_anonymous();
    Head { name: section.name(), section_type: section.section_type(), anonymous }
}

/// Returns the options of a section of a document. In UCI an empty list counts as no option, as in text.
pub(crate) fn options(
    section: crate::model::package::Section<'_>,
) -> impl Iterator<Item = (&[u8], PackageValue<'_>)> {
    let holds_empty = section.package().format().has_types();
    let is_there = move |value: &PackageValue<'_>| {
        holds_empty || !matches!(value.value, Value::List(list) if list.is_empty())
    };
    let options = section.options().map(|option| (option.name(), PackageValue::of(&option)));
    options.filter(move |(_, value)| is_there(value))
}

/// The newest state of a map.
impl Sections for Map {
    type Value<'c> = TypedValue<'c>;

    fn sections<'c>(
        &'c self,
    ) -> impl Iterator<Item = (Head<'c>, impl Iterator<Item = (&'c [u8], TypedValue<'c>)>)> {
        MapPackage::of(self, None).sections().map(|section| {
            let (name, section_type) = (section.name(), section.section_type());
            (Head { name, section_type, anonymous: section.is_anonymous() }, typed(section.options()))
        })
    }

    fn size_hint(&self) -> usize {
        usize::try_from(self.usage().live).unwrap_or(0)
    }
}

fn typed<'c>(mut options: MapOptions<'c>) -> impl Iterator<Item = (&'c [u8], TypedValue<'c>)> {
    std::iter::from_fn(move || options.next_typed())
}

// Their lengths fit in 16 bits, and a block has room for all values of an unsplit section.
const _: () = assert!(MAX_NAME < u16::MAX as usize && MAX_VALUE <= MAX_BLOCK / (2 * SPLIT_ABOVE));

/// Fails for contents that no block can hold.
pub(crate) fn check<V: Content>(name: &[u8], value: V) -> Result<()> {
    check_name(name)?;
    if value.holds_nul() {
        return Err(Error::invalid(name, "the value of this option holds a NUL byte"));
    }
    if value.len() > MAX_VALUE {
        return Err(Error::invalid(name, "the value of this option has 4 MiB or more"));
    }
    Ok(())
}

/// Fails for a list that has grown too large for a block.
pub(crate) fn check_option(package: &Package, section: &[u8], option: &[u8]) -> Result<()> {
    let found = package.section(section).and_then(|section| section.option(option));
    found.map_or(Ok(()), |found| check(option, PackageValue::of(&found)))
}

/// Fails for a package with a value that no block can hold, a list counting as one value: no program could read it.
pub(crate) fn check_values(package: &Package, text: &[u8]) -> Result<()> {
    // A value is not longer than its text.
    if text.len() <= MAX_VALUE {
        return Ok(());
    }
    for section in package.sections() {
        section.options().try_for_each(|option| check(option.name(), PackageValue::of(&option)))?;
    }
    Ok(())
}

/// Refuses a name that no block can hold.
pub(crate) fn check_name(name: &[u8]) -> Result<()> {
    if name.len() > MAX_NAME {
        return Err(Error::invalid(&name[..32], "names may have up to 65534 bytes"));
    }
    Ok(())
}
