//! The options that schemas mark as secret: those of the schema directories, and of packages that describe themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bytes;
use crate::commit::packages::PackageFiles;
use crate::schema::files::SchemaFiles;
use crate::schema::{Access, Schema};
use crate::secret::SecretFields;

/// The secret options of a package, by their names.
type Options = Arc<BTreeSet<Vec<u8>>>;

/// The secret options of the packages of a store, each read from its schema when it is first asked for.
#[derive(Debug)]
pub(crate) struct SchemaSecrets {
    schemas: Arc<SchemaFiles>,
    packages: Arc<PackageFiles>,
    known: Mutex<BTreeMap<Vec<u8>, Options>>,
}

impl SchemaSecrets {
    /// Makes the secret options of a store. Nothing is read yet.
    pub fn new(schemas: Arc<SchemaFiles>, packages: Arc<PackageFiles>) -> Self {
        Self { schemas, packages, known: Mutex::default() }
    }

    fn options(&self, package: &[u8]) -> Options {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(options) = known.get(package) {
            return options.clone();
        }
        let found = self.schemas.find(&String::from_utf8_lossy(package));
        let schema = found.or_else(|| self.inside(package).map(Arc::new));
        let options: Options = schema.map(|schema| Arc::new(secrets(&schema))).unwrap_or_default();
        known.insert(package.to_vec(), options.clone());
        options
    }

    /// Returns the schema that a package has in itself.
    fn inside(&self, package: &[u8]) -> Option<Schema> {
        let place = self.packages.find(package).ok()?;
        let (text, _) = self.packages.read(&place).ok()?;
        // Most packages have no such section, and are not parsed again.
        bytes::find_text(b"field", &text)?;
        let (read, _) = self.packages.parse(&place, text).ok()?;
        read.describes_itself().then(|| Schema::inside(&read, &place.path))?
    }
}

/// Returns the names of the secret options of any type: the type of a section that is gone is not known.
fn secrets(schema: &Schema) -> BTreeSet<Vec<u8>> {
    let fields = schema.sections.iter().chain([&schema.others]).flat_map(|rule| &rule.fields);
    fields.filter(|field| field.access == Access::Secret).map(|field| field.name.clone()).collect()
}

impl SecretFields for SchemaSecrets {
    fn has_any(&self, package: &[u8]) -> bool {
        !self.options(package).is_empty()
    }

    fn is_secret(&self, package: &[u8], _: &[u8], option: &[u8]) -> bool {
        self.options(package).contains(option)
    }
}
