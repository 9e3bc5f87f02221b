//! `cms changes`: lists what is staged.

use cms::DeltaKind;
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::spec::{Call, Command, Writes};
use crate::staged::{describe, is_of_another};

pub const COMMAND: Command = Command {
    name: "changes",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "list staged changes",
    flags: &[],
    writes: Writes::Nothing,
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
                all.push(json!({
                    "kind": kind_name(delta.kind), "key": show(&delta.key(&package)),
                    "value": delta.value.as_deref().map(json::text), "failure": change.failure,
                }));
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

fn kind_name(kind: DeltaKind) -> &'static str {
    match kind {
        DeltaKind::Set => "set",
        DeltaKind::Add => "add",
        DeltaKind::Delete => "delete",
        DeltaKind::Rename => "rename",
        DeltaKind::Reorder => "reorder",
        DeltaKind::AddList => "add_list",
        DeltaKind::DelList => "del_list",
    }
}
