//! `cms incr`: adds to a whole number.

use cms::{DeltaKind, Error, Key, Selector, ValueType};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::edits::{Edits, Goal};
use crate::failure::Exit;
use crate::failure::Failure;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};
use crate::typed::repeat;

pub const COMMAND: Command = Command {
    name: "incr",
    aliases: &["increment"],
    arguments: "KEY [BY]",
    summary: "add 1, or BY, to a whole number, commit that and print the sum",
    flags: &[],
    writes: Writes::Alone,
    json: &[Output::one(&SUM)],
    run,
};

/// What was added up.
const SUM: Shape = Shape::of(
    "
    value number the sum
    revision number|null the transaction; null with --dry-run",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let (key, by) = match call.expect(1, 2)? {
        [key, by] => {
            let number = show(by).parse::<i64>();
            (key, number.map_err(|_| Failure::Usage(format!("'{}' is no whole number", show(by))))?)
        }
        [key, ..] => (key, 1),
        [] => return Ok(Exit::Usage),
    };
    let key = Key::parse(key)?;
    let (sum, revision) = match context.dry_run {
        true => (add(context, &mut Edits::new(Goal::Commit), &key, by)?, None),
        false => {
            let (sum, revision) = repeat(context, |txn| txn.add_int(key.text().as_bytes(), by))?;
            (sum, Some(revision))
        }
    };
    match context.json {
        true => context.put_json(&json!({"value": sum, "revision": revision}))?,
        false => context.print_line(&sum.to_string())?,
    }
    Ok(Exit::Ok)
}

/// Makes the addition, and returns the sum.
fn add(context: &mut Context, edits: &mut Edits, key: &Key, by: i64) -> Result<i64, Failure> {
    let option = key.option.as_deref();
    let option = option.ok_or_else(|| Failure::Usage(format!("'{}' names no option", key.text())))?;
    let package = &edits.package(context, &key.package)?.loaded.package;
    let section = match &key.section {
        Some(selector) => package.select(selector)?.map(|section| section.name().to_vec()),
        None => None,
    };
    let section = match (section, &key.section) {
        (Some(section), _) => section,
        // `apply` says what is missing.
        (None, Some(Selector::Name(name))) => name.clone(),
        (None, _) => return Err(Error::NotFound { key: key.text() }.into()),
    };
    let sum = package.sum(&section, option, by)?;
    let text = sum.to_string();
    edits.apply_typed(context, DeltaKind::Set, key, (Some(text.as_bytes()), Some(ValueType::Int)))?;
    Ok(sum)
}
