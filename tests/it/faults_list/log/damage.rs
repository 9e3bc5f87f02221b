//! Damage of the log: every reader of the log detects it, only the damaged records are lost, and no number is used
//! twice.

use std::path::{Path, PathBuf};

use cms::Engine;

use super::{open, options};
use crate::support::dice::Dice;
use crate::support::sandbox::Sandbox;

/// A log of 40 records as bytes, with the offset of each record, and the history of them.
struct Forty {
    sandbox: Sandbox,
    bytes: Vec<u8>,
    records: Vec<std::ops::Range<usize>>,
    history: Vec<cms::log::Record>,
}

fn only_segment(sandbox: &Sandbox) -> PathBuf {
    let state =
        std::fs::read_dir(sandbox.path("state")).expect("readable").next().expect("a log").expect("a log");
    state.path().join(format!("{:020}.log", 1))
}

impl Forty {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        std::fs::remove_file(sandbox.path("config").join("network")).expect("it was there");
        sandbox.write("p", "config a b\n\toption x 0\n");
        let store = Engine::new(options(&sandbox));
        store.history().note_edits().expect("noted");
        for number in 1..=38 {
            let text = format!("config a b\n\toption x {number}\n");
            store.replace(b"p", text.as_bytes()).expect("committed");
        }
        let history = store.history().changes(None, usize::MAX).expect("readable");
        let bytes = std::fs::read(only_segment(&sandbox)).expect("readable");
        let (mut records, mut at) = (Vec::new(), 56);
        loop {
            let length = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
            if length == 0 {
                break;
            }
            let end = (at + 24 + length).next_multiple_of(8);
            records.push(at..end);
            at = end;
        }
        assert_eq!(records.len(), 40, "the first says that a segment begins");
        Self { sandbox, bytes, records, history }
    }

    /// Reports whether a byte has no effect on records: marks, padding, and fields of the head that are only
    /// informative.
    fn is_free(&self, at: usize) -> bool {
        let is_free = |record: &std::ops::Range<usize>| {
            let length =
                u32::from_le_bytes(self.bytes[record.start..record.start + 4].try_into().expect("four"));
            (record.start + 4..record.start + 8).contains(&at)
                || (record.start + 24 + length as usize..record.end).contains(&at)
        };
        (32..56).contains(&at) || self.records.iter().any(is_free)
    }

    /// Damages bytes, and checks the reports and the repair.
    fn check(&self, range: std::ops::Range<usize>, damage: impl Fn(usize, u8) -> u8, what: &str) {
        let log = only_segment(&self.sandbox);
        let dir = log.parent().expect("a directory");
        for entry in std::fs::read_dir(dir).expect("readable").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if [".log", ".keys", ".damaged"].iter().any(|kind| name.ends_with(kind)) || name == "repaired" {
                std::fs::remove_file(entry.path()).expect("removed");
            }
        }
        self.sandbox.write("p", "config a b\n\toption x 38\n");
        let mut bytes = self.bytes.clone();
        for at in range.clone() {
            bytes[at] = damage(at, bytes[at]);
        }
        let changed: Vec<usize> = range.clone().filter(|at| bytes[*at] != self.bytes[*at]).collect();
        std::fs::write(&log, &bytes).expect("written");
        let is_harmless = changed.iter().all(|at| self.is_free(*at));

        let store = Engine::new(options(&self.sandbox));
        let problems = store.audit().check_log().expect("readable").problems;
        assert_eq!(problems.is_empty(), is_harmless, "{what}: audit says {problems:?}");
        let read = store.history().changes(None, usize::MAX).expect("readable");
        let told = store.audit().log_problems();
        assert_eq!(told.is_empty(), is_harmless, "{what}: history says {told:?}");
        self.check_read(&read, &changed, what);

        let next = Engine::new(options(&self.sandbox));
        next.replace(b"p", b"config a b\n\toption x 39\n").expect("committed");
        assert_eq!(
            next.audit().log_problems().is_empty(),
            is_harmless,
            "{what}: the commit says nothing of it"
        );
        let after = next.history().changes(None, usize::MAX).expect("readable");
        assert!(after[0].sequence > 40, "{what}: number {} is used twice", after[0].sequence);
        self.check_read(&after, &changed, what);
        let mended = next.audit().repair().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(mended.problems.is_empty(), is_harmless, "{what}");
        let problems = next.audit().check_log().expect("readable").problems;
        assert_eq!(problems, Vec::<String>::new(), "{what}: after repair");
        assert_eq!(
            next.history().changes(None, usize::MAX).expect("readable"),
            after,
            "{what}: after repair"
        );
    }

    /// Checks that no wrong content of damaged records is shown, and that all other records are shown.
    fn check_read(&self, read: &[cms::log::Record], changed: &[usize], what: &str) {
        for record in read.iter().filter(|record| record.sequence <= 40) {
            let known = self.history.iter().find(|known| known.sequence == record.sequence);
            assert_eq!(Some(record), known, "{what}: a record that was never written");
        }
        for (number, place) in (1..).zip(&self.records).skip(1) {
            let is_there = read.iter().any(|record| record.sequence == number);
            let is_whole = !changed.iter().any(|at| place.contains(at) && !self.is_free(*at));
            assert!(is_there || !is_whole, "{what}: record {number} is not read, and it is whole");
        }
    }
}

#[test]
fn s6_a_flipped_byte_of_the_log_is_reported_and_costs_one_record() {
    let forty = Forty::new();
    let end = forty.records[39].end;
    let all = crate::support::oracle::is_exhaustive();
    let mut dice = Dice(7);
    let picked: Vec<usize> =
        // The offset of the last record may be wrong, since it is only a hint.
        (0..end).filter(|at| !(32..36).contains(at)).filter(|at| all || *at < 60 || *at + 40 > end || dice.roll(40) == 0).collect();
    let mut cases = 0;
    for at in picked {
        let first = dice.roll(8);
        // Each bit of the first number of the log matters.
        let bits = if all || (8..16).contains(&at) { 0..8 } else { first..first + 1 };
        for bit in bits {
            forty.check(at..at + 1, |_, byte| byte ^ 1 << bit, &format!("byte {at} of {end}, bit {bit}"));
            cases += 1;
        }
    }
    println!("{cases} bits of a log of {end} bytes were flipped");
}

#[test]
fn s6_bytes_that_are_overwritten_cost_no_more_than_the_records_they_are_of() {
    let forty = Forty::new();
    let all = crate::support::oracle::is_exhaustive();
    let mut dice = Dice(11);
    let mut cases = 0;
    for (number, record) in forty.records.iter().enumerate() {
        for length in 1..=400 {
            if !all && dice.roll(100) != 0 {
                continue;
            }
            let range = record.start..(record.start + length).min(forty.bytes.len());
            let garbage = |at: usize, byte: u8| !byte ^ u8::try_from(at % 7).expect("small") | 1;
            forty.check(range.clone(), garbage, &format!("{length} bytes over record {}", number + 1));
            cases += 1;
        }
    }
    println!("{cases} ranges of bytes were overwritten");
}

/// Makes a log of several segments; returns its directory and the segments as well.
fn several_segments() -> (Sandbox, PathBuf, Vec<PathBuf>) {
    let sandbox = Sandbox::new();
    let store = Engine::new(options(&sandbox).log_size(2 << 20));
    for number in 0..400 {
        let text =
            format!("config a b\n\toption x {number}\n\toption y '{}'\n", "y".repeat(400 + number % 9));
        store.replace(b"p", text.as_bytes()).expect("committed");
    }
    let dir = only_segment(&sandbox).parent().expect("a directory").to_path_buf();
    let mut logs: Vec<_> = std::fs::read_dir(&dir)
        .expect("readable")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    assert!(logs.len() >= 4, "{logs:?}");
    (sandbox, dir, logs)
}

#[test]
fn s6_segments_that_are_cut_removed_swapped_or_doubled_are_reported_and_their_numbers_not_used_again() {
    for what in [
        "the first is cut",
        "the last is cut",
        "one is removed",
        "the last is removed",
        "two are swapped",
        "one is doubled",
        "one is named 0",
        "one is emptied",
    ] {
        let (sandbox, dir, logs) = several_segments();
        let live = open(&sandbox);
        let last = live.revision();
        let cut = |path: &Path, len: usize| {
            let bytes = std::fs::read(path).expect("readable");
            std::fs::write(path, &bytes[..len]).expect("written");
        };
        match what {
            "the first is cut" => cut(&logs[0], 30_001),
            "the last is cut" => cut(&logs[logs.len() - 1], 300),
            "one is removed" => std::fs::remove_file(&logs[1]).expect("removed"),
            "the last is removed" => std::fs::remove_file(&logs[logs.len() - 1]).expect("removed"),
            "two are swapped" => {
                std::fs::rename(&logs[1], dir.join("x")).expect("renamed");
                std::fs::rename(&logs[2], &logs[1]).expect("renamed");
                std::fs::rename(dir.join("x"), &logs[2]).expect("renamed");
            }
            "one is doubled" => {
                assert!(std::fs::copy(&logs[1], dir.join("00000000000000000077.log")).expect("copied") > 0);
            }
            "one is named 0" => {
                assert!(std::fs::copy(&logs[1], dir.join("00000000000000000000.log")).expect("copied") > 0);
            }
            _ => cut(&logs[2], 0),
        }
        let output = sandbox.run(&["audit", "verify"]);
        // A file that cannot belong to the log is ignored.
        assert_eq!(output.status.success(), what == "one is named 0", "{what}: {output:?}");
        sandbox.run(&["history"]);
        let store = Engine::new(options(&sandbox));
        store
            .replace(b"p", b"config a b\n\toption x 'new'\n")
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let now = store.history().changes(None, usize::MAX).expect("readable");
        assert!(now[0].sequence > last, "{what}: {} is used twice, the last was {last}", now[0].sequence);
        let numbers: Vec<u64> = now.iter().map(|record| record.sequence).collect();
        assert!(numbers.is_sorted_by(|a, b| a > b), "{what}: {numbers:?}");
        sandbox.ok(&["repair"]);
        sandbox.ok(&["audit", "verify"]);
        let kept = store.history().changes(None, usize::MAX).expect("readable").len();
        assert!(kept >= now.len(), "{what}: repair keeps what can be read: {kept} of {}", now.len());
    }
}

#[test]
fn s6_repair_of_a_log_without_its_last_segment_is_the_end_of_the_matter() {
    let (sandbox, _, logs) = several_segments();
    let last = Engine::new(options(&sandbox)).history().revision().expect("there is a log");
    std::fs::remove_file(&logs[logs.len() - 1]).expect("removed");
    let _ = std::fs::remove_dir_all(sandbox.path("run"));
    let said = sandbox.fails(3, &["audit", "verify"]);
    assert!(said.contains("a segment is missing"), "{said}");
    sandbox.ok(&["repair"]);
    sandbox.ok(&["audit", "verify"]);
    let output = sandbox.run(&["set", "--commit", "p.b.x=new"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    sandbox.ok(&["audit", "verify"]);
    assert!(
        Engine::new(options(&sandbox)).history().revision().expect("there is a log") > last,
        "used twice"
    );
    sandbox.ok(&["history"]);
}

#[test]
fn s6_the_command_says_what_it_could_not_read() {
    let forty = Forty::new();
    let log = only_segment(&forty.sandbox);
    let mut bytes = forty.bytes.clone();
    bytes[forty.records[9].start + 30] ^= 1;
    std::fs::write(&log, bytes).expect("written");
    let said = forty.sandbox.fails(3, &["history"]);
    assert!(said.contains("transaction 10 is lost") && said.contains("bytes "), "{said}");
    let said = forty.sandbox.fails(3, &["audit", "verify"]);
    assert!(said.contains("transaction 10 is lost"), "{said}");
    let output = forty.sandbox.run(&["set", "--commit", "p.b.x=40"]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("transaction 10 is lost"), "{said}");
    forty.sandbox.ok(&["repair"]);
    forty.sandbox.ok(&["history"]);
    let output = forty.sandbox.run(&["set", "--commit", "p.b.x=41"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("damaged"));
}

#[test]
fn s6_after_a_repair_a_change_by_hand_is_told_though_a_record_before_it_is_lost() {
    let forty = Forty::new();
    let log = only_segment(&forty.sandbox);
    let mut bytes = forty.bytes.clone();
    bytes[forty.records[19].start + 30] ^= 1;
    std::fs::write(&log, bytes).expect("written");
    forty.sandbox.ok(&["repair"]);
    forty.sandbox.write("p", "config a b\n\toption x by_hand\n");
    let store = Engine::new(options(&forty.sandbox));
    store.history().note_edits().expect("noted");
    let edit = store.history().changes(None, 1).expect("readable").remove(0);
    let change = &edit.packages[0];
    assert!(!change.unknown && change.changes.len() == 1, "what was changed is not known: {edit:?}");
    forty.sandbox.ok(&["undo"]);
    assert_eq!(forty.sandbox.read("p"), "config a b\n\toption x 38\n");
}

#[test]
fn x_l9_a_flip_in_the_length_of_the_last_record_is_found() {
    let forty = Forty::new();
    let last = forty.records[39].start;
    for (at, bit) in (0..4).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        forty.check(
            last + at..last + at + 1,
            |_, byte| byte ^ 1 << bit,
            &format!("byte {at} of the length, bit {bit}"),
        );
    }
}

#[test]
fn m11_repair_goes_on_when_a_package_cannot_be_mended() {
    let sandbox = Sandbox::new();
    sandbox.write("a", "config a 'never right\n");
    sandbox.write("b", "config a b\n");
    sandbox.write("c", "config a 'wrong as well\n");
    sandbox.ok(&["history"]);
    sandbox.write("b", "config 'broken\n");
    let output = sandbox.run(&["repair"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("/a:") && said.contains("/c:"), "{said}");
    assert_eq!(sandbox.read("b"), "config a b\n");
}
