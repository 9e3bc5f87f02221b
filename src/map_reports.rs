//! Reports on the maps of a store: their size, whether they are current and sound. Also rebuilds them.

use std::path::PathBuf;

use crate::commit::core::Core;
use crate::commit::upkeep;
use crate::error::{Error, Result};
use crate::map::{MapDirectory, Usage};

/// A report on the map of a package.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MapReport {
    /// The package.
    pub package: String,
    /// The file.
    pub path: PathBuf,
    /// The memory that it uses.
    pub usage: Usage,
    /// Whether it shows the present text. If not, it is updated when it is next read.
    pub is_current: bool,
    /// The damage that was found, if any. A damaged map is rebuilt when it is next opened.
    pub damage: Option<String>,
}

/// The maps of a store: see [`crate::Maps::list`].
#[derive(Debug, Clone, Copy)]
pub struct Maps<'e> {
    core: &'e Core,
}

impl<'e> Maps<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }

    /// Returns reports on the maps in the run directory, sorted by package name. With `verify` every byte of them is
    /// checked.
    #[must_use]
    pub fn list(&self, verify: bool) -> Vec<MapReport> {
        let Some(shared) = MapDirectory::find(self.core.dirs(), &self.core.options.files, false) else {
            return Vec::new();
        };
        let packages = shared.packages();
        packages.into_iter().map(|package| self.map_report(&shared, package, verify)).collect()
    }

    /// Reports whether the commits of this process are published to the shared maps. If the maps belong to another
    /// user, running programs notice the commits later, like edits by hand.
    #[must_use]
    pub fn publishes(&self) -> bool {
        let shared = MapDirectory::find(self.core.dirs(), &self.core.options.files, false);
        shared.is_none_or(|shared| shared.control().is_none() || shared.control_to_wait().is_some())
    }

    fn map_report(&self, shared: &MapDirectory, package: String, verify: bool) -> MapReport {
        let path = shared.path_of(&package);
        let mut report =
            MapReport { package, path, usage: Usage::default(), is_current: false, damage: None };
        let text = self.core.packages.find(report.package.as_bytes()).ok();
        let text = text.and_then(|place| std::fs::metadata(place.path).ok());
        match shared.open(&report.package, false) {
            Ok(Some(map)) => {
                report.usage = map.usage();
                let settled = map.source().zip(text).is_some_and(|(source, text)| source.is(&text));
                report.is_current = settled && !map.is_retired();
                report.damage =
                    if verify { map.check().err().map(|damage| damage.to_string()) } else { None };
            }
            Ok(None) => report.damage = Some("not a file of a trusted owner that can be read".to_owned()),
            Err(error) => report.damage = Some(error.to_string()),
        }
        report
    }

    /// Rebuilds the map of a package from its text. Programs that have the old map open switch to the new one by
    /// themselves.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such package, [`Error::Parse`] if its text has errors,
    /// [`Error::Full`] if the map would be larger than allowed, [`Error::Io`] if there is no run directory or
    /// the map cannot be written.
    pub fn rebuild(&self, package: &[u8]) -> Result<()> {
        let place = self.core.packages.find(package)?;
        let run = self.core.dirs().run.as_ref().map(|run| run.path.clone()).unwrap_or_default();
        let none = || Error::io("use the run directory", run)(std::io::ErrorKind::NotFound.into());
        let shared = MapDirectory::find(self.core.dirs(), &self.core.options.files, true).ok_or_else(none)?;
        upkeep::remake(self.core, &shared, &place)
    }
}
