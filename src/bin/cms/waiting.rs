//! The commit that waits to be confirmed, as text and as JSON.

use cms::PackageRollback;
use cms::clock::show_span;
use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::{CHANGE, RECORD};
use crate::records::{Users, change_json, change_line, record_json, record_title};
use crate::shape::Shape;

/// What [`pending_json`] returns.
pub const PENDING: Shape = Shape::named(
    "pending",
    "
    revision number the transaction that waits to be confirmed
    baseline number the transaction to which packages are rolled back if it is not confirmed
    seconds_left number how long it still waits",
);

/// What [`print_pending`] prints.
pub const WAITING: Shape = Shape::named(
    "waiting",
    "
    ... pending
    transactions [record] all that wait to be confirmed
    rolls_back [package_rollback] what is rolled back if they are not",
)
.using(&[&PENDING, &RECORD, &PACKAGE_ROLLBACK]);

/// The output of [`print_pending`] if nothing waits.
pub const NOT_WAITING: Shape = Shape::of(". null");

/// The changes that a rollback would make in a package.
const PACKAGE_ROLLBACK: Shape = Shape::named(
    "package_rollback",
    "
    package text its name
    deletes boolean whether it is deleted, as it did not exist before
    whole boolean whether all of it is rolled back, as it cannot be read now
    changes [change] what is rolled back, key by key",
)
.using(&[&CHANGE]);

pub fn pending_json(pending: cms::Pending) -> Json {
    json!({"revision": pending.sequence, "baseline": pending.baseline, "seconds_left": pending.left.as_secs_f64()})
}

/// Prints the commit that waits to be confirmed, with the changes that are rolled back unless it is.
pub fn print_pending(context: &mut Context) -> Result<Exit, Failure> {
    let Some(waiting) = context.store.confirmations().waiting()? else {
        match context.json {
            true => context.put_json(&Json::Null)?,
            false => context.note("no commit waits to be confirmed"),
        }
        return Ok(Exit::NotFound);
    };
    let (pending, users) = (waiting.pending, &mut Users::default());
    if context.json {
        let rollback = |one: &PackageRollback| {
            let changes = one.changes.iter().map(|change| change_json(&one.package, change));
            json!({"package": one.package, "deletes": one.deleted, "whole": one.whole, "changes": changes.collect::<Json>()})
        };
        let records = waiting.transactions.iter().map(|record| record_json(record, users)).collect::<Json>();
        context.put_json(&json!({
            "revision": pending.sequence, "baseline": pending.baseline,
            "seconds_left": pending.left.as_secs_f64(), "transactions": records,
            "rolls_back": waiting.rollbacks.iter().map(rollback).collect::<Json>(),
        }))?;
        return Ok(Exit::Ok);
    }
    context.print_line(&format!(
        "transaction {} is rolled back in {} unless it is confirmed",
        pending.sequence,
        show_span(pending.left)
    ))?;
    for record in &waiting.transactions {
        let title = record_title(record, users);
        context.print_line(&format!("  {title}"))?;
    }
    for one in &waiting.rollbacks {
        if one.deleted {
            context
                .print_line(&format!("    {}: it is deleted, since it did not exist before", one.package))?;
        }
        if one.whole {
            context.print_line(&format!(
                "    {}: it cannot be read now, so all of it is rolled back",
                one.package
            ))?;
        }
        for change in &one.changes {
            context.put_line(&[b"    ", &change_line(&one.package, change)[..]].concat())?;
        }
    }
    Ok(Exit::Ok)
}
