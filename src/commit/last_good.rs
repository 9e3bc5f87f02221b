//! The last good state of a package whose text cannot be parsed: an editor has saved it with a syntax error.
//!
//! Programs go on reading it, from the map, or from what the log tells of earlier texts. Commits to the package are
//! refused until the text is mended. The log notes both, and watches are told.

use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::packages::first_changes;
use crate::commit::place::Place;
use crate::error::Error;
use crate::log::{self, KeyChange, Kind, Record};
use crate::model::package::Package;

/// How many earlier texts are tried.
const TRIES: usize = 20;

/// How the message of a record begins that notes a text which cannot be parsed; the rest says what is wrong, and where.
const BROKEN: &str = "cannot be parsed: ";

/// The message of a record that notes a text which can be parsed again.
const MENDED: &str = "can be parsed again";

impl Record {
    /// Returns what is wrong with a text, and where, if this notes that one was saved which cannot be parsed.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.message.strip_prefix(BROKEN).filter(|_| self.kind == Kind::FileEdit)
    }

    /// Reports whether this notes that a text can be parsed which could not before.
    #[must_use]
    pub fn mends(&self) -> bool {
        self.kind == Kind::FileEdit && self.message == MENDED
    }
}

/// Returns the last good state of a package; `None` if there is none that is known.
pub(crate) fn last_good(core: &Core, place: &Place) -> Option<Package> {
    if !place.is_logged() {
        return None;
    }
    let mut revisions = vec![u64::MAX];
    let past = core.logs.past().ok()?;
    let found = past.each_transaction(|record| {
        let concerns = record.package(&place.name).is_some() && record.kind != Kind::Heads;
        revisions.extend(concerns.then(|| record.sequence.saturating_sub(1)));
        Ok(match revisions.len() < TRIES {
            true => std::ops::ControlFlow::Continue(()),
            false => std::ops::ControlFlow::Break(()),
        })
    });
    core.warn_of_damage();
    found.ok()?;
    revisions.into_iter().find_map(|revision| {
        let text = past.text_at(&place.name, revision).ok()??;
        core.options.format.read_strictly(&place.name, &Arc::new(text)).ok()
    })
}

/// Tells the keys that a change by hand has changed, and what there is to be said of it.
pub(crate) fn tell_edit(core: &Core, place: &Place, old: &[u8], new: &[u8]) -> (Vec<KeyChange>, String) {
    let format = core.options.format;
    let read = |text: &[u8]| format.read_strictly(&place.name, &Arc::new(text.to_vec()));
    let after = match read(new) {
        Ok(after) => after,
        Err(Error::Parse(error)) => {
            return (Vec::new(), format!("{BROKEN}{}", error.in_file(&place.path)));
        }
        Err(_) => return (Vec::new(), String::new()),
    };
    match read(old) {
        Ok(_) if old.is_empty() => (first_changes(format, &place.name, new), String::new()),
        Ok(before) => (log::compare_packages(&before, &after), String::new()),
        Err(_) => {
            let good = last_good(core, place);
            let changes = good.map(|good| log::compare_packages(&good, &after));
            (changes.unwrap_or_default(), MENDED.to_owned())
        }
    }
}

/// Returns what is wrong with the text of a package that a map of an earlier one stands for.
pub(crate) fn problem_of(core: &Core, place: &Place) -> Option<Error> {
    let (text, _) = core.packages.read_shared(place).ok()?;
    match core.options.format.read_strictly(&place.name, &text) {
        Err(Error::Parse(error)) => Some(error.in_file(&place.path).into()),
        _ => None,
    }
}
