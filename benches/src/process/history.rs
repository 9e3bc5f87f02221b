//! Measures how long `cms history` takes with a long log.

use std::fmt::Write as _;
use std::fs;

use super::{Tree, within};
use crate::Result;
use crate::environment::Environment;
use crate::report::Report;

/// How many transactions the log has.
const TRANSACTIONS: usize = 10_000;

/// The most it may take, in milliseconds.
const GOAL: f64 = 200.0;

/// The settings of the store: a log that keeps all transactions, and commits that need not last.
const POLICY: &str = "config store 'store'\n\toption log_size '64M'\n\toption durability 'none'\n";

/// Measures `cms history --oneline` of 10 000 transactions.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some((_, cms)) = environment.cms.first() else {
        report.note("history left out: it needs cms");
        return Ok(());
    };
    let tree = Tree::create(environment.dir(), b"config host 'host'\n\toption number '0'\n")?;
    fs::write(tree.package().with_file_name("cms"), POLICY)?;
    let lines = tree.package().with_file_name(".lines");
    let mut text = String::new();
    for number in 1..=TRANSACTIONS {
        writeln!(text, "set --commit bench.host.number={number}")?;
    }
    fs::write(&lines, text)?;
    tree.line(cms, &[], &["batch", "--no-transaction", &lines.to_string_lossy()]).output()?;
    let line = tree.line(cms, &[], &["history", "--oneline"]);
    let count = line.output()?.split(|byte| *byte == b'\n').count();
    if count < TRANSACTIONS {
        return Err(format!("the history has {count} lines of {TRANSACTIONS}").into());
    }
    within(environment, report, "history --oneline, 10 k transactions", &line, GOAL)
}
