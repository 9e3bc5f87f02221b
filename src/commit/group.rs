//! Transactions that threads commit at the same time are committed together.
//!
//! The first of them leads: it takes the log's lock, and then all that have come by then, its own among them. It
//! applies one after the other, each to what the one before has left; each is a record of its own, and one that
//! is refused concerns only who has asked for it. But they are made durable with one sync, each text is written
//! once, and published once. Whoever comes meanwhile waits, and one of those leads the next group.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::draft::{self, OldFile};
use crate::commit::group_package::{self, Accepted, GroupPackage, transactions};
use crate::commit::intent::Intent;
use crate::commit::log_session::LogSession;
use crate::commit::opening::Opened;
use crate::commit::package_edit::PackageEdit;
use crate::commit::part::{Part, Placement};
use crate::commit::pipeline::Approved;
use crate::commit::place::Place;
use crate::commit::queue::{Answer, Leadership, Request};
use crate::commit::transition::Transition;
use crate::commit::{deferred, open_session, parked, retry, write};
use crate::error::{Error, Result};
use crate::os::patience::Patience;

/// What is left to be done alone.
type Remaining<'g> = Vec<(&'g Request, Vec<&'g PackageEdit>)>;

/// Commits changes to several packages, each given once and in the order of their names, together. Returns the
/// revision, where there is a log or there are maps. If one cannot be written, all are as they were.
///
/// # Errors
///
/// As for [`crate::Engine::commit`], and whatever a change is refused with.
pub(crate) fn commit_changes(core: &Core, changes: Vec<PackageEdit>, intent: Intent) -> Answer {
    crate::os::caller::check_may_commit()?;
    core.settings.check_may_write()?;
    let request = Request::new(changes, intent);
    retry::retry(core, |patience| {
        request.wait_again();
        commit_request(core, &request, patience)
    })
}

/// Commits a transaction, with those that others ask for meanwhile. If it needs a lock that is taken, it is this
/// thread alone that waits for that, and then comes again.
fn commit_request(core: &Core, request: &Arc<Request>, patience: &Patience) -> Answer {
    if let Some(answer) = core.queue.wait(request) {
        return answer;
    }
    let mut leadership = Leadership::of(&core.queue);
    // Whoever comes while the lock is waited for is one of the group.
    let session = open_session::session_behind(core, patience);
    leadership.requests = core.queue.take(request);
    match session.and_then(|mut session| lead(&mut session, &leadership.requests)) {
        Ok(()) => {}
        Err(error) => {
            let unanswered = leadership.requests.iter().filter(|other| other.is_waiting());
            unanswered.for_each(|other| other.answer(Err(error.again())));
        }
    }
    let answer = request.take_answer();
    // What is waited for now waits for nobody.
    leadership.requests.retain(|other| !Arc::ptr_eq(other, request));
    drop(leadership);
    answer.unwrap_or(Err(Error::Conflict { key: String::new(), why: "it was not committed".into() }))
}

/// Commits a group. A lock that is taken concerns only those who need it.
fn lead(session: &mut LogSession<'_>, requests: &[Arc<Request>]) -> Result<()> {
    let led = lead_together(session, requests);
    match session.or_unfinished(led) {
        Err(Error::Locked { .. }) if requests.len() > 1 => {
            for request in requests.iter().filter(|request| request.is_waiting()) {
                if let Err(error) = lead(session, std::slice::from_ref(request)) {
                    request.answer(Err(error));
                }
            }
            Ok(())
        }
        led => led,
    }
}

fn lead_together(session: &mut LogSession<'_>, requests: &[Arc<Request>]) -> Result<()> {
    let core = session.core;
    if deferred::commit_later(session, requests)? {
        return Ok(());
    }
    // From here on texts are gone by.
    session.recover()?;
    let left = match requests {
        [_] => alone(requests.iter().map(|request| &**request)),
        // One that is to be confirmed says what is gone back to, which the others would change.
        // Who verifies one reads what the one before has left.
        _ if core.gate.is_guarded(core.dirs())
            || requests.iter().any(|request| request.intent.confirm.is_some()) =>
        {
            alone(requests.iter().map(|request| &**request))
        }
        _ => commit_group(session, requests)?,
    };
    for (request, changes) in left {
        if requests.len() > 1 {
            // What one before could not put back must not be taken for a change by hand.
            session.go_on(LogSession::recover)?;
        }
        let committed = write::commit_all(session, &changes, &request.intent);
        request.answer(session.or_unfinished(committed));
    }
    Ok(())
}

/// Commits the transactions of a group, but for those it returns.
fn commit_group<'g>(session: &mut LogSession<'_>, requests: &'g [Arc<Request>]) -> Result<Remaining<'g>> {
    let core = session.core;
    let everyone = || alone(requests.iter().map(|request| &**request));
    let all = requests.iter().flat_map(|request| &request.changes);
    let places: BTreeMap<&Path, &Place> = all.map(|change| (&*change.place.path, &change.place)).collect();
    let mut opened = Opened::of(session, places.values().copied())?;
    let mut joints = BTreeMap::new();
    for (path, place) in places {
        match joint(&mut opened, place) {
            Ok(Some(joint)) => drop(joints.insert(path, joint)),
            Err(error @ Error::Locked { .. }) => return Err(error),
            // It concerns only those who work on this package.
            Ok(None) | Err(_) => return Ok(everyone()),
        }
    }
    let accepted = group_package::accept(core, &mut joints, requests);
    let mut parts = Vec::with_capacity(joints.len());
    for joint in joints.into_values().filter(|joint| !Arc::ptr_eq(&joint.old, &joint.now)) {
        parts.push(joint_part(core, joint)?);
    }
    if parts.iter().any(|part| part.draft.is_outdated() || parked::is_parked(core, part.place)) {
        return Ok(alone(accepted.iter().map(|(request, _)| *request)));
    }
    put_group(&mut opened, &accepted, parts)
}

fn joint<'g>(opened: &mut Opened<'_, '_>, place: &'g Place) -> Result<Option<GroupPackage<'g, OldFile>>> {
    let found = opened.read(place)?;
    Ok(found.and_then(|found| Some(GroupPackage::new(place, found.known, found.file?))))
}

fn joint_part<'g>(core: &Core, joint: GroupPackage<'g, OldFile>) -> Result<Part<'g>> {
    let GroupPackage { place, file, old, now, touched } = joint;
    let draft = draft::create(core, &place.path, now.text(), Some(file))?;
    let (before, text) = (Some(old.text().clone()), now.text().clone());
    // Each transaction has its own hunks and changes.
    let step = Transition { old, new: now, hunks: Vec::new(), changes: Vec::new(), touched };
    Ok(Part { place, before, step: Some(step), text, draft })
}

/// Logs the transactions of a group, and puts what they lead to in place.
fn put_group<'g>(
    opened: &mut Opened<'_, '_>,
    accepted: &[Accepted<'g>],
    parts: Vec<Part<'_>>,
) -> Result<Remaining<'g>> {
    let transactions = transactions(accepted);
    let (logged, sequences) = opened.log_each(Approved::unguarded(parts), &transactions)?;
    let placed = logged.place(opened.session, |session, _| {
        let mut back = sequences.iter().zip(&transactions).rev();
        back.try_for_each(|(sequence, (entries, _))| session.roll_back(*sequence, entries))
    });
    let again = match placed {
        Ok(Placement::Done(revision)) => {
            for ((request, _), sequence) in accepted.iter().zip(&sequences) {
                request.answer(Ok(sequence.or(revision)));
            }
            return Ok(Vec::new());
        }
        Ok(Placement::Again(again)) => again,
        Err(error @ (Error::NotDurable { .. } | Error::Unfinished { .. })) => {
            accepted.iter().for_each(|(request, _)| request.answer(Err(error.again())));
            return Ok(Vec::new());
        }
        // It was rolled back, so each may try alone.
        Err(_) => return Ok(alone(accepted.iter().map(|(request, _)| *request))),
    };
    let mut left = Vec::new();
    for ((request, _), sequence) in accepted.iter().zip(&sequences) {
        let concerned = |change: &&PackageEdit| again.iter().any(|place| place.path == change.place.path);
        let changes: Vec<&PackageEdit> = request.changes.iter().filter(concerned).collect();
        if changes.is_empty() {
            request.answer(opened.session.settled().map(|()| *sequence));
        } else {
            left.push((*request, changes));
        }
    }
    Ok(left)
}

/// Has each transaction committed for itself.
fn alone<'g>(requests: impl Iterator<Item = &'g Request>) -> Remaining<'g> {
    requests.map(|request| (request, request.changes.iter().collect())).collect()
}
