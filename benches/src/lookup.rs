//! Group `lookup`: the time of one read through the C library, and through the peers.

use crate::Result;
use crate::dataset::{Access, Dataset, Stream};
use crate::environment::Environment;
use crate::ffi::system::Pinned;
use crate::ffi::{Keys, Mode, Prepared, Snapshot, batches, time};
use crate::loaded::{HASHBROWN, Loaded, UTHASH};
use crate::report::{Bound, Report, Unit};
use crate::rounds::{Entrant, Rounds};
use crate::tmpfs_store;

/// The names of the library's own contenders.
const SNAPSHOT: &str = "cms_snapshot_get";
/// See above.
const GET: &str = "cms_get";
/// See above.
const KEY: &str = "cms_key_get";
/// See above.
const MANY: &str = "cms_snapshot_get_many";

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some(library) = tmpfs_store::library(report)? else { return Ok(()) };
    report.note(
        "latency: a key's address depends on the value before; throughput, misses: reads are independent",
    );
    report.note("all are called from C through a pointer, with keys of 24 bytes or so that end in NUL");
    let _pinned = Pinned::to(1)?;
    let hot = [Access::Hot(200)].as_slice();
    let all = [Access::Hot(1), Access::Hot(200), Access::Zipf, Access::Uniform].as_slice();
    for (dataset, accesses) in [(Dataset::Router, hot), (environment.large(), all)] {
        let loaded = Loaded::set(dataset, library, environment.rivals.libuci.as_deref(), report)?;
        for access in accesses {
            contest(environment, report, &loaded, *access)?;
        }
    }
    Ok(())
}

/// Measures all contenders on one selection of keys.
fn contest(environment: &Environment, report: &mut Report, loaded: &Loaded, access: Access) -> Result<()> {
    let is_hot = matches!(access, Access::Hot(_));
    let stream =
        Stream::draw(loaded.dataset, access, environment.reads(if is_hot { 1 << 18 } else { 1 << 19 }));
    let snapshot = loaded.store.snapshot()?;
    loaded.check(&stream, &[(SNAPSHOT, snapshot.get()), (GET, loaded.store.get())])?;
    let (keys, misses) = (stream.keys(loaded.dataset), stream.misses(loaded.dataset));
    let prepared = if is_hot { Some(prepare(loaded, &stream)?) } else { None };
    for mode in [Mode::Latency, Mode::Throughput, Mode::Misses] {
        let keys = if mode == Mode::Misses { &misses } else { &keys };
        let mut entrants = own(mode, loaded, &snapshot, keys, prepared.as_ref());
        for (name, peer) in &loaded.peers {
            entrants.push((name, Box::new(|| time(mode, peer.get().over(keys)))));
        }
        let rounds = Rounds::run(&entrants, environment.repetitions(if is_hot { 11 } else { 5 }))?;
        let case = format!("{}, {}", access.name(loaded.dataset), format!("{mode:?}").to_lowercase());
        report.case(&case, Unit::Nanoseconds, &rounds.figures(SNAPSHOT))?;
        judge(report, &case, mode, access, &rounds)?;
    }
    Ok(())
}

/// Prepares the keys of a stream.
fn prepare<'a>(loaded: &'a Loaded, stream: &Stream) -> Result<Prepared<'a>> {
    let keys: Vec<String> = stream.distinct.iter().map(|index| loaded.dataset.key(*index)).collect();
    loaded.store.prepare(&keys, &stream.order)
}

/// The library's own contenders. A batch of keys and a prepared key are included if they make sense.
fn own<'a>(
    mode: Mode,
    loaded: &'a Loaded,
    snapshot: &'a Snapshot<'_>,
    keys: &'a Keys,
    prepared: Option<&'a Prepared<'_>>,
) -> Vec<Entrant<'a>> {
    let mut entrants: Vec<Entrant<'_>> = vec![
        (SNAPSHOT, Box::new(move || time(mode, snapshot.get().over(keys)))),
        (GET, Box::new(move || time(mode, loaded.store.get().over(keys)))),
    ];
    if mode == Mode::Throughput {
        entrants.push((MANY, Box::new(move || batches(snapshot, keys))));
    }
    if let (Some(prepared), Mode::Latency | Mode::Throughput) = (prepared, mode) {
        entrants.push((KEY, Box::new(move || time(mode, prepared.reads()))));
    }
    entrants
}

/// Compares the figures with the goals.
fn judge(report: &mut Report, case: &str, mode: Mode, access: Access, rounds: &Rounds) -> Result<()> {
    let (is_hot, is_latency) = (matches!(access, Access::Hot(_)), mode == Mode::Latency);
    let limit = if is_hot { 1.0 } else { 0.7 };
    let ratios = [
        (SNAPSHOT, HASHBROWN, limit, is_latency && access != Access::Hot(1)),
        (SNAPSHOT, UTHASH, 0.55, is_latency && access != Access::Hot(1)),
        (GET, SNAPSHOT, 1.4, is_latency),
        (MANY, SNAPSHOT, 0.4, access == Access::Uniform && mode == Mode::Throughput),
    ];
    for (own, peer, limit, _) in ratios.into_iter().filter(|(_, _, _, applies)| *applies) {
        if let Some(ratio) = rounds.ratio(own, peer) {
            report.goal(&format!("{case}: {own} to {peer}"), ratio.median, Bound::AtMost(limit))?;
        }
    }
    for (own, limit) in [(GET, 50.0), (KEY, 8.0)].into_iter().filter(|_| is_hot && is_latency) {
        if let Some(time) = rounds.median(own) {
            report.goal(&format!("{case}: {own}, ns"), time, Bound::AtMost(limit))?;
        }
    }
    Ok(())
}
