//! Group `memory`: the peak of resident memory of `get`, as reported by the kernel for the process.

use std::path::Path;

use crate::Result;
use crate::data::{self, Shape};
use crate::environment::{Environment, human};
use crate::process::{Line, Tool, Tree};
use crate::report::{Figure, Report, Unit};

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some(peak) = &environment.rivals.peak else {
        report.note("left out: needs a C compiler and a static libc");
        return Ok(());
    };
    let router = get(environment, report, peak, &data::router(), (120, "bench.lan3.ipaddr"))?;
    report.case("get, 20 sections", Unit::Kibibytes, &router)?;
    for count in environment.counts() {
        let text = data::text(Shape::Sections, *count);
        let figures = get(environment, report, peak, &text, (*count, "bench.host7.opt3"))?;
        report.case(&format!("get, {} options", human(*count)), Unit::Kibibytes, &figures)?;
    }
    Ok(())
}

/// Measures every tool, and programs that do nothing, on a text with `count` options and a key in it.
fn get(
    environment: &Environment,
    report: &Report,
    peak: &Path,
    text: &[u8],
    key: (usize, &str),
) -> Result<Vec<Figure>> {
    let tree = Tree::create(environment.dir(), text)?;
    let line = |tool: &Tool| (tool.name.clone(), tool.line(&tree, &["get", key.1]));
    let mut lines: Vec<(String, Line)> = Tool::all(environment, key.0).iter().map(line).collect();
    let idle = environment.rivals.empty.iter();
    lines.extend(idle.map(|(name, path)| ((*name).to_owned(), tree.line(path, &[], &[]))));
    let mut figures = Vec::new();
    for (name, line) in lines {
        match measure(peak, line) {
            Ok(kibibytes) => figures.push(Figure::exact(&name, kibibytes)),
            Err(error) => report.note(&format!("{name} left out: {error}")),
        }
    }
    Ok(figures)
}

/// Runs a command under `peak` and returns KiB.
pub fn measure(peak: &Path, mut line: Line) -> Result<f64> {
    let program = std::mem::replace(&mut line.program, peak.to_path_buf());
    line.arguments.insert(0, program.to_string_lossy().into_owned());
    Ok(std::str::from_utf8(&line.output()?)?.trim().parse()?)
}
