//! What others can see of the watches of an open store: one note for all of them, so that it can be told who would be
//! told of a change. It costs something when a watch begins or ends, and nothing for an event.

use std::collections::BTreeMap;

use crate::commit::core::Core;
use crate::presence::{Note, Role};

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The patterns, each with how many watches it has.
    patterns: BTreeMap<String, usize>,
    note: Option<Note>,
}

impl Listing {
    pub fn add(&mut self, core: &Core, pattern: &str) {
        for pattern in pattern.split_ascii_whitespace() {
            *self.patterns.entry(pattern.to_owned()).or_default() += 1;
            if self.patterns.get(pattern) != Some(&1) {
                continue;
            }
            match &self.note {
                Some(note) => note.set_pattern(&self.text()),
                // Where there is no place for a note, a watch works as well.
                None => self.note = self.leave(core),
            }
        }
    }

    pub fn remove(&mut self, pattern: &str) {
        for pattern in pattern.split_ascii_whitespace() {
            let Some(count) = self.patterns.get_mut(pattern) else { continue };
            *count -= 1;
            if *count > 0 {
                continue;
            }
            self.patterns.remove(pattern);
            match &self.note {
                Some(note) if !self.patterns.is_empty() => note.set_pattern(&self.text()),
                _ => self.note = None,
            }
        }
    }

    /// Leaves the note anew if it is gone, with the run directory for example.
    pub fn renew(&mut self, core: &Core) {
        if self.note.as_ref().is_some_and(|note| !note.is_there()) {
            self.note = self.leave(core);
        }
    }

    fn leave(&self, core: &Core) -> Option<Note> {
        Note::leave(core, Role::Watcher, &self.text(), |_, _| Ok(())).ok()
    }

    fn text(&self) -> String {
        self.patterns.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}
