//! The commands that change packages: import, apply, ensure, commit, validate, fmt.

use std::process::{Output, Stdio};

use serde_json::{Value as Json, json};

use crate::support::sandbox::{NETWORK, Sandbox};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Feeds a command that must fail, and returns its message.
fn refused(sandbox: &Sandbox, code: i32, words: &[&str], input: &str) -> String {
    let output = sandbox.fed(words, input);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", said(&output));
    said(&output)
}

fn revision(sandbox: &Sandbox) -> Json {
    serde_json::from_str::<Json>(&sandbox.ok(&["status", "--json"])).expect("JSON")["revision"].clone()
}

#[test]
fn m21_a4_an_empty_import_is_refused() {
    let sandbox = Sandbox::new();
    for words in
        [&["import", "network"][..], &["import", "--merge", "network"], &["import", "fresh"], &["apply", "-"]]
    {
        for input in ["", "\n  \n"] {
            let why = refused(&sandbox, 3, words, input);
            let hint = match words[0] {
                "import" => "with --allow-empty the package becomes empty",
                _ => "a line 'package NAME' begins each package",
            };
            let expected = format!("cms: standard input: it is empty; nothing is changed\nhint: {hint}\n");
            assert_eq!(why, expected, "{words:?}");
        }
    }
    for input in ["# only a comment\n", "{\"network\":{}}"] {
        let why = refused(&sandbox, 3, &["import", "network"], input);
        assert!(why.contains("standard input: no section for 'network', which has 3"), "{why}");
    }
    assert_eq!(sandbox.read("network"), NETWORK);
    assert!(!sandbox.path("config").join("fresh").exists());
    printed(&sandbox.fed(&["import", "--allow-empty", "network"], ""));
    assert_eq!(sandbox.ok(&["list", "network"]), "");
    assert!(sandbox.read("network").starts_with("# the house\n"), "its comments stay");
}

#[test]
fn m21_an_import_of_the_own_export_changes_nothing() {
    let sandbox = Sandbox::new();
    let as_json = sandbox.ok(&["export", "--json", "network"]);
    for text in [as_json, sandbox.ok(&["export", "network"])] {
        for words in [&["import"][..], &["import", "--merge"], &["apply", "-"]] {
            printed(&sandbox.fed(words, &text));
            assert_eq!(sandbox.read("network"), NETWORK, "{words:?} {text}");
        }
    }
    assert_eq!(revision(&sandbox), json!(0), "there was nothing to commit");
}

#[test]
fn m21_an_import_changes_the_lines_that_differ_and_keeps_the_comments() {
    let sandbox = Sandbox::new();
    let text = sandbox.ok(&["export", "--json", "network"]).replace("10.0.0.1", "10.0.0.2");
    printed(&sandbox.fed(&["import"], &text));
    assert_eq!(sandbox.read("network"), NETWORK.replace("10.0.0.1", "10.0.0.2"));
    let with_new = "# new\nconfig rule\n\toption name 'web' # 80\n";
    printed(&sandbox.fed(&["import", "--merge", "network"], with_new));
    assert_eq!(sandbox.read("network"), format!("{}\n{with_new}", NETWORK.replace("10.0.0.1", "10.0.0.2")));
    assert_eq!(sandbox.ok(&["changes"]), "", "it commits");
    printed(&sandbox.fed(&["import", "--merge", "network"], with_new));
    assert_eq!(sandbox.read("network").matches("'web'").count(), 1);
    printed(&sandbox.fed(&["import", "--replace", "network"], "# theirs\nconfig  a  b\n"));
    assert_eq!(sandbox.read("network"), "# theirs\nconfig  a  b\n");
}

#[test]
fn m21_a3_an_import_stages_only_if_asked() {
    let sandbox = Sandbox::new();
    let part = "config interface 'lan'\n\tlist dns 'a'\n\tlist dns 'c'\n";
    printed(&sandbox.fed(&["import", "--stage", "--merge", "network"], part));
    assert_eq!(sandbox.read("network"), NETWORK);
    assert_eq!(sandbox.ok(&["changes"]), "network.lan.dns+='c'\n", "what is there is not doubled");
    sandbox.ok(&["revert"]);
    printed(&sandbox.fed(&["import", "--stage", "network"], part));
    let staged = sandbox.ok(&["changes"]);
    assert!(staged.contains("-network.lan.ipaddr\n") && staged.contains("network.lan.dns+='c'"), "{staged}");
    sandbox.ok(&["commit"]);
    assert_eq!(
        sandbox.read("network"),
        "# the house\nconfig interface 'lan'\n\tlist dns 'a'\n\tlist dns 'c'\n"
    );
    for words in [
        ["import", "--stage", "--commit"],
        ["import", "--stage", "--replace"],
        ["import", "--merge", "--replace"],
    ] {
        sandbox.fails(2, &words);
    }
}

#[test]
fn a2_places_in_messages_name_the_file() {
    let sandbox = Sandbox::new();
    let bad = "package network\nconfig interface 'lan'\n\toption a 'b' c\n";
    let file = sandbox.path("bad.conf");
    std::fs::write(&file, bad).expect("written");
    let file = file.to_str().expect("UTF-8");
    for words in [
        &["import"][..],
        &["import", "network"],
        &["import", "--merge", "network"],
        &["import", "--merge"],
        &["apply", "-"],
    ] {
        let why = refused(&sandbox, 3, words, bad);
        assert!(why.starts_with("cms: standard input:3:15: too many arguments\n"), "{words:?} {why}");
    }
    for words in [&["import", file][..], &["import", "--merge", "network", file], &["apply", file]] {
        let why = sandbox.fails(3, words);
        assert!(why.starts_with(&format!("cms: {file}:3:15: too many arguments\n")), "{words:?} {why}");
    }
    let why =
        refused(&sandbox, 3, &["import"], "{\"network\":{\"lan\":{\".type\":\"interface\",\"a\":null}}}");
    assert!(why.starts_with("cms: standard input: JSON: network.lan.a: UCI has no null"), "{why}");
}

#[test]
fn m24_a3_a_commit_of_nothing_says_so_in_one_line() {
    let sandbox = Sandbox::new();
    let note = |words: &[&str]| {
        let output = sandbox.run(words);
        assert!(output.status.success() && output.stdout.is_empty(), "{words:?}");
        said(&output)
    };
    assert_eq!(note(&["commit", "-v"]), "cms: nothing is staged, so there is nothing to commit\n");
    assert_eq!(
        note(&["commit", "-v", "network"]),
        "cms: network: nothing is staged, so there is nothing to commit\n"
    );
    let confirm = "cms: there was nothing to commit, so there is nothing to confirm or run\n";
    assert_eq!(note(&["commit", "--confirm", "5min"]), confirm);
    assert_eq!(note(&["commit"]), "");
    let why = sandbox.fails(2, &["commit", "--confirm", "0"]);
    assert!(
        why.starts_with("cms: --confirm 0: there has to be time to confirm, for example 5min\n"),
        "{why}"
    );
    let empty: Json = serde_json::from_str(&sandbox.ok(&["commit", "--json"])).expect("JSON");
    assert_eq!(empty, json!({"revision": null, "packages": []}), "M25");
    sandbox.ok(&["set", "network.lan.mtu=1400"]);
    let done: Json = serde_json::from_str(&sandbox.ok(&["commit", "--json"])).expect("JSON");
    let row = json!({"package": "network", "changes": 1, "failed": 0, "written": true});
    assert_eq!(done, json!({"revision": revision(&sandbox), "packages": [row]}), "M25");
}

#[test]
fn m25_each_command_that_changes_something_says_so_as_json() {
    let sandbox = Sandbox::new();
    let run = |words: &[&str]| serde_json::from_str::<Json>(&sandbox.ok(words)).expect("JSON");
    let staged = run(&["set", "--json", "network.lan.mtu=1"]);
    let change = json!({"kind": "set", "key": "network.lan.mtu", "value": "1", "failure": null});
    assert_eq!(staged, json!({"revision": null, "changes": [change]}));
    let committed = run(&["delete", "--json", "--commit", "network.lan.ipaddr"]);
    assert_eq!(committed["revision"], revision(&sandbox));
    assert_eq!(committed["changes"][0]["kind"], json!("delete"));
    let added = run(&["add", "--json", "network", "rule", "name=web"]);
    assert_eq!(
        added["changes"][0]["key"],
        json!(format!("network.{}", added["name"].as_str().expect("a name")))
    );
    assert_eq!(run(&["revert", "--json", "network.lan"]), json!([{"key": "network.lan", "dropped": 1}]));
}

/// The kind of M8: of two values with the same name, JSON parsers keep the last one only.
#[test]
fn m8_json_with_a_name_twice_is_refused() {
    let sandbox = Sandbox::new();
    let lan = r#"{".type":"interface","a":"1"}"#;
    for (json, at) in [
        (format!(r#"{{"network":{{"lan":{lan},"wan":{lan},"lan":{lan}}}}}"#), "network.lan"),
        (format!(r#"{{"network":{{"lan":{lan}}},"network":{{}}}}"#), "network"),
        (
            r#"{"network":{"lan":{".type":"t","a":"a\",\"a\":","b":["x\\","a"],"\u0061":"2"}}}"#.into(),
            "network.lan.a",
        ),
    ] {
        for words in [&["apply", "-"][..], &["import", "network"], &["import", "--merge", "network"]] {
            let why = refused(&sandbox, 3, words, &json);
            assert_eq!(why, format!("cms: standard input: JSON: {at}: the name is there twice\n"));
        }
    }
    assert_eq!(revision(&sandbox), json!(0), "nothing was committed");
    let same = r#"{"fresh":{"a":{".type":"t","a":"a"},"b":{".type":"t","a":"a","c":["c","c"]}}}"#;
    assert_eq!(printed(&sandbox.fed(&["apply", "-"], same)), "created fresh (5 changes)\n");
}

/// A section whose type is empty is a deleted one, so none can be added.
#[test]
fn a_section_without_a_type_is_not_added() {
    let sandbox = Sandbox::new();
    for words in [&["add", "network", ""][..], &["add", "--commit", "network", "", "name=x"]] {
        assert_eq!(sandbox.fails(3, words), "cms: '': a section has a type\n");
    }
    for json in [r#"{"fresh":{"a":{".type":""}}}"#, r#"{"fresh":{"a":{".type":"",".anonymous":true}}}"#] {
        let why = refused(&sandbox, 3, &["apply", "-"], json);
        assert_eq!(why, "cms: standard input: JSON: fresh.a: \".type\" is missing\n");
    }
    assert_eq!((&*sandbox.ok(&["changes"]), revision(&sandbox)), ("", json!(0)));
}

/// The kind of M10: a name in JSON may hold line ends, which would forge a line of the message.
#[test]
fn m10_messages_about_json_are_one_line() {
    let sandbox = Sandbox::new();
    for json in [
        r#"{"network":{"a":{".type":"t\ncms: forged"}}}"#,
        r#"{"network":{"a\ncms: forged":{".type":"t"}}}"#,
        r#"{"network":{"a":{".type":"t","b\u001b[1m":null}}}"#,
        r#"{"network":{"a":{".type":"t","b":"c\nd\u0000"}}}"#,
        r#"{"x\ny":1}"#,
    ] {
        let why = refused(&sandbox, 3, &["apply", "-"], json);
        assert_eq!(why.matches('\n').count(), 1, "{why}");
        assert!(!why.contains('\x1b'), "{why}");
    }
}

#[test]
fn a9_validate_and_fmt_read_pipes_and_standard_input() {
    let sandbox = Sandbox::new();
    let good = "config  a  'b'\n option x 1\n";
    let tidy = "config a 'b'\n\toption x '1'\n";
    for argument in ["-", "/dev/stdin", "/dev/fd/0"] {
        printed(&sandbox.fed(&["validate", argument], good));
        assert_eq!(printed(&sandbox.fed(&["fmt", argument], good)), tidy, "{argument}");
        assert_eq!(sandbox.fed(&["fmt", "--check", argument], good).status.code(), Some(1));
        assert_eq!(printed(&sandbox.fed(&["fmt", "--check", argument], tidy)), "");
        let shown = if argument == "-" { "standard input" } else { argument };
        let why = refused(&sandbox, 3, &["validate", argument], "config a 'b'\noption x 1 2\n");
        assert!(why.starts_with(&format!("cms: {shown}:2:12: too many arguments\n")), "{why}");
    }
    let fifo = sandbox.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let reader = sandbox
        .command()
        .args(["validate", "-v"])
        .arg(&fifo)
        .stderr(Stdio::piped())
        .spawn()
        .expect("cms runs");
    std::fs::write(&fifo, good).expect("written");
    let output = reader.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), &*said(&output)), (Some(0), "cms: 1 files checked\n"));
    let why = sandbox.fails(1, &["validate", sandbox.root().to_str().expect("UTF-8"), "nothing"]);
    assert_eq!(why.matches("not found").count(), 2, "a directory is no file: {why}");
}

#[test]
fn a1_an_apostrophe_in_single_quotes_is_explained() {
    let sandbox = Sandbox::new();
    let hint = "hint: a ' inside single quotes is written '\\'': 'Foo'\\''s subnet'\n";
    for line in ["option name 'Foo's subnet'", "option name 'Foo's'", "list name 'Foo's subnet' # one"] {
        let why = refused(&sandbox, 3, &["validate", "-"], &format!("config a 'b'\n\t{line}\n"));
        assert!(why.ends_with(hint), "{line}: {why}");
        let why = refused(&sandbox, 3, &["import", "network"], &format!("config a 'b'\n\t{line}\n"));
        assert!(why.ends_with(hint), "{line}: {why}");
    }
    let why = refused(&sandbox, 3, &["validate", "-"], "config a 'b'\n\toption x 1 2\n");
    assert!(why.ends_with("hint: put a value that holds blanks into quotes\n"), "{why}");
}

#[test]
fn a1_validate_warns_of_a_value_that_swallows_statements() {
    let sandbox = Sandbox::new();
    let two = "config a 'b'\n\toption x 'Foo's'\n\toption y '1'\n\toption z 'Bar's'\n";
    // The quotes pair up, so the text can be read.
    sandbox.write("odd", &two.replace("\toption y '1'\n", "\toption y 1\n"));
    let output = sandbox.run(&["validate", "odd"]);
    let file = sandbox.path("config").join("odd");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        said(&output),
        format!(
            "cms: warning: {}:2: the value of b.x goes on over the line 'option y 1', which looks like a statement\n\
             hint: close the quotes of the value; a ' inside single quotes is written '\\''\n",
            file.display()
        )
    );
    let row: Json = serde_json::from_str(&sandbox.ok(&["validate", "--json", "odd"])).expect("JSON");
    assert_eq!(row[0]["warnings"], json!([{"key": "b.x", "line": 2, "statement": "option y 1"}]));
    sandbox.write("odd", "config a 'b'\n\toption x 'one\n\ttwo optional words\n\toption\n'\n");
    assert_eq!(said(&sandbox.run(&["validate", "odd"])), "");
}

#[test]
fn a10_ensure_knows_lists_items_and_absence() {
    let sandbox = Sandbox::new();
    let why = sandbox.fails(3, &["ensure", "network.lan.dns=x"]);
    assert!(
        why.starts_with(
            "cms: network.lan.dns: it is a list, 'a' 'b c'; nothing is changed\nhint: network.lan.dns+=ITEM "
        ),
        "{why}"
    );
    let why = sandbox.fails(3, &["ensure", "network.lan.ipaddr+=10.0.0.1"]);
    assert!(
        why.starts_with(
            "cms: network.lan.ipaddr: it is a string, '10.0.0.1'; nothing is changed\nhint: network.lan.ipaddr=VALUE "
        ),
        "{why}"
    );
    assert_eq!(sandbox.read("network"), NETWORK);
    for (words, expected, line) in [
        (&["network.lan.dns+=a"][..], "unchanged network.lan.dns\n", "list dns 'a'"),
        (&["network.lan.dns+=c=d"], "changed network.lan.dns\n", "list dns 'c=d'"),
        (&["network.lan.dns-=a"], "changed network.lan.dns\n", "list dns 'b c'"),
        (&["network.lan.dns-=a"], "unchanged network.lan.dns\n", "list dns 'b c'"),
        (&["network.lan.new+=one"], "changed network.lan.new\n", "list new 'one'"),
        (
            &["--list", "network.lan.new=two", "network.lan.new=one"],
            "changed network.lan.new\n",
            "list new 'two'",
        ),
        (
            &["--list", "network.lan.new=two", "network.lan.new=one"],
            "unchanged network.lan.new\n",
            "list new 'one'",
        ),
        (&["network.wan=interface"], "changed network.wan\n", "config interface 'wan'"),
        (&["network.lan.mtu=a+=b"], "changed network.lan.mtu\n", "option mtu 'a+=b'"),
    ] {
        assert_eq!(sandbox.ok(&[&["ensure"], words].concat()), expected, "{words:?}");
        assert!(sandbox.read("network").contains(line), "{words:?}: {}", sandbox.read("network"));
    }
    let absent =
        ["ensure", "--absent", "network.lan.ipaddr", "--absent", "network.wan", "--absent", "network.x.y"];
    assert_eq!(
        sandbox.ok(&absent),
        "changed network.lan.ipaddr\nchanged network.wan\nunchanged network.x.y\n"
    );
    let text = sandbox.read("network");
    assert!(!text.contains("ipaddr") && !text.contains("wan"), "{text}");
    assert_eq!(sandbox.ok(&["changes"]), "");
    let why = sandbox.fails(2, &["ensure", "network.lan="]);
    assert!(why.contains("a type is missing; '--absent network.lan' deletes the section"), "{why}");
    let why = sandbox.fails(2, &["ensure", "--absent", "network"]);
    assert!(why.contains("'cms delete --commit' deletes it"), "{why}");
    assert!(
        sandbox
            .fails(2, &["ensure", "network.lan.dns"])
            .contains("'=VALUE', '+=ITEM' or '-=ITEM' is missing")
    );
    sandbox.fails(2, &["ensure"]);
}

#[test]
fn reorder_counts_negative_positions_from_the_end() {
    let sandbox = Sandbox::new();
    sandbox.write("p", "config a 'a'\nconfig a 'b'\nconfig a 'c'\n");
    for (move_to, expected) in [("a=-1", "bca"), ("a=-3", "abc"), ("c=-2", "acb"), ("b=1", "abc")] {
        sandbox.ok(&["reorder", "--commit", &format!("p.{move_to}")]);
        let text = sandbox.read("p");
        let order: String =
            text.lines().filter_map(|line| line.strip_prefix("config a '")?.chars().next()).collect();
        assert_eq!(order, expected, "{move_to}");
    }
    // Stock uci takes what is staged.
    sandbox.ok(&["reorder", "p.a=-1"]);
    assert_eq!(std::fs::read_to_string(sandbox.path("save").join("p")).expect("staged"), "^p.a='2'\n");
    let why = sandbox.fails(3, &["reorder", "p.a=-4"]);
    assert!(why.contains("'p.a=-4': there are 3 sections, so the first one is -3"), "{why}");
    sandbox.fails(3, &["reorder", "p.a=-0"]);
    sandbox.fails(1, &["reorder", "p.none=-1"]);
    sandbox.fails(1, &["reorder", "none.a=-1"]);
    sandbox.fails(3, &["reorder", "p.a=last"]);
}

#[test]
fn m24_ensure_check_says_what_would_change() {
    let sandbox = Sandbox::new();
    let words =
        ["ensure", "--check", "network.lan.mtu=1400", "network.lan.ipaddr=10.0.0.1", "network.lan.dns+=z"];
    let expected =
        "would change network.lan.mtu\nunchanged network.lan.ipaddr\nwould change network.lan.dns\n";
    assert_eq!(sandbox.ok(&words), expected);
    assert_eq!(sandbox.ok(&["ensure", "--dry-run", "network.lan.mtu=1"]), "would change network.lan.mtu\n");
    assert_eq!(sandbox.read("network"), NETWORK);
    sandbox.fails(1, &[&words[..], &["--exit-code"]].concat());
    sandbox.ok(&["ensure", "--exit-code", "network.lan.ipaddr=10.0.0.1"]);
    sandbox.fails(1, &["ensure", "--exit-code", "network.lan.ipaddr=10.0.0.2"]);
    assert!(sandbox.read("network").contains("10.0.0.2"));
}

#[test]
fn apply_brings_packages_to_the_wanted_state_and_says_what_it_does() {
    let sandbox = Sandbox::new();
    sandbox.write("system", "config system 's'\n\toption hostname 'one' # it\n");
    let wanted = "package network\nconfig interface 'lan'\n\toption ipaddr '10.0.0.9'\n\tlist dns 'a'\n\tlist dns 'b c'\n\
                  config rule\n\toption name 'ping'\n\toption target 'ACCEPT'\nconfig rule\n\toption name 'ssh'\n\
                  package system\nconfig system 's'\n\toption hostname 'one'\n\
                  package fresh\n# why\nconfig a 'b'\n\toption x '1'\n";
    let check = sandbox.fed(&["apply", "--check", "-"], wanted);
    let would = "would change network (1 change)\nunchanged system\nwould create fresh (2 changes)\n";
    assert_eq!(
        (check.status.code(), String::from_utf8_lossy(&check.stdout).into_owned()),
        (Some(1), would.to_owned())
    );
    assert_eq!(sandbox.read("network"), NETWORK);
    let done = printed(&sandbox.fed(&["apply", "--diff", "-"], wanted));
    assert!(
        done.starts_with("changed network (1 change)\nunchanged system\ncreated fresh (2 changes)\n"),
        "{done}"
    );
    let difference = "-\toption ipaddr '10.0.0.1' # known\n+\toption ipaddr '10.0.0.9' # known\n";
    assert!(done.contains(difference), "{done}");
    assert_eq!(sandbox.read("network"), NETWORK.replace("10.0.0.1", "10.0.0.9"));
    assert_eq!(sandbox.read("fresh"), "# why\nconfig a 'b'\n\toption x '1'\n");
    let records: Json = serde_json::from_str(&sandbox.ok(&["history", "--json"])).expect("JSON");
    let commits = records.as_array().expect("rows").iter().filter(|record| record["kind"] == "commit");
    assert_eq!(commits.count(), 1, "it is one transaction: {records}");
    let again = sandbox.fed(&["apply", "--exit-code", "--check", "-"], wanted);
    assert_eq!(printed(&again), "unchanged network\nunchanged system\nunchanged fresh\n");
    let object: Json =
        serde_json::from_str(&printed(&sandbox.fed(&["apply", "--json", "-"], wanted))).expect("JSON");
    assert_eq!((&object["changed"], &object["revision"]), (&json!(false), &Json::Null));
    let changed =
        sandbox.fed(&["apply", "--exit-code", "--json", "-"], &wanted.replace("10.0.0.9", "10.0.0.8"));
    let object: Json = serde_json::from_slice(&changed.stdout).expect("JSON");
    assert_eq!((changed.status.code(), &object["revision"]), (Some(1), &revision(&sandbox)));
    let row = &object["packages"][0]["changes"][0];
    assert_eq!(
        (&row["key"], &row["old"], &row["new"]),
        (&json!("network.lan.ipaddr"), &json!("10.0.0.9"), &json!("10.0.0.8"))
    );
}

#[test]
fn apply_reads_what_export_has_printed_and_works_in_a_batch() {
    let sandbox = Sandbox::new();
    let before = sandbox.ok(&["export", "--json"]);
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.7", "network.lan.mtu=1"]);
    assert_eq!(printed(&sandbox.fed(&["apply", "-"], &before)), "changed network (2 changes)\n");
    assert_eq!(sandbox.read("network"), NETWORK);
    let file = sandbox.path("state.json");
    std::fs::write(&file, before.replace("10.0.0.1", "10.0.0.3")).expect("written");
    let line = format!("set network.lan.mtu=1\napply {0}\nset network.lan.mtu=2\n", file.display());
    assert_eq!(printed(&sandbox.fed(&["batch"], &line)), "changed network (2 changes)\n");
    assert_eq!(
        sandbox.read("network"),
        NETWORK.replace("10.0.0.1", "10.0.0.3").replace("'b c'\n", "'b c'\n\toption mtu '2'\n")
    );
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.4"]);
    let path = file.to_str().expect("UTF-8");
    assert_eq!(sandbox.ok(&["apply", "--stage", path]), "changed network (2 changes)\n");
    sandbox.ok(&["commit"]);
    assert_eq!(sandbox.read("network"), NETWORK.replace("10.0.0.1", "10.0.0.3"));
}

#[test]
fn a_package_is_deleted_at_once_and_an_undo_brings_it_back() {
    let sandbox = Sandbox::new();
    sandbox.write("other", "config a 'b'\n");
    let why = sandbox.fails(2, &["delete", "network"]);
    assert_eq!(
        why,
        "cms: network: the deletion of a whole package cannot be staged\n\
         hint: 'cms delete --commit network' deletes it at once, and 'cms undo' brings it back\n"
    );
    let why = sandbox.fails(1, &["delete", "netwrok"]);
    assert_eq!(why, "cms: netwrok: not found\nhint: did you mean 'network'?\n");
    sandbox.fails(1, &["delete", "--commit", "network", "nothing"]);
    sandbox.fails(2, &["delete", "--commit", "network", "other.b"]);
    let refused = sandbox.fed(&["batch"], "delete --commit network\n");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{why}");
    assert!(why.contains("hint: 'cms delete --commit network' deletes it at once, also as a line"), "{why}");
    assert_eq!(sandbox.ok(&["delete", "--commit", "--dry-run", "network"]), "-network\n");
    assert_eq!(sandbox.read("network"), NETWORK);
    sandbox.ok(&["set", "network.lan.mtu=1"]);
    let done: Json = serde_json::from_str(&sandbox.ok(&["delete", "--commit", "--json", "network", "other"]))
        .expect("JSON");
    assert_eq!((&done["revision"], &done["changes"][1]["key"]), (&revision(&sandbox), &json!("other")));
    assert_eq!((sandbox.ok(&["list"]), sandbox.ok(&["changes"])), (String::new(), String::new()));
    assert!(sandbox.path("save").join(".network.replaced").exists(), "what was staged is set aside");
    let records: Json = serde_json::from_str(&sandbox.ok(&["history", "--json"])).expect("JSON");
    assert_eq!(records[0]["deleted"], json!(["network", "other"]));
    sandbox.ok(&["undo"]);
    assert_eq!((sandbox.read("network"), sandbox.read("other")), (NETWORK.into(), "config a 'b'\n".into()));
    let lines = "delete --commit other\nset --commit network.lan.mtu=1\n";
    assert!(sandbox.fed(&["batch", "--no-transaction"], lines).status.success());
    assert_eq!(sandbox.ok(&["list"]), "network\n");
    sandbox.ok(&["undo", "-q"]);
    // Stock uci deletes no packages.
    sandbox.fails(1, &["uci", "-c", sandbox.path("config").to_str().expect("UTF-8"), "delete", "network"]);
    assert_eq!(sandbox.read("network"), NETWORK);
}

#[test]
fn m21_an_import_replaces_a_text_that_cannot_be_read_and_the_history_keeps_it() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "--commit", "network.lan.mtu=1"]);
    let broken = "config interface 'lan'\n\toption mtu 'open\n";
    sandbox.write("network", broken);
    let why =
        refused(&sandbox, 3, &["import", "--merge", "network"], "config interface 'lan'\n\toption mtu '2'\n");
    assert!(why.contains("config/network:2:"), "{why}");
    printed(&sandbox.fed(&["import", "network"], "config interface 'lan'\n\toption mtu '2'\n"));
    assert_eq!(sandbox.read("network"), "config interface 'lan'\n\toption mtu '2'\n");
    let kept = sandbox.ok(&["history", "--json"]);
    assert!(kept.contains("file-edit"), "{kept}");
}

#[test]
fn m24_an_import_says_what_becomes_of_staged_changes() {
    let sandbox = Sandbox::new();
    let text = NETWORK.replace("10.0.0.1", "10.0.0.2");
    let wanted = format!("package network\n{text}");
    sandbox.ok(&["set", "network.lan.mtu=1"]);
    let output = sandbox.fed(&["apply", "-"], &wanted);
    assert_eq!(said(&output), "cms: changes of network stay staged; see 'cms changes network'\n");
    assert_eq!(sandbox.ok(&["changes"]), "network.lan.mtu='1'\n");
    let output = sandbox.fed(&["import", "network"], NETWORK);
    assert_eq!(
        said(&output),
        "cms: what was staged for network is set aside, in .network.replaced of the save directory\n"
    );
    assert_eq!(sandbox.ok(&["changes"]), "");
    assert!(sandbox.path("save").join(".network.replaced").exists());
}

#[test]
fn m21_layouts_of_all_kinds_are_kept() {
    let sandbox = Sandbox::new();
    for text in [
        "config a 'x'\r\n\toption o '1'\r\n\tlist l 'a' # one\r\n",
        "config a x; option o 1; list l a # all in one line",
        "  config  a  \"x\" # head\n  option o 1\n  list l  'a'\n# end",
        "config a 'x'\n\toption o '1\n2'\n\tlist l 'it'\\''s'\n",
        "\u{feff}config a 'x'\n\toption o '1'\n\tlist l 'a'\n",
    ] {
        sandbox.write("layout", text);
        let json = sandbox.ok(&["export", "--json", "layout"]);
        printed(&sandbox.fed(&["import"], &json));
        assert_eq!(sandbox.read("layout"), text);
        let more = json.replace("\".type\":\"a\"", "\".type\":\"a\",\"new\":\"n\"");
        printed(&sandbox.fed(&["import"], &more));
        let wanted: Json = serde_json::from_str(&more).expect("JSON");
        let now: Json = serde_json::from_str(&sandbox.ok(&["export", "--json", "layout"])).expect("JSON");
        assert_eq!(now, wanted, "{text}");
        for comment in ["# one", "# all in one line", "# head", "# end"]
            .iter()
            .filter(|comment| text.contains(**comment))
        {
            assert!(sandbox.read("layout").contains(comment), "{comment}: {}", sandbox.read("layout"));
        }
    }
}
