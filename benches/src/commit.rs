//! Group `commit`: the time of a durable transaction, compared with databases, stock uci and a bare log.
//!
//! The file system is that of `TMPDIR`, which must not be tmpfs, and then tmpfs itself. Entrants take turns in
//! blocks of commits; the median of each block is one round.

mod bulk;
pub mod disk_store;
mod engines;
mod wear;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cms::Durability;

use crate::Result;
use crate::contender::Spread;
use crate::dataset::Dataset;
use crate::environment::{Environment, human};
use crate::ffi::LmdbWriter;
use crate::parse::float;
use crate::report::{Bound, Figure, Report, Unit};
use crate::rounds::{Entrant, Rounds};
use engines::{Cms, Engine, Raw, Sqlite, Uci, UciCommand};

pub use bulk::{INTERNAL, crash};
pub use wear::run as wear;

/// The most threads that commit to one store.
const THREADS: usize = 16;

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    latency(environment, report, "disk", environment.dir())?;
    scaling(environment, report, "disk", environment.dir())?;
    match disk_store::tmpfs() {
        Some(shm) => {
            let dir = tempfile::Builder::new().prefix("cms-bench-").tempdir_in(shm)?;
            latency(environment, report, "tmpfs", dir.path())?;
            scaling(environment, report, "tmpfs", dir.path())?;
        }
        None => report.note("there is no tmpfs"),
    }
    bulk::run(environment, report)
}

/// A package with this number of options.
fn package(entries: usize) -> Dataset {
    Dataset::Large { entries, per_section: 10 }
}

/// A writer, and the times of its commits so far.
struct Committer {
    /// The name in tables.
    name: &'static str,
    /// The store or database.
    engine: Box<dyn Engine>,
    /// The keys.
    keys: Dataset,
    /// The number of commits in a round.
    block: usize,
    /// Makes values differ.
    count: Cell<usize>,
    /// All times, in microseconds.
    times: RefCell<Vec<f64>>,
}

impl Committer {
    /// Makes a committer for an engine.
    fn new<E: Engine + 'static>(name: &'static str, engine: E, entries: usize, block: usize) -> Self {
        let (count, times) = (Cell::new(0), RefCell::default());
        Self { name, engine: Box::new(engine), keys: package(entries), block, count, times }
    }

    /// Commits a block of keys, one by one; returns the median.
    fn round(&self) -> Result<f64> {
        let mut times = Vec::with_capacity(self.block);
        // Skip the first of a block: the caches hold the data of other entrants.
        for index in 0..=self.block {
            self.count.set(self.count.get() + 1);
            let key = self.keys.key(self.count.get() * 37 % self.keys.len());
            let value = format!("committed-value-{:06}", self.count.get());
            let start = Instant::now();
            self.engine.put(0, &key, &value)?;
            if index > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        self.times.borrow_mut().extend(&times);
        Ok(Spread::of(&mut times).median)
    }

    /// Returns the 99th percentile of all commits.
    fn p99(&self) -> Figure {
        let mut times = self.times.borrow().clone();
        times.sort_by(f64::total_cmp);
        let at = (times.len() * 99).div_ceil(100).saturating_sub(1);
        Figure::exact(self.name, times.get(at).copied().unwrap_or_default())
    }
}

/// The names of entrants that have goals.
const PREWRITTEN: &str = "write to prewritten file, fdatasync";
/// As above.
const FULL: &str = "SQLite WAL FULL";
/// As above.
const UCI: &str = "libuci set+commit, 200";
/// As above.
const OWN: &str = "cms, 200 options";
/// The same with `Durability::Log`: the record is synced, and the text is written later.
const LOG: &str = "cms, 200 options, log";

/// Makes all writers of one key.
fn committers(environment: &Environment, dir: &Path) -> Result<Vec<Committer>> {
    let dir = tempfile::Builder::new().prefix("commit-").tempdir_in(dir)?.keep();
    let cms = |entries, durability| Cms::create(&dir, package(entries), durability);
    let mut all = vec![
        Committer::new(PREWRITTEN, Raw::create(&dir.join("prewritten"), 4 << 20)?, 1000, 20),
        Committer::new("append to growing file, fdatasync", Raw::create(&dir.join("growing"), 0)?, 1000, 20),
        Committer::new(FULL, Sqlite::create(&dir.join("full.db"), "FULL", 1)?, 1000, 20),
        Committer::new("SQLite WAL NORMAL", Sqlite::create(&dir.join("normal.db"), "NORMAL", 1)?, 1000, 20),
        Committer::new("LMDB", LmdbWriter::create(&dir.join("lmdb"))?, 1000, 20),
        Committer::new("redb", redb::Database::create(dir.join("redb"))?, 1000, 20),
        Committer::new("cms, 10 options", cms(10, Durability::Full)?, 10, 20),
        Committer::new(OWN, cms(200, Durability::Full)?, 200, 20),
        Committer::new(LOG, cms(200, Durability::Log)?, 200, 20),
        Committer::new("cms, 1000 options", cms(1000, Durability::Full)?, 1000, 20),
        Committer::new("cms, 100k options", cms(100_000, Durability::Full)?, 100_000, 2),
        Committer::new("cms, 10 options, none", cms(10, Durability::None)?, 10, 20),
        Committer::new("cms, 200 options, none", cms(200, Durability::None)?, 200, 20),
        Committer::new("cms, 1000 options, none", cms(1000, Durability::None)?, 1000, 20),
        Committer::new("cms, 100k options, none", cms(100_000, Durability::None)?, 100_000, 2),
    ];
    if let Some(library) = &environment.rivals.libuci {
        all.push(Committer::new(UCI, Uci::create(&dir, package(200), library)?, 200, 5));
        let large = Uci::create(&dir, package(10_000), library)?;
        all.push(Committer::new("libuci set+commit, 10k", large, 10_000, 2));
    }
    if let Some(program) = &environment.rivals.stock {
        let engine = UciCommand::create(&dir, package(200), program)?;
        all.push(Committer::new("uci set; uci commit, 200", engine, 200, 3));
    }
    Ok(all)
}

/// Measures one-key commits.
fn latency(environment: &Environment, report: &mut Report, place: &str, dir: &Path) -> Result<()> {
    let all = committers(environment, dir)?;
    let entrants: Vec<Entrant<'_>> =
        all.iter().map(|one| (one.name, Box::new(|| one.round()) as Box<dyn Fn() -> _>)).collect();
    let rounds = Rounds::run(&entrants, environment.repetitions(25))?;
    let case = format!("commit one key, {place}");
    report.case(&format!("{case}, p50"), Unit::Microseconds, &rounds.figures(OWN))?;
    let p99: Vec<Figure> = all.iter().map(Committer::p99).collect();
    report.case(&format!("{case}, p99"), Unit::Microseconds, &p99)?;
    if place != "disk" {
        return Ok(());
    }
    for name in [OWN, LOG] {
        let own = rounds.median(name).ok_or("it took part")?;
        report.goal(&format!("{case}, {name}: us"), own, Bound::AtMost(1000.0))?;
    }
    let goals =
        [(LOG, PREWRITTEN, 1.3), (LOG, FULL, 1.05), (LOG, "LMDB", 0.7), (LOG, "redb", 0.7), (OWN, UCI, 0.5)];
    for (name, peer, limit) in goals {
        if let Some(ratio) = rounds.ratio(name, peer) {
            report.goal(&format!("{case}, {name}: to {peer}"), ratio.median, Bound::AtMost(limit))?;
        }
    }
    Ok(())
}

/// Measures the commits per second of several threads, each with its own keys in one package.
fn scaling(environment: &Environment, report: &mut Report, place: &str, dir: &Path) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("threads-").tempdir_in(dir)?;
    let stores: [(&str, Box<dyn Engine>); 6] = [
        ("cms, 200 options", Box::new(Cms::create(dir.path(), package(200), Durability::Full)?)),
        (LOG, Box::new(Cms::create(dir.path(), package(200), Durability::Log)?)),
        ("cms, 1000 options", Box::new(Cms::create(dir.path(), package(1000), Durability::Full)?)),
        (FULL, Box::new(Sqlite::create(&dir.path().join("full.db"), "FULL", THREADS)?)),
        ("LMDB", Box::new(LmdbWriter::create(&dir.path().join("lmdb"))?)),
        ("redb", Box::new(redb::Database::create(dir.path().join("redb"))?)),
    ];
    for (name, engine) in &stores {
        let rate = |threads| Box::new(move || rate(&**engine, threads));
        let entrants: [Entrant<'_>; 3] =
            [("1 thread", rate(1)), ("4 threads", rate(4)), ("16 threads", rate(16))];
        let rounds = Rounds::run(&entrants, environment.repetitions(9))?;
        let case = format!("commits, {place}, {name}");
        report.case(&case, Unit::PerSecond, &rounds.figures("16 threads"))?;
        let ratio = rounds.ratio("16 threads", "1 thread").ok_or("both took part")?;
        if name.starts_with("cms") {
            report.goal(&format!("{case}: 16 threads to 1"), ratio.median, Bound::AtLeast(3.0))?;
        }
    }
    Ok(())
}

/// Commits from several threads for a while; returns the commits in a second.
fn rate(engine: &dyn Engine, threads: usize) -> Result<f64> {
    let (keys, stop, done) = (package(200), AtomicBool::new(false), AtomicUsize::new(0));
    let work = |thread: usize| -> std::result::Result<(), String> {
        let key = keys.key(thread * 10);
        // No other memory depends on the flag or the count.
        while !stop.load(Ordering::Relaxed) {
            let number = done.fetch_add(1, Ordering::Relaxed);
            engine
                .put(thread, &key, &format!("committed-value-{number}"))
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let work = &work;
        let all: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        all.into_iter().try_for_each(|one| one.join().map_err(|_| "a thread has panicked".to_owned())?)
    })?;
    Ok(float(done.load(Ordering::Relaxed)) / start.elapsed().as_secs_f64())
}

/// Names a case by its number of options.
fn options(what: &str, count: usize) -> String {
    format!("{what} {} options", human(count))
}
