//! `export` and `import`.

use std::sync::Arc;

use cms::Error;
use cms::text::{ParseOptions, parse, print, quoted};
use serde_json::Map;

use super::context::{Context, path, read_input, show};
use super::edits::{Edits, Goal};
use super::failure::{Exit, Failure};
use super::json;
use super::line::Line;

enum Format {
    Uci,
    Json,
}

fn format(line: &Line) -> Result<Option<Format>, Failure> {
    match line.text("format").as_deref() {
        None => Ok(None),
        Some("uci") => Ok(Some(Format::Uci)),
        Some("json") => Ok(Some(Format::Json)),
        Some(other) => Err(Failure::Usage(format!("no format '{other}': uci or json"))),
    }
}

pub fn export(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let as_json = context.json || matches!(format(line)?, Some(Format::Json));
    let mut object = Map::new();
    for name in context.packages_and_new(&line.arguments)? {
        match context.load_now(&name) {
            Ok(loaded) if as_json => {
                object.insert(show(&name), json::package(&loaded.package));
            }
            Ok(loaded) => {
                let header = quoted(loaded.package.name());
                context.put(&[b"package ", &header[1..header.len() - 1], b"\n"].concat())?;
                context.put(&print(&loaded.package, false))?;
            }
            Err(error) => context.report(&error.into())?,
        }
    }
    if as_json {
        context.put_map(object)?;
    }
    Ok(Exit::Ok)
}

pub fn import(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    // A single argument that cannot name a package is the file.
    let is_file =
        |argument: &[u8]| argument == b"-" || argument.iter().any(|byte| matches!(byte, b'.' | b'/'));
    let (name, file) = match line.expect(0, 2)? {
        [file] if is_file(file) => (None, Some(file.as_slice())),
        arguments => (arguments.first().map(Vec::as_slice), arguments.get(1).map(Vec::as_slice)),
    };
    if let Some(name) = name.filter(|name| !cms::name::is_plain_package(name)) {
        return Err(not_a_package(name));
    }
    let bytes = read_input(file)?;
    let packages = texts(line, name, bytes).map_err(|failure| match failure {
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
    // Without a configuration directory there is nowhere to put them, which is said before anything else.
    context.store.packages()?;
    if line.has("merge") { merge(context, line, packages) } else { replace(context, &packages) }
}

/// Reads the packages of a text: of the name given, or of the names it holds.
fn texts(line: &Line, name: Option<&[u8]>, bytes: Vec<u8>) -> Result<Vec<json::NamedText>, Failure> {
    let unmarked = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let first = unmarked.iter().find(|byte| !byte.is_ascii_whitespace());
    let guessed = if matches!(first, Some(b'{' | b'[')) { Format::Json } else { Format::Uci };
    Ok(match (format(line)?.unwrap_or(guessed), name) {
        (Format::Json, name) => json::read(unmarked, name)?,
        // The text of one package is kept as it is, comments included.
        (Format::Uci, Some(name)) => {
            parse(name, Arc::new(bytes.clone()), &ParseOptions::default())?;
            vec![(name.to_vec(), bytes)]
        }
        (Format::Uci, None) => {
            let (packages, _) = cms::text::import(Arc::new(bytes), &ParseOptions::default())?;
            packages.iter().map(|package| (package.name().to_vec(), print(package, false))).collect()
        }
    })
}

fn not_a_package(name: &[u8]) -> Failure {
    Failure::Other(Exit::Invalid, format!("'{}': not a package name", show(name)))
}

/// Replaces packages, as one transaction.
fn replace(context: &mut Context, packages: &[json::NamedText]) -> Result<Exit, Failure> {
    if context.dry_run {
        for (name, text) in packages {
            context.say(&format!("replace {}: {} bytes", show(name), text.len()))?;
        }
        return Ok(Exit::Ok);
    }
    context.store.replace_together(packages)?;
    context.forget();
    Ok(Exit::Ok)
}

/// Stages what the text changes; a package that is not there is created when that is committed.
fn merge(context: &mut Context, line: &Line, packages: Vec<json::NamedText>) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(line, line.has("commit"))?);
    for (name, text) in packages {
        let edited = edits.package(context, &name)?;
        let merged = edited.loaded.package.merge(&Arc::new(text), &ParseOptions::default())?;
        edited.deltas.extend(merged.0);
    }
    edits.finish(context)
}
