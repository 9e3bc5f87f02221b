//! Every interface names the same revision. See `faults_list`.

use std::process::Stdio;
use std::sync::Barrier;
use std::time::Duration;

use cms::log::{Content, What};
use cms::{Engine, Error, Store};

use super::{open, options, set};
use crate::support::dice::Dice;
use crate::support::sandbox::Sandbox;

/// The revision by every interface, compared with the log.
struct Numbers<'s> {
    sandbox: &'s Sandbox,
    /// Stores that stay open all the time: one on the shared maps, one with maps of its own.
    open: [Store; 2],
}

impl Numbers<'_> {
    fn check(&self, what: &str) {
        // The watch logs edits of packages that no store has open.
        let told = self.sandbox.ok(&["--json", "history", "--number", "1"]);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        let newest = told.as_array().map_or(&told, |rows| &rows[0]);
        for live in &self.open {
            live.refresh().expect("refreshed");
        }
        let log = Engine::new(options(self.sandbox)).history().revision().expect("there is a log");
        for (live, name) in self.open.iter().zip(["shared maps", "private maps"]) {
            assert_eq!(live.revision(), log, "{what}: store.revision, {name}");
            assert_eq!(live.snapshot().expect("opens").revision(), log, "{what}: a snapshot, {name}");
            let watch = live.watch("network", Some(live.revision())).expect("the log goes back that far");
            assert_eq!(watch.sequence(), log, "{what}: a watch, {name}");
        }
        let fresh = open(self.sandbox);
        assert_eq!(fresh.revision(), log, "{what}: a store that is opened now");
        assert_eq!(fresh.snapshot().expect("opens").revision(), log, "{what}: its snapshot");
        assert_eq!(newest["revision"].as_u64(), Some(log), "{what}: history says {told}");
    }
}

/// Reports whether a transaction set a key to a value.
fn made(store: &Engine, revision: u64, value: &str) -> bool {
    let Ok(record) = store.history().transaction(revision) else { return false };
    let wanted = Content::String(value.into());
    record.packages.iter().flat_map(|package| &package.changes).any(|change| match &change.what {
        What::Changed { new, .. } | What::Added(new) => *new == wanted,
        What::Deleted(_) | What::Moved { .. } => false,
    })
}

/// Commits from several threads at once: `refused` of them were made for a value that has changed since.
fn commit_group(live: &Store, refused: bool, round: usize) -> Vec<(String, Result<u64, Error>)> {
    let barrier = Barrier::new(4);
    let transactions: Vec<_> = (0..4)
        .map(|number| {
            let value = format!("g{round}.{number}");
            let mut transaction = live.begin().expect("few are open");
            let key =
                if refused { "network.lan.ipaddr".to_owned() } else { format!("network.lan.g{number}") };
            transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
            (value, transaction)
        })
        .collect();
    if refused {
        set(live, "network.lan.ipaddr", &format!("other{round}")).expect("committed");
    }
    std::thread::scope(|scope| {
        let commit = |(value, transaction): (String, cms::Transaction)| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                (value, transaction.commit())
            })
        };
        let threads: Vec<_> = transactions.into_iter().map(commit).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn edit_by_hand(sandbox: &Sandbox, live: &Store, dice: &mut Dice, round: usize) {
    let store = Engine::new(options(sandbox));
    let text = sandbox.read("network").replacen("# the house", &format!("# house {round}"), 1);
    let text = text.replacen("option name", "option  name", 1);
    live.get(b"network.lan.ipaddr", |_| ()).expect("readable");
    let before = store.history().revision().expect("there is a log");
    sandbox.write("network", &format!("{text}config edit 'e{round}'\n"));
    if dice.roll(2) == 0 {
        live.refresh().expect("refreshed");
        assert_eq!(live.revision(), store.history().revision().expect("there is a log"), "noted by refresh");
        assert!(live.revision() > before, "an edit of an open package is a transaction");
    }
}

fn kill_a_writer(sandbox: &Sandbox, dice: &mut Dice, round: usize) {
    let mut command = sandbox.command();
    let mut child = command
        .args(["set", "--commit", &format!("network.lan.ipaddr=killed{round}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("runs");
    std::thread::sleep(Duration::from_micros(dice.roll(30_000) as u64));
    child.kill().expect("killed, or gone");
    child.wait().expect("it ends");
}

/// Does one of the actions that once led to two different numbers.
fn disturb(numbers: &Numbers<'_>, dice: &mut Dice, round: usize) -> &'static str {
    let (sandbox, [live, private]) = (numbers.sandbox, &numbers.open);
    let store = Engine::new(options(sandbox));
    let value = format!("r{round}");
    match dice.roll(9) {
        0 => {
            let revision = set(live, "network.lan.ipaddr", &value).expect("committed");
            assert!(made(&store, revision, &value), "{revision} is not the transaction that was made");
            "a commit"
        }
        1 => {
            let revision = set(private, "network.lan.ipaddr", &value).expect("committed");
            assert!(made(&store, revision, &value), "{revision} is not the transaction that was made");
            "a commit of a store with maps of its own"
        }
        2 => {
            for (value, committed) in commit_group(live, false, round) {
                let revision = committed.expect("they do not touch each other");
                assert!(made(&store, revision, &value), "{revision} is not the transaction that was made");
            }
            "a group"
        }
        3 => {
            assert!(commit_group(live, true, round).iter().all(|(_, committed)| committed.is_err()));
            "a group whose members were all refused"
        }
        4 => {
            sandbox.ok(&["rebuild", "network"]);
            "cms rebuild"
        }
        5 => {
            edit_by_hand(sandbox, live, dice, round);
            "an edit by hand"
        }
        6 => {
            let _ = std::fs::remove_dir_all(sandbox.path("run"));
            "a run directory that was deleted"
        }
        7 => {
            kill_a_writer(sandbox, dice, round);
            "a writer that was killed"
        }
        _ => {
            sandbox.ok(&["rollback", "-1"]);
            "cms rollback"
        }
    }
}

#[test]
fn s4_every_interface_returns_the_revision_of_the_log() {
    let sandbox = Sandbox::new();
    let private = options(&sandbox).private_maps(true);
    let shared = open(&sandbox);
    set(&shared, "network.lan.ipaddr", "first").expect("committed");
    let numbers = Numbers { sandbox: &sandbox, open: [shared, Store::open(private).expect("opens")] };
    for live in &numbers.open {
        assert!(live.get(b"network.lan.ipaddr", |_| ()).expect("readable").is_some());
    }
    numbers.check("the first commit");
    let seed = std::process::id();
    let mut dice = Dice(seed.into());
    let rounds = if crate::support::oracle::is_exhaustive() { 2000 } else { 60 };
    for round in 0..rounds {
        let what = disturb(&numbers, &mut dice, round);
        numbers.check(&format!("round {round} of seed {seed}, {what}"));
    }
}

#[test]
fn s4_without_a_log_revisions_count_what_was_published() {
    let sandbox = Sandbox::new();
    let options = options(&sandbox);
    let mut dirs = options.get_dirs().clone();
    dirs.state = None;
    let live = Store::open(options.dirs(dirs)).expect("opens");
    let before = live.revision();
    let first = set(&live, "network.lan.ipaddr", "1").expect("committed");
    let second = set(&live, "network.lan.ipaddr", "2").expect("committed");
    assert!(before < first && first < second, "{before} {first} {second}");
    assert_eq!(live.revision(), second);
}

#[test]
fn s4_a_watch_since_a_snapshot_misses_nothing() {
    let sandbox = Sandbox::new();
    let live = open(&sandbox);
    set(&live, "network.lan.ipaddr", "0").expect("committed");
    for _ in 0..5 {
        sandbox.ok(&["rebuild", "network"]);
    }
    live.refresh().expect("refreshed");
    let snapshot = live.snapshot().expect("opens");
    set(&live, "network.lan.ipaddr", "1").expect("committed");
    let mut watch = live.watch("network", Some(snapshot.revision())).expect("opens");
    let event = watch.next(Some(Duration::from_secs(5))).expect("readable").expect("it is told");
    assert_eq!(event.change(0).expect("one").key(), b"network.lan.ipaddr");
}
