//! Packages that come into being by writing to them.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use cms::log::Content;

use crate::support::fixture::{Fixture, get};
use crate::support::sandbox::Sandbox;

fn mode(sandbox: &Sandbox, package: &str) -> u32 {
    let found = std::fs::metadata(sandbox.path("config").join(package)).expect("there");
    found.permissions().mode() & 0o7777
}

/// Runs a command line with this umask.
fn with_umask(sandbox: &Sandbox, umask: &str, words: &[&str]) {
    let cms = sandbox.command();
    let mut shell = std::process::Command::new("sh");
    shell.envs(cms.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let script = format!("umask {umask}; exec \"$@\"");
    let done = shell.args(["-c", &script, "sh"]).arg(cms.get_program()).args(words).output().expect("runs");
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn each_way_of_writing_a_section_makes_its_package_for_its_owner_alone() {
    let sandbox = Sandbox::new();
    with_umask(&sandbox, "000", &["set", "--commit", "a.s=t"]);
    with_umask(&sandbox, "000", &["add", "--commit", "b", "t", "o=1"]);
    with_umask(&sandbox, "000", &["ensure", "c.s=t", "c.s.o=1"]);
    assert!(sandbox.fed(&["batch"], "set d.s=t\nset d.s.o=1\nadd d t\n").status.success());
    assert!(sandbox.fed(&["import", "e"], "config t 's'\n").status.success());
    assert!(sandbox.fed(&["apply", "-"], "package f\n\nconfig t 's'\n").status.success());
    sandbox.ok(&["set", "g.s=t", "g.s.o=1"]);
    sandbox.ok(&["commit"]);
    for package in ["a", "b", "c", "d", "e", "f", "g"] {
        assert_eq!(mode(&sandbox, package), 0o600, "{package}");
    }
    assert_eq!(sandbox.read("c"), "config t 's'\n\toption o '1'\n");
    assert_eq!(sandbox.read("d"), "config t 's'\n\toption o '1'\n\nconfig t\n");
    assert_eq!(sandbox.read("g"), sandbox.read("c"));
}

#[test]
fn the_policy_sets_the_mode_of_new_packages_whatever_the_umask_is() {
    let sandbox = Sandbox::new();
    sandbox.write("cms", "config store 'store'\n\toption file_mode '0640'\n");
    with_umask(&sandbox, "077", &["set", "--commit", "a.s=t"]);
    assert_eq!(mode(&sandbox, "a"), 0o640);
    // A package that is made again has the mode that it had.
    let path = sandbox.path("config/a");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).expect("set");
    sandbox.ok(&["set", "--commit", "a.s.o=1"]);
    sandbox.ok(&["delete", "--commit", "a"]);
    sandbox.ok(&["set", "--commit", "a.s=t"]);
    assert_eq!(mode(&sandbox, "a"), 0o604);
    let policy = sandbox.ok(&["policy"]);
    assert!(policy.lines().any(|line| line.starts_with("file_mode      0640 ")), "{policy}");
}

#[test]
fn a_wrong_mode_is_reported_and_the_default_is_used() {
    let sandbox = Sandbox::new();
    sandbox.write("cms", "config store 'store'\n\toption file_mode '0666'\n");
    sandbox.fails(3, &["policy"]);
    let said = sandbox.run(&["set", "--commit", "a.s=t"]).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("cms:2: file_mode: '0666' is not a mode of a package file"), "{said}");
    assert_eq!(mode(&sandbox, "a"), 0o600);
}

#[test]
fn a_name_that_may_be_a_typing_error_is_noticed_when_it_makes_a_package() {
    let sandbox = Sandbox::new();
    let said = |words: &[&str]| {
        let output = sandbox.run(words);
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let note = "cms: there is no package 'netwrok' yet: a commit of this change makes it\n\
                hint: did you mean 'network.lan'?\n";
    assert_eq!(said(&["set", "netwrok.lan=interface"]), note);
    assert_eq!(said(&["set", "netwrok.lan.proto=dhcp"]), "", "it was said when the change was staged");
    assert_eq!(said(&["commit"]), "");
    assert_eq!(said(&["set", "netwrok.wan=interface"]), "", "the package is there");
    let note = "hint: did you mean 'network'?\ncms: made package 'netwerk'\n";
    assert_eq!(said(&["add", "--commit", "netwerk", "interface"]), note);
    assert_eq!(said(&["set", "--commit", "xyzzy.s=t"]), "cms: made package 'xyzzy'\n");
    assert_eq!(said(&["--quiet", "set", "netwirk.lan=interface"]), "");
    let note = "cms: there is no package 'plugh' yet: a commit of this change makes it\n";
    assert_eq!(said(&["--dry-run", "set", "--commit", "plugh.s=t"]), note);
    assert!(!sandbox.path("config/plugh").exists());
    sandbox.fails(1, &["set", "nettwork.lan.proto=dhcp"]);
    let said = sandbox.fails(1, &["set", "networ.lan.ipaddr=1"]);
    assert_eq!(said, "cms: networ: not found\nhint: did you mean 'network.lan.ipaddr'?\n");
}

#[test]
fn every_command_shows_the_staged_changes_of_a_package_that_does_not_exist_yet() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "new.s=t", "new.s.o=1"]);
    assert_eq!(sandbox.ok(&["changes"]), "new.s='t'\nnew.s.o='1'\n");
    assert_eq!(sandbox.ok(&["changes", "new"]), "new.s='t'\nnew.s.o='1'\n");
    assert_eq!(sandbox.ok(&["show", "new"]), "new.s=t\nnew.s.o='1'\n");
    assert_eq!(sandbox.ok(&["get", "new.s.o"]), "1\n");
    let diff = String::from_utf8(sandbox.run(&["diff", "new"]).stdout).expect("UTF-8");
    assert!(diff.ends_with("@@ -0,0 +1,2 @@\n+config t 's'\n+\toption o '1'\n"), "{diff}");
    let checked = sandbox.run(&["validate", "new"]);
    let said = String::from_utf8(checked.stderr).expect("UTF-8");
    assert!(checked.status.success(), "{said}");
    assert_eq!(said, "cms: package 'new' has no file yet: its sections are staged\n");
    assert!(!sandbox.path("config/new").exists());
    sandbox.ok(&["revert", "new.s.o"]);
    assert_eq!(sandbox.ok(&["changes"]), "new.s='t'\n");
    sandbox.ok(&["revert", "new"]);
    assert_eq!(sandbox.ok(&["changes"]), "");
    sandbox.fails(1, &["get", "new.s"]);
    // Stock uci knows no package without a file.
    sandbox.fails(1, &["uci", "set", "new.s=t"]);
    sandbox.fails(3, &["uci", "add", "new", "t"]);
}

#[test]
fn an_undo_deletes_the_package_and_a_redo_makes_it_again() {
    let fixture = Fixture::new(&[("n", "config a 's'\n")]);
    let store = fixture.live();
    let mut watch = store.watch("new", None).expect("watches");
    let mut transaction = store.begin().expect("begun");
    transaction.set(b"new.s", b"t").expect("set");
    transaction.set(b"new.s.o", b"1").expect("set");
    let made = transaction.commit().expect("committed");
    assert_eq!(get(&store, "new.s.o").as_deref(), Some("1"));
    let undone = store.engine().history().undo(made, None).expect("undone");
    assert!(!fixture.path("config/new").exists());
    assert_eq!(get(&store, "new.s.o"), None);
    store.engine().history().undo(undone, None).expect("made again");
    assert_eq!(fixture.text("new"), "config t 's'\n\toption o '1'\n");
    for revision in [made, undone, undone + 1] {
        let event = watch.next(Some(std::time::Duration::from_secs(10))).expect("watches").expect("an event");
        assert_eq!(event.record().sequence, revision);
    }
}

#[test]
fn a_package_that_is_made_on_trial_goes_when_nobody_confirms_it() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "new.s=t"]);
    sandbox.ok(&["commit", "--confirm", "1s"]);
    sandbox.fails(1, &["confirm", "--wait"]);
    assert!(!sandbox.path("config/new").exists());
    sandbox.fails(1, &["get", "new.s"]);
}

#[test]
fn programs_that_make_the_same_package_at_once_make_one_with_what_all_of_them_set() {
    let fixture = Fixture::new(&[("n", "config a 's'\n")]);
    let (one, two) = (fixture.live(), fixture.live());
    let begin = |store: &cms::Store, section: &str, option: &str| {
        let mut transaction = store.begin().expect("begun");
        transaction.set(format!("new.{section}").as_bytes(), b"t").expect("set");
        transaction.set(format!("new.{section}.{option}").as_bytes(), b"1").expect("set");
        transaction
    };
    let (a, b) = (begin(&one, "a", "x"), begin(&two, "b", "y"));
    a.commit().expect("makes it");
    b.commit().expect("adds to it");
    assert_eq!(fixture.text("new"), "config t 'a'\n\toption x '1'\n\nconfig t 'b'\n\toption y '1'\n");
    assert_eq!(get(&one, "new.b.y").as_deref(), Some("1"));

    // Processes, all at once.
    let sandbox = Sandbox::new();
    let start = |number: usize| {
        let key = format!("many.s{number}=t");
        let mut command = sandbox.command();
        command.args(["set", "--commit", &key]).stderr(Stdio::null()).spawn().expect("runs")
    };
    let children: Vec<_> = (0..6).map(start).collect();
    for mut child in children {
        assert!(child.wait().expect("ends").success());
    }
    let shown = sandbox.ok(&["show", "many"]);
    let mut lines: Vec<&str> = shown.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["many.s0=t", "many.s1=t", "many.s2=t", "many.s3=t", "many.s4=t", "many.s5=t"]);
}

#[test]
fn only_a_section_makes_a_package() {
    let fixture = Fixture::new(&[("n", "config a 's'\n")]);
    let store = fixture.live();
    let mut transaction = store.begin().expect("begun");
    for key in ["new.s.o", "new.@t[0]", "new.@t[0].o"] {
        let error = transaction.set(key.as_bytes(), b"1").expect_err(key);
        assert_eq!(error.code(), cms::Code::NotFound, "{key}");
    }
    transaction.set(b"new.s", b"t").expect("set");
    assert_eq!(transaction.get(b"new.s").expect("read"), Some(Content::String(b"t".to_vec())));
    drop(transaction);
    assert!(!fixture.path("config/new").exists());
}
