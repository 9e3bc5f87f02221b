//! Measures cms beside its peers: `cargo run --release -- [--quick] [parse] [process] [size]`.
//!
//! Method: peers and cms alternate within one run; each figure is the median of its repetitions. Absolute
//! times drift from run to run on shared machines, so compare ratios.

mod data;
mod parse;
mod process;
mod report;

use report::Report;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    let groups: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let wanted = |group: &str| groups.is_empty() || groups.contains(&group);
    let scratch = tempfile::tempdir()?;
    let mut report = Report::default();
    report::print_machine();
    if wanted("parse") {
        parse::run(&mut report, quick)?;
    }
    if wanted("process") {
        process::run(&mut report, scratch.path(), quick)?;
    }
    if wanted("size") {
        process::sizes(&mut report, scratch.path())?;
    }
    report.write(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench.jsonl"))?;
    Ok(())
}
