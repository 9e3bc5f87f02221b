//! The arguments of the command, and that its messages are true.

use std::process::Output;

use crate::support::sandbox::Sandbox;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn m10_warnings_and_directories_are_shown_without_escape_sequences() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=1"]);
    sandbox.write("cms", "config store\n\toption durability '\u{1b}[2J'\n\toption log_size 'a\n\u{1b}b'\n");
    let dir = sandbox.path("dir\u{1b}[2J");
    std::fs::create_dir(&dir).expect("made");
    let dir = dir.to_str().expect("UTF-8");
    for words in [
        &["policy"][..],
        &["status"],
        &["blame", "network"],
        &["set", "--commit", "network.lan.ipaddr=2"],
        &["uci", "set", "network.lan.ipaddr=3"],
        &["-c", dir, "paths"],
        &["-c", dir, "policy"],
    ] {
        let output = sandbox.run(words);
        let all = [&output.stdout[..], &output.stderr].concat();
        assert!(!all.contains(&0x1b), "{words:?}: {}", String::from_utf8_lossy(&all).escape_debug());
        assert!(!all.is_empty() && !said(&output).lines().any(|line| line.starts_with("\\x1b")), "{words:?}");
    }
    let warned = said(&sandbox.run(&["policy"]));
    assert_eq!(warned.lines().count(), 2, "one line for each: {warned}");
    assert!(warned.contains("'\\x1b[2J'") && warned.contains("'a\\n\\x1bb'"), "{warned}");
}

#[test]
fn m12_commands_without_arguments_take_none() {
    let sandbox = Sandbox::new();
    for command in ["repair", "status", "paths", "policy", "pending", "snapshots", "version"] {
        let why = sandbox.fails(2, &[command, "netwrk"]);
        assert!(why.contains(&format!("too many arguments: cms {command}")), "{command}: {why}");
    }
    let why = sandbox.fails(2, &["audit", "verfy"]);
    assert!(why.contains("there is no 'audit verfy', only 'audit verify'"), "{why}");
}

#[test]
fn s4_now_is_what_is_committed_whatever_the_log_knows() {
    let sandbox = Sandbox::new();
    let now = |key: &str| sandbox.ok(&["get", "--at", "now", key]);
    // There is no log yet, and reading the history makes none.
    assert_eq!(now("network.lan.ipaddr"), "10.0.0.1\n");
    assert!(!sandbox.path("state").exists());
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.2"]);
    // A text that an editor has saved counts as committed, although the log does not have it yet.
    sandbox.write("network", &sandbox.read("network").replace("10.0.0.2", "10.0.0.3"));
    sandbox.write("new", "config a 'b'\n\toption x '1'\n");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.4"]);
    assert_eq!(now("network.lan.ipaddr"), "10.0.0.3\n");
    assert_eq!(now("new.b.x"), "1\n");
    assert_eq!(sandbox.ok(&["get", "--at", "HEAD", "network.lan.ipaddr"]), "10.0.0.3\n");
    assert!(sandbox.ok(&["show", "--at", "now", "network"]).contains("network.lan.ipaddr='10.0.0.3'"));
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.4\n");
    // A number means the state after that transaction. Edits are noted first, as for the history that -0 counts from.
    assert_eq!(sandbox.ok(&["get", "--at", "-0", "network.lan.ipaddr"]), "10.0.0.3\n");
    assert_eq!(
        sandbox.ok(&["get", "--at", "-2", "network.lan.ipaddr"]),
        "10.0.0.2\n",
        "two packages were edited"
    );
    let why = sandbox.fails(1, &["get", "--at", "now", "netwrk.lan.ipaddr"]);
    assert!(why.contains("netwrk: not found"), "{why}");
}

#[test]
fn s17_the_history_does_not_say_of_an_unreadable_text_that_only_comments_were_changed() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.2"]);
    let good = sandbox.read("network");
    sandbox.write("network", &good.replace("'10.0.0.2'", "'10.0.0.3"));
    let shown = sandbox.ok(&["history"]);
    assert!(shown.contains("(file-edit): cannot be parsed: ") && !shown.contains("only comments"), "{shown}");
    sandbox.write("network", &format!("# more\n{good}"));
    let shown = sandbox.ok(&["history"]);
    assert!(shown.contains("can be parsed again") && shown.contains("network: only comments"), "{shown}");
}

#[test]
fn s23_a_conflict_of_a_staged_removal_says_that_it_is_one() {
    let sandbox = Sandbox::new();
    for words in [["delete", "network.lan.ipaddr"], ["rename", "network.lan.ipaddr=address"]] {
        let before = sandbox.read("network");
        sandbox.ok(&words);
        sandbox.write("network", &before.replace("'10.0.0.1'", "'10.0.0.9'"));
        let why = sandbox.fails(5, &["commit"]);
        assert!(why.contains("network.lan.ipaddr: its removal is staged by user "), "{why}");
        assert!(why.contains("where it was '10.0.0.1'; it is '10.0.0.9' now"), "{why}");
        sandbox.ok(&["revert"]);
        sandbox.write("network", &before);
    }
}

#[test]
fn m9_an_end_that_cannot_be_tested_is_not_said_to_work_or_to_fail() {
    let sandbox = Sandbox::new();
    for value in ["2", "3", "4"] {
        sandbox.ok(&["set", "--commit", &format!("network.lan.ipaddr={value}")]);
    }
    let why = sandbox.fails(1, &["bisect", "--", "sh", "-c", "exit 125"]);
    assert!(why.contains("the command cannot test revision "), "{why}");
    assert!(!why.contains("does not"), "{why}");
}

#[test]
fn a8_x_m8_input_that_does_not_end_is_an_error() {
    let sandbox = Sandbox::new();
    let endless = |words: &[&str]| {
        let zero = std::fs::File::open("/dev/zero").expect("opens");
        let output = sandbox.command().args(words).stdin(zero).output().expect("cms runs");
        (output.status.code(), said(&output))
    };
    let (code, why) = endless(&["set", "--stdin", "network.lan.note"]);
    assert_eq!((code, &*why), (Some(3), "cms: standard input: values have less than 4 MiB\n"));
    for words in [&["batch"][..], &["batch", "--keep-going"], &["batch", "--no-transaction", "/dev/zero"]] {
        let (code, why) = endless(words);
        assert_eq!(code, Some(6), "{words:?} {why}");
        assert!(why.starts_with("cms: cannot read the commands: a line has more than 64 MiB\n"), "{why}");
        assert_eq!(why.matches("cannot read").count(), 1, "{words:?} {why}");
    }
    // Input that cannot be read has no next line to try.
    let (code, why) = endless(&["batch", "--keep-going", "/"]);
    assert_eq!((code, why.lines().count()), (Some(6), 2), "{why}");
    let large = sandbox.path("config").join("large");
    std::fs::File::create(&large).and_then(|file| file.set_len(3 << 30)).expect("made");
    let why = sandbox.fails(6, &["validate"]);
    assert!(why.contains("config/large: it is larger than 2147483647 bytes"), "{why}");
}

#[test]
fn s3_an_earlier_state_has_the_packages_that_there_were_then() {
    let sandbox = Sandbox::new();
    sandbox.write("gone", "config a 'b'\n\toption x '1'\n");
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.2"]);
    sandbox.ok(&["snapshot", "kept"]);
    std::fs::remove_file(sandbox.path("config").join("gone")).expect("removed");
    sandbox.write("later", "config a 'b'\n\toption x '2'\n");
    sandbox.ok(&["history"]);
    for state in ["kept", "-2"] {
        let shown = sandbox.ok(&["show", "--at", state]);
        assert!(shown.contains("gone.b.x='1'") && shown.contains("network.lan.ipaddr='10.0.0.2'"), "{shown}");
        assert!(!shown.contains("later"), "{state}: {shown}");
        assert_eq!(sandbox.ok(&["get", "--at", state, "gone.b.x"]), "1\n");
    }
    for words in [&["show", "--at", "now"][..], &["show"]] {
        let shown = sandbox.ok(words);
        assert!(!shown.contains("gone") && shown.contains("later.b.x='2'"), "{words:?} {shown}");
    }
}

#[test]
fn s8_an_import_of_several_packages_is_one_transaction() {
    let sandbox = Sandbox::new();
    sandbox.write("system", "config system 's'\n\toption hostname 'one'\n");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.9"]);
    let both = "package network\nconfig interface 'lan'\n\toption mtu '1'\n\
                package system\nconfig system 's'\n\toption hostname 'two'\n";
    let mut verifier = sandbox
        .command()
        .args(["verify", "system", "--", "false"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("cms runs");
    // The verifier is ready once it refuses.
    let mut tries = (0..500).map(|n| sandbox.run(&["set", "--commit", &format!("system.s.try={n}")]));
    assert!(tries.any(|tried| tried.status.code() == Some(9)), "the verifier has started");
    let before = (sandbox.read("network"), sandbox.read("system"), sandbox.ok(&["changes"]));
    let refused = sandbox.fed(&["import"], both);
    verifier.kill().and_then(|()| verifier.wait()).expect("it runs");
    assert_eq!(refused.status.code(), Some(9), "{}", said(&refused));
    assert_eq!((sandbox.read("network"), sandbox.read("system"), sandbox.ok(&["changes"])), before);
    let done = sandbox.fed(&["import"], both);
    assert!(done.status.success(), "{}", said(&done));
    assert!(sandbox.read("network").contains("mtu '1'") && sandbox.read("system").contains("'two'"));
    assert_eq!(sandbox.ok(&["changes"]), "", "what was staged for the old text is set aside");
    assert!(sandbox.path("save").join(".network.replaced").exists());
    let records: serde_json::Value = serde_json::from_str(&sandbox.ok(&["history", "--json"])).expect("JSON");
    assert_eq!(records[0]["packages"], serde_json::json!(["network", "system"]), "{records}");
}
