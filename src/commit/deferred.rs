//! Commits whose texts are put in place later: [`Durability::Log`].
//!
//! The record in the log is durable, and the maps show it; that makes the commit. The file of the package stays as it
//! was, and the store keeps what it is to hold. It is put there by recovery, as after a crash (see `session`): after
//! a while by this store, or before that by whoever takes the log's lock for anything else, in any process. So
//! nobody who goes by the text finds one that is older than the log, but for those who only look at the file. Whoever
//! commits in the same way goes on from what the log says instead.
//!
//! Someone may save the file meanwhile, with an editor or with a program that knows nothing of logs. Recovery then
//! brings both together (see `reconcile`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::deferred_texts::DeferredText;
use crate::commit::draft::{self, Reading};
use crate::commit::group_package::{self, GroupPackage, transactions};
use crate::commit::log_session::LogSession;
use crate::commit::mark::{self, Mark};
use crate::commit::parked::{self, is_mounted_on};
use crate::commit::place::Place;
use crate::commit::publish::{self, Edit, State};
use crate::commit::queue::Request;
use crate::commit::{open_session, retry, save_deferred};
use crate::error::{Error, Result};
use crate::log::{Behind, Log};
use crate::map::Source;
use crate::model::digest::of_text;
use crate::settings::durability::Durability;

/// Puts the texts in place that are behind the log.
///
/// # Errors
///
/// As for [`crate::Engine::commit`]. The transactions are made nevertheless, and their texts follow later.
pub(crate) fn flush(core: &Core) -> Result<()> {
    if !core.deferred.is_behind() {
        return Ok(());
    }
    if core.deferred.all().iter().any(|(path, _)| mark::is_log_lost(core, path))
        && core.logs.current().is_some_and(Log::leave_replaced)
    {
        // A program that has the lock of the log that is there now waits for this.
        retry::retry(core, |_| {
            save_deferred::save_unlogged(core, core.logs.current().and_then(Log::id).as_deref(), &[])
        })?;
    }
    open_session::session(core).map(|_| ())
}

/// Commits transactions and leaves their texts for later. Returns whether that could be done; if not, nothing has
/// happened.
pub(crate) fn commit_later(session: &mut LogSession<'_>, requests: &[Arc<Request>]) -> Result<bool> {
    let core = session.core;
    let changes = || requests.iter().flat_map(|request| &request.changes);
    let settings = core.settings.get();
    let can_wait =
        |place: &Place| place.is_logged() && settings.durability_of(&place.name) != Durability::Full;
    // Who verifies a transaction has time to write its text as well.
    let confirmed = requests.iter().any(|request| request.intent.confirm.is_some());
    let some_log = changes().any(|change| settings.durability_of(&change.place.name) == Durability::Log);
    if confirmed
        || !some_log
        || !changes().all(|change| can_wait(&change.place))
        || core.options.private_maps
        || core.gate.is_guarded(core.dirs())
        || !session.is_kept()
        || session.behind() == Behind::Now
    {
        return Ok(false);
    }
    let places: BTreeMap<&Path, &Place> =
        changes().map(|change| (&*change.place.path, &change.place)).collect();
    let locks: Result<Vec<_>> = places.keys().map(|path| draft::try_lock(core, path)).collect();
    let locks = locks?;
    let mut joints = BTreeMap::new();
    let mut marks = Marks { core, made: Vec::new() };
    for (path, place) in places {
        match late(session, place, &mut marks) {
            Ok(Some(joint)) => drop(joints.insert(path, joint)),
            Err(error @ Error::Locked { .. }) => return Err(error),
            // It concerns only those who work on this package, who are told when they commit alone.
            Ok(None) | Err(_) => return Ok(false),
        }
    }
    let accepted = group_package::accept(core, &mut joints, requests);
    let sequences = session.commit_each(&transactions(&accepted))?;
    session.ahead();
    let joints: Vec<_> = joints.into_values().filter(|joint| !Arc::ptr_eq(&joint.old, &joint.now)).collect();
    marks.keep(&joints);
    remember(core, &joints);
    let mut states: Vec<State<'_>> = Vec::with_capacity(joints.len());
    for GroupPackage { place, file, old, now, touched } in &joints {
        let edit = Edit { old, new: now, touched };
        states.push(State { in_place: Some(file.in_place), ..edit.state(place, file.file.clone()) });
    }
    let last = sequences.iter().flatten().last().copied();
    let shown = publish::publish(core, &states, last.map(|last| session.logged(last)));
    drop(locks);
    if shown.is_none() {
        // Nobody can see it but by the texts. If that fails the next one does it: it is made all the same.
        let _ = session.recover();
    }
    for ((request, _), sequence) in accepted.iter().zip(&sequences) {
        request.answer(Ok(sequence.or(last)));
    }
    Ok(true)
}

/// Finds the state of a package that transactions go on from; `None` if the file has to be written first.
fn late<'g>(
    session: &mut LogSession<'_>,
    place: &'g Place,
    marks: &mut Marks<'_>,
) -> Result<Option<GroupPackage<'g, DeferredText>>> {
    let core = session.core;
    let newest = session.newest(&place.name);
    let behind = newest.filter(|(_, is_behind)| *is_behind).map(|(digest, _)| digest);
    if let Some(late) = core.deferred.get(&place.path)
        && let Some(digest) = behind
        && let Some(late) = save_deferred::still(core, place, late)?
        // Another may have gone on from it.
        && let Some(now) = save_deferred::follow(core, place, &late.now, digest)?
    {
        return Ok(Some(GroupPackage::new(place, now.clone(), DeferredText { now, ..late })));
    }
    // Another log may be ahead of the text, or this one for readers of another run directory.
    let is_ours = if behind.is_some() {
        mark::is_published_here(core, place) && !session.is_older_than(place)
    } else {
        session.foreign_mark(&place.path).is_none()
    };
    if !is_ours {
        return Ok(None);
    }
    let Some(Reading { text, old }) = draft::read_current(core, &place.path)? else { return Ok(None) };
    // Whether it can be put in place has to be known before it is acknowledged.
    if is_mounted_on(&old.open) || parked::is_parked(core, place) {
        return Ok(None);
    }
    let file = old.open.file.metadata().map_err(Error::io("read", &place.path))?;
    let in_place = Source::of(&file, &text, of_text(&text));
    let (base, now, log) = match behind {
        // Another has left it for later.
        Some(digest) => {
            let (base, mark) = (Arc::new(text.clone()), Mark::of(&place.path));
            match save_deferred::made_of(core, place, text, digest)?.zip(mark) {
                Some((known, mark)) => (base, known, mark.id),
                None => return Ok(None),
            }
        }
        None => {
            let known = session.read_known(place, text)?;
            // As long as the file is locked: whoever else works on it looks for the mark once it has the lock.
            let Some(id) = marks.make(place, session) else { return Ok(None) };
            (known.text().clone(), known, id)
        }
    };
    Ok(Some(GroupPackage::new(place, now.clone(), DeferredText { file, in_place, base, now, log })))
}

/// Notes what is to be put in place.
fn remember(core: &Core, joints: &[GroupPackage<'_, DeferredText>]) {
    for joint in joints {
        core.states.note(joint.place, &joint.now);
        let late = DeferredText { now: joint.now.clone(), ..joint.file.clone() };
        core.deferred.insert(joint.place.path.clone(), late);
    }
}

/// The marks that a commit has made, which go again if it leaves no text behind.
struct Marks<'s> {
    core: &'s Core,
    made: Vec<(PathBuf, Mark)>,
}

impl Marks<'_> {
    /// Makes the mark of a package; returns the name of the log that it is of.
    fn make(&mut self, place: &Place, session: &LogSession<'_>) -> Option<String> {
        let mark = mark::make(self.core, place, session.sequence(), || session.is_replaced())?;
        let id = mark.id.clone();
        self.made.push((place.path.clone(), mark));
        Some(id)
    }

    /// Keeps the marks of packages that were changed.
    fn keep(&mut self, changed: &[GroupPackage<'_, DeferredText>]) {
        self.made.retain(|(file, _)| !changed.iter().any(|joint| joint.place.path == *file));
    }
}

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        for (_, mark) in self.made.drain(..) {
            mark::remove_marks(self.core, &[mark]);
        }
    }
}
