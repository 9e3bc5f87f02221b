//! Watches: which events are delivered, when, and in which order; no event is lost or delivered twice, whichever
//! process is killed.

mod failures;
mod processes;
mod waiting;

pub use processes::role;

use std::time::Duration;

use cms::log::{Content, Kind};
use cms::{Durability, Error, Event, Store, Watch};
use rustix::event::{PollFd, PollFlags, poll};

use crate::support::fixture::{Fixture, get};

const LONG: Option<Duration> = Some(Duration::from_secs(20));

const NOTHING: Option<Duration> = Some(Duration::from_millis(300));

fn fixture() -> Fixture {
    let network = "config interface 'lan'\n\toption ipaddr '10.0.0.1' # office\n\toption mtu '1500'\n\
                   config interface 'wan'\n\toption ipaddr '10.0.1.1'\n";
    Fixture::new(&[("network", network), ("system", "config system 's'\n\toption name 'a'\n")])
}

fn set(live: &Store, changes: &[(&str, &str)]) -> u64 {
    let mut transaction = live.begin().expect("begun");
    for (key, value) in changes {
        transaction.set(key.as_bytes(), value.as_bytes()).expect("staged");
    }
    transaction.commit().expect("committed")
}

fn show(content: Option<&Content>) -> String {
    content.map_or("-".into(), |content| {
        let items: Vec<_> = content.items().iter().map(|item| String::from_utf8_lossy(item)).collect();
        items.join(",")
    })
}

/// The changes of an event, each as `KIND KEY OLD NEW`.
fn told(event: &Event) -> Vec<String> {
    let one = |changed: cms::Changed<'_>| {
        let key = String::from_utf8(changed.key()).expect("ASCII");
        format!("{} {key} {} {}", changed.kind(), show(changed.before()), show(changed.after()))
    };
    event.changes().map(one).collect()
}

fn next(watch: &mut Watch) -> Event {
    watch.next(LONG).expect("readable").expect("there is one")
}

fn nothing(watch: &mut Watch) {
    let found = watch.next(NOTHING).expect("readable");
    assert!(found.is_none(), "{:?}", found.as_ref().map(told));
}

fn is_readable(watch: &mut Watch, wait: Duration) -> bool {
    let timeout = rustix::event::Timespec::try_from(wait).expect("short");
    let fd = watch.fd().expect("a descriptor");
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(&timeout)).expect("polled") == 1
}

fn drain(watch: &mut Watch) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some(event) = watch.next(Some(Duration::ZERO)).expect("readable") {
        found.push(event.sequence());
    }
    found
}

#[test]
fn a_transaction_is_told_as_one_event_in_order_once_it_can_be_read() {
    let fixture = fixture();
    let live = fixture.live();
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    let mut all = live.watch("*", None).expect("opens");
    let mut some = live.watch("*.lan.ipaddr system", None).expect("opens");
    nothing(&mut all);
    let by_another = Store::open(fixture.options()).expect("opens");
    let mut transaction = by_another.begin().expect("begun");
    transaction.set(b"network.lan.ipaddr", b"10.0.0.2").expect("set");
    transaction.delete(b"network.lan.mtu").expect("deleted");
    transaction.rename(b"network.wan", b"dsl").expect("renamed");
    transaction.add_list(b"system.s.ntp", b"a").expect("added");
    transaction.add_list(b"system.s.ntp", b"b").expect("added");
    let revision = transaction.commit().expect("committed");

    let event = next(&mut all);
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.2"), "it can be read");
    assert_eq!((event.sequence(), event.record().kind), (revision, Kind::Commit));
    assert_eq!(event.record().pid, std::process::id());
    assert_eq!(
        told(&event),
        [
            "delete network.wan.ipaddr 10.0.1.1 -",
            "delete network.wan interface -",
            "delete network.lan.mtu 1500 -",
            "set network.lan.ipaddr 10.0.0.1 10.0.0.2",
            "add network.dsl - interface",
            "add network.dsl.ipaddr - 10.0.1.1",
            "add system.s.ntp - a,b",
        ]
    );
    let event = next(&mut some);
    assert_eq!(told(&event), ["set network.lan.ipaddr 10.0.0.1 10.0.0.2", "add system.s.ntp - a,b"]);
    let mut transaction = by_another.begin().expect("begun");
    transaction.reorder(b"network.dsl", 0).expect("moved");
    transaction.commit().expect("committed");
    assert_eq!(told(&next(&mut all)), ["reorder network.dsl - -"]);
    nothing(&mut some);
    nothing(&mut all);
}

#[test]
fn a_watch_continues_where_another_has_ended() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watch = live.watch("network", None).expect("opens");
    let revisions: Vec<u64> =
        (0..600).map(|number| set(&live, &[("network.lan.mtu", &number.to_string())])).collect();
    let mut seen = Vec::new();
    while seen.len() < revisions.len() {
        seen.push(next(&mut watch).sequence());
        if seen.len() % 100 == 50 {
            watch = live.watch("network", Some(watch.sequence())).expect("opens");
        }
    }
    assert_eq!(seen, revisions, "each once, in order");
    nothing(&mut watch);
    let far = live.watch("network", Some(revisions[599] + 100));
    assert!(matches!(far, Err(Error::TooOld { revision, .. }) if revision == revisions[599]));
}

/// A watch that was behind and had caught up kept records that it had read ahead. When it fell behind again, it
/// continued from those and delivered old events a second time.
#[test]
fn a_watch_that_falls_behind_twice_is_told_nothing_twice() {
    let fixture = fixture();
    let options = fixture.options().durability(Durability::None);
    let live = Store::open(options).expect("opens");
    let first = set(&live, &[("network.lan.mtu", "0")]);
    let mut slow = live.watch("network", Some(first)).expect("opens");
    let mut fast = live.watch("network", Some(first)).expect("opens");
    let mut write = |count: usize| {
        for number in 0..count {
            let revision = set(&live, &[("network.lan.mtu", &format!("{count} {number}"))]);
            assert_eq!(next(&mut fast).sequence(), revision);
        }
    };
    write(300);
    // The feed keeps the newest 256 for all watches.
    let mut seen: Vec<u64> = (0..100).map(|_| next(&mut slow).sequence()).collect();
    write(400);
    seen.extend((0..600).map(|_| next(&mut slow).sequence()));
    assert!(seen.into_iter().eq(first + 1..=first + 700));
    nothing(&mut slow);
}

#[test]
fn what_the_log_does_not_keep_is_told_as_too_old_and_the_watch_goes_on() {
    let fixture = fixture();
    let options = fixture.options().log_size(256 << 10).durability(Durability::None);
    let live = Store::open(options).expect("opens");
    let first = set(&live, &[("network.lan.mtu", "0")]);
    let mut slow = live.watch("network", Some(first)).expect("opens");
    let mut fast = live.watch("network", Some(first)).expect("opens");
    let value = "x".repeat(2000);
    for number in 0..300 {
        let revision = set(&live, &[("network.lan.mtu", &format!("{number}{value}"))]);
        let event = next(&mut fast);
        assert_eq!(event.sequence(), revision);
    }
    let last = fast.sequence();
    match slow.next(LONG) {
        Err(Error::TooOld { since, revision }) => assert_eq!((since, revision), (first, last)),
        other => panic!("{:?}", other.map(|event| event.map(|event| event.sequence()))),
    }
    let revision = set(&live, &[("network.lan.mtu", "1")]);
    assert_eq!(next(&mut slow).sequence(), revision);
    assert!(matches!(live.watch("network", Some(first)), Err(Error::TooOld { .. })));
    assert!(matches!(live.watch("network", Some(0)), Err(Error::TooOld { .. })));
}

#[test]
fn edits_are_told_and_those_of_comments_are_not() {
    let fixture = fixture();
    let live = fixture.live();
    assert_eq!(get(&live, "system.s.name").as_deref(), Some("a"));
    let mut watch = live.watch("*", None).expect("opens");
    fixture.write("system", "# changed\nconfig system 's'\n\toption name 'a'\n");
    nothing(&mut watch);
    // Saved as editors do: written beside it, and renamed.
    let (new, old) = (fixture.path("config/.system.swp"), fixture.path("config/system"));
    std::fs::write(&new, "# changed\nconfig system 's'\n\toption name 'b'\n").expect("written");
    std::fs::rename(&new, &old).expect("renamed");
    let event = next(&mut watch);
    assert_eq!(told(&event), ["set system.s.name a b"]);
    assert_eq!(event.record().kind, Kind::FileEdit);
    assert_eq!(get(&live, "system.s.name").as_deref(), Some("b"), "it can be read");
    // Edits that were made while no watch was open are delivered as well.
    let since = watch.sequence();
    drop(watch);
    fixture.write("system", "config system 's'\n\toption name 'c'\n");
    let mut watch = live.watch("*", Some(since)).expect("opens");
    assert_eq!(told(&next(&mut watch)), ["set system.s.name b c"]);
    nothing(&mut watch);
}

#[test]
fn a_text_with_errors_takes_nothing_from_readers() {
    let fixture = fixture();
    let live = fixture.live();
    assert_eq!(get(&live, "system.s.name").as_deref(), Some("a"));
    let mut watch = live.watch("system", None).expect("opens");
    fixture.write("system", "config system 's'\n\toption name 'b\n");
    let _ = watch.next(NOTHING).expect("readable");
    fixture.write("system", "config system 's'\n\toption name 'c'\n");
    let event = loop {
        let event = next(&mut watch);
        if told(&event).iter().any(|change| change.ends_with(" c")) {
            break event;
        }
    };
    assert_eq!(event.record().kind, Kind::FileEdit);
    assert_eq!(get(&live, "system.s.name").as_deref(), Some("c"));
}

#[test]
fn events_are_merged_on_request() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watch = live.watch("*", None).expect("opens");
    watch.set_merging(true);
    let first = set(&live, &[("network.lan.mtu", "1"), ("network.lan.ipaddr", "10.0.0.9")]);
    set(&live, &[("network.lan.mtu", "2"), ("system.s.name", "b")]);
    let last = set(&live, &[("network.lan.ipaddr", "10.0.0.1"), ("network.lan.new", "1")]);
    let event = next(&mut watch);
    assert_eq!((event.first(), event.sequence()), (first, last));
    assert_eq!(
        told(&event),
        ["set network.lan.mtu 1500 2", "add network.lan.new - 1", "set system.s.name a b"]
    );
    nothing(&mut watch);
}

#[test]
fn without_a_run_directory_commits_are_found_by_looking() {
    let fixture = fixture();
    let options = fixture.options().private_maps(true);
    let live = Store::open(options).expect("opens");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("1500"));
    let mut watch = live.watch("network", None).expect("opens");
    watch.set_interval(Duration::from_millis(20));
    let another = fixture.live();
    let revision = set(&another, &[("network.lan.mtu", "1")]);
    assert_eq!(next(&mut watch).sequence(), revision);
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("1"), "it can be read");
    let _ = drain(&mut watch);
    let _ = is_readable(&mut watch, Duration::ZERO);
    let _ = drain(&mut watch);
    let revision = set(&another, &[("network.lan.mtu", "2")]);
    assert!(is_readable(&mut watch, Duration::from_secs(10)));
    assert_eq!(next(&mut watch).sequence(), revision);
}

#[test]
fn a_run_directory_that_is_deleted_costs_no_event() {
    let fixture = fixture();
    let live = fixture.live();
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("1500"));
    let mut watch = live.watch("network", None).expect("opens");
    for round in 0..3 {
        std::fs::remove_dir_all(fixture.path("run")).expect("removed");
        let another = fixture.live();
        let revision = set(&another, &[("network.lan.mtu", &round.to_string())]);
        assert_eq!(next(&mut watch).sequence(), revision);
        assert_eq!(get(&live, "network.lan.mtu"), Some(round.to_string()));
    }
}
