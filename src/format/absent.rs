//! Stands for a format that the build does not have: its packages are there, and each text is refused.

use std::sync::Arc;

use super::{Format, ParseOptions, Parsed, Part};
use crate::error::{Error, Result};
use crate::model::format_kind::FormatKind;
use crate::model::package::Package;

/// See the module documentation.
#[derive(Debug)]
pub struct Absent(pub FormatKind);

impl Absent {
    fn refused(&self, name: &[u8]) -> Error {
        let why = match self.0 {
            FormatKind::Toml => "a TOML package is not readable by this build of cms",
            _ => "a JSON package is not readable by this build of cms",
        };
        Error::invalid(name, why)
    }
}

impl Format for Absent {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn kind(&self) -> FormatKind {
        self.0
    }

    fn read(&self, name: &[u8], _: Arc<Vec<u8>>, _: &ParseOptions<'_>) -> Result<Parsed> {
        Err(self.refused(name))
    }

    fn print(&self, _: &Package, _: bool) -> Vec<u8> {
        Vec::new()
    }

    fn rewrite(&self, _: &Package, edited: &Package, _: &ParseOptions<'_>) -> Result<Package> {
        Err(self.refused(edited.name()))
    }

    fn names(&self, _: Part, _: &[u8]) -> bool {
        false
    }

    fn tidy(&self, _: &Arc<Vec<u8>>) -> Result<Vec<u8>> {
        Err(self.refused(b""))
    }
}
