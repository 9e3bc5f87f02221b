//! Which files of the configuration directory are packages, and reading all of them.

use std::fs::{FileType, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use crate::commit::engine::{Engine, Place};
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::model::name;

/// What stands under the name of a package.
pub(crate) enum Found {
    /// A regular file, perhaps through symbolic links: a package.
    File(Metadata),
    /// A directory, which is no package and nothing odd, or nothing.
    Nothing,
    /// Something that can be no package, and why.
    Odd(String),
}

impl Found {
    /// Looks at a path. Nothing is opened: to open a FIFO or a device can wait or do something.
    pub fn at(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(found) if found.is_file() => Self::File(found),
            Ok(found) if found.is_dir() => Self::Nothing,
            Ok(found) => Self::Odd(format!("it is {}, not a regular file", kind(found.file_type()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Nothing,
            Err(error) => Self::Odd(error.to_string()),
        }
    }

    /// Returns the attributes of the file, if it is a package.
    pub fn file(self) -> Option<Metadata> {
        match self {
            Self::File(found) => Some(found),
            Self::Nothing | Self::Odd(_) => None,
        }
    }
}

fn kind(found: FileType) -> &'static str {
    match () {
        () if found.is_fifo() => "a FIFO",
        () if found.is_socket() => "a socket",
        () => "a device",
    }
}

/// Reports whether a file of this name in the configuration directory is a package. Names that hold a dot are those of
/// hidden and temporary files, and of copies.
pub(crate) fn names_package(name: &[u8]) -> bool {
    !name.contains(&b'.') && name::is_package(name)
}

impl Engine {
    /// Lists the packages of the configuration directory in byte order: regular files, also through symbolic links,
    /// whose names hold no dot. What can be no package, such as a FIFO, is passed over with a warning
    /// ([`crate::Options::warn`]).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the directory cannot be read, [`Error::Missing`] if it does not exist.
    pub fn packages(&self) -> Result<Vec<String>> {
        let dir = &self.dirs().config.path;
        let entries = std::fs::read_dir(dir).map_err(|source| match source.kind() {
            ErrorKind::NotFound => Missing::ConfigDir(dir.clone()).into(),
            _ => Error::io("read", dir)(source),
        })?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io("read", dir))?.file_name().into_vec();
            let Some(name) = String::from_utf8(name).ok().filter(|name| names_package(name.as_bytes()))
            else {
                continue;
            };
            let path = dir.join(&name);
            match Found::at(&path) {
                Found::File(_) => names.push(name),
                Found::Nothing => {}
                Found::Odd(why) => self.warn(&format!("{} is skipped: {why}", path.display())),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Calls `each` with the packages of these names and their texts. One that cannot be read does not keep the others
    /// from that: it is passed over with a warning. Returns the names of those.
    pub(crate) fn each_text(
        &self,
        names: Vec<String>,
        mut each: impl FnMut(Place, Arc<Vec<u8>>) -> Result<()>,
    ) -> Result<Vec<String>> {
        let mut left_out = Vec::new();
        for name in names {
            let place = self.config_place(&name);
            match self.read_settled(&place) {
                Ok((text, _)) => each(place, text)?,
                // It was removed since it was listed.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    self.warn(&format!("package {name} is skipped: {error}"));
                    left_out.push(name);
                }
            }
        }
        Ok(left_out)
    }
}
