//! Measures `cms` and its peers, and prints the results: see `--help`.
//!
//! It is a harness of its own: contenders of one case take turns, and the median of their times counts.
//! Each group is a module; `report` prints tables and writes one JSON object per row.

mod beside;
mod commit;
mod contender;
mod data;
mod dataset;
mod environment;
mod events;
#[allow(unsafe_code, reason = "C is called: the library under test, and most peers")]
mod ffi;
mod instructions;
mod keysets;
mod large;
mod loaded;
mod lookup;
mod machine;
mod mapsize;
mod memory;
mod parse;
mod process;
mod publish;
mod report;
mod rivals;
mod rounds;
mod scaling;
mod size;
mod tables;
mod tmpfs_store;
mod writer;

use std::path::PathBuf;
use std::process::ExitCode;

use environment::Environment;
use report::Report;

/// Any error ends the run with a message, so errors need no types.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What `--help` prints.
const HELP: &str = "\
usage: cms-bench [--quick] [--jsonl FILE] [GROUP...]

GROUP is parse, process, memory, size, lookup, mapsize, scaling, publish, tables, instructions, commit, wear,
large, beside or events; without any, all of them run.

  --quick       few repetitions, nothing above 100 000 options: a smoke run
  --jsonl FILE  where the rows go as JSON objects (default: target/bench.jsonl of the repository)

environment:
  CMS_BIN         the cms binary to measure; without it the groups process, memory and size leave cms out
  CMS_BIN_SMALL   a second, smaller one
  CMS_LIB         the libcms.so to measure; without it the groups from lookup on are left out
  CMS_STOCK_UCI   an installed stock uci; without it one is compiled by stock-uci.sh
  CMS_BENCH_SLOW  set to 1 to run stock uci on the file of 1M options (minutes per run), the commit to a package of
                  1 GB, and the maps of texts above 64 MiB too
  TMPDIR          where the data is written; commit times are those of this file system
";

/// A group of cases.
type Group = fn(&Environment, &mut Report) -> Result<()>;

/// All groups, in the order they run.
const GROUPS: [(&str, Group); 15] = [
    ("parse", parse::run),
    ("process", process::run),
    ("memory", memory::run),
    ("size", size::run),
    ("lookup", lookup::run),
    ("mapsize", mapsize::run),
    ("scaling", scaling::run),
    ("publish", publish::run),
    ("tables", tables::run),
    ("instructions", instructions::run),
    ("commit", commit::run),
    ("wear", commit::wear),
    ("large", large::run),
    ("beside", beside::run),
    ("events", events::run),
];

/// The arguments of the command line.
struct Arguments {
    /// The groups to run.
    groups: Vec<(&'static str, Group)>,
    /// Where rows go.
    jsonl: PathBuf,
    /// Only a smoke run.
    quick: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let done = match words.split_first() {
        Some((word, rest)) if word == instructions::INTERNAL => instructions::work(rest),
        Some((word, rest)) if word == writer::INTERNAL => writer::write(rest),
        Some((word, rest)) if word == commit::INTERNAL => commit::crash(rest),
        Some((word, rest)) if word == events::INTERNAL => events::listen(rest),
        _ => arguments().and_then(|arguments| arguments.map_or(Ok(()), run)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cms-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line; `None` if it only asked for help.
fn arguments() -> Result<Option<Arguments>> {
    let jsonl = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench.jsonl");
    let mut arguments = Arguments { groups: Vec::new(), jsonl, quick: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(None);
            }
            lexopt::Arg::Long("quick") => arguments.quick = true,
            lexopt::Arg::Long("jsonl") => arguments.jsonl = parser.value()?.into(),
            lexopt::Arg::Value(name) => {
                let found = GROUPS.iter().find(|(group, _)| name == *group);
                arguments
                    .groups
                    .push(*found.ok_or_else(|| format!("no such group: {}", name.to_string_lossy()))?);
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    if arguments.groups.is_empty() {
        arguments.groups = GROUPS.to_vec();
    }
    Ok(Some(arguments))
}

/// Runs the selected groups.
fn run(arguments: Arguments) -> Result<()> {
    let environment = Environment::set(arguments.quick)?;
    machine::print(environment.dir());
    let mut report = Report::create(&arguments.jsonl)?;
    for (name, group) in arguments.groups {
        report.begin(name);
        group(&environment, &mut report)?;
    }
    println!("\nrows written to {}", arguments.jsonl.display());
    Ok(())
}
