//! S18, and the part of A3 about commits to be confirmed.

mod commands;
mod deaths;
mod guards;
mod model;

use std::cell::Cell;
use std::time::Duration;

use cms::clock::Uptime;
use cms::log::{Content, Kind, What};
use cms::testing::Seams as _;
use cms::{Delta, DeltaKind, Engine, Form, Guards};

use crate::support::fixture::Fixture;

thread_local! {
    /// The id of the boot, and the uptime in seconds.
    static CLOCK: Cell<(u8, u64)> = const { Cell::new((1, 1000)) };
}

fn fake_clock() -> Uptime {
    let (boot, seconds) = CLOCK.get();
    Uptime { boot: [boot; 16], running: Duration::from_secs(seconds) }
}

fn wait(seconds: u64) {
    let (boot, now) = CLOCK.get();
    CLOCK.set((boot, now + seconds));
}

const NETWORK: &str = "# the house\nconfig interface 'lan'\n\toption ipaddr '10.0.0.1' # known\n\toption mtu '1500'\n\n\
    config rule\n\toption name 'ping'\n\nconfig rule\n\toption name 'ssh'\n";
const SYSTEM: &str = "config system 's'\n\toption name 'here'\n";

fn fixture() -> Fixture {
    Fixture::new(&[("network", NETWORK), ("system", SYSTEM)])
}

fn open(fixture: &Fixture) -> Engine {
    Engine::new(fixture.options().uptime(fake_clock))
}

fn set(key: &str, value: &str) -> (String, Delta) {
    let parts: Vec<&str> = key.split('.').collect();
    let option = parts.get(2).map(|option| option.as_bytes());
    (parts[0].to_owned(), Delta::new(DeltaKind::Set, parts[1].as_bytes(), option, Some(value.as_bytes())))
}

/// Commits changes as one transaction; returns its number.
fn commit(store: &Engine, changes: &[(String, Delta)], confirm: Option<u64>) -> u64 {
    let mut places: Vec<cms::Place> = Vec::new();
    for (package, delta) in changes {
        let place = store.packages().find(package.as_bytes()).expect("there");
        store.staging().stage(&place, std::slice::from_ref(delta)).expect("staged");
        if places.iter().all(|other| other.path != place.path) {
            places.push(place);
        }
    }
    let done =
        store.commit_together(&places, Form::Lossless, confirm.map(Duration::from_secs)).expect("committed");
    done.iter().find_map(|done| done.revision).expect("there is a log")
}

#[test]
fn s18_what_others_commit_within_the_window_stays() {
    let fixture = fixture();
    let store = open(&fixture);
    let waiting =
        commit(&store, &[set("network.lan.ipaddr", "10.9.9.9"), set("system.s.name", "there")], Some(60));
    // Changes of others: another key, the same key, a comment by hand, another package.
    commit(&store, &[set("network.lan.mtu", "1400")], None);
    commit(&store, &[set("network.lan.ipaddr", "10.7.7.7")], None);
    fixture.write("network", &fixture.text("network").replace("# the house", "# their house"));
    wait(60);
    open(&fixture).confirmations().recover().expect("taken back");
    let stays = NETWORK.replace("# the house", "# their house").replace("'1500'", "'1400'");
    assert_eq!(fixture.text("network"), stays);
    assert_eq!(fixture.text("system"), SYSTEM);
    // The record names the value that another had set.
    let last = &store.history().changes(None, 1).expect("readable")[0];
    assert_eq!((last.kind, last.refers), (Kind::Rollback, waiting - 1));
    let theirs = What::Changed {
        old: Content::String(b"10.7.7.7".to_vec()),
        new: Content::String(b"10.0.0.1".to_vec()),
    };
    assert!(
        last.packages.iter().flat_map(|package| &package.changes).any(|change| change.what == theirs),
        "{last:?}"
    );
    assert_eq!(store.confirmations().pending().expect("readable"), None);
}

#[test]
fn s18_a_watch_tells_what_waits_what_is_confirmed_and_what_is_taken_back() {
    let fixture = fixture();
    let live = cms::Store::open(fixture.options().uptime(fake_clock).guards(Guards::Nobody)).expect("opens");
    let mut all = live.watch("*", None).expect("watches");
    let mut some = live.watch("network", None).expect("watches");
    let store = open(&fixture);
    commit(&store, &[set("network.lan.ipaddr", "10.9.9.9")], Some(60));
    store.confirmations().confirm(None, None).expect("it waits");
    commit(&store, &[set("network.lan.ipaddr", "10.8.8.8")], Some(60));
    wait(60);
    store.confirmations().recover().expect("taken back");
    let told = |watch: &mut cms::Watch| {
        let next = |_| watch.next(Some(Duration::from_millis(500))).expect("readable");
        let events: Vec<cms::Event> = (0..4).map_while(next).collect();
        events
            .iter()
            .map(|event| (event.record().kind, event.record().guard.is_some(), event.is_empty()))
            .collect::<Vec<_>>()
    };
    let (waits, confirmed, back) =
        ((Kind::Commit, true, false), (Kind::Confirm, false, true), (Kind::Rollback, false, false));
    assert_eq!(told(&mut all), [waits, confirmed, waits, back]);
    assert_eq!(told(&mut some), [waits, waits, back]);
}

#[test]
fn s18_going_back_by_part_of_what_waits_does_not_end_the_wait_for_the_rest() {
    let fixture = fixture();
    let store = open(&fixture);
    let first =
        commit(&store, &[set("network.lan.ipaddr", "10.9.9.9"), set("system.s.name", "there")], Some(60));
    store.history().rollback(first - 1, &["system".to_owned()], None).expect("in part");
    assert!(store.confirmations().pending().expect("readable").is_some(), "the network waits on");
    let second = commit(&store, &[set("network.lan.mtu", "1400")], Some(600));
    store.history().undo(second, None).expect("it is the last");
    let pending = store.confirmations().pending().expect("readable").expect("the first waits on");
    assert!(pending.left <= Duration::from_secs(60), "and as long as it was to: {pending:?}");
    wait(60);
    open(&fixture).confirmations().recover().expect("taken back");
    assert_eq!((fixture.text("network"), fixture.text("system")), (NETWORK.to_owned(), SYSTEM.to_owned()));
    // Rolling everything back by hand ends the wait.
    let first = commit(&store, &[set("network.lan.ipaddr", "10.9.9.9")], Some(60));
    store.history().rollback(first - 1, &[], None).expect("as a whole");
    assert_eq!(store.confirmations().pending().expect("readable"), None);
    assert!(
        cms::Engine::new(fixture.options()).confirmations().notice_of(first).expect("readable").is_none()
    );
}

/// A program with another state directory has another log; for it, the rollback is an edit by hand.
#[test]
fn s18_two_state_directories_do_not_get_into_each_others_way() {
    let fixture = fixture();
    let mut dirs = fixture.dirs();
    dirs.state.as_mut().expect("there").path = fixture.path("other-state");
    let other = Engine::new(fixture.options().dirs(dirs).uptime(fake_clock));
    let store = open(&fixture);
    commit(&store, &[set("network.lan.ipaddr", "10.9.9.9")], Some(60));
    commit(&other, &[set("network.lan.mtu", "1400")], None);
    assert_eq!(other.confirmations().pending().expect("readable"), None, "it knows nothing of the other log");
    wait(60);
    open(&fixture).confirmations().recover().expect("taken back");
    assert_eq!(fixture.text("network"), NETWORK.replace("'1500'", "'1400'"));
    commit(&other, &[set("network.lan.mtu", "1300")], None);
    assert_eq!(fixture.text("network"), NETWORK.replace("'1500'", "'1300'"));
    let edits = other.history().changes(None, 9).expect("readable");
    assert!(edits.iter().any(|record| record.kind == Kind::FileEdit), "{edits:?}");
}

#[test]
fn s18_what_was_taken_back_is_not_taken_back_again() {
    let fixture = fixture();
    let store = open(&fixture);
    let waiting = commit(&store, &[set("network.lan.ipaddr", "10.9.9.9")], Some(60));
    wait(60);
    open(&fixture).confirmations().recover().expect("taken back");
    commit(&store, &[set("network.lan.ipaddr", "10.5.5.5")], None);
    assert_eq!(store.confirmations().roll_back(waiting, "too late").expect("readable"), None);
    assert_eq!(fixture.text("network"), NETWORK.replace("10.0.0.1", "10.5.5.5"));
    // A commit without a time limit is rolled back each time the user asks for it, whatever was committed since.
    let plain = commit(&store, &[set("network.lan.mtu", "1400")], None);
    commit(&store, &[set("network.lan.mtu", "1401"), set("network.lan.new", "1")], None);
    assert_eq!(
        store.confirmations().roll_back(plain, "it did not work").expect("taken back"),
        Some(plain + 2)
    );
    let text = NETWORK.replace("10.0.0.1", "10.5.5.5").replace(
        "\n\nconfig rule\n\toption name 'ping'",
        "\n\toption new '1'\n\nconfig rule\n\toption name 'ping'",
    );
    assert_eq!(fixture.text("network"), text);
}
