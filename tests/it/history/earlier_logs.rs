//! Logs of earlier versions: `tests/data/log-v1.log` and `log-v2.log` were written by the versions of cms that wrote
//! segments of version 1 and 2, by the same commands. Zeros at their end are left out.

use std::path::PathBuf;

use cms::log::{Content, Kind, Record, What};
use cms::{Delta, DeltaKind, Engine, Form, Store};

use crate::support::fixture::{Fixture, get};

const BEFORE: &str =
    "config interface 'lan'\n\toption proto 'static'\n\toption ipaddr '10.0.0.1'\n\tlist dns '1.1.1.1'\n";
const SYSTEM: &str = "config system\n\toption hostname 'r1'\n";

const LOGS: [(u8, &[u8]); 2] =
    [(1, include_bytes!("../../data/log-v1.log")), (2, include_bytes!("../../data/log-v2.log"))];

/// The text of `network` after the undo of the transaction before the last, and after the edit by hand.
fn network(edited: bool) -> String {
    let text = BEFORE.replace("10.0.0.1", "10.0.0.2");
    if edited { format!("{text}# by hand\n") } else { text }
}

/// Makes a store with a log of an earlier version, and returns the directory of the log as well.
fn store_with(log: &[u8]) -> (Fixture, PathBuf) {
    let fixture = Fixture::new(&[("network", &network(true)), ("system", SYSTEM)]);
    Engine::new(fixture.options()).history().note_edits().expect("a log is begun");
    let dir = std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one");
    let dir = dir.expect("readable").path();
    let mut bytes = log.to_vec();
    bytes.resize(128 << 10, 0);
    std::fs::write(dir.join("00000000000000000001.log"), bytes).expect("written");
    std::fs::write(dir.join("texts").join("network"), BEFORE).expect("written");
    std::fs::write(dir.join("texts").join("system"), "").expect("written");
    (fixture, dir)
}

fn keys(record: &Record) -> Vec<String> {
    let changes = record.packages.iter().flat_map(|package| {
        package
            .changes
            .iter()
            .map(|change| String::from_utf8_lossy(&change.key(&package.package)).into_owned())
    });
    changes.collect()
}

#[test]
fn logs_of_earlier_versions_are_read() {
    for (version, log) in LOGS {
        let (fixture, _) = store_with(log);
        let engine = Engine::new(fixture.options());
        let records = engine.history().changes(None, usize::MAX).expect("readable");
        let kinds: Vec<_> = records.iter().map(|record| (record.sequence, record.kind)).collect();
        let expected = [
            (7, Kind::FileEdit),
            (6, Kind::Undo),
            (5, Kind::Commit),
            (4, Kind::Commit),
            (3, Kind::Commit),
            (2, Kind::Baseline),
        ];
        assert_eq!(kinds, expected, "version {version}");
        let plain = |record: &Record| record.author.is_empty() && record.request.is_none();
        assert!(records.iter().all(plain), "version {version}");
        assert_eq!(keys(&records[3]), ["system.cfg01e48a", "system.cfg01e48a.hostname"]);
        assert_eq!((records[2].message.as_str(), records[2].source.as_str()), ("dns and mtu", "cms"));
        let address = &records[4].packages[0].changes[0];
        let content = |text: &str| Content::String(text.into());
        assert_eq!(address.what, What::Changed { old: content("10.0.0.1"), new: content("10.0.0.2") });
        let text_at = |revision| engine.history().package_at("network", revision).expect("readable");
        assert_eq!(text_at(2).expect("there").source().as_slice(), BEFORE.as_bytes());
        let mtu = text_at(5).expect("there").source().to_vec();
        assert!(String::from_utf8_lossy(&mtu).contains("mtu '1400'"), "version {version}");
        assert_eq!(text_at(6).expect("there").source().as_slice(), network(false).as_bytes());
        let checked = engine.audit().check_log().expect("readable");
        assert_eq!(checked.problems, Vec::<String>::new(), "version {version}");
    }
}

#[test]
fn a_log_of_an_earlier_version_gets_a_segment_of_this_one_and_no_record() {
    for (version, log) in LOGS {
        let (fixture, dir) = store_with(log);
        let store = Store::open(fixture.options()).expect("opens");
        let mut transaction = store.begin().expect("begun");
        transaction.set(b"network.lan.proto", b"dhcp").expect("set");
        transaction.set_author("alice");
        let revision = transaction.commit().expect("committed");
        assert_eq!(revision, 9, "the first record of the new segment is 8");
        let read = |name: &str| std::fs::read(dir.join(name)).expect("readable");
        let old = read("00000000000000000001.log");
        assert_eq!((old[6], &old[56 + 24..log.len()]), (version, &log[56 + 24..]), "no record was added");
        assert!(old[log.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(read("00000000000000000008.log")[6], 3);
        assert_eq!(get(&store, "network.lan.proto").as_deref(), Some("dhcp"));
        let history = store.engine().history();
        history.undo(revision, None).expect("undone");
        history.undo(3, None).expect("a transaction of the old segment is undone");
        assert!(fixture.text("network").contains("10.0.0.1"), "version {version}");
    }
}

#[test]
fn a_segment_of_a_later_version_is_refused_and_left_alone() {
    let fixture = Fixture::new(&[("network", &network(true))]);
    Engine::new(fixture.options()).history().note_edits().expect("a log is begun");
    let dir = std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one");
    let path = dir.expect("readable").path().join("00000000000000000001.log");
    let mut bytes = std::fs::read(&path).expect("readable");
    // A later version mixes its own number into the chain.
    bytes[6] = 4;
    bytes[16..32].iter_mut().for_each(|byte| *byte ^= 0xa3 ^ 0xa4);
    std::fs::write(&path, &bytes).expect("written");
    let store = Engine::new(fixture.options());
    let error = store.history().changes(None, usize::MAX).expect_err("it is not readable").to_string();
    assert!(error.contains("it was written by a later version of cms"), "{error}");
    assert!(error.contains("00000000000000000001.log"), "{error}");
    let place = store.packages().find(b"network").expect("there");
    let delta = Delta::new(DeltaKind::Set, b"lan", Some(b"proto"), Some(b"dhcp"));
    store.staging().stage(&place, &[delta]).expect("staged");
    let error = store.commit(&place, Form::Lossless).expect_err("it cannot be logged").to_string();
    assert!(error.contains("it was written by a later version of cms"), "{error}");
    assert_eq!(fixture.text("network"), network(true));
    assert_eq!(std::fs::read(&path).expect("readable"), bytes);
}
