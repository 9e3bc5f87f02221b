//! Group `process`: `get`, `show`, `set` and `commit` beside stock uci and programs that do nothing.
//!
//! Each tool runs once before it is measured: a tool that fails is left out with a message; a tool whose output
//! differs from that of its peers, or that does not commit, ends the run.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Line, Tool, Tree, spawn};
use crate::Result;
use crate::contender::{Contender, race};
use crate::data::{self, Shape};
use crate::environment::{Environment, human};
use crate::report::{Figure, Report, Unit};

/// A package to work on.
struct Subject {
    /// Its name in cases.
    name: String,
    /// Its text.
    text: Vec<u8>,
    /// Its number of options.
    options: usize,
    /// One of its keys.
    key: &'static str,
    /// The repetitions of cases that take milliseconds, and of cases that sync files.
    repetitions: (usize, usize),
}

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    if environment.cms.is_empty() {
        report.note("CMS_BIN is not set: cms is left out");
    }
    let biggest = *environment.counts().last().expect("there are sizes");
    let router = Subject {
        name: "20 sections".into(),
        text: data::router(),
        options: 120,
        key: "bench.lan3.ipaddr",
        repetitions: (environment.repetitions(501), environment.repetitions(101)),
    };
    let big = Subject {
        name: format!("{} options", human(biggest)),
        text: data::text(Shape::Sections, biggest),
        options: biggest,
        key: "bench.host7.opt3",
        repetitions: (environment.repetitions(15), environment.repetitions(15)),
    };
    for subject in [&router, &big] {
        reading(environment, report, subject, &["get", subject.key], &environment.rivals.empty)?;
        reading(environment, report, subject, &["show", "bench"], &[])?;
        set_and_commit(environment, report, subject)?;
    }
    commit_a_megabyte(environment, report)?;
    apply_one_difference(environment, report)?;
    super::completion::run(environment, report)?;
    super::history::run(environment, report)?;
    super::nothing::run(environment, report)
}

/// Reports the times of the contenders, in milliseconds.
fn measure(report: &mut Report, case: &str, mut contenders: Vec<Contender<'_>>, count: usize) -> Result<()> {
    let spreads = race(&mut contenders, count)?;
    let rows = contenders.iter().zip(&spreads);
    let figures: Vec<Figure> =
        rows.map(|(row, spread)| Figure::of(&row.name, spread, |seconds| seconds * 1000.0)).collect();
    report.case(case, Unit::Milliseconds, &figures)
}

/// Keeps the tools that can run `words`.
fn able(
    environment: &Environment,
    report: &Report,
    subject: &Subject,
    tree: &Tree,
    words: &[&str],
) -> Result<Vec<Tool>> {
    let mut expected = None;
    let mut tools = Vec::new();
    for tool in Tool::all(environment, subject.options).into_iter().rev() {
        match tool.line(tree, words).output() {
            Err(error) => report.note(&format!("{} {words:?} left out: {error}", tool.name)),
            Ok(output) if *expected.get_or_insert_with(|| output.clone()) != output => {
                return Err(format!("{} {words:?} prints something else than its peers", tool.name).into());
            }
            Ok(_) => tools.push(tool),
        }
    }
    tools.reverse();
    Ok(tools)
}

/// Measures a command that only reads, perhaps together with programs that do nothing.
fn reading(
    environment: &Environment,
    report: &mut Report,
    subject: &Subject,
    words: &[&str],
    idle: &[(&str, std::path::PathBuf)],
) -> Result<()> {
    let tree = Tree::create(environment.dir(), &subject.text)?;
    let tools = able(environment, report, subject, &tree, words)?;
    let mut lines: Vec<(String, Line)> =
        tools.iter().map(|tool| (tool.name.clone(), tool.line(&tree, words))).collect();
    lines.extend(idle.iter().map(|(name, path)| ((*name).to_owned(), tree.line(path, &[], &[]))));
    let contenders = lines.iter().map(|(name, line)| Contender::timed(name, || spawn(line))).collect();
    measure(report, &format!("{}, {}", words[0], subject.name), contenders, subject.repetitions.0)
}

/// Makes a tree for each tool that can set and commit.
fn committers(environment: &Environment, report: &Report, subject: &Subject) -> Result<Vec<(Tool, Tree)>> {
    let mut able = Vec::new();
    for tool in Tool::all(environment, subject.options) {
        let tree = Tree::create(environment.dir(), &subject.text)?;
        let set = tool.line(&tree, &["set", &format!("{}=tried", subject.key)]).output();
        let tried = set.and_then(|_| tool.line(&tree, &["commit", "bench"]).output());
        match tried {
            Err(error) => report.note(&format!("{} set, commit left out: {error}", tool.name)),
            Ok(_) if memchr::memmem::find(&fs::read(tree.package())?, b"'tried'").is_none() => {
                return Err(format!("{} did not commit", tool.name).into());
            }
            Ok(_) => able.push((tool, tree)),
        }
    }
    Ok(able)
}

/// Measures two processes: one stages a change, the next commits it.
fn set_and_commit(environment: &Environment, report: &mut Report, subject: &Subject) -> Result<()> {
    let committers = committers(environment, report, subject)?;
    let mut contenders = Vec::new();
    for (tool, tree) in &committers {
        let mut turn = 0_u64;
        contenders.push(Contender::timed(&tool.name, move || {
            turn += 1;
            let set = spawn(&tool.line(tree, &["set", &format!("{}=value{turn}", subject.key)]))?;
            Ok(set + spawn(&tool.line(tree, &["commit", "bench"]))?)
        }));
    }
    measure(report, &format!("set + commit, {}", subject.name), contenders, subject.repetitions.1)
}

/// Measures the commit of one staged change in a package of 1 MB, compared with the system calls that it needs at
/// least.
fn commit_a_megabyte(environment: &Environment, report: &mut Report) -> Result<()> {
    let text = data::text(Shape::Sections, 25_000);
    let key = "bench.host7.opt3";
    let repetitions = (0, environment.repetitions(51));
    let subject = Subject { name: "1 MB".into(), text, options: 25_000, key, repetitions };
    let bare = Tree::create(environment.dir(), &subject.text)?;
    let committers = committers(environment, report, &subject)?;
    let mut contenders = Vec::new();
    for (tool, tree) in &committers {
        let mut turn = 0_u64;
        contenders.push(Contender::timed(&tool.name, move || {
            turn += 1;
            spawn(&tool.line(tree, &["set", &format!("{key}=value{turn}")]))?;
            spawn(&tool.line(tree, &["commit", "bench"]))
        }));
    }
    let least = || Ok(replace(&bare.package(), &subject.text)?);
    contenders.push(Contender::timed("write, fsync, rename", least));
    measure(report, "commit, 1 MB", contenders, subject.repetitions.1)
}

/// How many sections the package has that `cms apply` changes one line of.
const APPLIED: usize = 10_000;

/// Measures `cms apply` of a wanted state that differs from a large package in one value, by turns between two states. The
/// sections have no names, so that they are matched by their content.
fn apply_one_difference(environment: &Environment, report: &mut Report) -> Result<()> {
    let text = data::text(Shape::Anonymous, APPLIED * 10);
    let at = text.len() / 2 + memchr::memmem::find(&text[text.len() / 2..], b"'value-").expect("a value");
    let other = [&text[..at], &b"'other-"[..], &text[at + 7..]].concat();
    let header = b"package bench\n";
    let mut trees = Vec::new();
    for (name, path) in &environment.cms {
        let tree = Tree::create(environment.dir(), &text)?;
        let files = [("other", &other), ("same", &text)].map(|(name, text)| {
            let file = tree.package().with_file_name(format!("{name}.wanted"));
            fs::write(&file, [&header[..], text].concat()).map(|()| file)
        });
        let [other_file, same_file] = files;
        let lines =
            [other_file?, same_file?].map(|file| tree.line(path, &[], &["apply", &file.to_string_lossy()]));
        lines[0].output()?;
        if fs::read(tree.package())? != other {
            return Err(format!("{name} apply did not change just the line that differs").into());
        }
        trees.push((name.to_string(), lines, tree));
    }
    let mut contenders = Vec::new();
    for (name, lines, _) in &trees {
        let mut turn = 0;
        contenders.push(Contender::timed(name, move || {
            turn += 1;
            spawn(&lines[turn % 2])
        }));
    }
    measure(report, "apply, 10 k sections, one differs", contenders, environment.repetitions(31))
}

/// Replaces a file safely, syncs its directory, and does nothing else.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<Duration> {
    let temporary = path.with_extension("new");
    let dir = path.parent().unwrap_or(Path::new("."));
    let start = Instant::now();
    let mut file = fs::File::create(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(start.elapsed())
}
