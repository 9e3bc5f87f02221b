//! `cms changes`: lists staged changes.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};
use crate::staged::{STAGED, describe, is_of_another, staged_json};

pub const COMMAND: Command = Command {
    name: "changes",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "list staged changes",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::rows(&STAGED)],
    run,
};

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    for package in context.packages_and_new(&call.arguments)? {
        let loaded = match context.load_now(&package) {
            Ok(loaded) => loaded,
            Err(error) => {
                context.report(&error.into())?;
                continue;
            }
        };
        if loaded.changes.is_empty() {
            is_of_another(context, &loaded.place, "is not shown")?;
        }
        for change in loaded.changes {
            let delta = &change.delta;
            if context.json {
                all.push(staged_json(&package, delta, change.failure.as_deref()));
                continue;
            }
            let mark = if change.failure.is_some() { "! " } else { "" };
            context.put_line(&[mark.as_bytes(), &describe(&package, delta)].concat())?;
            if let Some(why) = change.failure {
                context.note(&format!("cannot be applied: {why}"));
            }
        }
    }
    if context.json {
        context.put_rows(all)?;
    }
    Ok(Exit::Ok)
}
