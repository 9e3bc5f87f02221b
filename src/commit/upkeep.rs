//! Keeps the maps up to date for readers: makes missing maps, and updates maps that show an older text.
//!
//! Only the holder of a package's lock makes or changes its map. A map is made only from a text that is not behind
//! the log, since readers may have seen the newer state already. If a deferred text has to be put in place first, the
//! log's lock is taken before the lock of the package. Writers publish through `publish`.

use std::time::Instant;

use crate::commit::columns;
use crate::commit::core::Core;
use crate::commit::log_session::LogSession;
use crate::commit::place::Place;
use crate::commit::publish::{self, LogRange, State, in_file};
use crate::commit::{draft, last_good, mark, open_session, recovery, retry, settle};
use crate::error::{Code, Damage, Error, Result};
use crate::log::{End, Log};
use crate::map::{Image, Making, Map, MapDirectory, Seq, Slack, Source};
use crate::model::digest::of_text;
use crate::os::lock::PackageLock;

/// Makes a map of a package that only this process reads. No lock is held.
pub(crate) fn private_map(core: &Core, place: &Place, seed: u64, base: Seq) -> Result<Map> {
    settle::await_text(core, &place.path)?;
    let (text, metadata) = core.packages.read_shared(place)?;
    let mut source = Source::of(&metadata, &text, of_text(&text));
    let columns = columns::wanted(core, &place.name);
    let making = Making { seed, base, source, slack: Slack::NEW, columns: &columns };
    if let Some(image) = publish::image_of_text(core, place, &text, &making)? {
        return private(&image, place);
    }
    let package = match publish::parse_for_map(core, place, text) {
        Err(error @ Error::Parse(_)) => {
            let good = last_good::last_good(core, place).ok_or_else(|| in_file(error, place))?;
            source = source.showing(of_text(good.source()), good.source().len() as u64);
            good
        }
        package => package.map_err(|error| in_file(error, place))?,
    };
    let image = publish::image(core, &place.name, &package, &Making { source, ..making })?;
    private(&image, place)
}

/// Makes a map of a package as it was at a revision, by the log, that only this process reads. `Ok(None)` if there was no
/// such package.
///
/// # Errors
///
/// [`Error::Missing`] if the log does not go back that far.
pub(crate) fn private_map_of_past(
    core: &Core,
    name: &str,
    revision: u64,
    (seed, base): (u64, Seq),
) -> Result<Option<Map>> {
    // It is read before the log is asked: a transaction is in the log before its text is in place.
    let present = match core.packages.find(name.as_bytes()) {
        Err(error) if error.code() == Code::NotFound => Ok(None),
        place => place.and_then(|place| private_map(core, &place, seed, base)).map(Some),
    };
    let past = core.logs.past()?;
    if !past.is_changed_since(name, revision)? {
        return present;
    }
    let Some(text) = past.text_at(name, revision)? else { return Ok(None) };
    let place = core.packages.in_config(name);
    let source = Source::default();
    let columns = columns::wanted(core, name);
    let making = Making { seed, base, source, slack: Slack::NEW, columns: &columns };
    let package = publish::parse_for_map(core, &place, text.into())?;
    let image = publish::image(core, name, &package, &making)?;
    private(&image, &place).map(Some)
}

fn private(image: &Image, place: &Place) -> Result<Map> {
    Map::private(image).map_err(|why| Error::Damaged {
        what: Damage::Map,
        path: place.path.clone(),
        why: format!("{why:?}"),
    })
}

/// Updates or makes the shared map of a package, and opens it for reading.
/// Returns `None` if the run directory was replaced meanwhile.
///
/// # Errors
///
/// [`Error::Parse`] if the text has errors, [`Error::Full`] if the map would be too large, [`Error::Io`]
/// if it cannot be made, [`Error::Locked`] if a writer does not finish in time.
pub(crate) fn share(core: &Core, shared: &MapDirectory, place: &Place) -> Result<Option<Map>> {
    let _locks = lock_settled(core, place)?;
    show_applied(core, shared);
    share_locked(core, shared, place)
}

/// Puts the deferred text of a package in place, and takes the lock of the package: a map of the older text would
/// show an older state than readers have seen. If the log's lock was needed for that, the session is returned as well
/// and keeps others from committing.
fn lock_settled<'e>(core: &'e Core, place: &Place) -> Result<(PackageLock, Option<LogSession<'e>>)> {
    // A verifier reads the text from before the transaction, and that text is in place.
    let is_asked = crate::os::caller::check_may_commit().is_err();
    // Between the look for a mark and the lock, a program with another log may have deferred a text.
    let check_others = || match is_asked {
        true => Ok(()),
        false => mark::check_others(core, &place.path, place.path.is_symlink()),
    };
    retry::retry(core, |patience| {
        settle::await_text(core, &place.path)?;
        let lock = draft::take_lock(core, &place.path)?.once();
        if is_asked || !core.logs.current().is_some_and(Log::is_open_ended) {
            return check_others().map(|()| (lock, None));
        }
        // The log's lock is taken before those of packages.
        drop(lock);
        let session = open_session::session_within(core, patience)?;
        let lock = draft::try_lock(core, &place.path)?.once();
        check_others().map(|()| (lock, Some(session)))
    })
}

/// Does what [`share`] does. The caller holds the lock of the package.
pub(crate) fn share_locked(core: &Core, shared: &MapDirectory, place: &Place) -> Result<Option<Map>> {
    let (text, metadata) = core.packages.read_shared(place)?;
    let state = State { place, text, metadata, in_place: None, step: None };
    let mut publishing = shared.begin(Instant::now() + core.settings.get().lock_timeout)?;
    let published = match publish::publish_to(core, &mut publishing, std::slice::from_ref(&state), true, None)
    {
        Err(error @ Error::Parse(_)) => {
            let good = last_good::last_good(core, place).ok_or_else(|| in_file(error, place))?;
            let in_place = Source::of(&state.metadata, &state.text, of_text(&state.text));
            let text = good.source().clone();
            let good = State { text, in_place: Some(in_place), ..state };
            publish::publish_to(core, &mut publishing, &[good], true, None)
        }
        published => published,
    };
    published.map_err(|error| in_file(error, place))?;
    drop(publishing);
    // The lock of the package is still held, so no other program can change the text meanwhile.
    shared.open(&place.name, false)
}

/// Replaces the map of a package by a new one.
///
/// # Errors
///
/// As for [`share`].
pub(crate) fn remake(core: &Core, shared: &MapDirectory, place: &Place) -> Result<()> {
    let _locks = lock_settled(core, place)?;
    let (text, metadata) = core.packages.read_shared(place)?;
    let state = State { place, text, metadata, in_place: None, step: None };
    let mut publishing = shared.begin(Instant::now() + core.settings.get().lock_timeout)?;
    let old = shared.open(&place.name, true).ok().flatten();
    let committed = publishing.committed();
    let round = publishing.next(None);
    let made = publish::publish_one(core, &state, None, &publishing, round);
    if made.is_ok() {
        old.iter().for_each(|old| old.retire(committed));
    }
    publishing.commit();
    made.map(|_| ()).map_err(|error| in_file(error, place))
}

/// Publishes the revision of the last transaction if its text is in place and its writer has died before it
/// published. A map that is made from the text contains that transaction, so it must not have an older revision.
fn show_applied(core: &Core, shared: &MapDirectory) {
    let Some(End { last, is_open: false }) = core.logs.current().and_then(Log::end) else { return };
    let shown = shared.control().and_then(|control| control.shown().1);
    if shown.is_some_and(|shown| shown < last) {
        publish::publish(core, &[], Some(LogRange::up_to(last)));
    }
}

/// Publishes the last transaction if that was not done, because its writer has died or there were no maps at the
/// time. Puts deferred texts in place first.
pub(crate) fn catch_up(core: &Core, shared: &MapDirectory, shown: Option<u64>) {
    let Some(End { last, is_open }) = core.logs.current().and_then(Log::end) else { return };
    if shown == Some(last) {
        return;
    }
    if shown.is_some_and(|shown| shown < last) || is_open {
        // A writer that is still running publishes its transaction itself. A user who may not write the log can do
        // nothing here.
        let _ = recovery::show_last(core);
    } else if let Ok(mut publishing) = shared.begin(Instant::now() + core.settings.get().lock_timeout) {
        // Maps are made from the texts, so they show all transactions whose texts are in place. A number that was shown
        // is never used again, even if the log has lost its record.
        if publishing.revision().is_none() {
            publishing.show(last);
        }
    }
}
