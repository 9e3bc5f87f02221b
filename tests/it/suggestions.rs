//! "Did you mean" in errors (A12), from names that exist.

use serde_json::Value as Json;

use crate::support::sandbox::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("firewall", "config rule\n\toption name 'Allow-Ping'\n\toption target 'ACCEPT'\n");
    sandbox
}

#[test]
fn a12_a_key_with_a_typo_names_the_nearest_key() {
    let sandbox = sandbox();
    for (typed, near) in [
        ("network.lan.ipadr", "network.lan.ipaddr"),
        ("network.lan.IPADDR", "network.lan.ipaddr"),
        ("network.lna.ipaddr", "network.lan.ipaddr"),
        ("network.Lan.ipadrr", "network.lan.ipaddr"),
        ("network.lna", "network.lan"),
        ("netwrok.lan.ipaddr", "network.lan.ipaddr"),
        ("netwrok.lna.ipadr", "network.lan.ipaddr"),
        ("netwrok", "network"),
        ("lan.ipaddr", "network.lan.ipaddr"),
        ("lan", "network.lan"),
        ("network.interface.ipaddr", "network.@interface[0].ipaddr"),
        ("network.@rle[1].name", "network.@rule[1].name"),
        ("network.ssh", "network.@rule[name=ssh]"),
        ("firewall.@rule[name=Allow-ping].target", "firewall.@rule[name=Allow-Ping].target"),
    ] {
        for words in [&["get", typed][..], &["show", typed], &["list", typed], &["revert", typed]] {
            let output = sandbox.run(words);
            // A package of which nothing is staged and an unknown section can be reverted.
            if output.status.success() || words[0] == "list" && typed.matches('.').count() > 1 {
                continue;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(&format!("\nhint: did you mean '{near}'?\n")), "{words:?}: {said}");
        }
    }
    for unlike in ["network.lan.zzz", "network.xyzzy", "xyzzy.lan", "network.@rule[7].name"] {
        let said = sandbox.fails(1, &["get", unlike]);
        assert!(!said.contains("did you mean"), "{unlike}: {said}");
    }
}

#[test]
fn a12_each_command_that_takes_a_key_suggests_one() {
    let sandbox = sandbox();
    sandbox.ok(&["set", "--commit", "network.lan.mtu=1"]);
    for words in [
        &["set", "network.lna.mtu=1"][..],
        &["set", "network.lna.mtu", "1"],
        &["set", "--commit", "network.lna.mtu=1"],
        &["delete", "network.lan.mtuu"],
        &["delete", "--commit", "network.lna.mtu"],
        &["rename", "network.lna=wan"],
        &["reorder", "network.lna=1"],
        &["add_list", "network.lna.dns=1"],
        &["ensure", "network.lna.mtu=1"],
        &["changes", "netwrok"],
        &["commit", "netwrok"],
        &["diff", "netwrok"],
        &["export", "netwrok"],
        &["validate", "netwrok"],
        &["fmt", "netwrok"],
        &["blame", "netwrok"],
    ] {
        let said = sandbox.fails(1, words);
        assert!(said.contains("hint: did you mean 'network"), "{words:?}: {said}");
    }
}

#[test]
fn a12_a_history_without_transactions_names_the_key_that_was_meant() {
    let sandbox = sandbox();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=1"]);
    let said = |key: &str| sandbox.fails(1, &["history", key]);
    assert!(said("network.lan.ipadr").ends_with("hint: did you mean 'network.lan.ipaddr'?\n"));
    assert!(said("netwrok").ends_with("hint: did you mean 'network'?\n"));
    assert_eq!(said("network.lan.dns"), "cms: no transaction in the log changed network.lan.dns\n");
}

#[test]
fn a12_the_suggestion_is_the_hint_of_the_json() {
    let sandbox = sandbox();
    let hint = |words: &[&str], code: i32| {
        let said = sandbox.fails(code, words);
        let error: Json = serde_json::from_str(said.lines().next().expect("a line")).expect("JSON");
        error["error"].clone()
    };
    let error = hint(&["--json", "get", "network.lan.ipadr"], 1);
    assert_eq!(error["hint"], "did you mean 'network.lan.ipaddr'?");
    assert_eq!((&error["code"], &error["key"]), (&"not_found".into(), &"network.lan.ipadr".into()));
    assert_eq!(hint(&["--json", "comit"], 2)["hint"], "did you mean 'commit'?");
    assert_eq!(hint(&["--json", "commit", "--chek"], 2)["hint"], "did you mean '--check'?");
    assert_eq!(hint(&["--json", "xyzzy"], 2)["hint"], "see 'cms help'");
}

#[test]
fn a12_help_names_the_nearest_command_or_topic() {
    let sandbox = sandbox();
    for (typed, near) in [("comit", "commit"), ("revison", "revisions"), ("patern", "patterns")] {
        let hint = format!("cms: no command or topic '{typed}'\nhint: did you mean '{near}'?\n");
        assert_eq!(sandbox.fails(2, &["help", typed]), hint);
    }
}
