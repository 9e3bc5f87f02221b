//! Idle watchers: the processor time they use, how often they wake, and their memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cms::{Durability, Store};

use super::channel;
use super::listener::{PATTERN, Process, Way};
use super::{MANY, clock};
use crate::Result;
use crate::commit::disk_store::DiskStore;
use crate::dataset::Dataset;
use crate::environment::Environment;
use crate::report::{Bound, Figure, Report, Unit};
use crate::tmpfs_store;

/// A program that watches, in any language. It ends when this is dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The resources that a process has used so far.
struct Usage {
    /// Microseconds of processor.
    processor: f64,
    /// How often its threads have gone to sleep.
    switches: f64,
}

/// The program of a watcher in Python; the environment names its directories.
const PYTHON: &str = "
import cms
with cms.open() as store, store.watch('network') as watch:
    print(flush=True)
    for entry in watch:
        entry.changes
";

/// Runs the part.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let disk = DiskStore::create(environment.dir(), Dataset::Router)?;
    fs::write(disk.path("config/network"), "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n")?;
    let live = Store::open(disk.options(Durability::None))?;
    let mut commit = channel::commit(&live);
    commit(0)?;
    let (variables, mut all) = (disk.environment(), Vec::<(&str, u32)>::new());
    let mut own = Vec::new();
    for (name, way, count) in
        [("next", Way::Next, 1), ("fd with poll", Way::Poll, 1), ("1000 x subscribe", Way::Subscribe, MANY)]
    {
        let words = disk.path(&format!("words-{way:?}"));
        let process = Process::start(way, count, &words, &words, &variables, Stdio::null())?;
        all.push((name, process.id()));
        own.push(process);
    }
    let mut programs = Vec::new();
    for (name, command) in commands(environment, report)? {
        let program = start(command, &variables).map_err(|error| format!("{name}: {error}"))?;
        all.push((name, program.0.id()));
        programs.push(program);
    }
    // By now each program has got one event, and is idle again.
    std::thread::sleep(Duration::from_secs(1));
    commit(1)?;
    std::thread::sleep(Duration::from_secs(2));
    let before: Vec<Usage> = all.iter().map(|(_, process)| usage(*process)).collect::<Result<_>>()?;
    let start = clock::now();
    std::thread::sleep(Duration::from_secs(if environment.quick { 1 } else { 10 }));
    let seconds = clock::microseconds(start, clock::now()) / 1e6;
    let (mut processor, mut switches, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for ((name, process), before) in all.iter().zip(&before) {
        let after = usage(*process)?;
        processor.push(Figure::exact(name, (after.processor - before.processor) / seconds));
        switches.push(Figure::exact(name, (after.switches - before.switches) / seconds));
        memory.push(Figure::exact(name, status(Path::new(&format!("/proc/{process}")), "VmHWM:")?));
    }
    report.case("idle watcher, processor in a second", Unit::Microseconds, &processor)?;
    report.case("idle watcher, wakes", Unit::PerSecond, &switches)?;
    report.case("idle watcher, peak memory", Unit::Kibibytes, &memory)?;
    let most = switches.iter().map(|figure| figure.value).fold(0.0, f64::max);
    report.goal("idle watchers, wakes a second of the one that wakes most", most, Bound::AtMost(0.0))
}

/// The available programs, with their names in tables.
fn commands(environment: &Environment, report: &Report) -> Result<Vec<(&'static str, Command)>> {
    let mut all = Vec::new();
    for (name, path) in &environment.cms {
        let mut command = Command::new(path);
        command.args(["watch", PATTERN]);
        all.push((if *name == "cms" { "cms watch" } else { "cms watch, small" }, command));
    }
    let Some(library) = tmpfs_store::library_path() else {
        report.note("C and Python left out: CMS_LIB does not name a libcms.so");
        return Ok(all);
    };
    match compile(environment, &library)? {
        Some(program) => {
            let mut command = Command::new(program);
            command.arg("1000000");
            all.push(("C, watch.c", command));
        }
        None => report.note("C left out: needs a C compiler"),
    }
    let mut command = Command::new("python3");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/src");
    command.args(["-c", PYTHON]).env("PYTHONPATH", sources).env("CMS_LIBRARY", &library);
    all.push(("Python", command));
    let mut command = Command::new("python3");
    command.args(["-c", "import ctypes, select; print(flush=True); select.select([], [], [])"]);
    all.push(("Python that does nothing", command));
    Ok(all)
}

/// Compiles the example of a watcher in C.
fn compile(environment: &Environment, library: &Path) -> Result<Option<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let beside = library.parent().ok_or("the library is in no directory")?;
    let program = environment.dir().join("watch");
    let mut cc = Command::new("cc");
    cc.arg("-O2")
        .arg("-I")
        .arg(root.join("include"))
        .arg(root.join("c-examples/watch.c"))
        .arg("-L")
        .arg(beside);
    cc.arg(format!("-Wl,-rpath,{}", beside.display())).args(["-lcms", "-o"]).arg(&program);
    Ok(cc.status().is_ok_and(|status| status.success()).then_some(program))
}

/// Starts a program.
fn start(mut command: Command, environment: &[(&'static str, PathBuf)]) -> Result<Program> {
    command.envs(environment.iter().map(|(name, path)| (name, path)));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    Ok(Program(child))
}

/// Adds up the usage of the threads of a process.
fn usage(process: u32) -> Result<Usage> {
    let mut usage = Usage { processor: 0.0, switches: 0.0 };
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?.path();
        let nanoseconds: f64 = match fs::read_to_string(thread.join("schedstat")) {
            Ok(text) => text.split(' ').next().unwrap_or_default().parse()?,
            // The kernel counts only in steps of 10 ms.
            Err(_) => ticks(&thread)? * 1e7,
        };
        usage.processor += nanoseconds / 1000.0;
        usage.switches += status(&thread, "voluntary_ctxt_switches:")?;
    }
    Ok(usage)
}

/// The user and system time of a thread, in steps of 10 ms.
fn ticks(thread: &Path) -> Result<f64> {
    let stat = fs::read_to_string(thread.join("stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let field = |index: usize| -> Result<f64> { Ok(fields.get(index).ok_or("a short line")?.parse()?) };
    Ok(field(11)? + field(12)?)
}

/// Reads a number from the file `status` of a process or thread.
fn status(of: &Path, name: &str) -> Result<f64> {
    let text = fs::read_to_string(of.join("status"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}
