//! Measures how long the completion of a key takes in a package of 100 000 options.

use super::{Line, Tree, within};
use crate::Result;
use crate::data::{self, Shape};
use crate::environment::Environment;
use crate::report::Report;

/// How many options the package has.
const OPTIONS: usize = 100_000;

/// The most it may take, in milliseconds.
const GOAL: f64 = 20.0;

/// Measures the completion of a section and of an option.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some((_, cms)) = environment.cms.first() else {
        report.note("completion left out: it needs cms");
        return Ok(());
    };
    let tree = Tree::create(environment.dir(), &data::text(Shape::Sections, OPTIONS))?;
    for (name, typed, expected) in
        [("a section", "bench.host", "bench.host7."), ("an option", "bench.host7.", "bench.host7.opt3 ")]
    {
        let line: Line = tree.line(cms, &["__complete"], &["get", typed]);
        let output = String::from_utf8_lossy(&line.output()?).into_owned();
        if !output.lines().any(|line| line == expected) {
            return Err(format!("the completion of '{typed}' has no '{expected}'").into());
        }
        within(environment, report, &format!("completion of {name}, 100k options"), &line, GOAL)?;
    }
    Ok(())
}
