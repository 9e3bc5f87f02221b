//! Transactions that are rolled back, or finished for a writer that died.

use std::sync::Arc;
use std::time::Duration;

use cms::testing::{Call, Seams as _};
use cms::{Error, Store};

use super::{fixture, next, nothing, set, told};
use crate::support::fixture::get;
use crate::support::probes::{EACCES, Fail};

/// Makes the next attempt to place the text of `network` fail, once it is armed.
fn failing() -> Fail {
    Fail::when(|call, path| call == Call::Rename && path.ends_with("config/network"))
        .with(EACCES)
        .once()
        .disarmed()
}

fn try_set(live: &Store, value: &str) -> Result<u64, Error> {
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"network.lan.mtu", value.as_bytes())?;
    transaction.commit()
}

#[test]
fn a_transaction_that_was_taken_back_is_not_told() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watch = live.watch("network", None).expect("opens");
    let probe = Arc::new(failing());
    let options = fixture.options().files(probe.files());
    let another = Store::open(options).expect("opens");
    let before = set(&another, &[("network.lan.mtu", "1")]);
    probe.arm(true);
    try_set(&another, "2").expect_err("it cannot be put in place");
    probe.arm(false);
    assert_eq!(
        live.engine().history().revision().expect("readable"),
        before + 2,
        "it was logged, and taken back"
    );
    let after = set(&another, &[("network.lan.mtu", "3")]);
    assert_eq!(told(&next(&mut watch)), ["set network.lan.mtu 1500 1"]);
    let event = next(&mut watch);
    assert_eq!((event.sequence(), told(&event)), (after, vec!["set network.lan.mtu 1 3".to_owned()]));
    // A watch that is opened later gets the same.
    let mut late = live.watch("network", Some(before)).expect("opens");
    assert_eq!(next(&mut late).sequence(), after);
    // An undo by the user is an event, whatever its message is.
    live.engine().history().undo(after, Some("never mind")).expect("undone");
    assert_eq!(told(&next(&mut watch)), ["set network.lan.mtu 3 1"]);
}

#[test]
fn a_group_that_was_taken_back_and_tried_again_is_told_once() {
    let fixture = fixture();
    let probe = Arc::new(failing());
    let options = fixture.options().files(probe.files());
    let live = Store::open(options).expect("opens");
    let before = set(&live, &[("network.lan.mtu", "1")]);
    let mut watch = fixture.live().watch("network", Some(before)).expect("opens");
    let logs = std::fs::read_dir(fixture.path("state")).expect("readable");
    let lock = logs.flatten().map(|log| log.path().join("lock")).find(|lock| lock.exists()).expect("a log");
    let lock = std::fs::File::open(lock).expect("opens");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    probe.arm(true);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let live = &live;
            scope.spawn(move || set(live, &[(&format!("network.lan.o{number}"), "1")]));
        }
        // By then all of them wait for the lock, as a group.
        std::thread::sleep(Duration::from_millis(500));
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::Unlock).expect("unlocked");
        while !probe.has_failed() {
            std::thread::sleep(Duration::from_micros(50));
        }
        probe.arm(false);
    });
    let mut seen: Vec<String> = (0..6).flat_map(|_| told(&next(&mut watch))).collect();
    nothing(&mut watch);
    seen.sort();
    let expected: Vec<String> = (0..6).map(|number| format!("add network.lan.o{number} - 1")).collect();
    assert_eq!(seen, expected);
    let records = watch.sequence() - before;
    assert!(records > 6, "{records}: some were taken back");
}

#[test]
fn what_a_writer_that_died_has_left_is_finished_and_told() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watch = live.watch("network", None).expect("opens");
    let probe = Arc::new(failing().for_good());
    let options = fixture.options().files(probe.files());
    let another = Store::open(options).expect("opens");
    probe.arm(true);
    let error = try_set(&another, "2").expect_err("it cannot be put in place");
    assert!(matches!(error, Error::Unfinished { .. }), "{error}");
    drop(another);
    let event = next(&mut watch);
    assert_eq!(told(&event), ["set network.lan.mtu 1500 2"]);
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("2"), "it can be read");
}
