//! `cms show`: prints packages, sections and options as `KEY='value'`.

use cms::text::quoted;
use cms::{Key, OptionView, Package, Section, Shown, Value};
use serde_json::{Map, Value as Json};

use crate::argument::show;
use crate::attributes::{ATTRIBUTES, LastChanges, Named, name_of};
use crate::context::{Context, Found, find};
use crate::failure::{Exit, Failure};
use crate::json;
use crate::paint::{Color, Paint};
use crate::secrets;
use crate::shape::{Output, Shape};
use crate::shown_names::ShownNames;
use crate::spec::{Call, Command, FlagValues, Reading, Writes, at, parsed, stale, switch};
use crate::text_format::Printed;
use crate::variables::variable;

#[derive(Default)]
pub struct Flags {
    real_names: bool,
    format: Printed,
    types: bool,
    reading: Reading,
}

impl FlagValues for Flags {
    fn stale(&self) -> bool {
        self.reading.stale
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "show",
    aliases: &[],
    arguments: "[KEY...]",
    summary: "print packages, sections or options as KEY='value'",
    flags: &[
        switch("real-names", "print generated names instead of @type[index]", |flags: &mut Flags| {
            &mut flags.real_names
        })
        .short('X'),
        parsed(
            "format",
            "text|json|sh",
            "text (default), json as --json, or sh: NAME='value' lines that are safe to eval",
            |flags: &mut Flags, text| {
                flags.format = Printed::named(text)?;
                Ok(())
            },
        ),
        switch("types", "print the type of each value behind it", |flags: &mut Flags| &mut flags.types),
        at(|flags: &mut Flags| &mut flags.reading.at),
        stale(|flags: &mut Flags| &mut flags.reading.stale),
    ],
    writes: Writes::Nothing,
    json: &[Output::map(&SHOWN), Output::map(&ATTRIBUTES).when("With --verbose --json")],
    run,
};

/// The package, section or value that a KEY names.
const SHOWN: Shape = Shape::of(
    "
    . package|section|value what KEY names",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    context.read_at(call.flags.reading.at.as_deref())?;
    let keys = match call.arguments.is_empty() {
        true => context.packages_of_state()?,
        false => call.arguments.clone(),
    };
    let flags = &call.flags;
    context.json |= flags.format == Printed::Json;
    context.page();
    let mut object = Map::new();
    for argument in keys {
        let shown = match context.global.verbose && flags.format != Printed::Sh {
            true => show_attributes(context, &argument, flags.real_names, &mut object),
            false => show_one(context, &argument, flags, &mut object),
        };
        if let Err(failure) = shown {
            context.report(&failure)?;
        }
        context.forget();
    }
    if context.json {
        context.put_map(object)?;
    }
    Ok(Exit::Ok)
}

/// Returns a section, then its options.
fn all_of(section: Section<'_>) -> impl Iterator<Item = Named<'_>> {
    let options = section.options().map(move |option| Named { section, option: Some(option) });
    std::iter::once(Named { section, option: None }).chain(options)
}

/// Prints each section and option with what is known of it besides its value.
fn show_attributes(
    context: &mut Context,
    argument: &[u8],
    real: bool,
    object: &mut Map<String, Json>,
) -> Result<(), Failure> {
    let key = Key::parse(argument)?;
    let package = context.load_good(&key.package)?.package.clone();
    let mut names = ShownNames::default();
    let mut keys: Vec<(Vec<u8>, Named<'_>)> = Vec::new();
    match find(&package, &key)? {
        Found::Package(package) => {
            for section in package.sections() {
                let name = if real { section.name().to_vec() } else { names.of(section) };
                keys.extend(all_of(section).map(|named| (name.clone(), named)));
            }
        }
        Found::Section(section) => {
            keys.extend(all_of(section).map(|named| (section.name().to_vec(), named)));
        }
        Found::Option(section, option) => {
            keys.push((section.name().to_vec(), Named { section, option: Some(option) }));
        }
    }
    let wanted = keys.iter().map(|(_, named)| name_of(*named)).collect();
    let mut changes = LastChanges::of(context, package.name(), wanted);
    for (section, named) in keys {
        let parts = [Some(package.name()), Some(&section[..]), named.option.map(|option| option.name())];
        let key = parts.into_iter().flatten().collect::<Vec<_>>().join(&b'.');
        if context.json {
            object.insert(show(&key), changes.json(named));
            continue;
        }
        let mut out = Vec::new();
        match named.option {
            Some(option) => {
                let of = (named.section, &section[..]);
                show_option(package.name(), of, option, (context.paint, false), &mut out);
            }
            None => show_head(&package, named.section, &section, context.paint, &mut out),
        }
        context.put(&out)?;
        if !out.is_empty() {
            context.print_line(&format!("    {}", changes.line(named)))?;
        }
    }
    Ok(())
}

fn show_one(
    context: &mut Context,
    argument: &[u8],
    flags: &Flags,
    object: &mut Map<String, Json>,
) -> Result<(), Failure> {
    let key = Key::parse(argument)?;
    let (json_wanted, paint) = (context.json, (context.paint, flags.types));
    let package = &context.load_good(&key.package)?.package;
    let mut out = Vec::new();
    let found = find(package, &key)?;
    if flags.format == Printed::Sh {
        let hidden = show_variables(package, &found, &mut out);
        if hidden > 0 {
            context.note(&format!("secret values are left out ({hidden}); --reveal prints them"));
        }
        return context.put(&out);
    }
    match found {
        Found::Package(package) if json_wanted => {
            object.insert(show(package.name()), json::shown_package(package));
        }
        Found::Section(section) if json_wanted => {
            object.insert(key.text(), json::shown_section(package.name(), section));
        }
        Found::Option(section, option) if json_wanted => {
            object.insert(key.text(), json::shown_value(package.name(), section, option));
        }
        Found::Package(package) => {
            let mut names = ShownNames::default();
            for section in package.sections() {
                let name = if flags.real_names { section.name().to_vec() } else { names.of(section) };
                show_section(package, section, &name, paint, &mut out);
            }
        }
        Found::Section(section) => show_section(package, section, section.name(), paint, &mut out),
        Found::Option(section, option) => {
            show_option(package.name(), (section, section.name()), option, paint, &mut out);
        }
    }
    context.put(&out)
}

/// Prints options as variables, named as `cms get --sh` does. The name of a section without one is generated. Returns how
/// many are left out, since a script would take the stand-in of a secret for the value.
fn show_variables(package: &Package, found: &Found<'_>, out: &mut Vec<u8>) -> usize {
    let mut hidden = 0;
    let mut put = |section: Section<'_>, option: OptionView<'_>| {
        if secrets::is_hidden(package.name(), section.name(), option.name()) {
            hidden += 1;
            return;
        }
        let key = [package.name(), b".", section.name(), b".", option.name()].concat();
        let value = match option.value() {
            Value::String(string) => string.to_vec(),
            Value::List(list) => list.iter().map(quoted).collect::<Vec<_>>().join(&b' '),
        };
        out.extend([variable(&show(&key)).as_bytes(), b"=", &quoted(&value), b"\n"].concat());
    };
    match found {
        Found::Package(package) => {
            for section in package.sections() {
                section.options().for_each(|option| put(section, option));
            }
        }
        Found::Section(section) => section.options().for_each(|option| put(*section, option)),
        Found::Option(section, option) => put(*section, *option),
    }
    hidden
}

fn show_section(
    package: &Package,
    section: Section<'_>,
    name: &[u8],
    paint: (Paint, bool),
    out: &mut Vec<u8>,
) {
    show_head(package, section, name, paint.0, out);
    for option in section.options() {
        show_option(package.name(), (section, name), option, paint, out);
    }
}

fn show_head(package: &Package, section: Section<'_>, name: &[u8], paint: Paint, out: &mut Vec<u8>) {
    // The root section has neither a name nor a type.
    if !section.name().is_empty() {
        out.extend(paint.text(Color::Bold, &[package.name(), b".", name].concat()));
        for part in [b"=", section.section_type(), b"\n"] {
            out.extend_from_slice(part);
        }
    }
}

/// Writes an option of a section, which is shown under a name; with types, the type behind the value.
fn show_option(
    package: &[u8],
    (section, name): (Section<'_>, &[u8]),
    option: OptionView<'_>,
    (paint, types): (Paint, bool),
    out: &mut Vec<u8>,
) {
    out.extend(paint.text(Color::Cyan, &[package, b".", name, b".", option.name()].concat()));
    out.push(b'=');
    let shown = |item| match secrets::shown(package, section.name(), option.name(), item) {
        Shown::Value(value) => quoted(value),
        hidden => hidden.quoted().into_bytes(),
    };
    let items: Vec<Vec<u8>> = option.value().items().map(shown).collect();
    out.extend_from_slice(&items.join(&b' '));
    if types {
        out.extend_from_slice(b"  ");
        out.extend(paint.text(Color::Magenta, option.value_type().name().as_bytes()));
    }
    out.push(b'\n');
}
