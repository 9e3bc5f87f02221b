//! `changes`, `diff`, `commit`, `revert`.

use std::collections::HashSet;
use std::sync::Arc;

use cms::shown;
use cms::text::{ParseOptions, parse};
use cms::{CommitOptions, Delta, DeltaKind, Form, Key, Loaded, Package, Place, Selector};
use serde_json::json;

use super::confirm::Terms;
use super::context::{Context, path, read_input, show};
use super::failure::{Exit, Failure};
use super::line::Line;
use super::read::ShownNames;

/// Writes a change so that each kind looks different.
pub fn describe(package: &[u8], delta: &Delta) -> Vec<u8> {
    let key = shown::text(delta.key(package));
    let raw = delta.value.as_deref().unwrap_or_default();
    let (value, name) = (shown::quoted(raw), shown::text(raw));
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
    for package in context.packages_and_new(&line.arguments)? {
        let loaded = match context.load_now(&package) {
            Ok(loaded) => loaded,
            Err(error) => {
                context.report(&error.into())?;
                continue;
            }
        };
        if loaded.changes.is_empty() {
            is_of_another(context, &loaded.place, "is not shown")?;
        }
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
            context.put_line(&[mark.as_bytes(), &describe(&package, delta)].concat())?;
            if let Some(why) = change.failure {
                context.note(&format!("cannot be applied: {why}"));
            }
        }
    }
    if context.json {
        context.put_rows(all)?;
    }
    Ok(Exit::Ok)
}

/// Reports that what is staged for a package was staged by another user who lets nobody else commit or drop it, if
/// that is so, and what becomes of it.
fn is_of_another(context: &mut Context, place: &Place, becomes: &str) -> Result<bool, Failure> {
    let Some(error) = context.store.staged_by_another(place) else { return Ok(false) };
    let why = format!("{}: what another user has staged {becomes}: {error}", place.name);
    context.report(&Failure::Other(Exit::Permission, why))?;
    Ok(true)
}

/// Says what became of a package in a commit, as far as there is anything to say.
pub fn tell_outcome(context: &mut Context, place: &Place, outcome: cms::Committed) -> Result<(), Failure> {
    context.forget();
    if outcome.written {
        let revision = outcome.revision.map_or_else(String::new, |number| format!(" as revision {number}"));
        context.verbose(&format!("{}: {} changes committed{revision}", place.name, outcome.applied));
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
    let terms = Terms::of(line)?;
    let options = CommitOptions { form, confirm: terms.time(), force: line.has("force") };
    if context.gathered.is_some() && line.has("check") {
        let why =
            "--check is not for a line of a batch, which commits once, when all its lines have been read";
        return Err(Failure::Usage(why.into()));
    }
    let (mut places, mut checked) = (Vec::new(), Vec::new());
    for package in context.packages_and_new(&line.arguments)? {
        let place = place_of_staged(context, &package)?;
        // A package that was not named and has nothing staged is left alone.
        if !named && !context.store.may_be_staged(&place) {
            continue;
        }
        // Nor is what another user has staged, but that is told.
        if !named && is_of_another(context, &place, "stays staged")? {
            continue;
        }
        if line.has("check") || context.dry_run {
            match check_commit(context, &package, &place, options.force) {
                Ok(()) => checked.push(place),
                Err(failure) => context.report(&failure)?,
            }
            continue;
        }
        places.push(place);
    }
    if line.has("check") {
        return super::verify::preview(context, &checked);
    }
    // The options count for what the other lines of a batch change, whether or not anything is staged.
    if let Some(gathered) = context.gathered.as_mut().filter(|_| !context.dry_run) {
        gathered.commit_also(places, options, terms)?;
        return Ok(Exit::Ok);
    }
    if places.is_empty() && context.dry_run {
        return Ok(Exit::Ok);
    }
    if places.is_empty() {
        return terms.finish(context, &[], None);
    }
    let guard = terms.begin(context)?;
    let outcomes = context.store.commit_as(&places, Vec::new(), &options)?;
    for (place, outcome) in places.iter().zip(&outcomes) {
        tell_outcome(context, place, *outcome)?;
    }
    terms.finish(context, &outcomes, guard)
}

/// Says what would stand in the way of a commit, or with `--dry-run` what it would change.
fn check_commit(context: &mut Context, package: &[u8], place: &Place, force: bool) -> Result<(), Failure> {
    let loaded = context.load_now(package)?;
    if !force {
        context.store.check_staged(place)?;
    }
    for change in &loaded.changes {
        if let Some(why) = &change.failure {
            let text = format!("{}: cannot be applied: {why}", show(&describe(package, &change.delta)));
            context.report(&Failure::Other(Exit::Conflict, text))?;
        }
    }
    if context.dry_run {
        let difference = staged_difference(context, &loaded)?;
        context.put(difference.as_bytes())?;
    }
    Ok(())
}

/// Finds a package that something may be staged for: one there is no file of only if something is.
fn place_of_staged(context: &Context, package: &[u8]) -> Result<Place, Failure> {
    let place = context.store.place_to_write(package)?;
    let is_there = !context.store.is_new(&place)
        || context.store.may_be_staged(&place)
        || context.gathered.as_ref().is_some_and(|gathered| gathered.look(package).is_some());
    if is_there { Ok(place) } else { Err(cms::Error::NotFound { key: show(package) }.into()) }
}

pub fn revert(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let keys = match line.arguments.is_empty() {
        true => context.packages_and_new(&[])?,
        false => line.arguments.clone(),
    };
    for argument in keys {
        let key = Key::parse(&argument)?;
        let place = place_of_staged(context, &key.package)?;
        if line.arguments.is_empty() && is_of_another(context, &place, "stays staged")? {
            continue;
        }
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
        context.verbose(&format!("{}: {dropped} staged changes dropped", key.text()));
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
pub fn unified(old: &[u8], new: &[u8], old_name: &str, new_name: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new) = (shown::lines(old), shown::lines(new));
    similar::TextDiff::from_lines(&*old, &*new).unified_diff().header(old_name, new_name).to_string()
}

/// Without the differencing library: the lines that only one side has, in order.
#[cfg(not(feature = "diff"))]
pub fn unified(old: &[u8], new: &[u8], old_name: &str, new_name: &str) -> String {
    let lines = |text: &[u8]| -> Vec<String> { shown::lines(text).lines().map(str::to_owned).collect() };
    let (old, new) = (lines(old), lines(new));
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}\n"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}\n"));
    let body: String = gone.chain(come).collect();
    if body.is_empty() { body } else { format!("--- {old_name}\n+++ {new_name}\n{body}") }
}

pub fn diff(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let is_file = |argument: &Vec<u8>| {
        argument.contains(&b'/') || (path(argument).is_file() && context.store.place(argument).is_err())
    };
    let by_key = line.has("keys") || context.json;
    let mut all = Difference::default();
    if let Some((old, new)) = super::history::two_states(context, line)? {
        let packages: Vec<String> = line.arguments.iter().skip(2).map(|name| show(name)).collect();
        return super::history::diff(context, &packages, &old, &new, line);
    }
    if let [a, b] = line.arguments.as_slice()
        && is_file(a)
        && is_file(b)
    {
        let (old, new) = (read_input(Some(a))?, read_input(Some(b))?);
        if by_key {
            all.keys = key_difference(&package(a, &old)?, &package(b, &new)?);
        }
        all.lines = unified(&old, &new, &show(a), &show(b));
    } else {
        for name in context.packages_and_new(&line.arguments)? {
            match diff_package(context, &name, by_key) {
                Ok(one) => {
                    all.keys.extend(one.keys);
                    all.lines.push_str(&one.lines);
                }
                Err(failure) => context.report(&failure)?,
            }
        }
    }
    let same = if by_key { all.keys.is_empty() } else { all.lines.is_empty() };
    if context.json {
        let change =
            |(sign, text): &(&str, Vec<u8>)| json!({"change": sign, "line": super::json::text(text)});
        context.put_rows(all.keys.iter().map(change).collect())?;
    } else if by_key {
        for (sign, text) in &all.keys {
            context.put_line(&[sign.as_bytes(), text].concat())?;
        }
    } else {
        context.put(all.lines.as_bytes())?;
    }
    Ok(if same { Exit::Ok } else { Exit::NotFound })
}

/// What tells two texts apart: `KEY='value'` lines behind their signs, or a unified difference.
#[derive(Default)]
struct Difference {
    keys: Vec<(&'static str, Vec<u8>)>,
    lines: String,
}

fn diff_package(context: &mut Context, name: &[u8], by_key: bool) -> Result<Difference, Failure> {
    let loaded = context.load_now(name)?;
    if loaded.changes.is_empty() {
        is_of_another(context, &loaded.place, "is not shown")?;
    }
    if !by_key {
        return Ok(Difference { lines: staged_difference(context, &loaded)?, keys: Vec::new() });
    }
    let committed = context.store.load_committed_or_new(loaded.place.clone())?.package;
    Ok(Difference { keys: key_difference(&committed, &loaded.package), lines: String::new() })
}

/// Reads the package a file holds.
fn package(file: &[u8], text: &[u8]) -> Result<Package, Failure> {
    let path = path(file);
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    match parse(&name, Arc::new(text.to_vec()), &ParseOptions::default()) {
        Err(cms::Error::Parse(error)) => Err(cms::Error::from(error.in_file(path)).into()),
        parsed => Ok(parsed?.package),
    }
}

/// Lists the `KEY='value'` lines that only one of two packages has.
fn key_difference(old: &Package, new: &Package) -> Vec<(&'static str, Vec<u8>)> {
    let lines = |package: &Package| -> Vec<Vec<u8>> {
        let mut names = ShownNames::default();
        let mut lines = Vec::new();
        for section in package.sections() {
            let name = names.of(section);
            lines.push([old.name(), b".", &name, b"=", section.section_type()].concat());
            for option in section.options() {
                let items: Vec<String> = option.value().items().map(shown::quoted).collect();
                let key = [old.name(), b".", &name, b".", option.name(), b"="].concat();
                lines.push([key, items.join(" ").into_bytes()].concat());
            }
        }
        lines
    };
    let (old, new) = (lines(old), lines(new));
    let (had, has): (HashSet<_>, HashSet<_>) = (old.iter().cloned().collect(), new.iter().cloned().collect());
    let gone = old.into_iter().filter(|line| !has.contains(line)).map(|line| ("-", line));
    let come = new.into_iter().filter(|line| !had.contains(line)).map(|line| ("+", line));
    gone.chain(come).collect()
}
