//! Whole processes, from fork to reaped, as in a script that calls them: the tools, texts and figures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::environment::Environment;
use crate::report::{Bound, Report, Unit};
use crate::rounds::{Entrant, Rounds};

mod cases;
mod completion;
mod history;
mod nothing;

pub use cases::run;

/// A configuration directory with the package `bench`, a save, a state and a run directory. Removed when dropped.
pub struct Tree {
    /// The parent directory of the four.
    dir: tempfile::TempDir,
}

impl Tree {
    /// Writes `text` as the package.
    pub fn create(under: &Path, text: &[u8]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tree-").tempdir_in(under)?;
        for name in ["config", "save", "state", "run"] {
            fs::create_dir(dir.path().join(name))?;
        }
        let tree = Self { dir };
        fs::write(tree.package(), text)?;
        Ok(tree)
    }

    /// The file of the package.
    pub fn package(&self) -> PathBuf {
        self.dir.path().join("config/bench")
    }

    /// Makes a command line of `program`: the words before the directories, and those after them.
    pub fn line(&self, program: &Path, before: &[&str], after: &[&str]) -> Line {
        let path = |name: &str| self.dir.path().join(name).to_string_lossy().into_owned();
        let dirs = ["-c".to_owned(), path("config"), "-t".to_owned(), path("save")];
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let arguments = [owned(before), dirs.to_vec(), owned(after)].concat();
        Line { program: program.to_path_buf(), arguments, run_dir: path("run"), state_dir: path("state") }
    }
}

/// A command line to be run again and again.
pub struct Line {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The run directory of cms.
    run_dir: String,
    /// The state directory of cms.
    state_dir: String,
}

impl Line {
    /// Makes the command, without its files.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().stdin(Stdio::null());
        command.env("CMS_RUN_DIR", &self.run_dir).env("CMS_STATE_DIR", &self.state_dir);
        command
    }

    /// Runs it and returns its output.
    pub fn output(&self) -> Result<Vec<u8>> {
        let output = self.command().output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()).into())
    }
}

/// Runs a command with its output thrown away and returns how long it took.
pub fn spawn(line: &Line) -> Result<Duration> {
    let mut command = line.command();
    command.stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    let time = start.elapsed();
    if status.success() { Ok(time) } else { Err(format!("{:?}: {status}", line.arguments).into()) }
}

/// Measures a command line of cms, and whether it takes at most `goal` milliseconds.
fn within(environment: &Environment, report: &mut Report, case: &str, line: &Line, goal: f64) -> Result<()> {
    let once = || spawn(line).map(|time| time.as_secs_f64() * 1000.0);
    let entrants: Vec<Entrant<'_>> = vec![("cms", Box::new(once) as Box<dyn Fn() -> _>)];
    let rounds = Rounds::run(&entrants, environment.repetitions(51))?;
    let figures = rounds.figures("cms");
    report.case(case, Unit::Milliseconds, &figures)?;
    report.goal(&format!("{case}: milliseconds"), figures[0].value, Bound::AtMost(goal))
}

/// A program that takes uci's commands.
pub struct Tool {
    /// The name in tables.
    pub name: String,
    /// The file.
    path: PathBuf,
    /// The words before the options.
    before: &'static [&'static str],
}

impl Tool {
    /// All tools at hand; stock uci only for packages it can read in time.
    pub fn all(environment: &Environment, options: usize) -> Vec<Self> {
        let mut tools = Vec::new();
        for (name, path) in &environment.cms {
            tools.push(Self { name: (*name).to_owned(), path: path.clone(), before: &[] });
            tools.push(Self { name: format!("{name} uci"), path: path.clone(), before: &["uci"] });
        }
        let stock = environment.rivals.stock.iter().filter(|_| environment.stock_can_read(options));
        tools.extend(stock.map(|path| Self { name: "stock uci".into(), path: path.clone(), before: &[] }));
        tools
    }

    /// Makes a command line in `tree`.
    pub fn line(&self, tree: &Tree, words: &[&str]) -> Line {
        tree.line(&self.path, self.before, words)
    }
}
