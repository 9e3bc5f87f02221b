//! A package as a transaction sees it: the state that it read first, and the steps that it has made since.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::commit::package_edit::{PackageEdit, Whole};
use crate::commit::parsed_text::ParsedText;
use crate::commit::place::Place;
use crate::error::Result;
use crate::format::uci::Dialect;
use crate::log::key_path::KeyPath;
use crate::model::change::Delta;
use crate::model::package::Package;

/// A package that a transaction uses.
#[derive(Debug)]
pub(super) struct Working {
    pub place: Place,
    pub known: Arc<ParsedText>,
    /// The package with the changes; `None` without changes.
    pub edited: Option<Package>,
    pub steps: Vec<Step>,
    pub reads: BTreeSet<KeyPath>,
    pub was_absent: bool,
}

/// A step of a transaction in one package.
#[derive(Debug)]
pub(super) enum Step {
    Change(Delta),
    /// The package is made.
    Make,
    /// The package is deleted, with what the steps before have changed.
    Delete,
}

impl Working {
    pub fn package(&self) -> &Package {
        self.edited.as_ref().unwrap_or(&self.known.package)
    }

    pub fn edit(&mut self) -> &mut Package {
        self.edited.get_or_insert_with(|| self.known.package.clone())
    }

    pub fn push(&mut self, delta: Delta) {
        self.steps.push(Step::Change(delta));
    }

    /// Drops the steps after the first `len`.
    pub fn truncate(&mut self, len: usize) -> Result<()> {
        self.steps.truncate(len);
        self.edited = None;
        for step in &self.steps {
            match step {
                Step::Change(delta) => {
                    let package = self.edited.get_or_insert_with(|| self.known.package.clone());
                    package.make(delta, Dialect::Cms)?;
                }
                Step::Make => {}
                Step::Delete => self.edited = Some(empty(&self.place)),
            }
        }
        Ok(())
    }

    /// Reports whether the package exists in the transaction.
    pub fn has_package(&self) -> bool {
        self.steps.iter().fold(!self.was_absent, |_, step| !matches!(step, Step::Delete))
    }

    /// Returns its part of the commit.
    pub fn into_edit(self, force: bool) -> PackageEdit {
        let mut whole = Whole { was_absent: self.was_absent, ..Whole::default() };
        let mut deltas = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            match step {
                Step::Change(delta) => deltas.push(delta),
                Step::Make => whole.makes = true,
                Step::Delete => {
                    deltas.clear();
                    (whole.deletes, whole.makes) = (true, false);
                }
            }
        }
        let Self { place, known, edited, reads, .. } = self;
        PackageEdit { place, deltas, known, edited, reads, force, whole }
    }
}

/// Returns a package without sections, in the format of its file.
pub(super) fn empty(place: &Place) -> Package {
    Package::of_format(place.name.as_bytes(), place.format)
}
