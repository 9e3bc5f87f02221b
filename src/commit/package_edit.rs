//! The changes that a transaction is to make to one package.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::commit::parsed_text::ParsedText;
use crate::commit::place::Place;
use crate::log::key_path::KeyPath;
use crate::model::change::Delta;
use crate::model::package::Package;

/// The changes that a transaction is to make to a package, and the state they were made for.
#[derive(Debug)]
pub(crate) struct PackageEdit {
    pub place: Place,
    pub deltas: Vec<Delta>,
    /// The state that the transaction began with.
    pub known: Arc<ParsedText>,
    /// The package of that state with the changes applied, if it has been computed already.
    pub edited: Option<Package>,
    /// The other keys that the transaction has read.
    pub reads: BTreeSet<KeyPath>,
    /// Whether the changes are made even if they conflict with others.
    pub force: bool,
}
