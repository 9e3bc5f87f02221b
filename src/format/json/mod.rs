//! JSON text, perhaps with comments: read into a [`Package`], written back.
//!
//! `read` makes the tree of a text, `write` edits the text of a tree, and `print` writes a tree anew.

mod print;
mod read;
mod write;

use std::sync::Arc;

use super::tree::{outline, wanted};
use super::{Format, ParseOptions, Parsed, Part};
use crate::error::Result;
use crate::model::format_kind::FormatKind;
use crate::model::package::Package;

/// JSON, with comments where a file has them.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no fields")]
pub struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn kind(&self) -> FormatKind {
        FormatKind::Json
    }

    fn read(&self, name: &[u8], text: Arc<Vec<u8>>, options: &ParseOptions<'_>) -> Result<Parsed> {
        super::check_size(&text)?;
        outline::parsed(name, &read::read(text)?, FormatKind::Json, options)
    }

    fn print(&self, package: &Package, names: bool) -> Vec<u8> {
        print::document(&wanted::wanted(package, names).root)
    }

    fn rewrite(&self, original: &Package, edited: &Package, options: &ParseOptions<'_>) -> Result<Package> {
        write::rewrite(original, edited, options)
    }

    fn names(&self, part: Part, name: &[u8]) -> bool {
        super::is_free_name(part, name)
    }

    fn tidy(&self, text: &Arc<Vec<u8>>) -> Result<Vec<u8>> {
        super::check_size(text)?;
        Ok(print::tidy(&read::read(text.clone())?))
    }
}
