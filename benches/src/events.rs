//! Group `events`: the time from a commit until a subscriber's code runs, compared with a bare wake-up, Redis and
//! inotify; the cost of subscribers for a writer; the cost of idle subscribers.
//!
//! It runs once on the disk with the default durability, and once on tmpfs with `Durability::None`. Channels take
//! turns in blocks of some events 3 ms apart; the median of each block is one round, and the 99th percentile is that
//! of all events. The latency of a commit counts from its return; that of other channels, from the call.

mod channel;
mod clock;
mod idle;
mod listener;
mod redis;
mod uci;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cms::{Durability, Store};
use rustix::event::{EventfdFlags, eventfd};

use crate::Result;
use crate::commit::disk_store::{DiskStore, tmpfs};
use crate::dataset::Dataset;
use crate::environment::Environment;
use crate::ffi::SharedWords;
use crate::report::{Bound, Figure, Report, Unit};
use crate::rounds::{Entrant, Rounds};
use channel::{Channel, Teller};
use listener::{Process, Way};

pub use listener::{INTERNAL, listen};

/// The largest number of subscribers: as many as a store may have.
const MANY: usize = 1000;

/// The names of channels that have goals.
const FUTEX: &str = "bare futex, other process";
/// As above.
const NEXT: &str = "cms next, other process";
/// As above.
const SUBSCRIBE: &str = "cms subscribe, other process";
/// As above.
const WITHIN: &str = "cms subscribe, this process";
/// As above.
const MANY_WITHIN: &str = "cms subscribe, this process, 1000";

/// Runs the group.
pub fn run(environment: &Environment, report: &mut Report) -> Result<()> {
    let mut places = vec![("disk, full durability", environment.dir().to_path_buf(), Durability::Full)];
    let shm = tmpfs().map(|shm| tempfile::Builder::new().prefix("cms-bench-").tempdir_in(shm)).transpose()?;
    match &shm {
        Some(shm) => places.push(("tmpfs, no durability", shm.path().to_path_buf(), Durability::None)),
        None => report.note("there is no tmpfs"),
    }
    for (name, dir, durability) in &places {
        latency(environment, report, name, &Scene { dir, durability: *durability })?;
        uci::run(environment, report, name, &Scene { dir, durability: *durability })?;
        writer(environment, report, name, &Scene { dir, durability: *durability })?;
    }
    idle::run(environment, report)
}

/// The place in which channels are set up.
struct Scene<'s> {
    /// The directory for their files.
    dir: &'s Path,
    /// The durability of commits.
    durability: Durability,
}

impl Scene<'_> {
    /// Makes a directory for one channel.
    fn room(&self) -> Result<PathBuf> {
        Ok(tempfile::Builder::new().prefix("events-").tempdir_in(self.dir)?.keep())
    }

    /// Makes a store with shared words, and returns both.
    fn disk_store(&self) -> Result<(DiskStore, Store, PathBuf)> {
        let disk = DiskStore::create(self.dir, Dataset::Router)?;
        std::fs::write(disk.path("config/network"), "config interface 'lan'\n\toption mtu '1500'\n")?;
        let live = Store::open(disk.options(self.durability))?;
        let words = disk.path("words");
        // The store starts with a log, like stores in use.
        channel::commit(&live)(0)?;
        Ok((disk, live, words))
    }

    /// A channel of commits with a process that listens in this way.
    fn other(&self, name: &'static str, way: Way, count: usize) -> Result<Channel> {
        let (disk, live, words) = self.disk_store()?;
        let process = Process::start(way, count, &words, &words, &disk.environment(), Stdio::null())?;
        let channel = Channel::new(name, count, SharedWords::open(&words)?, channel::commit(&live), true);
        Ok(channel.listened_by(process).keeping(disk))
    }

    /// A channel of commits with subscribers in this process.
    fn within(&self, name: &'static str, count: usize) -> Result<Channel> {
        let (disk, live, words) = self.disk_store()?;
        let words = SharedWords::open(&words)?;
        let subscriptions = listener::subscribe(&live, listener::PATTERN, &words, count)?;
        let channel = Channel::new(name, count, words, channel::commit(&live), true);
        Ok(channel.keeping(subscriptions).keeping(disk))
    }

    /// A channel other than cms, with a process that listens to it.
    fn peer(
        &self,
        name: &'static str,
        way: Way,
        count: usize,
        place: &Path,
        teller: Teller,
    ) -> Result<Channel> {
        let words = self.room()?.join("words");
        let process = Process::start(way, count, &words, place, &[], Stdio::null())?;
        Ok(Channel::new(name, count, SharedWords::open(&words)?, teller, false).listened_by(process))
    }

    /// The limits: channels with a bare futex and a bare eventfd.
    fn limits(&self) -> Result<Vec<Channel>> {
        let futex = |name, count| -> Result<Channel> {
            let path = self.room()?.join("words");
            let words = SharedWords::open(&path)?;
            let process = Process::start(Way::Futex, count, &path, &path, &[], Stdio::null())?;
            Ok(Channel::new(name, count, words.clone(), channel::wake(&words), false).listened_by(process))
        };
        let path = self.room()?.join("words");
        let (words, eventfd) = (SharedWords::open(&path)?, self.eventfd()?);
        let input = Stdio::from(eventfd.try_clone()?);
        let process = Process::start(Way::Eventfd, 1, &path, &path, &[], input)?;
        let across = Channel::new("eventfd, other process", 1, words, channel::count_up(eventfd), false);
        // Threads of this process listen until the process ends.
        let own = SharedWords::open(&self.room()?.join("words"))?;
        drop(listener::on_futex(&own, 1));
        let within = Channel::new("bare futex, this process", 1, own.clone(), channel::wake(&own), false);
        Ok(vec![
            futex(FUTEX, 1)?,
            across.listened_by(process),
            within,
            self.eventfd_within()?,
            futex("bare futex, other process, 1000 threads", MANY)?,
        ])
    }

    /// An eventfd that starts at zero.
    fn eventfd(&self) -> Result<OwnedFd> {
        Ok(eventfd(0, EventfdFlags::CLOEXEC)?)
    }

    /// An eventfd between threads.
    fn eventfd_within(&self) -> Result<Channel> {
        let (words, eventfd) = (SharedWords::open(&self.room()?.join("words"))?, self.eventfd()?);
        let (listening, noting) = (eventfd.try_clone()?, words.clone());
        std::thread::spawn(move || drop(listener::on_eventfd(&noting, &listening)));
        Ok(Channel::new("eventfd, this process", 1, words, channel::count_up(eventfd), false))
    }

    /// The peers: a file that another process waits for, and Redis.
    fn peers(&self, report: &Report) -> Result<Vec<Channel>> {
        let file = self.room()?.join("file");
        let inotify =
            self.peer("file and inotify, other process", Way::Inotify, 1, &file, channel::rename(&file))?;
        let mut all = vec![inotify];
        // The path of a socket must be short.
        let Some(server) = redis::Server::start(&self.room()?)? else {
            report.note("Redis left out: there is no redis-server");
            return Ok(all);
        };
        for (name, count) in [("Redis, other process", 1), ("Redis, other process, 1000", MANY)] {
            // A Redis server with subscribers is not used for the other channel.
            let own = if count == 1 { None } else { redis::Server::start(&self.room()?)? };
            let socket = &own.as_ref().unwrap_or(&server).socket;
            let publisher = channel::publish(redis::Publisher::connect(socket)?);
            let channel = self.peer(name, Way::Redis, count, socket, publisher)?;
            all.push(channel.keeping(own));
        }
        if let Some(last) = all.pop() {
            all.push(last.keeping(server));
        }
        Ok(all)
    }
}

/// Measures how long after the event the listeners run.
fn latency(environment: &Environment, report: &mut Report, place: &str, scene: &Scene<'_>) -> Result<()> {
    let mut all = scene.limits()?;
    all.extend(scene.peers(report)?);
    all.extend([
        scene.other(NEXT, Way::Next, 1)?,
        scene.other("cms fd with poll, other process", Way::Poll, 1)?,
        scene.other(SUBSCRIBE, Way::Subscribe, 1)?,
        scene.other("cms subscribe, other process, 1000", Way::Subscribe, MANY)?,
        scene.within(WITHIN, 1)?,
        scene.within(MANY_WITHIN, MANY)?,
    ]);
    let entrants: Vec<Entrant<'_>> =
        all.iter().map(|one| (one.name, Box::new(|| one.round()) as Box<dyn Fn() -> _>)).collect();
    let rounds = Rounds::run(&entrants, environment.repetitions(25))?;
    let case = format!("told, {place}");
    let beside = |name: &str| rounds.ratio(name, FUTEX).map(|ratio| ("futex".to_owned(), ratio));
    let figures: Vec<Figure> =
        all.iter().map(|one| one.percentile(50, false).beside(beside(one.name))).collect();
    report.case(&format!("{case}, p50"), Unit::Microseconds, &figures)?;
    let rows =
        |percent, from_call| all.iter().map(|one| one.percentile(percent, from_call)).collect::<Vec<_>>();
    report.case(&format!("{case}, p99"), Unit::Microseconds, &rows(99, false))?;
    report.case(&format!("{case}, from the call, p50"), Unit::Microseconds, &rows(50, true))?;
    for (name, limit) in [(NEXT, 100.0), (SUBSCRIBE, 100.0), (WITHIN, 10.0)] {
        let own = rounds.median(name).ok_or("it took part")?;
        report.goal(&format!("{case}: {name}, us"), own, Bound::AtMost(limit))?;
    }
    for name in [NEXT, SUBSCRIBE] {
        let ratio = rounds.ratio(name, FUTEX).ok_or("both took part")?;
        report.goal(&format!("{case}: {name}, to the bare futex"), ratio.median, Bound::AtMost(3.0))?;
    }
    Ok(())
}

/// Measures the time of a commit while others are subscribed to another package.
fn writer(environment: &Environment, report: &mut Report, place: &str, scene: &Scene<'_>) -> Result<()> {
    let mut all = Vec::new();
    for (name, way, count) in [
        ("nobody", Way::Idle, 0),
        ("1 idle subscriber", Way::Idle, 1),
        ("1000 idle subscribers", Way::Idle, MANY),
        ("1000 that are told", Way::Subscribe, MANY),
    ] {
        let (disk, live, words) = scene.disk_store()?;
        let process = match count {
            0 => None,
            _ => Some(Process::start(way, count, &words, &words, &disk.environment(), Stdio::null())?),
        };
        let commit = std::cell::RefCell::new(channel::commit(&live));
        let number = std::cell::Cell::new(0);
        let round = move || -> Result<f64> {
            let mut times = Vec::new();
            for _ in 0..20 {
                std::thread::sleep(std::time::Duration::from_millis(1));
                number.set(number.get() + 1);
                let called = clock::now();
                commit.borrow_mut()(number.get())?;
                times.push(clock::microseconds(called, clock::now()));
            }
            Ok(crate::contender::Spread::of(&mut times).median)
        };
        all.push((name, round, (disk, process)));
    }
    let entrants: Vec<Entrant<'_>> =
        all.iter().map(|(name, round, _)| (*name, Box::new(round) as Box<dyn Fn() -> _>)).collect();
    let rounds = Rounds::run(&entrants, environment.repetitions(25))?;
    let many = "1000 idle subscribers";
    report.case(&format!("a commit, {place}, watched by"), Unit::Microseconds, &rounds.figures(many))?;
    let ratio = rounds.ratio(many, "nobody").ok_or("both took part")?;
    report.goal(
        &format!("a commit, {place}: with 1000 idle subscribers, to without"),
        ratio.median,
        Bound::AtMost(1.1),
    )
}
