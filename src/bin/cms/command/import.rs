//! `cms import`: replaces packages by text, or stages the text on top of them.

use std::sync::Arc;

use cms::Error;
use cms::text::{ParseOptions, parse, print};
use serde_json::json;

use crate::argument::{path, show};
use crate::context::Context;
use crate::edits::{Edits, Goal};
use crate::failure::{Exit, Failure};
use crate::input::read_input;
use crate::json;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, commit, parsed, switch, with_staged};
use crate::staged::STAGED;
use crate::text_format::Format;

#[derive(Default)]
pub struct Flags {
    format: Option<Format>,
    merge: bool,
    commit: bool,
    with_staged: bool,
}

impl FlagValues for Flags {
    fn alone(&self) -> Option<&'static str> {
        (!self.merge).then_some("import without --merge")
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "import",
    aliases: &[],
    arguments: "[PACKAGE] [FILE]",
    summary: "replace packages by text from a file (a name with '.' or '/') or standard input",
    flags: &[
        parsed("format", "FORMAT", "uci or json (default: by the content)", |flags: &mut Flags, text| {
            flags.format = Some(Format::named(text)?);
            Ok(())
        }),
        switch("merge", "stage the text on top of what is there instead", |flags: &mut Flags| {
            &mut flags.merge
        }),
        commit(|flags: &mut Flags| &mut flags.commit),
        with_staged(|flags: &mut Flags| &mut flags.with_staged),
    ],
    writes: Writes::InTransactions,
    json: &[
        Output::rows(&STAGED).when("With --json --dry-run --merge"),
        Output::rows(&REPLACED).when("With --json --dry-run"),
    ],
    run,
};

/// A package that would be replaced.
const REPLACED: Shape = Shape::of(
    "
    package text its name
    size number the length of its new text, in bytes",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    // If the only argument cannot be the name of a package, it is the file.
    let is_file =
        |argument: &[u8]| argument == b"-" || argument.iter().any(|byte| matches!(byte, b'.' | b'/'));
    let (name, file) = match call.expect(0, 2)? {
        [file] if is_file(file) => (None, Some(file.as_slice())),
        arguments => (arguments.first().map(Vec::as_slice), arguments.get(1).map(Vec::as_slice)),
    };
    if let Some(name) = name.filter(|name| !cms::name::is_plain_package(name)) {
        return Err(not_a_package(name));
    }
    let bytes = read_input(file)?;
    let packages = texts(call.flags.format, name, bytes).map_err(|failure| match failure {
        Failure::Engine(Error::Parse(error)) => {
            let from = file.filter(|file| *file != b"-").unwrap_or(b"standard input");
            Error::from(error.in_file(path(from))).into()
        }
        other => other,
    })?;
    if let Some((name, _)) = packages.iter().find(|(name, _)| !cms::name::is_plain_package(name)) {
        return Err(not_a_package(name));
    }
    if packages.is_empty() {
        return Err(Failure::Other(Exit::Invalid, "nothing to import: the text holds no package".into()));
    }
    // A missing configuration directory is reported before errors of the input.
    context.store.packages().list()?;
    if call.flags.merge { merge(context, call, packages) } else { replace(context, &packages) }
}

/// Reads the packages of a text: one package if a name is given, else all packages that the text names.
fn texts(
    format: Option<Format>,
    name: Option<&[u8]>,
    bytes: Vec<u8>,
) -> Result<Vec<json::NamedText>, Failure> {
    let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let first = unmarked.iter().find(|byte| !byte.is_ascii_whitespace());
    let guessed = if matches!(first, Some(b'{' | b'[')) { Format::Json } else { Format::Uci };
    Ok(match (format.unwrap_or(guessed), name) {
        (Format::Json, name) => json::read(unmarked, name)?,
        // The text of one package is kept unchanged, comments included.
        (Format::Uci, Some(name)) => {
            parse(name, Arc::new(bytes.clone()), &ParseOptions::new())?;
            vec![(name.to_vec(), bytes)]
        }
        (Format::Uci, None) => {
            let (packages, _) = cms::text::import(Arc::new(bytes), &ParseOptions::new())?;
            packages.iter().map(|package| (package.name().to_vec(), print(package, false))).collect()
        }
    })
}

fn not_a_package(name: &[u8]) -> Failure {
    Failure::Other(Exit::Invalid, format!("'{}': not a package name", show(name)))
}

/// Replaces packages, as one transaction.
fn replace(context: &mut Context, packages: &[json::NamedText]) -> Result<Exit, Failure> {
    if context.dry_run && context.json {
        let row = |(name, text): &json::NamedText| json!({"package": show(name), "size": text.len()});
        context.put_rows(packages.iter().map(row).collect())?;
        return Ok(Exit::Ok);
    }
    if context.dry_run {
        for (name, text) in packages {
            context.print_line(&format!("replace {}: {} bytes", show(name), text.len()))?;
        }
        return Ok(Exit::Ok);
    }
    context.store.replace_together(packages)?;
    context.forget();
    Ok(Exit::Ok)
}

/// Stages the changes that the text makes; committing them creates a missing package.
fn merge(context: &mut Context, call: &Call<Flags>, packages: Vec<json::NamedText>) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(call.flags.commit, call.flags.with_staged)?);
    for (name, text) in packages {
        let edited = edits.package(context, &name)?;
        let merged = edited.loaded.package.merge(&Arc::new(text), &ParseOptions::new())?;
        edited.deltas.extend(merged.0);
    }
    edits.finish(context)
}
