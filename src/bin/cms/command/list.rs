//! `cms list`: the names of packages, sections and options.

use cms::{Key, Section};
use serde_json::{Value as Json, json};

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Reading, Writes, at, parsed, stale};
use crate::text_format::Printed;

#[derive(Default)]
pub struct Flags {
    format: Printed,
    reading: Reading,
}

impl FlagValues for Flags {
    fn stale(&self) -> bool {
        self.reading.stale
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "list",
    aliases: &["ls"],
    arguments: "[PACKAGE[.SECTION]]",
    summary: "list packages, sections or options",
    flags: &[
        parsed("format", "text|json", "text (default), or json as --json", |flags: &mut Flags, text| {
            flags.format = match Printed::named(text)? {
                Printed::Sh => return Err(Failure::Usage("no format 'sh' of names: text or json".into())),
                format => format,
            };
            Ok(())
        }),
        at(|flags: &mut Flags| &mut flags.reading.at),
        stale(|flags: &mut Flags| &mut flags.reading.stale),
    ],
    writes: Writes::Nothing,
    json: &[Output::rows(&NAME), Output::rows(&SECTION).when("With --json, of a package")],
    run,
};

/// A package or an option.
const NAME: Shape = Shape::of(
    "
    . text the name of a package or an option",
);

/// A section.
const SECTION: Shape = Shape::of(
    "
    name text the name of the section
    type text its type",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    context.read_at(call.flags.reading.at.as_deref())?;
    context.json |= call.flags.format == Printed::Json;
    let Some(argument) = call.expect(0, 1)?.first() else {
        let names = context.packages_of_state()?;
        return print_names(context, names.iter().map(|name| (show(name), None)).collect());
    };
    let key = Key::parse(argument)?;
    let package = &context.load_good(&key.package)?.package;
    let names = match find(package, &key)? {
        Found::Package(package) => {
            let (root, sections): (Vec<_>, Vec<_>) =
                package.sections().partition(|section| section.name().is_empty());
            let root_keys = root.iter().flat_map(|root| root.options());
            let root_keys = root_keys.map(|option| (format!(".{}", show(option.name())), None));
            let names = |section: Section<'_>| (show(section.name()), Some(show(section.section_type())));
            root_keys.chain(sections.into_iter().map(names)).collect()
        }
        Found::Section(section) => section.options().map(|option| (show(option.name()), None)).collect(),
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
            Some(kind) => context.print_line(&format!("{name} {kind}"))?,
            None => context.print_line(&name)?,
        }
    }
    Ok(Exit::Ok)
}
