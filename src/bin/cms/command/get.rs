//! `cms get`: values.

use cms::text::quoted;
use cms::{Key, Value, ValueType};
use serde_json::Map;

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::failure::{Exit, Failure};
use crate::flat;
use crate::json;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Reading, Writes, at, bytes, parsed, stale, switch};
use crate::text_format::Printed;
use crate::variables::variable;

#[derive(Default)]
pub struct Flags {
    default: Option<Vec<u8>>,
    types: bool,
    sh: bool,
    format: Printed,
    null: bool,
    delimiter: Option<Vec<u8>>,
    reading: Reading,
}

impl FlagValues for Flags {
    fn stale(&self) -> bool {
        self.reading.stale
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "get",
    aliases: &[],
    arguments: "KEY...",
    summary: "print values",
    flags: &[
        bytes("default", "VALUE", "print this for a key that is not there", |flags: &mut Flags| {
            &mut flags.default
        }),
        switch("type", "print the types of the values, not the values", |flags: &mut Flags| &mut flags.types),
        switch("sh", "print NAME='value' lines that are safe to eval", |flags: &mut Flags| &mut flags.sh),
        parsed(
            "format",
            "text|json|sh",
            "text (default), json as --json, or sh: NAME='value' lines that are safe to eval",
            |flags: &mut Flags, text| {
                flags.format = Printed::named(text)?;
                Ok(())
            },
        ),
        switch("null", "end each value with a NUL byte", |flags: &mut Flags| &mut flags.null).short('0'),
        bytes(
            "delimiter",
            "TEXT",
            "what to put between list items (default: a space)",
            |flags: &mut Flags| &mut flags.delimiter,
        )
        .short('d'),
        at(|flags: &mut Flags| &mut flags.reading.at),
        stale(|flags: &mut Flags| &mut flags.reading.stale),
    ],
    writes: Writes::Nothing,
    json: &[Output::map(&VALUE)],
    run,
};

/// The value of a KEY.
const VALUE: Shape = Shape::of(
    "
    . value its value; of a section its type; with --type the name of the type",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let keys = call.expect(1, usize::MAX)?;
    context.read_at(call.flags.reading.at.as_deref())?;
    context.json |= call.flags.format == Printed::Json;
    let mut object = Map::new();
    for argument in keys {
        match get_one(context, argument, call.flags.default.as_deref()) {
            Ok((_, value_type)) if call.flags.types => match context.json {
                true => drop(object.insert(show(argument), value_type.name().into())),
                false => context.print_line(value_type.name())?,
            },
            Ok((got, value_type)) if context.json => {
                let value = match &got {
                    Got::One(value) => json::typed_text(value, value_type),
                    Got::Many(items) => {
                        items.iter().map(|item| json::typed_text(item, value_type.of_items())).collect()
                    }
                };
                object.insert(show(argument), value);
            }
            Ok((got, _)) => print_value(context, &call.flags, argument, got)?,
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

/// Returns the value of a key, and its type.
fn get_one(
    context: &mut Context,
    argument: &[u8],
    default: Option<&[u8]>,
) -> Result<(Got, ValueType), Failure> {
    let key = flat::to_get(context, Key::parse(argument)?)?;
    let mapped = match context.read_mapped(&key) {
        Some(Ok((mut items, value_type))) if !value_type.is_list() && items.len() == 1 => {
            Some(Ok((Got::One(items.remove(0)), value_type)))
        }
        Some(Ok((items, value_type))) => Some(Ok((Got::Many(items), value_type))),
        Some(Err(error)) => Some(Err(error.into())),
        None => None,
    };
    let found = match mapped {
        Some(found) => found,
        None => get_loaded(context, &key),
    };
    match (found, default) {
        (Err(failure), Some(default)) if failure.exit() == Exit::NotFound => {
            Ok((Got::One(default.to_vec()), ValueType::String))
        }
        (found, _) => found,
    }
}

fn get_loaded(context: &mut Context, key: &Key) -> Result<(Got, ValueType), Failure> {
    match context.load_good(&key.package) {
        Ok(loaded) => match find(&loaded.package, key) {
            Ok(Found::Option(_, option)) => match option.value() {
                Value::String(value) => Ok((Got::One(value.to_vec()), option.value_type())),
                Value::List(list) => {
                    Ok((Got::Many(list.iter().map(<[u8]>::to_vec).collect()), option.value_type()))
                }
            },
            Ok(Found::Section(section)) => Ok((Got::One(section.section_type().to_vec()), ValueType::String)),
            Ok(Found::Package(_)) => {
                Err(Failure::Usage(format!("'{}' is a package; 'cms show' prints packages", key.text())))
            }
            Err(error) => Err(error.into()),
        },
        Err(failure) => Err(failure),
    }
}

fn print_value(context: &mut Context, flags: &Flags, key: &[u8], got: Got) -> Result<(), Failure> {
    if flags.sh || flags.format == Printed::Sh {
        let name = variable(&show(key));
        let value = match got {
            Got::One(value) => value,
            Got::Many(items) => items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(&b' '),
        };
        return context.put(&[name.as_bytes(), b"=", &quoted(&value), b"\n"].concat());
    }
    let end: &[u8] = if flags.null { b"\0" } else { b"\n" };
    let items = match got {
        Got::One(value) => vec![value],
        Got::Many(items) => items,
    };
    let joined = match flags.null {
        true => items.join(&0),
        false => items.join(flags.delimiter.as_deref().unwrap_or(b" ")),
    };
    context.put(&joined)?;
    context.put(end)
}
