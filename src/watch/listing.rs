//! Lists the watches of an open store in one lease, so that `preview` can say which programs would get an event. It
//! is written when a watch begins or ends, not for events.

use std::collections::BTreeMap;

use crate::commit::core::Core;
use crate::presence::{Lease, Role};

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The patterns, each with its number of watches.
    patterns: BTreeMap<String, usize>,
    lease: Option<Lease>,
}

impl Listing {
    pub fn add(&mut self, core: &Core, pattern: &str) {
        for pattern in pattern.split_ascii_whitespace() {
            *self.patterns.entry(pattern.to_owned()).or_default() += 1;
            if self.patterns.get(pattern) != Some(&1) {
                continue;
            }
            match &self.lease {
                Some(lease) => lease.set_pattern(&self.text()),
                // An error is ignored: a watch works without a lease.
                None => self.lease = self.create_lease(core),
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
            match &self.lease {
                Some(lease) if !self.patterns.is_empty() => lease.set_pattern(&self.text()),
                _ => self.lease = None,
            }
        }
    }

    /// Creates the lease again if it was deleted, with the run directory for example.
    pub fn renew(&mut self, core: &Core) {
        if self.lease.as_ref().is_some_and(|lease| !lease.is_there()) {
            self.lease = self.create_lease(core);
        }
    }

    fn create_lease(&self, core: &Core) -> Option<Lease> {
        Lease::create(core, Role::Watcher, &self.text(), |_, _| Ok(())).ok()
    }

    fn text(&self) -> String {
        self.patterns.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}
