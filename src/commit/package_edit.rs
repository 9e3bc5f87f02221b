//! What a transaction is to do to one package.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::commit::known::Known;
use crate::commit::place::Place;
use crate::log::key_path::KeyPath;
use crate::model::change::Delta;
use crate::model::package::Package;

/// What a transaction is to do to a package.
#[derive(Debug)]
pub(crate) struct PackageEdit {
    pub place: Place,
    pub deltas: Vec<Delta>,
    /// The state it was begun with, and the package with the changes made to that.
    pub known: Arc<Known>,
    pub edited: Option<Package>,
    /// What was read of it, besides.
    pub reads: BTreeSet<KeyPath>,
    /// Whether it is made whatever others have changed.
    pub force: bool,
}
