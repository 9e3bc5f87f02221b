//! Values that are large, invisible, or cannot be printed literally. See `faults_list`.

use super::{Guarded, edit, said};
use crate::support::sandbox::Sandbox;

#[test]
fn m10_x_l10_nothing_that_is_shown_to_people_forges_lines_or_reaches_the_terminal() {
    let sandbox = Sandbox::new();
    let evil = "x'\n9 2026-11-21 08:02:00Z root: forged\t\u{1b}[31m\u{200b}\\";
    std::fs::write(sandbox.path("value"), evil.replace('\u{1b}', "")).expect("written");
    let value = sandbox.path("value").display().to_string();
    sandbox.ok(&["--source", evil, "-m", evil, "set", "--commit", "--from-file", &value, "network.lan.note"]);
    // Only edits by hand can add escape sequences.
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
    // A program gets the raw value.
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

/// Reads a value as a program that keeps the store open.
fn reads(sandbox: &Sandbox, key: &str) -> bool {
    let dirs = cms::Dirs::choose(
        cms::DirOptions::new()
            .config(sandbox.path("config"))
            .save(sandbox.path("save"))
            .run(sandbox.path("run"))
            .state(sandbox.path("state")),
    );
    let live = cms::Store::open(cms::Options::new().dirs(dirs)).expect("opens");
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
    // Changes that others have staged count as well.
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
    // An import, with and without an existing package.
    let list = format!("\tlist l '{item}'\n");
    std::fs::write(&big, format!("package network\nconfig interface lan\n{}", list.repeat(3)))
        .expect("written");
    let big = big.display().to_string();
    sandbox.fails(3, &["import", &big]);
    // Items that are there already are not added again, so these are others.
    let others: String = (0..3).map(|n| format!("\tlist l '{n}{item}'\n")).collect();
    std::fs::write(&big, format!("package network\nconfig interface lan\n{others}")).expect("written");
    sandbox.fails(3, &["import", "--merge", &big]);
    sandbox.fails(3, &["import", "--merge", "--commit", "--with-staged", &big]);
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
    let words = [
        "watch",
        "network",
        "--since",
        "2",
        "--count",
        "1",
        "--timeout",
        "9",
        "--each-change",
        "--exec",
        script,
    ];
    let output = sandbox.run(&words);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{:?} {told} {}", output.status, said(&output));
    let of = |key: &str| told.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    assert!(of("network.lan.big").starts_with("network.lan.big|CMS_NEW|0|"), "{told}");
    let read: usize =
        of("network.lan.big").rsplit('|').next().unwrap_or_default().trim().parse().unwrap_or(0);
    assert!(read > 200_000, "standard input has it: {told}");
    assert!(of("network.lan.small").starts_with("network.lan.small||1|"), "{told}");
    // Tests a program that is started with values in its environment, and a command that verifies them.
    let script = "echo \"${#network_lan_big} $network_lan_small $CMS_LEFT_OUT\"";
    let words = ["run", "--watch", "network", "--env", "network.lan", "--", "sh", "-c", script];
    assert_eq!(sandbox.ok(&words), "0 2 network_lan_big\n");
    let guarded =
        Guarded::running(sandbox, "[ \"$CMS_LEFT_OUT\" = CMS_OLD ] && [ \"${#CMS_NEW}\" = 130000 ]");
    guarded.0.ok(&["set", "--commit", &format!("network.lan.big={}", "w".repeat(130_000))]);
}
