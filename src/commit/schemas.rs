//! Checks transactions with the schemas of their packages before they are made.
//!
//! A transaction that a person or a program makes is refused with all violations that it makes, unless it is forced. What
//! stood before it, and what an undo or a rollback returns to, is only warned of. Commits in stock uci's dialect are not
//! checked, nor is the rollback of a commit that was not confirmed.

use std::sync::Arc;

use crate::bytes;
use crate::commit::ahead;
use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::part::Part;
use crate::commit::place::Place;
use crate::error::{Error, Result, Violation};
use crate::format::Dialect;
use crate::log::Kind;
use crate::model::package::Package;
use crate::schema::{Others, Schema, Subject};

/// How many violations that stood before a transaction are warned of one by one.
const SHOWN: usize = 10;

/// A package before and after a transaction. Without a state before, the package is new.
pub(crate) struct Change<'a> {
    pub place: &'a Place,
    pub before: Option<&'a Package>,
    pub after: &'a Package,
}

/// Returns the schema of a package: the one of the schema directories, else the one in the package itself.
pub(crate) fn schema_of(core: &Core, place: &Place, package: &Package) -> Option<Arc<Schema>> {
    if place.name.as_bytes() != package.name() || !place.staged {
        return None;
    }
    let inside = || {
        let describes = package.describes_itself();
        describes.then(|| Schema::inside(package, &place.path).map(Arc::new))?
    };
    core.schemas.find(&place.name).or_else(inside)
}

/// The packages of a store, as a transaction leaves them.
pub(crate) struct StorePackages<'a> {
    pub core: &'a Core,
    pub changes: &'a [Change<'a>],
}

impl Others for StorePackages<'_> {
    fn see(&self, package: &[u8], function: &mut dyn FnMut(&Package)) -> bool {
        if let Some(change) = self.changes.iter().find(|change| change.place.name.as_bytes() == package) {
            function(change.after);
            return true;
        }
        let Ok(place) = self.core.packages.find(package) else { return true };
        if let Some(deferred) = self.core.deferred.get(&place.path) {
            function(&deferred.now.package);
            return true;
        }
        let read = || {
            let (text, _) = self.core.packages.read(&place)?;
            self.core.states.read(&place, text).map(|known| known.package.clone())
        };
        let found = ahead::read_ahead(self.core, &place).or_else(|| read().ok());
        if let Some(package) = &found {
            function(package);
        }
        // A package with errors in its text may have the section.
        found.is_some()
    }
}

/// Checks the packages of a transaction. Returns how many violations it makes by force.
///
/// # Errors
///
/// [`Error::Schema`] with all violations that the transaction makes.
pub(crate) fn check(core: &Core, changes: &[Change<'_>], intent: &Intent) -> Result<u64> {
    if core.options.dialect == Dialect::Uci || !intent.refusable {
        return Ok(0);
    }
    let others = StorePackages { core, changes };
    let (mut refused, mut stood) = (Vec::new(), Vec::new());
    for Change { place, before, after } in changes {
        let Some(schema) = schema_of(core, place, after) else { continue };
        schema.mistakes.iter().for_each(|mistake| core.warnings.warn(&format!("in a schema: {mistake}")));
        let subject = Subject { package: after, file: Some(&place.path), others: &others };
        let (made, old) = schema.check_change(*before, subject);
        let (worse, doubtful): (Vec<_>, Vec<_>) = made.into_iter().partition(|violation| violation.refused);
        refused.extend(worse);
        stood.extend(doubtful);
        stood.extend(old);
    }
    warn(core, &stood);
    if refused.is_empty() {
        return Ok(0);
    }
    if intent.kind == Kind::Commit && !intent.force {
        return Err(Error::Schema { violations: refused });
    }
    warn(core, &refused);
    Ok(if intent.kind == Kind::Commit { refused.len() as u64 } else { 0 })
}

/// Warns of violations; a long list is cut.
fn warn(core: &Core, violations: &[Violation]) {
    for violation in violations.iter().take(SHOWN) {
        core.warnings.warn(&match &violation.hint {
            Some(hint) => format!("{violation}; {hint}"),
            None => violation.to_string(),
        });
    }
    if let Some(more) = violations.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        core.warnings.warn(&format!("{more} more violations of the schema"));
    }
}

/// Checks the parts of a commit as [`check`] does.
pub(crate) fn check_parts(core: &Core, parts: &[Part<'_>], intent: &Intent) -> Result<u64> {
    if core.options.dialect == Dialect::Uci || !intent.refusable {
        return Ok(0);
    }
    let parts = || parts.iter().filter(|part| !part.draft.removes());
    let read: Vec<_> = parts().map(|part| read_part(core, part)).collect();
    let mut changes = Vec::with_capacity(read.len());
    for (part, (before, after)) in parts().zip(&read) {
        let (before, after) = match (&part.step, after) {
            (Some(step), _) => (Some(&step.old.package), &step.new.package),
            (None, Some(after)) => (before.as_ref(), after),
            (None, None) => continue,
        };
        changes.push(Change { place: part.place, before, after });
    }
    check(core, &changes, intent)
}

/// Reads the package of a part before and after, if that is not known and the package may have a schema.
fn read_part(core: &Core, part: &Part<'_>) -> (Option<Package>, Option<Package>) {
    let may_have =
        || core.schemas.find(&part.place.name).is_some() || bytes::find_text(b"field", &part.text).is_some();
    if part.step.is_some() || !may_have() {
        return (None, None);
    }
    let read = |text: &Arc<Vec<u8>>| core.packages.parse(part.place, text.to_vec()).ok();
    let package = |text| read(text).map(|(package, _)| package);
    (part.before.as_ref().and_then(package), package(&part.text))
}
