//! Watches: what is told, when, in which order; that nothing is lost and nothing told twice, whoever is killed.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use cms::files::Call;
use cms::log::{Content, Kind, Limits};
use cms::{Durability, Error, Event, MAX_WATCHES, Options, Store, Watch};
use rustix::event::{PollFd, PollFlags, poll};

use crate::support::fixture::{Fixture, dirs, get};
use crate::support::parts::this_program;
use crate::support::probes::{EACCES, Fail};

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

/// A watch that was behind and had caught up kept what it had read ahead of the log by itself. When it fell behind
/// again, it went on from there and told old events a second time.
#[test]
fn a_watch_that_falls_behind_twice_is_told_nothing_twice() {
    let fixture = fixture();
    let mut options = fixture.options();
    options.durability = Durability::None;
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
    // The newest 256 are kept for all.
    let mut seen: Vec<u64> = (0..100).map(|_| next(&mut slow).sequence()).collect();
    write(400);
    seen.extend((0..600).map(|_| next(&mut slow).sequence()));
    assert!(seen.into_iter().eq(first + 1..=first + 700));
    nothing(&mut slow);
}

#[test]
fn what_the_log_does_not_keep_is_told_as_too_old_and_the_watch_goes_on() {
    let fixture = fixture();
    let mut options = fixture.options();
    options.log = Limits { bytes: 256 << 10, age: None, records: None };
    options.durability = Durability::None;
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
    // What was changed while nobody looked is told as well.
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
fn the_descriptor_is_readable_when_there_is_an_event() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watches: Vec<Watch> = (0..3).map(|_| live.watch("network", None).expect("opens")).collect();
    for watch in &mut watches {
        assert!(is_readable(watch, Duration::ZERO), "at first it has to be looked");
    }
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..3 {
        watches.iter_mut().for_each(|watch| assert_eq!(drain(watch), [0; 0]));
    }
    for watch in &mut watches {
        assert!(!is_readable(watch, Duration::from_millis(100)));
    }
    let another = Store::open(fixture.options()).expect("opens");
    for round in 0..20 {
        let revision = set(&another, &[("network.lan.mtu", &round.to_string())]);
        for watch in &mut watches {
            let mut found = Vec::new();
            let deadline = Instant::now() + Duration::from_secs(10);
            while found.is_empty() && Instant::now() < deadline {
                assert!(is_readable(watch, Duration::from_secs(10)), "round {round}");
                found = drain(watch);
            }
            assert_eq!(found, [revision]);
        }
    }
    // An edit as well, without anyone calling in between.
    fixture.write("network", "config interface 'lan'\n\toption mtu '9000'\n");
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut found = Vec::new();
    while found.is_empty() && Instant::now() < deadline {
        assert!(is_readable(&mut watches[0], Duration::from_secs(10)));
        found = drain(&mut watches[0]);
    }
    assert_eq!(found.len(), 1);
}

#[test]
fn one_event_of_many_leaves_the_descriptor_readable() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watch = live.watch("network", None).expect("opens");
    assert!(is_readable(&mut watch, Duration::ZERO));
    assert_eq!(drain(&mut watch), [0; 0]);
    let revisions: Vec<u64> = (0..3).map(|n| set(&live, &[("network.lan.mtu", &n.to_string())])).collect();
    for revision in revisions {
        assert!(is_readable(&mut watch, Duration::from_secs(10)));
        assert_eq!(watch.next(Some(Duration::ZERO)).expect("readable").expect("one").sequence(), revision);
    }
}

#[test]
fn callbacks_may_write_and_end_themselves() {
    let fixture = fixture();
    let live = fixture.live();
    let (sender, receiver) = mpsc::channel();
    let writer = live.clone();
    let subscription = live.subscribe("network.lan.mtu", None, move |event| {
        let event = event.expect("no error");
        let mtu = show(event.change(0).expect("one").after());
        set(&writer, &[("system.s.name", &format!("mtu {mtu}"))]);
        sender.send(event.sequence()).expect("somebody listens");
    });
    let subscription = subscription.expect("subscribed");
    let mut watch = live.watch("system", None).expect("opens");
    for number in 0..20 {
        let revision = set(&live, &[("network.lan.mtu", &number.to_string())]);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(revision));
        assert!(told(&next(&mut watch))[0].ends_with(&format!("mtu {number}")));
    }
    drop(subscription);
    assert!(receiver.recv().is_err(), "the callback is gone");

    // One that ends itself is not called again; the other is.
    let place: Arc<Mutex<Option<cms::Subscription>>> = Arc::default();
    let calls = Arc::new(AtomicU32::new(0));
    let (mine, counted) = (place.clone(), calls.clone());
    let ending = live.subscribe("network", None, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        drop(mine.lock().expect("no panic").take());
    });
    *place.lock().expect("no panic") = Some(ending.expect("subscribed"));
    let (sender, receiver) = mpsc::channel();
    let _other =
        live.subscribe("network", None, move |_| sender.send(()).expect("listens")).expect("subscribed");
    for number in 20..23 {
        set(&live, &[("network.lan.mtu", &number.to_string())]);
        receiver.recv_timeout(Duration::from_secs(20)).expect("told");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn there_may_be_so_many_watches_and_no_more() {
    let fixture = fixture();
    let live = fixture.live();
    let (sender, receiver) = mpsc::channel();
    let mut subscriptions = Vec::new();
    for number in 0..MAX_WATCHES - 1 {
        let sender = sender.clone();
        let told = move |event: Result<Event, Error>| {
            sender.send((number, event.expect("no error").sequence())).expect("listens");
        };
        subscriptions.push(live.subscribe("network", None, told).expect("subscribed"));
    }
    let watch = live.watch("*", None).expect("the last one");
    let refused = live.watch("*", None).expect_err("one too many");
    assert!(matches!(refused, Error::TooMany { limit: MAX_WATCHES, .. }));
    assert_eq!(refused.to_string(), "there are 1000 watches of this store already, and may be no more");
    let revision = set(&live, &[("network.lan.mtu", "1")]);
    let mut seen: Vec<usize> = Vec::new();
    for _ in 0..MAX_WATCHES - 1 {
        let (number, sequence) = receiver.recv_timeout(Duration::from_secs(60)).expect("told");
        assert_eq!(sequence, revision);
        seen.push(number);
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..MAX_WATCHES - 1));
    drop(watch);
    live.watch("*", None).expect("there is room again");
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
    let mut options = fixture.options();
    options.private_maps = true;
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

/// Has the next time fail that the text of `network` is put in place, once it is armed.
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
    let mut options = fixture.options();
    options.files = probe.files();
    let another = Store::open(options).expect("opens");
    let before = set(&another, &[("network.lan.mtu", "1")]);
    probe.arm(true);
    try_set(&another, "2").expect_err("it cannot be put in place");
    probe.arm(false);
    assert_eq!(live.engine().revision().expect("readable"), before + 2, "it was logged, and taken back");
    let after = set(&another, &[("network.lan.mtu", "3")]);
    assert_eq!(told(&next(&mut watch)), ["set network.lan.mtu 1500 1"]);
    let event = next(&mut watch);
    assert_eq!((event.sequence(), told(&event)), (after, vec!["set network.lan.mtu 1 3".to_owned()]));
    // The same for who comes later.
    let mut late = live.watch("network", Some(before)).expect("opens");
    assert_eq!(next(&mut late).sequence(), after);
    // To undo it for good is an event, whatever is said of it.
    live.engine().undo(after, Some("never mind")).expect("undone");
    assert_eq!(told(&next(&mut watch)), ["set network.lan.mtu 3 1"]);
}

#[test]
fn a_group_that_was_taken_back_and_tried_again_is_told_once() {
    let fixture = fixture();
    let probe = Arc::new(failing());
    let mut options = fixture.options();
    options.files = probe.files();
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
        // All of them wait for the lock by then, as a group.
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
    let mut options = fixture.options();
    options.files = probe.files();
    let another = Store::open(options).expect("opens");
    probe.arm(true);
    let error = try_set(&another, "2").expect_err("it cannot be put in place");
    assert!(matches!(error, Error::Unfinished { .. }), "{error}");
    drop(another);
    let event = next(&mut watch);
    assert_eq!(told(&event), ["set network.lan.mtu 1500 2"]);
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("2"), "it can be read");
}

pub const DIR: &str = "CMS_EVENTS_DIR";
pub const NUMBER: &str = "CMS_EVENTS_NUMBER";

fn role_options() -> Options {
    let dir = std::path::PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    Options {
        dirs: dirs(&dir),
        // About a third of what the writers write.
        log: Limits { bytes: (rounds() * WRITERS * 100).max(256 << 10) as u64, age: None, records: None },
        durability: Durability::None,
        lock_timeout: Duration::from_secs(60),
        ..Options::default()
    }
}

/// Runs a role of a family in a process of its own.
pub fn start_part(family: &str, dir: &Path, role: &str, number: usize) -> Child {
    this_program(family, role)
        .env(DIR, dir)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs")
}

fn start(dir: &Path, role: &str, number: usize) -> Child {
    start_part("events", dir, role, number)
}

fn number() -> usize {
    std::env::var(NUMBER).expect("set").parse().expect("a number")
}

/// What a killed watcher has seen is in its file; the last line may be half.
fn seen(dir: &Path, number: usize) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(dir.join(format!("seen{number}"))).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let line = |line: &str| {
        let (sequence, rest) = line.split_once(' ').expect("two words");
        (sequence.parse().expect("a number"), rest.to_owned())
    };
    whole.lines().map(line).collect()
}

/// Plays a part in another process.
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

/// Notes what it is told in a file, from where it has ended when it was killed.
fn watch_and_note(live: &Store) {
    use std::io::Write;
    let dir = std::path::PathBuf::from(std::env::var_os(DIR).expect("a directory"));
    let known = seen(&dir, number());
    let path = dir.join(format!("seen{}", number()));
    // Half a line is written anew.
    let lines: String = known.iter().map(|(sequence, rest)| format!("{sequence} {rest}\n")).collect();
    // It may be killed right now, and must not forget what it has seen.
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
    fixture.live().engine().note_edits().expect("noted");
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
        // The log is kept short, so that segments are dropped; nobody may be left behind by that.
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
    // Should nobody wake it, it would take too long.
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
        // It comes to rest: it waits for a while in the way that is woken soonest, and looks for edits.
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
    let mut options = fixture.options();
    options.dirs.run.as_mut().expect("there is one").path = fixture.path("another");
    set(&Store::open(options).expect("opens"), &[("network.lan.mtu", "3")]);
    is_told("set network.lan.mtu 2 3");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("3"), "it can be read");
    // The watch may put a control file in it while it goes.
    while std::fs::remove_dir_all(fixture.path("run"))
        .is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
    {}
    set(&fixture.live(), &[("network.lan.mtu", "4")]);
    is_told("set network.lan.mtu 3 4");
    set(&fixture.live(), &[("network.lan.mtu", "5")]);
    is_told("set network.lan.mtu 4 5");
}
