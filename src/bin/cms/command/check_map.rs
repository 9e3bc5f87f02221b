//! `cms check-map`: verifies every byte of the maps.

use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::map_reports::reports;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "check-map",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "verify every byte of the maps; exit status 3 if one is damaged",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::rows(&MAP)],
    run,
};

/// A map.
const MAP: Shape = Shape::of(
    "
    package text the package
    path text the file
    state text good, outdated or damaged
    damage text|null what is damaged",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let reports = reports(context, &call.arguments, true)?;
    let mut exit = Exit::Ok;
    let mut rows = Vec::new();
    for report in &reports {
        let state = match (&report.damage, report.is_current) {
            (Some(_), _) => "damaged",
            (None, true) => "good",
            (None, false) => "outdated",
        };
        if report.damage.is_some() {
            exit = Exit::Invalid;
        }
        if context.json {
            rows.push(json!({"package": report.package, "path": report.path, "state": state,
                "damage": report.damage}));
            continue;
        }
        match &report.damage {
            Some(damage) => context.print_line(&format!("{} {state}: {damage}", report.package))?,
            None => context.print_line(&format!("{} {state}", report.package))?,
        }
    }
    if context.json {
        context.put_rows(rows)?;
    } else if reports.is_empty() {
        context.note("no package has a map");
    }
    Ok(exit)
}
