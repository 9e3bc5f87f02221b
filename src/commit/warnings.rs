//! Warnings: what was passed over, and does not stop what was asked for. A store gives each once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::commit::engine::Engine;
use crate::log::Log;

/// The warnings that a store has given.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<BTreeSet<String>>);

impl Engine {
    /// Gives a warning, unless it was given before: see [`crate::Options::warn`].
    pub(crate) fn warn(&self, text: &str) {
        // A panic of another thread leaves a set like any other.
        let mut given = self.warnings.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = given.insert(text.to_owned());
        drop(given);
        if let Some(warn) = self.options().warn.as_ref().filter(|_| is_new) {
            warn.tell(text);
        }
    }

    /// Takes damage of the log for told: the caller reports it by itself.
    pub(crate) fn reports_damage(&self, problems: &[String]) {
        let mut given = self.warnings.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.extend(problems.iter().map(|problem| damage_warning(problem)));
    }

    /// Returns the warnings that were given so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Says what was found to be damaged of the log so far, by whoever has read it through this store; see
    /// [`Engine::verify_log`], which reads all of it.
    #[must_use]
    pub fn log_problems(&self) -> Vec<String> {
        self.log().map(Log::problems).unwrap_or_default()
    }

    /// Warns of damage that was found while the log was read.
    pub(crate) fn warn_of_damage(&self) {
        for problem in self.log_problems() {
            self.warn(&damage_warning(&problem));
        }
    }
}

fn damage_warning(problem: &str) -> String {
    format!("the log is damaged: {problem}")
}
