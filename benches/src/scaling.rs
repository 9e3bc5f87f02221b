//! Group `scaling`: reads per second of one to N threads while another process commits, compared with the scaling of
//! pure arithmetic in the same rounds, since virtual processors may share a real one.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::contender::Spread;
use crate::dataset::{Access, Dataset, Stream};
use crate::environment::Environment;
use crate::ffi::system::Pinned;
use crate::ffi::{Hashbrown, Keys, Library, Mode, Work, run_until, time};
use crate::loaded::HASHBROWN;
use crate::parse::float;
use crate::report::{Bound, Figure, Report, Unit};
use crate::tmpfs_store::{self, TmpfsStore};
use crate::writer::Writer;

/// How often the writer commits, per second.
const RATES: [u32; 3] = [0, 10, 1000];

/// The contender that all others are compared with.
const SPIN: &str = "spin loop";

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let Some(library) = tmpfs_store::library(report)? else { return Ok(()) };
    report.note("reads are independent; a writer is a process of its own and needs a processor too");
    for (dataset, access) in [(Dataset::Router, Access::Hot(200)), (environment.large(), Access::Uniform)] {
        let tmpfs = TmpfsStore::create(dataset)?;
        tmpfs.add("writer", "config writer 'state'\n\toption counter '0'\n")?;
        let keys = Stream::draw(dataset, access, environment.reads(1 << 19)).keys(dataset);
        let scene = Scene { dataset, tmpfs, keys, hashbrown: Hashbrown::of(dataset.entries()) };
        for rate in RATES {
            let case = format!("{}, {rate} commits/s", access.name(dataset));
            scene.measure(environment, report, library, (&case, rate))?;
        }
    }
    Ok(())
}

/// What is read.
struct Scene {
    /// The entries.
    dataset: Dataset,
    /// The configuration.
    tmpfs: TmpfsStore,
    /// The keys.
    keys: Keys,
    /// The peer.
    hashbrown: Hashbrown,
}

/// A contender and its reads per second: for each round, and for one to N threads.
struct Curve<'a> {
    /// The name.
    name: &'static str,
    /// The work of each thread.
    work: Work<'a>,
    /// The figures.
    rounds: Vec<Vec<f64>>,
}

impl Scene {
    /// Measures all contenders with a writer that commits `rate` times a second.
    fn measure(
        &self,
        environment: &Environment,
        report: &mut Report,
        library: Library,
        (case, rate): (&str, u32),
    ) -> Result<()> {
        let store = self.tmpfs.open(library)?;
        let snapshot = store.snapshot()?;
        // A snapshot that has not read a package yet may find its map replaced by a later one.
        time(Mode::Throughput, snapshot.get().over(&self.keys))?;
        let curve = |name, work| Curve { name, work, rounds: Vec::new() };
        let mut curves = [
            curve(SPIN, Work::Spin),
            curve("cms_snapshot_get", Work::Read(snapshot.shared(&self.keys))),
            curve("cms_get", Work::Read(store.shared(&self.keys))),
            curve(HASHBROWN, Work::Read(self.hashbrown.shared(&self.keys))),
        ];
        let writer = Writer::start(&self.tmpfs, rate, &self.written())?;
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let time = Duration::from_millis(if environment.quick { 20 } else { 100 });
        for _ in 0..environment.repetitions(7) {
            for curve in &mut curves {
                let rates: Result<Vec<f64>> =
                    (1..=threads).map(|count| together(count, time, curve.work)).collect();
                curve.rounds.push(rates.map_err(|error| format!("{}: {error}", curve.name))?);
            }
        }
        let committed = writer.stop()?;
        if committed < f64::from(rate) * 0.95 {
            report.note(&format!("{case}: the writer reached {committed:.0} a second"));
        }
        tell(report, case, threads, &curves)
    }

    /// Returns the key to commit: one of those that are read, unless its package is large, since a commit writes the
    /// whole text.
    fn written(&self) -> String {
        match self.dataset {
            Dataset::Router | Dataset::Small(_) => self.dataset.key(0),
            Dataset::Large { .. } | Dataset::Sized { .. } => "writer.state.counter".to_owned(),
        }
    }
}

/// Starts threads, each on a processor of its own, which do the work for a while; returns millions per second. The
/// time is that of all of them, so that a thread that gets no processor time lowers the figure.
fn together(count: usize, time: Duration, work: Work<'_>) -> Result<f64> {
    let (stop, barrier) = (AtomicU32::new(0), Barrier::new(count + 1));
    let one = |index: usize| -> std::result::Result<u64, String> {
        let pinned = Pinned::to(index).map_err(|error| error.to_string());
        barrier.wait();
        pinned.and_then(|_pinned| run_until(&stop, work, index * 104_729).map_err(|error| error.to_string()))
    };
    std::thread::scope(|scope| {
        let one = &one;
        let handles: Vec<_> = (0..count).map(|index| scope.spawn(move || one(index))).collect();
        barrier.wait();
        let start = Instant::now();
        std::thread::sleep(time);
        stop.store(1, Ordering::Relaxed);
        let seconds = start.elapsed().as_secs_f64();
        let mut sum = 0;
        for handle in handles {
            sum += handle.join().map_err(|_| "a thread panicked")??;
        }
        Ok(float(usize::try_from(sum)?) / seconds / 1e6)
    })
}

impl Curve<'_> {
    /// The throughput of several threads, divided by that of one in the same round.
    fn scaling(&self, threads: usize) -> Vec<f64> {
        self.rounds.iter().map(|round| round[threads - 1] / round[0]).collect()
    }

    /// The same, divided by the scaling of another.
    fn part_of(&self, ideal: &Self, threads: usize) -> Spread {
        let parts = self.scaling(threads).into_iter().zip(ideal.scaling(threads));
        Spread::of(&mut parts.map(|(own, ideal)| own / ideal).collect::<Vec<_>>())
    }
}

/// Reports throughput, and scaling relative to that of arithmetic.
fn tell(report: &mut Report, case: &str, threads: usize, curves: &[Curve<'_>]) -> Result<()> {
    let spin = &curves[0];
    let figure = |curve: &Curve<'_>| {
        let mut rates: Vec<f64> = curve.rounds.iter().map(|round| round[threads - 1]).collect();
        let scalings =
            (2..=threads).map(|count| (format!("x{count}:"), Spread::of(&mut curve.scaling(count))));
        let part = (format!("to {SPIN}:"), curve.part_of(spin, threads));
        Figure::exact(curve.name, Spread::of(&mut rates).median).beside(scalings.chain([part]))
    };
    let figures: Vec<Figure> = curves.iter().map(figure).collect();
    let case = format!("{case}, {threads} threads");
    let (ideal, reads) = figures.split_at(1);
    report.case(&case, Unit::MillionsPerSecond, ideal)?;
    report.case(&case, Unit::MillionsPerSecond, reads)?;
    for curve in curves.iter().filter(|curve| curve.name.starts_with("cms")) {
        let part = curve.part_of(spin, threads).median;
        report.goal(&format!("{case}: {} to {SPIN}", curve.name), part, Bound::AtLeast(0.85))?;
    }
    Ok(())
}
