//! Packages and files that a command reads as texts.

use std::path::{Path, PathBuf};

use cms::{Error, Place};

use crate::argument::{path, show};
use crate::context::Context;
use crate::failure::Failure;

/// A package or a file that a command reads as a text.
pub struct TextFile {
    pub place: Place,
    /// Whether it can be written in place: not standard input, a pipe or a device.
    pub is_regular: bool,
}

impl TextFile {
    fn of_package(place: Place) -> Self {
        Self { place, is_regular: true }
    }

    /// Finds what an argument names that is no package: standard input (`-`), or a file of any kind but a directory.
    fn of_path(argument: &[u8]) -> Option<Self> {
        let path = path(argument);
        let is_input = argument == b"-";
        let found = std::fs::metadata(path).ok().filter(|found| !found.is_dir());
        let is_regular = !is_input && found.as_ref()?.is_file();
        Some(Self { place: Place::of_file(path.to_path_buf()), is_regular })
    }

    /// Returns the name that messages show.
    pub fn shown(&self) -> PathBuf {
        match self.place.path == Path::new("-") {
            true => "standard input".into(),
            false => self.place.path.clone(),
        }
    }

    pub fn read(&self) -> Result<Vec<u8>, Failure> {
        let failed = |source| Error::Io { op: "read", path: self.shown(), source };
        Ok(cms::named_file::read(&self.place.path, cms::MAX_TEXT, b"").map_err(failed)?)
    }
}

/// Reports whether a package without a file has staged changes, which make it when they are committed.
fn is_staged(context: &Context, package: &[u8]) -> bool {
    context.store.packages().list_new().iter().any(|name| name.as_bytes() == package)
}

/// Returns the packages or files named, or all packages. A missing package or file is reported.
pub fn files(context: &mut Context, arguments: &[Vec<u8>]) -> Result<Vec<TextFile>, Failure> {
    if arguments.is_empty() {
        let names = context.store.packages().list()?;
        let places = names.iter().filter_map(|name| context.store.packages().find(name.as_bytes()).ok());
        return Ok(places.map(TextFile::of_package).collect());
    }
    let mut files = Vec::new();
    for argument in arguments {
        match context.store.packages().find(argument) {
            Ok(place) => files.push(TextFile::of_package(place)),
            Err(error) => match TextFile::of_path(argument) {
                Some(file) => files.push(file),
                None if is_staged(context, argument) => {
                    let name = show(argument);
                    context.note(&format!("package '{name}' has no file yet: its sections are staged"));
                }
                None => context.report(&error.into())?,
            },
        }
    }
    Ok(files)
}
