//! Locks of packages that another process keeps: they stop commits of that package, and of no other. See
//! `faults_list`.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cms::{Durability, Store};

use crate::support::fixture::Fixture;

/// An ordinary user; the number need not be known to the system.
const ANNA: &str = "61001";

/// The time within which a commit must succeed while another process keeps the lock of another package. It usually
/// takes some milliseconds, but the machine may be busy. A commit that waits for a lock waits for 10 s.
const SOON: Duration = Duration::from_secs(3);

/// A store of two packages that every user may read.
fn fixture() -> Fixture {
    // A text that `fmt` changes.
    let text = "config a s\n\toption n 0\n";
    let fixture = Fixture::new(&[("a", text), ("b", text)]);
    for name in ["", "config", "config/a", "config/b"] {
        std::fs::set_permissions(fixture.path(name), PermissionsExt::from_mode(0o755)).expect("set");
    }
    fixture
}

/// A process that holds a lock, until it is dropped.
struct Holder(Child, Option<ChildStdin>);

impl Holder {
    /// Starts `flock`, which takes a lock of this kind, as an ordinary user if the test runs as root.
    fn of(path: &Path, kind: &str) -> Self {
        Self::by(path, kind, rustix::process::geteuid().is_root())
    }

    fn by(path: &Path, kind: &str, as_user: bool) -> Self {
        let mut command = match as_user {
            true => Command::new("setpriv"),
            false => Command::new("flock"),
        };
        if as_user {
            command.args(["--reuid", ANNA, "--regid", ANNA, "--clear-groups", "flock"]);
        }
        // The shell's input ends with this test, which ends the shell and its lock.
        command.arg(kind).arg("--no-fork").arg(path).args(["sh", "-c", "echo held; read line"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux is there");
        let input = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
        assert_eq!(line, "held\n");
        Self(child, input)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.1 = None;
        let _ = self.0.wait();
    }
}

/// Makes a command of `cms`, or of `uci` if the first word is that, in the directories of a store.
fn command(fixture: &Fixture, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cms"));
    for (variable, dir) in [("CONFIG", "config"), ("SAVE", "save"), ("RUN", "run"), ("STATE", "state")] {
        command.env(format!("CMS_{variable}_DIR"), fixture.path(dir));
    }
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(fixture: &Fixture, words: &[&str]) -> Output {
    command(fixture, words).output().expect("cms runs")
}

fn ok(fixture: &Fixture, words: &[&str]) {
    let output = run(fixture, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn set(live: &Store, key: &str, value: &str) -> Result<(), cms::Error> {
    let mut transaction = live.begin()?;
    transaction.set(key.as_bytes(), value.as_bytes())?;
    transaction.commit().map(|_| ())
}

/// Commits to `b` in every way, each within a second.
fn commits_to_b_go_through(fixture: &Fixture, lives: &[Store], what: &str) {
    let soon = |how: &str, commit: &dyn Fn()| {
        let start = Instant::now();
        commit();
        assert!(start.elapsed() < SOON, "{what}: {how} took {:?}", start.elapsed());
    };
    for round in 0..3 {
        let value = format!("b.s.n={round}");
        soon("set --commit", &|| ok(fixture, &["set", &value, "--commit"]));
        ok(fixture, &["set", &format!("b.s.m={round}")]);
        soon("commit", &|| ok(fixture, &["commit", "b"]));
        ok(fixture, &["uci", "set", &format!("b.s.u={round}")]);
        soon("uci commit", &|| ok(fixture, &["uci", "commit", "b"]));
        for live in lives {
            soon("a transaction", &|| set(live, "b.s.l", &round.to_string()).expect("committed"));
        }
        soon("undo", &|| ok(fixture, &["undo"]));
    }
}

/// Commands that change `a`, each after the command that prepares it.
fn changes_of_a(fixture: &Fixture) -> Vec<(Vec<&'static str>, &'static str)> {
    let backup = fixture.path("backup");
    let backup: &'static str = Box::leak(backup.to_str().expect("UTF-8").to_owned().into_boxed_str());
    let import = fixture.path("import.uci");
    std::fs::write(&import, "package a\n\nconfig a 's'\n\toption n 'imported'\n").expect("written");
    let import: &'static str = Box::leak(import.to_str().expect("UTF-8").to_owned().into_boxed_str());
    ok(fixture, &["backup", backup]);
    ok(fixture, &["set", "a.s.n=1", "--commit"]);
    ok(fixture, &["set", "a.s.staged=1"]);
    vec![
        (vec!["set", "a.s.now=1", "--commit"], "now"),
        (vec!["commit", "a"], "staged"),
        (vec!["undo"], ""),
        (vec!["restore", backup], ""),
        (vec!["import", import], ""),
        (vec!["fmt", "a"], ""),
    ]
}

#[test]
fn x_m1_who_locks_a_package_stops_its_commits_and_no_others() {
    for (kind, lock) in [("--exclusive", "config/a"), ("--shared", "config/a")] {
        let fixture = fixture();
        let changes = changes_of_a(&fixture);
        let lives = [Durability::Full, Durability::None]
            .map(|durability| Store::open(fixture.options().durability(durability)).expect("opens"));
        let holder = Holder::of(&fixture.path(lock), kind);
        // All wait for the lock: each command in its own process, and one thread of this process.
        let waiting: Vec<(Child, &str)> = changes
            .iter()
            .filter(|(words, _)| words[0] == "set" || words[0] == "commit" || words[0] == "fmt")
            .map(|(words, option)| (command(&fixture, words).spawn().expect("cms runs"), *option))
            .collect();
        std::thread::scope(|scope| {
            let live = &lives[0];
            let thread = scope.spawn(move || set(live, "a.s.thread", "1"));
            std::thread::sleep(Duration::from_millis(200));
            commits_to_b_go_through(&fixture, &lives, kind);
            assert!(!thread.is_finished() && !fixture.text("a").contains("thread"));
            drop(holder);
            thread.join().expect("no panic").expect("committed");
        });
        for (child, option) in waiting {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(fixture.text("a").contains(&format!("option {option}")), "{option}");
        }
        assert!(fixture.text("a").contains("option thread '1'"));
        ok(&fixture, &["audit", "verify"]);
    }
}

#[test]
fn x_m1_who_waits_too_long_for_a_package_is_told_who_has_locked_it() {
    let fixture = fixture();
    let changes = changes_of_a(&fixture);
    let before = fixture.text("a");
    let holder = Holder::of(&fixture.path("config/a"), "--exclusive");
    for (words, _) in &changes {
        let start = Instant::now();
        let words = [&["--lock-timeout", "0.4"], &words[..]].concat();
        let output = run(&fixture, &words);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(8), "{words:?}: {told}");
        let file = fixture.path("config/a");
        assert!(told.contains(&*file.to_string_lossy()), "{words:?}: {told}");
        assert!(
            told.contains(&format!("process {} (sh), waited 400 ms", holder.0.id())),
            "{words:?}: {told}"
        );
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(3), "{words:?}: {took:?}");
        assert_eq!(fixture.text("a"), before, "{words:?}");
    }
    drop(holder);
    ok(&fixture, &["commit", "a"]);
    assert!(fixture.text("a").contains("option staged '1'"));
}

/// Finds the lock of a package in the run directory.
fn package_lock(fixture: &Fixture, package: &str) -> PathBuf {
    let locks = std::fs::read_dir(fixture.path("run/locks")).expect("there").flatten();
    let ending = format!("-{package}");
    let found = locks.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with(&ending));
    found.expect("it was committed")
}

#[test]
fn x_m1_a_process_that_is_stopped_in_a_package_stops_no_other_package() {
    let fixture = fixture();
    ok(&fixture, &["set", "a.s.n=1", "--commit"]);
    ok(&fixture, &["set", "a.s.staged=1"]);
    let lives = [Durability::Full, Durability::Log]
        .map(|durability| Store::open(fixture.options().durability(durability)).expect("opens"));
    let lock = package_lock(&fixture, "a");
    let holder = Holder::by(&lock, "--exclusive", false);
    let waiting = command(&fixture, &["commit", "a"]).spawn().expect("cms runs");
    std::thread::sleep(Duration::from_millis(200));
    commits_to_b_go_through(&fixture, &lives, &lock.to_string_lossy());
    assert!(!fixture.text("a").contains("staged"));
    drop(holder);
    let output = waiting.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fixture.text("a").contains("option staged '1'"));
}

#[test]
fn x_m1_one_thread_that_waits_for_a_package_keeps_no_other_thread_from_committing() {
    for durability in [Durability::Full, Durability::Log, Durability::None] {
        let fixture = fixture();
        let live = Store::open(fixture.options().durability(durability)).expect("opens");
        set(&live, "b.s.n", "first").expect("committed");
        let holder = Holder::of(&fixture.path("config/a"), "--exclusive");
        std::thread::scope(|scope| {
            let live = &live;
            let waiting: Vec<_> =
                (0..4).map(|number| scope.spawn(move || set(live, &format!("a.s.o{number}"), "1"))).collect();
            std::thread::sleep(Duration::from_millis(100));
            let threads: Vec<_> = (0..4)
                .map(|number| {
                    scope.spawn(move || {
                        for round in 0..20 {
                            let start = Instant::now();
                            set(live, &format!("b.s.o{number}"), &round.to_string()).expect("committed");
                            assert!(start.elapsed() < SOON, "{durability:?}: {:?}", start.elapsed());
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
            assert!(waiting.iter().all(|thread| !thread.is_finished()), "{durability:?}");
            drop(holder);
            waiting.into_iter().for_each(|thread| thread.join().expect("no panic").expect("committed"));
        });
        drop(live);
        for number in 0..4 {
            assert!(fixture.text("a").contains(&format!("option o{number} '1'")), "{durability:?}");
            assert!(fixture.text("b").contains(&format!("option o{number} '19'")), "{durability:?}");
        }
    }
}

#[test]
fn x_m1_a_reader_that_keeps_a_package_open_delays_nobody() {
    for durability in [Durability::Full, Durability::Log, Durability::None] {
        let fixture = fixture();
        let live = Store::open(fixture.options().durability(durability)).expect("opens");
        let (mut readers, mut took) = (Vec::new(), Vec::new());
        for round in 0..7 {
            // Each commit displaces a file that another process keeps open.
            readers.push(std::fs::File::open(fixture.path("config/a")).expect("there"));
            let start = Instant::now();
            set(&live, "a.s.n", &round.to_string()).expect("committed");
            live.flush().expect("written");
            took.push(start.elapsed());
        }
        took.sort();
        // Each took 500 ms and more when the library mistook a reader for a stock uci that is about to commit.
        assert!(took[3] < Duration::from_millis(400), "{durability:?}: {took:?}");
    }
}
