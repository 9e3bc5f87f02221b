//! `cms schema`: what the schemas of packages say.

use std::sync::Arc;

use cms::schema::{Mistake, Schema};
use serde_json::{Value as Json, json};

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure, print_message};
use crate::schema::check_type::{self, VERDICT};
use crate::schema::list::{self, LISTED, VERSION};
use crate::schema::show::{self as shown, SCHEMA};
use crate::schema::{drafts, export};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, text};

#[derive(Default)]
pub struct Flags {
    format: Option<String>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "schema",
    aliases: &[],
    arguments: "list [PACKAGE] | show PACKAGE | check [PACKAGE...] | export PACKAGE | check-type TYPE VALUE | import INIT-SCRIPT [PACKAGE] | infer PACKAGE",
    summary: "list, show, check and export schemas, check a value, draft a schema",
    flags: &[text(
        "format",
        "FORM",
        "of export: jsonschema (default), c, python or markdown",
        |flags: &mut Flags| &mut flags.format,
    )],
    writes: Writes::Nothing,
    json: &[
        Output::rows(&LISTED).when("With --json, of list"),
        Output::rows(&VERSION).when("With --json, of list PACKAGE"),
        Output::one(&SCHEMA).when("With --json, of show"),
        Output::rows(&MISTAKE).when("With --json, of check"),
        Output::text(&EXPORTED).when("With --json, of export"),
        Output::one(&VERDICT).when("With --json, of check-type"),
    ],
    run,
};

/// What `export` prints.
const EXPORTED: Shape = Shape::of(
    "
    . text the schema in its form",
);

/// A mistake in a schema.
const MISTAKE: Shape = Shape::of(
    "
    package text the package
    file text the file
    line number the line; 0 if the whole file is meant
    message text what is wrong
    hint text what to do",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let arguments = call.expect(1, usize::MAX)?;
    let Some((verb, packages)) = arguments.split_first() else { return Ok(Exit::Usage) };
    match (verb.as_slice(), packages) {
        (b"list", []) => list::all(context),
        (b"list", [package]) => {
            let schema = find(context, package)?;
            list::versions(context, &schema)
        }
        (b"show", [package]) => {
            let schema = find(context, package)?;
            context.page();
            shown::print(context, &schema)
        }
        (b"check", packages) => check(context, packages),
        (b"export", [package]) => {
            let schema = find(context, package)?;
            let form = call.flags.format.as_deref().unwrap_or("jsonschema");
            let no_form = || {
                Failure::Usage(format!("'{form}' is no form of a schema: jsonschema, c, python or markdown"))
            };
            context.put(export::text(&schema, form).ok_or_else(no_form)?.as_bytes())?;
            Ok(Exit::Ok)
        }
        (b"check-type", [datatype, value]) => check_type::run(context, datatype, value),
        (b"import", [script]) => drafts::import(context, script, None),
        (b"import", [script, package]) => drafts::import(context, script, Some(package)),
        (b"infer", [package]) => drafts::infer(context, package),
        _ => {
            let usage = COMMAND.arguments;
            Err(Failure::Usage(format!("'{}' is not one of: cms schema {usage}", show(verb))))
        }
    }
}

/// Finds the schema of a package: in a schema directory, or in the package itself.
fn find(context: &mut Context, package: &[u8]) -> Result<Arc<Schema>, Failure> {
    let name = show(package);
    if let Some(schema) = context.store.schemas().find(&name) {
        return Ok(schema);
    }
    let loaded = context.load(package).ok().map(|loaded| (loaded.place.clone(), loaded.package.clone()));
    let inside = loaded.and_then(|(place, package)| context.store.schemas().of_package(&place, &package));
    inside.ok_or_else(|| {
        let dirs = &context.store.dirs().schema;
        let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        let why = format!("{name}: there is no schema in {}", dirs.join(" or "));
        Failure::Hinted(Exit::NotFound, why, "'cms schema list' lists the packages that have one".into())
    })
}

/// Prints the mistakes of schemas.
fn check(context: &mut Context, packages: &[Vec<u8>]) -> Result<Exit, Failure> {
    let mut schemas = Vec::new();
    if packages.is_empty() {
        let names = context.store.schemas().list();
        schemas.extend(names.iter().filter_map(|name| context.store.schemas().find(name)));
    }
    for package in packages {
        schemas.push(find(context, package)?);
    }
    let mistakes = schemas.iter().flat_map(|schema| schema.mistakes.iter().map(|one| (&schema.package, one)));
    let mistakes: Vec<(&String, &Mistake)> = mistakes.collect();
    let exit = if mistakes.is_empty() { Exit::Ok } else { Exit::Invalid };
    if context.json {
        let row = |(package, mistake): &(&String, &Mistake)| -> Json {
            let Mistake { file, line, problem, hint, .. } = mistake;
            json!({"package": package, "file": file, "line": line, "message": problem, "hint": hint})
        };
        context.put_rows(mistakes.iter().map(row).collect())?;
        return Ok(exit);
    }
    for (_, mistake) in mistakes {
        print_message(&cms::shown::text(mistake.to_string()));
        let hint = cms::shown::text(format!("hint: {}", mistake.hint));
        crate::failure::print_error(&crate::language::message(&hint));
    }
    context.verbose(&format!("{} schemas checked", schemas.len()));
    Ok(exit)
}
