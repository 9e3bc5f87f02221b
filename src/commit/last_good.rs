//! The last good state of a package whose text cannot be parsed: an editor has saved it with a syntax error.
//!
//! Programs go on reading that state, from the map or from the earlier texts in the log. Commits to the package are refused
//! until the text is mended. The log has a record of both, and both are events for watches.

use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::packages::first_changes;
use crate::commit::place::Place;
use crate::error::Error;
use crate::log::{self, KeyChange, Kind, Record};
use crate::model::package::Package;

/// How many earlier texts are tried.
const TRIES: usize = 20;

/// The start of the message of a record that notes a text with errors; the error and its position follow.
const BROKEN: &str = "cannot be parsed: ";

/// The message of a record that notes that a text can be parsed again.
const MENDED: &str = "can be parsed again";

impl Record {
    /// Returns the error and its position, if this is the record of a text that cannot be parsed.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.message.strip_prefix(BROKEN).filter(|_| self.kind == Kind::FileEdit)
    }

    /// Reports whether this is the record of a text that can be parsed again.
    #[must_use]
    pub fn mends(&self) -> bool {
        self.kind == Kind::FileEdit && self.message == MENDED
    }
}

/// Returns the last good state of a package; `None` if none is known.
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
        core.options.format_of(place.format).read_strictly(&place.name, &Arc::new(text)).ok()
    })
}

/// Returns the keys that a change by hand has changed, and the message of its record.
pub(crate) fn changes_of_edit(
    core: &Core,
    place: &Place,
    old: &[u8],
    new: &[u8],
) -> (Vec<KeyChange>, String) {
    let format = core.options.format_of(place.format);
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

/// Returns the error in the text of a package whose map shows an earlier text.
pub(crate) fn problem_of(core: &Core, place: &Place) -> Option<Error> {
    let (text, _) = core.packages.read_shared(place).ok()?;
    match core.options.format_of(place.format).read_strictly(&place.name, &text) {
        Err(Error::Parse(error)) => Some(error.in_file(&place.path).into()),
        _ => None,
    }
}
