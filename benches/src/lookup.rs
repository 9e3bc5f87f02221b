//! Group `lookup`: what one read costs through the C library, and through the peers.
//!
//! A sample is short, so that most are not preempted on a busy machine; all contenders take a sample in each round, of
//! keys drawn alike; and a ratio is the median of the ratios of the rounds.

use std::cell::Cell;

use crate::Result;
use crate::dataset::{Access, Dataset, Stream};
use crate::environment::Environment;
use crate::ffi::system::Pinned;
use crate::ffi::{Keys, Mode, Prepared, Reads, Snapshot, Store, batches, time};
use crate::keysets::KeySet;
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
/// `cms_get` of existing keys, in the cases of missing keys.
const GET_HIT: &str = "cms_get, hit";
/// The same for a snapshot.
const SNAPSHOT_HIT: &str = "cms_snapshot_get, hit";

/// How many hot keys are few.
const FEW: usize = 1000;

/// The keys that are read from a store first, before a first pass over the measured keys themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// None.
    Nothing,
    /// All keys of the data set, the first entry first.
    All,
    /// The measured keys, the last one first.
    Reversed,
}

impl Before {
    /// Returns the end of the name in cases.
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::All => ", all others first",
            Self::Reversed => ", last one first",
        }
    }
}

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some(library) = tmpfs_store::library(report)? else { return Ok(()) };
    report.note(
        "latency: a key's address depends on the answer before; throughput, misses: reads are independent",
    );
    report.note(
        "all are called from C through a pointer, with keys that end in NUL; ratios are medians over rounds",
    );
    report.note("all contenders have found every entry of each set, with its value, before they are timed");
    let _pinned = Pinned::to(1)?;
    let (plain, hot) = (Before::Nothing, Access::Hot(200));
    let hundred = Dataset::Large { entries: 100_000, per_section: 10 };
    let sets: [(Dataset, &[(Access, Before)]); 6] = [
        (Dataset::Router, &[(hot, plain)]),
        (Dataset::Small(KeySet::Lengths), &[(hot, plain)]),
        (Dataset::Small(KeySet::SharedEnds), &[(hot, plain)]),
        (Dataset::Small(KeySet::Packages), &[(Access::Hot(400), plain)]),
        (hundred, &[(hot, Before::All), (hot, Before::Reversed), (Access::Hot(40_000), plain)]),
        (
            environment.large(),
            &[(Access::Hot(1), plain), (hot, plain), (Access::Zipf, plain), (Access::Uniform, plain)],
        ),
    ];
    for (dataset, cases) in sets {
        let loaded = Loaded::set(dataset, library, environment.rivals.libuci.as_deref(), report)?;
        for (access, before) in cases {
            Contest::set(environment, &loaded, *access, *before)?.run(environment, report)?;
        }
    }
    Ok(())
}

/// A case: one selection of keys, and the store to read.
struct Contest<'a> {
    /// The peers.
    loaded: &'a Loaded,
    /// The selection.
    access: Access,
    /// Its name.
    case: String,
    /// Each key once.
    distinct: Vec<String>,
    /// The order in which they are read.
    order: Vec<usize>,
    /// The keys in that order.
    keys: Keys,
    /// As many missing keys.
    misses: Keys,
    /// The store; nothing was read from it before.
    store: Store,
    /// The number of the next sample. No two samples in a row have the same keys, since the library's contenders share
    /// one map: the second one would find the map's bytes in the cache.
    next: Cell<usize>,
}

impl<'a> Contest<'a> {
    /// Draws the keys, opens a store, and reads the keys that come first.
    fn set(environment: &Environment, loaded: &'a Loaded, access: Access, before: Before) -> Result<Self> {
        let (dataset, is_hot) = (loaded.dataset, matches!(access, Access::Hot(_)));
        let stream = Stream::draw(dataset, access, environment.reads(if is_hot { 1 << 17 } else { 1 << 19 }));
        let distinct: Vec<String> = stream.distinct.iter().map(|index| dataset.key(*index)).collect();
        let (keys, misses, store) = (stream.keys(dataset), stream.misses(dataset), loaded.open()?);
        let first = match before {
            Before::Nothing => None,
            Before::All => Some(Keys::of(dataset.entries().map(|(key, _)| key))),
            Before::Reversed => Some(Keys::of(distinct.iter().rev().cloned())),
        };
        if let Some(first) = &first {
            time(Mode::Throughput, store.get().over(first))?;
        }
        time(Mode::Throughput, store.get().over(&keys))?;
        let case = format!("{}{}", access.name(dataset), before.name());
        Ok(Self {
            loaded,
            access,
            case,
            distinct,
            order: stream.order,
            keys,
            misses,
            store,
            next: Cell::new(0),
        })
    }

    /// Measures all contenders in each mode.
    fn run(&self, environment: &Environment, report: &mut Report) -> Result<()> {
        let snapshot = self.store.snapshot()?;
        time(Mode::Throughput, snapshot.get().over(&self.keys))?;
        let is_hot = matches!(self.access, Access::Hot(_));
        let prepared = if is_hot { Some(self.store.prepare(&self.distinct, &self.order)?) } else { None };
        self.check(&snapshot, prepared.as_ref())?;
        for mode in [Mode::Latency, Mode::Throughput, Mode::MissLatency, Mode::Misses] {
            let keys = if is_of_misses(mode) { &self.misses } else { &self.keys };
            let mut entrants = self.own(mode, &snapshot, prepared.as_ref());
            for (name, peer) in &self.loaded.peers {
                entrants.push((name, self.sampled(mode, peer.get().over(keys))));
            }
            let rounds = Rounds::rotate(&entrants, if environment.quick { 21 } else { 201 })?;
            let case = format!("{}, {}", self.case, mode_name(mode));
            report.case(&case, Unit::Nanoseconds, &rounds.figures_to(&[HASHBROWN, UTHASH]))?;
            self.judge(report, &case, mode, &rounds)?;
        }
        Ok(())
    }

    /// Compares the values of prepared keys and of batches of keys with the data set.
    fn check(&self, snapshot: &Snapshot<'_>, prepared: Option<&Prepared<'_>>) -> Result<()> {
        let values: std::collections::HashMap<String, String> = self.loaded.dataset.entries().collect();
        let wanted: Vec<String> = self.distinct.iter().map(|key| values[key].clone()).collect();
        for (index, value) in wanted.iter().enumerate() {
            if prepared.is_some_and(|prepared| !prepared.answers(index, value)) {
                return Err(format!("{KEY}: not the value of {}", self.distinct[index]).into());
            }
        }
        for (keys, values) in self.distinct.chunks(16).zip(wanted.chunks(16)) {
            if !snapshot.finds(&Keys::of(keys.iter().cloned()), values) {
                return Err(format!("{MANY}: not the values of {keys:?}").into());
            }
        }
        Ok(())
    }

    /// Returns the library's own contenders. Batches and prepared keys are included if they make sense, and hits in the
    /// cases of missing keys.
    fn own<'b>(
        &'b self,
        mode: Mode,
        snapshot: &'b Snapshot<'_>,
        prepared: Option<&'b Prepared<'_>>,
    ) -> Vec<Entrant<'b>> {
        let keys = if is_of_misses(mode) { &self.misses } else { &self.keys };
        let mut entrants: Vec<Entrant<'_>> = vec![
            (SNAPSHOT, self.sampled(mode, snapshot.get().over(keys))),
            (GET, self.sampled(mode, self.store.get().over(keys))),
        ];
        let hit = if mode == Mode::MissLatency { Mode::Latency } else { Mode::Throughput };
        if is_of_misses(mode) {
            entrants.push((SNAPSHOT_HIT, self.sampled(hit, snapshot.get().over(&self.keys))));
            entrants.push((GET_HIT, self.sampled(hit, self.store.get().over(&self.keys))));
        }
        if mode == Mode::Throughput {
            let reads = snapshot.get().over(keys);
            entrants.push((MANY, Box::new(move || batches(snapshot, self.sample(reads)))));
        }
        if let (Some(prepared), false) = (prepared, is_of_misses(mode)) {
            entrants.push((KEY, self.sampled(mode, prepared.reads())));
        }
        entrants
    }

    /// Returns a function that measures the next sample at each call.
    fn sampled<'b>(&'b self, mode: Mode, reads: Reads<'b>) -> Box<dyn Fn() -> Result<f64> + 'b> {
        Box::new(move || time(mode, self.sample(reads)))
    }

    /// Returns the next sample: 100 to 300 us for all but the slowest peers, so that most samples are not preempted.
    fn sample<'b>(&self, reads: Reads<'b>) -> Reads<'b> {
        let size = if matches!(self.access, Access::Hot(count) if count <= FEW) { 4096 } else { 1024 };
        reads.sample(self.next.replace(self.next.get() + 1), size)
    }

    /// Compares the figures with the goals.
    fn judge(&self, report: &mut Report, case: &str, mode: Mode, rounds: &Rounds) -> Result<()> {
        for (own, peer, limit) in ratios(mode, self.access) {
            if let Some(ratio) = rounds.ratio(own, peer) {
                report.goal(&format!("{case}: {own} to {peer}"), ratio.median, Bound::AtMost(*limit))?;
            }
        }
        let is_hot = matches!(self.access, Access::Hot(_));
        for (own, limit) in [(GET, 50.0), (KEY, 6.0)].into_iter().filter(|_| is_hot && mode == Mode::Latency)
        {
            if let Some(time) = rounds.median(own) {
                report.goal(&format!("{case}: {own}, ns"), time, Bound::AtMost(limit))?;
            }
        }
        Ok(())
    }
}

/// Returns the goals for ratios: a contender, another one, and the largest ratio of the first to the second.
fn ratios(mode: Mode, access: Access) -> &'static [(&'static str, &'static str, f64)] {
    match (mode, access) {
        (Mode::Latency, Access::Hot(_)) => {
            &[(GET, HASHBROWN, 1.0), (GET, UTHASH, 0.55), (SNAPSHOT, HASHBROWN, 0.9), (KEY, HASHBROWN, 0.3)]
        }
        (Mode::Latency, Access::Zipf | Access::Uniform) => {
            &[(SNAPSHOT, HASHBROWN, 0.6), (GET, HASHBROWN, 0.6)]
        }
        (Mode::Throughput, Access::Hot(_)) => &[(SNAPSHOT, HASHBROWN, 1.15), (GET, HASHBROWN, 1.4)],
        (Mode::Throughput, Access::Uniform) => &[(MANY, SNAPSHOT, 0.35)],
        (Mode::Throughput, Access::Zipf) => &[],
        (Mode::Misses, _) => &[(GET, GET_HIT, 2.0), (SNAPSHOT, SNAPSHOT_HIT, 2.0)],
        (Mode::MissLatency, _) => &[(GET, GET_HIT, 1.3), (SNAPSHOT, SNAPSHOT_HIT, 1.3)],
    }
}

/// Reports whether missing keys are read.
fn is_of_misses(mode: Mode) -> bool {
    matches!(mode, Mode::Misses | Mode::MissLatency)
}

/// Returns the end of the name in cases.
fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Latency => "latency",
        Mode::Throughput => "throughput",
        Mode::Misses => "misses",
        Mode::MissLatency => "misses, latency",
    }
}
