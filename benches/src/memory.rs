//! Group `memory`: the peak of resident memory of whole processes.

use std::path::Path;

use crate::Result;
use crate::data::{self, Shape};
use crate::process::{Line, Tool, Tree};
use crate::report::{Figure, Report, Unit};
use crate::stage::{Stage, human};

/// Runs the group.
pub fn run(stage: &Stage, report: &mut Report) -> Result<()> {
    let Some(peak) = &stage.rivals.peak else {
        report.note("left out: needs a C compiler and a static libc");
        return Ok(());
    };
    get(stage, report, peak, "20 sections", &data::router(), (120, "bench.lan3.ipaddr"))?;
    for count in stage.counts() {
        let name = format!("{} options", human(*count));
        get(stage, report, peak, &name, &data::text(Shape::Sections, *count), (*count, "bench.host7.opt3"))?;
    }
    Ok(())
}

fn get(
    stage: &Stage,
    report: &mut Report,
    peak: &Path,
    name: &str,
    text: &[u8],
    key: (usize, &str),
) -> Result<()> {
    let tree = Tree::plant(stage.dir(), text)?;
    let mut lines: Vec<(String, Line)> = Tool::all(stage, key.0)
        .iter()
        .map(|tool| (tool.name.clone(), tool.line(&tree, &["get", key.1])))
        .collect();
    for (name, path) in &stage.rivals.empty {
        lines.push(((*name).to_owned(), Line { arguments: Vec::new(), ..tree.uci(path, &[], &[]) }));
    }
    let mut figures = Vec::new();
    for (name, line) in lines {
        match measure(peak, line) {
            Ok(kibibytes) => figures.push(Figure::exact(&name, kibibytes)),
            Err(error) => report.note(&format!("{name} left out: {error}")),
        }
    }
    report.case(&format!("get, {name}"), Unit::Kibibytes, &figures)
}

fn measure(peak: &Path, mut line: Line) -> Result<f64> {
    let program = std::mem::replace(&mut line.program, peak.to_path_buf());
    line.arguments.insert(0, program.to_string_lossy().into_owned());
    Ok(std::str::from_utf8(&line.output()?)?.trim().parse()?)
}
