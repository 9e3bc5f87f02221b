//! A long run of events: writers at full speed while watchers are killed all the time, and one watcher that is far
//! behind. Each changed key counts as an event. `CMS_SOAK_EVENTS` in the environment sets their number: see `make
//! soak-events`. Without it there are few, so that each test run includes this.
//!
//! A writer changes all options of its package in each transaction, from the number of one round to the next. So a
//! watcher knows the expected content of each event: it keeps the round of each writer in a file, and continues from
//! there when it is started again.

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cms::log::Content;
use cms::{Durability, Error, Event, Options, Store, Watch};
use rustix::event::{PollFd, PollFlags, poll};

use crate::support::fixture::{Fixture, dirs};
use crate::support::parts::{DIR, NUMBER, start_part};

const WRITERS: usize = 3;
/// One waits with `next`, one with the descriptor, one by a callback.
const WATCHERS: usize = 3;
/// The transaction that logs the first texts.
const SINCE: u64 = 1;

/// How many keys are to be changed in all.
fn events() -> usize {
    std::env::var("CMS_SOAK_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(12_000)
}

/// How many keys a transaction changes.
fn keys() -> usize {
    if events() < 1_000_000 { 20 } else { 1000 }
}

/// How often each of so many writers commits.
fn rounds(writers: usize) -> usize {
    events().div_ceil(keys() * writers)
}

fn package(writer: usize) -> String {
    let option = |key| format!("\toption o{key} '0'\n");
    format!("config a 's'\n{}", (0..keys()).map(option).collect::<String>())
        .replace("'s'", &format!("'s{writer}'"))
}

fn fixture(writers: usize) -> Fixture {
    let texts: Vec<(String, String)> =
        (0..writers).map(|writer| (format!("p{writer}"), package(writer))).collect();
    let packages: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (&**name, &**text)).collect();
    let fixture = Fixture::new(&packages);
    fixture.live().engine().history().note_edits().expect("noted");
    fixture
}

fn options(dir: &Path, bytes: usize) -> Options {
    Options::new()
        .dirs(dirs(dir))
        .log_size(bytes as u64)
        .durability(Durability::None)
        // If a dropped segment has the base of a text, the whole log is read again with the lock held.
        .lock_timeout(Duration::from_secs(600))
}

/// A log that keeps only a part of the records, so that segments are made and dropped all the time.
fn short(dir: &Path) -> Options {
    options(dir, (events() * 120 / 4).clamp(256 << 10, 64 << 20))
}

fn commit(live: &Store, writer: usize, round: usize) -> u64 {
    let mut transaction = live.begin().expect("begun");
    for key in 0..keys() {
        let key = format!("p{writer}.s{writer}.o{key}");
        transaction.set(key.as_bytes(), round.to_string().as_bytes()).expect("set");
    }
    transaction.commit().expect("committed")
}

/// The progress of a watcher: the last transaction, and the last round of each writer.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    sequence: u64,
    rounds: Vec<u64>,
}

impl Seen {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let mut numbers =
            bytes.chunks_exact(8).map(|number| u64::from_le_bytes(number.try_into().expect("eight bytes")));
        let sequence = numbers.next().unwrap_or(SINCE);
        Self { sequence, rounds: numbers.chain(std::iter::repeat(0)).take(WRITERS).collect() }
    }

    /// Writes it with one call: a watcher that is killed has written all of it or nothing.
    fn write(&self, file: &std::fs::File) {
        let numbers = std::iter::once(&self.sequence).chain(&self.rounds);
        let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        file.write_all_at(&bytes, 0).expect("written");
    }

    /// Takes the next event, which must be the one that comes next.
    fn take(&mut self, event: &Event) -> Result<(), String> {
        if event.sequence() <= self.sequence {
            return Err(format!("{} after {}", event.sequence(), self.sequence));
        }
        let changes = event.changes();
        if changes.len() != keys() {
            return Err(format!("{} changes in {}", changes.len(), event.sequence()));
        }
        let package = &event.record().packages[0].package;
        let writer: usize = package.trim_start_matches('p').parse().map_err(|_| package.clone())?;
        let (old, new) = (self.rounds[writer].to_string(), (self.rounds[writer] + 1).to_string());
        let is = |content: Option<&Content>, text: &str| {
            content.is_some_and(|content| content.items() == [text.as_bytes().to_vec()])
        };
        for changed in changes {
            if !is(changed.before(), &old) || !is(changed.after(), &new) {
                return Err(format!("{package} in {} after round {old}: {changed:?}", event.sequence()));
            }
        }
        (self.sequence, self.rounds[writer]) = (event.sequence(), self.rounds[writer] + 1);
        Ok(())
    }
}

fn start(dir: &Path, role: &str, number: usize) -> Child {
    start_part("events_soak", dir, role, number)
}

/// Runs a role in another process.
pub fn role(role: &str) {
    let dir = PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    let number: usize = std::env::var(NUMBER).expect("set").parse().expect("a number");
    let live = Store::open(short(&dir)).expect("opens");
    if role == "writer" {
        for round in 1..=rounds(WRITERS) {
            commit(&live, number, round);
        }
        return;
    }
    let path = dir.join(format!("seen{number}"));
    let mut seen = Seen::read(&path);
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.expect("opens");
    let since = Some(seen.sequence);
    // The callback runs on a thread whose panic does not fail the test.
    let mut take = move |told: Result<Event, Error>| {
        let taken = told.map_err(|error| error.to_string()).and_then(|event| seen.take(&event));
        match taken {
            Ok(()) => seen.write(&file),
            Err(why) => {
                eprintln!("watcher {number}: {why}");
                std::process::exit(3);
            }
        }
    };
    if number == 2 {
        let _subscription = live.subscribe("*", since, take).expect("subscribed");
        loop {
            std::thread::park();
        }
    }
    let mut watch = live.watch("*", since).expect("opens");
    loop {
        let by_fd = number == 1;
        if by_fd {
            let fd = watch.fd().expect("a descriptor");
            poll(&mut [PollFd::new(&fd.as_fd(), PollFlags::IN)], None).expect("polled");
        }
        while let Some(told) = watch.next(by_fd.then_some(Duration::ZERO)).transpose() {
            take(told);
        }
    }
}

/// Kills a watcher and starts it again.
fn restart(watchers: &mut [Child], victim: usize, dir: &Path) {
    let ended = watchers[victim].try_wait().expect("asked");
    assert!(ended.is_none(), "watcher {victim} has ended by itself: {ended:?}");
    watchers[victim].kill().expect("killed");
    watchers[victim].wait().expect("ends");
    watchers[victim] = start(dir, "watcher", victim);
}

#[test]
fn each_watcher_sees_everything_in_order_however_often_it_is_killed() {
    let fixture = fixture(WRITERS);
    let dir = fixture.dir.path();
    let begin = Instant::now();
    let mut writers: Vec<Child> = (0..WRITERS).map(|number| start(dir, "writer", number)).collect();
    let mut watchers: Vec<Child> = (0..WATCHERS).map(|number| start(dir, "watcher", number)).collect();
    let (mut random, mut kills) = (37_u64, 0);
    let all = vec![rounds(WRITERS) as u64; WRITERS];
    let seen = |number: usize| Seen::read(&dir.join(format!("seen{number}")));
    let mut limit = Instant::now() + Duration::from_secs(300);
    let mut before = Vec::new();
    loop {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(50 + (random >> 33) % 700));
        let now: Vec<Seen> = (0..WATCHERS).map(seen).collect();
        if now.iter().all(|seen| seen.rounds == all) {
            break;
        }
        if now != before {
            limit = Instant::now() + Duration::from_secs(300);
        }
        assert!(Instant::now() < limit, "it goes on no more: {now:?}");
        before = now;
        let is_done = writers.iter_mut().all(|writer| writer.try_wait().expect("asked").is_some());
        // In the end each watcher may finish.
        if !is_done {
            restart(&mut watchers, usize::try_from((random >> 20) % WATCHERS as u64).expect("small"), dir);
            kills += 1;
        }
    }
    writers.iter_mut().for_each(|writer| assert!(writer.wait().expect("ends").success()));
    for mut watcher in watchers {
        assert!(watcher.try_wait().expect("asked").is_none());
        watcher.kill().expect("killed");
        watcher.wait().expect("ends");
    }
    let log = std::fs::read_dir(fixture.path("state")).expect("readable").flatten().next().expect("a log");
    let kept = std::fs::read_dir(log.path()).expect("readable").flatten();
    let kept =
        kept.filter(|file| file.path().extension().is_some_and(|extension| extension == "log")).count();
    println!(
        "{} events of {WRITERS} writers, seen by each of {WATCHERS} watchers, which were killed {kills} times; \
         {kept} segments are kept: {:.1} s",
        rounds(WRITERS) * WRITERS * keys(),
        begin.elapsed().as_secs_f64()
    );
    assert!(kills > 0 || events() < 1_000_000);
}

/// Takes all pending events.
fn drain(watch: &mut Watch, seen: &mut Seen, rounds: u64) {
    while seen.rounds[0] < rounds {
        let event = watch.next(Some(Duration::from_secs(60))).expect("readable").expect("there is one");
        seen.take(&event).unwrap_or_else(|why| panic!("{why}"));
    }
}

#[test]
fn who_is_far_behind_misses_nothing_as_long_as_the_log_keeps_it() {
    let fixture = fixture(1);
    let dir = fixture.dir.path();
    // The log must keep all records.
    let roomy = Store::open(options(dir, events() * 240 + (4 << 20))).expect("opens");
    let mut slow = roomy.watch("p0", Some(SINCE)).expect("opens");
    let mut late = roomy.watch("p0", Some(SINCE)).expect("opens");
    let (sender, receiver) = mpsc::channel();
    let told =
        move |event: Result<Event, Error>| sender.send(event.expect("no error").sequence()).unwrap_or(());
    let subscription = roomy.subscribe("p0", Some(SINCE), told).expect("subscribed");
    let rounds = rounds(1);
    let begin = Instant::now();
    let revisions: Vec<u64> = (1..=rounds).map(|round| commit(&roomy, 0, round)).collect();
    let written = begin.elapsed();
    let mut seen = Seen { sequence: SINCE, rounds: vec![0; WRITERS] };
    let begin = Instant::now();
    drain(&mut slow, &mut seen, rounds as u64);
    println!(
        "a backlog of {} events, written in {:.1} s: read in {:.1} s",
        rounds * keys(),
        written.as_secs_f64(),
        begin.elapsed().as_secs_f64()
    );
    assert_eq!(seen.sequence, revisions[rounds - 1]);
    assert!(slow.next(Some(Duration::ZERO)).expect("readable").is_none());
    // The subscriber, which was called in time, has the same events.
    for revision in &revisions {
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)).as_ref(), Ok(revision));
    }
    drop(subscription);

    // The log drops records that the other watcher has not read yet: it gets an error that says where to continue.
    let tight = Store::open(options(dir, 0)).expect("opens");
    let mut round = rounds;
    let mut last = revisions[rounds - 1];
    while roomy.watch("p0", Some(SINCE)).is_ok() {
        round += 1;
        last = commit(&tight, 0, round);
        // A watcher that is not behind misses nothing.
        drain(&mut slow, &mut seen, round as u64);
    }
    // It still has a dropped segment open, and reads that to its end.
    let mut seen_late = Seen { sequence: SINCE, rounds: vec![0; WRITERS] };
    loop {
        match late.next(Some(Duration::from_secs(60))) {
            Ok(event) => seen_late.take(&event.expect("there is one")).unwrap_or_else(|why| panic!("{why}")),
            Err(Error::TooOld { revision, .. }) => break assert_eq!(revision, last),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(seen_late.rounds[0] < round as u64, "not all of it was there any more");
    let next = commit(&tight, 0, round + 1);
    let event = late.next(Some(Duration::from_secs(60))).expect("readable").expect("it goes on");
    assert_eq!(event.sequence(), next);
    drain(&mut slow, &mut seen, round as u64 + 1);
}
