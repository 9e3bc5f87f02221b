//! Types, sums and conditions on the command line.

use std::process::Command;

use crate::support::sandbox::Sandbox;

fn said(sandbox: &Sandbox, words: &[&str]) -> (i32, String) {
    let output = sandbox.run(words);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("an exit code"), String::from_utf8(text).expect("UTF-8"))
}

fn text(sandbox: &Sandbox, package: &str) -> String {
    std::fs::read_to_string(sandbox.path("config").join(package)).expect("readable")
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("config").join("app"), "config a 's'\n\toption x '5'\n\tlist l 'a'\n")
        .expect("written");
    sandbox
}

#[test]
fn typed_values_are_checked_and_spelled_as_uci_does_and_staged() {
    let sandbox = sandbox();
    assert_eq!(said(&sandbox, &["set", "--type", "bool", "app.s.on=yes"]).0, 0);
    assert_eq!(said(&sandbox, &["set", "--type", "int-list", "app.s.l=[1, 0x2]"]).0, 3, "no JSON");
    assert_eq!(said(&sandbox, &["set", "--type", "int-list", "app.s.l", "[1, \"0x2\"]"]).0, 0);
    assert_eq!(said(&sandbox, &["get", "app.s.on", "app.s.l"]).1, "1\n1 2\n");
    let (code, refused) = said(&sandbox, &["set", "--type", "int", "app.s.x=many"]);
    assert_eq!(code, 3);
    assert!(refused.contains("app.s.x: 'many' is no value of type int"), "{refused}");
    let (code, refused) = said(&sandbox, &["set", "--type", "number", "app.s.x=1"]);
    assert_eq!((code, refused.contains("it is one of string, list, int")), (2, true), "{refused}");
    assert_eq!(said(&sandbox, &["set", "--type", "int", "app.s=1"]).0, 2, "a section has no type");
    sandbox.ok(&["commit"]);
    assert_eq!(
        text(&sandbox, "app"),
        "config a 's'\n\toption x '5'\n\tlist l '1'\n\tlist l '2'\n\toption on '1'\n"
    );
    sandbox.ok(&["set", "--type", "list", "--commit", "app.s.l=[]"]);
    assert_eq!(text(&sandbox, "app"), "config a 's'\n\toption x '5'\n\toption on '1'\n");
    let (code, changed) = said(&sandbox, &["ensure", "--type", "float", "app.s.x=5"]);
    assert_eq!((code, changed.as_str()), (0, "changed app.s.x\n"));
    assert_eq!(said(&sandbox, &["ensure", "--type", "float", "app.s.x=5"]).1, "unchanged app.s.x\n");
    assert_eq!(
        said(&sandbox, &["get", "--type", "app.s.x", "app.s.on", "app.s"]).1,
        "string\nstring\nstring\n"
    );
}

#[test]
fn show_prints_types_and_with_verbose_all_that_is_known_of_a_key() {
    let sandbox = sandbox();
    sandbox.ok(&["set", "--commit", "app.s.x=7"]);
    assert_eq!(
        said(&sandbox, &["show", "--types", "app.s"]).1,
        "app.s=a\napp.s.x='7'  string\napp.s.l='a'  list\n"
    );
    let shown = sandbox.ok(&["show", "-v", "app.s.x"]);
    assert!(shown.starts_with("app.s.x='7'\n    string, 1 byte, read-write, changed "), "{shown}");
    assert!(shown.contains("through cms"), "{shown}");
    let all: serde_json::Value =
        serde_json::from_str(&sandbox.ok(&["show", "-v", "--json", "app"])).expect("JSON");
    assert_eq!(
        all.as_object().expect("an object").keys().collect::<Vec<_>>(),
        ["app.s", "app.s.x", "app.s.l"]
    );
    let x = &all["app.s.x"];
    assert_eq!(
        (x["type"].as_str(), x["size"].as_u64(), x["value"].as_str()),
        (Some("string"), Some(1), Some("7"))
    );
    assert!(x["revision"].as_u64().is_some_and(|revision| revision > 0), "{x}");
    assert!(x["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{x}");
    assert_eq!(x["access"].as_str(), Some("read-write"));
    assert!(x["source"].as_str().is_some_and(|source| source.starts_with("cms")), "{x}");
    assert_eq!(all["app.s.l"]["type"].as_str(), Some("list"));
}

#[test]
fn values_are_set_only_if_they_are_as_expected() {
    let sandbox = sandbox();
    sandbox.ok(&["set", "--if-value", "5", "app.s.x=6"]);
    assert_eq!(text(&sandbox, "app"), "config a 's'\n\toption x '6'\n\tlist l 'a'\n", "committed at once");
    let (code, refused) = said(&sandbox, &["set", "--if-value", "5", "app.s.x=7"]);
    assert_eq!(code, 5);
    assert!(refused.contains("app.s.x: its value is '6', not '5'"), "{refused}");
    sandbox.ok(&["set", "--if-missing", "app.s.y=1"]);
    assert_eq!(said(&sandbox, &["set", "--if-missing", "app.s.y=2"]).0, 5);
    let status: serde_json::Value = serde_json::from_str(&sandbox.ok(&["history", "--json"])).expect("JSON");
    let revision = status[0]["revision"].as_u64().expect("a number");
    sandbox.ok(&["set", "--if-revision", &revision.to_string(), "app.s.x=8"]);
    let (code, refused) = said(&sandbox, &["set", "--if-revision", &revision.to_string(), "app.s.x=9"]);
    assert_eq!((code, refused.contains("has changed it, after")), (5, true), "{refused}");
    sandbox.ok(&["set", "--if-revision", &revision.to_string(), "app.s.z=9"]);
    assert_eq!(said(&sandbox, &["get", "app.s.x", "app.s.y", "app.s.z"]).1, "8\n1\n9\n");
}

#[test]
fn sums_are_printed_and_several_processes_lose_none() {
    let sandbox = sandbox();
    assert_eq!(said(&sandbox, &["incr", "app.s.x"]), (0, "6\n".to_owned()));
    assert_eq!(said(&sandbox, &["incr", "app.s.x", "10"]), (0, "16\n".to_owned()));
    assert_eq!(said(&sandbox, &["incr", "--", "app.s.x", "-20"]), (0, "-4\n".to_owned()));
    assert_eq!(said(&sandbox, &["incr", "app.s.new", "3"]), (0, "3\n".to_owned()));
    assert_eq!(said(&sandbox, &["incr", "app.s.l"]).0, 3);
    assert_eq!(said(&sandbox, &["incr", "app.none.x"]).0, 1);
    assert_eq!(said(&sandbox, &["incr", "none.s.x"]).0, 1);
    assert_eq!(said(&sandbox, &["incr", "app.s.x", "9223372036854775807"]).0, 0);
    let (code, refused) = said(&sandbox, &["incr", "app.s.x", "9223372036854775807"]);
    assert_eq!((code, refused.contains("is not between")), (3, true), "{refused}");
    assert_eq!(said(&sandbox, &["incr", "-n", "app.s.new"]).1, "4\n", "a trial");
    assert_eq!(said(&sandbox, &["get", "app.s.new"]).1, "3\n");
    let (processes, each) = (6, 8);
    let run = || {
        let mut command: Command = sandbox.command();
        command.args(["batch", "--no-transaction"]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        let mut child = command.spawn().expect("cms runs");
        let mut input = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut input, "incr app.s.new\n".repeat(each).as_bytes()).expect("written");
        drop(input);
        child
    };
    let running: Vec<_> = (0..processes).map(|_| run()).collect();
    for mut child in running {
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(said(&sandbox, &["get", "app.s.new"]).1, format!("{}\n", 3 + processes * each));
}
