//! Writers and watchers in several processes: no event is lost when they are killed, and a commit wakes the watchers
//! that wait.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Child;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cms::{Durability, Options, Store};
use rustix::event::{PollFd, PollFlags, poll};

use super::{LONG, fixture, next, nothing, set, show, told};
use crate::support::fixture::{Fixture, dirs, get};
use crate::support::parts::{DIR, NUMBER, start_part};

fn role_options() -> Options {
    let dir = std::path::PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    Options::new()
        .dirs(dirs(&dir))
        // About a third of the bytes that the writers write.
        .log_size((rounds() * WRITERS * 100).max(256 << 10) as u64)
        .durability(Durability::None)
        .lock_timeout(Duration::from_secs(60))
}

fn start(dir: &Path, role: &str, number: usize) -> Child {
    start_part("events", dir, role, number)
}

fn number() -> usize {
    std::env::var(NUMBER).expect("set").parse().expect("a number")
}

/// Reads the events that a killed watcher has noted in its file; the last line may be incomplete.
fn seen(dir: &Path, number: usize) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(dir.join(format!("seen{number}"))).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let line = |line: &str| {
        let (sequence, rest) = line.split_once(' ').expect("two words");
        (sequence.parse().expect("a number"), rest.to_owned())
    };
    whole.lines().map(line).collect()
}

/// Runs a role in another process.
pub fn role(role: &str) {
    let live = Store::open(role_options()).expect("opens");
    match role {
        "once" => drop(set(&live, &[("network.lan.mtu", "once")])),
        "writer" => {
            let section = format!("n.s{}.v", number());
            for round in 0..rounds() {
                set(&live, &[(&section, &round.to_string())]);
            }
        }
        "watcher" => watch_and_note(&live),
        other => panic!("no such part: {other}"),
    }
}

/// How often each writer commits; `CMS_EVENTS_ROUNDS` in the environment makes it more.
fn rounds() -> usize {
    std::env::var("CMS_EVENTS_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

const WRITERS: usize = 3;

/// Notes its events in a file, and continues after the last noted one when it is started again.
fn watch_and_note(live: &Store) {
    use std::io::Write;
    let dir = std::path::PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    let known = seen(&dir, number());
    let path = dir.join(format!("seen{}", number()));
    // An incomplete line is written again.
    let lines: String = known.iter().map(|(sequence, rest)| format!("{sequence} {rest}\n")).collect();
    // The watcher may be killed at this point, and must not forget the events it has seen.
    let anew = path.with_extension("anew");
    std::fs::write(&anew, lines).expect("written");
    std::fs::rename(&anew, &path).expect("renamed");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("opens");
    let since = known.last().map_or(SINCE, |(sequence, _)| *sequence);
    let mut watch = live.watch("n.*.v", Some(since)).expect("opens");
    loop {
        let by_fd = number() % 2 == 1;
        if by_fd {
            let fd = watch.fd().expect("a descriptor");
            poll(&mut [PollFd::new(&fd.as_fd(), PollFlags::IN)], None).expect("polled");
        }
        while let Some(event) = watch.next(by_fd.then_some(Duration::ZERO)).expect("readable") {
            for changed in event.changes() {
                let key = String::from_utf8(changed.key()).expect("ASCII");
                let line = format!(
                    "{} {key} {} {}\n",
                    event.sequence(),
                    show(changed.before()),
                    show(changed.after())
                );
                file.write_all(line.as_bytes()).expect("written");
            }
        }
    }
}

/// The transaction before the first of the writers.
const SINCE: u64 = 1;

#[test]
fn nothing_is_lost_or_told_twice_while_writers_write_and_watchers_are_killed() {
    let sections: String = (0..WRITERS).map(|i| format!("config a 's{i}'\n\toption v 'start'\n")).collect();
    let fixture = Fixture::new(&[("n", &sections)]);
    fixture.live().engine().history().note_edits().expect("noted");
    let dir = fixture.dir.path();
    let mut writers: Vec<Child> = (0..WRITERS).map(|number| start(dir, "writer", number)).collect();
    let mut watchers: Vec<Child> = (0..2).map(|number| start(dir, "watcher", number)).collect();
    let mut pause = 37;
    loop {
        std::thread::sleep(Duration::from_millis(pause));
        pause = pause * 7 % 101 + 20;
        let victim = usize::from(pause.is_multiple_of(2));
        watchers[victim].kill().expect("killed");
        watchers[victim].wait().expect("ends");
        watchers[victim] = start(dir, "watcher", victim);
        let done = writers.iter_mut().all(|writer| writer.try_wait().expect("asked").is_some());
        if done {
            break;
        }
        // The log is kept short, so that segments are dropped; no watcher may fall behind by that.
        std::thread::sleep(Duration::from_millis(300));
    }
    writers.iter_mut().for_each(|writer| assert!(writer.wait().expect("ends").success()));
    let deadline = Instant::now() + Duration::from_secs(120);
    let complete = |number| seen(dir, number).len() >= WRITERS * rounds();
    while !(complete(0) && complete(1)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    for (number, mut watcher) in watchers.into_iter().enumerate() {
        watcher.kill().expect("killed");
        watcher.wait().expect("ends");
        let seen = seen(dir, number);
        assert!(seen.is_sorted_by(|(a, _), (b, _)| a < b), "in order, none twice");
        for writer in 0..WRITERS {
            let key = format!("n.s{writer}.v ");
            let mine: Vec<&str> = seen.iter().filter_map(|(_, line)| line.strip_prefix(&key)).collect();
            let expected: Vec<String> = (0..rounds())
                .map(|round| match round {
                    0 => "start 0".to_owned(),
                    _ => format!("{} {round}", round - 1),
                })
                .collect();
            assert_eq!(mine, expected, "writer {writer} as watcher {number} saw it");
        }
    }
}

#[test]
fn a_commit_of_another_process_wakes_at_once() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watch = live.watch("network", None).expect("opens");
    // If it is not woken, the event takes too long.
    watch.set_interval(Duration::from_secs(600));
    nothing(&mut watch);
    for _ in 0..3 {
        set(&live, &[("network.lan.mtu", "1")]);
        next(&mut watch);
        let mut child = start(fixture.dir.path(), "once", 0);
        let event = watch.next(LONG).expect("readable").expect("it was woken");
        assert_eq!(
            (event.record().pid, told(&event)[0].as_str()),
            (child.id(), "set network.lan.mtu 1 once")
        );
        assert!(child.wait().expect("ends").success());
    }
}

/// How often a thread of this process has gone to sleep so far.
fn sleeps(thread: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("counted").trim().parse().expect("a number")
}

#[test]
fn a_watch_that_waits_for_long_does_nothing_and_is_woken_by_everything() {
    let fixture = fixture();
    let live = fixture.live();
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("1500"));
    let (sender, receiver) = mpsc::channel();
    let mut watch = live.watch("*", None).expect("opens");
    std::thread::spawn(move || {
        sender
            .send((rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned(), Vec::new()))
            .expect("listens");
        while let Ok(Some(event)) = watch.next(None) {
            sender.send((0, told(&event))).expect("listens");
        }
    });
    let (thread, _) = receiver.recv().expect("it runs");
    let is_told = |expected: &str| {
        let (_, changes) = receiver.recv_timeout(Duration::from_secs(20)).expect("told");
        assert_eq!(changes, [expected]);
        // It becomes idle: it first waits for a while in the fastest way, and checks for edits.
        let deadline = Instant::now() + Duration::from_secs(20);
        let is_at_rest = || {
            let before = sleeps(thread);
            std::thread::sleep(Duration::from_millis(600));
            sleeps(thread) == before
        };
        while !is_at_rest() {
            assert!(Instant::now() < deadline, "it is woken for nothing");
        }
    };
    set(&live, &[("network.lan.mtu", "1")]);
    is_told("set network.lan.mtu 1500 1");
    set(&Store::open(fixture.options()).expect("opens"), &[("network.lan.mtu", "2")]);
    is_told("set network.lan.mtu 1 2");
    fixture.write("system", "config system 's'\n\toption name 'b'\n");
    is_told("set system.s.name a b");
    // A program with another run directory wakes nobody by itself.
    let mut dirs = fixture.dirs();
    dirs.run.as_mut().expect("there is one").path = fixture.path("another");
    set(&Store::open(fixture.options().dirs(dirs)).expect("opens"), &[("network.lan.mtu", "3")]);
    is_told("set network.lan.mtu 2 3");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("3"), "it can be read");
    // The watch may make a control file in the directory while that is being removed.
    while std::fs::remove_dir_all(fixture.path("run"))
        .is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
    {}
    set(&fixture.live(), &[("network.lan.mtu", "4")]);
    is_told("set network.lan.mtu 3 4");
    set(&fixture.live(), &[("network.lan.mtu", "5")]);
    is_told("set network.lan.mtu 4 5");
}
