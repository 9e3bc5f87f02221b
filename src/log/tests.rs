//! Tests of the log as a whole.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::segment::{HEAD, RECORD_HEAD};
use super::*;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    fn log(&self) -> Log {
        self.limited(Limits::default())
    }

    fn limited(&self, limits: Limits) -> Log {
        Log::new(self.dir.path().join("log"), Files::default(), limits)
    }
}

fn write(log: &Log) -> Writer<'_> {
    let timeout = Duration::from_secs(5);
    log.write(Instant::now() + timeout, timeout).expect("the lock is free")
}

fn record(package: &str, old: &str, new: &str) -> Record {
    Record {
        pid: 1,
        source: "test".into(),
        packages: vec![PackageChange {
            before: Some(Digest::of(old.as_bytes())),
            hunks: compare_texts(old.as_bytes(), new.as_bytes()),
            ..PackageChange::new(package, Digest::of(new.as_bytes()))
        }],
        ..Record::new(Kind::Commit)
    }
}

fn sequences(log: &Log) -> Vec<u64> {
    let mut found = Vec::new();
    let end: Option<()> = log
        .each_back(|record| {
            found.push(record.sequence);
            Ok(ControlFlow::Continue(()))
        })
        .expect("it can be read");
    assert_eq!(end, None);
    found.reverse();
    found
}

#[test]
fn a_handle_goes_on_from_the_last_record_of_another() {
    let place = Place::new();
    let (one, other) = (place.log(), place.log());
    assert!(!one.is_open_ended());
    let mut writer = write(&one);
    writer.append(vec![record("a", "", "1\n")], true).expect("there is room");
    assert_eq!(writer.open_ended().expect("it can be read").len(), 1);
    drop(writer);
    assert!(other.is_open_ended());
    let mut writer = write(&other);
    assert_eq!(writer.newest("a").map(|newest| newest.digest), Some(Digest::of(b"1\n")));
    assert_eq!(writer.open_ended().expect("it can be read").len(), 1);
    writer.mark_applied();
    let last = writer.append(vec![record("b", "", "x\n"), record("a", "1\n", "2\n")], true);
    drop(writer);
    let writer = write(&one);
    assert_eq!(writer.sequence(), last.expect("there is room"));
    assert_eq!(writer.newest("a").map(|newest| newest.digest), Some(Digest::of(b"2\n")));
    assert_eq!(writer.open_ended().expect("it can be read").len(), 2);
    drop(writer);
    // The first record is the state of all packages; there were none.
    assert_eq!(sequences(&one), [1, 2, 3, 4]);
}

#[test]
fn a_record_that_was_torn_off_is_written_over() {
    let place = Place::new();
    let log = place.log();
    write(&log).append(vec![record("a", "", "1\n")], true).expect("there is room");
    write(&log).append(vec![record("a", "1\n", "22\n")], true).expect("there is room");
    let path = log.path(1);
    let whole = std::fs::read(&path).expect("it is there");
    let head = log.read(1).expect("it can be read").expect("it is there").head;
    let last = segment::frames(&whole, HEAD, head.chain).last().expect("there are three");
    for cut in [last.end - 9, last.offset + 30, last.offset + 25, last.offset + 3] {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        std::fs::write(&path, torn).expect("it can be written");
        let log = place.log();
        assert_eq!(sequences(&log), [1, 2], "{cut}");
        let mut writer = write(&log);
        assert_eq!(writer.newest("a").map(|newest| newest.digest), Some(Digest::of(b"1\n")));
        writer.append(vec![record("a", "1\n", "3\n")], true).expect("there is room");
        drop(writer);
        assert_eq!(sequences(&place.log()), [1, 2, 3], "{cut}");
        std::fs::write(&path, &whole).expect("it can be written");
    }
}

#[test]
fn a_log_within_its_limits_still_knows_each_package() {
    let place = Place::new();
    let limits = Limits { bytes: 256 << 10, ..Limits::default() };
    let log = place.limited(limits);
    let rare = "the text of a package that is changed once\n";
    log.keep_text("rare", rare.as_bytes()).expect("there is room");
    log.keep_text("often", b"").expect("there is room");
    let first = vec![record("rare", "", rare), record("often", "", "")];
    write(&log).append(first, true).expect("there is room");
    let mut text = String::new();
    for round in 0..4000 {
        let new = format!("the text of round {round}\n").repeat(1 + round % 5);
        let mut writer = write(&log);
        writer.append(vec![record("often", &text, &new)], false).expect("there is room");
        // Some records of the segment have no mark when it ends.
        if round % 100 < 90 {
            writer.mark_applied();
        }
        text = new;
    }
    let segments = log.segments().expect("it can be read");
    assert!(segments[0] > 1, "{segments:?}");
    let size = |first: &u64| std::fs::metadata(log.path(*first)).expect("it is there").len();
    let total: u64 = segments.iter().map(size).sum();
    assert!(total <= limits.bytes + 2 * (64 << 10), "{total}");
    let fresh = place.limited(limits);
    let writer = write(&fresh);
    for (package, text) in [("rare", rare), ("often", text.as_str())] {
        let newest = writer.newest(package).expect("it is known").digest;
        assert_eq!(newest, Digest::of(text.as_bytes()));
        let found = fresh.text_of(package, newest).expect("it can be read");
        assert_eq!(found.as_deref(), Some(text.as_bytes()), "{package}");
    }
    let kept = sequences(&fresh);
    assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert_eq!(kept.last().copied(), Some(writer.sequence()));
}

#[test]
fn marks_that_are_missing_are_found_over_the_end_of_a_segment() {
    let place = Place::new();
    let log = place.limited(Limits { bytes: 256 << 10, ..Limits::default() });
    let mut writer = write(&log);
    let mut text = String::new();
    for round in 0..3000 {
        let new = format!("round {round}, and something to make it longer\n");
        writer.append(vec![record("p", &text, &new)], false).expect("there is room");
        if round < 400 {
            writer.mark_applied();
        }
        text = new;
    }
    let expected: Vec<u64> =
        writer.open_ended().expect("it can be read").iter().map(|(r, _)| r.sequence).collect();
    drop(writer);
    let fresh = place.limited(Limits { bytes: 256 << 10, ..Limits::default() });
    let mut writer = write(&fresh);
    let found: Vec<u64> =
        writer.open_ended().expect("it can be read").iter().map(|(r, _)| r.sequence).collect();
    assert_eq!(found.last(), Some(&writer.sequence()));
    assert_eq!(found, expected);
    writer.mark_applied();
    drop(writer);
    assert!(!fresh.is_open_ended());
    assert!(write(&place.log()).open_ended().expect("it can be read").is_empty());
}

#[test]
fn the_history_of_a_key_skips_segments_without_it() {
    let place = Place::new();
    let log = place.limited(Limits { bytes: 4 << 20, ..Limits::default() });
    let changed = |section: &str, option: Option<&str>, round: u32| {
        let mut record = record("p", "", "");
        record.packages[0].changes = vec![KeyChange::new(
            section.as_bytes(),
            option.map(str::as_bytes),
            What::Added(Content::String(format!("value {round}").into_bytes())),
        )];
        record
    };
    for round in 0..6000 {
        let one = match round {
            100 => changed("rare", Some("o"), round),
            3000 => changed("rare", None, round),
            _ => changed(&format!("s{}", round % 10), Some("o"), round),
        };
        write(&log).append(vec![one], false).expect("there is room");
    }
    let all = log.segments().expect("it can be read").len();
    let read = |wanted: Wanted| {
        let mut records = 0;
        let end: Option<()> = (&log as &dyn LogRead)
            .each_back_of(Some(&wanted), |record| {
                let hit = record.packages.iter().flat_map(|package| &package.changes);
                records += hit.filter(|change| change.section == b"rare").count();
                Ok(ControlFlow::Continue(()))
            })
            .expect("it can be read");
        assert_eq!(end, None);
        (
            records,
            log.segments()
                .expect("it can be read")
                .iter()
                .filter(|first| wanted.may_be_in(&log.files, &log.keys_path(**first)))
                .count(),
        )
    };
    assert!(all > 4, "{all}");
    // The newest segment has no list of keys yet.
    assert_eq!(read(Wanted::new(b"p", Some(b"rare"), Some(b"o"))), (2, 3));
    assert_eq!(read(Wanted::new(b"p", Some(b"rare"), None)), (2, 3));
    assert_eq!(read(Wanted::new(b"p", Some(b"rare"), Some(b"other"))), (1, 2), "the section is part of it");
    assert_eq!(read(Wanted::new(b"q", None, None)), (0, 1));
    assert_eq!(read(Wanted::new(b"p", None, None)).1, all);
    let list = log.keys_path(1);
    let bytes = std::fs::read(&list).expect("there is one");
    for cut in [0, 1, 4, bytes.len() - 4, bytes.len() - 1] {
        std::fs::write(&list, &bytes[..cut]).expect("it can be written");
        assert!(
            Wanted::new(b"q", None, None).may_be_in(&Files::default(), &list),
            "what is damaged is read: {cut}"
        );
    }
}

#[test]
fn times_do_not_go_back_and_sequences_have_no_gaps() {
    let place = Place::new();
    let log = place.log();
    for _ in 0..50 {
        write(&log).append(vec![record("p", "", ""), record("q", "", "")], false).expect("there is room");
    }
    let mut times = Vec::new();
    let end: Option<()> = log
        .each_back(|record| {
            times.push((record.sequence, record.time));
            Ok(ControlFlow::Continue(()))
        })
        .expect("it can be read");
    assert_eq!(end, None);
    assert!(times.windows(2).all(|pair| pair[0].0 == pair[1].0 + 1 && pair[0].1 >= pair[1].1));
}

/// Makes the call with this number fail.
struct Fails {
    left: std::sync::atomic::AtomicUsize,
    call: crate::os::files::Call,
}

impl crate::os::files::Probe for Fails {
    fn before(&self, call: crate::os::files::Call, _: &Path) -> std::io::Result<usize> {
        if call != self.call {
            return Ok(usize::MAX);
        }
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(std::io::Error::from_raw_os_error(5)),
            _ => Ok(usize::MAX),
        }
    }
}

#[test]
fn after_a_sync_has_failed_nothing_is_appended_any_more() {
    let place = Place::new();
    write(&place.log()).append(vec![record("a", "", "1\n")], true).expect("there is room");
    let probe = Fails { left: 0.into(), call: crate::os::files::Call::Sync };
    let files = Files::probed(std::sync::Arc::new(probe));
    let log = Log::new(place.dir.path().join("log"), files, Limits::default());
    let failed = write(&log).append(vec![record("a", "1\n", "2\n")], true);
    assert!(matches!(failed, Err(Error::Io { op: "sync", .. })), "{failed:?}");
    let again = log.write(Instant::now(), Duration::ZERO);
    assert!(matches!(again, Err(Error::Damaged { .. })), "{again:?}");
    assert_eq!(sequences(&place.log()), [1, 2]);
}

#[test]
fn the_last_record_is_found_however_far_behind_it_the_hint_is() {
    let place = Place::new();
    let (one, other) = (place.log(), place.log());
    let mut writer = write(&one);
    let mut text = String::new();
    for round in 0..200_usize {
        // Some records are longer than the bytes that are read at once.
        let new = format!("{round}\n").repeat(if round % 50 == 49 { 5000 } else { round % 7 * 20 + 1 });
        writer.append(vec![record("p", &text, &new)], false).expect("there is room");
        assert!(other.is_open_ended(), "{round}");
        if round % 3 == 0 {
            writer.mark_applied();
            assert!(!other.is_open_ended(), "{round}");
        }
        text = new;
    }
}

#[test]
fn a_mark_of_the_last_record_is_one_of_those_before_it() {
    let place = Place::new();
    let (one, other) = (place.log(), place.log());
    let mut text = String::new();
    for round in 0..4 {
        let new = format!("{round}\n");
        write(&one).append(vec![record("p", &text, &new)], false).expect("there is room");
        text = new;
    }
    let mut writer = write(&other);
    assert_eq!(writer.open_ended().expect("it can be read").len(), 4);
    writer.mark_applied();
    drop(writer);
    assert!(write(&one).open_ended().expect("it can be read").is_empty());
}

#[test]
fn records_of_an_earlier_segment_get_no_mark_in_the_current_one() {
    let place = Place::new();
    let log = place.limited(Limits { bytes: 256 << 10, ..Limits::default() });
    let mut writer = write(&log);
    let mut text = String::new();
    while writer.segment() < 2 {
        let new = format!("a text {} that is long enough\n", writer.sequence()).repeat(10);
        writer.append(vec![record("p", &text, &new)], false).expect("there is room");
        text = new;
    }
    writer.mark_ahead();
    let second = writer.segment();
    assert_eq!(writer.behind(), Behind::Now, "an earlier segment has records whose texts are not in place");
    drop(writer);
    let bytes = std::fs::read(log.path(second)).expect("readable");
    let end = segment::frames(&bytes, HEAD, log.read(second).expect("readable").expect("there").head.chain)
        .last()
        .expect("it has records")
        .end;
    assert!(segment::is_zero(&bytes[end..]), "a mark was written behind the last record");
}

#[test]
fn a_reader_goes_on_behind_transactions_that_were_rolled_back_at_the_end_of_a_segment() {
    let place = Place::new();
    let log = place.limited(Limits { bytes: 256 << 10, ..Limits::default() });
    let mut writer = write(&log);
    let first = writer.append(vec![record("p", "", "1\n")], false).expect("there is room");
    let mut reader = log.reader(Some(first)).expect("it is there");
    let second = writer.append(vec![record("p", "1\n", "2\n")], false).expect("there is room");
    let mut back = record("p", "2\n", "1\n");
    (back.kind, back.refers, back.message) = (Kind::Undo, second, CANCELLED.into());
    writer.append(vec![back], false).expect("there is room");
    // The record does not fit into the segment, which has room for many small ones.
    let large = "a line\n".repeat(10_000);
    let last = writer.append(vec![record("p", "1\n", &large)], false).expect("there is room");
    assert!(writer.segment() > 1);
    writer.mark_applied();
    let found = reader.read_some(&log).expect("readable");
    assert_eq!(found.records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [last]);
}

#[test]
fn the_mark_distinguishes_a_damaged_record_from_one_written_in_part() {
    let place = Place::new();
    let log = place.log();
    let mut writer = write(&log);
    for (old, new) in [("", "1\n"), ("1\n", "2\n"), ("2\n", "3\n")] {
        writer.append(vec![record("p", old, new)], false).expect("there is room");
    }
    drop(writer);
    let path = log.path(1);
    let good = std::fs::read(&path).expect("readable");
    let frames: Vec<_> = segment::frames(&good, HEAD, segment::ORIGIN).map(|frame| frame.offset).collect();
    let last = *frames.last().expect("there are some");
    for (marked, is_damaged) in [(false, false), (true, true)] {
        let mut bytes = good.clone();
        bytes[last + RECORD_HEAD + 5] ^= 1;
        if marked {
            let (at, mark) = segment::applied(last);
            let at = usize::try_from(at).expect("small");
            bytes[at..at + mark.len()].copy_from_slice(&mark);
        }
        std::fs::write(&path, bytes).expect("written");
        let found = place.log().check().expect("readable");
        assert_eq!(!found.problems.is_empty(), is_damaged, "{found:?}");
    }
}
