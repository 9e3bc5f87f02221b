//! Putting deferred texts in place that the log knows nothing of, and finding the states that records lead to.

use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::deferred_texts::DeferredText;
use crate::commit::known::Known;
use crate::commit::mark::{self, Mark};
use crate::commit::place::Place;
use crate::commit::{draft, stock};
use crate::error::{Error, Result};
use crate::log::{self, Digest, Log, Record};
use crate::map::Source;
use crate::model::digest::of_text;

/// Forgets what was to be put in place: it is there.
pub(crate) fn forget_deferred(core: &Core) {
    core.deferred.clear();
    core.logs.current().into_iter().for_each(Log::forget_left);
}

/// Puts the texts in place that this store is to put there and that are behind the log of a mark, if the directory of
/// that log was replaced. As long as a lock is taken, nothing is done.
pub(crate) fn save_replaced(core: &Core, mark: &Mark) -> Result<()> {
    let is_ours = core.deferred.all().iter().any(|(_, late)| late.log == mark.id);
    let id = core.logs.current().filter(|_| is_ours).and_then(Log::id);
    if !is_ours || id.as_ref() == Some(&mark.id) || !core.logs.current().is_some_and(Log::leave_replaced) {
        return Ok(());
    }
    match save_unlogged(core, id.as_deref(), &[]) {
        Ok(_) | Err(Error::Locked { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns what is known of a package if its file is the one that was read.
pub(crate) fn still(core: &Core, place: &Place, late: DeferredText) -> Result<Option<DeferredText>> {
    let found = std::fs::metadata(&place.path).map_err(Error::io("read", &place.path))?;
    if !late.in_place.is(&found) {
        return Ok(None);
    }
    if late.in_place.is_settled() {
        return Ok(Some(late));
    }
    // It may have been written again within the same tick of the clock.
    let (text, file) = core.packages.read_shared(place)?;
    let in_place = Source::of(&file, &text, of_text(&text));
    let same = (in_place.hash, in_place.len) == (late.in_place.hash, late.in_place.len);
    Ok(same.then_some(DeferredText { file, in_place, ..late }))
}

/// Puts the texts in place that were to follow later and that the log knows nothing of: its directory was replaced.
/// They are noted there as changes by hand are. `logged` are packages of which it does know, `id` is its name.
/// Returns whether there were any.
pub(crate) fn save_unlogged(core: &Core, id: Option<&str>, logged: &[&str]) -> Result<bool> {
    let all = core.deferred.all();
    if all.is_empty() {
        return Ok(false);
    }
    let mut saved = false;
    let left = core.logs.current().map(Log::left).unwrap_or_default();
    for (path, late) in all {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if logged.contains(&&*name) && id == Some(&*late.log) {
            continue;
        }
        let place = Place { path, ..core.packages.in_config(&name) };
        let _lock = draft::try_lock(core, &place.path)?;
        let old = draft::old_file(core, &place.path);
        let mark = mark::mark_of(core, &place.path, &late.log);
        let is_lost = mark.is_some() && id != Some(&*late.log);
        let Some(text) = text_of_late(core, &place, &late, is_lost, &left)? else {
            if is_lost {
                mark::remove_marks(core, mark.as_slice());
            }
            continue;
        };
        let mut draft = draft::create(core, &place.path, &text, Some(old?))?;
        // Somebody has put another file there just now: the text is brought together with that one.
        if !draft::put(core, &mut draft)? {
            return Err(crate::os::patience::taken(&place.path));
        }
        draft::settle(core, &place.path, &draft)?;
        if stock::update_displaced(core, &draft, &text) {
            stock::await_stock(core, &mut draft);
        }
        mark::remove_marks(core, mark.as_slice());
        core.deferred.remove(&place.path);
        saved = true;
    }
    Ok(saved)
}

/// Makes the text that a package is to have which was to follow later; `None` if it is in place. `is_lost` says that
/// the mark of a replaced log stands beside the package: as long as it does, no program goes on from the file, so the
/// file holds an earlier text of that log, or an edit by a program that knows nothing of marks.
fn text_of_late(
    core: &Core,
    place: &Place,
    late: &DeferredText,
    is_lost: bool,
    left: &[Record],
) -> Result<Option<Vec<u8>>> {
    let ours = last_text(&place.name, late.now.text(), left);
    let is_same = match still(core, place, late.clone()) {
        Err(error @ Error::Locked { .. }) => return Err(error),
        still => still.ok().flatten().is_some(),
    };
    if is_same {
        return Ok(Some(ours).filter(|ours| *ours != *late.base));
    }
    if !is_lost {
        // Another program has put it in place.
        return Ok(None);
    }
    let present = match std::fs::read(&place.path) {
        Ok(present) => present,
        // It was removed by hand, which holds.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &place.path)(error)),
    };
    let (digest, mut ends) =
        (Digest::of(&present), left.iter().filter_map(|record| record.package(&place.name)));
    if present == ours || ends.next_back().is_some_and(|last| last.after == digest) {
        return Ok(None);
    }
    let theirs = last_text(&place.name, &present, left);
    if theirs != present {
        return Ok(Some(theirs));
    }
    let both = crate::commit::merge::reconcile(core.options.format, &place.name, &late.base, &ours, &present);
    Ok(Some(both).filter(|both| *both != present))
}

/// Returns the state that the log's records lead to from another one; `None` if that is none of theirs.
pub(crate) fn follow(
    core: &Core,
    place: &Place,
    from: &Arc<Known>,
    wanted: Digest,
) -> Result<Option<Arc<Known>>> {
    match from.digest == wanted {
        true => Ok(Some(from.clone())),
        false => made_of(core, place, from.text().to_vec(), wanted),
    }
}

/// As [`follow`], from a text.
pub(crate) fn made_of(
    core: &Core,
    place: &Place,
    text: Vec<u8>,
    wanted: Digest,
) -> Result<Option<Arc<Known>>> {
    let Some(log) = core.logs.current() else { return Ok(None) };
    let Some(text) = log.text_from(&place.name, text, wanted)? else { return Ok(None) };
    core.states.read(place, text).map(Some)
}

/// Returns the last text that records have made of one.
fn last_text(name: &str, text: &[u8], records: &[Record]) -> Vec<u8> {
    let (mut text, mut digest) = (text.to_vec(), Digest::of(text));
    for change in records.iter().filter_map(|record| record.package(name)) {
        if change.before == Some(digest)
            && let Some(after) = log::apply(&text, &change.hunks)
        {
            (text, digest) = (after, change.after);
        }
    }
    text
}
