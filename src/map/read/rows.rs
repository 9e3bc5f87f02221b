//! The sections of a type whose option has a value: the rows of a table.

use super::view::{MapPackage, MapSection, MapSections};
use crate::map::layout::format::At;
use crate::map::layout::value::MapValue;

impl<'m> MapPackage<'m> {
    /// Iterates, in the order of the file, over the sections of a type (all, if it is empty) whose option has a value,
    /// or has it as an item if it is a list.
    #[must_use]
    pub fn sections_with<'v>(
        &self,
        section_type: &[u8],
        option: &'v [u8],
        value: &'v [u8],
    ) -> MapRows<'m, 'v> {
        MapRows {
            sections: self.sections_of_type(section_type),
            name: self.option_name(option),
            option,
            value,
        }
    }
}

/// Iterates over sections with a value; see [`MapPackage::sections_with`].
#[derive(Debug, Clone)]
pub struct MapRows<'m, 'v> {
    sections: MapSections<'m>,
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
        self.sections.by_ref().find(holds)
    }
}

/// Reports whether a value is `value`, or has it as an item.
fn holds(held: MapValue<'_>, value: &[u8]) -> bool {
    held.items().any(|item| item == value)
}
