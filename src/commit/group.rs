//! Transactions that threads commit at the same time are committed together.
//!
//! The first thread leads: it takes the log's lock, and then all transactions that were queued by then, its own among
//! them. It applies one after the other, each to the state after the one before. Each transaction has its own record,
//! and a refused one concerns only the thread that asked for it. But all are made durable with one sync, and each
//! text is written and published once. Threads that come meanwhile wait, and one of them leads the next group.
//!
//! Transactions are committed one by one if a gate is guarded or one of them has to be confirmed, and if a group fails.

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

/// The transactions, with their remaining changes, that will be committed one by one.
type Remaining<'g> = Vec<(&'g Request, Vec<&'g PackageEdit>)>;

/// Commits changes to several packages, each given once and in the order of their names, together. Returns the
/// revision, if there is a log or there are maps. If one package cannot be written, none is changed.
///
/// # Errors
///
/// As for [`crate::Engine::commit`], and the error that a change is refused with.
pub(crate) fn commit_changes(core: &Core, changes: Vec<PackageEdit>, intent: Intent) -> Answer {
    crate::os::caller::check_may_commit()?;
    core.settings.check_may_write()?;
    let by = intent.by.clone().or_else(|| core.by.clone());
    let request = Request::new(changes, Intent { by, ..intent });
    // The thread that leads also commits the transactions of others.
    let shared = core.by.is_some().then(|| core.attributed(None));
    let core = shared.as_ref().unwrap_or(core);
    retry::retry(core, |patience| {
        request.wait_again();
        commit_request(core, &request, patience)
    })
}

/// Commits a transaction, together with those that other threads queue meanwhile. If it needs a lock that is taken, only
/// this thread waits for it, and then queues the transaction again.
fn commit_request(core: &Core, request: &Arc<Request>, patience: &Patience) -> Answer {
    if let Some(answer) = core.queue.wait(request) {
        return answer;
    }
    let mut leadership = Leadership::of(&core.queue);
    // Transactions that are queued while this waits for the lock belong to the group.
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
    // The leader's own transaction must not go back to the queue: this thread takes care of it.
    leadership.requests.retain(|other| !Arc::ptr_eq(other, request));
    drop(leadership);
    answer.unwrap_or(Err(Error::Conflict { key: String::new(), why: "it was not committed".into() }))
}

/// Commits a group. If a lock is taken, commits the transactions one by one, so that it concerns only those that need it.
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
    // A package that is made or deleted is not left for later.
    let is_whole = requests.iter().any(|request| request.changes.iter().any(|edit| edit.whole.is_changed()));
    if !is_whole && deferred::commit_later(session, requests)? {
        return Ok(());
    }
    // From here on commits start from the texts, so none may be behind the log.
    session.recover()?;
    let left = match requests {
        [_] => alone(requests.iter().map(|request| &**request)),
        // A transaction that has to be confirmed names the state to roll back to, which the others would change. A
        // verifier of a transaction reads the state after the one before.
        _ if is_whole
            || core.gate.is_guarded(core.dirs())
            || requests.iter().any(|request| request.intent.confirm.is_some()) =>
        {
            alone(requests.iter().map(|request| &**request))
        }
        _ => commit_group(session, requests)?,
    };
    for (request, changes) in left {
        if requests.len() > 1 {
            // If an earlier transaction could not put a text back, that text must not be noted as a change by hand.
            session.go_on(LogSession::recover)?;
        }
        let committed = write::commit_all(session, &changes, &request.intent);
        request.answer(session.or_unfinished(committed));
    }
    Ok(())
}

/// Commits the transactions of a group together. Returns those that must be committed one by one.
fn commit_group<'g>(session: &mut LogSession<'_>, requests: &'g [Arc<Request>]) -> Result<Remaining<'g>> {
    let core = session.core;
    let everyone = || alone(requests.iter().map(|request| &**request));
    let all = requests.iter().flat_map(|request| &request.changes);
    let places: BTreeMap<&Path, &Place> = all.map(|change| (&*change.place.path, &change.place)).collect();
    let mut opened = Opened::of(session, places.values().copied())?;
    let mut packages = BTreeMap::new();
    for (path, place) in places {
        match read_package(&mut opened, place) {
            Ok(Some(package)) => drop(packages.insert(path, package)),
            Err(error @ Error::Locked { .. }) => return Err(error),
            // The problem concerns only the transactions of this package.
            Ok(None) | Err(_) => return Ok(everyone()),
        }
    }
    let accepted = group_package::accept(core, &mut packages, requests);
    let mut parts = Vec::with_capacity(packages.len());
    for package in packages.into_values().filter(|package| !Arc::ptr_eq(&package.old, &package.now)) {
        parts.push(part_of(core, package)?);
    }
    if parts.iter().any(|part| part.draft.is_outdated() || parked::is_parked(core, part.place)) {
        return Ok(alone(accepted.iter().map(|(request, _)| *request)));
    }
    put_group(&mut opened, &accepted, parts)
}

fn read_package<'g>(
    opened: &mut Opened<'_, '_>,
    place: &'g Place,
) -> Result<Option<GroupPackage<'g, OldFile>>> {
    let found = opened.read(place)?;
    Ok(found.and_then(|found| Some(GroupPackage::new(place, found.known, found.file?))))
}

fn part_of<'g>(core: &Core, package: GroupPackage<'g, OldFile>) -> Result<Part<'g>> {
    let GroupPackage { place, file, old, now, touched } = package;
    let draft = draft::create(core, &place.path, now.text(), Some(file))?;
    let (before, text) = (Some(old.text().clone()), now.text().clone());
    // Each transaction has its own hunks and changes.
    let step = Transition { old, new: now, hunks: Vec::new(), changes: Vec::new(), touched };
    Ok(Part { place, before, step: Some(step), text, draft })
}

/// Logs the transactions of a group, and puts the resulting texts in place.
fn put_group<'g>(
    opened: &mut Opened<'_, '_>,
    accepted: &[Accepted<'g>],
    parts: Vec<Part<'_>>,
) -> Result<Remaining<'g>> {
    let transactions = transactions(accepted);
    let (logged, sequences) = opened.log_each(Approved::unguarded(parts), &transactions)?;
    let placed = logged.place(opened.session, |session, _| {
        let mut back = sequences.iter().zip(&transactions).rev();
        back.try_for_each(|(sequence, (entries, intent))| session.roll_back(*sequence, entries, intent))
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
        // The group was rolled back, so each transaction can be tried alone.
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

/// Returns all changes of these transactions, to be committed one by one.
fn alone<'g>(requests: impl Iterator<Item = &'g Request>) -> Remaining<'g> {
    requests.map(|request| (request, request.changes.iter().collect())).collect()
}
