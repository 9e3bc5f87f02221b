//! `memory`, `check-map`, `rebuild`.

use cms::MapReport;
use serde_json::json;

use super::context::{Context, show};
use super::failure::{Exit, Failure};
use super::line::Line;

/// Returns the reports of the packages named, or of all that have a map.
fn reports(context: &Context, line: &Line, verify: bool) -> Result<Vec<MapReport>, Failure> {
    let all = context.store.maps(verify);
    if line.arguments.is_empty() {
        return Ok(all);
    }
    let mut named = Vec::new();
    for name in context.packages(&line.arguments)? {
        let place = context.store.place(&name)?;
        let report = all.iter().find(|report| report.package == place.name).cloned();
        named.push(report.ok_or_else(|| {
            let why = "it has no map; one is made when a program reads it, or by 'cms rebuild'";
            Failure::Other(Exit::NotFound, format!("{}: {why}", show(&name)))
        })?);
    }
    Ok(named)
}

pub fn memory(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let reports = reports(context, line, false)?;
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
    context.say(&format!("{:width$} {:>12} {:>12} {:>12}", "package", "bytes", "live", "dead"))?;
    let mut total = [0; 3];
    for report in &reports {
        let numbers = [report.usage.capacity, report.usage.live, report.usage.dead];
        total.iter_mut().zip(numbers).for_each(|(total, number)| *total += number);
        let [capacity, live, dead] = numbers;
        context.say(&format!("{:width$} {capacity:>12} {live:>12} {dead:>12}", report.package))?;
    }
    let [capacity, live, dead] = total;
    context.say(&format!("{:width$} {capacity:>12} {live:>12} {dead:>12}", "total"))?;
    Ok(Exit::Ok)
}

pub fn check_map(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let reports = reports(context, line, true)?;
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
            Some(damage) => context.say(&format!("{} {state}: {damage}", report.package))?,
            None => context.say(&format!("{} {state}", report.package))?,
        }
    }
    if context.json {
        context.put_rows(rows)?;
    } else if reports.is_empty() {
        context.note("no package has a map");
    }
    Ok(exit)
}

pub fn rebuild(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    for name in context.packages(&line.arguments)? {
        if context.dry_run {
            context.say(&format!("would make the map of {} anew", show(&name)))?;
            continue;
        }
        match context.store.rebuild(&name) {
            Ok(()) => context.verbose(&format!("{}: the map is new", show(&name))),
            Err(error) => context.report(&error.into())?,
        }
    }
    Ok(Exit::Ok)
}
