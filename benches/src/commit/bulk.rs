//! The large cases: bulk loads, `cms commit`, backup and restore, recovery, the history of a key.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cms::testing::{Call, Files, Probe, Seams as _};
use cms::{DirOptions, Dirs, Durability, Options, Store};

use super::disk_store::DiskStore;
use super::engines::{Cms, Engine, Sqlite};
use super::{FULL, options, package};
use crate::Result;
use crate::contender::{Contender, Spread, race};
use crate::dataset::Dataset;
use crate::environment::Environment;
use crate::ffi::LmdbWriter;
use crate::parse::float;
use crate::report::{Bound, Figure, Report, Unit};

/// The first argument that turns the benchmark into the program that is killed while it commits.
pub const INTERNAL: &str = "internal-crash";

/// Runs the cases.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    load(environment, report, "change", 100_000, 100_000.0)?;
    load(environment, report, "load into an empty store", environment.large().len(), 1e6)?;
    process(environment, report)?;
    backup(environment, report)?;
    recovery(environment, report)?;
    history(environment, report)
}

/// Times transactions of many options; `goal` is the wanted number of options per second.
fn load(environment: &Environment, report: &mut Report, what: &str, count: usize, goal: f64) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("bulk-").tempdir_in(environment.dir())?;
    let (keys, rounds) = (package(count), if environment.quick { 1 } else { 3 });
    let mut turn = 0;
    let mut engine = |name: &str| -> Result<Box<dyn Engine>> {
        turn += 1;
        let path = dir.path().join(turn.to_string());
        Ok(match name {
            "cms" => {
                let there = package(if what == "change" { count } else { 0 });
                Box::new(Cms::create(dir.path(), there, Durability::Full)?)
            }
            FULL => Box::new(Sqlite::create(&path, "FULL", 1)?),
            "LMDB" => Box::new(LmdbWriter::create(&path)?),
            _ => Box::new(redb::Database::create(&path)?),
        })
    };
    let names = ["cms", FULL, "LMDB", "redb"];
    let mut times = vec![Vec::new(); names.len()];
    for _ in 0..rounds {
        for (name, times) in names.iter().zip(&mut times) {
            let engine = engine(name)?;
            if what == "change" && *name != "cms" {
                engine.put_all(&mut keys.entries())?;
            }
            let mut new =
                keys.entries().map(|(key, value)| (key, value + "-new")).collect::<Vec<_>>().into_iter();
            let start = Instant::now();
            engine.put_all(&mut new)?;
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let spreads: Vec<Spread> = times.iter_mut().map(|times| Spread::of(times)).collect();
    let rate = |seconds: f64| float(count) / seconds;
    let figures: Vec<Figure> =
        names.iter().zip(&spreads).map(|(name, spread)| Figure::of(name, spread, rate)).collect();
    let case = format!("{}, one transaction", options(what, count));
    report.case(&case, Unit::PerSecond, &figures)?;
    report.goal(&format!("{case}: options a second"), rate(spreads[0].median), Bound::AtLeast(goal))
}

/// Times `cms commit` of a text of 1 MB with one change.
fn process(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some((_, program)) = environment.cms.first() else {
        report.note("CMS_BIN is not set: cms commit is left out");
        return Ok(());
    };
    let dataset = package(25_000);
    let disk = DiskStore::create(environment.dir(), dataset)?;
    let bytes = fs::metadata(disk.path("config").join("network"))?.len();
    let mut turn = 0;
    let commit = || {
        turn += 1;
        call(program, &disk, &["set", &format!("{}=committed-value-{turn:06}", dataset.key(turn * 37))])?;
        call(program, &disk, &["commit", "network"])
    };
    let spread = race(&mut [Contender::timed("cms commit", commit)], environment.repetitions(31))?[0];
    let case = format!("cms commit, process, {bytes} bytes");
    report.case(&case, Unit::Milliseconds, &[Figure::of("cms commit", &spread, |time| time * 1e3)])?;
    report.goal(&format!("{case}: ms"), spread.median * 1e3, Bound::AtMost(100.0))
}

/// Runs the program; returns how long that took.
fn call(program: &Path, disk: &DiskStore, words: &[&str]) -> Result<Duration> {
    let start = Instant::now();
    let output = Command::new(program).args(words).envs(disk.environment()).stdout(Stdio::null()).output()?;
    let time = start.elapsed();
    match output.status.success() {
        true => Ok(time),
        false => Err(format!("cms {}: {}", words[0], String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Times `cms backup` of a large package, and `cms restore` of it into an empty store and over an older state.
fn backup(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some((_, program)) = environment.cms.first() else {
        report.note("CMS_BIN is not set: backup and restore are left out");
        return Ok(());
    };
    let dataset = environment.large();
    let (disk, file) = (DiskStore::create(environment.dir(), dataset)?, environment.dir().join("backup"));
    let file = file.to_str().ok_or("the path is text")?;
    let kept = fs::read(disk.path("config").join("network"))?;
    let restore = |disk: &DiskStore| -> Result<Duration> {
        let time = call(program, disk, &["restore", file])?;
        let back = fs::read(disk.path("config").join("network"))? == kept;
        if back { Ok(time) } else { Err("what was restored is not what was there".into()) }
    };
    let mut contenders = [
        Contender::timed("backup", || call(program, &disk, &["backup", file])),
        Contender::timed("restore, empty store", || {
            restore(&DiskStore::create(environment.dir(), package(0))?)
        }),
        Contender::timed("restore, one option changed", || {
            let changed = format!("{}=another-value", dataset.key(dataset.len() / 2));
            call(program, &disk, &["set", &changed])?;
            call(program, &disk, &["commit", "network"])?;
            restore(&disk)
        }),
    ];
    let spreads = race(&mut contenders, environment.repetitions(5))?;
    let names = ["backup", "restore, empty store", "restore, one option changed"];
    let figures: Vec<Figure> = names
        .iter()
        .zip(&spreads)
        .map(|(name, spread)| Figure::of(name, spread, |time| time * 1e3))
        .collect();
    let case = options("backup and restore, process,", dataset.len());
    report.case(&case, Unit::Milliseconds, &figures)?;
    for (name, spread) in names.iter().zip(&spreads) {
        report.goal(&format!("{case}: {name}, s"), spread.median, Bound::AtMost(10.0))?;
    }
    Ok(())
}

/// Ends the process before a text is placed: the record is in the log then.
struct Kill;

impl Probe for Kill {
    fn before(&self, call: Call, path: &Path) -> std::io::Result<usize> {
        if call == Call::Rename && path.ends_with("config/network") {
            std::process::abort();
        }
        Ok(usize::MAX)
    }
}

/// The program that is killed: `INTERNAL KEY`. It fills the log, then commits the key.
pub fn crash(words: &[String]) -> Result<()> {
    let [key] = words else { return Err("usage: internal-crash KEY".into()) };
    let dirs = || Dirs::choose(DirOptions::new());
    let fill = Store::open(Options::new().dirs(dirs()).durability(Durability::None))?;
    for round in 0..100_u8 {
        let mut transaction = fill.begin()?;
        transaction.set(b"filler.a.value", &vec![b'a' + round % 26; 64 << 10])?;
        transaction.commit()?;
    }
    let live = Store::open(Options::new().dirs(dirs()).files(Files::probed(Arc::new(Kill))))?;
    let mut transaction = live.begin()?;
    transaction.set(key.as_bytes(), b"committed-before-the-crash")?;
    transaction.commit()?;
    Err("it was not killed".into())
}

/// Times opening a store whose last writer was killed between log and text, and whose log is full.
fn recovery(environment: &Environment, report: &mut Report) -> Result<()> {
    let dataset = environment.large();
    let mut times = Vec::new();
    let mut logged = 0;
    for _ in 0..environment.repetitions(3) {
        let disk = DiskStore::create(environment.dir(), dataset)?;
        fs::write(disk.path("config").join("filler"), "config filler 'a'\n\toption value 'a'\n")?;
        let (key, mut command) = (dataset.key(dataset.len() / 2), Command::new(std::env::current_exe()?));
        let killed =
            command.args([INTERNAL, &key]).envs(disk.environment()).stderr(Stdio::null()).status()?;
        if killed.code().is_some() {
            return Err(format!("the writer was to be killed: {killed}").into());
        }
        logged = crate::tmpfs_store::bytes_under(&disk.path("state"))?;
        let store = cms::Engine::new(disk.options(Durability::Full));
        let start = Instant::now();
        store.confirmations().recover()?;
        times.push(start.elapsed().as_secs_f64());
        let live = Store::open(disk.options(Durability::Full))?;
        let found = live
            .get(key.as_bytes(), |value| value.items().any(|item| item == b"committed-before-the-crash"))?;
        if found != Some(true) {
            return Err("recovery has not brought the commit back".into());
        }
    }
    let spread = Spread::of(&mut times);
    let case = format!("{}, log of {logged} bytes", options("recover", dataset.len()));
    report.case(&case, Unit::Milliseconds, &[Figure::of("cms", &spread, |time| time * 1e3)])?;
    report.goal(&format!("{case}: s"), spread.median, Bound::AtMost(5.0))
}

/// Times the history of a key that was changed twice, at both ends of a long log.
fn history(environment: &Environment, report: &mut Report) -> Result<()> {
    let dataset = Dataset::Large { entries: 1000, per_section: 50 };
    let records = if environment.quick { 1000 } else { 20_000 };
    let disk = DiskStore::create(environment.dir(), dataset)?;
    let options = disk.options(Durability::None);
    let live = Store::open(options.log_size(1 << 30))?;
    let commit = |section: usize, value: &str| -> Result<()> {
        let mut transaction = live.begin()?;
        for option in 0..50 {
            transaction.set(dataset.key(section * 50 + option).as_bytes(), value.as_bytes())?;
        }
        transaction.commit()?;
        Ok(())
    };
    commit(0, "first")?;
    for record in 0..records {
        commit(1 + record % 19, &format!("value-{record}"))?;
    }
    commit(0, "last")?;
    let key = cms::Key::parse(dataset.key(7).as_bytes())?;
    let (bytes, mut read) = (crate::tmpfs_store::bytes_under(&disk.path("state"))?, 0);
    let turn = || {
        let (before, start) = (counted("rchar:")?, Instant::now());
        let found = live.engine().history().changes(Some(&key), usize::MAX)?.len();
        let time = start.elapsed();
        read = counted("rchar:")? - before;
        // With or without the baseline.
        if (2..=3).contains(&found) { Ok(time) } else { Err(format!("{found} records of a key").into()) }
    };
    let spread = race(&mut [Contender::timed("history of a key", turn)], environment.repetitions(15))?[0];
    let case =
        format!("history of a key, {} changes, {records} records", crate::environment::human(records * 50));
    report.case(&case, Unit::Milliseconds, &[Figure::of("cms", &spread, |time| time * 1e3)])?;
    report.case(
        &case,
        Unit::Bytes,
        &[Figure::exact("read", float(read)), Figure::exact("the log", float(bytes))],
    )
}

/// Returns one of the system's counters of bytes that this process reads and writes.
pub fn counted(name: &str) -> Result<usize> {
    let text = fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.ok_or("/proc/self/io is not as expected")?.trim().parse()?)
}
