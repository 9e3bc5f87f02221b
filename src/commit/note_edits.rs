//! Notes changes by hand in the log without a commit: for watches and readers, and before the history is read,
//! audited or undone. A commit notes the changes by hand of its own packages itself (`log_session::edits`).
//!
//! The log's lock is held during all of this. Changes are also published, so that a program that is woken by the
//! event can read them; for that the lock of each package is tried, and a package whose lock is taken is skipped.

use std::sync::Arc;
use std::time::Duration;

use crate::commit::core::Core;
use crate::commit::log_session::LogSession;
use crate::commit::packages::is_gone;
use crate::commit::place::Place;
use crate::commit::publish::{self, LogRange, State};
use crate::commit::{draft, open_session, settle};
use crate::error::Result;
use crate::log::Writer;
use crate::os::patience::Patience;

/// Notes in the log the changes by hand since the last transaction: packages that were edited, created or deleted.
///
/// # Errors
///
/// As for [`crate::Engine::commit`].
pub(crate) fn note_edits(core: &Core) -> Result<()> {
    let session = open_session::session(core)?;
    let mut names = core.packages.list()?;
    names.extend(session.writer.iter().flat_map(Writer::packages));
    names.sort_unstable();
    names.dedup();
    note_edits_in(core, session, &names).map(|_| ())
}

/// Notes the changes by hand of some packages, as [`note_edits`] does of all. Packages that cannot be read are
/// skipped. Returns whether the log can be written.
///
/// # Errors
///
/// As for [`crate::Engine::commit`].
pub(crate) fn note_edits_of(core: &Core, names: &[String]) -> Result<bool> {
    note_edits_in(core, open_session::session(core)?, names)
}

fn note_edits_in(core: &Core, mut session: LogSession<'_>, names: &[String]) -> Result<bool> {
    if session.writer.is_none() {
        return Ok(false);
    }
    let (mut edited, mut seen, mut deleted) = (Vec::new(), Vec::new(), false);
    // A text that is behind another log is no edit: it is older than what others have seen.
    let is_settled = |name: &&String| {
        let mark = session.foreign_mark(&core.packages.in_config(name).path);
        mark.is_none_or(|mark| {
            settle::settle_mark(core, &mark, false, &Patience::new(Duration::ZERO)).is_ok()
        })
    };
    let names = names.iter().filter(is_settled).cloned();
    let (gone, there): (Vec<_>, Vec<_>) =
        names.partition(|name| is_gone(&core.packages.in_config(name).path));
    for name in gone {
        deleted |= session.note_deletion(&core.packages.in_config(&name))?;
    }
    core.packages.each_text(there, |place, text| {
        seen.extend(std::fs::metadata(&place.path).map(|found| (place.name.clone(), found)));
        if session.look(&place, &text)? {
            edited.push((place, text));
        }
        Ok(())
    })?;
    core.attributes.keep(&seen);
    if let Some(last) = session.write_down(Vec::new())? {
        let base = (!deleted).then_some(session.base);
        publish_edited(core, &edited, LogRange { base, ..LogRange::up_to(last) });
    }
    Ok(true)
}

/// Publishes texts that were changed by hand. A text with errors is not published: its map goes on showing the last good
/// state.
fn publish_edited(core: &Core, edited: &[(Place, Arc<Vec<u8>>)], logged: LogRange) {
    let mut order: Vec<_> = edited.iter().collect();
    order.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    let (mut locks, mut states) = (Vec::new(), Vec::new());
    for (place, text) in order {
        let is_good = core.options.format_of(place.format).read_strictly(&place.name, text).is_ok();
        let Some(lock) = draft::try_lock(core, &place.path).ok().filter(|_| is_good) else { continue };
        // If the text was changed again since, the next call notes it.
        if let Ok((now, metadata)) = core.packages.read_shared(place)
            && now == *text
        {
            locks.push(lock);
            states.push(State { place, text: now, metadata, in_place: None, step: None });
        }
    }
    publish::publish(core, &states, Some(logged));
}
