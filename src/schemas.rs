//! Schemas of the packages of a store: finding one, and checking packages without committing anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::place::Place;
use crate::commit::schemas::{Change, StorePackages, schema_of};
use crate::error::Violation;
use crate::model::package::Package;
use crate::schema::{Schema, Subject};

/// The schemas of a store: see [`crate::Engine::schemas`].
#[derive(Debug, Clone, Copy)]
pub struct Schemas<'e> {
    core: &'e Core,
}

impl<'e> Schemas<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }

    /// Returns the schema directories that exist; a later one counts before an earlier one.
    #[must_use]
    pub fn dirs(&self) -> Vec<PathBuf> {
        self.core.schemas.dirs()
    }

    /// Lists the packages that have a schema in the schema directories, in byte order.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.core.schemas.list()
    }

    /// Returns the schema of a package in the schema directories.
    #[must_use]
    pub fn find(&self, package: &str) -> Option<Arc<Schema>> {
        self.core.schemas.find(package)
    }

    /// Returns the schema of a package: the one in the schema directories, else the one that the package has in itself.
    #[must_use]
    pub fn of_package(&self, place: &Place, package: &Package) -> Option<Arc<Schema>> {
        schema_of(self.core, place, package)
    }

    /// Checks a package as it is, and returns all violations of its schema. A value that names something of another
    /// package is looked for in the store.
    #[must_use]
    pub fn check(&self, place: &Place, package: &Package) -> Vec<Violation> {
        let schema = schema_of(self.core, place, package);
        schema.map_or_else(Vec::new, |schema| self.check_with(&schema, &place.path, package))
    }

    /// Checks a package with a schema that need not be its own.
    #[must_use]
    pub fn check_with(&self, schema: &Schema, file: &Path, package: &Package) -> Vec<Violation> {
        let others = StorePackages { core: self.core, changes: &[] };
        schema.check(package, Some(file), &others)
    }

    /// Returns the violations that a change of a package would make, and those that are there already.
    #[must_use]
    pub fn check_change(
        &self,
        place: &Place,
        before: &Package,
        after: &Package,
    ) -> (Vec<Violation>, Vec<Violation>) {
        let Some(schema) = schema_of(self.core, place, after) else { return Default::default() };
        let changes = [Change { place, before: Some(before), after }];
        let others = StorePackages { core: self.core, changes: &changes };
        let subject = Subject { package: after, file: Some(&place.path), others: &others };
        schema.check_change(Some(before), subject)
    }
}
