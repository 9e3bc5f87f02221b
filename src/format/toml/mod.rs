//! TOML text: read into a [`Package`], written back.
//!
//! `read` makes the tree of a text, `write` edits the text of a tree, `blocks` puts sections in order, and `print` writes
//! a package anew.

mod blocks;
mod print;
mod read;
mod tidy;
mod write;

use std::sync::Arc;

pub(super) use print::check;

use super::tree::outline;
use super::{Format, ParseOptions, Parsed, Part};
use crate::error::Result;
use crate::model::format_kind::FormatKind;
use crate::model::package::Package;

/// TOML 1.1.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no fields")]
pub struct Toml;

impl Format for Toml {
    fn name(&self) -> &'static str {
        "toml"
    }

    fn kind(&self) -> FormatKind {
        FormatKind::Toml
    }

    fn read(&self, name: &[u8], text: Arc<Vec<u8>>, options: &ParseOptions<'_>) -> Result<Parsed> {
        super::check_size(&text)?;
        outline::parsed(name, &read::read(&text)?, FormatKind::Toml, options)
    }

    fn print(&self, package: &Package, names: bool) -> Vec<u8> {
        print::document(package, names)
    }

    fn rewrite(&self, original: &Package, edited: &Package, options: &ParseOptions<'_>) -> Result<Package> {
        write::rewrite(original, edited, options)
    }

    fn names(&self, part: Part, name: &[u8]) -> bool {
        super::is_free_name(part, name)
    }

    fn tidy(&self, text: &Arc<Vec<u8>>) -> Result<Vec<u8>> {
        super::check_size(text)?;
        Ok(tidy::tidy(&read::read(text)?))
    }
}
