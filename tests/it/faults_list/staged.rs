//! Staged changes, and the commands that stage and commit them.

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
    // What is only staged cannot be changed by what is committed without it.
    let why = sandbox.fails(1, &["set", "--commit", "network.guest.proto=dhcp"]);
    assert!(why.contains("network.guest: not found, it is staged"), "{why}");
    let why = sandbox.fails(1, &["delete", "--commit", "network.lan.mtu"]);
    assert!(why.contains("network.lan.mtu: not found, it is staged"), "{why}");
    assert_eq!(sandbox.ok(&["changes"]), staged);
    // Told so, it takes what is staged along.
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

/// Runs a test of this program in a process of its own, and waits until nobody holds its output any more.
#[test]
fn m19_a_test_that_kills_a_verifier_leaves_no_process_that_holds_its_output() {
    let started = std::time::Instant::now();
    let test =
        "verify::a_verifier_that_is_killed_while_it_is_asked_has_refused_once_and_one_that_hangs_is_named";
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
        ("set network.lan.mtu=1\ncommit --confirm soon\n", "'soon' is no time"),
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

/// Replaces text in a package file, as an editor does.
fn edit(sandbox: &Sandbox, package: &str, from: &str, to: &str) {
    let text = sandbox.read(package);
    assert!(text.contains(from), "{text}");
    sandbox.write(package, &text.replace(from, to));
}

#[test]
fn s23_a_hand_edit_between_set_and_commit_is_a_conflict() {
    let sandbox = Sandbox::new();
    sandbox.write("system", "config system 's'\n\toption hostname 'one'\n");
    sandbox.ok(&["set", "--commit", "network.lan.mtu=1400"]);
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.3", "system.s.hostname=two"]);
    edit(&sandbox, "network", "10.0.0.1", "10.0.0.4");
    let state = || (sandbox.read("network"), sandbox.read("system"), sandbox.ok(&["changes"]));
    let before = state();
    for words in [&["commit"][..], &["commit", "--check"], &["commit", "network", "system"]] {
        let why = sandbox.fails(5, words);
        for part in ["network.lan.ipaddr", "'10.0.0.1'", "'10.0.0.3'", "'10.0.0.4'", "user 0"] {
            assert!(why.contains(part), "{words:?}: {part}: {why}");
        }
        assert!(words.contains(&"--check") || why.contains("through file-edit"), "{why}");
        assert_eq!(state(), before, "{words:?}: all packages are refused together");
    }
    let output = sandbox.fed(&["batch"], "set system.s.zone=UTC\ncommit\n");
    assert_eq!((output.status.code(), state()), (Some(5), before), "{}", said(&output));
    sandbox.ok(&["commit", "--force"]);
    assert!(sandbox.read("network").contains("10.0.0.3") && sandbox.read("system").contains("two"));
    assert_eq!(sandbox.ok(&["changes"]), "");
    assert!(!sandbox.path("save").join(".network.base").exists());
}

#[test]
fn s23_a_commit_by_another_between_set_and_commit_is_a_conflict_that_names_him() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.3"]);
    sandbox.ok(&["--source", "other-program", "set", "--commit", "network.lan.ipaddr=10.0.0.4"]);
    let why = sandbox.fails(5, &["commit"]);
    assert!(why.contains("user 0 through other-program") && why.contains("(transaction "), "{why}");
    // Once the other value is that of the base or the staged one, nothing is in the way.
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.1"]);
    sandbox.ok(&["commit", "--check"]);
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.3"]);
    sandbox.ok(&["commit"]);
    assert_eq!(sandbox.ok(&["changes"]), "");
}

#[test]
fn s23_a_second_set_keeps_the_first_base_and_a_revert_drops_it() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.3"]);
    edit(&sandbox, "network", "10.0.0.1", "10.0.0.4");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.5"]);
    assert!(sandbox.fails(5, &["commit"]).contains("'10.0.0.1'"));
    sandbox.ok(&["revert", "network.lan.ipaddr"]);
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.3"]);
    sandbox.ok(&["commit"]);
    assert!(sandbox.read("network").contains("10.0.0.3"));
}

#[test]
fn s23_items_and_added_sections_are_no_conflict_and_a_changed_section_is_not_deleted() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add_list", "network.lan.dns=new"]);
    sandbox.ok(&["del_list", "network.lan.dns=a"]);
    sandbox.ok(&["add", "network", "rule", "name=mine"]);
    edit(&sandbox, "network", "list dns 'a'", "list dns 'a'\n\tlist dns 'theirs'");
    sandbox.write("network", &format!("{}\nconfig rule\n\toption name 'theirs'\n", sandbox.read("network")));
    sandbox.ok(&["commit"]);
    assert_eq!(sandbox.ok(&["get", "network.lan.dns"]), "theirs b c new\n");
    assert_eq!(sandbox.ok(&["get", "network.@rule[-2].name", "network.@rule[-1].name"]), "theirs\nmine\n");
    sandbox.ok(&["delete", "network.lan"]);
    edit(&sandbox, "network", "10.0.0.1", "10.0.0.4");
    assert!(sandbox.fails(5, &["commit"]).contains("network.lan.ipaddr"));
    sandbox.ok(&["commit", "--force"]);
    sandbox.fails(1, &["get", "network.lan"]);
}

#[test]
fn s23_what_uci_has_staged_is_not_checked_and_uci_checks_nothing() {
    let sandbox = Sandbox::new();
    let uci = |words: &[&str]| {
        let (config, save) = (sandbox.path("config"), sandbox.path("save"));
        let dirs = ["-c", config.to_str().expect("UTF-8"), "-t", save.to_str().expect("UTF-8")];
        let output = sandbox.command().arg("uci").args(dirs).args(words).output().expect("runs");
        assert!(output.status.success(), "{words:?}: {}", said(&output));
    };
    // A change by uci has no base, also between those of cms.
    sandbox.ok(&["set", "network.lan.mtu=1400"]);
    uci(&["set", "network.lan.ipaddr=10.0.0.3"]);
    edit(&sandbox, "network", "10.0.0.1", "10.0.0.4");
    sandbox.ok(&["commit"]);
    assert!(sandbox.read("network").contains("10.0.0.3"));
    // Its commit does not look at bases, and those it leaves are not taken for those of later lines.
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.5"]);
    edit(&sandbox, "network", "10.0.0.3", "10.0.0.6");
    uci(&["commit", "network"]);
    assert!(sandbox.read("network").contains("10.0.0.5"));
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.7"]);
    sandbox.ok(&["commit"]);
    assert!(sandbox.read("network").contains("10.0.0.7"));
    // Stock uci writes the lines that stay anew, which keeps their bases.
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.8", "network.lan.mtu=1300"]);
    uci(&["revert", "network.lan.mtu"]);
    edit(&sandbox, "network", "10.0.0.7", "10.0.0.9");
    sandbox.fails(5, &["commit"]);
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
    // It is staged like any other change.
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
    // At once, over packages old and new, in a batch, and by an import.
    sandbox.ok(&["set", "--commit", "third.a=kind", "network.lan.mtu=1400"]);
    let output = sandbox.fed(&["batch"], "set fourth.a=kind\nset fourth.a.x=1\nget fourth.a.x\n");
    assert!(output.status.success(), "{}", said(&output));
    let output = sandbox.fed(&["import", "--merge", "--commit"], "package fifth\nconfig kind a\n");
    assert!(output.status.success(), "{}", said(&output));
    for package in ["third", "fourth", "fifth"] {
        assert!(sandbox.read(package).starts_with("config kind 'a'\n"), "{package}");
    }
    // Nothing is created by what only looks like a package, or would be refused in any.
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
        let live = cms::Store::open(cms::Options { durability, ..fixture.options() }).expect("opens");
        let package = format!("new_{durability:?}").to_lowercase();
        let key = |rest: &str| format!("{package}{rest}").into_bytes();
        let mut transaction = live.begin().expect("begins");
        assert!(transaction.set(&key(".a.x"), b"1").is_err(), "there is no section to set an option in");
        transaction.set(&key(".a"), b"kind").expect("a section makes a package");
        transaction.set(&key(".a.x"), b"1").expect("set");
        transaction.add_section(package.as_bytes(), b"kind").expect("added");
        transaction.set(b"network.lan.mtu", package.as_bytes()).expect("set");
        let revision = transaction.commit().expect("committed");
        assert_eq!(revision, live.engine().revision().expect("logged"));
        live.flush().expect("in place");
        assert_eq!(fixture.text(&package), "config kind 'a'\n\toption x '1'\n\nconfig kind\n");
        let read = live.get(&key(".a.x"), |value| value.items().map(<[u8]>::to_vec).collect::<Vec<_>>());
        assert_eq!(read.expect("readable"), Some(vec![b"1".to_vec()]));
        // Taken back, there is none again, or an empty one.
        let mut other = live.begin().expect("begins");
        other.add_section(&key("_2"), b"kind").expect("added");
        drop(other);
        assert!(!fixture.path("config").join(format!("{package}_2")).exists());
    }
}

#[test]
fn m10_x_l10_nothing_that_is_shown_to_people_forges_lines_or_reaches_the_terminal() {
    let sandbox = Sandbox::new();
    let evil = "x'\n9 2026-11-21 08:02:00Z root: forged\t\u{1b}[31m\u{200b}\\";
    std::fs::write(sandbox.path("value"), evil.replace('\u{1b}', "")).expect("written");
    let value = sandbox.path("value").display().to_string();
    sandbox.ok(&["--source", evil, "-m", evil, "set", "--commit", "--from-file", &value, "network.lan.note"]);
    // Escape sequences come by hand edits only.
    edit(&sandbox, "network", "ping", "pi\u{1b}[31mng");
    sandbox.ok(&["snapshot", "label"]);
    sandbox.ok(&["set", "--from-file", &value, "network.lan.other"]);
    sandbox.write("broken", "config a b\n\toption \u{1b}[31m\u{200b}x\n");
    let watch = sandbox.run(&["watch", "--since", "1", "--count", "2", "--timeout", "5"]);
    let mut shown = vec![("watch", watch.stdout)];
    for words in [
        &["history"][..],
        &["changes"],
        &["diff"],
        &["diff", "--keys"],
        &["diff", "1", "now"],
        &["blame", "network"],
        &["snapshots"],
        &["search", "forged"],
        &["validate", "broken"],
        &["get", "a\nforged\u{1b}.b.c"],
        &["set", "network.lan.x=\u{1b}\nforged"],
    ] {
        let output = sandbox.run(words);
        shown.push((words[0], [output.stdout, output.stderr].concat()));
    }
    for (what, shown) in shown {
        let text = String::from_utf8_lossy(&shown).into_owned();
        assert!(!text.is_empty(), "{what}");
        assert!(!text.contains(['\u{1b}', '\u{200b}', '\u{fffd}']), "{what}: {text:?}");
        let forged = |line: &str| line.starts_with("9 2026") || line.starts_with("forged");
        assert!(!text.lines().any(forged), "{what}: {text}");
    }
    let history = sandbox.ok(&["history"]);
    assert!(history.contains(r"$'x\'\n9 2026-11-21 08:02:00Z root: forged\t[31m\u200b\\'"), "{history}");
    // A program gets what there is.
    let json = sandbox.ok(&["--json", "history", "network.lan.note"]);
    assert!(json.contains(r"forged\t[31m"), "{json}");
}

#[test]
fn m20_a_byte_order_mark_is_skipped_and_kept_and_what_cannot_be_seen_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("system", "\u{feff}config system 's'\n\toption hostname 'one'\n");
    assert_eq!(sandbox.ok(&["get", "system.s.hostname"]), "one\n");
    sandbox.ok(&["set", "--commit", "system.s.hostname=two", "system.t=timeserver"]);
    let text = sandbox.read("system");
    assert_eq!(text, "\u{feff}config system 's'\n\toption hostname 'two'\n\nconfig timeserver 't'\n");
    sandbox.ok(&["fmt", "system"]);
    assert_eq!(sandbox.read("system"), text);
    sandbox.ok(&["validate", "system"]);
    sandbox.write("other", "\u{feff}");
    sandbox.ok(&["set", "--commit", "other.a=b"]);
    assert_eq!(sandbox.ok(&["get", "other.a"]), "b\n");
    for (text, name) in [("config a b\n\u{feff}config c d\n", "\\ufeff"), ("\u{200b}config a b\n", "\\u200b")]
    {
        sandbox.write("broken", text);
        let why = sandbox.fails(3, &["validate", "broken"]);
        assert!(why.contains(name), "{why}");
    }
}

/// Reads a value as a program does that keeps the store open.
fn reads(sandbox: &Sandbox, key: &str) -> bool {
    let dirs = cms::Dirs::choose(cms::DirOptions {
        config: Some(sandbox.path("config")),
        save: Some(sandbox.path("save")),
        run: Some(sandbox.path("run")),
        state: Some(sandbox.path("state")),
    });
    let live = cms::Store::open(cms::Options { dirs, ..cms::Options::default() }).expect("opens");
    live.get(key.as_bytes(), |_| ()).is_ok_and(|found| found.is_some())
}

#[test]
fn x_m9_a_list_of_4_mib_is_refused_on_every_way_in() {
    let sandbox = Sandbox::new();
    let big = sandbox.path("big");
    let item = "x".repeat(1_500_000);
    let line = format!("add_list network.lan.l={item}\n");
    let commit = || sandbox.run(&["commit", "network"]);
    for _ in 0..2 {
        assert!(sandbox.fed(&["batch"], &line).status.success());
    }
    let before = sandbox.read("network");
    assert!(sandbox.fed(&["batch"], &line).status.code() == Some(3));
    // What others have staged counts as well.
    let staged = format!("|network.lan.l='{item}'\n");
    std::fs::create_dir_all(sandbox.path("save")).expect("made");
    std::fs::write(sandbox.path("save/network"), &staged).expect("written");
    assert_eq!(commit().status.code(), Some(3));
    let uci = ["uci", "-c", "CONFIG", "-t", "SAVE", "commit", "network"].map(|word| match word {
        "CONFIG" => sandbox.path("config").display().to_string(),
        "SAVE" => sandbox.path("save").display().to_string(),
        word => word.to_owned(),
    });
    assert_eq!(sandbox.run(&uci).status.code(), Some(1));
    assert_eq!(
        std::fs::read_to_string(sandbox.path("save/network")).expect("there"),
        staged,
        "it stays staged"
    );
    std::fs::remove_file(sandbox.path("save/network")).expect("removed");
    // An import, with and without what is there.
    let list = format!("\tlist l '{item}'\n");
    std::fs::write(&big, format!("package network\nconfig interface lan\n{}", list.repeat(3)))
        .expect("written");
    let big = big.display().to_string();
    sandbox.fails(3, &["import", &big]);
    sandbox.fails(3, &["import", "--merge", "--commit", &big]);
    let json = format!(r#"{{"network":{{"lan":{{".type":"interface","l":["{item}","{item}","{item}"]}}}}}}"#);
    assert_eq!(sandbox.fed(&["import"], &json).status.code(), Some(3));
    assert!(sandbox.read("network") == before && reads(&sandbox, "network.lan.ipaddr"));
}

#[test]
fn m8_a_json_import_keeps_numbers_digit_by_digit_and_drops_nothing_in_silence() {
    let sandbox = Sandbox::new();
    let json = r#"{"n":{"a":{".type":"t","big":12345678901234567890123,"two":1.50,"small":1e-7,"list":[1.0,-0,true]}}}"#;
    assert!(sandbox.fed(&["import"], json).status.success());
    assert_eq!(
        sandbox.ok(&["show", "n"]),
        "n.a=t\nn.a.big='12345678901234567890123'\nn.a.two='1.50'\nn.a.small='1e-7'\nn.a.list='1.0' '-0' 'true'\n"
    );
    let before = sandbox.read("n");
    for (json, path) in [
        (r#"{"n":{"a":{".type":"t","b":[]}}}"#, "JSON: n.a.b: UCI has no empty lists"),
        (r#"{"n":{"a":{".type":"t","b":null}}}"#, "JSON: n.a.b: UCI has no null"),
        (r#"{"n":{"a":{".type":"t","b":""}}}"#, "JSON: n.a.b: UCI has no empty values"),
        (r#"{"n":{"a":{".type":"t","b":[null]}}}"#, "JSON: n.a.b: UCI has no null"),
        (r#"{"n":{"a":{".type":"t",".anonymous":1}}}"#, "JSON: n.a: "),
    ] {
        let output = sandbox.fed(&["import"], json);
        assert_eq!(output.status.code(), Some(3), "{json}");
        assert!(said(&output).contains(path), "{json}: {}", said(&output));
        assert_eq!(sandbox.read("n"), before, "{json}");
    }
}

#[test]
fn m2_x_l5_a_value_of_128_kib_is_left_out_of_the_environment_and_stops_nothing() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("big");
    std::fs::write(&file, "v".repeat(200_000)).expect("written");
    let big = file.display().to_string();
    let script = "printf '%s|%s|%s|' \"$CMS_KEY\" \"$CMS_LEFT_OUT\" \"${#CMS_NEW}\"; wc -c";
    sandbox.ok(&["set", "--commit", "network.lan.small=1"]);
    sandbox.ok(&["set", "--from-file", &big, "network.lan.big"]);
    sandbox.ok(&["set", "network.lan.small=2"]);
    sandbox.ok(&["commit"]);
    let words = ["watch", "network", "--since", "2", "--count", "1", "--timeout", "9", "--exec", script];
    let output = sandbox.run(&words);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{:?} {told} {}", output.status, said(&output));
    let of = |key: &str| told.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    assert!(of("network.lan.big").starts_with("network.lan.big|CMS_NEW|0|"), "{told}");
    let read: usize =
        of("network.lan.big").rsplit('|').next().unwrap_or_default().trim().parse().unwrap_or(0);
    assert!(read > 200_000, "standard input has it: {told}");
    assert!(of("network.lan.small").starts_with("network.lan.small||1|"), "{told}");
    // A program that is started with values, and a command that verifies them.
    let script = "echo \"${#network_lan_big} $network_lan_small $CMS_LEFT_OUT\"";
    let words = ["run", "--watch", "network", "--env", "network.lan", "--", "sh", "-c", script];
    assert_eq!(sandbox.ok(&words), "0 2 network_lan_big\n");
    let guarded =
        Guarded::running(sandbox, "[ \"$CMS_LEFT_OUT\" = CMS_OLD ] && [ \"${#CMS_NEW}\" = 130000 ]");
    guarded.0.ok(&["set", "--commit", &format!("network.lan.big={}", "w".repeat(130_000))]);
}
