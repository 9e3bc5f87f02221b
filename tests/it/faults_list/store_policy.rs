//! See `faults_list`: the log and the maps with several users, and the policy of a store.

use std::process::Command;

use cms::log::Kind;
use cms::{Engine, Store};

use crate::support::fixture::get;
use crate::support::sandbox::Sandbox;

/// Returns the options of a library that uses the directories of a sandbox.
pub fn options(sandbox: &Sandbox) -> cms::Options {
    let path = |name: &str| Some(sandbox.path(name));
    let wanted = cms::DirOptions::new()
        .config(path("config"))
        .save(path("save"))
        .run(path("run"))
        .state(path("state"));
    cms::Options::new().dirs(cms::Dirs::choose(wanted))
}

/// Lists the records of the log, the oldest first: `KIND SOURCE`.
fn logged(store: &Engine) -> Vec<String> {
    let mut all = Vec::new();
    store
        .history()
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
    let live = Store::open(options(&sandbox)).expect("opens");
    let seen = || get(&live, "network.lan.ipaddr").expect("there");
    assert_eq!(seen(), "10.0.0.1");
    for value in ["10.0.0.2", "10.0.0.3"] {
        sandbox.ok(&["uci", "set", &format!("network.lan.ipaddr={value}")]);
        sandbox.ok(&["uci", "commit"]);
        assert_eq!(seen(), value, "without a refresh");
    }
    assert_eq!(logged(live.engine()), ["Baseline cms", "Commit uci", "Commit uci"]);
    let history = sandbox.ok(&["history"]);
    assert_eq!(history.matches(" through uci").count(), 2, "{history}");
    assert!(history.contains("10.0.0.2' -> '10.0.0.3'"), "{history}");
}

#[test]
fn s1_an_edit_that_uci_commit_finds_is_noted_and_published() {
    let sandbox = Sandbox::new();
    let live = Store::open(options(&sandbox)).expect("opens");
    sandbox.ok(&["uci", "commit"]);
    assert!(!live.engine().audit().has_log(), "a log begins with a commit, and not with one of nothing");
    sandbox.ok(&["uci", "set", "network.lan.mtu=1500"]);
    sandbox.ok(&["uci", "commit"]);
    sandbox.ok(&["uci", "commit"]);
    assert_eq!(logged(live.engine()), ["Baseline cms", "Commit uci"]);
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    sandbox.write("network", &sandbox.read("network").replace("10.0.0.1", "10.0.0.9"));
    sandbox.ok(&["uci", "commit", "network"]);
    assert_eq!(logged(live.engine()), ["Baseline cms", "Commit uci", "FileEdit file-edit"]);
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
    let live = Store::open(options(&sandbox)).expect("opens");
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.1"));
    sandbox.ok(&["uci", "-C", over, "set", "network.lan.ipaddr=2"]);
    sandbox.ok(&["uci", "-C", over, "set", "system.s.a=2"]);
    sandbox.ok(&["uci", "-C", over, "commit"]);
    assert_eq!(logged(live.engine()), ["Baseline cms", "Commit uci"]);
    assert_eq!(
        get(&live, "network.lan.ipaddr").as_deref(),
        Some("10.0.0.1"),
        "the override is not the package"
    );
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("2"));
    let written = std::fs::read_to_string(sandbox.path("over").join("network")).expect("readable");
    assert!(written.contains("option ipaddr '2'"), "{written}");
    assert_eq!(live.engine().history().blame("network").expect("known")[1].text, b"config interface 'lan'");
    // An overriding directory that is the configuration directory itself has no effect.
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
    assert!(first < 101 * 9, "{first} files were opened before there is a log");
    // The baseline reads each package and keeps its text, once.
    sandbox.ok(&["uci", "set", "network.lan.mtu=1500"]);
    let first = opens("state");
    assert!(first < 101 * 12, "{first} files were opened to begin a log of 101 packages");
    let next = opens("state");
    assert!(next < 101 * 9, "{next} files were opened for nothing to be committed of 101 packages");
    std::fs::write(sandbox.path("file"), "").expect("written");
    let without = opens("file/state");
    assert!(without < 101 * 9, "{without} files were opened where there is no log");
}

/// Adds every kind of entry that is no package to the configuration directory; returns the names, in order.
fn odd_entries(sandbox: &Sandbox) -> Vec<&'static str> {
    let config = sandbox.path("config");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, config.join(name)).expect("linked");
    link("/dev/null", "a_link");
    link("loop", "loop");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        config.join("a_fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("made");
    // The socket file stays after the listener is dropped.
    std::os::unix::net::UnixListener::bind(config.join("socket")).expect("bound");
    // A regular file, by its mode, whose first page is not mapped: reading it fails with EIO.
    link("/proc/self/mem", "zz_eio");
    std::fs::create_dir(config.join("a_dir")).expect("made");
    vec!["a_fifo", "a_link", "loop", "socket", "zz_eio"]
}

/// Counts the lines that warn of an entry.
fn warnings(output: &std::process::Output, name: &str) -> usize {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().filter(|line| line.contains("skipped") && line.contains(name)).count()
}

#[test]
fn s2_odd_entries_stop_no_first_commit_and_no_look_at_all_packages() {
    let sandbox = Sandbox::new();
    sandbox.write("system", "config system 's'\n\toption a '1'\n");
    let odd = odd_entries(&sandbox);
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2"]);
    let committed = sandbox.run(&["commit", "network"]);
    assert!(committed.status.success(), "{}", String::from_utf8_lossy(&committed.stderr));
    assert!(sandbox.read("network").contains("10.0.0.2"));
    for name in &odd {
        assert_eq!(warnings(&committed, name), 1, "{name}: {}", String::from_utf8_lossy(&committed.stderr));
    }
    let live = Store::open(options(&sandbox)).expect("opens");
    assert_eq!(logged(live.engine()), ["Baseline cms", "Commit cms"]);
    let readable = ["network", "system"];
    assert_eq!(live.engine().packages().list().expect("readable"), [&readable[..], &["zz_eio"]].concat());
    assert_eq!(live.engine().warnings().len(), 4, "{:?}", live.engine().warnings());
    for name in odd.iter().take(4) {
        assert!(live.engine().packages().find(name.as_bytes()).is_err(), "{name} is no package by any way");
    }
    assert!(live.engine().packages().find(b"network.bak").is_err());
    // The history and a watch see an edit of a package beside these entries.
    sandbox.write("system", "config system 's'\n\toption a '2'\n");
    assert!(sandbox.ok(&["history"]).contains("'1' -> '2'"));
    let mut watch = live.watch("system", None).expect("watches");
    sandbox.write("system", "config system 's'\n\toption a '3'\n");
    let event = watch.next(Some(std::time::Duration::from_secs(20))).expect("no error");
    assert!(event.is_some(), "the edit beside odd entries is told");
}

#[test]
fn s2_snapshots_and_backups_say_what_they_left_out_and_a_restore_leaves_it_alone() {
    let sandbox = Sandbox::new();
    odd_entries(&sandbox);
    sandbox.write("system", "config system 's'\n\toption a '1'\n");
    sandbox.ok(&["history"]);
    let file = sandbox.path("backup");
    let file = file.to_str().expect("UTF-8");
    for words in [["snapshot", "one"], ["backup", file]] {
        let said = sandbox.fails(4, &words);
        assert!(said.contains("left out, because they could not be read: zz_eio"), "{said}");
    }
    let archive = cms::Archive::read(std::path::Path::new(file)).expect("readable");
    assert_eq!(archive.packages.keys().collect::<Vec<_>>(), ["network", "system"]);
    assert_eq!(archive.info.left_out, ["zz_eio"]);
    // Now it is a readable package: the restore keeps it, since the archive does not have it.
    std::fs::remove_file(sandbox.path("config").join("zz_eio")).expect("removed");
    sandbox.write("zz_eio", "config x 'y'\n");
    sandbox.write("system", "config system 's'\n\toption a '2'\n");
    sandbox.ok(&["restore", file]);
    assert_eq!(sandbox.read("system"), "config system 's'\n\toption a '1'\n");
    assert_eq!(sandbox.read("zz_eio"), "config x 'y'\n");
}

#[test]
fn s2_commands_over_all_packages_go_on_past_odd_entries() {
    let sandbox = Sandbox::new();
    odd_entries(&sandbox);
    std::fs::remove_file(sandbox.path("config").join("zz_eio")).expect("removed");
    for words in [
        &["list"][..],
        &["show"],
        &["export"],
        &["search", "10.0.0.1"],
        &["validate"],
        &["fmt", "--check"],
        &["changes"],
        &["repair"],
        &["rebuild"],
        &["uci", "export"],
        &["uci", "show"],
        &["uci", "commit"],
    ] {
        let output = sandbox.run(words);
        let (said, printed) =
            (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout).into_owned());
        let is_fine = output.status.success() || (words[0] == "fmt" && output.status.code() == Some(1));
        assert!(is_fine, "{words:?}: {said}");
        if matches!(words, ["list" | "show" | "export" | "search"] | ["uci", "export" | "show"]) {
            assert!(printed.contains("network"), "{words:?}: {printed}");
        }
        if words[0] != "uci" {
            assert_eq!(warnings(&output, "a_fifo"), 1, "{words:?}: {said}");
        }
    }
    // The commands report a package that cannot be read, and continue.
    std::os::unix::fs::symlink("/proc/self/mem", sandbox.path("config").join("aa_eio")).expect("linked");
    for words in [&["show"][..], &["export"], &["search", "10.0.0.1"], &["uci", "export"], &["uci", "show"]] {
        let output = sandbox.run(words);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(printed.contains("network"), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Runs a copy of the command, which every user can reach, as an ordinary user with directories of his own.
fn as_user(sandbox: &Sandbox, user: u32, words: &[&str]) -> std::process::Output {
    use std::os::unix::process::CommandExt;
    let program = sandbox.path("cms");
    if !program.exists() {
        // Another process copies it, so that no child of another test has it open for writing.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_cms")).arg(&program).status();
        assert!(copied.expect("cp runs").success());
    }
    let home = sandbox.path(&format!("home{user}"));
    if !home.exists() {
        std::fs::create_dir(&home).expect("made");
        std::os::unix::fs::chown(&home, Some(user), Some(user)).expect("given");
    }
    Command::new(program)
        .args(words)
        .env_clear()
        .env("CMS_CONFIG_DIR", sandbox.path("config"))
        .env("CMS_SAVE_DIR", home.join("save"))
        .env("CMS_RUN_DIR", home.join("run"))
        .env("CMS_STATE_DIR", home.join("state"))
        .env("HOME", &home)
        .uid(user)
        .gid(user)
        .output()
        .expect("runs")
}

/// Gives all users access to a sandbox; `false` if the test does not run as root.
fn open_to_all(sandbox: &Sandbox) -> bool {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: it needs root");
        return false;
    }
    let mode =
        |path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    mode(sandbox.path(""), 0o755);
    mode(sandbox.path("config"), 0o777);
    true
}

#[test]
fn x_m6_a_user_commits_beside_a_package_he_may_not_read_and_it_is_noted_by_one_who_may() {
    use std::os::unix::fs::PermissionsExt;
    const USER: u32 = 61_010;
    let sandbox = Sandbox::new();
    if !open_to_all(&sandbox) {
        return;
    }
    sandbox.write("secret", "config a 'b'\n\toption pw 'x'\n");
    let config = sandbox.path("config");
    std::fs::set_permissions(config.join("secret"), std::fs::Permissions::from_mode(0o600)).expect("set");
    std::os::unix::fs::chown(config.join("network"), Some(USER), Some(USER)).expect("given");
    // Root writes to the user's log only if the user owns the configuration (X-M3).
    std::os::unix::fs::chown(&config, Some(USER), Some(USER)).expect("given");
    for (words, wanted) in
        [(&["set", "network.lan.ipaddr=10.0.0.2"][..], "10.0.0.1"), (&["commit", "network"], "10.0.0.2")]
    {
        let output = as_user(&sandbox, USER, words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(sandbox.read("network").contains(wanted));
    }
    let history = as_user(&sandbox, USER, &["history"]);
    let (shown, said) = (String::from_utf8_lossy(&history.stdout), String::from_utf8_lossy(&history.stderr));
    assert!(shown.contains("'10.0.0.1' -> '10.0.0.2'"), "{shown}{said}");
    assert_eq!(warnings(&history, "package secret"), 1, "{said}");
    // Now the user may read the package: his commit logs it, beginning with its present text.
    std::fs::set_permissions(config.join("secret"), std::fs::Permissions::from_mode(0o644)).expect("set");
    std::os::unix::fs::chown(config.join("secret"), Some(USER), Some(USER)).expect("given");
    for words in [&["set", "secret.b.pw=y"][..], &["commit", "secret"]] {
        let output = as_user(&sandbox, USER, words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let history = as_user(&sandbox, USER, &["history", "secret"]);
    let (shown, said) = (String::from_utf8_lossy(&history.stdout), String::from_utf8_lossy(&history.stderr));
    assert!(shown.contains("'x' -> 'y'"), "{shown}{said}");
    let before = as_user(&sandbox, USER, &["get", "--at", "-1", "secret.b.pw"]);
    assert_eq!(String::from_utf8_lossy(&before.stdout), "x\n", "{before:?}");
}

#[test]
fn s15_who_cannot_write_a_log_is_told_once_and_undo_and_confirm_are_refused() {
    const USER: u32 = 61_011;
    let sandbox = Sandbox::new();
    if !open_to_all(&sandbox) {
        return;
    }
    let own =
        |path: std::path::PathBuf| std::os::unix::fs::chown(path, Some(USER), Some(USER)).expect("given");
    own(sandbox.path("config").join("network"));
    sandbox.write("system", "config system 's'\n\toption a '1'\n");
    own(sandbox.path("config").join("system"));
    // Root owns the user's state directory.
    assert!(as_user(&sandbox, USER, &["list"]).status.success());
    std::fs::create_dir(sandbox.path(&format!("home{USER}")).join("state")).expect("made");
    let told = |output: &std::process::Output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines()
            .filter(|line| line.contains("warning: commits are not logged, so there is no history"))
            .count()
    };
    let set = |key: &str| assert!(as_user(&sandbox, USER, &["set", key]).status.success());
    set("network.lan.ipaddr=10.0.0.2");
    set("system.s.a=2");
    let committed = as_user(&sandbox, USER, &["commit"]);
    assert_eq!((committed.status.code(), told(&committed)), (Some(0), 1), "{committed:?}");
    assert!(sandbox.read("network").contains("10.0.0.2"));
    set("network.lan.ipaddr=10.0.0.3");
    let committed = as_user(&sandbox, USER, &["uci", "commit"]);
    assert_eq!((committed.status.code(), told(&committed)), (Some(0), 1), "{committed:?}");
    assert!(sandbox.read("network").contains("10.0.0.3"));
    // Commands that need the log are refused, and change nothing.
    set("network.lan.ipaddr=10.0.0.4");
    for words in [&["commit", "--confirm", "60s"][..], &["undo"], &["undo", "1"], &["rollback", "1"]] {
        let refused = as_user(&sandbox, USER, words);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("cms: "), "{words:?}: {said}");
        assert!(sandbox.read("network").contains("10.0.0.3"), "{words:?}");
    }
    let paths = String::from_utf8(as_user(&sandbox, USER, &["paths"]).stdout).expect("UTF-8");
    assert!(paths.contains("commits are not logged: cannot write to "), "{paths}");
    let status = as_user(&sandbox, USER, &["status"]);
    let shown = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(3));
    assert!(shown.contains("state directory: cannot write to ") && shown.contains("no undo"), "{shown}");
    let json = as_user(&sandbox, USER, &["status", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["ok"], false);
    assert_eq!(json["problems"][0]["what"], "state directory");
}

#[test]
fn s15_a_user_has_history_and_undo_of_his_own_where_a_directory_can_be_made() {
    use std::os::unix::process::CommandExt;
    const USER: u32 = 61_012;
    let sandbox = Sandbox::new();
    if !open_to_all(&sandbox) {
        return;
    }
    std::os::unix::fs::chown(sandbox.path("config").join("network"), Some(USER), Some(USER)).expect("given");
    assert!(as_user(&sandbox, USER, &["list"]).status.success());
    let home = sandbox.path(&format!("home{USER}"));
    let run = |words: &[&str]| {
        let output = Command::new(sandbox.path("cms"))
            .args(words)
            .env_clear()
            .env("CMS_CONFIG_DIR", sandbox.path("config"))
            .env("CMS_SAVE_DIR", home.join("save"))
            .env("CMS_RUN_DIR", home.join("run"))
            .env("HOME", &home)
            .uid(USER)
            .gid(USER)
            .output()
            .expect("runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!String::from_utf8_lossy(&output.stderr).contains("not logged"));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    run(&["set", "network.lan.ipaddr=10.0.0.2"]);
    run(&["commit"]);
    assert!(run(&["history"]).contains("'10.0.0.1' -> '10.0.0.2'"));
    run(&["undo"]);
    assert!(sandbox.read("network").contains("10.0.0.1"));
    assert!(run(&["status"]).starts_with("in order, at revision "));
    assert!(home.join(".local/state/cms").is_dir());
}

#[test]
fn status_says_which_packages_have_errors_and_what_waits() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2"]);
    sandbox.ok(&["commit", "--confirm", "600s"]);
    let status = sandbox.ok(&["status"]);
    assert!(
        status.contains("pending: transaction ") && status.contains(" s left to be confirmed"),
        "{status}"
    );
    sandbox.ok(&["confirm"]);
    sandbox.write("bad", "config a 'b'\n\toption 'x\n");
    let status = sandbox.run(&["status", "--json"]);
    assert_eq!(status.status.code(), Some(3));
    let json: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(
        (&json["pending"], &json["problems"][0]["package"]),
        (&serde_json::Value::Null, &"bad".into())
    );
    assert_eq!(json["problems"][0]["line"], 2);
}

#[test]
fn a6_a_user_whose_commit_changes_the_owner_is_told() {
    use std::os::unix::fs::MetadataExt;
    const USER: u32 = 61_014;
    let sandbox = Sandbox::new();
    if !open_to_all(&sandbox) {
        return;
    }
    let network = sandbox.path("config").join("network");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&network, open).expect("set");
    let commit = |value: &str| {
        let output = as_user(&sandbox, USER, &["set", &format!("network.lan.ipaddr={value}"), "--commit"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).expect("text")
    };
    let said = commit("10.0.0.2");
    assert!(said.contains("network now belongs to user 61014, no longer to user 0"), "{said}");
    assert_eq!(std::fs::metadata(&network).expect("there").uid(), USER);
    // Now he owns the directory.
    assert!(!commit("10.0.0.3").contains("belongs to user"));
    // Root does not use it.
    let output = sandbox.run(&["set", "network.lan.ipaddr=10.0.0.4", "--commit"]);
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("belongs to user"));
    assert_eq!(std::fs::metadata(&network).expect("there").uid(), USER);
}
