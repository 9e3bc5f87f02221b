//! Parsed texts of packages: for each package the last text that was read or written, the parsed package, and the digest.
//!
//! An engine that stays open parses a text once, however many transactions work on it. It compares the text of the file
//! with the known text to see whether they are the same.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::commit::packages::PackageFiles;
use crate::commit::place::Place;
use crate::error::Result;
use crate::log::Digest;
use crate::model::package::Package;

/// A package that was read from a text, and the digest of the text.
#[derive(Debug)]
pub(crate) struct ParsedText {
    /// The package as it was read; the text is its source.
    pub package: Package,
    pub digest: Digest,
}

impl ParsedText {
    /// Makes the state of a package that was read from a text.
    pub fn of(mut package: Package) -> Arc<Self> {
        // Each transaction makes an edited clone of it.
        package.share();
        let digest = Digest::of(package.source());
        Arc::new(Self { package, digest })
    }

    pub fn text(&self) -> &Arc<Vec<u8>> {
        self.package.source()
    }
}

/// Returns the state of a package that does not exist.
pub(crate) fn absent(place: &Place) -> Arc<ParsedText> {
    ParsedText::of(Package::of_format(place.name.as_bytes(), place.format))
}

/// The last state of each package that was read or written, by its path.
#[derive(Debug)]
pub(crate) struct ParsedTexts {
    packages: Arc<PackageFiles>,
    states: Mutex<HashMap<OsString, Arc<ParsedText>>>,
}

impl ParsedTexts {
    /// Makes the states of an engine; no state is known yet.
    pub fn new(packages: Arc<PackageFiles>) -> Self {
        Self { packages, states: Mutex::default() }
    }

    fn states(&self) -> MutexGuard<'_, HashMap<OsString, Arc<ParsedText>>> {
        // A panic of another thread leaves a valid map.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the known state of a package.
    pub fn last_state(&self, place: &Place) -> Option<Arc<ParsedText>> {
        self.states().get(place.path.as_os_str()).cloned()
    }

    /// Returns the known state of a package if this is its text.
    pub fn find(&self, place: &Place, text: &[u8]) -> Option<Arc<ParsedText>> {
        // Nothing is locked while the texts are compared.
        let found = self.last_state(place);
        found.filter(|found| **found.text() == text)
    }

    /// Returns the known state of a package if it has this digest.
    pub fn find_digest(&self, place: &Place, digest: Digest) -> Option<Arc<ParsedText>> {
        self.last_state(place).filter(|state| state.digest == digest)
    }

    /// Keeps the present state of a package.
    pub fn note(&self, place: &Place, state: &Arc<ParsedText>) {
        self.states().insert(place.path.clone().into_os_string(), state.clone());
    }

    /// Returns the state of a package with this text: the known one, or one that is parsed from the text.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Parse`] if the text has errors and the engine is strict.
    pub fn read(&self, place: &Place, text: Vec<u8>) -> Result<Arc<ParsedText>> {
        match self.find(place, &text) {
            Some(known) => Ok(known),
            None => self.parse(place, text),
        }
    }

    /// Parses a text that is not known, and keeps the state unless the text has errors.
    ///
    /// # Errors
    ///
    /// As for [`ParsedTexts::read`].
    pub fn parse(&self, place: &Place, text: Vec<u8>) -> Result<Arc<ParsedText>> {
        let (package, errors) = self.packages.parse(place, text)?;
        let known = ParsedText::of(package);
        if errors.is_empty() {
            self.note(place, &known);
        }
        Ok(known)
    }
}
