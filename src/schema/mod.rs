//! What a configuration means: schemas, which describe the sections and options of a package and the types of their
//! values.
//!
//! It reads schema files, and checks packages that its callers give it; it reads and writes no packages itself.
//!
//! - `datatype` has the types of values.
//! - `text` reads the text of a schema; `compile` makes a schema of one or several texts.
//! - `rules` is the schema: sections by type, and fields by name.
//! - `check` checks a package; `faults` makes the violations that it finds, and `place` their keys and lines.
//! - `files` finds schemas in the schema directories, and notices changes of their files.

mod check;
mod compile;
pub mod datatype;
mod faults;
pub(crate) mod files;
mod place;
mod rules;
mod text;

#[cfg(test)]
mod tests;

use std::path::Path;

pub(crate) use check::Subject;
pub use check::{Alone, Others};
pub use rules::{Access, Condition, Enforce, Field, Mistake, Schema, SectionRule, Unknown, Version};

use crate::model::package::Package;

impl Schema {
    /// Reads the schema of a package from a text. Mistakes are in [`Schema::mistakes`].
    #[must_use]
    pub fn read(package: &str, file: &Path, text: Vec<u8>) -> Self {
        let draft = text::read(package, file, text);
        compile::compile(package, vec![file.to_owned()], vec![draft])
    }

    /// Reads the schema that a package has in itself, in sections `field`; `None` if it has none.
    #[must_use]
    pub fn inside(package: &Package, file: &Path) -> Option<Self> {
        let draft = text::read_fields(package, file)?;
        let name = crate::error::shown::name(package.name());
        Some(compile::compile(&name, vec![file.to_owned()], vec![draft]))
    }
}
