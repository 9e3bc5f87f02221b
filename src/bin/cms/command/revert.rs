//! `cms revert`: drops staged changes.

use cms::{Key, Selector};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};
use crate::staged::{is_of_another, place_of_staged};

pub const COMMAND: Command = Command {
    name: "revert",
    aliases: &[],
    arguments: "[KEY...]",
    summary: "drop staged changes",
    flags: &[],
    writes: Writes::Alone,
    json: &[Output::rows(&KEY)],
    run,
};

/// The changes that are dropped.
const KEY: Shape = Shape::of(
    "
    key text the package, section or option
    dropped number|null how many staged changes were dropped; null with --dry-run",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let keys = match call.arguments.is_empty() {
        true => context.packages_and_new(&[])?,
        false => call.arguments.clone(),
    };
    let mut rows = Vec::new();
    for argument in keys {
        let mut key = Key::parse(&argument)?;
        let place = place_of_staged(context, &key.package)?;
        if call.arguments.is_empty() && is_of_another(context, &place, "stays staged")? {
            continue;
        }
        // A text with errors does not keep its changes from being dropped.
        match context.load(&key.package) {
            Ok(loaded) => key = loaded.package.settle(key)?,
            Err(_) => key.check_plain()?,
        }
        let section = match &key.section {
            None => None,
            Some(Selector::Name(name)) => Some(name.clone()),
            Some(selector) => {
                let loaded = context.load(&key.package)?;
                let section = loaded.package.select(selector)?;
                let missing = || cms::Error::NotFound { key: key.text() };
                Some(section.ok_or_else(missing)?.name().to_vec())
            }
        };
        if context.dry_run {
            match context.json {
                true => rows.push(json!({"key": key.text(), "dropped": null})),
                false => context.print_line(&format!("revert {}", key.text()))?,
            }
            continue;
        }
        let dropped = context.store.staging().revert(&place, section.as_deref(), key.option.as_deref())?;
        context.forget();
        rows.push(json!({"key": key.text(), "dropped": dropped}));
        context.verbose(&format!("{}: {dropped} staged changes dropped", key.text()));
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(Exit::Ok)
}
