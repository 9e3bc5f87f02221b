//! Values as they are stored in a map. Every string and every item is followed by a NUL byte.

use crate::bytes;
use crate::model::value_type::ValueType;

/// The value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a value is a string or a list")]
pub enum MapValue<'m> {
    /// One string.
    String(&'m [u8]),
    /// A list of strings.
    List(MapList<'m>),
}

impl<'m> MapValue<'m> {
    /// Iterates over the items: the one string, or those of the list.
    pub fn items(self) -> impl Iterator<Item = &'m [u8]> + Clone {
        let (one, list) = match self {
            Self::String(string) => (Some(string), MapList::new(&[])),
            Self::List(list) => (None, list),
        };
        one.into_iter().chain(list.iter())
    }
}

/// The value of an option, with its type: of a list for a list, another for a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypedValue<'m> {
    /// The value, spelled as in the file.
    pub value: MapValue<'m>,
    /// The type.
    pub value_type: ValueType,
}

/// The items of a list option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapList<'m>(pub(crate) &'m [u8]);

impl<'m> MapList<'m> {
    pub(crate) fn new(bytes: &'m [u8]) -> Self {
        Self(bytes)
    }

    /// Returns all items, a NUL byte behind each.
    #[must_use]
    pub fn as_bytes(self) -> &'m [u8] {
        self.0
    }

    /// Returns the number of items. The time is proportional to the size of the list.
    #[must_use]
    pub fn len(self) -> usize {
        bytes::count(0, self.0)
    }

    /// Reports whether the list has no items.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns the item at `index`, counted from 0.
    #[must_use]
    pub fn get(self, index: usize) -> Option<&'m [u8]> {
        self.iter().nth(index)
    }

    /// Iterates over the items.
    pub fn iter(self) -> impl Iterator<Item = &'m [u8]> + Clone + use<'m> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let end = bytes::find(0, rest)?;
            let (item, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            Some(item)
        })
    }
}
