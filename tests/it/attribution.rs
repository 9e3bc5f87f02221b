//! Who makes a transaction, for which request, and transactions that were decided elsewhere.

use std::sync::Arc;

use cms::log::{Attribution, Kind, Record, RequestId};
use cms::testing::{Call, Seams as _};
use cms::{Adopted, Delta, DeltaKind, Error, Form, Store};

use crate::support::fixture::{Fixture, get};
use crate::support::probes::Fail;

const NETWORK: &str = "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n\toption mtu '1500'\n";

fn fixture() -> Fixture {
    Fixture::new(&[("network", NETWORK), ("system", "config system 's'\n\toption name 'a'\n")])
}

fn request(number: u8) -> RequestId {
    RequestId::new([number; 16]).expect("not zero")
}

fn set(store: &Store, key: &str, value: &str) -> u64 {
    let mut transaction = store.begin().expect("begun");
    transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
    transaction.commit().expect("committed")
}

fn transaction(store: &Store, revision: u64) -> Record {
    store.engine().history().transaction(revision).expect("it is in the log")
}

fn texts(texts: &[(&str, Option<&str>)]) -> Vec<Adopted> {
    let text = |text: &str| Arc::new(text.as_bytes().to_vec());
    texts.iter().map(|(name, new)| Adopted::new(name.as_bytes(), new.map(text))).collect()
}

#[test]
fn a_transaction_has_the_author_the_source_and_the_request_that_it_was_given() {
    let fixture = fixture();
    let store = fixture.live();
    let plain = transaction(&store, set(&store, "network.lan.mtu", "1400"));
    assert_eq!((plain.author.as_str(), plain.request), ("", None));
    let mut changes = store.begin().expect("begun");
    changes.set(b"network.lan.mtu", b"1300").expect("set");
    changes.set_author("alice@192.168.7.20");
    changes.set_source("rest");
    changes.set_message("the printer moved");
    changes.set_request(request(7));
    let made = transaction(&store, changes.commit().expect("committed"));
    assert_eq!((made.author.as_str(), made.source.as_str()), ("alice@192.168.7.20", "rest"));
    assert_eq!((made.message.as_str(), made.request), ("the printer moved", Some(request(7))));
    assert_eq!(made.uid, plain.uid, "the user of the process is known as well");
    assert_eq!(transaction(&store, set(&store, "network.lan.mtu", "1200")).author, "");
}

#[test]
fn a_handle_with_an_attribution_makes_all_its_transactions_with_it_and_shares_the_store() {
    let fixture = fixture();
    let store = Store::open(fixture.options().source("daemon").message("by default")).expect("opens");
    let alice = store.with(Attribution::new().author("alice").source("rest").request(request(1)));
    let bob = store.with(Attribution::new().author("bob").message("from the shell"));
    let of_alice = transaction(&store, set(&alice, "network.lan.mtu", "1400"));
    assert_eq!((of_alice.author.as_str(), of_alice.source.as_str()), ("alice", "rest"));
    assert_eq!((of_alice.message.as_str(), of_alice.request), ("by default", Some(request(1))));
    assert_eq!(get(&store, "network.lan.mtu").as_deref(), Some("1400"), "the maps are shared");
    let undone = bob.engine().history().undo(of_alice.sequence, None).expect("undone");
    let undo = transaction(&store, undone);
    assert_eq!((undo.author.as_str(), undo.source.as_str()), ("bob", "daemon"));
    assert_eq!((undo.message.as_str(), undo.request), ("from the shell", None));
    let place = store.engine().packages().find(b"network").expect("there");
    let delta = Delta::new(DeltaKind::Set, b"lan", Some(b"mtu"), Some(b"1000"));
    bob.engine().staging().stage(&place, &[delta]).expect("staged");
    bob.engine().commit_together(&[place], Form::Lossless, None).expect("committed");
    let last = transaction(&store, store.revision());
    assert_eq!((last.author.as_str(), last.message.as_str()), ("bob", "from the shell"));
    // A transaction can still name another author than the handle.
    let mut changes = bob.begin().expect("begun");
    changes.set(b"network.lan.mtu", b"900").expect("set");
    changes.set_author("carol");
    let last = transaction(&store, changes.commit().expect("committed"));
    assert_eq!((last.author.as_str(), last.message.as_str()), ("carol", "from the shell"));
}

#[test]
fn transactions_that_are_committed_together_keep_their_own_authors() {
    let fixture = Fixture::in_memory(&[("p", "config t 's'\n")]);
    for durability in [cms::Durability::Full, cms::Durability::Log] {
        let store = Store::open(fixture.options().durability(durability)).expect("opens");
        let before = store.revision();
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let store = match thread {
                    0 => store.clone(),
                    _ => store.with(Attribution::new().author(format!("author {thread}"))),
                };
                scope.spawn(move || {
                    for round in 0..20 {
                        set(&store, &format!("p.s.o{thread}"), &format!("{durability:?} {round}"));
                    }
                });
            }
        });
        let mut count = 0;
        for revision in before + 1..=store.revision() {
            let Ok(record) = store.engine().history().transaction(revision) else { continue };
            // The first time, the record that begins the log is among them.
            let change = record.packages.first().and_then(|package| package.changes.first());
            let Some(option) = change.and_then(|change| change.option.clone()) else { continue };
            let expected = match option.as_slice() {
                b"o0" => String::new(),
                [.., digit] => format!("author {}", char::from(*digit)),
                [] => unreachable!("it has a name"),
            };
            assert_eq!(record.author, expected);
            count += 1;
        }
        assert!(count >= 160, "{count}");
    }
}

#[test]
fn an_edit_by_hand_is_not_of_the_author_whose_commit_notes_it() {
    let fixture = fixture();
    let store = fixture.live();
    set(&store, "network.lan.mtu", "1400");
    fixture.write("system", "config system 's'\n\toption name 'by hand'\n");
    let alice = store.with(Attribution::new().author("alice").request(request(3)));
    let made = set(&alice, "network.lan.mtu", "1300");
    alice.engine().history().note_edits().expect("noted");
    let all = store.engine().history().changes(None, 10).expect("readable");
    let edit = all.iter().find(|record| record.kind == Kind::FileEdit).expect("it is noted");
    assert_eq!((edit.author.as_str(), edit.request, edit.source.as_str()), ("", None, "file-edit"));
    let found = store.find_request(request(3)).expect("readable").map(|record| record.sequence);
    assert_eq!(found, Some(made));
}

#[test]
fn a_request_is_found_by_its_id_in_any_segment() {
    let fixture = Fixture::in_memory(&[("p", "config t 's'\n")]);
    let options = || fixture.options().durability(cms::Durability::None).log_size(1 << 20);
    let store = Store::open(options()).expect("opens");
    assert_eq!(store.find_request(request(1)).expect("readable"), None);
    let first = set(&store.with(Attribution::new().request(request(1))), "p.s.o", "first");
    for round in 0..1500 {
        set(&store, "p.s.o", &format!("{round} {}", "x".repeat(100)));
    }
    let last = set(&store.with(Attribution::new().request(request(2))), "p.s.o", "last");
    let store = Store::open(options()).expect("opens");
    let find = |number| store.find_request(request(number)).expect("readable").map(|record| record.sequence);
    assert_eq!((find(1), find(2), find(3)), (Some(first), Some(last), None));
}

#[test]
fn a_request_whose_transaction_was_rolled_back_at_once_is_not_found() {
    let fixture = fixture();
    let set_with = |store: &Store| {
        let mut changes = store.begin()?;
        changes.set(b"network.lan.mtu", b"1300")?;
        changes.set_author("alice");
        changes.set_request(request(9));
        changes.commit()
    };
    let target = fixture.path("config").join("network");
    let picks = move |call: Call, path: &std::path::Path| call == Call::Rename && path == target;
    let fails = Arc::new(Fail::when(picks).once());
    let store = Store::open(fixture.options().files(fails.files())).expect("opens");
    let failed = set_with(&store);
    assert!(matches!(failed, Err(Error::Io { .. })) && fails.has_failed(), "{failed:?}");
    let back = store.engine().history().changes(None, 1).expect("readable").remove(0);
    assert_eq!((back.kind, back.author.as_str()), (Kind::Undo, "alice"));
    assert_eq!(store.find_request(request(9)).expect("readable"), None);
    let made = set_with(&store).expect("committed now");
    let found = store.find_request(request(9)).expect("readable").map(|record| record.sequence);
    assert_eq!(found, Some(made));
}

#[test]
fn texts_that_were_decided_elsewhere_are_one_transaction_with_its_own_author_and_time() {
    let fixture = fixture();
    let store = fixture.live();
    set(&store, "network.lan.mtu", "1400");
    let mut watch = store.watch("*", None).expect("it watches");
    let by = Attribution::new().author("db").source("postgres").message("row 7").request(request(5)).time(42);
    let new = NETWORK.replace("10.0.0.1", "10.9.9.9");
    let wanted = texts(&[("network", Some(&new)), ("made", Some("config a 'b'\n")), ("system", None)]);
    let revision = store.adopt(&wanted, &by).expect("adopted").expect("something changed");
    let record = transaction(&store, revision);
    assert_eq!((record.kind, record.decided, record.author.as_str()), (Kind::Remote, Some(42), "db"));
    assert_eq!((record.source.as_str(), record.message.as_str()), ("postgres", "row 7"));
    assert!(record.time > 1_700_000_000_000_000, "the log has the time at which it was adopted");
    assert_eq!(fixture.text("network"), new);
    assert!(!fixture.path("config").join("system").exists());
    assert_eq!(get(&store, "made.b").as_deref(), Some("a"));
    let event = watch.next(Some(std::time::Duration::from_secs(20))).expect("no error").expect("an event");
    assert_eq!((event.record().kind, event.record().author.as_str()), (Kind::Remote, "db"));
    // The same again changes nothing, and makes no transaction.
    assert_eq!(store.adopt(&wanted, &by).expect("nothing to do"), None);
    assert_eq!(store.revision(), revision);
    let found = store.find_request(request(5)).expect("readable").map(|record| record.sequence);
    assert_eq!(found, Some(revision));
    let (undone, _) = store.engine().history().undo_last(None).expect("undone");
    assert_eq!(undone.sequence, revision);
    assert!(fixture.text("network").contains("1400"));
    assert!(fixture.text("system").contains("option name 'a'"));
    assert!(!fixture.path("config").join("made").exists());
}

#[test]
fn texts_that_were_decided_elsewhere_are_not_verified_but_have_to_be_readable() {
    let fixture = fixture();
    let store = fixture.live();
    let refuse = |_: &cms::Event| Err("no change is welcome".to_owned());
    let verifier = store.verify("*", refuse).expect("it verifies");
    let mut changes = store.begin().expect("begun");
    changes.set(b"network.lan.mtu", b"1").expect("set");
    assert!(matches!(changes.commit(), Err(Error::Refused { .. })));
    let by = Attribution::new().author("db");
    let new = NETWORK.replace("1500", "1400");
    store.adopt(&texts(&[("network", Some(&new))]), &by).expect("it is decided").expect("changed");
    drop(verifier);
    let broken = texts(&[("system", Some("config system 's'\n")), ("network", Some("config 'x\n"))]);
    assert!(matches!(store.adopt(&broken, &by), Err(Error::Parse(_))));
    assert!(matches!(store.adopt(&texts(&[("../x", Some(""))]), &by), Err(Error::Invalid { .. })));
    assert_eq!(fixture.text("network"), new);
    assert!(fixture.text("system").contains("name"), "all or none");
}

#[test]
fn an_edit_by_hand_is_noted_before_a_text_from_elsewhere_replaces_it() {
    let fixture = fixture();
    let store = fixture.live();
    set(&store, "network.lan.mtu", "1400");
    fixture.write("network", &NETWORK.replace("1500", "777"));
    let by = Attribution::new().author("db");
    let revision =
        store.adopt(&texts(&[("network", Some(NETWORK))]), &by).expect("adopted").expect("changed");
    let before = store.engine().history().package_at("network", revision - 1).expect("readable");
    assert!(String::from_utf8_lossy(before.expect("there").source()).contains("777"), "nothing is lost");
    assert_eq!(transaction(&store, revision - 1).kind, Kind::FileEdit);
    assert_eq!(fixture.text("network"), NETWORK);
}
