//! `cms delete`: deletes options, sections, list items and packages.

use cms::{DeltaKind, Key, Loaded, Value};
use serde_json::json;

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::edits::{CHANGED, Edits, FLAGS, Flags};
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};
use crate::staged::STAGED;

pub const COMMAND: Command<Flags> = Command {
    name: "delete",
    aliases: &["del"],
    arguments: "KEY[=VALUE|=INDEX]...",
    summary: "stage the deletion of options, sections or list items, with VALUE only if that is the value; with --commit \
              also of whole packages",
    flags: FLAGS,
    writes: Writes::InTransactions,
    json: &[Output::one(&CHANGED), Output::rows(&STAGED).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let keys = call.expect(1, usize::MAX)?;
    let is_package = |argument: &&Vec<u8>| cms::name::is_plain_package(argument);
    let packages: Vec<Vec<u8>> = keys.iter().filter(is_package).cloned().collect();
    if !packages.is_empty() {
        return delete_packages(context, call, &packages);
    }
    let mut edits = Edits::new(call.flags.goal()?);
    for argument in keys {
        let (key, value) = Key::parse_assignment(argument)?;
        let index = match value {
            Some(value) => index_of(&edits.package(context, &key.package)?.loaded, &key, value)?,
            None => None,
        };
        edits.apply(context, DeltaKind::Delete, &key, index)?;
    }
    edits.finish(context)
}

/// Deletes packages, as one transaction.
fn delete_packages(context: &mut Context, call: &Call<Flags>, packages: &[Vec<u8>]) -> Result<Exit, Failure> {
    let name = show(&packages[0]);
    if packages.len() < call.arguments.len() {
        return Err(Failure::Usage(format!(
            "'{name}' is a package: packages and keys are deleted separately"
        )));
    }
    if context.gathered.is_some() {
        let why = format!("{name}: the deletion of a whole package cannot be part of a batch");
        let hint = format!(
            "'cms delete --commit {name}' deletes it at once, also as a line of a batch with --no-transaction"
        );
        return Err(Failure::Hinted(Exit::Usage, why, hint));
    }
    for package in packages {
        context.store.packages().find(package)?;
    }
    if !call.flags.commit {
        let hint = format!("'cms delete --commit {name}' deletes it at once, and 'cms undo' brings it back");
        let why = format!("{name}: the deletion of a whole package cannot be staged");
        return Err(Failure::Hinted(Exit::Usage, why, hint));
    }
    let row =
        |package: &Vec<u8>| json!({"kind": "delete", "key": show(package), "value": null, "failure": null});
    let rows: Vec<_> = packages.iter().map(row).collect();
    if context.dry_run {
        return match context.json {
            true => context.put_rows(rows).map(|()| Exit::Ok),
            false => {
                packages.iter().try_for_each(|package| context.print_line(&format!("-{}", show(package))))?;
                Ok(Exit::Ok)
            }
        };
    }
    let revision = context.store.delete_together(packages)?;
    context.forget();
    for package in packages {
        let number = revision.map_or_else(String::new, |number| format!(" as revision {number}"));
        context.verbose(&format!("{}: deleted{number}", show(package)));
    }
    if context.json {
        context.put_json(&json!({"revision": revision, "changes": rows}))?;
    }
    Ok(Exit::Ok)
}

/// Returns the text behind the `=` of a key to delete, if the key is a list: it is the index of the item. For a string
/// or a section the text must be its value or type, or nothing is deleted.
fn index_of<'v>(loaded: &Loaded, key: &Key, value: &'v [u8]) -> Result<Option<&'v [u8]>, Failure> {
    let is = match find(&loaded.package, key) {
        Ok(Found::Option(_, option)) => match option.value() {
            Value::List(_) => return Ok(Some(value)),
            Value::String(string) => string,
        },
        Ok(Found::Section(section)) => section.section_type(),
        // The deletion fails then, and its error says why.
        Ok(Found::Package(_)) | Err(_) => return Ok(None),
    };
    if is == value {
        return Ok(None);
    }
    let why = format!("{}: it is '{}', not '{}'; nothing is deleted", key.text(), show(is), show(value));
    Err(Failure::Other(Exit::NotFound, why))
}
