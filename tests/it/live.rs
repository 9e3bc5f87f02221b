//! A store that stays open: reads from the maps, snapshots, prepared keys, transactions, and what happens when
//! texts, maps and the run directory change under it.

use std::path::PathBuf;
use std::sync::Arc;

use cms::log::Content;
use cms::map::MapValue;
use cms::testing::{Call, Seams as _};
use cms::{Delta, DeltaKind, Durability, Engine, Error, Form, Snapshot, Store};

use crate::support::fixture::{Fixture, get, show};
use crate::support::probes::{Fail, Trace};

const NETWORK: &str = "config interface 'lan'\n\toption proto 'static'\n\toption ipaddr '10.0.0.1'\n\
    config rule\n\toption name 'a'\n\tlist port '1'\n\tlist port '2'\nconfig rule\n\toption name 'b'\n";

#[test]
fn every_kind_of_key_is_answered() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let live = fixture.live();
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    assert_eq!(get(&live, "network.lan").as_deref(), Some("interface"));
    assert_eq!(get(&live, "network.@rule[0].port").as_deref(), Some("1 2"));
    assert_eq!(get(&live, "network.@rule[-1].name").as_deref(), Some("b"));
    assert_eq!(get(&live, "network.@rule[name=a].port").as_deref(), Some("1 2"));
    for missing in ["network.lan.none", "network.none.proto", "none.lan.proto", "network.@rule[9].name"] {
        assert_eq!(get(&live, missing), None, "{missing}");
    }
    for bad in ["network", "", "network.b.c.d", "network.lan.a-b", "network.@rule[", "network.lan.\0"] {
        assert!(matches!(live.get(bad.as_bytes(), |_| ()), Err(Error::Invalid { .. })), "{bad}");
    }
    assert!(matches!(live.get(b"network.@rule[port=1].name", show), Ok(Some(_))));
    assert_eq!(fixture.maps().len(), 1);
}

#[test]
fn a_commit_by_another_store_is_seen_at_once_and_a_snapshot_keeps_the_state_it_was_opened_at() {
    let fixture = Fixture::new(&[("network", NETWORK), ("system", "config system 's'\n\toption a '1'\n")]);
    let live = fixture.live();
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    let before = live.snapshot().expect("opens");
    let mut key = live.prepare(b"network.lan.ipaddr").expect("a key");
    assert_eq!(key.get().expect("readable").map(show).as_deref(), Some("10.0.0.1"));
    let revision = live.revision();

    let store = Engine::new(fixture.options());
    let place = store.packages().find(b"network").expect("there");
    let set = |value: &[u8]| Delta::new(DeltaKind::Set, b"lan", Some(b"ipaddr"), Some(value));
    store.staging().stage(&place, &[set(b"10.0.0.2")]).expect("staged");
    store.commit(&place, Form::Lossless).expect("committed");

    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.2"));
    assert_eq!(key.get().expect("readable").map(show).as_deref(), Some("10.0.0.2"));
    assert!(live.revision() > revision);
    assert_eq!(live.revision(), store.history().revision().expect("there is a log"), "it is that of the log");
    assert_eq!(before.get(b"network.lan.ipaddr").expect("readable").map(show).as_deref(), Some("10.0.0.1"));
    let after = live.snapshot().expect("opens");
    assert_eq!(after.get(b"network.lan.ipaddr").expect("readable").map(show).as_deref(), Some("10.0.0.2"));
    assert!(!live.refresh().expect("refreshed"), "the map is up to the text already");
    // This package is first read now, through an old snapshot, and has not changed since.
    assert!(matches!(before.get(b"system.s.a"), Ok(Some(_))));
}

#[test]
fn m28_a_snapshot_reads_a_package_for_the_first_time_as_it_was_when_it_was_opened() {
    let fixture = Fixture::new(&[("network", NETWORK), ("system", "config a 's'\n\toption a '1'\n")]);
    let live = fixture.live();
    let first = live.snapshot().expect("opens");
    let commit = |key: &[u8], value: &[u8]| {
        let mut txn = live.begin().expect("begins");
        txn.set(key, value).expect("set");
        txn.commit().expect("committed")
    };
    commit(b"network.lan.ipaddr", b"10.0.0.2");
    let second = live.snapshot().expect("opens");
    for value in 0..300 {
        commit(b"network.lan.ipaddr", format!("10.1.0.{value}").as_bytes());
    }
    let value = |snapshot: &cms::Snapshot, key: &[u8]| snapshot.get(key).expect("readable").map(show);
    assert_eq!(value(&first, b"network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    assert_eq!(value(&first, b"system.s.a").as_deref(), Some("1"), "never changed");
    assert_eq!(value(&second, b"network.lan.ipaddr").as_deref(), Some("10.0.0.2"));
    let mut txn = live.begin().expect("begins");
    txn.delete_package(b"system").expect("deleted");
    txn.commit().expect("committed");
    assert_eq!(value(&first, b"system.s.a").as_deref(), Some("1"));
}

#[test]
fn many_keys_are_answered_as_one_by_one() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let snapshot = fixture.live().snapshot().expect("opens");
    let keys: Vec<&[u8]> = [
        &b"network.lan.ipaddr"[..],
        b"network.lan.none",
        b"network.lan",
        b"none.a.b",
        b"network.@rule[0].port",
    ]
    .into_iter()
    .cycle()
    .take(50)
    .collect();
    let mut values = vec![None; keys.len()];
    snapshot.get_many(&keys, &mut values).expect("readable");
    for (key, value) in keys.iter().zip(&values) {
        assert_eq!(value.map(show), snapshot.get(key).expect("readable").map(show));
    }
    let keys: &[&[u8]] = &[b"network.lan.ipaddr", b"bad"];
    assert!(matches!(snapshot.get_many(keys, &mut [None, None]), Err(Error::Invalid { .. })));
}

#[test]
fn an_edit_with_an_editor_is_seen_after_refresh_even_within_a_tick_of_the_clock() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let live = fixture.live();
    for round in 0..30 {
        let text = NETWORK.replace("10.0.0.1", &format!("10.0.1.{}", 10 + round % 2));
        fixture.write("network", &text);
        assert!(live.refresh().is_ok());
        assert_eq!(get(&live, "network.lan.ipaddr"), Some(format!("10.0.1.{}", 10 + round % 2)));
    }
    let other = fixture.live();
    assert_eq!(get(&other, "network.lan.ipaddr").as_deref(), Some("10.0.1.11"));
    std::fs::remove_file(fixture.path("config").join("network")).expect("removed");
    assert!(live.refresh().expect("refreshed"));
    assert_eq!(get(&live, "network.lan.ipaddr"), None);
}

#[test]
fn a_text_with_errors_leaves_what_was_read_before() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let live = fixture.live();
    assert_eq!(get(&live, "network.lan.proto").as_deref(), Some("static"));
    fixture.write("network", "config interface 'lan\n");
    assert!(matches!(live.refresh(), Err(Error::Parse(_))));
    assert_eq!(get(&live, "network.lan.proto").as_deref(), Some("static"));
    assert_eq!(get(&fixture.live(), "network.lan.proto").as_deref(), Some("static"), "opened later");
    fixture.write("network", NETWORK);
    live.refresh().expect("readable again");
    assert_eq!(get(&live, "network.lan.proto").as_deref(), Some("static"));
}

#[test]
fn a_transaction_over_packages_sees_itself_and_is_seen_whole() {
    let fixture = Fixture::new(&[("network", NETWORK), ("system", "config system 's'\n\toption a '1'\n")]);
    let live = fixture.live();
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("1"));
    assert_eq!(get(&live, "network.lan.proto").as_deref(), Some("static"));
    let before = live.snapshot().expect("opens");
    let mut transaction = live.begin().expect("few are open");
    transaction.set(b"system.s.a", b"2").expect("set");
    transaction.set(b"network.wan", b"interface").expect("made");
    transaction.set(b"network.wan.proto", b"dhcp").expect("set");
    transaction.add_list(b"network.@rule[0].port", b"3").expect("added");
    transaction.delete(b"network.@rule[1]").expect("deleted");
    let name = transaction.add_section(b"network", b"rule").expect("added");
    transaction.set(format!("network.{name}.name").as_bytes(), b"c").expect("set");
    transaction.reorder(b"network.wan", 0).expect("moved");
    assert_eq!(
        transaction.get(b"network.wan.proto").expect("readable"),
        Some(Content::String(b"dhcp".to_vec()))
    );
    assert_eq!(get(&live, "network.wan.proto"), None);
    let revision = transaction.commit().expect("committed");
    assert_eq!(live.revision(), revision);
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("2"));
    assert_eq!(get(&live, "network.@rule[0].port").as_deref(), Some("1 2 3"));
    assert_eq!(get(&live, "network.@rule[1].name").as_deref(), Some("c"));
    assert_eq!(before.get(b"system.s.a").expect("readable").map(show).as_deref(), Some("1"));
    assert!(before.get(b"network.wan.proto").expect("readable").is_none());
    let after = live.snapshot().expect("opens");
    let package = after.package(b"network").expect("there");
    let names: Vec<_> =
        package.sections().map(|s| String::from_utf8_lossy(s.section_type()).into_owned()).collect();
    assert_eq!(names, ["interface", "interface", "rule", "rule"]);
    assert_eq!(package.sections().next().map(|s| s.name()), Some(&b"wan"[..]));
    let text = std::fs::read_to_string(fixture.path("config/network")).expect("readable");
    assert!(text.starts_with("config interface 'wan'"), "{text}");
}

#[test]
fn a_transaction_that_cannot_be_committed_changes_nothing() {
    let fixture = Fixture::new(&[("network", NETWORK), ("system", "config system 's'\n\toption a '1'\n")]);
    let live = fixture.live();
    let mut transaction = live.begin().expect("few are open");
    transaction.set(b"network.lan.proto", b"none").expect("set");
    transaction.set(b"system.s.a", b"2").expect("set");
    fixture.write("system", "config other 'o'\n");
    assert!(matches!(transaction.commit(), Err(Error::Conflict { .. })));
    assert_eq!(std::fs::read_to_string(fixture.path("config/network")).expect("readable"), NETWORK);
    let mut transaction = live.begin().expect("few are open");
    assert!(matches!(transaction.set(b"network.none.a", b"1"), Err(Error::NotFound { .. })));
    assert!(matches!(transaction.set(b"network.lan.a", b"\x01"), Err(Error::Invalid { .. })));
    assert!(matches!(transaction.rename(b"network.lan.proto", b"ipaddr"), Err(Error::Exists { .. })));
    drop(transaction);
    assert_eq!(get(&live, "network.lan.proto").as_deref(), Some("static"));
}

#[test]
fn the_run_directory_may_be_deleted_at_any_time() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let live = fixture.live();
    let mut revision = live.revision();
    for round in 0..5 {
        assert!(get(&live, "network.lan.ipaddr").is_some());
        std::fs::remove_dir_all(fixture.path("run")).expect("removed");
        assert!(get(&live, "network.lan.ipaddr").is_some());
        let other = fixture.live();
        let mut transaction = other.begin().expect("few are open");
        transaction.set(b"network.lan.ipaddr", format!("10.0.2.{round}").as_bytes()).expect("set");
        transaction.commit().expect("committed");
        live.refresh().expect("refreshed");
        assert_eq!(get(&live, "network.lan.ipaddr"), Some(format!("10.0.2.{round}")));
        assert!(live.revision() > revision, "a poller sees that something has changed");
        revision = live.revision();
    }
}

#[test]
fn without_a_run_directory_everything_works_in_private() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    // A file is at the path of the directory.
    std::fs::write(fixture.path("run"), "").expect("written");
    let live = fixture.live();
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    let before = live.snapshot().expect("opens");
    let revision = live.revision();
    let mut transaction = live.begin().expect("few are open");
    transaction.set(b"network.lan.ipaddr", b"10.0.0.9").expect("set");
    assert!(transaction.commit().expect("committed") > revision);
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.9"));
    assert_eq!(before.get(b"network.lan.ipaddr").expect("readable").map(show).as_deref(), Some("10.0.0.1"));
    assert!(live.memory().iter().all(|row| !row.usage.shared));
}

#[test]
fn a_package_that_a_snapshot_has_missed_stays_missing_in_it() {
    for private_maps in [false, true] {
        let fixture = Fixture::new(&[("network", NETWORK)]);
        let live = Store::open(fixture.options().private_maps(private_maps)).expect("opens");
        let snapshot = live.snapshot().expect("opens");
        let late = |snapshot: &Snapshot| snapshot.get(b"late.s.a").expect("readable").map(show);
        assert_eq!(late(&snapshot), None);
        fixture.write("late", "config t 's'\n\toption a '1'\n");
        assert_eq!(get(&live, "late.s.a").as_deref(), Some("1"));
        assert_eq!(late(&snapshot), None);
        assert!(matches!(snapshot.package(b"late"), Err(Error::NotFound { .. })));
        let many = &mut [None];
        snapshot.get_many(&[b"late.s.a"], many).expect("readable");
        assert_eq!(many[0], None);
        assert_eq!(late(&live.snapshot().expect("opens")).as_deref(), Some("1"));
    }
}

#[test]
fn maps_grow_and_are_compacted_while_snapshots_keep_what_they_see() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let live = fixture.live();
    let first = live.snapshot().expect("opens");
    assert!(first.get(b"network.lan.ipaddr").expect("readable").is_some());
    let mut snapshots = Vec::new();
    for round in 0..300 {
        let mut transaction = live.begin().expect("few are open");
        transaction.set(b"network.lan.ipaddr", format!("10.1.0.{round}").as_bytes()).expect("set");
        transaction.set(b"network.lan.other", "x".repeat(200).as_bytes()).expect("set");
        transaction.commit().expect("committed");
        assert_eq!(get(&live, "network.lan.ipaddr"), Some(format!("10.1.0.{round}")));
        snapshots.push(live.snapshot().expect("opens"));
    }
    assert_eq!(first.get(b"network.lan.ipaddr").expect("readable").map(show).as_deref(), Some("10.0.0.1"));
    for (round, snapshot) in snapshots.iter().enumerate() {
        let value = snapshot.get(b"network.lan.ipaddr").expect("readable").map(show);
        assert_eq!(value, Some(format!("10.1.0.{round}")));
    }
    let memory = live.memory();
    assert!(memory.iter().all(|row| row.usage.capacity < 100_000 && row.usage.shared), "{memory:?}");
}

#[test]
fn a_commit_that_needs_a_larger_map_than_allowed_is_refused() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let live = Store::open(fixture.options().map_limit(8192)).expect("opens");
    assert!(get(&live, "network.lan.ipaddr").is_some());
    let mut transaction = live.begin().expect("few are open");
    transaction.set(b"network.lan.big", "x".repeat(9000).as_bytes()).expect("set");
    let Err(Error::Full { limit: 8192, needed, .. }) = transaction.commit() else { panic!("not refused") };
    assert!(needed > 8192);
    assert_eq!(std::fs::read_to_string(fixture.path("config/network")).expect("readable"), NETWORK);
    assert!(get(&live, "network.lan.ipaddr").is_some());
}

fn len_of(value: MapValue<'_>) -> usize {
    value.items().map(<[u8]>::len).sum()
}

#[test]
fn what_no_map_can_hold_is_refused_and_the_package_stays_readable() {
    // A value of 5 MiB used to be committed, and then no program could read the package any more.
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let live = fixture.live();
    let refused =
        |result: cms::Result<()>| assert!(matches!(result, Err(Error::Invalid { .. })), "{result:?}");
    let long = vec![b'a'; (4 << 20) - 1];
    let mut transaction = live.begin().expect("few are open");
    refused(transaction.set(b"network.lan.proto", &long));
    transaction.set(b"network.lan.proto", &long[1..]).expect("as long as a value may be");
    refused(transaction.add_list(b"network.lan.new", &long));
    let name = &long[..65_535];
    refused(transaction.set(&[b"network.lan.", name].concat(), b"x"));
    refused(transaction.set(&[b"network.", name].concat(), b"x"));
    refused(transaction.set(b"network.new", name));
    refused(transaction.rename(b"network.lan.proto", name));
    refused(transaction.rename(b"network.lan", name));
    refused(transaction.add_section(b"network", name).map(|_| ()));
    transaction.set(&[b"network.lan.", &name[1..]].concat(), b"x").expect("as long as a name may be");
    transaction.commit().expect("committed");
    let len: usize = live.get(b"network.lan.proto", len_of).expect("readable").expect("there");
    assert_eq!(len, long.len() - 1);
    // Each item is short enough, the list is not.
    let mut transaction = live.begin().expect("few are open");
    for _ in 0..5 {
        transaction.add_list(b"network.lan.list", &long[..1 << 20]).expect("added");
    }
    let before = std::fs::read(fixture.path("config/network")).expect("readable");
    refused(transaction.commit().map(|_| ()));
    assert!(std::fs::read(fixture.path("config/network")).expect("readable") == before);
}

#[test]
fn packages_are_named_and_not_reached_by_paths() {
    let fixture = Fixture::new(&[("network", NETWORK), ("network.bak", NETWORK)]);
    std::fs::write(fixture.path("outside"), NETWORK).expect("written");
    let outside = fixture.path("outside").display().to_string();
    let live = fixture.live();
    let snapshot = live.snapshot().expect("opens");
    let mut transaction = live.begin().expect("few are open");
    for package in [&*outside, "config/../../outside", "./network", "network.bak", "..", "", "a b"] {
        let refused = |result: cms::Result<()>| {
            assert!(matches!(result, Err(Error::Invalid { .. })), "{package}: {result:?}");
        };
        refused(snapshot.package(package.as_bytes()).map(|_| ()));
        refused(transaction.add_section(package.as_bytes(), b"x").map(|_| ()));
        if package == "network.bak" {
            // In a key, this name would select a section.
            continue;
        }
        refused(transaction.set(format!("{package}.lan").as_bytes(), b"x"));
        refused(live.get(format!("{package}.lan.ipaddr").as_bytes(), |_| ()).map(|_| ()));
        refused(snapshot.get(format!("{package}.lan.ipaddr").as_bytes()).map(|_| ()));
        refused(live.prepare(format!("{package}.@interface[0].ipaddr").as_bytes()).map(|_| ()));
    }
}

#[test]
fn what_a_transaction_cannot_do_it_says() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let live = fixture.live();
    let mut transaction = live.begin().expect("few are open");
    // The call returned the name of a section that did not exist.
    assert!(matches!(transaction.add_section(b"network", b""), Err(Error::Invalid { .. })));
    // The section was moved.
    assert!(matches!(transaction.reorder(b"network.lan.ipaddr", 1), Err(Error::Invalid { .. })));
    // The message was "a position is a number counted from 0".
    transaction.reorder(b"network.lan", usize::MAX).expect("to the end");
    transaction.commit().expect("committed");
    let snapshot = live.snapshot().expect("opens");
    let package = snapshot.package(b"network").expect("there");
    assert_eq!(package.sections().last().map(|section| section.name()), Some(&b"lan"[..]));
}

#[test]
fn a_commit_that_may_not_survive_a_power_cut_is_in_place_as_a_whole_and_seen() {
    // The first of several packages was changed and the others were not, and programs continued to read the old
    // value.
    for private_maps in [false, true] {
        let system = "config system 's'\n\toption a '1'\n";
        let fixture = Fixture::new(&[("network", NETWORK), ("system", system)]);
        let no_sync = Arc::new(Fail::when(|call, path| call == Call::SyncDir && path.ends_with("config")));
        let options = fixture.options().files(no_sync.files()).private_maps(private_maps);
        let live = Store::open(options).expect("opens");
        assert_eq!(get(&live, "network.lan.proto").as_deref(), Some("static"));
        assert_eq!(get(&live, "system.s.a").as_deref(), Some("1"));
        let mut transaction = live.begin().expect("few are open");
        transaction.set(b"network.lan.proto", b"none").expect("set");
        transaction.set(b"system.s.a", b"2").expect("set");
        let outcome = transaction.commit();
        assert!(matches!(outcome, Err(Error::NotDurable { .. })), "{outcome:?}");
        for live in [&live, &fixture.live()] {
            assert_eq!(get(live, "network.lan.proto").as_deref(), Some("none"));
            assert_eq!(get(live, "system.s.a").as_deref(), Some("2"));
        }
    }
}

#[test]
fn a_commit_that_need_not_survive_a_power_cut_syncs_only_the_new_text() {
    for durability in [Durability::None, Durability::Full] {
        let fixture = Fixture::in_memory(&[("n", "config a 'x'\n\toption o '1' # kept\n")]);
        let syncs = Trace::of(|call, _| matches!(call, Call::Sync | Call::SyncDir));
        let options = fixture.options().durability(durability).files(syncs.files());
        let live = Store::open(options).expect("opens");
        let commit = |value: usize| {
            let mut transaction = live.begin().expect("few are open");
            transaction.set(b"n.x.o", value.to_string().as_bytes()).expect("set");
            transaction.commit().expect("committed");
        };
        // The first makes the log.
        commit(0);
        syncs.take();
        (1..=20).for_each(commit);
        let synced = syncs.take();
        let is_text = |(call, path): &&(Call, PathBuf)| {
            let name = path.file_name().expect("a name").to_string_lossy();
            *call == Call::Sync && name.starts_with(".n.cms-")
        };
        assert_eq!(synced.iter().filter(is_text).count(), 20, "{synced:?}");
        assert_eq!(synced.len() > 20, durability == Durability::Full, "{synced:?}");
        assert!(fixture.text("n").contains("option o '20' # kept"));
        let logged = live.engine().history().text_at("n", u64::MAX).expect("logged");
        assert_eq!(logged.as_deref(), Some(fixture.text("n").as_bytes()));
    }
}

#[test]
fn a_limit_below_what_any_map_takes_refuses_commits_and_loses_nothing() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    for map_limit in [1, 1000, 4096, 8192, 20_000] {
        let live = Store::open(fixture.options().map_limit(map_limit)).expect("opens");
        let before = live.get(b"network.lan.ipaddr", show);
        for value in ["1", &"2".repeat(300), &"3".repeat(3000), &"4".repeat(30_000)] {
            let mut transaction = live.begin().expect("few are open");
            transaction.set(b"network.lan.ipaddr", value.as_bytes()).expect("set");
            let outcome = transaction.commit();
            let what = format!("limit {map_limit}, {} bytes: {outcome:?}", value.len());
            let after = live.get(b"network.lan.ipaddr", show);
            match outcome {
                Ok(_) => assert_eq!(after.expect(&what).as_deref(), Some(value), "{what}"),
                Err(Error::Full { .. }) => assert_eq!(after.is_ok(), before.is_ok(), "{what}: {after:?}"),
                Err(_) => panic!("{what}"),
            }
        }
        fixture.write("network", NETWORK);
    }
}

/// A text that was read within 50 ms of its last change was read again at every check for edits, forever.
#[test]
fn a_text_that_was_read_early_is_read_once_more_and_then_known_by_its_times() {
    let fixture = Fixture::new(&[("network", NETWORK)]);
    let reads = Trace::of(|call, path| call == Call::Read && path.ends_with("config/network"));
    let options = fixture.options().files(reads.files());
    let live = Store::open(options).expect("opens");
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    std::thread::sleep(std::time::Duration::from_millis(100));
    live.refresh().expect("readable");
    let before = reads.count();
    for _ in 0..5 {
        assert!(!live.refresh().expect("readable"));
    }
    assert_eq!(reads.count(), before);
    fixture.write("network", &NETWORK.replace("10.0.0.1", "10.0.0.2"));
    assert!(live.refresh().expect("readable"), "an edit is seen all the same");
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.2"));
}
