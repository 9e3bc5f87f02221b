//! Loading packages for readers: their texts, with the staged changes applied. Commits read packages through `opening`.
//!
//! Nothing here holds a lock while it reads a text: a reader gets one text, never a mixture of two. Unless
//! [`crate::Options::stale`] is set, a text that is behind a log is not read: `settle` waits until it is in place, or
//! `ahead` reads the map that shows the newer state.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::core::Core;
use crate::commit::packages::names_package;
use crate::commit::parsed_text::ParsedText;
use crate::commit::place::{Loaded, Place, StagedChange};
use crate::commit::{ahead, last_good, open_session, save_deferred, settle};
use crate::error::{Code, Error, Result};
use crate::format::uci::{Dialect, ParseError};
use crate::log::{Digest, Log};
use crate::model::change::Delta;
use crate::model::format_kind::FormatKind;
use crate::model::package::replay::Replay;
use crate::model::package::{Key, Package};
use crate::staging::delta_file::Staging;

/// The packages of a store: see [`crate::Packages::list`].
#[derive(Debug, Clone, Copy)]
pub struct Packages<'e> {
    core: &'e Core,
}

impl<'e> Packages<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }

    /// Finds the file of a package: by name in the configuration directory (or the one that overrides it),
    /// or by a path that starts with `/` or `./`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such regular file; [`Error::Missing`] if there is not even the
    /// configuration directory.
    pub fn find(&self, package: &[u8]) -> Result<Place> {
        self.core.packages.find(package)
    }

    /// Finds the file of a package as [`Packages::find`] does, and returns its size in bytes as well.
    ///
    /// # Errors
    ///
    /// As for [`Packages::find`].
    pub fn find_with_size(&self, package: &[u8]) -> Result<(Place, u64)> {
        self.core.packages.find_with_attributes(package).map(|(place, found)| (place, found.len()))
    }

    /// Finds the file of a package as [`Packages::find`] does or, if there is none, the path where it is to be
    /// created. In stock uci's dialect only `import` without `-m` creates packages.
    ///
    /// # Errors
    ///
    /// As for [`Packages::find`]; [`Error::NotFound`] if no package of the configuration directory can have this name, or
    /// if a directory or device has it.
    pub fn find_to_write(&self, package: &[u8]) -> Result<Place> {
        self.core.packages.find_to_write(package)
    }

    /// Returns all faults of a text that is, or is to be, the text of a package.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if this build cannot read the format of the package, [`Error::OutOfMemory`].
    pub fn faults(&self, place: &Place, text: &Arc<Vec<u8>>) -> Result<Vec<ParseError>> {
        if place.format == FormatKind::Uci {
            return Ok(crate::format::uci::check(text, self.core.options.parse_options().progress));
        }
        match self.read_text(place, text) {
            Ok(_) => Ok(Vec::new()),
            Err(Error::Parse(error)) => Ok(vec![*error]),
            Err(error) => Err(error),
        }
    }

    /// Reads a text in the format of a package.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if the text has errors.
    pub fn read_text(&self, place: &Place, text: &Arc<Vec<u8>>) -> Result<Package> {
        self.core.options.format_of(place.format).read_strictly(&place.name, text)
    }

    /// Returns a text with the canonical blanks of the format of a package; comments stay.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if the text has errors.
    pub fn tidied(&self, place: &Place, text: &Arc<Vec<u8>>) -> Result<Vec<u8>> {
        self.core.options.format_of(place.format).tidy(text)
    }

    /// Loads the package of a key that will be written, as [`Packages::load_to_change`] does, or without staged changes. A
    /// key that UCI text cannot have makes a package of another format.
    ///
    /// # Errors
    ///
    /// As for [`Packages::load_to_change`].
    pub fn load_to_write(&self, key: &Key, staged: bool) -> Result<Loaded> {
        let place = self.core.packages.find_to_write_key(key)?;
        if staged { load_at(self.core, place) } else { load_committed_or_new(self.core, place) }
    }

    /// Reports whether there is no file of a package in the configuration directory.
    #[must_use]
    pub fn is_new(&self, place: &Place) -> bool {
        self.core.packages.is_new(place)
    }

    /// Reports whether a package has free names: nested sections, options outside of sections, and names in quotes. `None`
    /// if there is no such package.
    #[must_use]
    pub fn has_free_names(&self, package: &[u8]) -> Option<bool> {
        let is_there = self.core.packages.find(package).is_ok();
        is_there.then(|| self.core.packages.has_free_names(package))
    }

    /// Lists the packages of the configuration directory in byte order: regular files, also through symbolic links,
    /// whose names hold no dot. Files that cannot be packages, such as a FIFO, are skipped with a warning
    /// ([`crate::Options::warn`]).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the directory cannot be read, [`Error::Missing`] if it does not exist.
    pub fn list(&self) -> Result<Vec<String>> {
        self.core.packages.list()
    }

    /// Lists the packages that have staged changes and no file yet, in byte order.
    #[must_use]
    pub fn list_new(&self) -> Vec<String> {
        new_packages(self.core)
    }

    /// Loads a package with its staged changes.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package, [`Error::Io`] if it cannot be read,
    /// [`Error::Parse`] if its text has errors and the store is strict; [`Error::Locked`] and [`Error::Io`] also if
    /// the staged changes cannot be read.
    pub fn load(&self, package: &[u8]) -> Result<Loaded> {
        load(self.core, package)
    }

    /// Loads a package that will be changed. A package without a file is empty; otherwise it is as [`Packages::load`]
    /// returns it.
    ///
    /// # Errors
    ///
    /// As for [`Packages::load`] and [`Packages::find_to_write`].
    pub fn load_to_change(&self, package: &[u8]) -> Result<Loaded> {
        load_to_change(self.core, package)
    }

    /// Loads a package without staged changes.
    ///
    /// # Errors
    ///
    /// As for [`Packages::load`], and [`Error::Locked`] if another log is ahead of the text and the newer text is not put
    /// in place in time: see [`crate::Options::stale`].
    pub fn load_committed(&self, place: Place) -> Result<Loaded> {
        load_committed(self.core, place)
    }

    /// Loads a package without staged changes. A package without a file is empty.
    ///
    /// # Errors
    ///
    /// As for [`Packages::load_committed`].
    pub fn load_committed_or_new(&self, place: Place) -> Result<Loaded> {
        load_committed_or_new(self.core, place)
    }

    /// Loads a package as [`Packages::load`] does. If its text cannot be parsed, returns the last good state with the error
    /// in the text.
    ///
    /// # Errors
    ///
    /// As for [`Packages::load`]; [`Error::Parse`] only if no good state is known.
    pub fn load_good(&self, package: &[u8]) -> Result<(Loaded, Option<Box<ParseError>>)> {
        load_good(self.core, package)
    }
}

/// Loads a package with its staged changes; a package without a file is found if changes are staged for it.
pub(crate) fn load(core: &Core, package: &[u8]) -> Result<Loaded> {
    let missing = match core.packages.find(package) {
        Err(error @ Error::NotFound { .. }) => error,
        place => return load_at(core, place?),
    };
    // A package may be staged and not exist yet.
    match core.packages.find_to_write(package).and_then(|place| load_at(core, place)) {
        Ok(loaded) if !loaded.changes.is_empty() => Ok(loaded),
        Err(error) if error.code() != Code::NotFound => Err(error),
        _ => Err(missing),
    }
}

/// Loads the package at a place with its staged changes. A package without a file is empty.
pub(crate) fn load_at(core: &Core, place: Place) -> Result<Loaded> {
    with_staged(core, load_committed_or_new(core, place)?)
}

/// Adds the staged changes of a package to it.
pub(crate) fn with_staged(core: &Core, mut loaded: Loaded) -> Result<Loaded> {
    if loaded.place.staged {
        for dir in core.dirs().overlays.iter().chain([&core.dirs().save.path]) {
            let mut replay = Replay::new(core.options.dialect);
            for delta in staged_in(core, &loaded.place, dir)? {
                let failure = replay.apply(&mut loaded.package, &delta).err().map(|error| error.to_string());
                loaded.changes.push(StagedChange { delta, failure });
            }
            loaded.followups.extend(replay.followups);
        }
    }
    Ok(loaded)
}

/// Returns the changes that are staged for a package in a directory. In stock uci's dialect it waits as long as another
/// program has the delta file locked.
///
/// # Errors
///
/// [`Error::Locked`] and [`Error::Io`] if it cannot be read.
pub(crate) fn staged_in(core: &Core, place: &Place, dir: &Path) -> Result<Vec<Delta>> {
    let mut staging = core.staging(place, dir);
    if core.options.dialect == Dialect::Uci {
        staging.timeout = Box::new(|| Duration::from_secs(u64::from(u32::MAX)));
    }
    staged_lines(&staging)
}

/// Loads a package without staged changes, from its map if the text is behind a log, else from its file.
pub(crate) fn load_committed(core: &Core, place: Place) -> Result<Loaded> {
    if !core.options.stale {
        if let Some(package) = ahead::read_ahead(core, &place) {
            return Ok(Loaded::of(place, package));
        }
        settle::await_text(core, &place.path)?;
    }
    let (text, _) = core.packages.read(&place)?;
    let (package, errors) = core.packages.parse(&place, text)?;
    Ok(Loaded { place, package, changes: Vec::new(), followups: Vec::new(), errors })
}

/// Returns the changes of a package that its delta file holds.
pub(crate) fn staged_lines(staging: &Staging<'_>) -> Result<Vec<Delta>> {
    let (_, lines) = staging.lines()?;
    let deltas = lines.into_iter().filter_map(|line| line.delta);
    Ok(deltas.filter(|(of, _)| *of == staging.package.as_bytes()).map(|(_, delta)| delta).collect())
}

/// Loads a package with its staged changes, to change it; a package without a file is empty.
pub(crate) fn load_to_change(core: &Core, package: &[u8]) -> Result<Loaded> {
    let place = core.packages.find_to_write(package)?;
    load_at(core, place)
}

/// Loads a package without staged changes; a package without a file is empty.
pub(crate) fn load_committed_or_new(core: &Core, place: Place) -> Result<Loaded> {
    if core.packages.is_new(&place) {
        let package = Package::of_format(place.name.as_bytes(), place.format);
        return Ok(Loaded::of(place, package));
    }
    load_committed(core, place)
}

/// Lists the packages that have staged changes and no file yet, in byte order.
pub(crate) fn new_packages(core: &Core) -> Vec<String> {
    let entries = std::fs::read_dir(&core.dirs().save.path).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_new = |name: &String| {
        names_package(name.as_bytes()) && {
            let place = core.packages.in_config(name);
            core.packages.is_new(&place)
                && staged_in(core, &place, &core.dirs().save.path).is_ok_and(|staged| !staged.is_empty())
        }
    };
    let mut names: Vec<String> = names.filter(is_new).collect();
    names.sort_unstable();
    names
}

/// Loads a package with its staged changes; if its text cannot be parsed, loads the last good state from its map or from
/// the log, and returns the error in the text as well.
pub(crate) fn load_good(core: &Core, package: &[u8]) -> Result<(Loaded, Option<Box<ParseError>>)> {
    let error = match load(core, package) {
        Err(Error::Parse(error)) => error,
        loaded => return Ok((loaded?, None)),
    };
    let place = core.packages.find(package)?;
    match ahead::read_map(core, &place).or_else(|| last_good::last_good(core, &place)) {
        Some(good) => Ok((with_staged(core, Loaded::of(place, good))?, Some(error))),
        None => Err(Error::Parse(error)),
    }
}

/// Returns the state of a package that the maps show (`shown` is its digest) if it can be found, else reads the text.
///
/// # Errors
///
/// As for [`crate::Packages::load_committed`].
pub(crate) fn load_shown(core: &Core, place: &Place, shown: Option<Digest>) -> Result<Arc<ParsedText>> {
    let read = || core.packages.read(place).map(|(text, _)| text);
    if let Some(shown) = shown {
        // Other programs have committed since, to the state that is known here or to the text in the file.
        let followed = match core.states.last_state(place) {
            Some(last) => save_deferred::follow(core, place, &last, shown)?,
            None => None,
        };
        if let Some(known) =
            followed.map_or_else(|| save_deferred::made_of(core, place, read()?, shown), |k| Ok(Some(k)))?
        {
            return Ok(known);
        }
    }
    settle::await_text(core, &place.path)?;
    if core.logs.current().is_some_and(Log::is_open_ended) {
        // Readers may have seen a newer state than this text; opening a session puts the newer text in place. If that
        // fails, the commit returns the error.
        drop(open_session::session(core));
    }
    core.states.read(place, read()?)
}
