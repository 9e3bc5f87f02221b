//! Group `instructions`: what the processor executes for one read of 200 keys, and for one of a key that is not there,
//! counted by callgrind. The benchmark
//! runs itself under it with two numbers of reads, and divides the difference.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::dataset::{Access, Dataset, Stream};
use crate::ffi::{Get, Hashbrown, Library, Mode, Peer, Uthash, batches, time};
use crate::field::{HASHBROWN, UTHASH};
use crate::parse::float;
use crate::place::{self, Place};
use crate::report::{Figure, Report, Unit};
use crate::stage::Stage;

/// The contenders; the first one is the loop and the call through a pointer, which are part of all others.
const NAMES: [&str; 9] = [
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

/// As `cms_snapshot_get`, with keys that are not there.
const SNAPSHOT_MISS: &str = "cms_snapshot_get, missing";

/// As `cms_get`, with keys that are not there.
const GET_MISS: &str = "cms_get, missing";

/// The first argument that makes the benchmark only read: `INTERNAL CONTENDER PASSES`.
pub const INTERNAL: &str = "internal-reads";

/// How many reads a pass takes.
const PASS: usize = 1 << 14;

/// Runs the group.
pub fn run(stage: &Stage, report: &mut Report) -> Result<()> {
    if place::library(report)?.is_none() {
        return Ok(());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        report.note("left out: needs valgrind");
        return Ok(());
    }
    let mut figures = Vec::new();
    for name in NAMES {
        let (few, many) = (count(stage.dir(), name, 1)?, count(stage.dir(), name, 3)?);
        figures.push(Figure::exact(name, (many - few) / float(2 * PASS)));
    }
    report.case("200 of 200, with loop and call", Unit::Instructions, &figures)
}

/// Counts what a run with so many passes executes.
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

/// What runs under callgrind: reads, and nothing that is measured.
pub fn read(arguments: &[String]) -> Result<()> {
    let [name, passes] = arguments else { return Err("internal: wrong arguments".into()) };
    let library = Library::load(&place::library_path().ok_or("no library")?)?;
    let (dataset, place) = (Dataset::Router, Place::plant(Dataset::Router)?);
    let store = place.open(library)?;
    let stream = Stream::draw(dataset, Access::Hot(200), PASS);
    let (keys, misses, snapshot) = (stream.keys(dataset), stream.misses(dataset), store.snapshot()?);
    let (hashbrown, uthash) = (Hashbrown::of(dataset.entries()), Uthash::of(dataset.entries())?);
    let hot: Vec<String> = stream.distinct.iter().map(|index| dataset.key(*index)).collect();
    let prepared = store.prepare(&hot, &stream.order)?;
    let reads = match name.as_str() {
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
    let mode =
        if [SNAPSHOT_MISS, GET_MISS].contains(&name.as_str()) { Mode::Misses } else { Mode::Throughput };
    for _ in 0..passes.parse()? {
        reads.map_or_else(|| batches(&snapshot, &keys), |reads| time(mode, reads))?;
    }
    Ok(())
}
