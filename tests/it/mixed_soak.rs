//! A long run of everything at once: commits of the command, of `cms uci` and of programs at all three levels of
//! durability, two users with logs of their own, rollbacks, edits by hand, packages that come and go, snapshots and a
//! watch, while processes are killed or stopped at random.
//!
//! Each writer counts up its own key. At the end of each round all acknowledged numbers are there; no read is older
//! than a number that was acknowledged before the read began; the watch delivers each change once and in order, with
//! every number that a writer with the same log has acknowledged; the log is intact. A run in which too little
//! happened fails.
//!
//! `CMS_SOAK_SECONDS` says how long it takes in all (see `make soak-mixed`), `CMS_SOAK_DIR` where: in memory without.
//! The test starts itself in other processes; a variable names the role of each.

mod outcome;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cms::{DirOptions, Dirs, Engine, Error, Options, Store};
use tempfile::TempDir;

use self::outcome::{Count, Told};
use crate::support::dice::Dice;
use crate::support::parts::play;

const DIR: &str = "CMS_SOAK_STORE";
const SECONDS: &str = "CMS_SOAK_ROUND";
const LOG_BYTES: u64 = 32 << 20;
/// A user other than root.
const USER: u32 = 64_002;

/// The way in which a writer commits.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// A program, at this level of durability.
    Program(&'static str),
    /// A program of another user, with a log and a run directory of its own.
    Other,
    Command,
    Uci,
}

impl How {
    /// The name under which its commits are counted.
    fn name(self) -> &'static str {
        match self {
            Self::Program(level) => level,
            Self::Other => "log of another user",
            Self::Command => "cms",
            Self::Uci => "uci",
        }
    }
}

/// The writers: the package of each (it uses the section `wN`), and the way in which it commits.
const WRITERS: [(&str, How); 7] = [
    ("p", How::Command),
    ("p", How::Program("full")),
    ("p", How::Program("log")),
    ("q", How::Uci),
    ("q", How::Program("log")),
    ("q", How::Program("none")),
    ("p", How::Other),
];

fn seconds() -> u64 {
    std::env::var("CMS_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

fn options(root: &Path, is_other: bool) -> Options {
    let path = |name: &str| Some(root.join(name));
    // Each user also has a save directory of his own.
    let (save, run, state) =
        if is_other { ("save-other", "run-other", "state-other") } else { ("save", "run", "state") };
    let wanted = DirOptions::new().config(path("config")).save(path(save)).run(path(run)).state(path(state));
    Options::new().dirs(Dirs::choose(wanted)).log_size(LOG_BYTES).lock_timeout(Duration::from_secs(60))
}

fn number(live: &Store, key: &str) -> cms::Result<u64> {
    let read = |value: cms::map::MapValue<'_>| {
        let text = String::from_utf8_lossy(value.items().next().unwrap_or_default()).into_owned();
        text.parse().unwrap_or_else(|_| panic!("{key} is '{text}'"))
    };
    Ok(live.get(key.as_bytes(), read)?.unwrap_or_else(|| panic!("{key} is gone")))
}

/// Runs the role of a program: it counts up, and prints each number.
pub fn role(role: &str) {
    let (writer, level) = role.split_once(' ').expect("a writer and a level");
    let writer: usize = writer.parse().expect("a number");
    let (package, how) = WRITERS[writer];
    let root = PathBuf::from(std::env::var_os(DIR).expect("it is told"));
    let round: u64 = std::env::var(SECONDS).expect("it is told").parse().expect("a number");
    let options = options(&root, how == How::Other).durability_levels(level).expect("a level");
    let options = options.text_delay(Duration::from_millis(200));
    let live = Store::open(options).expect("opens");
    let (key, mut out) = (format!("{package}.w{writer}.n"), std::io::stdout());
    let mut say = |what: &str| writeln!(out, "said {what}").and_then(|()| out.flush()).expect("said");
    let end = Instant::now() + Duration::from_millis(round);
    let mut next = None;
    while Instant::now() < end {
        let committed = live.begin().and_then(|mut transaction| {
            let now = transaction.get(key.as_bytes())?.unwrap_or_else(|| panic!("{key} is gone"));
            let now: u64 = String::from_utf8_lossy(&now.items()[0]).parse().expect("a number");
            if next.is_none() {
                say(&format!("from {now}"));
            }
            let value = next.unwrap_or(now + 1);
            assert!(value > now, "{key} is {now} already, {value} is to come");
            next = Some(value);
            transaction.set(key.as_bytes(), value.to_string().as_bytes())?;
            transaction.commit().map(|_| value)
        });
        match committed {
            Ok(value) => {
                say(&format!("done {value}"));
                next = Some(value + 1);
                if how == How::Other {
                    // A writer with another log does not wait in the queue of the log: it pauses so that the others
                    // get the lock of the package as well.
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            // The commit is tried again; if it was made nevertheless, the next number is read.
            Err(Error::Conflict { .. } | Error::Locked { .. }) => {}
            Err(error) => panic!("writer {writer}: {error}"),
        }
    }
    live.flush().expect("written");
}

struct Soak {
    root: TempDir,
    counts: [Count; WRITERS.len()],
    by_hand: AtomicU64,
    reads: AtomicU64,
    kills: AtomicU64,
    stops: AtomicU64,
    events: AtomicU64,
    over: AtomicBool,
    children: Mutex<Vec<Arc<Mutex<Child>>>>,
    failures: Mutex<Vec<String>>,
}

impl Soak {
    fn new() -> Self {
        let dir = std::env::var_os("CMS_SOAK_DIR").map(PathBuf::from);
        let root = dir.map_or_else(crate::support::oracle::scratch, |dir| {
            tempfile::tempdir_in(dir).expect("a directory")
        });
        let mode = |path: PathBuf, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("our own");
        };
        mode(root.path().to_owned(), 0o777);
        for name in ["config", "save"] {
            std::fs::create_dir(root.path().join(name)).expect("made");
        }
        mode(root.path().join("config"), 0o777);
        let section = |writer| format!("# of {writer}\nconfig t 'w{writer}'\n\toption n '0' # kept\n\n");
        let text: String = (0..WRITERS.len()).map(section).collect();
        for (name, text) in [("p", text.as_str()), ("q", &text), ("u", "config u 'u'\n\toption n '0'\n")] {
            std::fs::write(root.path().join("config").join(name), text).expect("written");
            mode(root.path().join("config").join(name), 0o666);
        }
        let program = root.path().join("program");
        // Another user may not be able to reach the file where it was built.
        let copied = Command::new("cp").args([std::env::current_exe().expect("this test"), program]).status();
        assert!(copied.expect("runs").success());
        Self {
            root,
            counts: Default::default(),
            by_hand: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            kills: AtomicU64::new(0),
            stops: AtomicU64::new(0),
            events: AtomicU64::new(0),
            over: AtomicBool::new(false),
            children: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    fn fail(&self, what: String) {
        eprintln!("FAILED: {what}");
        self.failures.lock().expect("whole").push(what);
    }

    /// Starts a process that may be killed or stopped.
    fn start(&self, command: &mut Command) -> Arc<Mutex<Child>> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = Arc::new(Mutex::new(child.expect("runs")));
        self.children.lock().expect("whole").push(child.clone());
        child
    }

    /// Waits for the end of a process; returns its exit code, `None` if it was killed.
    fn end(&self, child: &Arc<Mutex<Child>>) -> Option<i32> {
        let status = loop {
            // Do not wait with the lock held: another thread may want to kill the process.
            match child.lock().expect("whole").try_wait().expect("ours") {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        self.children.lock().expect("whole").retain(|other| !Arc::ptr_eq(other, child));
        status.code()
    }

    /// Runs `cms`; returns its exit code, if it was not killed, its output and its messages.
    fn cms(&self, arguments: &[&str], may_be_killed: bool) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cms"));
        let is_uci = arguments.first() == Some(&"uci");
        for name in ["config", "save", "run", "state"] {
            command.env(format!("CMS_{}_DIR", name.to_uppercase()), self.root.path().join(name));
        }
        command.env("CMS_LOG_SIZE", LOG_BYTES.to_string());
        match is_uci {
            true => command.arg0("uci").args(&arguments[1..]),
            false => command.args(["--lock-timeout", "60"]).args(arguments),
        };
        if !may_be_killed {
            let out = command.stdin(Stdio::null()).output().expect("runs");
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            return (out.status.code(), text(out.stdout), text(out.stderr));
        }
        let child = self.start(&mut command);
        let (out, err) = {
            let mut child = child.lock().expect("whole");
            (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"))
        };
        let (mut printed, mut said) = (String::new(), String::new());
        let read = |from: &mut dyn Read, to: &mut String| {
            from.read_to_string(to).expect("readable");
        };
        read(&mut { out }, &mut printed);
        read(&mut { err }, &mut said);
        (self.end(&child), printed, said)
    }

    /// Runs a program that counts until the round is over, and starts it again after each kill.
    fn program(&self, writer: usize, level: &str, end: Instant) {
        let count = &self.counts[writer];
        while Instant::now() < end && !self.over.load(SeqCst) {
            let program = self.root.path().join("program");
            let mut command = match WRITERS[writer].1 {
                How::Other => {
                    let mut command = Command::new("setpriv");
                    command.arg(format!("--reuid={USER}")).arg("--clear-groups").arg(program);
                    command
                }
                _ => Command::new(program),
            };
            let left = end.saturating_duration_since(Instant::now()).as_millis();
            play(&mut command, "mixed_soak", &format!("{writer} {level}"));
            command.env(DIR, self.root.path());
            command.env(SECONDS, left.to_string());
            let child = self.start(&mut command);
            let (out, mut err) = {
                let mut child = child.lock().expect("whole");
                (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"))
            };
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let Some((_, words)) = line.split_once("said ") else { continue };
                let Some((what, Ok(value))) = words.split_once(' ').map(|(what, n)| (what, n.parse())) else {
                    continue;
                };
                let was = count.acknowledged.load(SeqCst);
                if value < was {
                    self.fail(format!("writer {writer} has {what} {value}, after {was} was acknowledged"));
                }
                if what == "done" {
                    count.acknowledge(value);
                }
                count.most.store(value + 1, SeqCst);
            }
            let mut said = String::new();
            let _ = err.read_to_string(&mut said);
            if self.end(&child).is_some_and(|code| code != 0) {
                self.fail(format!("writer {writer} ({level}) has failed: {said}"));
                return;
            }
        }
    }

    /// Counts up with commands until the round is over.
    fn commands(&self, writer: usize, dice: &mut Dice, end: Instant) {
        let (count, (package, how)) = (&self.counts[writer], WRITERS[writer]);
        let config = self.root.path().join("config").to_string_lossy().into_owned();
        let save = self.root.path().join("save").to_string_lossy().into_owned();
        let uci: [&str; 5] = ["uci", "-c", &config, "-t", &save];
        while Instant::now() < end {
            let value = count.most.load(SeqCst).max(count.acknowledged.load(SeqCst)) + 1;
            count.most.store(value, SeqCst);
            let set = format!("{package}.w{writer}.n={value}");
            let steps: Vec<Vec<&str>> = match how {
                How::Uci => {
                    vec![[&uci[..], &["set", &set]].concat(), [&uci[..], &["commit", package]].concat()]
                }
                _ if dice.roll(2) == 0 => vec![vec!["set", &set, "--commit"]],
                _ => vec![vec!["set", &set], vec!["commit", package]],
            };
            let done = steps.iter().all(|step| match self.cms(step, true) {
                (Some(0), ..) => true,
                // The command was killed, or has waited too long.
                (None | Some(8), ..) => false,
                // One command was killed after it had staged a change, and another after it had committed that
                // change.
                (Some(5), ..) if how == How::Command => false,
                (code, _, said) => {
                    self.fail(format!("{step:?} ends with {code:?}: {said}"));
                    false
                }
            });
            if done {
                count.acknowledge(value);
            } else if how == How::Command {
                // A staged number was not acknowledged as committed.
                self.cms(&["revert", package], false);
            }
        }
    }
}

impl Soak {
    /// Kills processes, or stops them for a while, until the round is over.
    fn disturb(&self, dice: &mut Dice, end: Instant) {
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20 + dice.roll(200) as u64));
            let children = self.children.lock().expect("whole").clone();
            if children.is_empty() {
                continue;
            }
            let child = &children[dice.roll(children.len())];
            let signal = |signal| {
                let mut child = child.lock().expect("whole");
                let lives = child.try_wait().expect("ours").is_none();
                let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
                lives && rustix::process::kill_process(pid.expect("a process"), signal).is_ok()
            };
            if dice.roll(4) == 0 {
                if signal(rustix::process::Signal::STOP) {
                    self.stops.fetch_add(1, SeqCst);
                    std::thread::sleep(Duration::from_millis(dice.roll(400) as u64));
                    signal(rustix::process::Signal::CONT);
                }
            } else if signal(rustix::process::Signal::KILL) {
                self.kills.fetch_add(1, SeqCst);
            }
        }
    }

    /// Reads in all ways, and checks that no value is older than the number acknowledged before.
    fn read(&self, dice: &mut Dice, end: Instant) {
        let live = Store::open(options(self.root.path(), false)).expect("opens");
        let check = |writer: usize, how: &str, acknowledged: u64, found: u64| {
            self.reads.fetch_add(1, SeqCst);
            if found < acknowledged {
                self.fail(format!(
                    "{how} of w{writer} reads {found}, {acknowledged} was acknowledged before"
                ));
            }
        };
        while Instant::now() < end {
            let writer = dice.roll(WRITERS.len());
            let (package, how) = WRITERS[writer];
            let key = format!("{package}.w{writer}.n");
            let acknowledged = self.counts[writer].acknowledged.load(SeqCst);
            if dice.roll(20) == 0 {
                // Staged numbers are printed as well; they are larger than the committed ones.
                let (code, printed, said) = self.cms(&["get", &key], false);
                match printed.trim_end().parse() {
                    Ok(found) if code == Some(0) => check(writer, "cms get", acknowledged, found),
                    _ => self.fail(format!("cms get {key} ends with {code:?}: {printed} {said}")),
                }
                continue;
            }
            // A commit that only another user's maps show is not visible here before it is in the text.
            if how == How::Other {
                let _ = live.refresh();
                continue;
            }
            match number(&live, &key) {
                Ok(found) => check(writer, "a read", acknowledged, found),
                Err(error) => self.fail(format!("a read of {key}: {error}")),
            }
            let acknowledged = self.counts[writer].acknowledged.load(SeqCst);
            let snapshot = live.snapshot().expect("opens");
            match snapshot.get(key.as_bytes()) {
                Ok(value) => {
                    let value = value.and_then(|value| value.items().next().map(<[u8]>::to_vec));
                    let found = String::from_utf8_lossy(&value.unwrap_or_default()).parse().unwrap_or(0);
                    check(writer, "a snapshot", acknowledged, found);
                }
                Err(Error::Stale { .. }) => {}
                Err(error) => self.fail(format!("a snapshot of {key}: {error}")),
            }
        }
    }

    /// Edits a package, makes and deletes another, rolls a third back, and reads the history.
    fn by_hand(&self, dice: &mut Dice, end: Instant) {
        let config = self.root.path().join("config");
        while Instant::now() < end {
            let number = self.by_hand.load(SeqCst) + 1;
            let text = format!("config h 'h'\n\toption n '{number}'\n");
            let path = config.join("h");
            match dice.roll(2) {
                0 => std::fs::write(&path, text).expect("written"),
                _ => {
                    std::fs::write(config.join(".h.new"), text).expect("written");
                    std::fs::rename(config.join(".h.new"), &path).expect("renamed");
                }
            }
            self.by_hand.store(number, SeqCst);
            self.expect(&["get", "h.h.n"], 0, &number.to_string());
            std::fs::write(config.join("d"), format!("config d 'd'\n\toption n '{number}'\n"))
                .expect("written");
            self.expect(&["get", "d.d.n"], 0, &number.to_string());
            if dice.roll(2) == 0 {
                std::fs::remove_file(config.join("d")).expect("removed");
                self.expect(&["get", "d.d.n"], 1, "");
            }
            let commands: [&[&str]; 6] = [
                &["set", "u.u.n=1", "u.u.m=2", "--commit"],
                &["rollback", "-1", "u"],
                &["history", "-q", "--number", "3"],
                &["history", "q.w4", "--number", "2"],
                &["changes"],
                &["audit", "verify"],
            ];
            let command = commands[dice.roll(commands.len())];
            let (code, _, said) = self.cms(command, true);
            if !matches!(code, None | Some(0 | 1 | 8)) {
                self.fail(format!("{command:?} ends with {code:?}: {said}"));
            }
            std::thread::sleep(Duration::from_millis(dice.roll(200) as u64));
        }
    }

    fn expect(&self, command: &[&str], code: i32, value: &str) {
        let (ended, printed, said) = self.cms(command, false);
        if ended != Some(code) || printed.trim_end() != value {
            self.fail(format!("{command:?} ends with {ended:?} and '{printed}', not {value}: {said}"));
        }
    }

    /// Follows all changes until the run is over and there are no more: the old value of each must be the new value
    /// of the one before.
    fn watch(&self, live: &Store) -> Told {
        let mut watch = live.watch("*", None).expect("there is a log");
        let (mut told, mut last) = (Told::default(), 0);
        loop {
            let over = self.over.load(SeqCst);
            let event = match watch.next(Some(Duration::from_millis(500))) {
                Ok(Some(event)) => event,
                Ok(None) if over => return told,
                Ok(None) => continue,
                Err(error) => {
                    self.fail(format!("the watch: {error}"));
                    return told;
                }
            };
            if event.sequence() <= last {
                self.fail(format!("the watch tells {} after {last}", event.sequence()));
            }
            last = event.sequence();
            for changed in event.changes() {
                self.events.fetch_add(1, SeqCst);
                let items = |content: Option<&cms::log::Content>| content.map(|it| it.items().to_vec());
                let (key, before, after) = (changed.key(), items(changed.before()), items(changed.after()));
                let known = told.values.get(&key).cloned();
                if known.is_some() && known != before {
                    let key = String::from_utf8_lossy(&key).into_owned();
                    self.fail(format!(
                        "the watch, {last}: {key} was {known:?}, and is told to have been {before:?}"
                    ));
                }
                match after {
                    Some(after) => {
                        told.note_number(&key, &after);
                        told.values.insert(key, after);
                    }
                    None => drop(told.values.remove(&key)),
                }
            }
        }
    }

    /// Runs everything at once for a while.
    fn round(&self, seed: u64, length: Duration) {
        let end = Instant::now() + length;
        std::thread::scope(|scope| {
            for (writer, (_, how)) in WRITERS.into_iter().enumerate() {
                scope.spawn(move || match how {
                    How::Program(level) => self.program(writer, level, end),
                    How::Other if rustix::process::geteuid().is_root() => self.program(writer, "log", end),
                    How::Other => {}
                    _ => self.commands(writer, &mut Dice(seed * 31 + writer as u64 + 1), end),
                });
            }
            scope.spawn(|| self.read(&mut Dice(seed * 17 + 3), end));
            scope.spawn(|| self.by_hand(&mut Dice(seed * 13 + 5), end));
            scope.spawn(|| self.disturb(&mut Dice(seed * 7 + 9), end));
        });
    }

    /// Checks that every acknowledged number is there, once all programs have ended.
    fn settle(&self) {
        for is_other in [false, rustix::process::geteuid().is_root()] {
            let store = Engine::new(options(self.root.path(), is_other));
            if let Err(error) = store.confirmations().recover() {
                self.fail(format!("recovery: {error}"));
            }
        }
        for (writer, (package, _)) in WRITERS.into_iter().enumerate() {
            let count = &self.counts[writer];
            let (acknowledged, most) = (count.acknowledged.load(SeqCst), count.most.load(SeqCst));
            let text = std::fs::read_to_string(self.root.path().join("config").join(package)).expect("there");
            let section = text.split(&format!("config t 'w{writer}'\n")).nth(1).unwrap_or_default();
            let value = section.split('\'').nth(1).and_then(|value| value.parse::<u64>().ok());
            if !value.is_some_and(|value| (acknowledged..=most.max(acknowledged)).contains(&value)) {
                self.fail(format!(
                    "w{writer}: {acknowledged} was acknowledged, at most {most} begun: {value:?}"
                ));
            }
            let kept = [format!("# of {writer}\n"), "# kept".to_owned()];
            // `cms uci` writes packages without comments, as stock uci does.
            if package == "q" {
                continue;
            }
            if !text.contains(&kept[0]) || text.matches(&kept[1]).count() != WRITERS.len() {
                self.fail(format!("{package}: comments are gone: {text}"));
            }
        }
        self.expect(&["get", "h.h.n"], 0, &self.by_hand.load(SeqCst).to_string());
        let (code, printed, said) = self.cms(&["audit", "verify"], false);
        if code != Some(0) {
            self.fail(format!("audit verify ends with {code:?}: {printed} {said}"));
        }
    }
}

/// Ends the run when it is dropped, so that no thread waits forever after a panic.
struct Over<'s>(&'s AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn everything_at_once_loses_nothing_and_reads_nothing_old() {
    let soak = Soak::new();
    let (begun, length) = (Instant::now(), Duration::from_secs(seconds()));
    let live = Store::open(options(soak.root.path(), false)).expect("opens");
    live.engine().history().note_edits().expect("there is a log");
    let told = std::thread::scope(|scope| {
        let watching = scope.spawn(|| soak.watch(&live));
        let over = Over(&soak.over);
        let mut round = 1;
        while begun.elapsed() < length && soak.failures.lock().expect("whole").is_empty() {
            let left = length.saturating_sub(begun.elapsed());
            soak.round(round, left.min(Duration::from_secs(20)));
            soak.settle();
            soak.report(begun);
            round += 1;
        }
        live.engine().history().note_edits().expect("noted");
        drop(over);
        watching.join().expect("no panic")
    });
    soak.check_told(&told, &live);
    let failures = soak.failures.lock().expect("whole");
    assert!(failures.is_empty(), "{} failures, the first: {}", failures.len(), failures[0]);
    soak.check_that_it_happened(begun.elapsed().as_secs());
}
