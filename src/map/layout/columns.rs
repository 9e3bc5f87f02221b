//! The columns of a package that have an index.

use crate::model::digest::of_text;

/// The types and options whose sections can be found by a value. Where no schema declares any, there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Columns(Vec<(Vec<u8>, Vec<u8>)>);

impl Columns {
    pub const NONE: &'static Self = &Self(Vec::new());

    #[cfg(any(feature = "schema", test))]
    /// Takes a list of types and options, in any order.
    pub fn new(mut columns: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        columns.sort_unstable();
        columns.dedup();
        Self(columns)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(section_type, option)| (section_type.as_slice(), option.as_slice()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a number that differs for other columns; 0 if there are none. A map has it in its source, so that a map
    /// is made anew when the declaration has changed.
    pub fn digest(&self) -> u64 {
        if self.is_empty() {
            return 0;
        }
        let names: Vec<u8> = self
            .0
            .iter()
            .flat_map(|(section_type, option)| [section_type.as_slice(), b" ", option, b"\n"].concat())
            .collect();
        of_text(&names).max(1)
    }
}
