//! Packages that there is no file of yet. Writing to one creates it: a staged change does so when it is committed.

use std::sync::Arc;

use crate::commit::draft::{Present, Reading};
use crate::commit::engine::{Engine, Loaded, Place};
use crate::commit::listing::names_package;
use crate::commit::log_session::Ledger;
use crate::commit::plan::Known;
use crate::error::{Error, Result};
use crate::format::uci::Dialect;
use crate::log::Digest;
use crate::model::package::Package;

impl Engine {
    /// Finds the file of a package as [`Engine::place`] does or, if there is none, where it is to be. In stock uci's
    /// dialect only a full import creates packages.
    ///
    /// # Errors
    ///
    /// As for [`Engine::place`]; [`Error::NotFound`] for what cannot be the name of a package in the configuration
    /// directory, or stands there and is no file.
    pub fn place_to_write(&self, package: &[u8]) -> Result<Place> {
        let error = match self.place(package) {
            Err(error @ Error::NotFound { .. }) if self.options.dialect == Dialect::Cms => error,
            place => return place,
        };
        let name =
            std::str::from_utf8(package).ok().filter(|_| names_package(package) && !package.contains(&b'/'));
        let place = name.map(|name| self.config_place(name));
        let is_free = |place: &Place| std::fs::symlink_metadata(&place.path).is_err();
        place.filter(is_free).ok_or(error)
    }

    /// Loads a package that is to be changed: as [`Engine::load`], but one there is no file of is empty.
    ///
    /// # Errors
    ///
    /// As for [`Engine::load`] and [`Engine::place_to_write`].
    pub fn load_to_change(&self, package: &[u8]) -> Result<Loaded> {
        let place = self.place_to_write(package)?;
        self.load_at(place)
    }

    /// Loads a package without staged changes. One that there is no file of is empty.
    ///
    /// # Errors
    ///
    /// As for [`Engine::load_committed`].
    pub fn load_committed_or_new(&self, place: Place) -> Result<Loaded> {
        if self.is_new(&place) {
            let package = Package::new(place.name.as_bytes());
            return Ok(Loaded::of(place, package));
        }
        self.load_committed(place)
    }

    /// Reports whether there is no file of a package in the configuration directory.
    #[must_use]
    pub fn is_new(&self, place: &Place) -> bool {
        let there = || std::fs::symlink_metadata(&place.path);
        place.staged
            && self.options.dialect == Dialect::Cms
            && there().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    }

    /// Lists the packages that there are no files of and something is staged for, in byte order.
    #[must_use]
    pub fn new_packages(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dirs().save.path).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let is_new = |name: &String| {
            names_package(name.as_bytes()) && {
                let place = self.config_place(name);
                self.is_new(&place)
                    && self.staged_in(&place, &self.dirs().save.path).is_ok_and(|staged| !staged.is_empty())
            }
        };
        let mut names: Vec<String> = names.filter(is_new).collect();
        names.sort_unstable();
        names
    }

    /// Reads a package that is to be written, under its locks, and has the log look at it. One that there is no file of
    /// is empty if `creates`, else it is an error. `None` if someone was writing to it.
    pub(crate) fn read_to_write(
        &self,
        ledger: &mut Ledger<'_>,
        place: &Place,
        creates: bool,
    ) -> Result<Option<(Option<Reading>, Arc<Known>)>> {
        match self.read_if_there(&place.path)? {
            Present::Busy => Ok(None),
            Present::Read(mut reading) => {
                let old = self.look(ledger, place, std::mem::take(&mut reading.text))?;
                Ok(Some((Some(reading), old)))
            }
            Present::Absent if creates && self.is_new(place) => {
                ledger.look_gone(place)?;
                Ok(Some((None, nothing(&place.name))))
            }
            Present::Absent => Err(Error::NotFound { key: place.name.clone() }),
        }
    }
}

/// Returns the state of a package that is not there.
pub(crate) fn nothing(name: &str) -> Arc<Known> {
    let package = Package::new(name.as_bytes());
    Arc::new(Known { digest: Digest::of(package.source()), package })
}
