//! The texts that an engine will put in place later: see [`crate::Durability::Log`].

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::commit::parsed_text::ParsedText;
use crate::map::Source;

/// The packages whose texts are not in place, by the bytes of their paths: comparing paths part by part takes longer. It
/// changes only while the log's lock is held.
#[derive(Debug, Default)]
pub(crate) struct DeferredTexts(Mutex<HashMap<OsString, DeferredText>>);

/// A package whose text is not in place, or was put there just now.
#[derive(Debug, Clone)]
pub(crate) struct DeferredText {
    /// The attributes of the file that is in place, and the identity of its text.
    pub file: Metadata,
    pub in_place: Source,
    /// The text that is in place.
    pub base: Arc<Vec<u8>>,
    /// The state that will be put in place.
    pub now: Arc<ParsedText>,
    /// The id of the log that the text in place is behind: see [`crate::log::Log::id`].
    pub log: String,
}

impl DeferredTexts {
    fn lock(&self) -> MutexGuard<'_, HashMap<OsString, DeferredText>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all deferred texts: they are in place.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Returns all deferred texts, with their paths.
    pub fn all(&self) -> Vec<(PathBuf, DeferredText)> {
        self.lock().iter().map(|(path, text)| (path.into(), text.clone())).collect()
    }

    /// Returns the deferred text of the package at a path.
    pub fn get(&self, path: &Path) -> Option<DeferredText> {
        self.lock().get(path.as_os_str()).cloned()
    }

    /// Reports whether the text of the package at a path is deferred.
    pub fn has(&self, path: &Path) -> bool {
        self.lock().contains_key(path.as_os_str())
    }

    /// Reports whether there are deferred texts.
    pub fn is_behind(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Adds or replaces the deferred text of the package at a path.
    pub fn insert(&self, path: PathBuf, text: DeferredText) {
        self.lock().insert(path.into_os_string(), text);
    }

    /// Forgets the deferred text of the package at a path: it is in place.
    pub fn remove(&self, path: &Path) {
        self.lock().remove(path.as_os_str());
    }
}
