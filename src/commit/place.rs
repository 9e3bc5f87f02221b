//! The place of a package, and a loaded package.

use std::path::PathBuf;

use crate::format::uci::ParseError;
use crate::model::change::Delta;
use crate::model::package::Package;

/// The path of a package's file, and whether changes to it are staged.
#[derive(Debug, Clone)]
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
}

impl Place {
    /// Reports whether the log and the shared maps hold the package. They do not hold a package that is named by its path,
    /// or whose file is in an overriding directory.
    pub(crate) fn is_logged(&self) -> bool {
        self.staged && !self.overridden
    }
}

/// A staged change.
#[derive(Debug, Clone)]
pub struct StagedChange {
    /// The change.
    pub delta: Delta,
    /// Why it cannot be applied, if it cannot.
    pub failure: Option<String>,
}

/// A package with its staged changes, as a commit would write it.
#[derive(Debug, Clone)]
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
    /// A package without staged changes.
    pub(crate) fn of(place: Place, package: Package) -> Self {
        Self { place, package, changes: Vec::new(), followups: Vec::new(), errors: Vec::new() }
    }
}
