//! `cms memory`: how much memory maps take.

use cms::MapReport;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::map_reports::reports;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "memory",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "show how much memory the maps take, from which programs read",
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
    capacity number its size in bytes
    live number bytes that are in use
    dead number bytes that a rebuild would free
    current boolean whether it shows the package as it is now",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let reports = reports(context, &call.arguments, false)?;
    if context.json {
        let row = |report: &MapReport| {
            json!({"package": report.package, "path": report.path, "capacity": report.usage.capacity,
                "live": report.usage.live, "dead": report.usage.dead, "current": report.is_current})
        };
        context.put_rows(reports.iter().map(row).collect())?;
        return Ok(Exit::Ok);
    }
    if reports.is_empty() {
        context.note("no package has a map; one is made when a program reads the package");
        return Ok(Exit::Ok);
    }
    let width = reports.iter().map(|report| report.package.len()).max().unwrap_or(0).max("package".len());
    context.print_line(&format!("{:width$} {:>12} {:>12} {:>12}", "package", "bytes", "live", "dead"))?;
    let mut total = [0; 3];
    for report in &reports {
        let numbers = [report.usage.capacity, report.usage.live, report.usage.dead];
        total.iter_mut().zip(numbers).for_each(|(total, number)| *total += number);
        let [capacity, live, dead] = numbers;
        context.print_line(&format!("{:width$} {capacity:>12} {live:>12} {dead:>12}", report.package))?;
    }
    let [capacity, live, dead] = total;
    context.print_line(&format!("{:width$} {capacity:>12} {live:>12} {dead:>12}", "total"))?;
    let own = cms::map::hot_memory(capacity);
    context.note(&format!(
        "each program that reads all of them takes up to {own} bytes more, for the keys it reads most"
    ));
    Ok(Exit::Ok)
}
