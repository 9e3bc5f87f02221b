//! History on each kind of log: it needs only the records, so any kind of log will do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Past;
use crate::error::Error;
use crate::log::memory::MemoryLog;
use crate::log::{
    Content, Digest, KeyChange, Kind, LayerRevision, Limits, Log, LogStore, PackageChange, Record, RequestId,
    What, compare_texts,
};
use crate::model::package::Key;
use crate::os::files::Files;

/// The texts of the packages after each transaction.
type States = BTreeMap<u64, BTreeMap<&'static str, &'static str>>;

/// Commits one change of a text, and returns the transaction. The change is one of the option `p.s.o`.
fn commit(log: &dyn LogStore, states: &mut States, package: &'static str, new: Option<&'static str>) -> u64 {
    let mut state = states.last_key_value().map(|(_, state)| state.clone()).unwrap_or_default();
    let old = state.get(package).copied();
    let (before, after) = (old.unwrap_or_default().as_bytes(), new.unwrap_or_default().as_bytes());
    let content = |text: &str| Content::String(text.into());
    let what = What::Changed { old: content("old"), new: content("new") };
    let record = Record {
        pid: 1,
        source: "test".into(),
        message: format!("{package} is changed"),
        packages: vec![PackageChange {
            before: old.map(|_| Digest::of(before)),
            deleted: new.is_none(),
            hunks: compare_texts(before, after),
            changes: vec![KeyChange::new(b"s", Some(b"o"), what)],
            ..PackageChange::new(package, Digest::of(after))
        }],
        ..Record::new(Kind::Commit)
    };
    let timeout = Duration::from_secs(60);
    let mut writer = log.writer(Instant::now() + timeout, timeout).expect("the lock is free");
    if writer.newest(package).is_none() {
        log.keep_text(package, b"").expect("there is room");
    }
    let sequence = writer.append(vec![record], false).expect("there is room");
    writer.mark_applied();
    match new {
        Some(new) => state.insert(package, new),
        None => state.remove(package),
    };
    states.insert(sequence, state);
    sequence
}

/// Runs a test with each kind of log.
fn with_each(test: impl Fn(&dyn LogStore, &Past<'_>)) {
    let (dir, files) = (tempfile::tempdir().expect("a temporary directory"), Files::default());
    let segments = Log::new(dir.path().join("log"), files.clone(), Limits::default());
    let memory = MemoryLog::default();
    for log in [&segments as &dyn LogStore, &memory] {
        // There are no package files: all texts come from the log.
        test(log, &Past { log, log_dir: dir.path(), files: &files, config: dir.path() });
    }
}

#[test]
fn each_text_is_found_at_each_revision() {
    with_each(|log, past| {
        let mut states = States::new();
        let texts = [
            ("a", Some("1\n2\n")),
            ("b", Some("x\n")),
            ("a", Some("1\n2\n3\n")),
            ("a", Some("0\n1\n3\n")),
            ("b", None),
            ("a", Some("")),
            ("b", Some("y\n")),
            ("a", Some("1\n")),
        ];
        texts.into_iter().for_each(|(package, text)| _ = commit(log, &mut states, package, text));
        for (revision, state) in &states {
            for package in ["a", "b"] {
                let found = past.text_at(package, *revision).expect("the log goes back that far");
                let expected = state.get(package).map(|text| text.as_bytes());
                assert_eq!(found.as_deref(), expected, "{package} at {revision}");
            }
            let transaction = past.transaction(*revision).expect("it is kept");
            assert_eq!(transaction.sequence, *revision);
        }
        let (last, newest) = states.last_key_value().expect("there are some");
        assert_eq!(past.revision().expect("readable"), *last);
        assert_eq!(newest.len(), 2);
        assert_eq!(past.text_at("c", *last).expect("readable"), None);
        let unknown = past.transaction(last + 1);
        assert!(matches!(unknown, Err(Error::Missing(_))), "{unknown:?}");
    });
}

/// Appends a record as it is.
fn append(log: &dyn LogStore, record: Record) -> u64 {
    let timeout = Duration::from_secs(60);
    let mut writer = log.writer(Instant::now() + timeout, timeout).expect("the lock is free");
    let sequence = writer.append(vec![record], false).expect("there is room");
    writer.mark_applied();
    sequence
}

#[test]
fn a_transaction_of_another_layer_is_in_the_history_and_changes_no_text() {
    with_each(|log, past| {
        let mut states = States::new();
        let first = commit(log, &mut states, "a", Some("1\n"));
        let content = |text: &str| Content::String(text.into());
        let what = What::Changed { old: content("1"), new: content("2") };
        let changes = vec![KeyChange::new(b"s", Some(b"o"), what)];
        let text = Digest::of(b"1\n");
        // One package has a text in this layer, and the other has none.
        let here =
            PackageChange { before: Some(text), changes: changes.clone(), ..PackageChange::new("a", text) };
        let elsewhere = PackageChange { deleted: true, changes, ..PackageChange::new("c", Digest::of(b"")) };
        let layer = Some(LayerRevision::new("defaults", 17));
        let noted =
            append(log, Record { layer, packages: vec![here, elsewhere], ..Record::new(Kind::Layer) });
        let last = commit(log, &mut states, "a", Some("1\n2\n"));
        let found = past.transaction(noted).expect("it is kept");
        assert_eq!(found.layer.map(|layer| layer.to_string()).as_deref(), Some("defaults:17"));
        for (package, revision, expected) in [
            ("a", first, Some("1\n")),
            ("a", noted, Some("1\n")),
            ("a", last, Some("1\n2\n")),
            ("c", noted, None),
            ("c", last, None),
        ] {
            let text = past.text_at(package, revision).expect("readable");
            assert_eq!(text.as_deref(), expected.map(str::as_bytes), "{package} at {revision}");
        }
        let by = past.blame("a").expect("readable")[0].by.as_ref().map(|record| record.sequence);
        assert_eq!(by, Some(first));
        let key = Key::parse(b"c.s.o").expect("a key");
        let changes = past.changes(Some(&key), Some(b"s"), 10).expect("readable");
        assert_eq!(changes.iter().map(|record| record.sequence).collect::<Vec<_>>(), [noted]);
    });
}

#[test]
fn the_transaction_of_a_request_is_found_unless_it_was_rolled_back_at_once() {
    with_each(|log, past| {
        let request = |number| RequestId::new([number; 16]).ok();
        let of = |number, kind| Record { request: request(number), ..Record::new(kind) };
        let find = |number| {
            let wanted = request(number).expect("an id");
            past.find_request(wanted).expect("readable").map(|record| record.sequence)
        };
        let first = append(log, of(1, Kind::Commit));
        let second = append(log, of(2, Kind::Commit));
        assert_eq!((find(1), find(2), find(3)), (Some(first), Some(second), None));
        let message = crate::log::CANCELLED.to_owned();
        append(log, Record { refers: second, message, ..of(2, Kind::Undo) });
        assert_eq!((find(1), find(2)), (Some(first), None));
        let again = append(log, of(2, Kind::Commit));
        assert_eq!(find(2), Some(again));
        // An undo that a person has asked for is a transaction of its request.
        let undo = append(log, Record { refers: first, ..of(4, Kind::Undo) });
        assert_eq!((find(4), find(1)), (Some(undo), Some(first)));
    });
}

#[test]
fn each_line_has_the_transaction_that_wrote_it() {
    with_each(|log, past| {
        let mut states = States::new();
        let first = commit(log, &mut states, "a", Some("one\ntwo\nthree\n"));
        commit(log, &mut states, "b", Some("x\n"));
        let second = commit(log, &mut states, "a", Some("zero\none\ntwo\nthree\n"));
        let third = commit(log, &mut states, "a", Some("zero\none\n2\nthree\n"));
        let lines = past.blame("a").expect("readable");
        let by = |line: &super::BlameLine| line.by.as_ref().map(|record| record.sequence);
        let found: Vec<_> = lines.iter().map(|line| (line.text.as_slice(), by(line))).collect();
        let expected = [("zero", second), ("one", first), ("2", third), ("three", first)];
        assert_eq!(found, expected.map(|(text, by)| (text.as_bytes(), Some(by))));
    });
}

#[test]
fn changes_are_found_by_package_and_key() {
    with_each(|log, past| {
        let mut states = States::new();
        let first = commit(log, &mut states, "a", Some("1\n"));
        let second = commit(log, &mut states, "b", Some("x\n"));
        let third = commit(log, &mut states, "a", Some("2\n"));
        let since = |revision| past.changed_since(revision, || Ok(Vec::new())).expect("readable");
        assert_eq!(
            (since(first), since(second), since(third)),
            (vec!["a".into(), "b".into()], vec!["a".into()], vec![])
        );
        let key = Key::parse(b"a.s.o").expect("it is a key");
        let of_key = |most| -> Vec<u64> {
            let found = past.changes(Some(&key), Some(b"s"), most).expect("readable");
            found.iter().map(|record| record.sequence).collect()
        };
        assert_eq!((of_key(10), of_key(1)), (vec![third, first], vec![third]));
        assert_eq!(past.changes(None, None, 10).expect("readable").len(), 3);
        let last = |after, package, option: &str| {
            let found = past.last_change(after, package, b"s", Some(option.as_bytes())).expect("readable");
            found.map(|record| record.sequence)
        };
        assert_eq!((last(0, "a", "o"), last(0, "b", "o")), (Some(third), Some(second)));
        assert_eq!((last(third, "a", "o"), last(0, "a", "other")), (None, None));
    });
}
