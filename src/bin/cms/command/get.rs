//! `cms get`: values.

use cms::text::quoted;
use cms::{Key, Value};
use serde_json::Map;

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::failure::{Exit, Failure};
use crate::json;
use crate::line::Line;
use crate::spec::{AT, Command, STALE, flag, short, valued};
use crate::variables::variable;

pub const COMMAND: Command = Command {
    name: "get",
    aliases: &[],
    arguments: "KEY...",
    summary: "print values",
    flags: &[
        valued("default", None, "VALUE", "print this for a key that is not there"),
        flag("sh", "print NAME='value' lines that are safe to eval"),
        short("null", '0', "end each value with a NUL byte"),
        valued("delimiter", Some('d'), "TEXT", "what to put between list items (default: a space)"),
        AT,
        STALE,
    ],
    writes: false,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
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
                object.insert(show(argument), value);
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

/// A value as it is printed: a string, the items of a list, or a section's type.
enum Got {
    One(Vec<u8>),
    Many(Vec<Vec<u8>>),
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

fn print_value(context: &mut Context, line: &Line, key: &[u8], got: Got) -> Result<(), Failure> {
    if line.has("sh") {
        let name = variable(&show(key));
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
