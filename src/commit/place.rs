//! The place of a package, and a loaded package.

use std::path::PathBuf;

use crate::format::uci::ParseError;
use crate::model::change::Delta;
use crate::model::format_kind::FormatKind;
use crate::model::package::Package;

/// The path of a package's file, and whether changes to it are staged.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The package's name.
    pub name: String,
    /// Whether changes are staged; not for a package named by its path.
    pub staged: bool,
    /// Whether the file is one of the overriding directory ([`crate::Dirs::overriding`]). The log and the maps belong to the
    /// configuration directory, so they do not hold it.
    pub overridden: bool,
    /// The format of the file.
    pub format: FormatKind,
}

impl Place {
    /// Returns the place of a package that is named by the path of its file. It has no staged changes.
    #[must_use]
    pub fn of_file(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = FormatKind::of_file_name(name.as_bytes()).map_or(FormatKind::Uci, |(_, kind)| kind);
        Self { path, name, staged: false, overridden: false, format: kind }
    }

    /// Returns the name of the package's file in the configuration directory.
    pub(crate) fn file_name(&self) -> String {
        format!("{}{}", self.name, self.format.suffix())
    }

    /// Reports whether the log and the shared maps hold the package. They do not hold a package that is named by its path,
    /// or whose file is in an overriding directory.
    pub(crate) fn is_logged(&self) -> bool {
        self.staged && !self.overridden
    }
}

/// A staged change.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StagedChange {
    /// The change.
    pub delta: Delta,
    /// Why it cannot be applied, if it cannot.
    pub failure: Option<String>,
}

impl StagedChange {
    /// Makes a staged change that can be applied.
    #[must_use]
    pub fn new(delta: Delta) -> Self {
        Self { delta, failure: None }
    }
}

/// A package with its staged changes, as a commit would write it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// The place that it was loaded from.
    pub place: Place,
    /// The package, staged changes applied.
    pub package: Package,
    /// The staged changes, including those that cannot be applied.
    pub changes: Vec<StagedChange>,
    /// Changes that follow from the staged ones and are to be staged as well; only in stock uci's dialect.
    pub followups: Vec<Delta>,
    /// Errors in the text that were skipped, in a store that is not strict.
    pub errors: Vec<ParseError>,
}

impl Loaded {
    /// Makes a package without staged changes.
    #[must_use]
    pub fn of(place: Place, package: Package) -> Self {
        Self { place, package, changes: Vec::new(), followups: Vec::new(), errors: Vec::new() }
    }
}
