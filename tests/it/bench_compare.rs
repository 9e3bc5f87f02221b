//! `benches/compare`, which `make bench-compare` runs.

use std::fs;
use std::process::{Command, Output};

const BEFORE: &str = r#"{"group":"lookup","case":"hot","impl":"cms_get","value":40.0,"unit":"ns"}
{"group":"lookup","case":"hot","impl":"uthash","value":50.0,"unit":"ns"}
{"group":"publish","case":"load","impl":"cms","value":100.0,"unit":"MB/s"}
{"group":"publish","case":"load","impl":"gone","value":1.0,"unit":"MB/s"}
{"group":"beside","case":"disk","impl":"stock uci: commits","value":90.0,"unit":""}
{"group":"lookup","goal":"hot: cms_get, ns","value":40.0,"sign":"<=","limit":50.0,"met":true}
"#;

const AFTER: &str = r#"{"group":"lookup","case":"hot","impl":"cms_get","value":60.0,"unit":"ns"}
{"group":"lookup","case":"hot","impl":"uthash","value":51.0,"unit":"ns"}
{"group":"publish","case":"load","impl":"cms","value":200.0,"unit":"MB/s"}
{"group":"beside","case":"disk","impl":"stock uci: commits","value":120.0,"unit":""}
{"group":"lookup","goal":"hot: cms_get, ns","value":60.0,"sign":"<=","limit":50.0,"met":false}
"#;

fn compare(options: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let (before, after) = (dir.path().join("before.jsonl"), dir.path().join("after.jsonl"));
    fs::write(&before, BEFORE).expect("written");
    fs::write(&after, AFTER).expect("written");
    Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/compare"))
        .arg("--before")
        .arg(&before)
        .arg("--after")
        .arg(&after)
        .args(options)
        .output()
        .expect("python3, which `make test` installs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn rows_are_printed_worst_first_and_a_faster_rate_costs_less() {
    let output = compare(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = text(&output);
    let rows: Vec<Vec<&str>> =
        report.lines().skip(1).take(3).map(|row| row.split_whitespace().collect()).collect();
    let ends: Vec<(&str, &str)> = rows.iter().map(|row| (row[0], row[row.len() - 1])).collect();
    assert_eq!(ends, [("1.500", "cms_get"), ("1.020", "uthash"), ("0.500", "cms")], "{report}");
    assert!(report.contains("3 rows: 1 within 3 %, 1 worse, 1 better\n"), "{report}");
}

#[test]
fn rows_of_one_run_and_goals_that_changed_are_named() {
    let report = text(&compare(&[]));
    assert!(report.contains("only before: publish | load | gone\n"), "{report}");
    assert!(report.contains("goal MISSED now: lookup | hot: cms_get, ns: 40, now 60\n"), "{report}");
}

#[test]
fn strict_fails_if_a_row_of_the_group_is_worse_than_the_margin() {
    assert_eq!(compare(&["--strict"]).status.code(), Some(1));
    assert_eq!(compare(&["--strict", "--within", "50"]).status.code(), Some(0));
    assert_eq!(compare(&["--strict", "--group", "publish"]).status.code(), Some(0));
}
