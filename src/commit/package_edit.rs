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
    pub whole: Whole,
}

impl PackageEdit {
    /// Reports whether the transaction does not change the package.
    pub fn only_reads(&self) -> bool {
        self.deltas.is_empty() && !self.whole.is_changed()
    }
}

/// What a transaction does to a package as a whole, before its other changes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Whole {
    /// The package is deleted; the changes then start from an empty one.
    pub deletes: bool,
    /// The package is made, even if there are no other changes.
    pub makes: bool,
    /// Whether there was no such package when the transaction first saw it.
    pub was_absent: bool,
}

impl Whole {
    /// Reports whether the transaction makes or deletes the package, and does not only change it.
    pub fn is_changed(self) -> bool {
        self.deletes || self.makes
    }
}
