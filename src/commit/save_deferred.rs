//! Puts deferred texts in place if the directory of their log was replaced, so that recovery finds no record of them.
//! Also applies the records of the log to texts.
//!
//! The texts come from [`crate::commit::deferred_texts::DeferredTexts`], which changes only while the log's lock is
//! held. The file of a package is replaced under the lock of the package and of the file, which are not waited for:
//! see `retry`. As long as the mark of the replaced log is there, no program that looks for marks continues from the
//! old file.

use std::fs::Metadata;
use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::deferred_texts::DeferredText;
use crate::commit::mark::{self, Mark};
use crate::commit::parsed_text::ParsedText;
use crate::commit::place::Place;
use crate::commit::{draft, stock};
use crate::error::{Error, Result};
use crate::log::{self, Digest, Log, Record};
use crate::map::Source;
use crate::model::digest::of_text;

/// Forgets the deferred texts: all of them are in place.
pub(crate) fn forget_deferred(core: &Core) {
    core.deferred.clear();
    core.logs.current().into_iter().for_each(Log::forget_replaced);
}

/// If the directory of the log of a mark was replaced, puts the deferred texts of that log in place. Does nothing as
/// long as a lock is taken.
pub(crate) fn save_replaced(core: &Core, mark: &Mark) -> Result<()> {
    let is_ours = core.deferred.all().iter().any(|(_, deferred)| deferred.log == mark.id);
    let id = core.logs.current().filter(|_| is_ours).and_then(Log::id);
    if !is_ours || id.as_ref() == Some(&mark.id) || !core.logs.current().is_some_and(Log::close_replaced) {
        return Ok(());
    }
    match save_unlogged(core, id.as_deref(), &[]) {
        Ok(_) | Err(Error::Locked { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns the deferred text of a package if the file in place is still the one that was read. `found` are the attributes
/// of the file, if the caller has looked at them under the lock of the package.
pub(crate) fn still(
    core: &Core,
    place: &Place,
    deferred: DeferredText,
    found: Option<Metadata>,
) -> Result<Option<DeferredText>> {
    let found = match found {
        Some(found) => found,
        None => std::fs::metadata(&place.path).map_err(Error::io("read", &place.path))?,
    };
    if !deferred.in_place.is(&found) {
        return Ok(None);
    }
    if deferred.in_place.is_settled() {
        return Ok(Some(deferred));
    }
    // The file may have been written again within the same tick of the clock.
    let (text, file) = core.packages.read_shared(place)?;
    let in_place = Source::of(&file, &text, of_text(&text));
    let same = (in_place.hash, in_place.len) == (deferred.in_place.hash, deferred.in_place.len);
    Ok(same.then_some(DeferredText { file, in_place, ..deferred }))
}

/// Puts the deferred texts in place that the log has no record of, because its directory was replaced. The new log notes
/// them as changes by hand. `logged` names the packages that the log has records of, `id` is the id of the log. Returns
/// whether any text was put in place.
pub(crate) fn save_unlogged(core: &Core, id: Option<&str>, logged: &[&str]) -> Result<bool> {
    let all = core.deferred.all();
    if all.is_empty() {
        return Ok(false);
    }
    let mut saved = false;
    let left = core.logs.current().map(Log::last_records).unwrap_or_default();
    for (path, deferred) in all {
        let place = core.packages.of_file(&path);
        let name = &place.name;
        if logged.contains(&&**name) && id == Some(&*deferred.log) {
            continue;
        }
        let _lock = draft::try_lock(core, &place.path)?;
        let old = draft::old_file(core, &place.path);
        let mark = mark::mark_of(&place.path, &deferred.log);
        let is_lost = mark.is_some() && id != Some(&*deferred.log);
        let Some(text) = text_to_save(core, &place, &deferred, is_lost, &left)? else {
            if is_lost {
                mark::remove_marks(core, mark.as_slice());
            }
            continue;
        };
        let mut draft = draft::create(core, &place.path, &text, Some(old?))?;
        // Another program has just replaced the file: the next attempt merges the text with that file.
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

/// Returns the text that will be put in place for a deferred text; `None` if the file stays as it is. `is_lost` says
/// that the mark of a replaced log is beside the package. As long as it is, no program that looks for marks writes
/// the file, so the file holds an earlier text of that log, or an edit by a program that does not look for marks.
fn text_to_save(
    core: &Core,
    place: &Place,
    deferred: &DeferredText,
    is_lost: bool,
    left: &[Record],
) -> Result<Option<Vec<u8>>> {
    let ours = last_text(&place.name, deferred.now.text(), left);
    let is_same = match still(core, place, deferred.clone(), None) {
        Err(error @ Error::Locked { .. }) => return Err(error),
        still => still.ok().flatten().is_some(),
    };
    if is_same {
        return Ok(Some(ours).filter(|ours| *ours != *deferred.base));
    }
    if !is_lost {
        // Another program has put the text in place.
        return Ok(None);
    }
    let present = match std::fs::read(&place.path) {
        Ok(present) => present,
        // The package was removed by hand; it stays removed.
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
    let both = crate::commit::merge::reconcile(
        core.options.format_of(place.format),
        &place.name,
        &deferred.base,
        &ours,
        &present,
    );
    Ok(Some(both).filter(|both| *both != present))
}

/// Applies the log's records to a state until it has the digest `wanted`; `None` if it never has.
pub(crate) fn follow(
    core: &Core,
    place: &Place,
    from: &Arc<ParsedText>,
    wanted: Digest,
) -> Result<Option<Arc<ParsedText>>> {
    match from.digest == wanted {
        true => Ok(Some(from.clone())),
        false => made_of(core, place, from.text().to_vec(), wanted),
    }
}

/// Applies the log's records to a text until it has the digest `wanted`; `None` if it never has.
pub(crate) fn made_of(
    core: &Core,
    place: &Place,
    text: Vec<u8>,
    wanted: Digest,
) -> Result<Option<Arc<ParsedText>>> {
    let Some(log) = core.logs.current() else { return Ok(None) };
    let Some(text) = log.text_from(&place.name, text, wanted)? else { return Ok(None) };
    core.states.read(place, text).map(Some)
}

/// Applies records to a text, and returns the text after the last one.
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
