//! The line of a key in the text of its package, for messages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::commit::packages::read_text;
use crate::error::Result;
use crate::format::Format;
use crate::live::Store;
use crate::live::snapshot::value_key;
use crate::model::package::{Key, Package};
use crate::os::files::Files;

/// Finds the line of a key in the text of its package, when it is asked for: the text is read then. It keeps no store
/// open.
#[derive(Debug)]
pub struct TextLine {
    path: PathBuf,
    key: Key,
    format: &'static dyn Format,
    files: Files,
}

impl TextLine {
    /// Returns the package file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.path
    }

    /// Returns the line of the option or of the section, counted from 1. With `value`, the option must have it, or the section that type: a package
    /// can have been changed since the value was read. `None` if the text has no such key or cannot be read.
    #[must_use]
    pub fn find(&self, value: Option<&[u8]>) -> Option<u32> {
        let (text, _) = read_text(&self.files, &self.path, u64::MAX).ok().flatten()?;
        let text = Arc::new(text);
        let package = self.format.read_leniently(&crate::error::shown::name(&self.key.package), &text)?;
        let offset = self.offset(&package, value)?;
        let line = text.get(..offset)?.iter().filter(|byte| **byte == b'\n').count() + 1;
        u32::try_from(line).ok()
    }

    fn offset(&self, package: &Package, value: Option<&[u8]>) -> Option<usize> {
        let key = package.settle(self.key.clone()).ok()?;
        let section = package.select(key.section.as_ref()?).ok()??;
        let Some(option) = &key.option else {
            let is_it = value.is_none_or(|value| section.section_type() == value);
            return if is_it { section.offset() } else { None };
        };
        let option = section.option(option)?;
        let is_it = value.is_none_or(|value| option.value().items().eq([value]));
        if is_it { option.offset() } else { None }
    }
}

impl Store {
    /// Returns what finds the line of a key.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NotFound`] if there is no such package; [`crate::Error::Invalid`] if the key is not one of a section
    /// or an option.
    pub fn text_line(&self, key: &[u8]) -> Result<TextLine> {
        let key = value_key(key)?;
        let core = &self.engine().core;
        let place = core.packages.find(&key.package)?;
        let path = place.path;
        Ok(TextLine {
            path,
            key,
            format: core.options.format_of(place.format),
            files: core.options.files.clone(),
        })
    }
}
