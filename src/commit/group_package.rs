//! The packages that a group of transactions works on. Each transaction starts from the state after the one before.
//!
//! `group` and `deferred` both commit groups and use this; they differ in the data that they keep of the package file
//! (`F`). Nothing here takes a lock or writes a file: the callers hold the log's lock and the locks of all packages
//! of the group.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::log_session::Entry;
use crate::commit::package_edit::PackageEdit;
use crate::commit::parsed_text::ParsedText;
use crate::commit::place::Place;
use crate::commit::publish;
use crate::commit::queue::Request;
use crate::commit::schemas::{self, Change};
use crate::commit::transition::Transition;
use crate::error::{Error, Result};
use crate::model::package::Touched;

/// A package that a group works on.
pub(crate) struct GroupPackage<'g, F> {
    pub place: &'g Place,
    /// The data that the commit keeps of its file: the open file, or the deferred text.
    pub file: F,
    pub old: Arc<ParsedText>,
    pub now: Arc<ParsedText>,
    pub touched: Touched,
}

impl<'g, F> GroupPackage<'g, F> {
    pub fn new(place: &'g Place, old: Arc<ParsedText>, file: F) -> Self {
        Self { place, file, now: old.clone(), old, touched: Touched::default() }
    }
}

/// A transaction of a group with its steps.
pub(crate) type Accepted<'g> = (&'g Request, Steps);

/// The transitions of a transaction, one for each package.
pub(crate) struct Steps {
    transitions: Vec<Transition>,
    /// The intent of the transaction, if it makes violations of schemas by force.
    forced: Option<Box<Intent>>,
}

/// Applies the transactions one after the other, and answers the requests that are refused. Returns the others.
pub(crate) fn accept<'g, F>(
    core: &Core,
    packages: &mut BTreeMap<&Path, GroupPackage<'_, F>>,
    requests: &'g [Arc<Request>],
) -> Vec<Accepted<'g>> {
    let mut accepted = Vec::with_capacity(requests.len());
    for request in requests {
        match steps(core, packages, request) {
            Ok(steps) => {
                for (change, step) in request.changes.iter().zip(&steps.transitions) {
                    let Some(package) = packages.get_mut(&*change.place.path) else { continue };
                    package.now = step.new.clone();
                    package.touched.join(&step.touched);
                }
                accepted.push((&**request, steps));
            }
            Err(error) => request.answer(Err(error)),
        }
    }
    accepted
}

/// Plans the transitions of a transaction from the states that the group has reached.
fn steps<F>(
    core: &Core,
    packages: &BTreeMap<&Path, GroupPackage<'_, F>>,
    request: &Request,
) -> Result<Steps> {
    let step = |change: &PackageEdit| {
        let missing = || Error::NotFound { key: change.place.name.clone() };
        let package = packages.get(&*change.place.path).ok_or_else(missing)?;
        let step = Transition::plan(core, &package.now, change)?;
        publish::check_limit(core, &change.place.name, &step.new.package, step.new.text())?;
        Ok(step)
    };
    let transitions: Vec<Transition> = request.changes.iter().map(step).collect::<Result<_>>()?;
    let changed = request.changes.iter().zip(&transitions).filter(|(_, step)| !step.is_none());
    let changes = changed.map(|(change, step)| {
        let (before, after) = (Some(&step.old.package), &step.new.package);
        Change { place: &change.place, before, after }
    });
    let forced = schemas::check(core, &changes.collect::<Vec<_>>(), &request.intent)?;
    let forced = (forced != 0).then(|| Box::new(request.intent.with_forced(forced)));
    Ok(Steps { transitions, forced })
}

/// Returns the entries of transactions for the log.
pub(crate) fn transactions<'a>(accepted: &'a [Accepted<'_>]) -> Vec<(Vec<Entry<'a>>, &'a Intent)> {
    let transaction = |(request, steps): &'a Accepted<'_>| {
        let both = request.changes.iter().zip(&steps.transitions).filter(|(_, step)| !step.is_none());
        let intent = steps.forced.as_deref().unwrap_or(&request.intent);
        (both.map(|(change, step)| Entry::of(&change.place, step)).collect(), intent)
    };
    accepted.iter().map(transaction).collect()
}
