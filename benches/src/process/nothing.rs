//! `uci commit` of many packages with nothing staged, as scripts and daemons do it again and again, beside stock uci.

use super::{Line, Tool, Tree, spawn};
use crate::Result;
use crate::data;
use crate::environment::Environment;
use crate::report::{Bound, Report, Unit};
use crate::rounds::{Entrant, Rounds};

/// How many packages a router with everything installed has.
const PACKAGES: usize = 184;

/// The names in tables.
const STOCK: &str = "stock uci";
/// As above.
const LOGGED: &str = "cms uci, with a log";
/// As above.
const UNLOGGED: &str = "cms uci, no log yet";

/// Measures `uci commit`. Does nothing if cms or stock uci is missing.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let (Some((_, cms)), Some(stock)) = (environment.cms.first(), &environment.rivals.stock) else {
        report.note("commit of nothing left out: it needs both cms and stock uci");
        return Ok(());
    };
    let tool =
        |path: &std::path::Path, before| Tool { name: String::new(), path: path.to_path_buf(), before };
    let mut lines: Vec<(&'static str, Line)> = Vec::new();
    let mut trees = Vec::new();
    for name in [LOGGED, UNLOGGED, STOCK] {
        let tree = Tree::create(environment.dir(), &data::router())?;
        for number in 1..PACKAGES {
            std::fs::copy(tree.package(), tree.package().with_file_name(format!("bench{number}")))?;
        }
        let tool = if name == STOCK { tool(stock, &[]) } else { tool(cms, &["uci"]) };
        if name == LOGGED {
            tool.line(&tree, &["set", "bench.lan3.ipaddr=10.0.0.1"]).output()?;
            tool.line(&tree, &["commit"]).output()?;
        }
        lines.push((name, tool.line(&tree, &["commit"])));
        trees.push(tree);
    }
    let once = |line: &Line| spawn(line).map(|time| time.as_secs_f64() * 1000.0);
    let entrants: Vec<Entrant<'_>> =
        lines.iter().map(|(name, line)| (*name, Box::new(|| once(line)) as Box<dyn Fn() -> _>)).collect();
    let rounds = Rounds::run(&entrants, environment.repetitions(101))?;
    let case = format!("commit of nothing, {PACKAGES} packages");
    report.case(&case, Unit::Milliseconds, &rounds.figures(STOCK))?;
    for name in [LOGGED, UNLOGGED] {
        let ratio = rounds.ratio(name, STOCK).ok_or("both took part")?;
        report.goal(&format!("{case}: {name}, to stock uci"), ratio.median, Bound::AtMost(2.0))?;
    }
    Ok(())
}
