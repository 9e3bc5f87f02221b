//! `changes`, `diff`, `commit`, `revert`.

use std::path::PathBuf;
use std::sync::Arc;

use cms::text::{ParseOptions, parse, quoted};
use cms::{Delta, DeltaKind, Form, Key, Loaded, Package, Place, Selector};
use serde_json::json;

use super::context::{Context, show};
use super::failure::{Exit, Failure};
use super::line::Line;
use super::read::{ShownNames, show_option};

/// Writes a change so that each kind looks different.
pub fn describe(package: &[u8], delta: &Delta) -> String {
    let key = show(&delta.key(package));
    let raw = delta.value.as_deref().unwrap_or_default();
    let value = show(&quoted(raw));
    match delta.kind {
        DeltaKind::Set => format!("{key}={value}"),
        DeltaKind::Add => format!("+{key}={value}"),
        DeltaKind::Delete if delta.value.is_some() => format!("-{key}[{}]", show(raw)),
        DeltaKind::Delete => format!("-{key}"),
        DeltaKind::Rename => format!("@{key} -> {}", show(raw)),
        DeltaKind::Reorder => format!("^{key}={}", show(raw)),
        DeltaKind::AddList => format!("{key}+={value}"),
        DeltaKind::DelList => format!("{key}-={value}"),
    }
}

fn kind_name(kind: DeltaKind) -> &'static str {
    match kind {
        DeltaKind::Set => "set",
        DeltaKind::Add => "add",
        DeltaKind::Delete => "delete",
        DeltaKind::Rename => "rename",
        DeltaKind::Reorder => "reorder",
        DeltaKind::AddList => "add_list",
        DeltaKind::DelList => "del_list",
    }
}

pub fn changes(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    for package in context.packages(&line.arguments)? {
        let loaded = match context.store.load(&package) {
            Ok(loaded) => loaded,
            Err(error) => {
                context.report(&error.into())?;
                continue;
            }
        };
        for change in loaded.changes {
            let delta = &change.delta;
            if context.json {
                all.push(json!({
                    "kind": kind_name(delta.kind), "key": show(&delta.key(&package)),
                    "value": delta.value.as_deref().map(super::json::text), "failure": change.failure,
                }));
                continue;
            }
            let mark = if change.failure.is_some() { "! " } else { "" };
            context.say(&format!("{mark}{}", describe(&package, delta)))?;
            if let Some(why) = change.failure {
                context.note(&format!("cannot be applied: {why}"));
            }
        }
    }
    if context.json {
        context.put_json(&all.into())?;
    }
    Ok(Exit::Ok)
}

/// Commits the staged changes of one package and says what there is to say.
pub fn commit_one(context: &mut Context, place: &Place, form: Form) -> Result<(), Failure> {
    let outcome = context.store.commit(place, form)?;
    context.forget();
    if context.verbose && outcome.written {
        eprintln!("cms: {}: {} changes committed", place.name, outcome.applied);
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

pub fn commit(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let named = !line.arguments.is_empty();
    let form = if line.has("canonical") { Form::Canonical } else { Form::Lossless };
    for package in context.packages(&line.arguments)? {
        let result = commit_package(context, &package, form, (named, line.has("check")));
        if let Err(failure) = result {
            context.report(&failure)?;
        }
    }
    Ok(Exit::Ok)
}

/// A package that was not named and has nothing staged is left alone.
fn commit_package(
    context: &mut Context,
    package: &[u8],
    form: Form,
    (named, check): (bool, bool),
) -> Result<(), Failure> {
    let place = context.store.place(package)?;
    if !named && !context.store.may_be_staged(&place) {
        return Ok(());
    }
    if !check && !context.dry_run {
        return commit_one(context, &place, form);
    }
    let loaded = context.store.load(package)?;
    for change in &loaded.changes {
        if let Some(why) = &change.failure {
            let text = format!("{}: cannot be applied: {why}", describe(package, &change.delta));
            context.report(&Failure::Other(Exit::Conflict, text))?;
        }
    }
    if context.dry_run {
        let difference = staged_difference(context, &loaded)?;
        context.put(difference.as_bytes())?;
    }
    Ok(())
}

pub fn revert(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let keys = match line.arguments.is_empty() {
        true => context.packages(&[])?,
        false => line.arguments.clone(),
    };
    for argument in keys {
        let key = Key::parse(&argument)?;
        let place = context.store.place(&key.package)?;
        let section = match &key.section {
            None => None,
            Some(Selector::Name(name)) => Some(name.clone()),
            Some(selector) => {
                let loaded = context.load(&key.package)?;
                let section = loaded.package.select(selector)?;
                let missing = || cms::Error::NotFound { key: key.text() };
                Some(section.ok_or_else(missing)?.name().to_vec())
            }
        };
        if context.dry_run {
            context.say(&format!("revert {}", key.text()))?;
            continue;
        }
        let dropped = context.store.revert(&place, section.as_deref(), key.option.as_deref())?;
        context.forget();
        if context.verbose {
            eprintln!("cms: {}: {dropped} staged changes dropped", key.text());
        }
    }
    Ok(Exit::Ok)
}

/// Returns what a commit would change in the file, line by line.
pub fn staged_difference(context: &Context, loaded: &Loaded) -> Result<String, Failure> {
    let new = Form::Lossless.text(&loaded.package, &context.store)?;
    let name = loaded.place.path.display().to_string();
    Ok(unified(loaded.package.source(), &new, &name, &format!("{name} (staged)")))
}

#[cfg(feature = "diff")]
fn unified(old: &[u8], new: &[u8], old_name: &str, new_name: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    similar::TextDiff::from_lines(&*old, &*new).unified_diff().header(old_name, new_name).to_string()
}

/// Without the differencing library: the lines that only one side has, in order.
#[cfg(not(feature = "diff"))]
fn unified(old: &[u8], new: &[u8], old_name: &str, new_name: &str) -> String {
    let lines = |text: &[u8]| -> Vec<String> { show(text).lines().map(str::to_owned).collect() };
    let (old, new) = (lines(old), lines(new));
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}\n"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}\n"));
    let body: String = gone.chain(come).collect();
    if body.is_empty() { body } else { format!("--- {old_name}\n+++ {new_name}\n{body}") }
}

pub fn diff(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let is_file = |argument: &Vec<u8>| argument.contains(&b'/') && PathBuf::from(show(argument)).is_file();
    let mut differences = String::new();
    let mut keys = Vec::new();
    if let [a, b] = line.arguments.as_slice()
        && is_file(a)
        && is_file(b)
    {
        let (old, new) = (read(a)?, read(b)?);
        keys = key_difference(&old, &new);
        differences = unified(old.source(), new.source(), &show(a), &show(b));
    } else {
        for name in context.packages(&line.arguments)? {
            let loaded = context.store.load(&name)?;
            let text = loaded.package.source().to_vec();
            let committed = parse(&name, Arc::new(text), &ParseOptions::default())?.package;
            keys.extend(key_difference(&committed, &loaded.package));
            differences.push_str(&staged_difference(context, &loaded)?);
        }
    }
    let by_key = line.has("keys") || context.json;
    let same = if by_key { keys.is_empty() } else { differences.is_empty() };
    if context.json {
        let change = |(sign, text): &(char, String)| json!({"change": sign.to_string(), "line": text});
        context.put_json(&keys.iter().map(change).collect())?;
    } else if by_key {
        for (sign, text) in &keys {
            context.say(&format!("{sign}{text}"))?;
        }
    } else {
        context.put(differences.as_bytes())?;
    }
    Ok(if same { Exit::Ok } else { Exit::NotFound })
}

fn read(path: &[u8]) -> Result<Package, Failure> {
    let path = PathBuf::from(show(path));
    let text =
        std::fs::read(&path).map_err(|source| cms::Error::Io { op: "read", path: path.clone(), source })?;
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    match parse(&name, Arc::new(text), &ParseOptions::default()) {
        Err(cms::Error::Parse(error)) => Err(cms::Error::from(error.in_file(&path)).into()),
        parsed => Ok(parsed?.package),
    }
}

/// Lists the `KEY='value'` lines that only one of two packages has.
fn key_difference(old: &Package, new: &Package) -> Vec<(char, String)> {
    let lines = |package: &Package| -> Vec<String> {
        let mut names = ShownNames::default();
        let mut lines = Vec::new();
        for section in package.sections() {
            let name = names.of(section);
            lines.push(show(&[package.name(), b".", &name, b"=", section.section_type()].concat()));
            for option in section.options() {
                let mut out = Vec::new();
                show_option(package.name(), &name, option.name(), option.value(), &mut out);
                out.pop();
                lines.push(show(&out));
            }
        }
        lines
    };
    let (old, new) = (lines(old), lines(new));
    let (had, has): (std::collections::HashSet<_>, std::collections::HashSet<_>) =
        (old.iter().cloned().collect(), new.iter().cloned().collect());
    let gone = old.into_iter().filter(|line| !has.contains(line)).map(|line| ('-', line));
    let come = new.into_iter().filter(|line| !had.contains(line)).map(|line| ('+', line));
    gone.chain(come).collect()
}
