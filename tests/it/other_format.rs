//! A whole store whose packages are in the line format of `support/line_format`: nothing above the format knows UCI.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cms::log::{Record, What};
use cms::testing::Seams as _;
use cms::testing::format::Format;
use cms::{Delta, DeltaKind, Durability, Engine, Error, Event, Form, Options, Store, Value};

use crate::support::fixture::{Fixture, get};
use crate::support::line_format::Lines;

const TEXT: &str = "# home\nlan=interface\n  lan.ipaddr=10.0.0.1\nlan.dns[]=1.1.1.1\nlan.dns[]=9.9.9.9\n\n# a rule\n@=rule\n@.src=wan\n\nwan=interface\nwan.proto=dhcp\nwan.note=two\\nlines\n";

fn fixture() -> Fixture {
    Fixture::in_memory(&[("network", TEXT), ("system", "sys=system\nsys.hostname=router\n")])
}

fn options(fixture: &Fixture) -> Options {
    fixture.options().format(&Lines)
}

fn engine(fixture: &Fixture) -> Engine {
    Engine::new(options(fixture))
}

fn store(fixture: &Fixture) -> Store {
    let store = Store::open(options(fixture)).expect("opens");
    // Opening the store makes its map, to which later commits are published.
    assert_eq!(get(&store, "network.wan.proto").as_deref(), Some("dhcp"));
    store
}

fn delta(kind: DeltaKind, section: &str, option: Option<&str>, value: Option<&str>) -> Delta {
    Delta::new(kind, section.as_bytes(), option.map(str::as_bytes), value.map(str::as_bytes))
}

fn stage(engine: &Engine, deltas: &[Delta]) -> cms::Place {
    let place = engine.packages().find_to_write(b"network").expect("found");
    engine.staging().stage(&place, deltas).expect("staged");
    place
}

fn set(store: &Store, key: &str, value: &str) -> u64 {
    let mut transaction = store.begin().expect("begun");
    transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
    transaction.commit().expect("committed")
}

fn record(engine: &Engine, sequence: u64) -> Record {
    engine.history().transaction(sequence).expect("in the log")
}

fn keys(record: &Record) -> Vec<String> {
    let keys = record
        .packages
        .iter()
        .flat_map(|package| package.changes.iter().map(|change| change.key(&package.package)));
    keys.map(|key| String::from_utf8(key).expect("ASCII")).collect()
}

#[test]
fn a_map_shows_the_package() {
    let fixture = fixture();
    let store = store(&fixture);
    assert_eq!(get(&store, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    assert_eq!(get(&store, "network.lan.dns").as_deref(), Some("1.1.1.1 9.9.9.9"));
    assert_eq!(get(&store, "network.@rule[0].src").as_deref(), Some("wan"));
    assert_eq!(get(&store, "network.wan.note").as_deref(), Some("two\nlines"));
    assert_eq!(get(&store, "network.lan").as_deref(), Some("interface"));
    assert_eq!(get(&store, "network.lan.missing"), None);
    let private = Store::open(options(&fixture).private_maps(true)).expect("opens");
    assert_eq!(get(&private, "network.wan.note").as_deref(), Some("two\nlines"));
}

#[test]
fn staged_changes_are_committed_and_only_their_lines_change() {
    let fixture = fixture();
    let (engine, store) = (engine(&fixture), store(&fixture));
    let place = stage(
        &engine,
        &[
            delta(DeltaKind::Set, "lan", Some("ipaddr"), Some("10.0.0.2")),
            delta(DeltaKind::DelList, "lan", Some("dns"), Some("1.1.1.1")),
            delta(DeltaKind::Set, "wan", Some("note"), Some("a\nb\\c")),
        ],
    );
    let loaded = engine.packages().load(b"network").expect("loaded");
    assert_eq!(loaded.package.get(b"lan", b"ipaddr"), Some(Value::String(b"10.0.0.2")));
    assert_eq!(fixture.text("network"), TEXT, "nothing is committed yet");
    let committed = engine.commit(&place, Form::Lossless).expect("committed");
    let text = TEXT
        .replace("10.0.0.1", "10.0.0.2")
        .replace("lan.dns[]=1.1.1.1\n", "")
        .replace("two\\nlines", "a\\nb\\\\c");
    assert_eq!(fixture.text("network"), text);
    assert_eq!(get(&store, "network.wan.note").as_deref(), Some("a\nb\\c"));
    let record = record(&engine, committed.revision.expect("a log"));
    assert_eq!(keys(&record), ["network.lan.ipaddr", "network.lan.dns", "network.wan.note"]);
    assert!(engine.audit().check_log().is_ok());
}

#[test]
fn each_form_of_a_commit_is_of_the_format() {
    let fixture = fixture();
    let engine = engine(&fixture);
    let place = stage(&engine, &[delta(DeltaKind::Set, "lan", Some("mtu"), Some("1500"))]);
    engine.commit(&place, Form::Canonical).expect("committed");
    let package = engine.packages().load(b"network").expect("loaded").package;
    assert_eq!(fixture.text("network").as_bytes(), Lines.print(&package, false));
    stage(&engine, &[delta(DeltaKind::Set, "lan", Some("mtu"), Some("1400"))]);
    engine.commit(&place, Form::CanonicalNamed).expect("committed");
    assert!(fixture.text("network").contains("\ncfg02"), "{}", fixture.text("network"));
    fixture.write("network", "  # a comment\n\t lan=interface\n");
    engine.tidy(&place).expect("tidied");
    assert_eq!(fixture.text("network"), "# a comment\nlan=interface\n");
}

#[test]
fn transactions_change_a_value_a_section_or_everything() {
    let fixture = fixture();
    let (engine, store) = (engine(&fixture), store(&fixture));
    let mut watch = store.watch("network.**", None).expect("a watch");
    // Changes one line, another value that needs an escape, and adds an option.
    let mut text = TEXT.to_owned();
    for (key, value, old, new) in [
        ("network.lan.ipaddr", "10.0.0.9", "ipaddr=10.0.0.1\n", "ipaddr=10.0.0.9\n"),
        ("network.lan.ipaddr", "back\\slash", "ipaddr=10.0.0.9\n", "ipaddr=back\\\\slash\n"),
        ("network.wan.mtu", "1400", "two\\nlines\n", "two\\nlines\nwan.mtu=1400\n"),
        ("network.@rule[0].src", "lan", "@.src=wan", "@.src=lan"),
    ] {
        let sequence = set(&store, key, value);
        text = text.replace(old, new);
        assert_eq!(fixture.text("network"), text);
        assert_eq!(get(&store, key).as_deref(), Some(value));
        assert_eq!(record(&engine, sequence).packages[0].changes.len(), 1);
        let event = watch.next(Some(Duration::from_secs(10))).expect("readable").expect("an event");
        assert_eq!((event.sequence(), event.changes().len()), (sequence, 1));
    }
    let mut transaction = store.begin().expect("begun");
    let rule = transaction.add_section(b"network", b"rule").expect("added");
    transaction.set(format!("network.{rule}.dest").as_bytes(), b"lan").expect("set");
    transaction.delete(b"network.wan").expect("deleted");
    transaction.set(b"system.sys.hostname", b"gate").expect("set");
    transaction.commit().expect("committed");
    assert!(fixture.text("network").ends_with("@=rule\n@.dest=lan\n"), "{}", fixture.text("network"));
    assert_eq!(fixture.text("system"), "sys=system\nsys.hostname=gate\n");
    assert_eq!(get(&store, "network.@rule[1].dest").as_deref(), Some("lan"));
    assert_eq!(get(&store, "network.wan.proto"), None);
}

#[test]
fn the_log_holds_the_keys_of_a_new_package() {
    let fixture = fixture();
    let (engine, store) = (engine(&fixture), store(&fixture));
    let mut transaction = store.begin().expect("begun");
    transaction.set(b"fresh.a", b"kind").expect("set");
    transaction.set(b"fresh.a.o", b"1").expect("set");
    let sequence = transaction.commit().expect("committed");
    assert_eq!(fixture.text("fresh"), "a=kind\na.o=1\n");
    assert_eq!(keys(&record(&engine, sequence)), ["fresh.a", "fresh.a.o"]);
    engine.replace(b"whole", b"b=kind\nb.p=2\n").expect("replaced");
    let last = engine.history().revision().expect("a log");
    assert_eq!(keys(&record(&engine, last)), ["whole.b", "whole.b.p"]);
    assert!(engine.audit().check_log().is_ok());
}

#[test]
fn earlier_states_come_back_byte_for_byte() {
    let fixture = fixture();
    let (engine, store) = (engine(&fixture), store(&fixture));
    let first = set(&store, "network.lan.ipaddr", "10.0.0.2");
    let second = set(&store, "network.wan.proto", "static");
    let package = engine.history().package_at("network", first).expect("kept").expect("there");
    assert_eq!(package.get(b"wan", b"proto"), Some(Value::String(b"dhcp")));
    engine.history().undo(first, None).expect("undone");
    assert_eq!(fixture.text("network"), TEXT.replace("=dhcp", "=static"));
    engine.history().rollback(second, &[], None).expect("rolled back");
    assert_eq!(fixture.text("network"), TEXT.replace("=dhcp", "=static").replace("10.0.0.1", "10.0.0.2"));
    assert_eq!(get(&store, "network.lan.ipaddr").as_deref(), Some("10.0.0.2"));
    let blame = engine.history().blame("network").expect("known");
    let line = blame.iter().find(|line| line.text == b"wan.proto=static").expect("the line");
    assert_eq!(line.by.as_ref().map(|record| record.sequence), Some(second));
    // The rollback is made key by key, whatever was committed since.
    let third = set(&store, "network.lan.ipaddr", "10.0.0.3");
    set(&store, "network.lan.mtu", "9000");
    engine.confirmations().roll_back(third, "it did not work").expect("taken back");
    let text = fixture.text("network");
    assert!(text.contains("lan.ipaddr=10.0.0.2\n") && text.contains("lan.mtu=9000\n"), "{text}");
    assert!(text.starts_with("# home\n"), "{text}");
}

#[test]
fn an_unconfirmed_commit_is_rolled_back() {
    let fixture = fixture();
    let engine = Engine::new(options(&fixture).guards(cms::Guards::Nobody));
    let place = stage(&engine, &[delta(DeltaKind::Set, "lan", Some("ipaddr"), Some("10.0.0.2"))]);
    engine.commit_together(&[place], Form::Lossless, Some(Duration::from_millis(100))).expect("committed");
    assert_eq!(fixture.text("network"), TEXT.replace("10.0.0.1", "10.0.0.2"));
    std::thread::sleep(Duration::from_millis(150));
    engine.confirmations().recover().expect("recovered");
    assert_eq!(fixture.text("network"), TEXT);
}

#[test]
fn edits_by_hand_are_noted_and_a_broken_text_keeps_the_last_good_state() {
    let fixture = fixture();
    let (engine, store) = (engine(&fixture), store(&fixture));
    set(&store, "network.lan.ipaddr", "10.0.0.2");
    let good = fixture.text("network");
    fixture.write("network", &good.replace("wan.proto=dhcp", "wan.proto=pppoe"));
    engine.history().note_edits().expect("noted");
    let last = engine.history().revision().expect("a log");
    assert_eq!(keys(&record(&engine, last)), ["network.wan.proto"]);
    fixture.write("network", &good.replace("wan.proto=dhcp", "wan.proto dhcp"));
    engine.history().note_edits().expect("noted");
    let last = engine.history().revision().expect("a log");
    let noted = record(&engine, last);
    let problem = noted.problem().expect("it says what is wrong");
    assert!(problem.contains("network:12:1: line without '='"), "{problem}");
    let told = store.refresh().expect_err("it says what is wrong");
    assert!(told.to_string().contains("network:12:1: line without '='"), "{told}");
    assert_eq!(get(&store, "network.wan.proto").as_deref(), Some("pppoe"));
    let (loaded, error) = engine.packages().load_good(b"network").expect("the last good state");
    assert_eq!(loaded.package.get(b"wan", b"proto"), Some(Value::String(b"pppoe")));
    assert_eq!(error.map(|error| (error.line, error.column)), Some((12, 1)));
    fixture.write("network", &good);
    engine.history().note_edits().expect("noted");
    let mended = record(&engine, engine.history().revision().expect("a log"));
    assert!(mended.mends(), "{mended:?}");
    store.refresh().expect("refreshed");
    assert_eq!(get(&store, "network.wan.proto").as_deref(), Some("dhcp"));
}

#[test]
fn snapshots_and_backups_hold_the_texts() {
    let fixture = fixture();
    let (engine, store) = (engine(&fixture), store(&fixture));
    let archive = fixture.path("backup");
    engine.archives().backup(&archive).expect("made");
    set(&store, "network.lan.ipaddr", "10.0.0.2");
    let archive = cms::Archive::read(&archive).expect("readable");
    engine.archives().restore(&archive, None).expect("restored");
    assert_eq!(fixture.text("network"), TEXT);
    assert_eq!(get(&store, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    // A store of UCI text refuses such a text, and the error has the position.
    let uci = Engine::new(fixture.options());
    fixture.write("network", "config interface 'lan'\n");
    let refused = uci.archives().restore(&archive, None).expect_err("no UCI text");
    assert!(refused.to_string().contains("package network:2:1: invalid command"), "{refused}");
}

#[test]
fn texts_may_follow_later_than_the_log() {
    let fixture = fixture();
    let later = options(&fixture).durability(Durability::Log).text_delay(Duration::from_secs(3600));
    let store = Store::open(later).expect("opens");
    assert_eq!(get(&store, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    set(&store, "network.lan.ipaddr", "10.0.0.2");
    set(&store, "network.wan.note", "x\ny");
    assert_eq!(fixture.text("network"), TEXT, "the text is to follow");
    // Another store of the same configuration with another log reads the map of the first.
    let mut dirs = fixture.dirs();
    dirs.state = None;
    let loaded = Engine::new(options(&fixture).dirs(dirs)).packages().load(b"network").expect("loaded");
    assert_eq!(loaded.package.get(b"lan", b"ipaddr"), Some(Value::String(b"10.0.0.2")));
    assert_eq!(loaded.package.get(b"wan", b"note"), Some(Value::String(b"x\ny")));
    store.flush().expect("in place");
    assert_eq!(fixture.text("network"), TEXT.replace("10.0.0.1", "10.0.0.2").replace("two\\nlines", "x\\ny"));
}

#[test]
fn a_verifier_sees_the_keys_of_a_transaction() {
    let fixture = fixture();
    let store = store(&fixture);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let _verifier = store
        .verify("network.**", move |event: &Event| {
            count.fetch_add(event.changes().len(), Ordering::Relaxed);
            let is_bad = event.changes().any(|change| matches!(&change.change.what, What::Deleted(_)));
            if is_bad { Err("nothing may go".to_owned()) } else { Ok(()) }
        })
        .expect("verifies");
    set(&store, "network.lan.ipaddr", "10.0.0.2");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let mut transaction = store.begin().expect("begun");
    transaction.delete(b"network.wan.note").expect("deleted");
    assert!(matches!(transaction.commit(), Err(Error::Refused { .. })));
    assert_eq!(fixture.text("network"), TEXT.replace("10.0.0.1", "10.0.0.2"));
}
