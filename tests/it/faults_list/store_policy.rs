//! See `faults_list`: what is logged and published, by whom, and the policy of a store.

use std::process::Command;

use cms::log::Kind;
use cms::{Live, Store};

use crate::cli::Sandbox;
use crate::live::get;

/// Returns the options of a library that uses the directories of a sandbox.
fn options(sandbox: &Sandbox) -> cms::Options {
    let path = |name: &str| Some(sandbox.path(name));
    let wanted = cms::DirOptions {
        config: path("config"),
        save: path("save"),
        run: path("run"),
        state: path("state"),
    };
    cms::Options { dirs: cms::Dirs::choose(wanted), ..cms::Options::default() }
}

/// Lists what the log holds, the oldest first: `KIND SOURCE`.
fn logged(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    store
        .each_transaction(|record| {
            if record.kind != Kind::Heads {
                all.push(format!("{:?} {}", record.kind, record.source));
            }
            Ok(std::ops::ControlFlow::<()>::Continue(()))
        })
        .expect("readable");
    all.reverse();
    all
}

#[test]
fn s1_commits_by_uci_are_logged_and_seen_at_once() {
    let sandbox = Sandbox::new();
    let live = Live::open(options(&sandbox)).expect("opens");
    let seen = || get(&live, "network.lan.ipaddr").expect("there");
    assert_eq!(seen(), "10.0.0.1");
    for value in ["10.0.0.2", "10.0.0.3"] {
        sandbox.ok(&["uci", "set", &format!("network.lan.ipaddr={value}")]);
        sandbox.ok(&["uci", "commit"]);
        assert_eq!(seen(), value, "without a refresh");
    }
    assert_eq!(logged(live.store()), ["Baseline cms", "Commit uci", "Commit uci"]);
    let history = sandbox.ok(&["history"]);
    assert_eq!(history.matches(" through uci").count(), 2, "{history}");
    assert!(history.contains("10.0.0.2' -> '10.0.0.3'"), "{history}");
}

#[test]
fn s1_an_edit_that_uci_commit_finds_is_noted_and_published() {
    let sandbox = Sandbox::new();
    let live = Live::open(options(&sandbox)).expect("opens");
    sandbox.ok(&["uci", "commit"]);
    assert!(!live.store().has_log(), "a log begins with a commit, and not with one of nothing");
    sandbox.ok(&["uci", "set", "network.lan.mtu=1500"]);
    sandbox.ok(&["uci", "commit"]);
    sandbox.ok(&["uci", "commit"]);
    assert_eq!(logged(live.store()), ["Baseline cms", "Commit uci"]);
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    sandbox.write("network", &sandbox.read("network").replace("10.0.0.1", "10.0.0.9"));
    sandbox.ok(&["uci", "commit", "network"]);
    assert_eq!(logged(live.store()), ["Baseline cms", "Commit uci", "FileEdit file-edit"]);
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.9"), "without a refresh");
}

#[test]
fn s1_a_package_that_is_overridden_is_not_logged_and_the_others_are() {
    let sandbox = Sandbox::new();
    sandbox.write("system", "config system 's'\n\toption a '1'\n");
    std::fs::create_dir(sandbox.path("over")).expect("made");
    std::fs::write(sandbox.path("over").join("network"), "config interface 'lan'\n\toption ipaddr '1'\n")
        .expect("written");
    let over = sandbox.path("over");
    let over = over.to_str().expect("UTF-8");
    let live = Live::open(options(&sandbox)).expect("opens");
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    sandbox.ok(&["uci", "-C", over, "set", "network.lan.ipaddr=2"]);
    sandbox.ok(&["uci", "-C", over, "set", "system.s.a=2"]);
    sandbox.ok(&["uci", "-C", over, "commit"]);
    assert_eq!(logged(live.store()), ["Baseline cms", "Commit uci"]);
    assert_eq!(
        get(&live, "network.lan.ipaddr").as_deref(),
        Some("10.0.0.1"),
        "the override is not the package"
    );
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("2"));
    let written = std::fs::read_to_string(sandbox.path("over").join("network")).expect("readable");
    assert!(written.contains("option ipaddr '2'"), "{written}");
    assert_eq!(live.store().blame("network").expect("known")[1].text, b"config interface 'lan'");
    // A directory that overrides itself overrides nothing.
    let config = sandbox.path("config");
    sandbox.ok(&["uci", "-C", config.to_str().expect("UTF-8"), "set", "system.s.a=3"]);
    sandbox.ok(&["uci", "-C", config.to_str().expect("UTF-8"), "commit", "system"]);
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("3"));
}

#[test]
fn s1_uci_commit_opens_each_package_a_few_times_however_many_there_are() {
    let sandbox = Sandbox::new();
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: strace is missing or not permitted");
        return;
    }
    for number in 0..100 {
        sandbox.write(&format!("p{number}"), "config a 'b'\n\toption x '1'\n");
    }
    let opens = |state: &str| {
        let trace = sandbox.path("trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=open,openat", "-o"]).arg(&trace);
        command
            .arg(env!("CARGO_BIN_EXE_cms"))
            .args(["uci", "commit"])
            .env("CMS_CONFIG_DIR", sandbox.path("config"))
            .env("CMS_SAVE_DIR", sandbox.path("save"))
            .env("CMS_RUN_DIR", sandbox.path("run"))
            .env("CMS_STATE_DIR", sandbox.path(state));
        assert!(command.output().expect("runs").status.success());
        std::fs::read_to_string(&trace).expect("readable").lines().count()
    };
    let first = opens("state");
    assert!(first < 101 * 4, "{first} files were opened before there is a log");
    // The baseline reads each package and keeps its text, once.
    sandbox.ok(&["uci", "set", "network.lan.mtu=1500"]);
    let first = opens("state");
    assert!(first < 101 * 6, "{first} files were opened to begin a log of 101 packages");
    let next = opens("state");
    assert!(next < 101 * 4, "{next} files were opened for nothing to be committed of 101 packages");
    std::fs::write(sandbox.path("file"), "").expect("written");
    let without = opens("file/state");
    assert!(without < 101 * 4, "{without} files were opened where there is no log");
}
