//! `cms diff`: compares staged changes with the committed state, two files, or two revisions.

use std::collections::HashSet;
use std::sync::Arc;

use cms::text::{ParseOptions, parse};
use cms::{Package, State};
use serde_json::json;

use crate::argument::{path, show};
use crate::context::Context;
use crate::difference::{print_difference, staged_difference, unified};
use crate::failure::{Exit, Failure};
use crate::input::read_input;
use crate::json;
use crate::records::CHANGE;
use crate::secrets;
use crate::shape::{Output, Shape};
use crate::shown_names::ShownNames;
use crate::spec::{Call, Command, FlagValues, Writes, switch};
use crate::staged::is_of_another;

#[derive(Default)]
pub struct Flags {
    keys: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "diff",
    aliases: &[],
    arguments: "[PACKAGE...] | FILE FILE | REVISION REVISION [PACKAGE...]",
    summary: "compare staged with committed, two files or two revisions; exits 1 if they differ",
    flags: &[switch("keys", "compare keys and values, not lines", |flags: &mut Flags| &mut flags.keys)],
    writes: Writes::Nothing,
    json: &[Output::rows(&LINE), Output::rows(&CHANGE).when("With --json, of two revisions")],
    run,
};

/// A KEY='value' line that only one side has.
const LINE: Shape = Shape::of(
    "
    change text + if only the new side has the line, - if only the old side
    line bytes KEY='value'",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    context.page();
    let is_file = |argument: &Vec<u8>| {
        argument.contains(&b'/')
            || (path(argument).is_file() && context.store.packages().find(argument).is_err())
    };
    let by_key = call.flags.keys || context.json;
    let mut all = Difference::default();
    if let Some((old, new)) = two_states(context, call)? {
        let packages: Vec<String> = call.arguments.iter().skip(2).map(|name| show(name)).collect();
        return print_difference(context, &packages, &old, &new, call.flags.keys);
    }
    if let [a, b] = call.arguments.as_slice()
        && is_file(a)
        && is_file(b)
    {
        let (old, new) = (read_input(Some(a))?, read_input(Some(b))?);
        if by_key {
            all.keys = key_difference(&package(a, &old)?, &package(b, &new)?);
        }
        all.lines = unified(&old, &new, &show(a), &show(b));
    } else {
        for name in context.packages_and_new(&call.arguments)? {
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
        let change = |(sign, text): &(&str, Vec<u8>)| json!({"change": sign, "line": json::text(text)});
        context.put_rows(all.keys.iter().map(change).collect())?;
    } else if by_key {
        for (sign, text) in &all.keys {
            context.put_line(&context.paint.change(&[sign.as_bytes(), text].concat()))?;
        }
    } else {
        context.put(&context.paint.difference(&all.lines))?;
    }
    Ok(if same { Exit::Ok } else { Exit::NotFound })
}

/// Returns the two states that `diff` was given; `None` if its arguments are packages or files.
pub fn two_states(context: &Context, call: &Call<Flags>) -> Result<Option<(State, State)>, Failure> {
    let [a, b, ..] = call.arguments.as_slice() else { return Ok(None) };
    // The name of a state means the state, also where a file of that name is in the current directory.
    let is_file = |argument: &[u8]| {
        argument.contains(&b'/') || path(argument).is_file() && context.resolve(&show(argument)).is_err()
    };
    let is_package = |argument: &[u8]| {
        context.store.packages().find(argument).is_ok() && !argument.iter().all(u8::is_ascii_digit)
    };
    if is_file(a) || is_file(b) || (is_package(a) && is_package(b)) {
        return Ok(None);
    }
    context.note_edits();
    Ok(Some((context.resolve(&show(a))?, context.resolve(&show(b))?)))
}

/// The differences of two texts: `KEY='value'` lines behind their signs, or a unified difference.
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
    let committed = context.store.packages().load_committed_or_new(loaded.place.clone())?.package;
    Ok(Difference { keys: key_difference(&committed, &loaded.package), lines: String::new() })
}

/// Reads the package a file holds.
fn package(file: &[u8], text: &[u8]) -> Result<Package, Failure> {
    let path = path(file);
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    match parse(&name, Arc::new(text.to_vec()), &ParseOptions::new()) {
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
            if !section.name().is_empty() {
                lines.push([old.name(), b".", &name, b"=", section.section_type()].concat());
            }
            for option in section.options() {
                let shown = |item| secrets::shown(old.name(), section.name(), option.name(), item).quoted();
                let items: Vec<String> = option.value().items().map(shown).collect();
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
