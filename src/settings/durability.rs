//! Durability: which failures a commit survives, for a store and for single packages.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::settings::options::Options;
use crate::settings::resolved::Setting;

/// The failures that a commit survives once it has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A power cut: the record in the log and the text of the package are synced.
    #[default]
    Full,
    /// A power cut as well: the record in the log is synced, and the maps show it. The text is written later, or as
    /// soon as another program opens the store or commits to it; see [`Options::text_delay`]. A commit needs one sync
    /// instead of three, and commits that follow each other quickly write one text. Staged commits write their text
    /// as with [`Durability::Full`], and so does a store without a log or without shared maps.
    Log,
    /// A crash or kill of the process. A power cut may lose the last transactions, of one package more than of
    /// another; but each package is complete, in the state after one of its transactions. So the new text is synced
    /// before it takes its place at this level as well, which is most of the cost of a commit on a disk; the log and
    /// the directory are not synced.
    None,
}

impl Durability {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "full" => Some(Self::Full),
            "log" => Some(Self::Log),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Returns its name in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Log => "log",
            Self::None => "none",
        }
    }

    /// Returns its strictness, as a number to compare.
    pub(crate) fn strictness(self) -> u8 {
        match self {
            Self::Full => 2,
            Self::Log => 1,
            Self::None => 0,
        }
    }
}

/// The expected form of the text, for errors.
pub(crate) const EXPECTED: &str =
    "durability is full, log or none, and PACKAGE=LEVEL for single packages, with commas between";

/// The given levels of durability: a general one, and one for single packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    pub general: Option<Durability>,
    pub packages: BTreeMap<String, Durability>,
}

impl Levels {
    /// Reads `full`, `log` or `none` for all packages, and `PACKAGE=LEVEL` for one, separated by commas.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the text has another form.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid(text.as_bytes(), EXPECTED);
        let mut levels = Self::default();
        for part in text.split(',') {
            match part.split_once('=') {
                None => levels.general = Some(Durability::parse(part).ok_or_else(wrong)?),
                Some((package, level)) if crate::model::name::is_package(package.as_bytes()) => {
                    let level = Durability::parse(level).ok_or_else(wrong)?;
                    levels.packages.insert(package.to_owned(), level);
                }
                Some(_) => return Err(wrong()),
            }
        }
        Ok(levels)
    }

    /// Reports whether no level is given.
    pub fn is_none(&self) -> bool {
        self.general.is_none() && self.packages.is_empty()
    }

    /// Returns the given level of a package, or of all packages that are not named.
    pub fn of(&self, package: Option<&str>) -> Option<Durability> {
        package.and_then(|package| self.packages.get(package)).copied().or(self.general)
    }
}

impl Options {
    /// Returns the durability of commits to a package according to these options. The policy may raise it: see
    /// [`crate::Engine::settings`].
    #[must_use]
    pub fn durability_of(&self, package: &str) -> Durability {
        self.package_durability.get(package).copied().unwrap_or(self.durability)
    }

    /// Sets the durability from a text: `full`, `log` or `none` for all packages, and `PACKAGE=LEVEL` for one, separated by
    /// commas.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the text has another form; nothing is changed then.
    pub fn set_durability(&mut self, levels: &str) -> Result<()> {
        let Levels { general, packages } = Levels::parse(levels)?;
        if let Some(general) = general {
            self.durability = general;
            self.given.insert(Setting::Durability);
        }
        self.package_durability.extend(packages);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_for_all_packages_or_for_one() {
        let mut options = Options::default();
        options.set_durability("log,network=full,stats=none").expect("it is right");
        assert_eq!(options.durability_of("dhcp"), Durability::Log);
        assert_eq!(options.durability_of("network"), Durability::Full);
        assert_eq!(options.durability_of("stats"), Durability::None);
        options.set_durability("stats=log").expect("it is right");
        assert_eq!((options.durability, options.durability_of("stats")), (Durability::Log, Durability::Log));
    }

    #[test]
    fn what_is_no_level_is_refused_and_changes_nothing() {
        for wrong in ["", "most", "full,", "a b=log", "network=", "=log", "none,network=ful"] {
            let mut options = Options::default();
            let error = options.set_durability(wrong).expect_err(wrong);
            assert!(error.to_string().contains("full, log or none"), "{error}");
            assert_eq!(
                (options.durability, options.package_durability.len()),
                (Durability::Full, 0),
                "{wrong}"
            );
        }
    }
}
