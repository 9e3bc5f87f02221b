//! `cms rebuild`: writes maps again, from the text.

use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "rebuild",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "rebuild the maps from the text: all, or those of the packages named",
    flags: &[],
    writes: Writes::Alone,
    json: &[Output::rows(&PACKAGE)],
    run,
};

/// A package whose map was rebuilt, or would be with `--dry-run`.
const PACKAGE: Shape = Shape::of(
    "
    package text its name",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for name in context.packages(&call.arguments)? {
        let row = json!({"package": show(&name)});
        if context.dry_run {
            if !context.json {
                context.print_line(&format!("would rebuild the map of {}", show(&name)))?;
            }
            rows.push(row);
            continue;
        }
        match context.store.maps().rebuild(&name) {
            Ok(()) => {
                context.verbose(&format!("{}: the map is rebuilt", show(&name)));
                rows.push(row);
            }
            Err(error) => context.report(&error.into())?,
        }
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(Exit::Ok)
}
