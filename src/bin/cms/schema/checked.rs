//! Checks packages with their schemas, for commands.

use std::sync::Arc;

use cms::schema::Schema;
use cms::{Engine, Error, Loaded, Package, Place, Rule, Violation};

use crate::argument::path;
use crate::context::Context;
use crate::failure::{Failure, print_error, print_message};
use crate::package_files::TextFile;
use crate::violations;

/// Reads a schema from the file that an option names.
fn read(file: &[u8]) -> Result<Schema, Failure> {
    let path = path(file);
    let failed = |source| Error::Io { op: "read", path: path.to_owned(), source };
    let text = cms::named_file::read(path, cms::MAX_TEXT, b"").map_err(failed)?;
    let package = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Schema::read(&package, path, text))
}

/// Warns of the mistakes of a schema.
pub fn warn_of_mistakes(schema: &Schema) {
    for mistake in &schema.mistakes {
        print_message(&format!("warning: {}", cms::shown::text(format!("in a schema: {mistake}"))));
    }
}

/// Warns of violations that staged changes make; with `is_strict`, they are an error. What is missing may be staged by
/// another command, so that the commit looks for it.
pub fn check_staged(
    context: &Context,
    place: &Place,
    (before, after): (&Package, &Package),
    is_strict: bool,
) -> Result<(), Failure> {
    let (mut made, _) = context.store.schemas().check_change(place, before, after);
    made.retain(|violation| !matches!(violation.rule, Rule::Required | Rule::Count));
    if is_strict && !made.is_empty() {
        return Err(Error::Schema { violations: made }.into());
    }
    if !context.quiet {
        made.iter().for_each(|violation: &Violation| print_error(&violations::warning(violation)));
    }
    Ok(())
}

/// Returns the violations of a text without syntax errors: of the schema in `named`, or of its own.
pub fn check_file(
    context: &Context,
    named: Option<&[u8]>,
    file: &TextFile,
    text: &Arc<Vec<u8>>,
) -> Result<Vec<Violation>, Failure> {
    let named = named.map(read).transpose()?;
    let Ok(package) = context.store.packages().read_text(&file.place, text) else {
        return Ok(Vec::new());
    };
    let shown = file.shown();
    let inside = || {
        let own = context.store.schemas().of_package(&file.place, &package);
        own.or_else(|| Schema::inside(&package, &shown).map(Arc::new))
    };
    let Some(schema) = named.map(Arc::new).or_else(inside) else { return Ok(Vec::new()) };
    warn_of_mistakes(&schema);
    Ok(context.store.schemas().check_with(&schema, &shown, &package))
}

/// Fails if a schema refuses a commit of the staged changes of a package.
pub fn check_commit(context: &Context, staged: &Loaded) -> Result<(), Failure> {
    let committed = context.store.packages().load_committed_or_new(staged.place.clone())?.package;
    let (made, _) = context.store.schemas().check_change(&staged.place, &committed, &staged.package);
    let violations: Vec<Violation> = made.into_iter().filter(|one| one.refused).collect();
    if violations.is_empty() { Ok(()) } else { Err(Error::Schema { violations }.into()) }
}

/// Returns what of a package does not fit its schema any more: options that it does not describe, and all that it refuses,
/// such as required options that are missing.
pub fn schema_drift(store: &Engine, loaded: &Loaded) -> Vec<(Place, Violation)> {
    let found = store.schemas().check(&loaded.place, &loaded.package).into_iter();
    let drift = found.filter(|one| one.refused || matches!(one.rule, Rule::Unknown | Rule::Required));
    drift.map(|violation| (loaded.place.clone(), violation)).collect()
}
