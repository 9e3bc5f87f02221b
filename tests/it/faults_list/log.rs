//! The log, and all interfaces that name a revision.

mod damage;
mod revisions;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use cms::log::Kind;
use cms::testing::{Call, Seams as _};
use cms::{Engine, Error, Options, Store};

use crate::support::probes::{EROFS, Fail, FailAt, Fault};
use crate::support::sandbox::Sandbox;

/// The options of the store in a sandbox.
fn options(sandbox: &Sandbox) -> Options {
    let path = |name: &str| Some(sandbox.path(name));
    let wanted = cms::DirOptions::new()
        .config(path("config"))
        .save(path("save"))
        .run(path("run"))
        .state(path("state"));
    Options::new().dirs(cms::Dirs::choose(wanted))
}

fn open(sandbox: &Sandbox) -> Store {
    Store::open(options(sandbox)).expect("opens")
}

fn set(live: &Store, key: &str, value: &str) -> Result<u64, Error> {
    let mut transaction = live.begin().expect("few are open");
    transaction.set(key.as_bytes(), value.as_bytes())?;
    transaction.commit()
}

/// A store whose package `p` was given the values 2 and 3, and the revisions after that.
fn with_two_revisions() -> (Sandbox, u64, u64) {
    let sandbox = Sandbox::new();
    sandbox.write("p", "config a b\n\toption x 1\n");
    sandbox.ok(&["history", "--number", "1"]);
    let live = open(&sandbox);
    let two = set(&live, "p.b.x", "2").expect("committed");
    let three = set(&live, "p.b.x", "3").expect("committed");
    (sandbox, two, three)
}

fn remove(sandbox: &Sandbox, package: &str) {
    std::fs::remove_file(sandbox.path("config").join(package)).expect("it was there");
}

#[test]
fn s3_a_deleted_package_is_a_transaction_that_can_be_taken_back() {
    let (sandbox, two, three) = with_two_revisions();
    let (at_two, at_three) = (two.to_string(), three.to_string());
    let live = open(&sandbox);
    assert!(live.get(b"p.b.x", |_| ()).expect("readable").is_some());
    let mut watch = live.watch("p", None).expect("opens");
    remove(&sandbox, "p");
    let event = watch.next(Some(Duration::from_secs(5))).expect("readable").expect("the watch is told");
    assert_eq!(event.record().kind, Kind::FileEdit);
    assert!(event.record().packages[0].deleted);
    let keys: Vec<_> = event.changes().map(|changed| changed.kind()).collect();
    assert_eq!(keys, ["delete", "delete"], "the option and the section");
    assert_eq!(live.revision(), three + 1);
    assert!(live.get(b"p.b.x", |_| ()).expect("readable").is_none());
    let told = sandbox.ok(&["history", "p"]);
    assert!(told.contains("p: the package was deleted") && told.contains("-p.b.x='3'"), "{told}");

    for (revision, value) in [(&at_three, "3"), (&at_two, "2"), (&at_three, "3")] {
        sandbox.ok(&["rollback", revision]);
        assert_eq!(sandbox.ok(&["get", "p.b.x"]), format!("{value}\n"));
        assert_eq!(sandbox.ok(&["get", "--at", revision, "p.b.x"]), format!("{value}\n"));
    }
    // At the revision of the deletion, the package does not exist.
    sandbox.ok(&["rollback", &(three + 1).to_string()]);
    assert!(!sandbox.path("config").join("p").exists());
    sandbox.fails(1, &["get", "p.b.x"]);
    sandbox.ok(&["undo"]);
    assert_eq!(sandbox.ok(&["get", "p.b.x"]), "3\n");
    let said = sandbox.fails(1, &["rollback", "18446744073709551615"]);
    assert!(said.contains("the last revision is"), "{said}");
}

#[test]
fn s3_whoever_looks_next_notes_a_deletion() {
    for looks in ["history", "refresh", "commit", "snapshot", "restore"] {
        let (sandbox, _, three) = with_two_revisions();
        let live = open(&sandbox);
        assert!(live.get(b"p.b.x", |_| ()).expect("readable").is_some());
        sandbox.ok(&["backup", sandbox.path("backup").to_str().expect("UTF-8")]);
        remove(&sandbox, "p");
        match looks {
            "history" => drop(sandbox.ok(&["history"])),
            "refresh" => drop(live.refresh().expect("refreshed")),
            "commit" => live.engine().replace(b"p", b"config a b\n\toption x 4\n").expect("committed"),
            "snapshot" => drop(sandbox.ok(&["snapshot", "one"])),
            _ => drop(sandbox.ok(&["restore", sandbox.path("backup").to_str().expect("UTF-8")])),
        }
        let record = live.engine().history().transaction(three + 1).expect("it was noted");
        assert!(record.package("p").is_some_and(|change| change.deleted), "{looks}: {record:?}");
        assert_eq!(live.engine().history().text_at("p", three + 1).expect("known"), None, "{looks}");
        let before = live.engine().history().text_at("p", three).expect("known").expect("there was one");
        assert_eq!(before, b"config a b\n\toption x 3\n", "{looks}");
    }
}

#[test]
fn s3_a_package_that_was_made_by_hand_is_noted() {
    let (sandbox, _, three) = with_two_revisions();
    sandbox.write("made", "config a b\n\toption x 1\n");
    let told = sandbox.ok(&["history", "made"]);
    assert!(told.contains("(file-edit)") && told.contains("+made.b.x='1'"), "{told}");
    sandbox.ok(&["rollback", &three.to_string()]);
    assert!(!sandbox.path("config").join("made").exists());
    sandbox.ok(&["undo"]);
    assert_eq!(sandbox.read("made"), "config a b\n\toption x 1\n");
}

#[test]
fn a11_what_came_later_is_deleted_by_rollback_and_restore() {
    let (sandbox, _, three) = with_two_revisions();
    let backup = sandbox.path("backup");
    sandbox.ok(&["backup", backup.to_str().expect("UTF-8")]);
    let store = Engine::new(options(&sandbox));
    store.replace(b"later", b"config a b\n").expect("committed");
    sandbox.ok(&["restore", backup.to_str().expect("UTF-8")]);
    assert!(!sandbox.path("config").join("later").exists());
    sandbox.ok(&["undo"]);
    assert_eq!(sandbox.read("later"), "config a b\n");
    sandbox.ok(&["rollback", &three.to_string()]);
    assert!(!sandbox.path("config").join("later").exists());
    assert!(!sandbox.ok(&["list"]).contains("later"));
}

#[test]
fn a5_a_package_comes_back_with_its_mode_and_owner() {
    for back in ["rollback", "undo", "restore"] {
        let (sandbox, _, three) = with_two_revisions();
        let path = sandbox.path("config").join("p");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("allowed");
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&path, Some(1234), Some(4321)).expect("root may");
        } else {
            eprintln!("not root: owners are not tried");
        }
        let wanted = std::fs::metadata(&path).expect("there");
        sandbox.ok(&["set", "--commit", "p.b.x=4"]);
        let backup = sandbox.path("backup");
        sandbox.ok(&["backup", backup.to_str().expect("UTF-8")]);
        remove(&sandbox, "p");
        match back {
            "rollback" => sandbox.ok(&["rollback", &(three + 1).to_string()]),
            "undo" => sandbox.ok(&["undo"]),
            _ => sandbox.ok(&["restore", backup.to_str().expect("UTF-8")]),
        };
        let found = std::fs::metadata(&path).expect("it is back");
        let of = |found: &std::fs::Metadata| (found.mode() & 0o7777, found.uid(), found.gid());
        assert_eq!(of(&found), of(&wanted), "{back}");
    }
}

#[test]
fn s3_a_deletion_that_is_interrupted_is_made_or_not_made() {
    let mut at = 0;
    loop {
        let (sandbox, _, three) = with_two_revisions();
        let store = Engine::new(options(&sandbox));
        store.replace(b"later", b"config a b\n").expect("committed");
        let last = store.history().revision().expect("there is a log");
        let death = FailAt::new(at, Fault::Death);
        let dying = Engine::new(options(&sandbox).files(death.files()));
        let done = dying.history().rollback(three, &[], None);
        drop(dying);
        let live = open(&sandbox);
        live.engine().history().note_edits().expect("noted");
        let is_there = sandbox.path("config").join("later").exists();
        let records = live.engine().history().changes(None, 100).expect("readable");
        let rolled: Vec<_> = records.iter().filter(|record| record.kind == Kind::Rollback).collect();
        assert!(records.iter().all(|record| record.kind != Kind::FileEdit), "call {at}: {records:?}");
        let taken_back = records.iter().any(|record| record.kind == Kind::Undo);
        assert_eq!(is_there, rolled.is_empty() || taken_back, "call {at}: {records:?}");
        assert!(done.is_err() || !is_there, "call {at}");
        assert_eq!(live.get(b"later.b", |_| ()).expect("readable").is_some(), is_there, "call {at}");
        assert_eq!(
            live.engine().history().text_at("later", last).expect("known").as_deref(),
            Some(&b"config a b\n"[..])
        );
        let litter: Vec<_> = std::fs::read_dir(sandbox.path("config"))
            .expect("readable")
            .map(|entry| entry.expect("an entry").file_name())
            .filter(|name| name.to_string_lossy().starts_with('.'))
            .collect();
        if !death.was_reached() {
            assert!(done.is_ok() && litter.is_empty(), "{litter:?}");
            return;
        }
        at += 1;
    }
}

#[test]
fn x_l1_a_watch_that_could_not_write_the_log_notes_edits_again() {
    // The log cannot be written, as on a file system that is temporarily read-only.
    let is_append = |call, path: &Path| {
        call == Call::Write && path.extension().is_some_and(|extension| extension == "log")
    };
    let barred = Arc::new(Fail::when(is_append).with(EROFS).disarmed());
    let (sandbox, ..) = with_two_revisions();
    let live = Store::open(options(&sandbox).files(barred.files())).expect("opens");
    let mut watch = live.watch("p", None).expect("opens");
    barred.arm(true);
    sandbox.write("p", "config a b\n\toption x 5\n");
    assert!(watch.next(Some(Duration::from_millis(1500))).expect("readable").is_none());
    barred.arm(false);
    let event = watch.next(Some(Duration::from_secs(10))).expect("readable").expect("it is told in the end");
    assert_eq!(event.change(0).expect("one").key(), b"p.b.x");
}

/// Packages of an archive, each a name and a text.
type Packages<'a> = &'a [(&'a str, &'a [u8])];

/// Writes an archive of these packages, and returns its path.
fn archive(sandbox: &Sandbox, packages: Packages<'_>) -> String {
    use std::fmt::Write;
    let mut body = Vec::new();
    for (name, text) in packages {
        body.extend_from_slice(format!("package {name} {}\n", text.len()).as_bytes());
        body.extend_from_slice(text);
        body.push(b'\n');
    }
    let sum = <sha2::Sha256 as sha2::Digest>::digest(&body);
    let sum = sum.iter().fold(String::new(), |mut sum, byte| {
        write!(sum, "{byte:02x}").expect("a string");
        sum
    });
    let head = "cms-snapshot 1\nlabel a\u{1b}[31mb\ntime 2026-11-21T08:02:22.123456Z\nrevision 1\nsource x\n";
    let path = sandbox.path("archive");
    std::fs::write(&path, [format!("{head}sha256 {sum}\n\n").as_bytes(), &body].concat()).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn x_m12_an_archive_without_packages_deletes_none() {
    let sandbox = Sandbox::new();
    let before = sandbox.read("network");
    let empty = archive(&sandbox, &[]);
    let said = sandbox.fails(3, &["restore", &empty]);
    assert!(
        said.contains(&empty)
            && said.contains("it holds no packages, and restoring it would delete all there are (1)"),
        "{said}"
    );
    assert_eq!(sandbox.read("network"), before);
    // If the store has no packages, a restore loses nothing.
    std::fs::remove_file(sandbox.path("config/network")).expect("removed");
    sandbox.ok(&["restore", &empty]);
}

#[test]
fn x_m12_errors_of_a_restore_name_the_archive_and_the_package() {
    let sandbox = Sandbox::new();
    let path = archive(&sandbox, &[("p", b"config a b\n\toption x 'y\n")]);
    let said = sandbox.fails(3, &["restore", &path]);
    assert!(said.contains(&format!("{path}: package p:2:")), "{said}");
    assert!(!said.contains("config/p"), "{said}");
    let path = archive(&sandbox, &[("a.b", b"config a b\n")]);
    let said = sandbox.fails(3, &["restore", &path]);
    assert!(said.contains(&path) && said.contains("a.b"), "{said}");
}

#[test]
fn x_m12_restore_takes_only_what_can_be_packages() {
    let sandbox = Sandbox::new();
    let archive = |packages: Packages<'_>| archive(&sandbox, packages);
    let good: &[u8] = b"config a b\n";
    let before = sandbox.read("network");
    let bad: [(&str, Packages<'_>); 6] = [
        ("does not parse", &[("p", b"config a 'b\n"), ("q", good)]),
        ("a NUL byte", &[("p", b"config a b\n\toption x 'a\0b'\n")]),
        ("a package twice", &[("p", good), ("p", b"config a c\n")]),
        ("a hidden file", &[(".hidden", good)]),
        ("a name with a dot", &[("a.b", good)]),
        ("a path", &[("a/b", good)]),
    ];
    for (what, packages) in bad {
        let path = archive(packages);
        let output = sandbox.run(&["restore", &path]);
        assert!(!output.status.success(), "{what}");
        assert_eq!(sandbox.read("network"), before, "{what}");
        assert!(std::fs::read_dir(sandbox.path("config")).expect("readable").count() == 1, "{what}");
    }
    let output = sandbox.run(&["restore", &archive(&[("p", good)])]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains('\u{1b}') && said.contains("\\x1b"), "{said}");
    assert_eq!(sandbox.read("p"), "config a b\n");
}

#[test]
fn groups_are_never_larger_than_what_a_reader_keeps_back_for_them() {
    let sandbox = Sandbox::new();
    let live = open(&sandbox);
    let first = set(&live, "network.lan.ipaddr", "0").expect("committed");
    let threads = 300;
    let barrier = Barrier::new(threads);
    let revisions: Vec<u64> = std::thread::scope(|scope| {
        let commit = |number: usize| {
            let (live, barrier) = (&live, &barrier);
            scope.spawn(move || {
                barrier.wait();
                set(live, &format!("network.lan.g{number}"), "1").expect("committed")
            })
        };
        let threads: Vec<_> = (0..threads).map(commit).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut sorted = revisions.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), threads, "each is a transaction of its own");
    let mut watch = live.watch("network", Some(first)).expect("opens");
    for _ in 0..threads {
        watch.next(Some(Duration::from_secs(5))).expect("readable").expect("each is told");
    }
}

#[test]
fn s10_a_number_is_a_revision_whatever_snapshots_and_files_there_are() {
    let (sandbox, two, three) = with_two_revisions();
    for label in ["5", "-1", "now", "HEAD", "HEAD~2", "@{now}", "label:x"] {
        let said = sandbox.fails(3, &["snapshot", "--", label]);
        assert!(!said.is_empty(), "{label}");
    }
    // A directory that an older version has made.
    sandbox.ok(&["snapshot", "kept"]);
    let dir =
        std::fs::read_dir(sandbox.path("state")).expect("readable").next().expect("a log").expect("a log");
    let snapshots = dir.path().join("snapshots");
    let text = std::fs::read_to_string(snapshots.join("kept.cms")).expect("readable");
    let text = text.replace("label kept\n", &format!("label {two}\n"));
    std::fs::write(snapshots.join(format!("{two}.cms")), text).expect("written");
    sandbox.ok(&["set", "--commit", "p.b.x=4"]);

    let (at_two, labelled) = (two.to_string(), format!("label:{two}"));
    assert!(sandbox.ok(&["snapshots"]).contains(&labelled), "it is said how it is named");
    assert_eq!(sandbox.ok(&["get", "--at", &at_two, "p.b.x"]), "2\n");
    assert_eq!(sandbox.ok(&["get", "--at", &labelled, "p.b.x"]), "3\n");
    let diff =
        |a: &str, b: &str| String::from_utf8(sandbox.run(&["diff", "--keys", a, b]).stdout).expect("UTF-8");
    assert!(diff(&at_two, "now").contains("'2' -> '4'"));
    assert!(diff(&labelled, "now").contains("'3' -> '4'"));
    // A file of that name in the current directory is ignored.
    let mut command = sandbox.command();
    std::fs::write(sandbox.path(&at_two), "nonsense").expect("written");
    let output = command.current_dir(sandbox.path("")).args(["rollback", &at_two]).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(sandbox.ok(&["get", "p.b.x"]), "2\n");
    sandbox.ok(&["rollback", &labelled]);
    assert_eq!(sandbox.ok(&["get", "p.b.x"]), "3\n");
    sandbox.ok(&["snapshot", "--delete", &labelled]);
    assert!(!sandbox.ok(&["snapshots"]).contains(&labelled));
    let live = open(&sandbox);
    assert_eq!(live.engine().history().find_revision(&three.to_string()).expect("there"), three);
}

#[test]
fn s5_a_label_is_its_own_text_after_the_log_was_begun_anew() {
    let (sandbox, ..) = with_two_revisions();
    sandbox.ok(&["snapshot", "before"]);
    let dir =
        std::fs::read_dir(sandbox.path("state")).expect("readable").next().expect("a log").expect("a log");
    for entry in std::fs::read_dir(dir.path()).expect("readable").flatten() {
        if entry.file_name() != "snapshots" && entry.path().is_file() {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
    let _ = std::fs::remove_dir_all(sandbox.path("run"));
    // New numbers are larger than those of snapshots, so the new log repeats numbers only if there are no snapshots.
    let (snapshots, aside) = (dir.path().join("snapshots"), sandbox.path("aside"));
    std::fs::rename(&snapshots, &aside).expect("renamed");
    for value in ["7", "8", "9", "10", "11"] {
        sandbox.ok(&["set", "--commit", &format!("p.b.x={value}")]);
    }
    let _ = std::fs::remove_dir_all(&snapshots);
    std::fs::rename(&aside, &snapshots).expect("renamed");
    assert_eq!(sandbox.ok(&["get", "--at", "before", "p.b.x"]), "3\n");
    let shown = sandbox.ok(&["show", "--at", "before", "p"]);
    assert!(shown.contains('3') && !shown.contains('8'), "{shown}");
    let output = sandbox.run(&["diff", "--keys", "before", "now"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("'3' -> '11'"), "{output:?}");
    let live = open(&sandbox);
    match live.engine().history().find_revision("before") {
        Ok(revision) => assert!(
            live.engine()
                .history()
                .text_at("p", revision)
                .expect("kept")
                .is_some_and(|text| text.ends_with(b"3\n"))
        ),
        Err(error) => assert!(error.to_string().contains("begun anew"), "{error}"),
    }
    sandbox.ok(&["rollback", "before"]);
    assert_eq!(sandbox.ok(&["get", "p.b.x"]), "3\n");
}

#[test]
fn m12_a_package_with_a_typo_is_not_found() {
    let (sandbox, two, _) = with_two_revisions();
    sandbox.ok(&["snapshot", "kept"]);
    for words in [
        ["rollback", "kept", "netwrk"].as_slice(),
        &["rollback", &two.to_string(), "netwrk"],
        &["diff", &two.to_string(), "now", "netwrk"],
    ] {
        let said = sandbox.fails(1, words);
        assert!(said.contains("netwrk: not found"), "{said}");
    }
    sandbox.ok(&["set", "--commit", "p.b.x=9", "network.lan.ipaddr=9"]);
    sandbox.ok(&["rollback", "kept", "p"]);
    assert_eq!(sandbox.ok(&["get", "p.b.x", "network.lan.ipaddr"]), "3\n9\n");
}
