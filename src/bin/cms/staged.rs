//! Prints staged changes and the outcome of a commit, and finds the package and the user of staged changes.

use cms::{Delta, DeltaKind, Place, Shown, shown};

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::secrets;
use crate::shape::Shape;
use serde_json::{Value as Json, json};

/// Writes a change so that each kind looks different.
pub fn describe(package: &[u8], delta: &Delta) -> Vec<u8> {
    let key = shown::text(delta.key(package));
    let raw = delta.value.as_deref().unwrap_or_default();
    let (value, name) = (shown_value(package, delta, raw).quoted(), shown::text(raw));
    let line = match delta.kind {
        DeltaKind::Set => format!("{key}={value}"),
        DeltaKind::Add => format!("+{key}={value}"),
        DeltaKind::Delete if delta.value.is_some() => format!("-{key}[{name}]"),
        DeltaKind::Delete => format!("-{key}"),
        DeltaKind::Rename => format!("@{key} -> {name}"),
        DeltaKind::Reorder => format!("^{key}={name}"),
        DeltaKind::AddList => format!("{key}+={value}"),
        DeltaKind::DelList => format!("{key}-={value}"),
    };
    line.into_bytes()
}

/// Returns the value of a staged change as people see it. What is no value of an option is never secret.
fn shown_value<'v>(package: &[u8], delta: &Delta, value: &'v [u8]) -> Shown<'v> {
    let is_value = matches!(delta.kind, DeltaKind::Set | DeltaKind::AddList | DeltaKind::DelList);
    match delta.option.as_deref().filter(|_| is_value) {
        Some(option) => secrets::shown(package, &delta.section, option, value),
        None => secrets::plain(value),
    }
}

/// What [`staged_json`] returns.
pub const STAGED: Shape = Shape::named(
    "staged_change",
    "
    kind text set, add, delete, rename, reorder, add_list or del_list
    key text the key of the section or option
    value bytes|null the value; of an add the type, of a rename the new name, of a reorder the position
    failure text|null why it cannot be applied",
);

/// Converts a staged change.
pub fn staged_json(package: &[u8], delta: &Delta, failure: Option<&str>) -> Json {
    let kind = match delta.kind {
        DeltaKind::Set => "set",
        DeltaKind::Add => "add",
        DeltaKind::Delete => "delete",
        DeltaKind::Rename => "rename",
        DeltaKind::Reorder => "reorder",
        DeltaKind::AddList => "add_list",
        DeltaKind::DelList => "del_list",
    };
    let value = delta.value.as_deref().map(|value| json::text(&shown_value(package, delta, value).bytes()));
    json!({"kind": kind, "key": show(&delta.key(package)), "value": value, "failure": failure})
}

/// Reports an error if the staged changes of a package belong to another user, and this user may not commit or drop
/// them. `becomes` is the verb for the message, such as "committed".
pub fn is_of_another(context: &mut Context, place: &Place, becomes: &str) -> Result<bool, Failure> {
    let Some(error) = context.store.staging().staged_by_another(place) else { return Ok(false) };
    let why = format!("{}: what another user has staged {becomes}: {error}", place.name);
    context.report(&Failure::Other(Exit::Permission, why))?;
    Ok(true)
}

/// Reports the outcome of a commit for a package: the changes that could not be applied and, with `--verbose`, the
/// file that was written.
pub fn report_outcome(context: &mut Context, place: &Place, outcome: cms::Committed) -> Result<(), Failure> {
    context.forget();
    if outcome.written {
        let revision = outcome.revision.map_or_else(String::new, |number| format!(" as revision {number}"));
        context.verbose(&format!("{}: {} changes committed{revision}", place.name, outcome.applied));
        say_written(context, place, outcome.revision);
    }
    if outcome.applied + outcome.failed == 0 {
        context.verbose(&format!("{}: nothing is staged, so there is nothing to commit", place.name));
    } else if !outcome.written && outcome.failed == 0 {
        context.verbose(&format!("{}: the file has the staged values already", place.name));
    }
    if outcome.failed > 0 {
        let text = format!(
            "{}: {} staged changes cannot be applied and stay staged; see 'cms changes {0}'",
            place.name, outcome.failed
        );
        context.report(&Failure::Other(Exit::Conflict, text))?;
    }
    Ok(())
}

/// Says which keys of a package a transaction has written, and by which program, with `--verbose`. Values may be secrets
/// and are left to the history.
fn say_written(context: &Context, place: &Place, revision: Option<u64>) {
    if !context.is_verbose() {
        return;
    }
    let record = revision.and_then(|revision| context.store.history().transaction(revision).ok());
    let Some(record) = record else { return };
    let of_package = record.packages.iter().filter(|package| package.package == place.name);
    for change in of_package.flat_map(|package| &package.changes) {
        let key = show(&change.key(&place.name));
        context.verbose(&format!("{key}: written to {} by {}", place.path.display(), record.source));
    }
}

/// Finds a package that has a file or staged changes.
pub fn place_of_staged(context: &Context, package: &[u8]) -> Result<Place, Failure> {
    let place = context.store.packages().find_to_write(package)?;
    let is_there = !context.store.packages().is_new(&place)
        || context.store.staging().may_be_staged(&place)
        || context.gathered.as_ref().is_some_and(|gathered| gathered.package(package).is_some());
    if is_there { Ok(place) } else { Err(cms::Error::NotFound { key: show(package) }.into()) }
}
