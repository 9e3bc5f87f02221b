//! Group `wear`: the bytes written for each committed byte, which wear out flash.

use std::fs;
use std::path::Path;

use cms::Durability;

use super::bulk::counted;
use super::engines::{Cms, Engine};
use super::{options, package};
use crate::Result;
use crate::environment::Environment;
use crate::parse::float;
use crate::report::{Figure, Report, Unit};

/// Runs the group. `TMPDIR` must be on a disk, or no page is counted.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    [10, 200, 10_000].into_iter().try_for_each(|count| wear(report, environment.dir(), count))
}

/// Returns the bytes that this process has passed to write calls, and those that the system counts as written to
/// disks. Pages of files that were deleted before they reached the disk are taken off.
fn written() -> Result<(usize, usize)> {
    Ok((counted("wchar:")?, counted("write_bytes:")?.saturating_sub(counted("cancelled_write_bytes:")?)))
}

/// Reports how much is written for one key, the rotation of the log included.
fn wear(report: &mut Report, dir: &Path, count: usize) -> Result<()> {
    const COMMITS: usize = 2000;
    let keys = package(count);
    let cms = Cms::create(dir, keys, Durability::Full)?;
    let value = |number: usize| format!("committed-value-{number:06}");
    // From here on the length of the text is constant.
    cms.put_all(&mut (0..count).map(|number| (keys.key(number), value(number))))?;
    let text = usize::try_from(fs::metadata(cms.disk.path("config").join("network"))?.len())?;
    let before = written()?;
    for number in 0..COMMITS {
        cms.put(0, &keys.key(number * 37 % count), &value(number))?;
    }
    let after = written()?;
    let committed = keys.key(0).len() + value(0).len();
    let calls = float(after.0 - before.0) / float(COMMITS);
    let text = float(text);
    // A commit writes its text into the file that it replaces, too: a stock uci that has that file open waits to read it.
    let rest = calls - 2.0 * text;
    let figures = [
        Figure::exact("key and value", float(committed)),
        Figure::exact("text", text),
        Figure::exact("text, into the replaced file", text),
        Figure::exact("log, locks, map", rest),
        Figure::exact("pages to the disk", float(after.1 - before.1) / float(COMMITS)),
    ];
    let case = options("written for a commit,", count);
    report.case(&case, Unit::Bytes, &figures)?;
    let per_byte = |bytes: f64| bytes / float(committed);
    let figures = [
        Figure::exact("text", per_byte(text)),
        Figure::exact("log, locks, map", per_byte(rest)),
        Figure::exact("pages to the disk", per_byte(figures[4].value)),
    ];
    report.case(&options("written per committed byte,", count), Unit::Times, &figures)
}
