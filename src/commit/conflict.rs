//! Conflicts of a transaction with others that were committed meanwhile.
//!
//! A transaction works on the packages as it first saw them. At its commit the packages may have changed; a conflict
//! is a change to a key that the transaction has read or written. Appending to a list, removing from a list, adding
//! and moving sections never conflict with changes of others, unless the transaction has also read the key.

use crate::commit::core::Core;
use crate::commit::package_edit::PackageEdit;
use crate::commit::parsed_text::ParsedText;
use crate::error::{Error, Result, shown};
use crate::log::Content;
use crate::log::key_path::{KeyPath, content, show};
use crate::model::change::DeltaKind;
use crate::model::package::Package;
use crate::os::clock;

/// Refuses a change if `now` differs from the state it was made for in a key that the transaction has read or written.
///
/// # Errors
///
/// [`Error::Conflict`] with the old and the present value, and the author of the present one.
pub(crate) fn check(core: &Core, now: &ParsedText, edit: &PackageEdit) -> Result<()> {
    if edit.force || now.digest == edit.known.digest {
        return Ok(());
    }
    let (was, is) = (&edit.known.package, &now.package);
    for (section, option) in &edit.reads {
        let key = (section.clone(), option.clone());
        if content(was, &key) != content(is, &key) {
            return Err(conflict_of(core, edit, &key, now, None));
        }
    }
    for delta in &edit.deltas {
        let key = (delta.section.clone(), delta.option.clone());
        let wanted = match delta.kind {
            DeltaKind::Set => delta.value.as_deref(),
            DeltaKind::Delete | DeltaKind::Rename => None,
            DeltaKind::Add | DeltaKind::Reorder | DeltaKind::AddList | DeltaKind::DelList => continue,
        };
        if delta.option.is_none() && delta.kind == DeltaKind::Delete {
            // The section may hold an option of another transaction, which must not be lost.
            if let Some(key) = first_difference(was, is, &delta.section) {
                return Err(conflict_of(core, edit, &key, now, None));
            }
            continue;
        }
        let (before, after) = (content(was, &key), content(is, &key));
        let agreed = wanted.is_some_and(|wanted| after == Some(Content::String(wanted.to_vec())));
        if before != after && !agreed {
            return Err(conflict_of(core, edit, &key, now, wanted));
        }
    }
    Ok(())
}

fn conflict_of(
    core: &Core,
    edit: &PackageEdit,
    key: &KeyPath,
    now: &ParsedText,
    wanted: Option<&[u8]>,
) -> Error {
    let package = &edit.place.name;
    let (was, is) = (content(&edit.known.package, key), content(&now.package, key));
    let marks = core.marks();
    let show = |value: Option<&Content>| show(&marks, package, key, value);
    let by = core
        .logs
        .past()
        .and_then(|past| past.last_change(0, package, &key.0, key.1.as_deref()))
        .ok()
        .flatten();
    let by = by.map_or_else(String::new, |by| {
        let who = by.who();
        format!(
            " (transaction {} of {who} through {}, {})",
            by.sequence,
            shown::text(&by.source),
            clock::show(by.time)
        )
    });
    let wanted = wanted.map_or_else(String::new, |wanted| {
        format!("; it was to become {}", show(Some(&Content::String(wanted.to_vec()))))
    });
    let mut name = crate::error::shown::name(&[package.as_bytes(), b".", &key.0].concat());
    if let Some(option) = &key.1 {
        name = format!("{name}.{}", crate::error::shown::name(option));
    }
    let why = format!(
        "it was {} when the transaction read it, and is {} now{by}{wanted}",
        show(was.as_ref()),
        show(is.as_ref())
    );
    Error::Conflict { key: name, why }
}

/// Returns the first key in which two states of a section differ: an option, or the section itself.
fn first_difference(was: &Package, is: &Package, section: &[u8]) -> Option<KeyPath> {
    let name = section.to_vec();
    let (was, is) = match (was.section(section), is.section(section)) {
        (Some(was), Some(is)) => (was, is),
        (None, None) => return None,
        _ => return Some((name, None)),
    };
    let names = is.options().chain(was.options()).map(|option| option.name());
    let mut differing = names.filter(|name| was.get(name) != is.get(name));
    differing.next().map(|option| (name, Some(option.to_vec())))
}
