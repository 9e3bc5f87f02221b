//! A newcomer writes programs in C from the header and the manual page alone: see `tests/newcomer/c/run.sh`.

use std::path::Path;
use std::process::Command;

mod support;

#[test]
fn a_newcomer_solves_the_tasks_of_an_hour_from_the_documents() {
    let work = tempfile::tempdir().expect("a directory");
    let lib = support::library(work.path());
    let pages = work.path().join("man3");
    support::manual(&pages);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut run = Command::new(root.join("tests/newcomer/c/run.sh"));
    run.arg(root.join("include")).arg(&lib).arg(pages.join("libcms.3"));
    let done = run.output().expect("a shell");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    let tasks: Vec<&str> = said.lines().filter_map(|line| line.strip_suffix(": ok")).collect();
    let all = ["header", "manual", "defaults", "snapshot", "iterate", "change", "history", "errors", "watch"];
    assert_eq!(tasks, all, "{said}");
}
