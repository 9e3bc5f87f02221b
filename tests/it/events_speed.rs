//! How long it takes from a commit to who watches, beside a bare futex and an eventfd; what watches cost a writer,
//! and what they cost while nothing happens. It prints a table:
//!
//! `TMPDIR=/dev/shm cargo test --release --test it -- --ignored --nocapture events_speed::table`
//!
//! Latencies are from the moment that `commit` returns, and 0 if the subscriber was faster than that; beside them
//! stands the time from the call of `commit`. The clock is the system's, the same in all processes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use cms::{DirOptions, Dirs, Durability, Live, Options};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::thread::futex;
use rustix::time::{ClockId, clock_gettime};

use crate::live::Fixture;

const ROLE: &str = "CMS_SPEED_ROLE";
const DIR: &str = "CMS_SPEED_DIR";
const COUNT: &str = "CMS_SPEED_COUNT";
const ROUNDS: usize = 300;
const PAUSE: Duration = Duration::from_millis(3);

fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

fn options(dir: &Path) -> Options {
    let path = |name: &str| Some(dir.join(name));
    let wanted =
        DirOptions { config: path("config"), save: path("save"), run: path("run"), state: path("state") };
    Options { dirs: Dirs::choose(wanted), durability: Durability::None, ..Options::default() }
}

fn commit(live: &Live, number: usize) -> (u64, u64) {
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"network.lan.mtu", number.to_string().as_bytes()).expect("set");
    let called = now();
    transaction.commit().expect("committed");
    (called, now())
}

fn percentile(sorted: &[u64], percent: usize) -> f64 {
    Duration::from_nanos(sorted[(sorted.len() - 1) * percent / 100]).as_secs_f64() * 1e6
}

fn line(name: &str, mut latencies: Vec<u64>, mut whole: Vec<u64>) {
    latencies.sort_unstable();
    whole.sort_unstable();
    let [a, b] = [50, 99].map(|percent| percentile(&latencies, percent));
    if whole.is_empty() {
        println!("{name:<58} {a:>9.1} {b:>9.1}");
    } else {
        let [c, d] = [50, 99].map(|percent| percentile(&whole, percent));
        println!("{name:<58} {a:>9.1} {b:>9.1} {c:>11.1} {d:>9.1}");
    }
}

/// Another process that plays a part of this test, and tells times by its output.
struct Other {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Other {
    fn start(dir: &Path, role: &str, count: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["events_speed::a_part_in_another_process", "--exact", "--nocapture", "--test-threads=1"])
            .args(["--include-ignored", "-q"])
            .env(ROLE, role)
            .env(DIR, dir)
            .env(COUNT, count.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut other = Self { child, stdin, stdout };
        while other.read() != Some(0) {}
        other
    }

    /// Reads a number, passing over what the test harness says.
    fn read(&mut self) -> Option<u64> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("readable");
        line.trim().parse().ok()
    }

    fn number(&mut self) -> u64 {
        loop {
            if let Some(number) = self.read() {
                return number;
            }
        }
    }

    /// User and system time so far, in ticks of 10 ms.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("readable");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        [fields[11], fields[12]].into_iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tell(number: u64) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{number}").expect("written");
    stdout.flush().expect("written");
}

/// The word of a futex in a file that two processes map.
struct Shared(memmap2::MmapRaw);

impl Shared {
    fn open(dir: &Path) -> Self {
        let path = dir.join("word");
        let file = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.expect("opens");
        file.set_len(4096).expect("sized");
        Self(memmap2::MmapRaw::map_raw(&file).expect("mapped"))
    }

    #[expect(unsafe_code, reason = "the word is in a file that another process maps as well")]
    fn word(&self) -> &AtomicU32 {
        // SAFETY: it is mapped, aligned, and only ever used as an atomic.
        unsafe { AtomicU32::from_ptr(self.0.as_mut_ptr().cast()) }
    }
}

#[test]
#[ignore = "a part of the benchmark"]
fn a_part_in_another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    let count: usize = std::env::var(COUNT).expect("set").parse().expect("a number");
    match role.as_str() {
        "futex" => {
            let shared = Shared::open(&dir);
            tell(0);
            let mut seen = 0;
            loop {
                while shared.word().load(Ordering::Acquire) == seen {
                    let _ = futex::wait(shared.word(), futex::Flags::empty(), seen, None);
                }
                seen += 1;
                tell(now());
            }
        }
        "eventfd" => {
            // It is the standard input.
            let stdin = std::io::stdin();
            tell(0);
            loop {
                poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None).expect("polled");
                rustix::io::read(&stdin, &mut [0; 8]).expect("read");
                tell(now());
            }
        }
        "next" | "fd" => {
            let live = Live::open(options(&dir)).expect("opens");
            let mut watch = live.watch("network", None).expect("opens");
            let by_fd = role == "fd";
            let _ = watch.next(Some(Duration::from_millis(300))).expect("readable");
            tell(0);
            loop {
                let mut timeout = None;
                if by_fd {
                    let fd = watch.fd().expect("a descriptor");
                    poll(&mut [PollFd::new(&fd, PollFlags::IN)], None).expect("polled");
                    timeout = Some(Duration::ZERO);
                }
                if watch.next(timeout).expect("readable").is_some() {
                    tell(now());
                }
            }
        }
        _ => {
            let live = Live::open(options(&dir)).expect("opens");
            let (sender, receiver) = mpsc::channel();
            // Those of the idle ones are of another package.
            let pattern = if role == "idle" { "system" } else { "network" };
            let subscribe = |_| {
                let sender = sender.clone();
                let told = move |_| sender.send(now()).expect("somebody listens");
                live.subscribe(pattern, None, told).expect("subscribed")
            };
            let _subscriptions: Vec<_> = (0..count).map(subscribe).collect();
            std::thread::sleep(Duration::from_millis(300));
            tell(0);
            receiver.iter().for_each(tell);
        }
    }
}

/// Commits, and takes the times at which `count` subscribers were told.
fn rounds(live: &Live, count: usize, mut told: impl FnMut() -> u64) -> (Vec<u64>, Vec<u64>) {
    let (mut latencies, mut whole) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        std::thread::sleep(PAUSE);
        let (called, returned) = commit(live, round);
        for _ in 0..count {
            let at = told();
            latencies.push(at.saturating_sub(returned));
            whole.push(at.saturating_sub(called));
        }
    }
    (latencies, whole)
}

fn bare(dir: &Path) {
    let shared = Shared::open(dir);
    let mut other = Other::start(dir, "futex", 1);
    let mut latencies = Vec::new();
    for _ in 0..ROUNDS {
        std::thread::sleep(PAUSE);
        let sent = now();
        shared.word().fetch_add(1, Ordering::Release);
        futex::wake(shared.word(), futex::Flags::empty(), 1).expect("woken");
        latencies.push(other.number().saturating_sub(sent));
    }
    line("bare futex, across processes", latencies, Vec::new());
    drop(other);
    let fd = eventfd(0, EventfdFlags::empty()).expect("made");
    let (sender, receiver) = mpsc::channel();
    let listening = rustix::io::dup(&fd).expect("duplicated");
    std::thread::spawn(move || {
        while rustix::io::read(&listening, &mut [0; 8]).is_ok() && sender.send(now()).is_ok() {}
    });
    let mut latencies = Vec::new();
    for _ in 0..ROUNDS {
        std::thread::sleep(PAUSE);
        let sent = now();
        rustix::io::write(&fd, &1_u64.to_ne_bytes()).expect("written");
        latencies.push(receiver.recv().expect("told").saturating_sub(sent));
    }
    line("eventfd, between threads", latencies, Vec::new());
    let mut other = Other::start(dir, "eventfd", 1);
    let mut latencies = Vec::new();
    for _ in 0..ROUNDS {
        std::thread::sleep(PAUSE);
        let sent = now();
        other.stdin.write_all(&1_u64.to_ne_bytes()).expect("written");
        latencies.push(other.number().saturating_sub(sent));
    }
    line("pipe with poll, across processes", latencies, Vec::new());
}

fn commit_cost(live: &Live, name: &str) {
    let mut costs = Vec::new();
    for round in 0..ROUNDS {
        std::thread::sleep(Duration::from_millis(1));
        let (called, returned) = commit(live, round);
        costs.push(returned - called);
    }
    line(name, costs, Vec::new());
}

#[test]
#[ignore = "a benchmark"]
fn table() {
    let fixture = Fixture::new(&[
        ("network", "config interface 'lan'\n\toption mtu '1500'\n"),
        ("system", "config system 's'\n"),
    ]);
    let dir = fixture.dir.path();
    let live = Live::open(options(dir)).expect("opens");
    live.get(b"network.lan.mtu", |_| ()).expect("readable");
    commit(&live, 9999);
    println!("{:<58} {:>9} {:>9} {:>11} {:>9}", "microseconds", "p50", "p99", "whole p50", "p99");
    bare(dir);
    for role in ["next", "fd", "subscribe"] {
        let mut other = Other::start(dir, role, 1);
        let (latencies, whole) = rounds(&live, 1, || other.number());
        line(&format!("{role}, 1 in another process"), latencies, whole);
    }
    {
        let mut other = Other::start(dir, "subscribe", 1000);
        let (latencies, whole) = rounds(&live, 1000, || other.number());
        line("subscribe, each of 1000 in another process", latencies, whole);
    }
    for count in [1, 1000] {
        let (sender, receiver) = mpsc::channel();
        let subscribe = |_| {
            let sender = sender.clone();
            live.subscribe("network", None, move |_| sender.send(now()).unwrap_or(())).expect("subscribed")
        };
        let subscriptions: Vec<_> = (0..count).map(subscribe).collect();
        std::thread::sleep(Duration::from_millis(300));
        let (latencies, whole) = rounds(&live, count, || receiver.recv().expect("told"));
        line(&format!("subscribe, each of {count} in this process"), latencies, whole);
        drop(subscriptions);
    }
    for _ in 0..2 {
        commit_cost(&live, "a commit, nobody watches");
        for (role, count) in [("next", 1), ("idle", 1), ("idle", 1000)] {
            let other = Other::start(dir, role, count);
            commit_cost(&live, &format!("a commit, {count} watch ({role}) in another process"));
            drop(other);
        }
    }
    for (role, count) in [("idle", 1000), ("fd", 1), ("next", 1)] {
        let other = Other::start(dir, role, count);
        let before = other.ticks();
        std::thread::sleep(Duration::from_secs(10));
        println!("{count} idle ({role}): {} ms of processor time in 10 s", (other.ticks() - before) * 10);
    }
}
