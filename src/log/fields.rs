//! Fields that a record, or the change of a package, may have beside its fixed parts.
//!
//! ```text
//! fields = length field*
//! field  = tag value            value: a string, with its length
//! ```
//!
//! Each field has its own length, so a reader can skip one that it does not know. A reader may skip a field with an even
//! tag; a record with an unknown odd tag was written by a later version and is refused. No field means no bytes: a
//! record without fields ends after its packages.

use super::wire::{Out, Reader, put_bytes, put_number};

/// The author of a transaction, if it is not the user alone.
pub(super) const AUTHOR: u64 = 2;
/// The id of the request, 16 bytes.
pub(super) const REQUEST: u64 = 4;
/// When a transaction was decided elsewhere: microseconds since 1970.
pub(super) const DECIDED: u64 = 6;
/// The transaction of another layer: its number, then the name of the layer.
pub(super) const LAYER: u64 = 8;
/// How many violations of schemas were made by force.
pub(super) const FORCED: u64 = 10;

/// Of a package: the formats of its text before and after, by their numbers, unless both are UCI.
pub(super) const FORMATS: u64 = 1;

/// Fields as bytes, to be written in the order of their tags.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    /// Adds a field.
    pub fn add(&mut self, tag: u64, value: &[u8]) {
        put_number(&mut self.0, tag);
        put_bytes(&mut self.0, value);
    }

    /// Adds a field whose value is a number.
    pub fn add_number(&mut self, tag: u64, number: u64) {
        let mut value = Vec::with_capacity(10);
        put_number(&mut value, number);
        self.add(tag, &value);
    }

    /// Reports whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends them with their length.
    pub fn put(&self, out: &mut impl Out) {
        put_bytes(out, &self.0);
    }
}

/// Reads fields, and calls `known` with the tag and the value of each. `known` returns whether it knows the tag, or
/// `None` if the value is damaged.
pub(super) fn read(reader: &mut Reader<'_>, mut known: impl FnMut(u64, &[u8]) -> Option<bool>) -> Option<()> {
    let mut fields = Reader(reader.bytes()?);
    while !fields.0.is_empty() {
        let tag = fields.number()?;
        let value = fields.bytes()?;
        if !known(tag, value)? && tag % 2 == 1 {
            return None;
        }
    }
    Some(())
}
