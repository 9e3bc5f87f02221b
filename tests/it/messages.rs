//! The messages of the command when something is missing or fails: what, where, why, and what to do.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cms::testing::{Call, Seams as _};
use cms::{Engine, Error, Missing};

use crate::support::fixture::Fixture;
use crate::support::probes::{EROFS, Fail};
use crate::support::sandbox::Sandbox;

/// A store with one transaction.
fn used() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.2"]);
    sandbox
}

fn says(sandbox: &Sandbox, code: i32, words: &[&str], message: &str) {
    assert_eq!(sandbox.fails(code, words), message, "{words:?}");
}

const REVISIONS: &str = "\nhint: a revision is a number, -N, @{10 min ago}, @{2026-11-21 08:02} or the label of a snapshot; see 'cms history' and 'cms snapshots'\n";

#[test]
fn what_is_no_key_is_not_looked_for_among_the_packages() {
    let sandbox = used();
    let revision = |words: &[&str], message: &str| says(&sandbox, 1, words, &format!("{message}{REVISIONS}"));
    let get = |at| ["get", "--at", at, "network.lan.ipaddr"];
    let unknown = "it is neither a revision nor the label of a snapshot";
    revision(&get("yesterday"), &format!("cms: revision yesterday: {unknown}"));
    revision(&get("a b"), &format!("cms: revision a b: {unknown}"));
    revision(&get("99"), "cms: revision 99: the last revision is 3");
    revision(&get("-99"), "cms: revision -99: the log does not go back that far");
    revision(&get("-x"), "cms: revision -x: expected a number after '-', as in -3");
    revision(&get("@{2 days ago}"), "cms: revision @{2 days ago}: the log does not go back that far");
    revision(&["undo", "nope"], &format!("cms: revision nope: {unknown}"));
    revision(&["rollback", "99"], "cms: revision 99: the last revision is 3");
    let said = sandbox.fails(3, &get("@{yesterday}"));
    assert_eq!(said, "cms: '@{yesterday}': not a time; expected '10 min ago', '2026-11-21 08:02' or 'now'\n");
    says(
        &sandbox,
        1,
        &["snapshot", "--delete", "nope"],
        "cms: snapshot nope: no snapshot has that label\nhint: 'cms snapshots' lists them\n",
    );
    says(&sandbox, 1, &["restore", "./nope"], "cms: ./nope: no such file\n");
    says(&sandbox, 1, &["pending"], "cms: no commit waits to be confirmed\n");
    says(&sandbox, 1, &["confirm"], "cms: no commit waits to be confirmed\n");
    says(
        &sandbox,
        1,
        &["confirm", "7"],
        "cms: transaction 7 does not wait to be confirmed, and no other does\n",
    );
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.3"]);
    sandbox.ok(&["commit", "--confirm", "5min"]);
    says(
        &sandbox,
        1,
        &["confirm", "7"],
        "cms: transaction 7 does not wait to be confirmed; transaction 4 does\nhint: 'cms pending' shows what waits\n",
    );
}

#[test]
fn a_package_is_looked_for_among_the_packages_whatever_is_asked_of_it() {
    let sandbox = used();
    let unknown = "cms: nope: not found\nhint: 'cms list' lists the packages, 'cms set PACKAGE.SECTION=TYPE' makes one\n";
    for words in [
        ["history", "nope"].as_slice(),
        &["rebuild", "nope"],
        &["blame", "nope"],
        &["memory", "nope"],
        &["get", "nope.a.b"],
        &["get", "--at", "1", "nope.a.b"],
    ] {
        says(&sandbox, 1, words, unknown);
    }
    assert!(sandbox.fed(&["import", "late"], "config a 'b'\n").status.success());
    let late = "cms: late: the package did not exist at revision 1\nhint: 'cms history PACKAGE' shows when it was created\n";
    says(&sandbox, 1, &["get", "--at", "1", "late.b"], late);
    let unmapped = "cms: late: it has no map; one is made when a program reads it, or by 'cms rebuild'\n";
    says(&sandbox, 1, &["memory", "late"], unmapped);
}

#[test]
fn a_history_without_hits_says_so() {
    let sandbox = used();
    let none = "cms: no transaction in the log changed network.lan.nope\n";
    says(&sandbox, 1, &["history", "network.lan.nope"], none);
    assert_eq!(sandbox.fails(1, &["--quiet", "history", "network.lan.nope"]), "");
    let sandbox = Sandbox::new();
    let none = "cms: nothing to undo: the log holds no transaction that is not undone yet\n";
    says(&sandbox, 1, &["undo"], none);
    let none = "cms: the log holds no transaction between a good and a bad one\n";
    says(&sandbox, 1, &["bisect", "--", "true"], none);
}

#[test]
fn a_configuration_directory_that_is_missing_is_what_is_told() {
    let sandbox = Sandbox::new();
    std::fs::remove_dir_all(sandbox.path("config")).expect("removed");
    std::fs::write(sandbox.path("text"), "config a 'b'\n").expect("written");
    let text = sandbox.path("text").display().to_string();
    let message = format!(
        "cms: {}: no such configuration directory\nhint: create it, or name another with CMS_CONFIG_DIR or 'cms -c DIR'\n",
        sandbox.path("config").display()
    );
    for words in [
        ["get", "a.b.c"].as_slice(),
        &["history"],
        &["show"],
        &["set", "a.b.c=1"],
        &["commit"],
        &["watch"],
        &["audit", "verify"],
        &["blame", "a"],
        &["import", "a", &text],
        &["import", "--merge", "a", &text],
        &["snapshots"],
    ] {
        says(&sandbox, 1, words, &message);
    }
}

#[test]
fn a_damaged_file_comes_with_what_mends_it() {
    let sandbox = used();
    let backup = sandbox.path("b.cms").display().to_string();
    sandbox.ok(&["backup", &backup]);
    let mut bytes = std::fs::read(&backup).expect("readable");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(&backup, bytes).expect("written");
    let damaged =
        format!("cms: {backup}: its checksum is wrong: it was damaged or changed after it was written\n");
    says(&sandbox, 3, &["restore", &backup], &damaged);

    let log = log_of(&sandbox);
    std::fs::File::options().write(true).open(&log).expect("opens").write_all_at(b"?", 0).expect("written");
    // The first bytes only identify the file: its records are intact.
    let damage = "bytes 0 to 55 are damaged, or were changed; no transaction is lost";
    let problem = format!("cms: {}: {damage}\n", log.display());
    says(&sandbox, 3, &["audit", "verify"], &problem);
    let warning = format!("cms: warning: the log is damaged: {}: {damage}\n", log.display());
    says(&sandbox, 3, &["history"], &warning);
    let repaired = sandbox.run(&["repair"]);
    let aside =
        "cms: the damaged part of the log is set aside, in files that end with .damaged; the rest stays\n";
    assert_eq!(String::from_utf8_lossy(&repaired.stderr), format!("{problem}{aside}"));
    sandbox.ok(&["audit", "verify"]);
    let again = sandbox.run(&["repair"]);
    assert_eq!(String::from_utf8_lossy(&again.stderr), "cms: nothing had to be mended\n");
}

#[test]
fn repair_sets_a_log_aside_before_it_writes_over_what_stands_behind_the_damage() {
    // It reported that nothing had to be repaired, after it had overwritten the damaged record and all later ones.
    let sandbox = used();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.3"]);
    let log = log_of(&sandbox);
    let mut damaged = std::fs::read(&log).expect("readable");
    let at = damaged.windows(8).position(|window| window == b"10.0.0.2").expect("it is in there");
    damaged[at] = b'?';
    std::fs::write(&log, &damaged).expect("written");
    let repaired = sandbox.run(&["repair"]);
    assert!(
        String::from_utf8_lossy(&repaired.stderr)
            .contains("are damaged, or were changed; transaction 3 is lost"),
        "{repaired:?}"
    );
    // The unreadable bytes are kept in a file, and the segment is unchanged.
    let beside = std::fs::read_dir(log.parent().expect("a directory")).expect("readable").flatten();
    let kept =
        beside.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|kind| kind == "damaged"));
    let piece = std::fs::read(kept.expect("a piece")).expect("readable");
    assert!(damaged.windows(piece.len()).any(|window| window == piece) && piece.contains(&b'?'));
    assert!(std::fs::read(&log).expect("readable").starts_with(&damaged[..at]));
    assert!(sandbox.ok(&["history"]).contains("10.0.0.3"), "what stands behind it can be read");
    sandbox.ok(&["audit", "verify"]);
}

fn log_of(sandbox: &Sandbox) -> PathBuf {
    let state = std::fs::read_dir(sandbox.path("state")).expect("readable").next();
    state.expect("one").expect("readable").path().join("00000000000000000001.log")
}

#[test]
fn what_needs_the_log_says_why_it_cannot_be_written() {
    // `undo` said that the file kept changing, `pending` that nothing waits, and `repair` that all is well.
    let fixture = Fixture::new(&[("network", "config interface 'lan'\n\toption a '0'\n")]);
    let store = Engine::new(fixture.options());
    let place = store.packages().find(b"network").expect("there");
    let set = |store: &Engine, value: &[u8]| {
        let delta = cms::Delta::new(cms::DeltaKind::Set, b"lan", Some(b"a"), Some(value));
        store.staging().stage(&place, &[delta]).expect("staged");
    };
    set(&store, b"1");
    let waiting = store
        .commit_together(
            std::slice::from_ref(&place),
            cms::Form::Lossless,
            Some(std::time::Duration::from_secs(600)),
        )
        .expect("committed");
    // The file system of the log has become read-only.
    let state = fixture.path("state");
    let is_lock =
        move |call, path: &Path| call == Call::Open && path.starts_with(&state) && path.ends_with("lock");
    let files = Arc::new(Fail::when(is_lock).with(EROFS)).files();
    let stuck = Engine::new(fixture.options().files(files));
    let read_only =
        |error: Error| matches!(error, Error::Io { source, .. } if source.raw_os_error() == Some(EROFS));
    assert!(read_only(stuck.history().undo(3, None).expect_err("refused")));
    assert!(read_only(stuck.history().rollback(1, &[], None).expect_err("refused")));
    assert!(read_only(stuck.confirmations().pending().expect_err("refused")));
    assert!(read_only(stuck.confirmations().confirm(None, None).expect_err("refused")));
    assert!(read_only(stuck.audit().repair().expect_err("refused")));
    assert!(store.confirmations().pending().expect("readable").is_some(), "{waiting:?}");
    store.confirmations().confirm(None, None).expect("confirmed");
    assert_eq!(stuck.confirmations().pending().expect("there is no note of one"), None);
    let none = stuck.confirmations().confirm(Some(9), None).expect_err("none waits");
    assert!(matches!(none, Error::Missing(Missing::Pending { asked: Some(9), waiting: None })), "{none:?}");
}
