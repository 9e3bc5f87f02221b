//! Compares commits that wait to be confirmed with a plain model.

use std::cell::Cell;
use std::time::Duration;

use cms::clock::Uptime;
use cms::testing::Seams as _;
use cms::{Delta, DeltaKind, Engine, Form};
use proptest::prelude::*;

use super::{fixture, set, texts};
use crate::support::fixture::Fixture;
use crate::support::sandbox::Sandbox;

thread_local! {
    /// The id of the boot, and the uptime in seconds.
    static CLOCK: Cell<(u8, u64)> = const { Cell::new((1, 0)) };
}

fn fake_clock() -> Uptime {
    let (boot, seconds) = CLOCK.get();
    Uptime { boot: [boot; 16], running: Duration::from_secs(seconds) }
}

/// The plain model of commits to be confirmed.
#[derive(Debug, Clone)]
struct Machine {
    value: u8,
    /// The value to roll back to, the boot, the start, and the time limit.
    armed: Option<(u8, u8, u64, u64)>,
}

impl Machine {
    fn overdue(&self, (boot, now): (u8, u64)) -> bool {
        self.armed.is_some_and(|(_, armed, since, time)| {
            now.saturating_sub(if boot == armed { since } else { 0 }) >= time
        })
    }

    /// Every opening of the store rolls back what is overdue.
    fn open(&mut self, clock: (u8, u64)) {
        if self.overdue(clock) {
            self.value = self.armed.take().map_or(self.value, |(baseline, ..)| baseline);
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    Commit(u8),
    CommitToConfirm(u8, u64),
    /// It fails, because the section does not exist.
    FailingCommit,
    Confirm,
    Wait(u64),
    Reboot,
    /// The process ends; another opens the store.
    Reopen,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => any::<u8>().prop_map(Event::Commit),
        3 => (any::<u8>(), 1..60_u64).prop_map(|(value, time)| Event::CommitToConfirm(value, time)),
        1 => Just(Event::FailingCommit),
        2 => Just(Event::Confirm),
        4 => (0..40_u64).prop_map(Event::Wait),
        1 => Just(Event::Reboot),
        2 => Just(Event::Reopen),
    ]
}

fn value(fixture: &Fixture) -> u8 {
    let text = texts(fixture)[0].clone();
    let line = text.lines().find(|line| line.contains("option a ")).expect("there").to_owned();
    line.split('\'').nth(1).expect("quoted").parse().expect("a number")
}

fn commit(store: &Engine, value: u8, confirm: Option<Duration>) {
    let place = store.packages().find(b"network").expect("there");
    let delta = Delta::new(DeltaKind::Set, b"lan", Some(b"a"), Some(value.to_string().as_bytes()));
    store.staging().stage(&place, &[delta]).expect("staged");
    store.commit_together(&[place], Form::Lossless, confirm).expect("committed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn what_is_not_confirmed_in_time_is_taken_back(events in prop::collection::vec(event(), 1..25)) {
        CLOCK.set((1, 1000));
        let fixture = fixture();
        let open = || Engine::new(fixture.options().uptime(fake_clock));
        let mut store = open();
        let mut machine = Machine { value: 0, armed: None };
        for event in &events {
            let (boot, now) = CLOCK.get();
            match event {
                Event::Wait(time) => {
                    CLOCK.set((boot, now + time));
                    continue;
                }
                Event::Reboot => {
                    CLOCK.set((boot + 1, 0));
                    // The files in `/run` are lost.
                    let _ = std::fs::remove_dir_all(fixture.path("run"));
                    store = open();
                }
                Event::Reopen => store = open(),
                Event::Commit(..) | Event::CommitToConfirm(..) | Event::FailingCommit | Event::Confirm => {}
            }
            store.confirmations().recover().expect("recovered");
            machine.open(CLOCK.get());
            prop_assert_eq!(value(&fixture), machine.value);
            match event {
                // A commit that changes nothing is not made.
                Event::Commit(new) if *new != machine.value => {
                    commit(&store, *new, None);
                    machine.value = *new;
                }
                Event::CommitToConfirm(new, time) if *new != machine.value => {
                    commit(&store, *new, Some(Duration::from_secs(*time)));
                    let baseline = machine.armed.map_or(machine.value, |(baseline, ..)| baseline);
                    let (boot, now) = CLOCK.get();
                    machine = Machine { value: *new, armed: Some((baseline, boot, now, *time)) };
                }
                Event::FailingCommit => {
                    let failing = fixture.options().map_limit(1).uptime(fake_clock);
                    let failing = Engine::new(failing);
                    let place = failing.packages().find(b"network").expect("there");
                    let delta = Delta::new(DeltaKind::Set, b"lan", Some(b"b"), Some(b"longer than a map may be"));
                    failing.staging().stage(&place, &[delta]).expect("staged");
                    let second = Some(Duration::from_secs(1));
                    prop_assert!(failing.commit_together(std::slice::from_ref(&place), Form::Lossless, second).is_err());
                    failing.staging().revert(&place, None, None).expect("dropped");
                }
                Event::Confirm => {
                    let confirmed = store.confirmations().confirm(None, None);
                    prop_assert_eq!(confirmed.is_ok(), machine.armed.take().is_some());
                }
                _ => {}
            }
            prop_assert_eq!(value(&fixture), machine.value);
            prop_assert_eq!(store.confirmations().pending().expect("readable").is_some(), machine.armed.is_some());
        }
    }
}

/// W18, the part about `commit --confirm`: a user who locks himself out only has to wait, or to boot.
#[test]
fn a_lock_out_ends_by_itself() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=1.2.3.4"]);
    assert!(sandbox.fails(2, &["commit", "--confirm", "soon"]).contains("5min"));
    let said = sandbox.run(&["commit", "--confirm", "4s"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("unless it is confirmed"));
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "1.2.3.4\n");
    assert!(sandbox.ok(&["pending", "--json"]).contains("\"seconds_left\":"));
    assert_eq!(sandbox.run(&["confirm", "--wait"]).status.code(), Some(1), "it was taken back");
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.1\n");
    assert_eq!(sandbox.run(&["pending"]).status.code(), Some(1));
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.9"]);
    sandbox.ok(&["commit", "--confirm", "1h"]);
    assert!(sandbox.fails(1, &["confirm", "1"]).contains("transaction 1 does not wait"));
    sandbox.ok(&["confirm"]);
    assert!(sandbox.fails(1, &["confirm"]).contains("waits to be confirmed"));
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.9\n");
}

/// G3: the record that starts a segment contains the commit that waits to be confirmed, and the records for its
/// rollback are not dropped.
#[test]
fn a_commit_that_waits_to_be_confirmed_is_taken_back_however_much_is_committed_meanwhile() {
    CLOCK.set((1, 1000));
    let fixture = fixture();
    let log_size = 256 << 10;
    let open = || {
        let durability = cms::Durability::None;
        Engine::new(fixture.options().uptime(fake_clock).log_size(log_size).durability(durability))
    };
    let store = open();
    commit(&store, 1, None);
    let before = texts(&fixture);
    commit(&store, 2, Some(Duration::from_secs(60)));
    let waiting = store.confirmations().pending().expect("readable").expect("it waits");
    for round in 0..150 {
        set(&store, &[("network", "lan", "b", &format!("{round} ").repeat(300))]);
    }
    let segments = std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one");
    let segments = std::fs::read_dir(segments.expect("readable").path()).expect("readable").flatten();
    let logs = segments.filter(|file| file.path().extension().is_some_and(|ending| ending == "log")).count();
    assert!(logs > 5, "segments have been begun: {logs}");
    let fresh = open();
    assert_eq!(fresh.confirmations().pending().expect("readable"), Some(waiting));
    CLOCK.set((1, 1060));
    open().confirmations().recover().expect("taken back");
    // A commit of others to another key, made meanwhile, stays.
    let stays = before[0].replace("option b '0'", &format!("option b '{}'", "149 ".repeat(300)));
    assert_eq!(texts(&fixture), [stays, before[1].clone()]);
    // No record has to be kept any more: the log shrinks to its limit again.
    let store = open();
    assert_eq!(store.confirmations().pending().expect("readable"), None);
    for round in 0..60 {
        set(&store, &[("network", "lan", "b", &format!("{round} ").repeat(300))]);
    }
    assert!(store.audit().check_log().expect("readable").first > waiting.sequence);
}
