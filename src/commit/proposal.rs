//! A transaction of this engine as a gate sees it.

use std::sync::Arc;
use std::time::Duration;

use crate::commit::core::Core;
use crate::commit::gate::Proposal;
use crate::commit::intent::Intent;
use crate::commit::part::Part;
use crate::commit::place::Place;
use crate::commit::{draft, upkeep};
use crate::error::Result;
use crate::log::{self, Digest, KeyChange, PackageChange, Record};
use crate::map::{Map, MapDirectory};

/// A transaction whose drafts are written.
pub(crate) struct PartsProposal<'a, 'p> {
    pub core: &'a Core,
    pub parts: &'a [Part<'p>],
    pub intent: &'a Intent,
}

impl Proposal for PartsProposal<'_, '_> {
    fn is_refusable(&self) -> bool {
        self.intent.refusable
    }

    fn timeout(&self) -> Duration {
        self.core.settings.get().verify_timeout
    }

    fn let_read(&self) -> Result<()> {
        self.parts.iter().for_each(|part| let_read(self.core, part.place));
        // A stock uci that reads the package waits for these locks.
        self.lock_old_files(false)
    }

    fn end_reading(&self) -> Result<()> {
        self.lock_old_files(true)
    }

    fn record(&self) -> Record {
        let asked = self.parts.iter().filter(|part| needs_gate(self.core, part.place));
        let changes = asked.map(|part| (part.place.name.clone(), key_changes(self.core, part))).collect();
        record(self.core, changes, self.intent)
    }
}

impl PartsProposal<'_, '_> {
    fn lock_old_files(&self, exclusive: bool) -> Result<()> {
        self.parts.iter().try_for_each(|part| draft::lock_old_file(self.core, &part.draft, exclusive))
    }
}

/// Reports whether the gate is asked about changes of a package. It is asked for packages of the configuration
/// directory only.
pub(crate) fn needs_gate(core: &Core, place: &Place) -> bool {
    place.staged && place.path == core.dirs().config.path.join(place.file_name())
}

/// Makes the record that a transaction with these changes of keys would have.
pub(crate) fn record(core: &Core, changes: Vec<(String, Vec<KeyChange>)>, intent: &Intent) -> Record {
    let none = Digest { len: 0, hash: 0 };
    let of = |(package, changes): (String, Vec<KeyChange>)| PackageChange {
        changes,
        ..PackageChange::new(package, none)
    };
    let mut record = core.record(intent);
    record.time = core.now();
    record.packages = changes.into_iter().map(of).filter(|package| !package.changes.is_empty()).collect();
    record
}

/// Makes or updates the shared map of a package. A verifier cannot make it now, since this process holds the lock.
fn let_read(core: &Core, place: &Place) {
    let shared = MapDirectory::find(core.dirs(), &core.options.files, false);
    let shared = shared.filter(|shared| shared.control().is_some() && needs_gate(core, place));
    let (Some(shared), Ok(text)) = (shared, std::fs::metadata(&place.path)) else { return };
    let is_up = |map: Map| !map.is_retired() && map.source().is_some_and(|source| source.is(&text));
    if !shared.open(&place.name, false).ok().flatten().is_some_and(is_up) {
        // If this fails, a verifier makes a private map.
        let _ = upkeep::share_locked(core, &shared, place);
    }
}

fn key_changes(core: &Core, part: &Part<'_>) -> Vec<KeyChange> {
    if let Some(step) = &part.step {
        // From an empty text, a transition has no changes of keys: the log reads them from the new text.
        return match step.old.text().is_empty() {
            true => log::compare_packages(&step.old.package, &step.new.package),
            false => step.changes.clone(),
        };
    }
    let before = part.before.clone().unwrap_or_default();
    let read = |text: &Arc<Vec<u8>>| {
        core.options.format_of(part.place.format).read_leniently(&part.place.name, text)
    };
    let both = read(&before).zip(read(&part.text));
    both.map(|(old, new)| log::compare_packages(&old, &new)).unwrap_or_default()
}
