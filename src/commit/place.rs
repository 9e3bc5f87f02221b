//! Where a package is, and what was read of it.

use std::path::PathBuf;

use crate::format::uci::ParseError;
use crate::model::change::Delta;
use crate::model::package::Package;

/// Where a package's file is and whether changes to it are staged.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The package's name.
    pub name: String,
    /// Whether changes are staged; not for a package named by its path.
    pub staged: bool,
    /// Whether the file is one of the overriding directory ([`crate::Dirs::overriding`]): the log and the maps are those of
    /// the configuration directory, and have nothing to do with it.
    pub overridden: bool,
}

impl Place {
    /// Reports whether the log and the shared maps have to do with the package: not with one named by its path, nor with
    /// one whose file is in an overriding directory.
    pub(crate) fn is_logged(&self) -> bool {
        self.staged && !self.overridden
    }
}

/// A staged change.
#[derive(Debug, Clone)]
pub struct StagedChange {
    /// What is to be changed.
    pub delta: Delta,
    /// Why it cannot be applied, if it cannot.
    pub failure: Option<String>,
}

/// A package as it would be after a commit, and what makes the difference.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Where it came from.
    pub place: Place,
    /// The package, staged changes applied.
    pub package: Package,
    /// The staged changes, those that cannot be applied included.
    pub changes: Vec<StagedChange>,
    /// Changes that applying the staged ones brought about and that are to be staged as well; only in
    /// stock uci's dialect.
    pub followups: Vec<Delta>,
    /// Errors in the text that were passed over, in a store that is not strict.
    pub errors: Vec<ParseError>,
}

impl Loaded {
    /// A package with nothing staged.
    pub(crate) fn of(place: Place, package: Package) -> Self {
        Self { place, package, changes: Vec::new(), followups: Vec::new(), errors: Vec::new() }
    }
}
