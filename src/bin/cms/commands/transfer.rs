//! `export` and `import`.

use std::io::Read;
use std::sync::Arc;

use cms::text::{ParseOptions, parse, print, quoted};
use cms::{Error, Package};
use serde_json::Map;

use super::context::{Context, show};
use super::failure::{Exit, Failure};
use super::json;
use super::line::Line;
use super::stage;

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
    for name in context.packages(&line.arguments)? {
        match context.store.load(&name) {
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
        context.put_json(&serde_json::Value::Object(object))?;
    }
    Ok(Exit::Ok)
}

pub fn import(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let arguments = line.expect(0, 2)?;
    let name = arguments.first().map(Vec::as_slice);
    let mut bytes = Vec::new();
    match arguments.get(1).filter(|file| file.as_slice() != b"-") {
        Some(file) => {
            let file = show(file);
            bytes =
                std::fs::read(&file).map_err(|source| Error::Io { op: "read", path: file.into(), source })?;
        }
        None => {
            std::io::stdin().read_to_end(&mut bytes)?;
        }
    }
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let guessed = if matches!(first, Some(b'{' | b'[')) { Format::Json } else { Format::Uci };
    let packages = match (format(line)?.unwrap_or(guessed), name) {
        (Format::Json, name) => json::read(&bytes, name)?,
        // The text of one package is kept as it is, comments included.
        (Format::Uci, Some(name)) => {
            parse(name, Arc::new(bytes.clone()), &ParseOptions::default())?;
            vec![(name.to_vec(), bytes)]
        }
        (Format::Uci, None) => {
            let (packages, _) = cms::text::import(Arc::new(bytes), &ParseOptions::default())?;
            packages.iter().map(|package| (package.name().to_vec(), print(package, false))).collect()
        }
    };
    if packages.is_empty() {
        return Err(Failure::Other(Exit::Invalid, "nothing to import: the text holds no package".into()));
    }
    if line.has("merge") { merge(context, line, packages) } else { replace(context, packages) }
}

/// Replaces packages. All of the input has been read and checked before the first is written.
fn replace(context: &mut Context, packages: Vec<json::NamedText>) -> Result<Exit, Failure> {
    for (name, text) in packages {
        if context.dry_run {
            context.say(&format!("replace {}: {} bytes", show(&name), text.len()))?;
        } else {
            context.store.replace(&name, &text)?;
        }
    }
    context.forget();
    Ok(Exit::Ok)
}

/// Stages what the text changes in packages that are there; a package that is not is created.
fn merge(context: &mut Context, line: &Line, packages: Vec<json::NamedText>) -> Result<Exit, Failure> {
    let mut staged = Vec::new();
    let mut created = Vec::new();
    for (name, text) in packages {
        match context.store.load(&name) {
            Ok(mut loaded) => {
                let (deltas, _) = loaded.package.merge(&Arc::new(text), &ParseOptions::default())?;
                staged.push((loaded.place, deltas));
            }
            Err(Error::NotFound { .. }) => created.push((name, text)),
            Err(error) => return Err(error.into()),
        }
    }
    for (place, deltas) in staged {
        if context.dry_run {
            let package = Package::new(place.name.as_bytes());
            for delta in &deltas {
                context.say(&stage::describe(package.name(), delta))?;
            }
            continue;
        }
        context.store.stage(&place, &deltas)?;
        if line.has("commit") {
            stage::commit_one(context, &place, cms::Form::Lossless)?;
        }
    }
    replace(context, created)
}
