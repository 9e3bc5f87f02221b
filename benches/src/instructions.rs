//! Group `instructions`: instructions for one read of 200 keys, for one read of a missing key, for one commit, and
//! for one option of a loaded text, counted by callgrind. The benchmark runs itself under callgrind with two numbers
//! of passes and divides the difference, so that the start of the process does not count.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::contender::Spread;
use crate::dataset::{Access, Dataset, Stream};
use crate::environment::Environment;
use crate::ffi::{Get, Hashbrown, Library, Mode, Peer, Uthash, batches, time};
use crate::loaded::{HASHBROWN, UTHASH};
use crate::parse::float;
use crate::report::{Figure, Report, Unit};
use crate::tmpfs_store::{self, TmpfsStore};

/// The readers; the first one is the bare loop with its call through a pointer, which is part of all others.
const READS: [&str; 9] = [
    "nothing",
    "cms_snapshot_get",
    "cms_get",
    "cms_key_get",
    "cms_snapshot_get_many",
    HASHBROWN,
    UTHASH,
    SNAPSHOT_MISS,
    GET_MISS,
];

/// As `cms_snapshot_get`, with missing keys.
const SNAPSHOT_MISS: &str = "cms_snapshot_get, missing";

/// As `cms_get`, with missing keys.
const GET_MISS: &str = "cms_get, missing";

/// A transaction of one key: `cms_begin`, `cms_txn_set` and `cms_txn_commit`.
const COMMIT: &str = "begin, set, commit";

/// Loads a text into a map: `cms_open`, the first `cms_get` and `cms_close`, with no map at first.
const LOAD: &str = "open, get, close";

/// The first argument that makes the benchmark do only the work to count: `INTERNAL CONTENDER PASSES`.
pub const INTERNAL: &str = "internal-reads";

/// The number of reads in a pass.
const PASS: usize = 1 << 14;

/// The text that is loaded.
const LOADED: Dataset = Dataset::Large { entries: 10_000, per_section: 10 };

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    if tmpfs_store::library(report)?.is_none() {
        return Ok(());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        report.note("left out: needs valgrind");
        return Ok(());
    }
    let reads = READS.iter().map(|name| figure(environment, name, 1, 3, PASS)).collect::<Result<Vec<_>>>()?;
    report.case("200 of 200, with loop and call", Unit::Instructions, &reads)?;
    // The first commits of a store make files to which later commits only append.
    let commit = figure(environment, COMMIT, 20, 120, 1)?;
    report.case("commit one of 200 options, tmpfs", Unit::Instructions, &[commit])?;
    let load = figure(environment, LOAD, 1, 4, LOADED.len())?;
    report.case("load a text of 10k options, per option", Unit::Instructions, &[load])
}

/// Counts the instructions of one unit of work, of which a pass has `units`. A store chooses the seed of its hashes at
/// random, so a count differs by some per cent from one process to the next, and the median of several counts.
fn figure(environment: &Environment, name: &str, few: usize, many: usize, units: usize) -> Result<Figure> {
    let one = || -> Result<f64> {
        let difference = count(environment.dir(), name, many)? - count(environment.dir(), name, few)?;
        Ok(difference / float((many - few) * units))
    };
    let mut counts = (0..environment.repetitions(5)).map(|_| one()).collect::<Result<Vec<_>>>()?;
    Ok(Figure::of(name, &Spread::of(&mut counts), |count| count))
}

/// Counts the instructions of a run with `passes` passes.
fn count(dir: &Path, name: &str, passes: usize) -> Result<f64> {
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(dir.join("callgrind.out"));
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(out).arg(std::env::current_exe()?);
    let output = command.args([INTERNAL, name, &passes.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let found = text.lines().find_map(|line| line.split_once("Collected : "));
    match found {
        Some((_, number)) if output.status.success() => Ok(number.trim().parse()?),
        _ => Err(format!("callgrind: {}: {text}", output.status).into()),
    }
}

/// Runs under callgrind: does a number of passes of a contender's work.
pub fn work(arguments: &[String]) -> Result<()> {
    let [name, passes] = arguments else { return Err("internal: wrong arguments".into()) };
    let (library, passes) =
        (Library::load(&tmpfs_store::library_path().ok_or("no library")?)?, passes.parse::<usize>()?);
    match name.as_str() {
        COMMIT => commit(library, passes),
        LOAD => load(library, passes),
        name => read(library, name, passes),
    }
}

/// Commits one key of the router's 200, several times.
fn commit(library: Library, passes: usize) -> Result<()> {
    let (dataset, place) = (Dataset::Router, TmpfsStore::create(Dataset::Router)?);
    let store = place.open(library)?;
    for number in 0..passes {
        let mut transaction = store.begin()?;
        let value = format!("committed-value-{number:06}");
        transaction.set(&dataset.key(number * 37 % dataset.len()), &value)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Loads the text into a fresh map, several times.
fn load(library: Library, passes: usize) -> Result<()> {
    let place = TmpfsStore::create(LOADED)?;
    for _ in 0..passes {
        place.forget_maps()?;
        let store = place.open(library)?;
        if !store.get().answers(&LOADED.key(0), &LOADED.value(0)) {
            return Err("not the value of the first key".into());
        }
    }
    Ok(())
}

/// Reads 200 keys several times, without a timer.
fn read(library: Library, name: &str, passes: usize) -> Result<()> {
    let (dataset, place) = (Dataset::Router, TmpfsStore::create(Dataset::Router)?);
    let store = place.open(library)?;
    let stream = Stream::draw(dataset, Access::Hot(200), PASS);
    let (keys, misses, snapshot) = (stream.keys(dataset), stream.misses(dataset), store.snapshot()?);
    let (hashbrown, uthash) = (Hashbrown::of(dataset.entries()), Uthash::of(dataset.entries())?);
    let hot: Vec<String> = stream.distinct.iter().map(|index| dataset.key(*index)).collect();
    let prepared = store.prepare(&hot, &stream.order)?;
    let reads = match name {
        "nothing" => Some(Get::nothing().over(&keys)),
        SNAPSHOT_MISS => Some(snapshot.get().over(&misses)),
        GET_MISS => Some(store.get().over(&misses)),
        "cms_snapshot_get" => Some(snapshot.get().over(&keys)),
        "cms_get" => Some(store.get().over(&keys)),
        "cms_key_get" => Some(prepared.reads()),
        HASHBROWN => Some(hashbrown.get().over(&keys)),
        UTHASH => Some(uthash.get().over(&keys)),
        _ => None,
    };
    let mode = if [SNAPSHOT_MISS, GET_MISS].contains(&name) { Mode::Misses } else { Mode::Throughput };
    for _ in 0..passes {
        reads.map_or_else(|| batches(&snapshot, snapshot.get().over(&keys)), |reads| time(mode, reads))?;
    }
    Ok(())
}
