//! Which columns of a package have an index in its map: those that the schema of the package says.

use crate::commit::core::Core;
use crate::map::{Columns, Map};

/// Returns the columns of a package that its schema wants an index of.
#[cfg(feature = "schema")]
pub(crate) fn wanted(core: &Core, package: &str) -> Columns {
    let Some(schema) = core.schemas.find(package) else { return Columns::default() };
    let of_rule = |rule: &crate::schema::SectionRule| {
        let fields = rule.fields.iter().filter(|field| field.index);
        fields.map(|field| (rule.section_type.clone(), field.name.clone())).collect::<Vec<_>>()
    };
    let typed = schema.sections.iter().filter(|rule| !rule.section_type.is_empty());
    Columns::new(typed.flat_map(of_rule).collect())
}

/// Returns no columns: without schemas there is no index.
#[cfg(not(feature = "schema"))]
pub(crate) fn wanted(_: &Core, _: &str) -> Columns {
    Columns::default()
}

/// Reports whether a map has the indexes that the schema of its package wants. A map with indexes that no schema wants
/// any more does as well: they are kept up until the map is made anew.
pub(crate) fn are_in(core: &Core, package: &str, map: &Map) -> bool {
    let wanted = wanted(core, package).digest();
    wanted == 0 || map.source().is_none_or(|source| source.columns == wanted)
}
