//! The commands that stage changes. A command stages all of its changes or, if one is refused, none. As a line of a
//! batch it gathers them instead: see [`super::gather`].

use cms::text::Dialect;
use cms::{Delta, DeltaKind, Error, Form, Key, Loaded, Package, Selector};
use serde_json::json;

use super::context::{Context, read_input, show};
use super::failure::{Exit, Failure};
use super::line::Line;
use super::stage;

/// Packages being changed, and the changes to stage.
#[derive(Default)]
pub struct Edits(Vec<(Loaded, Vec<Delta>)>);

impl Edits {
    pub fn package(
        &mut self,
        context: &mut Context,
        name: &[u8],
    ) -> Result<&mut (Loaded, Vec<Delta>), Failure> {
        if let Some(index) = self.0.iter().position(|(loaded, _)| loaded.package.name() == name) {
            return Ok(&mut self.0[index]);
        }
        self.0.push((context.load_to_change(name)?, Vec::new()));
        let last = self.0.len() - 1;
        Ok(&mut self.0[last])
    }

    /// Applies a change to what a key names; tells whether it changed anything.
    fn apply(
        &mut self,
        context: &mut Context,
        kind: DeltaKind,
        key: &Key,
        value: Option<&[u8]>,
    ) -> Result<bool, Failure> {
        let selector = key.section.as_ref();
        let selector =
            selector.ok_or_else(|| Failure::Usage(format!("'{}' names no section", key.text())))?;
        let (loaded, deltas) = self.package(context, &key.package)?;
        let section = match (loaded.package.select(selector)?, selector) {
            (Some(section), _) => section.name().to_vec(),
            (None, Selector::Name(name)) => name.clone(),
            (None, _) => return Err(Error::NotFound { key: key.text() }.into()),
        };
        let delta = Delta::new(kind, &section, key.option.as_deref(), value);
        let recorded = loaded.package.apply(&delta, Dialect::Cms)?;
        let changed = recorded.is_some();
        deltas.extend(recorded);
        Ok(changed)
    }

    /// Stages the changes, and commits them if told so, together with what was staged before.
    pub fn finish(self, context: &mut Context, commit: bool) -> Result<Exit, Failure> {
        for (loaded, deltas) in self.0 {
            if context.dry_run {
                for delta in &deltas {
                    context.put_line(&stage::describe(loaded.package.name(), delta))?;
                }
            }
            if let Some(gathered) = &mut context.gathered {
                gathered.take_back(loaded, deltas, commit, context.dry_run);
                continue;
            }
            if context.dry_run {
                continue;
            }
            let pending = !loaded.changes.is_empty();
            if deltas.is_empty() && !(commit && pending) {
                continue;
            }
            if !loaded.place.staged {
                context.store.update(&loaded.place, Form::Lossless, |package| {
                    deltas.iter().try_for_each(|delta| package.apply(delta, Dialect::Cms).map(|_| ()))
                })?;
                continue;
            }
            if !deltas.is_empty() {
                context.store.stage(&loaded.place, &deltas)?;
            }
            if commit {
                stage::commit_one(context, &loaded.place, Form::Lossless)?;
            }
        }
        context.forget();
        Ok(Exit::Ok)
    }
}

/// Applies one change for each `KEY=VALUE`.
fn each(context: &mut Context, line: &Line, kind: DeltaKind) -> Result<Exit, Failure> {
    let mut edits = Edits::default();
    for argument in line.expect(1, usize::MAX)? {
        let (key, value) = Key::parse_assignment(argument)?;
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument))))?;
        edits.apply(context, kind, &key, Some(value))?;
    }
    edits.finish(context, line.has("commit"))
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
    let value = read_input(line.value("from-file"))?;
    // The newline that ends the last line is not part of the value.
    let value = value.strip_suffix(b"\n").unwrap_or(&value);
    set_value(context, line, key, value)
}

fn set_value(context: &mut Context, line: &Line, key: &[u8], value: &[u8]) -> Result<Exit, Failure> {
    let mut edits = Edits::default();
    edits.apply(context, DeltaKind::Set, &Key::parse(key)?, Some(value))?;
    edits.finish(context, line.has("commit"))
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
    let mut edits = Edits::default();
    for argument in line.expect(1, usize::MAX)? {
        let (key, index) = Key::parse_assignment(argument)?;
        edits.apply(context, DeltaKind::Delete, &key, index)?;
    }
    edits.finish(context, line.has("commit"))
}

pub fn add(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let arguments = line.expect(2, usize::MAX)?;
    let mut edits = Edits::default();
    let (loaded, deltas) = edits.package(context, &arguments[0])?;
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
    edits.finish(context, line.has("commit"))
}

/// Reports whether what a key names is not in the file as it is in the package with its staged changes.
fn is_pending(context: &Context, loaded: &Loaded, key: &Key) -> Result<bool, Failure> {
    if loaded.changes.is_empty() {
        return Ok(false);
    }
    let committed = context.store.load_committed(loaded.place.clone())?.package;
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
    let mut edits = Edits::default();
    let mut report = Vec::new();
    let check = line.has("check") || context.dry_run;
    context.dry_run = check;
    for argument in line.expect(1, usize::MAX)? {
        let (key, value) = Key::parse_assignment(argument)?;
        let value =
            value.ok_or_else(|| Failure::Usage(format!("'{}': '=VALUE' is missing", show(argument))))?;
        let mut changed = edits.apply(context, DeltaKind::Set, &key, Some(value))?;
        // What is staged already is not so yet; the file decides.
        if !line.has("no-commit") {
            let (loaded, _) = edits.package(context, &key.package)?;
            changed = changed || is_pending(context, loaded, &key)?;
        }
        report.push((key.text(), changed));
    }
    let mut difference = String::new();
    if line.has("diff") {
        for (loaded, _) in &edits.0 {
            difference.push_str(&stage::staged_difference(context, loaded)?);
        }
    }
    let changed = report.iter().any(|(_, changed)| *changed);
    if !check {
        edits.finish(context, !line.has("no-commit"))?;
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
