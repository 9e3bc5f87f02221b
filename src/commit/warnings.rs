//! Warnings: problems that do not stop the call that found them. An engine gives each warning once.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::warn::Warn;

/// The warnings that an engine has given, and the function that it calls with them.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    given: Mutex<BTreeSet<String>>,
    hook: Option<Warn>,
}

impl Warnings {
    /// Makes the warnings of an engine: see [`crate::Options::warn`].
    pub fn new(hook: Option<Warn>) -> Self {
        Self { given: Mutex::default(), hook }
    }

    fn given(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // A panic of another thread leaves a valid set.
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a warning, unless it was given before.
    pub fn warn(&self, text: &str) {
        let is_new = self.given().insert(text.to_owned());
        if let Some(hook) = self.hook.as_ref().filter(|_| is_new) {
            hook.call(text);
        }
    }

    /// Warns of damage that was found in the log.
    pub fn warn_of_damage(&self, problems: &[String]) {
        problems.iter().for_each(|problem| self.warn(&damage_warning(problem)));
    }

    /// Marks damage of the log as given: the caller reports it itself.
    pub fn mark_given(&self, problems: &[String]) {
        self.given().extend(problems.iter().map(|problem| damage_warning(problem)));
    }

    /// Returns the warnings that were given so far, sorted.
    pub fn list(&self) -> Vec<String> {
        self.given().iter().cloned().collect()
    }
}

fn damage_warning(problem: &str) -> String {
    format!("the log is damaged: {problem}")
}
