//! The rules of a log, checked with each implementation: one suite, and a comparison with a plain model.

mod model;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::{Heads, LogRead, LogStore, LogWriter};
use crate::error::Error;
use crate::log::memory::MemoryLog;
use crate::log::record::{Digest, Guard, Kind, PackageChange, Record};
use crate::log::{Behind, CANCELLED, Content, KeyChange, Limits, Log, Wanted, What, compare_texts};
use crate::os::files::Files;

/// A kind of log.
trait Kept {
    /// Opens one more handle of the log.
    fn open(&self) -> Box<dyn LogStore>;
}

struct Segments {
    dir: tempfile::TempDir,
    limits: Limits,
}

impl Segments {
    /// Begins a log of large segments.
    fn new() -> Self {
        Self::limited(Limits::default())
    }

    /// Begins a log whose segments have 64 KiB: an append may begin a new one.
    fn small() -> Self {
        Self::limited(Limits { bytes: 2 << 20, ..Limits::default() })
    }

    fn limited(limits: Limits) -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory"), limits }
    }
}

impl Kept for Segments {
    fn open(&self) -> Box<dyn LogStore> {
        Box::new(Log::new(self.dir.path().join("log"), Files::default(), self.limits))
    }
}

impl Kept for MemoryLog {
    fn open(&self) -> Box<dyn LogStore> {
        Box::new(self.clone())
    }
}

/// Runs each test with each kind of log.
macro_rules! with_each {
    ($($test:ident)*) => {
        mod segments {
            $(#[test] fn $test() { super::$test(&super::Segments::new()) })*
        }
        mod small_segments {
            $(#[test] fn $test() { super::$test(&super::Segments::small()) })*
        }
        mod memory {
            $(#[test] fn $test() { super::$test(&super::MemoryLog::default()) })*
        }
    };
}

with_each! {
    an_empty_log_has_nothing_to_read
    records_are_read_in_both_directions
    another_handle_goes_on_where_the_last_one_ended
    the_newest_state_of_a_package_is_that_of_its_last_record
    marks_say_whose_texts_are_in_place
    a_record_is_read_forwards_once_it_or_a_later_one_is_marked
    a_transaction_that_was_rolled_back_is_not_read_forwards
    reading_on_from_an_unknown_record_is_refused
    records_of_a_key_are_found
    the_newest_text_is_made_from_a_kept_one
    the_commit_to_confirm_is_known_until_it_is_decided
    only_one_writer_has_the_lock
    the_name_of_a_log_stays
}

const TIMEOUT: Duration = Duration::from_secs(60);

fn write(log: &dyn LogStore) -> Box<dyn LogWriter + '_> {
    log.writer(Instant::now() + TIMEOUT, TIMEOUT).expect("the lock is free")
}

fn record(packages: Vec<PackageChange>) -> Record {
    Record {
        uid: 7,
        pid: 1,
        source: "test".into(),
        message: "a message".into(),
        packages,
        ..Record::new(Kind::Commit)
    }
}

/// A change of a text; `None` is a package that does not exist.
fn change(package: &str, old: Option<&str>, new: Option<&str>) -> PackageChange {
    let (before, after) = (old.unwrap_or_default().as_bytes(), new.unwrap_or_default().as_bytes());
    PackageChange {
        before: old.map(|_| Digest::of(before)),
        deleted: new.is_none(),
        hunks: compare_texts(before, after),
        ..PackageChange::new(package, Digest::of(after))
    }
}

/// Appends a commit of one package.
fn commit(writer: &mut dyn LogWriter, package: &str, old: Option<&str>, new: Option<&str>) -> u64 {
    writer.append(vec![record(vec![change(package, old, new)])], true).expect("there is room")
}

/// Reads all records back, the oldest first, without those that only repeat the state of packages.
fn all(log: &dyn LogRead) -> Vec<Record> {
    let mut found = Vec::new();
    let broken_off: Option<()> = log
        .each_back(|record| {
            found.push(record);
            Ok(ControlFlow::Continue(()))
        })
        .expect("it can be read");
    assert_eq!(broken_off, None);
    found.retain(|record| record.kind != Kind::Heads);
    found.reverse();
    found
}

/// Reads the ripe records after one, batch by batch.
fn after(log: &dyn LogStore, mut since: u64) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let batch = log.read_after(since).expect("it can be read");
        assert!(batch.last >= since);
        records.extend(batch.records);
        if !batch.more {
            return records;
        }
        since = batch.last;
    }
}

fn sequences(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.sequence).collect()
}

fn an_empty_log_has_nothing_to_read(kept: &dyn Kept) {
    let log = kept.open();
    assert_eq!(log.first().expect("readable"), 0);
    assert_eq!(log.end().map(|end| (end.last, end.is_open)), Some((0, false)));
    assert_eq!(log.heads().expect("readable"), Heads::default());
    assert_eq!((all(&*log), after(&*log, 0)), (Vec::new(), Vec::new()));
    assert_eq!((log.id(), log.damage()), (None, Vec::new()));
    assert_eq!(log.text_of("p", Digest::of(b"")).expect("readable"), None);
    let writer = write(&*log);
    assert_eq!((writer.sequence(), writer.behind()), (0, Behind::Nowhere));
    assert_eq!((writer.packages(), writer.newest("p"), writer.pending()), (Vec::new(), None, None));
}

fn records_are_read_in_both_directions(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    let both = vec![
        record(vec![change("a", None, Some("1\n"))]),
        record(vec![change("a", Some("1\n"), Some("2\n")), change("b", None, Some("x\n"))]),
    ];
    let last = writer.append(both.clone(), true).expect("there is room");
    let third = commit(&mut *writer, "b", Some("x\n"), Some("y\n"));
    writer.mark_applied();
    drop(writer);
    let found = all(&*log);
    assert_eq!(sequences(&found), [last - 1, last, third]);
    for (found, written) in found.iter().zip(&both) {
        let (sequence, time) = (found.sequence, found.time);
        assert_eq!(*found, Record { sequence, time, ..written.clone() });
    }
    assert!(found.windows(2).all(|pair| pair[0].time <= pair[1].time));
    assert_eq!(after(&*log, last - 1), found[1..]);
    assert_eq!(after(&*log, third), []);
    let reading: &dyn LogRead = &*log;
    let newest = reading.each_back(|record| Ok(ControlFlow::Break(record.sequence))).expect("readable");
    assert_eq!(newest, Some(third), "reading breaks off");
    let mut oldest = None;
    let mut look = |record: Record| {
        oldest = Some((record.sequence, record.kind, record.packages.len()));
        Ok(ControlFlow::Continue(()))
    };
    log.read_back(None, &mut look).expect("readable");
    assert_eq!(oldest, Some((log.first().expect("readable"), Kind::Heads, 0)));
    let error =
        reading.each_back::<()>(|record| Err(Error::NotFound { key: record.message })).expect_err("it fails");
    assert!(matches!(&error, Error::NotFound { key } if key == "a message"), "{error}");
    let checked = log.check().expect("readable");
    assert_eq!((checked.last, checked.problems), (third, Vec::new()));
    assert!((1..=found[0].sequence).contains(&log.first().expect("readable")));
}

fn another_handle_goes_on_where_the_last_one_ended(kept: &dyn Kept) {
    let (one, other) = (kept.open(), kept.open());
    let first = commit(&mut *write(&*one), "a", None, Some("1\n"));
    let mut writer = write(&*other);
    assert_eq!(writer.sequence(), first);
    let second = commit(&mut *writer, "a", Some("1\n"), Some("2\n"));
    drop(writer);
    assert!(second > first);
    for log in [&one, &other, &kept.open()] {
        assert_eq!(write(&**log).sequence(), second);
        assert_eq!(sequences(&all(&**log)), [first, second]);
        assert_eq!(log.end().map(|end| (end.last, end.is_open)), Some((second, true)));
    }
}

fn the_newest_state_of_a_package_is_that_of_its_last_record(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    commit(&mut *writer, "a", None, Some("1\n"));
    let b = commit(&mut *writer, "b", None, Some("x\n"));
    let gone = commit(&mut *writer, "a", Some("1\n"), None);
    writer.mark_applied();
    let newest = writer.newest("b").expect("it is known");
    assert_eq!((newest.sequence, newest.digest, newest.gone), (b, Digest::of(b"x\n"), false));
    let newest = writer.newest("a").expect("it is known");
    assert_eq!((newest.sequence, newest.gone), (gone, true));
    assert_eq!((writer.packages(), writer.newest("c")), (vec!["b".to_owned()], None));
    drop(writer);
    let heads = log.heads().expect("readable");
    assert_eq!(heads, Heads { sequence: gone, packages: [("b".to_owned(), Digest::of(b"x\n"))].into() });
}

fn marks_say_whose_texts_are_in_place(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    let unplaced = |writer: &dyn LogWriter| -> Vec<(u64, bool)> {
        let found = writer.open_ended().expect("readable");
        found.into_iter().map(|(record, is_ahead)| (record.sequence, is_ahead)).collect()
    };
    let first = commit(&mut *writer, "a", None, Some("1\n"));
    assert_eq!((writer.behind(), unplaced(&*writer)), (Behind::Now, vec![(first, false)]));
    assert!(writer.is_behind("a") && !writer.is_behind("b"));
    writer.mark_applied();
    assert_eq!((writer.behind(), unplaced(&*writer)), (Behind::Nowhere, Vec::new()));
    let second = commit(&mut *writer, "b", None, Some("x\n"));
    writer.mark_ahead();
    assert_eq!((writer.behind(), unplaced(&*writer)), (Behind::Later, vec![(second, true)]));
    assert!(!writer.is_behind("a") && writer.is_behind("b"));
    let third = commit(&mut *writer, "a", Some("1\n"), Some("2\n"));
    drop(writer);
    // Another handle finds the same, as if a process had died before it marked the last record.
    let other = kept.open();
    let mut writer = write(&*other);
    assert_eq!((writer.behind(), unplaced(&*writer)), (Behind::Now, vec![(second, true), (third, false)]));
    writer.sync().expect("it can be synced");
    writer.mark_applied();
    drop(writer);
    let writer = write(&*log);
    assert_eq!((writer.behind(), unplaced(&*writer)), (Behind::Nowhere, Vec::new()));
    assert_eq!(log.end().map(|end| (end.last, end.is_open)), Some((third, false)));
}

fn a_record_is_read_forwards_once_it_or_a_later_one_is_marked(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    let first = commit(&mut *writer, "a", None, Some("1\n"));
    writer.mark_applied();
    let second = commit(&mut *writer, "a", Some("1\n"), Some("2\n"));
    let batch = log.read_after(first).expect("readable");
    assert_eq!((sequences(&batch.records), batch.last, batch.unripe), (Vec::new(), first, true));
    assert_eq!(log.heads().expect("readable").packages["a"], Digest::of(b"1\n"));
    let third = commit(&mut *writer, "a", Some("2\n"), Some("3\n"));
    writer.mark_ahead();
    assert_eq!(sequences(&after(&*log, first)), [second, third]);
    let heads = log.heads().expect("readable");
    assert_eq!((heads.sequence, heads.packages["a"]), (third, Digest::of(b"3\n")));
    assert_eq!(sequences(&after(&*log, second)), [third]);
}

fn a_transaction_that_was_rolled_back_is_not_read_forwards(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    let first = commit(&mut *writer, "a", None, Some("1\n"));
    let second = commit(&mut *writer, "a", Some("1\n"), Some("2\n"));
    let mut back = record(vec![change("a", Some("2\n"), Some("1\n"))]);
    (back.kind, back.refers, back.message) = (Kind::Undo, second, CANCELLED.into());
    let third = writer.append(vec![back], true).expect("there is room");
    let fourth = commit(&mut *writer, "a", Some("1\n"), Some("3\n"));
    writer.mark_applied();
    assert_eq!(sequences(&after(&*log, first - 1)), [first, fourth]);
    assert_eq!(sequences(&after(&*log, second)), [fourth]);
    assert_eq!(sequences(&all(&*log)), [first, second, third, fourth]);
}

fn reading_on_from_an_unknown_record_is_refused(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    let last = commit(&mut *writer, "a", None, Some("1\n"));
    writer.mark_applied();
    let refused = log.read_after(last + 1);
    assert!(
        matches!(refused, Err(Error::TooOld { since, revision }) if (since, revision) == (last + 1, last)),
        "{refused:?}"
    );
}

fn records_of_a_key_are_found(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    let mut of_key = |package: &str, section: &str, option: Option<&str>| {
        let mut change = change(package, Some("old\n"), Some("new\n"));
        let what = What::Added(Content::String(b"value".to_vec()));
        change.changes = vec![KeyChange::new(section.as_bytes(), option.map(str::as_bytes), what)];
        writer.append(vec![record(vec![change])], false).expect("there is room")
    };
    let (section, option) = (of_key("p", "s", None), of_key("p", "s", Some("o")));
    let (_, other) = (of_key("q", "s", Some("o")), of_key("p", "t", Some("o")));
    drop(writer);
    let find = |wanted: &Wanted| {
        let mut found = Vec::new();
        let mut look = |record: Record| {
            found.push(record.sequence);
            Ok(ControlFlow::Continue(()))
        };
        log.read_back(Some(wanted), &mut look).expect("readable");
        found
    };
    // The result may include other records.
    let holds = |wanted: Wanted, expected: &[u64]| expected.iter().all(|one| find(&wanted).contains(one));
    assert!(holds(Wanted::new(b"p", None, None), &[section, option, other]));
    assert!(holds(Wanted::new(b"p", Some(b"s"), None), &[section, option]));
    assert!(holds(Wanted::new(b"p", Some(b"s"), Some(b"o")), &[section, option]));
    assert!(holds(Wanted::new(b"p", Some(b"t"), Some(b"o")), &[other]));
}

fn the_newest_text_is_made_from_a_kept_one(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    log.keep_text("a", b"").expect("there is room");
    let mut old = None;
    for text in ["1\n", "1\n2\n", "0\n2\n", "", "1\n"] {
        commit(&mut *writer, "a", old, Some(text));
        old = Some(text);
        for log in [&log, &kept.open()] {
            let found = log.text_of("a", Digest::of(text.as_bytes())).expect("readable");
            assert_eq!(found.as_deref(), Some(text.as_bytes()));
        }
    }
    assert_eq!(log.text_of("a", Digest::of(b"another")).expect("readable"), None);
    log.keep_text("a", b"something else").expect("there is room");
    assert_eq!(log.text_of("a", Digest::of(b"1\n")).expect("readable"), None);
    assert!(log.text_of("a", Digest::of(b"something else")).expect("readable").is_some());
}

fn the_commit_to_confirm_is_known_until_it_is_decided(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    let first = commit(&mut *writer, "a", None, Some("1\n"));
    for (kind, refers_to_guarded) in [(Kind::Confirm, true), (Kind::Rollback, false), (Kind::Undo, true)] {
        let guard = Guard { milliseconds: 1000, boot: [1; 16], started: 5, baseline: first };
        let guarded = Record { guard: Some(guard), ..record(Vec::new()) };
        let sequence = writer.append(vec![guarded], true).expect("there is room");
        commit(&mut *writer, "b", None, Some("x\n"));
        assert_eq!(writer.pending(), Some((sequence, guard)), "{kind:?}");
        drop(writer);
        let other = kept.open();
        assert_eq!(write(&*other).pending(), Some((sequence, guard)), "{kind:?}");
        writer = write(&*log);
        let refers = if refers_to_guarded { sequence } else { guard.baseline };
        let decided = Record { kind, refers, ..record(Vec::new()) };
        writer.append(vec![decided], true).expect("there is room");
        assert_eq!(writer.pending(), None, "{kind:?}");
    }
}

fn only_one_writer_has_the_lock(kept: &dyn Kept) {
    let (log, other) = (kept.open(), kept.open());
    let writer = write(&*log);
    for log in [&log, &other] {
        let refused = log.writer(Instant::now() + Duration::from_millis(2), Duration::from_secs(3));
        let waited = |error: &Error| matches!(error, Error::Locked { waited, .. } if waited.as_secs() == 3);
        let refused = refused.err();
        assert!(refused.as_ref().is_some_and(waited), "{refused:?}");
    }
    drop(writer);
    assert_eq!(write(&*other).sequence(), 0);
    let append = |log: &dyn LogStore| {
        for _ in 0..20 {
            commit(&mut *write(log), "a", Some("1\n"), Some("1\n"));
        }
    };
    std::thread::scope(|scope| {
        for log in [&log, &log, &other, &other] {
            scope.spawn(|| append(&**log));
        }
    });
    let found = sequences(&all(&*log));
    assert_eq!(found.len(), 80);
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
}

fn the_name_of_a_log_stays(kept: &dyn Kept) {
    let log = kept.open();
    let mut writer = write(&*log);
    let id = writer.make_id().expect("it can be written");
    assert_eq!(writer.make_id().expect("it can be written"), id);
    assert_eq!((log.id(), kept.open().id()), (Some(id.clone()), Some(id)));
}
