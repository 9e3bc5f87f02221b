//! Staged changes, and the commands that stage and commit them.

mod conflicts;
mod odd_values;

use std::process::Output;

use crate::support::fixture::Fixture;
use crate::support::sandbox::Sandbox;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A store with a second package, and a verifier that refuses each transaction that changes `system`.
struct Guarded(Sandbox, std::process::Child);

impl Guarded {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("system", "config system 's'\n\toption hostname 'one'\n");
        Self::running(sandbox, "echo not today >&2; [ \"$CMS_KEY\" = \"${CMS_KEY#system}\" ]")
    }

    /// Starts a verifier that is a script.
    fn running(sandbox: Sandbox, script: &str) -> Self {
        let verifier = sandbox
            .command()
            .args(["verify", "system network.lan.big", "--", "sh", "-c", script])
            .spawn()
            .expect("cms runs");
        let guarded = Self(sandbox, verifier);
        let verifiers = guarded.0.path("run").join("verifiers");
        for _ in 0..500 {
            let sockets = std::fs::read_dir(&verifiers)
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|dir| std::fs::read_dir(dir.path()).ok())
                .flatten()
                .flatten();
            if sockets.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".socket")) {
                return guarded;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("the verifier did not start");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.1.kill();
        let _ = self.1.wait();
    }
}

/// Replaces text in a package file, as an editor does.
fn edit(sandbox: &Sandbox, package: &str, from: &str, to: &str) {
    let text = sandbox.read(package);
    assert!(text.contains(from), "{text}");
    sandbox.write(package, &text.replace(from, to));
}

#[test]
fn s7_a_commit_option_that_is_refused_leaves_nothing_staged() {
    let guarded = Guarded::new();
    let sandbox = &guarded.0;
    let before = sandbox.read("system");
    for words in [
        &["set", "--commit", "system.s.hostname=bad"][..],
        &["add", "--commit", "system", "timeserver"],
        &["add_list", "--commit", "system.s.hosts=bad"],
        &["delete", "--commit", "system.s.hostname"],
        &["rename", "--commit", "system.s=t"],
        &["ensure", "system.s.hostname=bad"],
    ] {
        let why = sandbox.fails(9, words);
        assert!(why.contains("not today"), "{words:?}: {why}");
        assert_eq!(sandbox.ok(&["changes"]), "", "{words:?}");
        assert_eq!(sandbox.ok(&["get", "system.s.hostname"]), "one\n", "{words:?}");
        assert_eq!(sandbox.read("system"), before, "{words:?}");
    }
    let output = sandbox.fed(
        &["import", "--merge", "--commit"],
        "package system\nconfig system 's'\n\toption hostname bad\n",
    );
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    assert_eq!((sandbox.ok(&["changes"]), sandbox.read("system")), (String::new(), before));
}

#[test]
fn s7_a_commit_option_that_times_out_leaves_nothing_staged() {
    use std::os::fd::AsRawFd;
    let sandbox = Sandbox::new();
    let file = std::fs::File::open(sandbox.path("config").join("network")).expect("opens");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    assert!(file.as_raw_fd() > 0);
    sandbox.fails(8, &["--lock-timeout", "0.2", "set", "--commit", "network.lan.mtu=1400"]);
    drop(file);
    assert_eq!(sandbox.ok(&["changes"]), "");
    sandbox.fails(1, &["get", "network.lan.mtu"]);
}

#[test]
fn s7_a_commit_option_commits_its_own_changes_and_no_others() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.mtu=1400", "network.lan.ipaddr=10.0.0.8"]);
    sandbox.ok(&["set", "network.guest=interface"]);
    let output = sandbox.run(&["set", "--commit", "network.lan.ipaddr=10.0.0.9"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("network.lan.ipaddr='10.0.0.8'") && said(&output).contains("stays staged"),
        "a staged change of the same key is reported: {}",
        said(&output)
    );
    let text = sandbox.read("network");
    assert!(text.contains("ipaddr '10.0.0.9'") && !text.contains("mtu") && !text.contains("guest"), "{text}");
    let staged = "network.lan.mtu='1400'\nnetwork.lan.ipaddr='10.0.0.8'\nnetwork.guest='interface'\n";
    assert_eq!(sandbox.ok(&["changes"]), staged);
    // A change that is committed alone cannot use a section that is only staged.
    let why = sandbox.fails(1, &["set", "--commit", "network.guest.proto=dhcp"]);
    assert!(why.contains("network.guest: not found, it is staged"), "{why}");
    let why = sandbox.fails(1, &["delete", "--commit", "network.lan.mtu"]);
    assert!(why.contains("network.lan.mtu: not found, it is staged"), "{why}");
    assert_eq!(sandbox.ok(&["changes"]), staged);
    // With `--with-staged`, the commit includes the staged changes.
    sandbox.fails(5, &["set", "--commit", "--with-staged", "network.guest.proto=dhcp"]);
    sandbox.ok(&["revert", "network.lan.ipaddr"]);
    sandbox.ok(&["set", "--commit", "--with-staged", "network.guest.proto=dhcp"]);
    let text = sandbox.read("network");
    assert!(text.contains("mtu '1400'") && text.contains("ipaddr '10.0.0.9'"), "{text}");
    assert!(text.contains("interface 'guest'\n\toption proto 'dhcp'"), "{text}");
    assert_eq!(sandbox.ok(&["changes"]), "");
    sandbox.fails(2, &["set", "--with-staged", "network.lan.mtu=1"]);
}

#[test]
fn s7_ensure_compares_with_what_is_committed_and_takes_nothing_along() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.mtu=1400", "network.lan.other=1"]);
    assert_eq!(sandbox.ok(&["ensure", "network.lan.mtu=1400"]), "changed network.lan.mtu\n");
    let text = sandbox.read("network");
    assert!(text.contains("mtu '1400'") && !text.contains("other"), "{text}");
    assert_eq!(sandbox.ok(&["ensure", "network.lan.mtu=1400"]), "unchanged network.lan.mtu\n");
    assert_eq!(sandbox.ok(&["changes"]), "network.lan.mtu='1400'\nnetwork.lan.other='1'\n");
    assert_eq!(
        sandbox.ok(&["ensure", "--with-staged", "network.lan.mtu=1400"]),
        "unchanged network.lan.mtu\n"
    );
    assert!(sandbox.read("network").contains("other '1'"));
}

#[test]
fn s8_a_commit_option_over_two_packages_is_one_transaction() {
    let guarded = Guarded::new();
    let sandbox = &guarded.0;
    let state = || (sandbox.read("network"), sandbox.read("system"), sandbox.ok(&["changes"]));
    let before = state();
    for words in [
        &["set", "--commit", "network.lan.mtu=1400", "system.s.hostname=bad"][..],
        &["delete", "--commit", "network.lan.ipaddr", "system.s.hostname"],
        &["ensure", "network.lan.mtu=1400", "system.s.hostname=bad"],
    ] {
        sandbox.fails(9, words);
        assert_eq!(state(), before, "{words:?}");
    }
    sandbox.write("other", "config o 'o'\n");
    sandbox.ok(&["set", "--commit", "network.lan.mtu=1400", "other.o.x=1"]);
    let history = sandbox.ok(&["history", "--number", "1"]);
    assert!(history.contains("network.lan.mtu") && history.contains("other.o.x"), "{history}");
}

/// Runs a test of this program in another process, and waits until no process has its output open any more.
#[test]
fn m19_a_test_that_kills_a_verifier_leaves_no_process_that_holds_its_output() {
    let started = std::time::Instant::now();
    let test = "verify::commands::a_verifier_that_is_killed_while_it_is_asked_has_refused_once_and_one_that_hangs_is_named";
    let output = std::process::Command::new(std::env::current_exe().expect("has a path"))
        .args(["--exact", test])
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
}

fn number_of_transactions(sandbox: &Sandbox) -> usize {
    sandbox.ok(&["history"]).lines().filter(|line| !line.starts_with(' ')).count()
}

#[test]
fn s9_the_options_of_a_commit_line_count_for_the_batch() {
    let sandbox = Sandbox::new();
    let output = sandbox.fed(&["batch"], "set network.lan.mtu=1400\ncommit --confirm 1h\n");
    assert!(output.status.success() && said(&output).contains("unless it is confirmed"), "{}", said(&output));
    sandbox.ok(&["pending"]);
    sandbox.ok(&["confirm"]);
    let output = sandbox.fed(&["batch"], "commit --canonical -m 'in order'\nset network.lan.mtu=1401\n");
    assert!(output.status.success(), "{}", said(&output));
    assert!(!sandbox.read("network").contains('#'), "in canonical form there are no comments");
    assert!(sandbox.ok(&["history", "--number", "1"]).contains("in order"));
}

#[test]
fn s9_options_that_a_batch_cannot_honour_are_refused_with_the_line() {
    let sandbox = Sandbox::new();
    let before = sandbox.read("network");
    for (wrong, why) in [
        ("set network.lan.mtu=1\ncommit --check\n", "--check"),
        ("set network.lan.mtu=1\ncommit --lock-timeout 1\n", "--lock-timeout is for the whole batch"),
        ("set network.lan.mtu=1\ncommit --confirm soon\n", "'soon' is not a time"),
        ("commit --confirm 1h\ncommit --confirm 2h\nset network.lan.mtu=1\n", "another time to confirm"),
    ] {
        let output = sandbox.fed(&["batch"], wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", said(&output));
        assert!(said(&output).contains(why), "{wrong}: {}", said(&output));
        assert!(said(&output).contains("standard input: line 2 failed, so nothing is changed"), "{wrong}");
        assert_eq!((sandbox.read("network"), sandbox.ok(&["changes"])), (before.clone(), String::new()));
    }
    assert!(!sandbox.path("state").exists() || number_of_transactions(&sandbox) == 0);
}

#[test]
fn m17_no_line_of_a_batch_has_a_time_of_its_own() {
    let sandbox = Sandbox::new();
    for option in ["--verify-timeout", "--lock-timeout"] {
        let output = sandbox.fed(&["batch"], &format!("set {option} 1 network.lan.mtu=1\n"));
        assert_eq!(output.status.code(), Some(2), "{option}: {}", said(&output));
        assert!(said(&output).contains(&format!("{option} is for the whole batch")), "{}", said(&output));
        let whole = sandbox.fed(&["batch", option, "1"], "set network.lan.mtu=1\n");
        assert!(whole.status.success(), "{}", said(&whole));
        let each = sandbox.fed(&["batch", "--no-transaction"], &format!("get {option} 1 network.lan.mtu\n"));
        assert!(each.status.success(), "{}", said(&each));
    }
}

#[test]
fn x_m13_staged_changes_that_cannot_be_read_are_an_error_and_not_none() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.3"]);
    let file = std::fs::File::open(sandbox.path("save").join("network")).expect("opens");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    for words in [
        &["get", "network.lan.ipaddr"][..],
        &["changes"],
        &["show", "network"],
        &["diff", "network"],
        &["export", "network"],
        &["commit", "--check"],
    ] {
        let why = sandbox.fails(8, &[&["--lock-timeout", "0.2"][..], words].concat());
        let holder = format!("locked by process {}", std::process::id());
        assert!(why.contains(&holder), "{words:?}: {why}");
    }
    drop(file);
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.3\n");
}

#[test]
fn s20_delete_with_a_value_deletes_only_what_has_that_value() {
    let sandbox = Sandbox::new();
    for (argument, why) in [
        ("network.lan=foo", "it is 'interface'"),
        ("network.lan.ipaddr=dhcp", "it is '10.0.0.1'"),
        ("network.lan.ipaddr=", "it is '10.0.0.1'"),
        ("network.lan.ipaddr=0", "it is '10.0.0.1'"),
        ("network.lan.dns=9", "not found"),
    ] {
        for options in [&[][..], &["--commit"]] {
            let said = sandbox.fails(1, &[&["delete"], options, &[argument]].concat());
            assert!(said.contains(why), "{argument}: {said}");
        }
    }
    assert_eq!((sandbox.ok(&["changes"]), sandbox.path("state").exists()), (String::new(), false));
    sandbox.ok(&["delete", "network.lan.dns=1"]);
    assert_eq!(sandbox.ok(&["get", "network.lan.dns"]), "a\n");
    sandbox.ok(&["delete", "network.lan.ipaddr=10.0.0.1"]);
    sandbox.ok(&["delete", "network.lan=interface"]);
    sandbox.ok(&["commit"]);
    sandbox.fails(1, &["get", "network.lan"]);
}

#[test]
fn m13_a_section_that_is_set_or_added_creates_its_package() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "fresh.a=kind"]);
    sandbox.ok(&["set", "fresh.a.x=1"]);
    let name = sandbox.ok(&["add", "other", "kind", "y=2"]);
    // The change is staged like any other.
    assert!(!sandbox.path("config/fresh").exists());
    let staged = format!("fresh.a='kind'\nfresh.a.x='1'\n+other.{0}='kind'\nother.{0}.y='2'\n", name.trim());
    assert_eq!(sandbox.ok(&["changes"]), staged);
    assert_eq!(sandbox.ok(&["get", "fresh.a.x", "other.@kind[0].y"]), "1\n2\n");
    assert_eq!(sandbox.ok(&["list"]), "fresh\nnetwork\nother\n");
    assert!(
        sandbox.run(&["diff"]).stdout.windows(12).any(|part| part == b"+config kind"),
        "it is a difference"
    );
    sandbox.ok(&["revert", "other"]);
    sandbox.ok(&["commit"]);
    assert_eq!(sandbox.read("fresh"), "config kind 'a'\n\toption x '1'\n");
    assert_eq!((sandbox.ok(&["changes"]), sandbox.path("config/other").exists()), (String::new(), false));
    // By a commit at once, over old and new packages, in a batch, and by an import.
    sandbox.ok(&["set", "--commit", "third.a=kind", "network.lan.mtu=1400"]);
    let output = sandbox.fed(&["batch"], "set fourth.a=kind\nset fourth.a.x=1\nget fourth.a.x\n");
    assert!(output.status.success(), "{}", said(&output));
    let output = sandbox.fed(&["import", "--merge", "--commit"], "package fifth\nconfig kind 'a'\n");
    assert!(output.status.success(), "{}", said(&output));
    for package in ["third", "fourth", "fifth"] {
        assert!(sandbox.read(package).starts_with("config kind 'a'\n"), "{package}");
    }
    // An entry that only looks like a package, or a change that any package would refuse, creates nothing.
    for (code, words) in [
        (1, &["set", "sixth.a.x=1"][..]),
        (1, &["delete", "sixth.a"]),
        (1, &["add_list", "sixth.a.x=1"]),
        (1, &["get", "sixth.a"]),
        (1, &["changes", "sixth"]),
        (1, &["commit", "sixth"]),
        (3, &["set", "sixth.a=two words"]),
        (1, &["set", "si/xth.a=kind"]),
    ] {
        let output = sandbox.run(words);
        assert!(
            [Some(code), Some(1), Some(3)].contains(&output.status.code()),
            "{words:?}: {}",
            said(&output)
        );
    }
    assert_eq!(sandbox.ok(&["list"]), "fifth\nfourth\nfresh\nnetwork\nthird\n");
    assert_eq!(sandbox.ok(&["changes"]), "");
}

#[test]
fn m13_uci_creates_no_package() {
    let sandbox = Sandbox::new();
    for words in
        [&["uci", "set", "fresh.a=kind"][..], &["uci", "add", "fresh", "kind"], &["uci", "commit", "fresh"]]
    {
        assert!(!sandbox.run(words).status.success(), "{words:?}");
    }
    assert!(!sandbox.path("config/fresh").exists() && !sandbox.path("save/fresh").exists());
}

#[test]
fn m13_a_transaction_creates_packages() {
    let fixture = Fixture::new(&[("network", "config interface 'lan'\n\toption mtu '1'\n")]);
    for durability in [cms::Durability::Full, cms::Durability::Log, cms::Durability::None] {
        let live = cms::Store::open(fixture.options().durability(durability)).expect("opens");
        let package = format!("new_{durability:?}").to_lowercase();
        let key = |rest: &str| format!("{package}{rest}").into_bytes();
        let mut transaction = live.begin().expect("begins");
        assert!(transaction.set(&key(".a.x"), b"1").is_err(), "there is no section to set an option in");
        transaction.set(&key(".a"), b"kind").expect("a section makes a package");
        transaction.set(&key(".a.x"), b"1").expect("set");
        transaction.add_section(package.as_bytes(), b"kind").expect("added");
        transaction.set(b"network.lan.mtu", package.as_bytes()).expect("set");
        let revision = transaction.commit().expect("committed");
        assert_eq!(revision, live.engine().history().revision().expect("logged"));
        live.flush().expect("in place");
        assert_eq!(fixture.text(&package), "config kind 'a'\n\toption x '1'\n\nconfig kind\n");
        let read = live.get(&key(".a.x"), |value| value.items().map(<[u8]>::to_vec).collect::<Vec<_>>());
        assert_eq!(read.expect("readable"), Some(vec![b"1".to_vec()]));
        // After the undo, the package does not exist again, or is empty.
        let mut other = live.begin().expect("begins");
        other.add_section(&key("_2"), b"kind").expect("added");
        drop(other);
        assert!(!fixture.path("config").join(format!("{package}_2")).exists());
    }
}
