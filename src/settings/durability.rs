//! Durability: which failures a commit survives, for a store and for single packages.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The failures that a commit survives once it has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// A power cut: the record in the log and the text of the package are synced.
    #[default]
    Full,
    /// A power cut as well: the record in the log is synced, and the maps show it. The text is written later, or as
    /// soon as another program opens the store or commits to it; see [`crate::Options::text_delay`]. A commit needs one sync
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::options::Options;

    #[test]
    fn levels_are_for_all_packages_or_for_one() {
        let options = Options::new().durability_levels("log,network=full,stats=none").expect("it is right");
        let levels = |options: &Options| {
            ["dhcp", "network", "stats"].map(|package| options.durability.of(Some(package)))
        };
        let (full, log, none) = (Some(Durability::Full), Some(Durability::Log), Some(Durability::None));
        assert_eq!(levels(&options), [log, full, none]);
        let options = options.durability_levels("stats=log").expect("it is right");
        assert_eq!(levels(&options), [log, full, log]);
        assert_eq!(levels(&options.package_durability("dhcp", Durability::None)), [none, full, log]);
    }

    #[test]
    fn a_text_that_is_no_list_of_levels_is_refused() {
        for wrong in ["", "most", "full,", "a b=log", "network=", "=log", "none,network=ful"] {
            let error = Options::new().durability_levels(wrong).expect_err(wrong);
            assert!(error.to_string().contains("full, log or none"), "{error}");
        }
    }
}
