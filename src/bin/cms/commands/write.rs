//! The commands that change packages key by key; what becomes of the changes, [`super::edits`] says.

use cms::text::Dialect;
use cms::{Delta, DeltaKind, Key, Loaded, Package, Value};
use serde_json::json;

use super::context::{Context, Found, find, read_value, show};
use super::edits::{Edited, Edits, Goal};
use super::failure::{Exit, Failure};
use super::line::Line;
use super::stage;

/// Applies one change for each `KEY=VALUE`.
fn each(context: &mut Context, line: &Line, kind: DeltaKind) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(line, line.has("commit"))?);
    for argument in line.expect(1, usize::MAX)? {
        let (key, value) = Key::parse_assignment(argument)?;
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument))))?;
        edits.apply(context, kind, &key, Some(value))?;
    }
    edits.finish(context)
}

pub fn set(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let piped = line.has("stdin") || line.has("from-file");
    if let ([key, value], false) = (line.arguments.as_slice(), piped)
        && matches!(Key::parse_assignment(key), Ok((_, None)))
    {
        return set_value(context, line, key, value);
    }
    if !piped {
        return each(context, line, DeltaKind::Set);
    }
    let [key] = line.expect(1, 1)? else { return Ok(Exit::Usage) };
    let value = read_value(line.value("from-file"))?;
    // The newline that ends the last line is not part of the value.
    let value = value.strip_suffix(b"\n").unwrap_or(&value);
    set_value(context, line, key, value)
}

fn set_value(context: &mut Context, line: &Line, key: &[u8], value: &[u8]) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(line, line.has("commit"))?);
    edits.apply(context, DeltaKind::Set, &Key::parse(key)?, Some(value))?;
    edits.finish(context)
}

pub fn add_list(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    each(context, line, DeltaKind::AddList)
}

pub fn del_list(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    each(context, line, DeltaKind::DelList)
}

pub fn rename(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    each(context, line, DeltaKind::Rename)
}

pub fn reorder(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    each(context, line, DeltaKind::Reorder)
}

pub fn delete(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(line, line.has("commit"))?);
    for argument in line.expect(1, usize::MAX)? {
        let (key, value) = Key::parse_assignment(argument)?;
        let index = match value {
            Some(value) => index_of(&edits.package(context, &key.package)?.loaded, &key, value)?,
            None => None,
        };
        edits.apply(context, DeltaKind::Delete, &key, index)?;
    }
    edits.finish(context)
}

/// Returns what is behind the `=` of a key to be deleted if it is the index of a list item. A string, and the type of
/// a section, is deleted only if it has that value.
fn index_of<'v>(loaded: &Loaded, key: &Key, value: &'v [u8]) -> Result<Option<&'v [u8]>, Failure> {
    let is = match find(&loaded.package, key) {
        Ok(Found::Option(_, option)) => match option.value() {
            Value::List(_) => return Ok(Some(value)),
            Value::String(string) => string,
        },
        Ok(Found::Section(section)) => section.section_type(),
        // To delete it says what is wrong.
        Ok(Found::Package(_)) | Err(_) => return Ok(None),
    };
    if is == value {
        return Ok(None);
    }
    let why = format!("{}: it is '{}', not '{}'; nothing is deleted", key.text(), show(is), show(value));
    Err(Failure::Other(Exit::NotFound, why))
}

pub fn add(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let arguments = line.expect(2, usize::MAX)?;
    let mut edits = Edits::new(Goal::of(line, line.has("commit"))?);
    let Edited { loaded, deltas, .. } = edits.package(context, &arguments[0])?;
    let name = loaded.package.add_section(&arguments[1])?;
    deltas.push(Delta::new(DeltaKind::Add, name.as_bytes(), None, Some(&arguments[1])));
    for assignment in &arguments[2..] {
        let (option, value) = cms::delta::split_value(assignment);
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(assignment))))?;
        let delta = Delta::new(DeltaKind::Set, name.as_bytes(), Some(option), Some(value));
        deltas.extend(loaded.package.apply(&delta, Dialect::Cms)?);
    }
    context.say(&name)?;
    edits.finish(context)
}

/// Reports whether what a key names is not in the file as it is in the package with its staged changes.
fn is_pending(context: &Context, loaded: &Loaded, key: &Key) -> Result<bool, Failure> {
    if loaded.changes.is_empty() {
        return Ok(false);
    }
    let committed = context.store.load_committed_or_new(loaded.place.clone())?.package;
    let Some(selector) = &key.section else { return Ok(false) };
    let wanted = loaded.package.select(selector)?.map(|section| section.name());
    let there = |package: &Package| -> Option<Vec<Vec<u8>>> {
        let section = package.section(wanted?)?;
        Some(match &key.option {
            None => vec![section.section_type().to_vec()],
            Some(option) => section.get(option)?.items().map(<[u8]>::to_vec).collect(),
        })
    };
    Ok(there(&committed) != there(&loaded.package))
}

pub fn ensure(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(line, !line.has("no-commit"))?);
    let mut report = Vec::new();
    let check = line.has("check") || context.dry_run;
    context.dry_run = check;
    for argument in line.expect(1, usize::MAX)? {
        let (key, value) = Key::parse_assignment(argument)?;
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument))))?;
        let mut changed = edits.apply(context, DeltaKind::Set, &key, Some(value))?;
        // What is staged and goes along is not so yet; the file decides.
        if edits.goal() != Goal::Stage {
            let loaded = &edits.package(context, &key.package)?.loaded;
            changed = changed || is_pending(context, loaded, &key)?;
        }
        report.push((key.text(), changed));
    }
    let mut difference = String::new();
    if line.has("diff") {
        for edited in edits.packages() {
            difference.push_str(&stage::staged_difference(context, &edited.loaded)?);
        }
    }
    let changed = report.iter().any(|(_, changed)| *changed);
    if !check {
        edits.finish(context)?;
    }
    if context.json {
        let keys: serde_json::Map<_, _> =
            report.into_iter().map(|(key, changed)| (key, changed.into())).collect();
        context.put_json(&json!({"changed": changed, "keys": keys, "diff": difference}))?;
        return Ok(Exit::Ok);
    }
    for (key, changed) in report {
        context.say(&format!("{} {key}", if changed { "changed" } else { "unchanged" }))?;
    }
    context.put(difference.as_bytes())?;
    Ok(Exit::Ok)
}
