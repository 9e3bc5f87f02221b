//! `cms export`: prints packages to be imported elsewhere.

use cms::FormatKind;
use cms::text::{print, quoted};
use serde_json::Map;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, at, parsed};
use crate::text_format::Format;

#[derive(Default)]
pub struct Flags {
    format: Option<Format>,
    at: Option<String>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "export",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "print packages as text to import elsewhere",
    flags: &[
        parsed("format", "FORMAT", "uci (default) or json", |flags: &mut Flags, text| {
            flags.format = Some(Format::named(text)?);
            Ok(())
        }),
        at(|flags: &mut Flags| &mut flags.at),
    ],
    writes: Writes::Nothing,
    json: &[Output::map(&PACKAGE)],
    run,
};

/// A package.
const PACKAGE: Shape = Shape::of(
    "
    . package the package of this name",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let as_json = context.json || matches!(call.flags.format, Some(Format::Json));
    let mut object = Map::new();
    context.read_at(call.flags.at.as_deref())?;
    for name in context.packages_read(&call.arguments)? {
        match context.load_read(&name) {
            Ok(loaded) if as_json => {
                object.insert(show(&name), json::package(&loaded.package));
            }
            Ok(loaded) if loaded.package.format() != FormatKind::Uci => {
                let why = "UCI text cannot hold a TOML or JSON package: use --format json".to_owned();
                context.report(&Failure::Other(Exit::Invalid, format!("{}: {why}", show(&name))))?;
            }
            Ok(loaded) => {
                let header = quoted(loaded.package.name());
                context.put(&[b"package ", &header[1..header.len() - 1], b"\n"].concat())?;
                context.put(&print(&loaded.package, false))?;
            }
            Err(error) => context.report(&error)?,
        }
    }
    if as_json {
        context.put_map(object)?;
    }
    Ok(Exit::Ok)
}
