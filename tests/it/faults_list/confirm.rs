//! S18, and what of A3 is about commits to be confirmed.

mod commands;
mod guards;
mod model;

use std::cell::Cell;
use std::time::Duration;

use cms::clock::Uptime;
use cms::log::{Content, Kind, What};
use cms::{Delta, DeltaKind, Form, Options, Store};

use crate::live::Fixture;

thread_local! {
    /// The boot and how many seconds it has been running.
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

fn open(fixture: &Fixture) -> Store {
    Store::new(Options { uptime: fake_clock, ..fixture.options() })
}

fn set(key: &str, value: &str) -> (String, Delta) {
    let parts: Vec<&str> = key.split('.').collect();
    let option = parts.get(2).map(|option| option.as_bytes());
    (parts[0].to_owned(), Delta::new(DeltaKind::Set, parts[1].as_bytes(), option, Some(value.as_bytes())))
}

/// Commits changes as one transaction; returns its number.
fn commit(store: &Store, changes: &[(String, Delta)], confirm: Option<u64>) -> u64 {
    let mut places: Vec<cms::Place> = Vec::new();
    for (package, delta) in changes {
        let place = store.place(package.as_bytes()).expect("there");
        store.stage(&place, std::slice::from_ref(delta)).expect("staged");
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
    // Others: another key, the same key, a comment by hand, another package.
    commit(&store, &[set("network.lan.mtu", "1400")], None);
    commit(&store, &[set("network.lan.ipaddr", "10.7.7.7")], None);
    fixture.write("network", &fixture.text("network").replace("# the house", "# their house"));
    wait(60);
    open(&fixture).recover().expect("taken back");
    let stays = NETWORK.replace("# the house", "# their house").replace("'1500'", "'1400'");
    assert_eq!(fixture.text("network"), stays);
    assert_eq!(fixture.text("system"), SYSTEM);
    // The record names the value that another had set.
    let last = &store.history(None, 1).expect("readable")[0];
    assert_eq!((last.kind, last.refers), (Kind::Rollback, waiting - 1));
    let theirs = What::Changed {
        old: Content::String(b"10.7.7.7".to_vec()),
        new: Content::String(b"10.0.0.1".to_vec()),
    };
    assert!(
        last.packages.iter().flat_map(|package| &package.changes).any(|change| change.what == theirs),
        "{last:?}"
    );
    assert_eq!(store.pending().expect("readable"), None);
}
