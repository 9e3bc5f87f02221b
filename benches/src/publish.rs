//! Group `publish`: loading a text into a fresh map, opening an existing map, and committing one option.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;
use crate::contender::{Contender, race};
use crate::dataset::Dataset;
use crate::environment::{Environment, human};
use crate::ffi::{Library, Store};
use crate::parse::float;
use crate::report::{Bound, Figure, Report, Unit};
use crate::rounds::{Entrant, Rounds};
use crate::tmpfs_store::{self, TmpfsStore};

/// The small package: 20 sections of ten options.
const SMALL: Dataset = Dataset::Large { entries: 200, per_section: 10 };

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some(library) = tmpfs_store::library(report)? else { return Ok(()) };
    let tmpfs = TmpfsStore::create(environment.large())?;
    load(environment, report, library, &tmpfs)?;
    open(environment, report, &tmpfs)?;
    drop(tmpfs);
    for (entries, repetitions) in [(1000, 101), (100_000, 21), (1_000_000, 5)] {
        if entries <= environment.large().len() {
            commit(environment, report, library, entries, repetitions)?;
        }
    }
    Ok(())
}

/// Times opening a store without maps, and the first read.
fn load(environment: &Environment, report: &mut Report, library: Library, tmpfs: &TmpfsStore) -> Result<()> {
    let (dataset, bytes) = (environment.large(), tmpfs.text_bytes()?);
    let turn = || {
        tmpfs.forget_maps()?;
        let start = Instant::now();
        let store = tmpfs.open(library)?;
        read_first(&store, dataset)?;
        Ok(start.elapsed())
    };
    let spread = race(&mut [Contender::timed("cms_open and cms_get", turn)], environment.repetitions(7))?[0];
    let rate = |seconds: f64| float(bytes) / 1e6 / seconds;
    let case = format!("load {} entries, {} MB", human(dataset.len()), bytes / 1_000_000);
    report.case(&case, Unit::MegabytesPerSecond, &[Figure::of("cms_open and cms_get", &spread, rate)])?;
    report.goal(&format!("{case}: MB/s"), rate(spread.median), Bound::AtLeast(200.0))
}

/// Reads the first entry.
fn read_first(store: &Store, dataset: Dataset) -> Result<()> {
    if store.get().answers(&dataset.key(0), &dataset.value(0)) {
        return Ok(());
    }
    Err(format!("not the value of {}", dataset.key(0)).into())
}

/// Times a program that opens an existing map and reads one option: of a large package, and of a small one.
fn open(environment: &Environment, report: &mut Report, large: &TmpfsStore) -> Result<()> {
    let (Some(program), Some(library)) = (&environment.rivals.open, tmpfs_store::library_path()) else {
        report.note("opening left out: needs a C compiler");
        return Ok(());
    };
    let small = TmpfsStore::create(SMALL)?;
    let turn = |tmpfs: &TmpfsStore| -> Result<f64> {
        let mut command = Command::new(program);
        command.arg(&library).arg(SMALL.key(3)).envs(tmpfs.environment()).stdout(Stdio::null());
        let start = Instant::now();
        let status = command.status()?;
        let time = start.elapsed().as_secs_f64() * 1000.0;
        if status.success() { Ok(time) } else { Err(status.to_string().into()) }
    };
    let entrants: [Entrant<'_>; 2] =
        [("large package", Box::new(|| turn(large))), ("20 sections", Box::new(|| turn(&small)))];
    let rounds = Rounds::run(&entrants, environment.repetitions(51))?;
    let case = "open a map and get, process";
    report.case(case, Unit::Milliseconds, &rounds.figures(entrants[0].0))?;
    let ratio = rounds.ratio(entrants[0].0, entrants[1].0).ok_or("both took part")?;
    report.goal(&format!("{case}: large to small package"), ratio.median, Bound::AtMost(1.2))
}

/// Times a whole commit of one option, with its text.
fn commit(
    environment: &Environment,
    report: &mut Report,
    library: Library,
    entries: usize,
    rounds: usize,
) -> Result<()> {
    let dataset = Dataset::Large { entries, per_section: 10 };
    let tmpfs = TmpfsStore::create(dataset)?;
    let store = tmpfs.open(library)?;
    read_first(&store, dataset)?;
    let mut number = 0;
    let turn = || {
        number += 1;
        let mut transaction = store.begin()?;
        transaction.set(&dataset.key(entries / 2), &format!("committed-value-{number:06}"))?;
        let start = Instant::now();
        transaction.commit()?;
        Ok(start.elapsed())
    };
    let rounds = if environment.quick { 3 } else { rounds };
    let spread = race(&mut [Contender::timed("cms_txn_commit", turn)], rounds)?[0];
    let figure = Figure::of("cms_txn_commit", &spread, |seconds| seconds * 1e6);
    report.case(&format!("commit one of {} entries, tmpfs", human(entries)), Unit::Microseconds, &[figure])
}
