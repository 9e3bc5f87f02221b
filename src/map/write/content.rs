//! The contents that a map is built from: a document that was read from a text, or another map.

use crate::bytes;
use crate::error::{Error, Result};
use crate::map::layout::format::{MAX_BLOCK, SPLIT_ABOVE};
use crate::map::layout::value::MapValue;
use crate::map::read::map::Map;
use crate::map::read::view::MapPackage;
use crate::model::name::{MAX_NAME, MAX_VALUE};
use crate::model::package::{Package, Value as Written};

/// A value that can be put into a block.
pub(crate) trait Content: Copy {
    fn is_list(self) -> bool;
    /// Returns how many bytes [`Content::write`] writes.
    fn len(self) -> usize;
    /// Writes the value, a NUL byte behind each string.
    fn write(self, out: &mut Vec<u8>);
    /// Reports whether there is a NUL byte inside a string.
    fn holds_nul(self) -> bool;
}

impl Content for Written<'_> {
    fn is_list(self) -> bool {
        matches!(self, Self::List(_))
    }

    fn len(self) -> usize {
        match self {
            Self::String(string) => string.len() + 1,
            Self::List(list) => list.iter().map(|item| item.len() + 1).sum(),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let mut put = |string: &[u8]| {
            out.extend_from_slice(string);
            out.push(0);
        };
        match self {
            Self::String(string) => put(string),
            Self::List(list) => list.iter().for_each(put),
        }
    }

    fn holds_nul(self) -> bool {
        let holds = |string: &[u8]| bytes::find(0, string).is_some();
        match self {
            Self::String(string) => holds(string),
            Self::List(list) => list.iter().any(holds),
        }
    }
}

impl Content for MapValue<'_> {
    fn is_list(self) -> bool {
        matches!(self, Self::List(_))
    }

    fn len(self) -> usize {
        match self {
            Self::String(string) => string.len() + 1,
            Self::List(list) => list.as_bytes().len(),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::String(string) => {
                out.extend_from_slice(string);
                out.push(0);
            }
            Self::List(list) => out.extend_from_slice(list.as_bytes()),
        }
    }

    fn holds_nul(self) -> bool {
        matches!(self, Self::String(string) if bytes::find(0, string).is_some())
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
    type Value<'c> = Written<'c>;

    fn sections<'c>(
        &'c self,
    ) -> impl Iterator<Item = (Head<'c>, impl Iterator<Item = (&'c [u8], Written<'c>)>)> {
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

/// Returns the options of a section of a document. An empty list counts as no option, as in text.
pub(crate) fn options(
    section: crate::model::package::Section<'_>,
) -> impl Iterator<Item = (&[u8], Written<'_>)> {
    section
        .options()
        .map(|option| (option.name(), option.value()))
        .filter(|(_, value)| !matches!(value, Written::List(list) if list.is_empty()))
}

/// The newest state of a map.
impl Sections for Map {
    type Value<'c> = MapValue<'c>;

    fn sections<'c>(
        &'c self,
    ) -> impl Iterator<Item = (Head<'c>, impl Iterator<Item = (&'c [u8], MapValue<'c>)>)> {
        MapPackage::of(self, None).sections().map(|section| {
            let (name, section_type) = (section.name(), section.section_type());
            (Head { name, section_type, anonymous: section.is_anonymous() }, section.options())
        })
    }

    fn size_hint(&self) -> usize {
        usize::try_from(self.usage().live).unwrap_or(0)
    }
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
    let found = package.section(section).and_then(|section| section.get(option));
    found.map_or(Ok(()), |value| check(option, value))
}

/// Fails for a package with a value that no block can hold, a list counting as one value: no program could read it.
pub(crate) fn check_values(package: &Package, text: &[u8]) -> Result<()> {
    // A value is not longer than its text.
    if text.len() <= MAX_VALUE {
        return Ok(());
    }
    for section in package.sections() {
        section.options().try_for_each(|option| check(option.name(), option.value()))?;
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
