//! Staged changes whose package was changed before they are committed. See `faults_list`.

use super::{edit, said};
use crate::support::sandbox::Sandbox;

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
    // If the other value equals the base or the staged value, there is no conflict.
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
    // A change by uci has no base, even between changes by cms.
    sandbox.ok(&["set", "network.lan.mtu=1400"]);
    uci(&["set", "network.lan.ipaddr=10.0.0.3"]);
    edit(&sandbox, "network", "10.0.0.1", "10.0.0.4");
    sandbox.ok(&["commit"]);
    assert!(sandbox.read("network").contains("10.0.0.3"));
    // Its commit ignores bases, and bases that it leaves behind are not used for later lines.
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.5"]);
    edit(&sandbox, "network", "10.0.0.3", "10.0.0.6");
    uci(&["commit", "network"]);
    assert!(sandbox.read("network").contains("10.0.0.5"));
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.7"]);
    sandbox.ok(&["commit"]);
    assert!(sandbox.read("network").contains("10.0.0.7"));
    // Stock uci writes the remaining lines again, and their bases stay valid.
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.8", "network.lan.mtu=1300"]);
    uci(&["revert", "network.lan.mtu"]);
    edit(&sandbox, "network", "10.0.0.7", "10.0.0.9");
    sandbox.fails(5, &["commit"]);
}
