//! The sections of a type whose option has a value: the rows of a table.

use super::column::{Candidates, entry_slot};
use super::view::{MapPackage, MapSection, MapSections};
use crate::map::layout::format::{At, X_ENTRY};
use crate::map::layout::value::MapValue;

/// How the sections with a value are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup {
    /// By the index of the column.
    Index,
    /// The column has an index, but so many sections have this value that they are read one by one.
    Common,
    /// The column has no index: the sections of the type are read one by one.
    Scan,
}

impl<'m> MapPackage<'m> {
    /// Iterates, in the order of the file, over the sections of a type (all, if it is empty) whose option has a value,
    /// or has it as an item if it is a list. It uses the index of the column, if there is one.
    #[must_use]
    pub fn sections_with<'v>(
        &self,
        section_type: &[u8],
        option: &'v [u8],
        value: &'v [u8],
    ) -> MapRows<'m, 'v> {
        match self.candidates(section_type, option, value) {
            Some((section_type, Candidates::Entries(entries))) => {
                let source = Source::Entries { package: *self, section_type, entries: entries.iter() };
                MapRows { source, name: self.option_name(option), option, value }
            }
            _ => self.scan(section_type, option, value),
        }
    }

    /// As [`MapPackage::sections_with`], and reads all sections of the type.
    pub(crate) fn scan<'v>(&self, section_type: &[u8], option: &'v [u8], value: &'v [u8]) -> MapRows<'m, 'v> {
        let source = Source::Sections(self.sections_of_type(section_type));
        MapRows { source, name: self.option_name(option), option, value }
    }

    /// Returns how [`MapPackage::sections_with`] finds the sections with a value.
    #[must_use]
    pub fn lookup(&self, section_type: &[u8], option: &[u8], value: &[u8]) -> Lookup {
        match self.candidates(section_type, option, value) {
            Some((_, Candidates::Entries(_))) => Lookup::Index,
            Some((_, Candidates::Common)) => Lookup::Common,
            _ => Lookup::Scan,
        }
    }

    fn candidates(&self, section_type: &[u8], option: &[u8], value: &[u8]) -> Option<(At, Candidates<'m>)> {
        let (map, seq) = self.map_and_seq();
        let id = map.column_id(section_type, option)?;
        Some((id.section_type, map.candidates(&id, value, seq)))
    }
}

/// Where the sections come from.
#[derive(Debug, Clone)]
enum Source<'m> {
    Sections(MapSections<'m>),
    Entries { package: MapPackage<'m>, section_type: At, entries: std::slice::Iter<'m, [u8; X_ENTRY]> },
}

impl<'m> Iterator for Source<'m> {
    type Item = MapSection<'m>;

    fn next(&mut self) -> Option<MapSection<'m>> {
        match self {
            Self::Sections(sections) => sections.next(),
            Self::Entries { package, section_type, entries } => {
                entries.find_map(|entry| package.section_in(entry_slot(entry), *section_type))
            }
        }
    }
}

/// Iterates over sections with a value; see [`MapPackage::sections_with`].
#[derive(Debug, Clone)]
pub struct MapRows<'m, 'v> {
    source: Source<'m>,
    /// Where the name of the option is; `None` if no section has such an option.
    name: Option<At>,
    option: &'v [u8],
    value: &'v [u8],
}

impl<'m> Iterator for MapRows<'m, '_> {
    type Item = MapSection<'m>;

    fn next(&mut self) -> Option<MapSection<'m>> {
        let name = self.name?;
        let holds = |section: &MapSection<'m>| {
            section.get_named(name, self.option).is_some_and(|held| holds(held, self.value))
        };
        self.source.by_ref().find(holds)
    }
}

/// Reports whether a value is `value`, or has it as an item.
fn holds(held: MapValue<'_>, value: &[u8]) -> bool {
    held.items().any(|item| item == value)
}
