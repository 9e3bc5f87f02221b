//! The package files of the configuration directory: finds them, and reads their texts. Other programs may be writing
//! a text at the same time; a read returns one text, never a mixture of two. Nothing is locked.

use std::fs::{FileType, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::commit::place::Place;
use crate::commit::warnings::Warnings;
use crate::error::not_found::Missing;
use crate::error::{Error, Result, shown};
use crate::format::{Dialect, Format, ParseError, Part};
use crate::log::{self, KeyChange};
use crate::model::format_kind::FormatKind;
use crate::model::name;
use crate::model::package::{Key, Package};
use crate::os::files::{FileId, Files, Identity, Wait};
use crate::os::patience::BRIEFLY;
use crate::settings::options::Options;

/// How often a text is read again because it changed meanwhile, before the reader gives up.
const READ_ATTEMPTS: u32 = 100;

/// The kind of file at the path of a package.
pub(crate) enum Found {
    /// A regular file, perhaps through symbolic links: a package.
    File(Metadata),
    /// No file, or a directory. This is no package, and no reason for a warning.
    Nothing,
    /// A file that cannot be a package, and why.
    Odd(String),
}

impl Found {
    /// Finds the kind of file at a path. Nothing is opened: opening a FIFO or a device can block or have side
    /// effects.
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

/// Reports whether a file of this name in the configuration directory is a package. Hidden files, temporary files and copies
/// have a dot in their names.
pub(crate) fn names_package(name: &[u8]) -> bool {
    !name.contains(&b'.') && name::is_package(name)
}

/// Reports whether there is nothing at a path, not even a symbolic link that leads nowhere.
pub(crate) fn is_gone(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Returns the changes that a record has for the first text of a package: none if the log reads them from the text.
pub(crate) fn first_changes(format: &dyn Format, name: &str, text: &[u8]) -> Vec<KeyChange> {
    if format.is_read_by_log() {
        return Vec::new();
    }
    let package = format.read_leniently(name, &Arc::new(text.to_vec()));
    package.map(|package| log::compare_packages(&Package::default(), &package)).unwrap_or_default()
}

/// The packages of an engine's configuration directory, and of the directory that overrides it.
#[derive(Debug)]
pub(crate) struct PackageFiles {
    options: Arc<Options>,
    warnings: Arc<Warnings>,
}

impl PackageFiles {
    /// Makes the package files of an engine. Nothing is read yet.
    pub fn new(options: Arc<Options>, warnings: Arc<Warnings>) -> Self {
        Self { options, warnings }
    }

    fn config(&self) -> &Path {
        &self.options.dirs.config.path
    }

    /// Finds the file of a package: see [`crate::Packages::find`].
    pub fn find(&self, package: &[u8]) -> Result<Place> {
        self.find_with_attributes(package).map(|(place, _)| place)
    }

    /// Finds the file of a package, and returns its attributes as well.
    pub fn find_with_attributes(&self, package: &[u8]) -> Result<(Place, Metadata)> {
        let missing = || Error::NotFound { key: shown::name(package) };
        let path = Path::new(std::ffi::OsStr::from_bytes(package));
        let by_path = package.starts_with(b"/") || package.starts_with(b"./");
        let (path, overriding) = match by_path {
            true => (path.to_path_buf(), None),
            false if !names_package(package) => return Err(missing()),
            false => (self.config().join(path), self.overriding_path(path)),
        };
        let (staged, overridden) = (!by_path, overriding.is_some());
        let path = overriding.unwrap_or(path);
        let found = Found::at(&path).file();
        if found.is_none()
            && staged
            && let Some(other) = self.find_other(package)?
        {
            return Ok(other);
        }
        let Some(metadata) = found else {
            let dir = Missing::config_dir(self.config()).filter(|_| staged);
            return Err(dir.map_or_else(missing, Error::from));
        };
        let file_name = package.rsplit(|byte| *byte == b'/').next().unwrap_or(package);
        let name = if by_path { file_name } else { package };
        let kind = match by_path && self.options.has_other_formats() {
            true => FormatKind::of_file_name(name).map_or(FormatKind::Uci, |(_, kind)| kind),
            false => FormatKind::Uci,
        };
        Ok((Place { path, name: shown::name(name), staged, overridden, format: kind }, metadata))
    }

    /// Finds the file of a package that is no UCI text.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if there are two: nothing says which of them is the package.
    fn find_other(&self, package: &[u8]) -> Result<Option<(Place, Metadata)>> {
        if !self.options.has_other_formats() {
            return Ok(None);
        }
        let name = shown::name(package);
        let at = |kind: FormatKind| {
            let place = self.of_kind(&name, kind);
            let found = Found::at(&place.path).file()?;
            Some((place, found))
        };
        match (at(FormatKind::Toml), at(FormatKind::Json)) {
            (Some(toml), Some(json)) => {
                let why = format!(
                    "{} and {} are there, and only one can be the package: remove one, or make one of both",
                    toml.0.file_name(),
                    json.0.file_name()
                );
                Err(Error::Conflict { key: name, why })
            }
            (toml, json) => Ok(toml.or(json)),
        }
    }

    /// Returns the place of a package in the configuration directory in a file of a format, even if there is none.
    pub fn of_kind(&self, name: &str, kind: FormatKind) -> Place {
        let path = self.config().join(format!("{name}{}", kind.suffix()));
        Place { path, name: name.to_owned(), staged: true, overridden: false, format: kind }
    }

    /// Returns the format of a package, by its file.
    pub fn format_of(&self, name: &str) -> &'static dyn Format {
        self.options.format_of(self.in_config(name).format)
    }

    /// Returns the place of the package that a file of the configuration directory is.
    pub fn of_file(&self, path: &Path) -> Place {
        let file = path.file_name().unwrap_or_default();
        let (name, kind) = match FormatKind::of_file_name(file.as_bytes()) {
            Some((name, kind)) if self.options.has_other_formats() => (name, kind),
            _ => (file.as_bytes(), FormatKind::Uci),
        };
        Place { path: path.to_path_buf(), ..self.of_kind(&String::from_utf8_lossy(name), kind) }
    }

    /// Returns the place of a package in the configuration directory, even if there is no such file.
    pub fn in_config(&self, name: &str) -> Place {
        let place = self.of_kind(name, FormatKind::Uci);
        if !self.options.has_other_formats() || !is_gone(&place.path) {
            return place;
        }
        let others = [FormatKind::Toml, FormatKind::Json].map(|kind| self.of_kind(name, kind));
        match others.into_iter().find(|other| !is_gone(&other.path)) {
            Some(other) => other,
            None => self.of_kind(name, self.staged_kind(name)),
        }
    }

    /// Returns the format that a package without a file will have: that of a key which is staged for it, if UCI text cannot
    /// have the key.
    fn staged_kind(&self, name: &str) -> FormatKind {
        let lines = std::fs::read(self.options.dirs.save.path.join(name)).unwrap_or_default();
        let is_own = lines.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"*"));
        self.free_kind().filter(|_| is_own).unwrap_or_default()
    }

    /// Returns the file of the overriding directory that is used instead of a package's own, if there is one.
    fn overriding_path(&self, name: &Path) -> Option<PathBuf> {
        let path = self.options.dirs.overriding.as_ref()?.join(name);
        let found = std::fs::metadata(&path).ok()?;
        // An overriding directory that is the configuration directory itself has no effect.
        let own = FileId::at(&self.config().join(name));
        (own != Some(FileId::of(&found))).then_some(path)
    }

    /// Finds the file of a package or, if there is none, the path where it will be created: see
    /// [`crate::Packages::find_to_write`].
    pub fn find_to_write(&self, package: &[u8]) -> Result<Place> {
        let error = match self.find(package) {
            Err(error @ Error::NotFound { .. }) if self.options.dialect == Dialect::Cms => error,
            place => return place,
        };
        let name =
            std::str::from_utf8(package).ok().filter(|_| names_package(package) && !package.contains(&b'/'));
        let place = name.map(|name| self.in_config(name));
        let is_free = |place: &Place| std::fs::symlink_metadata(&place.path).is_err();
        place.filter(is_free).ok_or(error)
    }

    /// Reports whether there is no file of a package in the configuration directory.
    pub fn is_new(&self, place: &Place) -> bool {
        place.staged && self.options.dialect == Dialect::Cms && is_gone(&place.path)
    }

    /// Reports whether a package may have nested sections, a root section and names of any characters: not one of UCI text.
    /// A package that does not exist may.
    pub fn has_free_names(&self, package: &[u8]) -> bool {
        match self.find(package) {
            Ok(place) => self.options.format_of(place.format).names(Part::Option, br#""a.b""#),
            Err(_) => names_package(package) && !package.is_empty() && self.free_kind().is_some(),
        }
    }

    /// Returns the format of packages that are made by writing a key that UCI text cannot have: TOML, or JSON in a build
    /// without TOML.
    pub fn free_kind(&self) -> Option<FormatKind> {
        let has = |kind: &FormatKind| self.options.format_of(*kind).names(Part::Option, br#""a.b""#);
        [FormatKind::Toml, FormatKind::Json]
            .into_iter()
            .find(has)
            .filter(|_| self.options.has_other_formats())
    }

    /// Finds the file of a package to write a key, or the path where it will be created. A key that UCI text cannot have
    /// makes a package of another format.
    pub fn find_to_write_key(&self, key: &Key) -> Result<Place> {
        let place = self.find_to_write(&key.package)?;
        match self.free_kind() {
            Some(kind) if !key.is_plain() && self.is_new(&place) => Ok(self.of_kind(&place.name, kind)),
            _ => Ok(place),
        }
    }

    /// Refuses a key that the package cannot have, since it is UCI text.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`].
    pub fn check_key(&self, key: &Key) -> Result<()> {
        if key.is_plain() || self.has_free_names(&key.package) { Ok(()) } else { key.check_plain() }
    }

    /// Lists the packages of the configuration directory: see [`crate::Packages::list`].
    pub fn list(&self) -> Result<Vec<String>> {
        let dir = self.config();
        let entries = std::fs::read_dir(dir).map_err(|source| match source.kind() {
            ErrorKind::NotFound => Missing::ConfigDir(dir.to_owned()).into(),
            _ => Error::io("read", dir)(source),
        })?;
        let mut found: Vec<(String, FormatKind)> = Vec::new();
        for entry in entries {
            let file = entry.map_err(Error::io("read", dir))?.file_name();
            let path = dir.join(&file);
            let place = self.of_file(&path);
            if !names_package(place.name.as_bytes()) || std::str::from_utf8(file.as_bytes()).is_err() {
                continue;
            }
            match Found::at(&path) {
                Found::File(_) => found.push((place.name, place.format)),
                Found::Nothing => {}
                Found::Odd(why) => self.warnings.warn(&format!("{} is skipped: {why}", path.display())),
            }
        }
        found.sort_unstable();
        let mut names: Vec<String> = Vec::with_capacity(found.len());
        for (name, kind) in found {
            if names.last() == Some(&name) {
                self.warnings.warn(&format!(
                    "{name}{} stands beside the file of the package {name}, and is not read: remove it, or make one of both",
                    kind.suffix()
                ));
            } else {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Calls `each` with the packages of these names and their texts. A package that cannot be read is skipped with a
    /// warning. Returns the names of those packages.
    pub fn each_text(
        &self,
        names: Vec<String>,
        mut each: impl FnMut(Place, Arc<Vec<u8>>) -> Result<()>,
    ) -> Result<Vec<String>> {
        let mut left_out = Vec::new();
        for name in names {
            let place = self.in_config(&name);
            match self.read_shared(&place) {
                Ok((text, _)) => each(place, text)?,
                // The package was removed since it was listed.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    self.warnings.warn(&format!("package {name} is skipped: {error}"));
                    left_out.push(name);
                }
            }
        }
        Ok(left_out)
    }

    /// Does what [`PackageFiles::read`] does, and returns the text in an [`Arc`].
    pub fn read_shared(&self, place: &Place) -> Result<(Arc<Vec<u8>>, Metadata)> {
        self.read(place).map(|(text, found)| (Arc::new(text), found))
    }

    /// Reads the text of a package, and the attributes that the file had during the whole read. The text is never a
    /// mixture of two, although no lock is taken.
    pub fn read(&self, place: &Place) -> Result<(Vec<u8>, Metadata)> {
        match read_text(&self.options.files, &place.path, u64::MAX)? {
            Some(read) => Ok(read),
            None => {
                let why = "the file kept changing while it was being read".to_owned();
                Err(Error::Conflict { key: place.name.clone(), why })
            }
        }
    }

    /// Reads a text in the dialect of the engine; errors in it name the file.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if the text has errors and the engine is strict.
    pub fn parse(&self, place: &Place, text: Vec<u8>) -> Result<(Package, Vec<ParseError>)> {
        let options = self.options.parse_options();
        let parsed =
            self.options.format_of(place.format).read(place.name.as_bytes(), Arc::new(text), &options);
        match parsed {
            Ok(parsed) => {
                let errors = parsed.errors.into_iter().map(|error| error.in_file(&place.path)).collect();
                Ok((parsed.package, errors))
            }
            Err(Error::Parse(error)) => Err(error.in_file(&place.path).into()),
            Err(error) => Err(error),
        }
    }
}

/// Reads the text of a package file: see [`PackageFiles::read`]. `None` if the file kept changing meanwhile, or is larger
/// than `limit` bytes.
pub(crate) fn read_text(files: &Files, path: &Path, limit: u64) -> Result<Option<(Vec<u8>, Metadata)>> {
    for _ in 0..READ_ATTEMPTS {
        let open = files.open_package(path).map_err(Error::io("open", path))?;
        let look = || open.file.metadata().map_err(Error::io("read", path));
        let read = || files.read(&open).map_err(Error::io("read", path));
        let before = look()?;
        if before.len() > limit {
            return Ok(None);
        }
        let (text, after) = (read()?, look()?);
        if after.nlink() == 0 {
            // The program that has replaced the file may be writing the new text into it, even if its times do not
            // show that: see `stock::update_displaced`. If that takes long, the file is read where it is.
            let locked = files.lock(&open, false, Instant::now() + BRIEFLY);
            if locked.map_err(Error::io("lock", path))? == Wait::Held {
                return Ok(Some((read()?, look()?)));
            }
        } else if Identity::of(&before) == Identity::of(&after) {
            return Ok(Some((text, after)));
        }
    }
    Ok(None)
}
