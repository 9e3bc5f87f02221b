//! Commits whose texts are put in place later: [`Durability::Log`].
//!
//! The transaction is committed once its record in the log is durable and the maps show it. The file of the package
//! stays as it was, and the store keeps the new text in memory. Recovery puts that text in place, as after a crash
//! (see `recovery`): this store does so after a while, and before that any process that takes the log's lock for
//! anything else. So only a program that reads nothing but the file sees a text that is older than the log. The next
//! commit of this kind starts from the newest state in the log, not from the file.
//!
//! An editor, or a program that does not use logs, may save the file meanwhile. Recovery then merges both (see
//! `merge`).
//!
//! Locks: the caller holds the log's lock. The locks of the packages are tried in the order of their paths, and each package
//! file is locked while the mark beside it is made (see `mark`).

use std::collections::BTreeMap;
use std::fs::Metadata;
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

/// Puts the deferred texts in place.
///
/// # Errors
///
/// As for [`crate::Engine::commit`]. The transactions stay committed, and their texts follow later.
pub(crate) fn flush(core: &Core) -> Result<()> {
    if !core.deferred.is_behind() {
        return Ok(());
    }
    if core.deferred.all().iter().any(|(path, _)| mark::is_log_lost(core, path))
        && core.logs.current().is_some_and(Log::close_replaced)
    {
        // A program that holds the lock of the present log waits for this.
        retry::retry(core, |_| {
            save_deferred::save_unlogged(core, core.logs.current().and_then(Log::id).as_deref(), &[])
        })?;
    }
    open_session::session(core).map(|_| ())
}

/// Commits transactions and leaves their texts for later. Returns `false` if that is not possible; nothing has
/// changed then.
pub(crate) fn commit_later(session: &mut LogSession<'_>, requests: &[Arc<Request>]) -> Result<bool> {
    let core = session.core;
    let changes = || requests.iter().flat_map(|request| &request.changes);
    let settings = core.settings.get();
    let can_wait =
        |place: &Place| place.is_logged() && settings.durability_of(&place.name) != Durability::Full;
    // A commit that verifiers are asked about, or that has to be confirmed, writes its text at once.
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
    let mut locks = Vec::with_capacity(places.len());
    for path in places.keys() {
        locks.push(match core.deferred.has(path) {
            true => draft::try_lock_of_deferred(core, path, session.config)?,
            false => (draft::try_lock_in(core, path, session.config)?, None),
        });
    }
    let mut packages = BTreeMap::new();
    let mut marks = Marks { core, made: Vec::new() };
    for ((path, place), (_, found)) in places.into_iter().zip(&mut locks) {
        match newest_state(session, place, found.take(), &mut marks) {
            Ok(Some(package)) => drop(packages.insert(path, package)),
            Err(error @ Error::Locked { .. }) => return Err(error),
            // The problem concerns only the transactions of this package, which get it as an error when each is committed
            // alone.
            Ok(None) | Err(_) => return Ok(false),
        }
    }
    let accepted = group_package::accept(core, &mut packages, requests);
    let sequences = session.commit_each(&transactions(&accepted))?;
    session.ahead();
    let packages: Vec<_> =
        packages.into_values().filter(|package| !Arc::ptr_eq(&package.old, &package.now)).collect();
    marks.keep(&packages);
    remember(core, &packages);
    let mut states: Vec<State<'_>> = Vec::with_capacity(packages.len());
    for GroupPackage { place, file, old, now, touched } in &packages {
        let edit = Edit { old, new: now, touched };
        states.push(State { in_place: Some(file.in_place), ..edit.state(place, file.file.clone()) });
    }
    let last = sequences.iter().flatten().last().copied();
    let shown = publish::publish(core, &states, last.map(|last| session.logged(last)));
    drop(locks);
    if shown.is_none() {
        // Without maps, readers see the transaction only in the texts. If recovery fails, the next session repeats it; the
        // transaction is committed all the same.
        let _ = session.recover();
    }
    for ((request, _), sequence) in accepted.iter().zip(&sequences) {
        request.answer(Ok(sequence.or(last)));
    }
    Ok(true)
}

/// Finds the newest state of a package, which transactions start from; `None` if its text must be put in place first.
/// `found` are the attributes of its file, if they were looked at under the lock of the package.
fn newest_state<'g>(
    session: &mut LogSession<'_>,
    place: &'g Place,
    found: Option<Metadata>,
    marks: &mut Marks<'_>,
) -> Result<Option<GroupPackage<'g, DeferredText>>> {
    let core = session.core;
    let newest = session.newest(&place.name);
    let behind = newest.filter(|(_, is_behind)| *is_behind).map(|(digest, _)| digest);
    if let Some(deferred) = core.deferred.get(&place.path)
        && let Some(digest) = behind
        && let Some(deferred) = save_deferred::still(core, place, deferred, found)?
        // Another program may have committed since.
        && let Some(now) = save_deferred::follow(core, place, &deferred.now, digest)?
    {
        return Ok(Some(GroupPackage::new(place, now.clone(), DeferredText { now, ..deferred })));
    }
    // Another log may be ahead of the text; or this log is, and the readers of another run directory do not see it.
    let is_ours = if behind.is_some() {
        mark::is_published_here(core, place) && !session.is_older_than(place)
    } else {
        session.foreign_mark(&place.path).is_none()
    };
    if !is_ours {
        return Ok(None);
    }
    let Some(Reading { text, old }) = draft::read_current(core, &place.path)? else { return Ok(None) };
    // A text that cannot be put in place must not be acknowledged.
    if is_mounted_on(&old.open) || parked::is_parked(core, place) {
        return Ok(None);
    }
    let file = old.open.file.metadata().map_err(Error::io("read", &place.path))?;
    let in_place = Source::of(&file, &text, of_text(&text));
    let (base, now, log) = match behind {
        // Another program has left the text for later.
        Some(digest) => {
            let (base, mark) = (Arc::new(text.clone()), Mark::of(&place.path));
            match save_deferred::made_of(core, place, text, digest)?.zip(mark) {
                Some((known, mark)) => (base, known, mark.id),
                None => return Ok(None),
            }
        }
        None => {
            let known = session.note_and_parse(place, text)?;
            // The file is locked here, and each other writer looks for the mark once it has that lock.
            let Some(id) = marks.make(place, session) else { return Ok(None) };
            (known.text().clone(), known, id)
        }
    };
    Ok(Some(GroupPackage::new(place, now.clone(), DeferredText { file, in_place, base, now, log })))
}

/// Keeps the texts that will be put in place later.
fn remember(core: &Core, packages: &[GroupPackage<'_, DeferredText>]) {
    for package in packages {
        core.states.note(package.place, &package.now);
        let deferred = DeferredText { now: package.now.clone(), ..package.file.clone() };
        core.deferred.insert(package.place.path.clone(), deferred);
    }
}

/// The marks that a commit has made. Dropping this removes the marks of packages whose text was not deferred.
struct Marks<'s> {
    core: &'s Core,
    made: Vec<(PathBuf, Mark)>,
}

impl Marks<'_> {
    /// Makes the mark of a package; returns the id of its log.
    fn make(&mut self, place: &Place, session: &LogSession<'_>) -> Option<String> {
        let mark = mark::make(self.core, place, session.sequence(), || session.is_replaced())?;
        let id = mark.id.clone();
        self.made.push((place.path.clone(), mark));
        Some(id)
    }

    /// Keeps the marks of packages that were changed.
    fn keep(&mut self, changed: &[GroupPackage<'_, DeferredText>]) {
        self.made.retain(|(file, _)| !changed.iter().any(|package| package.place.path == *file));
    }
}

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        for (_, mark) in self.made.drain(..) {
            mark::remove_marks(self.core, &[mark]);
        }
    }
}
