//! How `benches/gate`, which `make bench-gate` runs, compares counts with its list. This test counts nothing itself.

use std::fs;
use std::process::{Command, Output};

const LIST: &str = "condition\trustc\tone\ncondition\tlibc\tglibc\ncondition\tprocessor\tavx2\n\
                    instructions\tget\t100.0\ninstructions\tcommit\t200000.0\n";

/// Compares counts with the list; returns the outcome, and the list after that.
fn gate(counted: &str, update: bool) -> (Output, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let (list, counts) = (dir.path().join("list"), dir.path().join("counts"));
    fs::write(&list, LIST).expect("written");
    fs::write(&counts, counted).expect("written");
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/gate")).env_remove("CMS_UPDATE_GATE");
    command.arg("--list").arg(&list).arg("--counted").arg(&counts);
    if update {
        command.env("CMS_UPDATE_GATE", "1");
    }
    let output = command.output().expect("python3, which `make test` installs");
    (output, fs::read_to_string(list).expect("a list"))
}

/// Expects a status and a line.
fn expect(counted: &str, status: i32, line: &str) {
    let (output, list) = gate(counted, false);
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}{error}");
    assert!(text.lines().any(|found| found == line), "{line}: not in\n{text}");
    assert_eq!(list, LIST);
}

#[test]
fn an_increase_of_three_per_cent_passes_and_more_fails() {
    expect(&LIST.replace("100.0", "103.0"), 0, "bench-gate: ok, 2 operations at most 3% above the list");
    expect(
        &LIST.replace("100.0", "103.1"),
        1,
        "bench-gate: FAILED: get: more than 3% above the list, or only in one of both",
    );
}

#[test]
fn one_operation_that_grew_fails_beside_one_that_shrank() {
    let counted = LIST.replace("100.0", "50.0").replace("200000.0", "210000.0");
    expect(&counted, 1, "bench-gate: FAILED: commit: more than 3% above the list, or only in one of both");
}

#[test]
fn a_lower_count_passes_and_the_list_can_be_lowered() {
    expect(
        &LIST.replace("100.0", "50.0"),
        0,
        "bench-gate: 1 more than 3% below it; to keep that: CMS_UPDATE_GATE=1 make bench-gate",
    );
}

#[test]
fn an_operation_of_only_one_side_fails() {
    let line = "instructions\tget\t100.0\n";
    expect(
        &LIST.replace(line, ""),
        1,
        "bench-gate: FAILED: get: more than 3% above the list, or only in one of both",
    );
    expect(
        &format!("{LIST}instructions\tnew\t1.0\n"),
        1,
        "bench-gate: FAILED: new: more than 3% above the list, or only in one of both",
    );
}

#[test]
fn each_other_condition_ends_the_comparison_and_says_so() {
    let doubled = LIST.replace("100.0", "200.0");
    for (condition, listed) in [("rustc", "one"), ("libc", "glibc"), ("processor", "avx2")] {
        let line = format!("bench-gate: {condition}: here another; the list is of {listed}");
        let counted = doubled.replace(&format!("{condition}\t{listed}"), &format!("{condition}\tanother"));
        expect(&counted, 0, &line);
        expect(&counted, 0, "bench-gate: so nothing is compared");
    }
}

#[test]
fn the_list_is_written_anew_when_asked_for() {
    let counted = LIST.replace("100.0", "200.0").replace("avx2", "neon");
    let (output, list) = gate(&counted, true);
    assert_eq!((output.status.code(), list), (Some(0), counted));
}
