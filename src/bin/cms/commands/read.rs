//! `get`, `show`, `list`.

use std::collections::HashMap;

use cms::text::quoted;
use cms::{Key, Package, Section, Value};
use serde_json::{Map, Value as Json, json};

use super::context::{Context, Found, find, show as text};
use super::failure::{Exit, Failure};
use super::json;
use super::line::Line;

/// A value as it is printed: a string, the items of a list, or a section's type.
enum Got {
    One(Vec<u8>),
    Many(Vec<Vec<u8>>),
}

pub fn get(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let keys = line.expect(1, usize::MAX)?;
    context.go_back(line)?;
    let mut object = Map::new();
    for argument in keys {
        match get_one(context, argument, line.value("default")) {
            Ok(got) if context.json => {
                let value = match &got {
                    Got::One(value) => json::text(value),
                    Got::Many(items) => items.iter().map(|item| json::text(item)).collect(),
                };
                object.insert(text(argument), value);
            }
            Ok(got) => print_value(context, line, argument, got)?,
            Err(failure) => context.report(&failure)?,
        }
    }
    if context.json {
        context.put_map(object)?;
    }
    Ok(Exit::Ok)
}

fn get_one(context: &mut Context, argument: &[u8], default: Option<&[u8]>) -> Result<Got, Failure> {
    let key = Key::parse(argument)?;
    let mapped = match context.read_mapped(&key) {
        Some(Ok(mut items)) if items.len() == 1 => Some(Ok(Got::One(items.remove(0)))),
        Some(Ok(items)) => Some(Ok(Got::Many(items))),
        Some(Err(error)) => Some(Err(error.into())),
        None => None,
    };
    let found = match mapped {
        Some(found) => found,
        None => get_loaded(context, &key),
    };
    match (found, default) {
        (Err(failure), Some(default)) if failure.exit() == Exit::NotFound => Ok(Got::One(default.to_vec())),
        (found, _) => found,
    }
}

fn get_loaded(context: &mut Context, key: &Key) -> Result<Got, Failure> {
    match context.load_good(&key.package) {
        Ok(loaded) => match find(&loaded.package, key) {
            Ok(Found::Option(_, option)) => match option.value() {
                Value::String(value) => Ok(Got::One(value.to_vec())),
                Value::List(list) => Ok(Got::Many(list.iter().map(<[u8]>::to_vec).collect())),
            },
            Ok(Found::Section(section)) => Ok(Got::One(section.section_type().to_vec())),
            Ok(Found::Package(_)) => {
                Err(Failure::Usage(format!("'{}' is a package; 'cms show' prints packages", key.text())))
            }
            Err(error) => Err(error.into()),
        },
        Err(failure) => Err(failure),
    }
}

/// Returns the name of a variable of the shell for a key.
pub fn variable(key: &str) -> String {
    let mut name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // The shell would take `4g_x=1` for a command.
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

fn print_value(context: &mut Context, line: &Line, key: &[u8], got: Got) -> Result<(), Failure> {
    if line.has("sh") {
        let name = variable(&text(key));
        let value = match got {
            Got::One(value) => value,
            Got::Many(items) => items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(&b' '),
        };
        return context.put(&[name.as_bytes(), b"=", &quoted(&value), b"\n"].concat());
    }
    let end: &[u8] = if line.has("null") { b"\0" } else { b"\n" };
    let items = match got {
        Got::One(value) => vec![value],
        Got::Many(items) => items,
    };
    let joined = match line.has("null") {
        true => items.join(&0),
        false => items.join(line.value("delimiter").unwrap_or(b" ")),
    };
    context.put(&joined)?;
    context.put(end)
}

pub fn show(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    context.go_back(line)?;
    let keys = match line.arguments.is_empty() {
        true => context.packages_of_state()?,
        false => line.arguments.clone(),
    };
    let real = line.has("real-names");
    let mut object = Map::new();
    for argument in keys {
        if let Err(failure) = show_one(context, &argument, real, &mut object) {
            context.report(&failure)?;
        }
        context.forget();
    }
    if context.json {
        context.put_map(object)?;
    }
    Ok(Exit::Ok)
}

fn show_one(
    context: &mut Context,
    argument: &[u8],
    real: bool,
    object: &mut Map<String, Json>,
) -> Result<(), Failure> {
    let key = Key::parse(argument)?;
    let json_wanted = context.json;
    let package = &context.load_good(&key.package)?.package;
    let mut out = Vec::new();
    match find(package, &key)? {
        Found::Package(package) if json_wanted => {
            object.insert(text(package.name()), json::package(package));
        }
        Found::Section(section) if json_wanted => {
            object.insert(key.text(), json::section(section));
        }
        Found::Option(_, option) if json_wanted => {
            object.insert(key.text(), json::value(option.value()));
        }
        Found::Package(package) => {
            let mut names = ShownNames::default();
            for section in package.sections() {
                let name = if real { section.name().to_vec() } else { names.of(section) };
                show_section(package, section, &name, &mut out);
            }
        }
        Found::Section(section) => show_section(package, section, section.name(), &mut out),
        Found::Option(section, option) => {
            show_option(package.name(), section.name(), option.name(), option.value(), &mut out);
        }
    }
    context.put(&out)
}

/// The names sections are shown by, in order: `@type[index]` for anonymous ones.
#[derive(Default)]
pub struct ShownNames(HashMap<Vec<u8>, usize>);

impl ShownNames {
    pub fn of(&mut self, section: Section<'_>) -> Vec<u8> {
        let kind = section.section_type();
        let count = self.0.entry(kind.to_vec()).or_default();
        *count += 1;
        match section.is_anonymous() {
            true => [b"@", kind, format!("[{}]", *count - 1).as_bytes()].concat(),
            false => section.name().to_vec(),
        }
    }
}

fn show_section(package: &Package, section: Section<'_>, name: &[u8], out: &mut Vec<u8>) {
    for part in [package.name(), b".", name, b"=", section.section_type(), b"\n"] {
        out.extend_from_slice(part);
    }
    for option in section.options() {
        show_option(package.name(), name, option.name(), option.value(), out);
    }
}

fn show_option(package: &[u8], section: &[u8], option: &[u8], value: Value<'_>, out: &mut Vec<u8>) {
    for part in [package, b".", section, b".", option, b"="] {
        out.extend_from_slice(part);
    }
    let items: Vec<Vec<u8>> = value.items().map(quoted).collect();
    out.extend_from_slice(&items.join(&b' '));
    out.push(b'\n');
}

pub fn list(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let Some(argument) = line.expect(0, 1)?.first() else {
        let names = context.packages_and_new(&[])?;
        return print_names(context, names.iter().map(|name| (text(name), None)).collect());
    };
    let key = Key::parse(argument)?;
    let package = &context.load_good(&key.package)?.package;
    let names = match find(package, &key)? {
        Found::Package(package) => package
            .sections()
            .map(|section| (text(section.name()), Some(text(section.section_type()))))
            .collect(),
        Found::Section(section) => section.options().map(|option| (text(option.name()), None)).collect(),
        Found::Option(..) => {
            return Err(Failure::Usage("an option holds nothing to list; 'cms get' prints it".into()));
        }
    };
    print_names(context, names)
}

fn print_names(context: &mut Context, names: Vec<(String, Option<String>)>) -> Result<Exit, Failure> {
    if context.json {
        let object = |(name, kind): (String, Option<String>)| match kind {
            Some(kind) => json!({"name": name, "type": kind}),
            None => Json::from(name),
        };
        context.put_rows(names.into_iter().map(object).collect())?;
        return Ok(Exit::Ok);
    }
    for (name, kind) in names {
        match kind {
            Some(kind) => context.say(&format!("{name} {kind}"))?,
            None => context.say(&name)?,
        }
    }
    Ok(Exit::Ok)
}
