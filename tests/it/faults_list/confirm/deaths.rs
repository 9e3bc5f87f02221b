//! The rollback of a commit fails, or its process dies, at each system call: then the commit is not rolled back, or
//! wholly, and the next program does the rest.

use std::process::Command;
use std::time::Duration;

use cms::log::Kind;
use cms::testing::Seams as _;
use cms::{Durability, Engine};

use super::{CLOCK, NETWORK, SYSTEM, commit, fake_clock, fixture, open, set, wait};
use crate::support::fixture::Fixture;
use crate::support::probes::{EIO, ENOSPC, FailAt, Fault};

/// The texts after the rollback: others have changed another key meanwhile.
fn taken_back() -> [String; 2] {
    [NETWORK.replace("'1500'", "'1400'"), SYSTEM.to_owned()]
}

fn texts(fixture: &Fixture) -> [String; 2] {
    ["network", "system"].map(|name| fixture.text(name))
}

/// Makes a store with a commit whose time is up.
fn overdue() -> Fixture {
    CLOCK.set((1, 1000));
    let fixture = fixture();
    let store = open(&fixture);
    commit(&store, &[set("network.lan.ipaddr", "10.9.9.9"), set("system.s.name", "there")], Some(60));
    commit(&store, &[set("network.lan.mtu", "1400")], None);
    wait(60);
    fixture
}

#[test]
fn s18_whatever_fails_while_a_commit_is_taken_back_it_is_taken_back_in_the_end() {
    for (fault, durability) in [
        (Fault::Error(EIO), Durability::Full),
        (Fault::Error(ENOSPC), Durability::None),
        (Fault::Death, Durability::Log),
    ] {
        let mut at = 0;
        loop {
            let fixture = overdue();
            let before = texts(&fixture);
            let probe = FailAt::new(at, fault);
            let files = probe.files();
            let lock_timeout = Duration::from_millis(300);
            let broken = fixture
                .options()
                .uptime(fake_clock)
                .files(files)
                .durability(durability)
                .lock_timeout(lock_timeout);
            let store = Engine::new(broken);
            let _ = store.confirmations().recover();
            drop(store);
            let what = format!("{fault:?} at call {at}, {durability:?}");
            for (text, (old, new)) in texts(&fixture).iter().zip(before.iter().zip(&taken_back())) {
                assert!(text == old || text == new, "{what}: {text}");
            }
            let next = open(&fixture);
            next.confirmations().recover().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(texts(&fixture), taken_back(), "{what}");
            assert_eq!(next.confirmations().pending().expect("readable"), None, "{what}");
            let records = next.history().changes(None, 99).expect("readable");
            let backs: Vec<_> = records.iter().filter(|record| record.kind == Kind::Rollback).collect();
            // A rollback whose texts could not be placed is cancelled, and made again.
            let undone = records.iter().filter(|record| record.kind == Kind::Undo).count();
            assert_eq!(backs.len(), 1 + undone, "{what}: {records:#?}");
            if !probe.was_reached() {
                assert!(at > 20, "{what}: it made only {at} calls");
                break;
            }
            at += 1;
        }
    }
}

#[test]
fn s18_a_command_that_is_killed_at_any_system_call_while_it_takes_a_commit_back_leaves_it_to_the_next() {
    let works = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output()
        .is_ok_and(|out| out.status.success());
    if !works {
        eprintln!("skipped: strace is missing or not permitted");
        return;
    }
    let mut kills = 0;
    for call in
        ["openat", "write", "pwrite64", "fsync", "fdatasync", "renameat2", "ftruncate", "unlink", "flock"]
    {
        for nth in (1..60).step_by(if call == "openat" { 4 } else { 1 }) {
            let fixture = fixture();
            let store = Engine::new(fixture.options());
            let places =
                ["network", "system"].map(|name| store.packages().find(name.as_bytes()).expect("there"));
            for (package, delta) in [set("network.lan.ipaddr", "10.9.9.9"), set("system.s.name", "there")] {
                let place = places.iter().find(|place| place.name == package).expect("one of them");
                store.staging().stage(place, &[delta]).expect("staged");
            }
            let moment = Some(Duration::from_millis(1));
            store.commit_together(&places, cms::Form::Lossless, moment).expect("committed");
            std::thread::sleep(Duration::from_millis(20));
            let mut command = Command::new("strace");
            for name in ["config", "save", "run", "state"] {
                command.env(format!("CMS_{}_DIR", name.to_uppercase()), fixture.path(name));
            }
            command.args(["-f", "-qq", "-o"]).arg(fixture.path("trace"));
            command.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
            let output =
                command.arg(env!("CARGO_BIN_EXE_cms")).args(["confirm", "--enforce"]).output().expect("runs");
            let killed = !output.status.success();
            kills += usize::from(killed);
            let what = format!("killed at {call} {nth}");
            let all = [NETWORK.to_owned(), SYSTEM.to_owned()];
            let next = Engine::new(fixture.options());
            next.confirmations().recover().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(texts(&fixture), all, "{what}");
            assert_eq!(next.confirmations().pending().expect("readable"), None, "{what}");
            let records = next.history().changes(None, 99).expect("readable");
            assert_eq!(records.iter().filter(|record| record.kind == Kind::Rollback).count(), 1, "{what}");
            if !killed {
                break;
            }
        }
    }
    assert!(kills > 15, "only {kills} kills happened");
}

/// A commit that waits is rolled back even if the log has lost later commits of others, and in safe mode.
#[test]
fn s18_a_commit_is_taken_back_although_the_log_is_damaged_behind_it() {
    CLOCK.set((1, 1000));
    let fixture = fixture();
    let store = open(&fixture);
    commit(&store, &[set("network.lan.ipaddr", "10.9.9.9"), set("system.s.name", "there")], Some(60));
    commit(&store, &[set("network.lan.mtu", "1400")], None);
    commit(&store, &[set("network.lan.mtu", "1401")], None);
    drop(store);
    let dir =
        std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one").expect("readable");
    let log = std::fs::read_dir(dir.path())
        .expect("readable")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "log"))
        .expect("a segment");
    let mut bytes = std::fs::read(&log).expect("readable");
    let at = bytes.windows(4).position(|piece| piece == b"1400").expect("the record of another");
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).expect("written");
    wait(60);
    // Safe mode does not stop it either: the package `cms` of the configuration turns it on.
    fixture.write("cms", "config store 'store'\n\toption safe_mode '1'\n");
    open(&fixture).confirmations().recover().expect("taken back");
    assert_eq!(texts(&fixture), [NETWORK.replace("'1500'", "'1401'"), SYSTEM.to_owned()]);
}
