//! What the check of a value asks of the world around it: files, and other packages.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::model::package::Package;

/// The values that `uci(PACKAGE,@TYPE)` and `uci(PACKAGE,SECTION,OPTION)` accept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// The package.
    pub package: Vec<u8>,
    /// The name of a section; or `@` and a type, for all sections of that type.
    pub section: Vec<u8>,
    /// The option whose values are accepted; without it, the names of the sections.
    pub option: Option<Vec<u8>>,
}

/// The answer to a question about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a question has these answers")]
pub enum Answer {
    /// The value is accepted.
    Yes,
    /// The value is not accepted.
    No,
    /// There is nothing here that could tell.
    Unknown,
}

impl From<bool> for Answer {
    fn from(is_accepted: bool) -> Self {
        if is_accepted { Self::Yes } else { Self::No }
    }
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "datatypes know these kinds of files")]
pub enum FileKind {
    /// A regular file: `file`.
    File,
    /// A directory: `directory`.
    Directory,
    /// A block or character device: `device`.
    Device,
}

/// Answers the questions of a check that the value alone does not answer. Each method has an answer of its own, so that
/// a program implements what it can answer.
pub trait Context {
    /// Reports whether the reference accepts the value.
    fn accepts(&self, reference: &Reference, value: &[u8]) -> Answer {
        let _ = (reference, value);
        Answer::Unknown
    }

    /// Reports whether there is a file of this kind at the path.
    fn has_file(&self, path: &[u8], kind: FileKind) -> Answer {
        is_kind(Path::new(OsStr::from_bytes(path)), kind).into()
    }
}

/// A context without packages, with the files of this machine.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Files;

impl Context for Files {}

/// A context without packages, with the files below a directory, as if it were the root.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FilesBelow {
    root: PathBuf,
}

impl FilesBelow {
    /// Makes the context of a directory.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Context for FilesBelow {
    fn has_file(&self, path: &[u8], kind: FileKind) -> Answer {
        // `..` stops at the root, as it does on a machine.
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let mut below = self.root.clone();
        below.extend(parts.into_iter().map(OsStr::from_bytes));
        let asks_for_directory = path.ends_with(b"/") && kind != FileKind::Directory;
        (!asks_for_directory && is_kind(&below, kind)).into()
    }
}

fn is_kind(path: &Path, kind: FileKind) -> bool {
    let Ok(metadata) = std::fs::metadata(path) else { return false };
    let found = metadata.file_type();
    match kind {
        FileKind::File => found.is_file(),
        FileKind::Directory => found.is_dir(),
        FileKind::Device => found.is_block_device() || found.is_char_device(),
    }
}

impl Reference {
    /// Reports whether a package has the value where the reference says. It is not asked whether it is the package of
    /// the reference.
    #[must_use]
    pub fn is_in(&self, package: &Package, value: &[u8]) -> bool {
        let wanted_type = self.section.strip_prefix(b"@");
        let mut sections = package.sections().filter(|section| match wanted_type {
            Some(wanted) => section.section_type() == wanted,
            None => section.name() == self.section,
        });
        match (&self.option, wanted_type) {
            (None, None) => false,
            (None, Some(_)) => sections.any(|section| section.name() == value),
            (Some(option), _) => sections.any(|section| {
                section.get(option).is_some_and(|held| held.items().any(|item| item == value))
            }),
        }
    }
}
