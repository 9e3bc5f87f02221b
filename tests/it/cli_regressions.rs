//! Former faults of the `cms` command: each test states the right behaviour.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::support::sandbox::Sandbox;

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_full_standard_error_does_not_change_the_exit_code() {
    // Writing the message panicked, and the exit code was 101.
    let sandbox = Sandbox::new();
    let full = OpenOptions::new().write(true).open("/dev/full").expect("opens");
    let status = sandbox.command().args(["get", "nope.a.b"]).stderr(full).status().expect("runs");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_full_standard_output_is_a_failure() {
    let sandbox = Sandbox::new();
    let full = OpenOptions::new().write(true).open("/dev/full").expect("opens");
    let output = sandbox.command().args(["show"]).stdout(full).output().expect("runs");
    assert_eq!(output.status.code(), Some(6));
    assert!(said(&output.stderr).contains("cannot write the output"));
}

#[test]
fn what_was_staged_already_is_committed_too() {
    // Both reported nothing to do, although the file did not have the value.
    for words in [&["ensure", "network.lan.mtu=1400"][..], &["set", "--commit", "network.lan.mtu=1400"]] {
        let sandbox = Sandbox::new();
        sandbox.ok(&["set", "network.lan.mtu=1400"]);
        let output = sandbox.ok(words);
        assert!(sandbox.read("network").contains("option mtu '1400'"), "{words:?}");
        assert_eq!(output, if words[0] == "ensure" { "changed network.lan.mtu\n" } else { "" });
        // The staged change stays a separate one.
        assert_eq!(sandbox.ok(&["changes"]), "network.lan.mtu='1400'\n");
        sandbox.ok(&["commit"]);
        assert_eq!(sandbox.ok(&["changes"]), "");
    }
}

#[test]
fn ensure_can_be_told_to_stage_only() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["ensure", "--no-commit", "network.lan.mtu=1400"]);
    assert!(!sandbox.read("network").contains("mtu"));
    assert_eq!(sandbox.ok(&["ensure", "--no-commit", "network.lan.mtu=1400"]), "unchanged network.lan.mtu\n");
    let json = sandbox.ok(&["ensure", "--check", "--json", "network.lan.mtu=1400"]);
    assert!(json.starts_with("{\"changed\":true,\"keys\":{\"network.lan.mtu\":true}"), "{json}");
}

#[test]
fn a_line_of_a_batch_has_options_of_its_own() {
    // The options were accepted and had no effect: a dry run wrote.
    let sandbox = Sandbox::new();
    let script = "set -n network.lan.a=1\nget --json network.lan.ipaddr\n";
    let output = sandbox.fed(&["batch"], script);
    assert_eq!(said(&output.stdout), "network.lan.a='1'\n{\"network.lan.ipaddr\":\"10.0.0.1\"}\n");
    assert_eq!(sandbox.ok(&["changes"]), "");
}

#[test]
fn a_batch_refuses_words_it_would_not_carry_out() {
    // Text behind a ';' or an empty word was silently dropped.
    for line in ["set network.lan.a=1; set network.lan.b=2\n", "set network.lan.a=1 '' network.lan.b=2\n"] {
        let sandbox = Sandbox::new();
        assert_eq!(sandbox.fed(&["batch"], line).status.code(), Some(2), "{line}");
        assert_eq!(sandbox.ok(&["changes"]), "");
    }
    let sandbox = Sandbox::new();
    assert!(sandbox.fed(&["batch"], "set network.lan.a=1 ; # why\n\n;\n").status.success());
}

#[test]
fn a_batch_ends_with_the_code_of_its_first_failure() {
    let sandbox = Sandbox::new();
    let script = "get network.lan.nope\nset network.lan.x=\u{1}\nget network.lan.ipaddr\n";
    let output = sandbox.fed(&["batch", "--keep-going"], script);
    assert_eq!((output.status.code(), said(&output.stdout)), (Some(1), "10.0.0.1\n".into()));
    let output = sandbox.fed(&["--json", "batch"], script);
    for line in said(&output.stderr).lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn ignoring_case_does_not_change_the_meaning_of_a_pattern() {
    // The pattern was converted to lower case, so \S became \s.
    let sandbox = Sandbox::new();
    if cfg!(feature = "regex") {
        assert!(sandbox.ok(&["search", "-i", "--regex", r"^\S+\.IPADDR$"]).contains("network.lan.ipaddr="));
    }
    assert!(sandbox.ok(&["search", "-i", "--glob", "[A]CCEPT"]).contains("target='ACCEPT'"));
}

#[test]
fn search_finds_sections_and_tells_staged_values_from_those_of_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("fw", "\nconfig zone 'guestzone'\n");
    let file = sandbox.path("config").join("fw").display().to_string();
    assert_eq!(sandbox.ok(&["search", "guestz"]), format!("{file}:2: fw.guestzone=zone\n"));
    sandbox.fails(1, &["search", "--values", "guestz"]);
    // The output had the line of the old value.
    sandbox.ok(&["set", "network.lan.ipaddr=10.9.9.9"]);
    assert!(sandbox.ok(&["search", "10.9.9"]).contains("network (staged): network.lan.ipaddr="));
}

#[test]
fn a_broken_package_stops_no_other_and_decides_the_exit_code() {
    let sandbox = Sandbox::new();
    sandbox.write("aaa", "oops\n");
    sandbox.ok(&["set", "network.lan.q=1"]);
    let output = sandbox.run(&["diff", "--keys"]);
    assert_eq!((output.status.code(), said(&output.stdout)), (Some(3), "+network.lan.q='1'\n".into()));
    sandbox.fails(3, &["search", "nowhere"]);
    let errors = sandbox.fails(3, &["validate", "nope", "aaa"]);
    assert!(errors.contains("nope: not found") && errors.contains("aaa:1:1: invalid command"), "{errors}");
}

#[test]
fn values_that_differ_in_bytes_that_are_not_utf8_differ() {
    // Both were converted to U+FFFD and compared as equal.
    let sandbox = Sandbox::new();
    let raw = sandbox.path("config").join("raw");
    std::fs::write(&raw, b"config a b\n\toption o '\xff'\n").expect("written");
    assert!(sandbox.run(&[OsStr::new("set"), OsStr::from_bytes(b"raw.b.o=\xfe")]).status.success());
    let output = sandbox.run(&["diff", "raw"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output.stdout).contains(r"+	option o '\xfe'"), "{}", said(&output.stdout));
    assert_eq!(sandbox.run(&["diff", "--keys", "raw"]).stdout, b"-raw.b.o=$'\\xff'\n+raw.b.o=$'\\xfe'\n");
    assert_eq!(sandbox.run(&["changes", "raw"]).stdout, b"raw.b.o=$'\\xfe'\n");
}

#[test]
fn two_files_are_compared_wherever_they_are() {
    let sandbox = Sandbox::new();
    for (name, kind) in [("a.txt", "b"), ("b.txt", "c")] {
        std::fs::write(sandbox.path(name), format!("config {kind} x\n")).expect("written");
    }
    let diff = |words: &[&str]| {
        let dir = sandbox.path("");
        sandbox.command().current_dir(dir).arg("diff").args(words).output().expect("runs")
    };
    assert_eq!(said(&diff(&["--keys", "a.txt", "./b.txt"]).stdout), "-a.txt.x=b\n+a.txt.x=c\n");
    let missing = diff(&["./a.txt", "./none"]);
    assert_eq!(missing.status.code(), Some(6));
    assert!(said(&missing.stderr).contains("cannot read ./none"));
}

#[test]
fn an_import_writes_all_packages_or_none() {
    // The packages before the one with the error were written.
    let sandbox = Sandbox::new();
    let json = r#"{"good":{"a":{".type":"t"}},"../evil":{"a":{".type":"t"}}}"#;
    assert_eq!(sandbox.fed(&["import"], json).status.code(), Some(3));
    assert_eq!(sandbox.ok(&["list"]), "network\n");
}

#[test]
fn json_that_cannot_be_configuration_is_refused_with_its_path() {
    let sandbox = Sandbox::new();
    for (json, path) in [
        (r#"{"n":{"a":{".type":"t","b-d":"1"}}}"#, "JSON: n.a.b-d: "),
        (r#"{"n":{"a":{".type":"t","b":["\u0001"]}}}"#, "JSON: n.a.b: "),
        (r#"{"n":{"a-b":{".type":"t"}}}"#, "JSON: n.a-b: "),
        (r#"{"n":{"a":{".type":"two words"}}}"#, "JSON: n.a: "),
        (r#"{"n":{"a":{".type":"t","b":{"hex":"+f"}}}}"#, "JSON: n.a.b: "),
    ] {
        let output = sandbox.fed(&["import"], json);
        assert_eq!(output.status.code(), Some(3), "{json}");
        assert!(said(&output.stderr).contains(path), "{}", said(&output.stderr));
    }
}

#[test]
fn a_package_is_imported_under_another_name_from_json_as_from_text() {
    let sandbox = Sandbox::new();
    let json = sandbox.ok(&["export", "network", "--format", "json"]);
    assert!(sandbox.fed(&["import", "copy"], &json).status.success());
    assert_eq!(sandbox.ok(&["show", "copy"]).replace("copy.", "network."), sandbox.ok(&["show", "network"]));
}

#[test]
fn import_takes_a_file_alone_and_names_it_in_errors() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("backup.conf");
    std::fs::write(&file, "package fresh\nconfig a b\n").expect("written");
    sandbox.ok(&["import", file.to_str().expect("UTF-8")]);
    assert_eq!(sandbox.ok(&["get", "fresh.b"]), "a\n");
    std::fs::write(&file, "package fresh\nconfig 'a\n").expect("written");
    assert!(sandbox.fails(3, &["import", file.to_str().expect("UTF-8")]).contains("backup.conf:2:8: "));
}

#[test]
fn validate_reports_every_error_that_strict_reading_has_and_no_other() {
    let sandbox = Sandbox::new();
    sandbox.write("bad", "oops\nconfig a b\n\toption x 1 2\nconfig c b\n\toption y 3 4\n");
    let errors = sandbox.fails(3, &["validate", "bad"]);
    let reasons = ["bad:1:1: invalid", "bad:3:13: too many", "bad:4:8: section of", "bad:5:13: too many"];
    assert!(reasons.iter().all(|reason| errors.contains(reason)), "{errors}");
    // One line with an error made an error of each option after it.
    sandbox.write("bad", "config a b-c\n\toption x 1\n\toption y 1\n");
    assert_eq!(sandbox.fails(3, &["validate", "bad"]).matches("bad:").count(), 1);
}

#[test]
fn names_for_the_shell_do_not_start_with_a_digit() {
    let sandbox = Sandbox::new();
    sandbox.write("4g", "config modem m\n\tlist band 'b 1'\n\tlist band '$(exit)'\n");
    let script = sandbox.ok(&["get", "--sh", "4g.m.band"]);
    let script = script + "eval \"set -- $_4g_m_band\"; printf '%s|' \"$@\"";
    let output = Command::new("sh").arg("-c").arg(script).output().expect("sh runs");
    assert_eq!(said(&output.stdout), "b 1|$(exit)|");
}

#[test]
fn json_lines_are_one_object_a_line_for_every_listing() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.a=1", "network.lan.b=2"]);
    for (command, count) in [("changes", 2), ("show", 1), ("list", 1), ("diff", 2), ("paths", 6)] {
        let output = sandbox.run(&[command, "--json-lines"]).stdout;
        let lines = said(&output);
        assert_eq!(lines.lines().count(), count, "{command}: {lines}");
        for line in lines.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
    }
    let found = sandbox.ok(&["search", "--json", "10.0"]);
    assert!(serde_json::from_str::<Vec<serde_json::Value>>(&found).is_ok_and(|found| found.len() == 1));
}

#[test]
fn a_key_where_a_package_belongs_is_refused() {
    // 'commit network.lan' committed all of network.
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.a=1"]);
    for command in ["commit", "changes", "export", "diff"] {
        sandbox.fails(2, &[command, "network.lan"]);
    }
    assert_eq!(sandbox.ok(&["changes"]), "network.lan.a='1'\n");
}

#[test]
fn a_missing_package_says_how_to_make_one() {
    let sandbox = Sandbox::new();
    let said = sandbox.fails(1, &["set", "nope.a.b=1"]);
    assert_eq!(
        said,
        "cms: nope: not found\nhint: a package is made by its first section: 'cms set nope.a=TYPE'\n"
    );
    let said = sandbox.fails(1, &["set", "nope.a.b=1", "--commit"]);
    assert!(said.ends_with("'cms set nope.a=TYPE'\n"), "{said}");
    assert!(sandbox.fails(1, &["delete", "nope.a"]).contains("'cms set PACKAGE.SECTION=TYPE' makes one"));
}

#[test]
fn errors_are_coloured_only_where_wanted() {
    let sandbox = Sandbox::new();
    assert!(sandbox.fails(1, &["get", "nope.a"]).starts_with("cms: "));
    assert!(sandbox.fails(1, &["--color=always", "get", "nope.a"]).starts_with("\x1b["));
    sandbox.fails(2, &["--color", "blue", "list"]);
}

#[test]
fn file_names_need_not_be_utf8() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("").join(OsStr::from_bytes(b"v\xff"));
    std::fs::write(&file, "x\n").expect("written");
    let words = [OsStr::new("set"), OsStr::new("--from-file"), file.as_os_str(), OsStr::new("network.lan.v")];
    assert!(sandbox.run(&words).status.success());
    assert_eq!(sandbox.ok(&["get", "network.lan.v"]), "x\n");
}

#[test]
fn checks_are_allowed_in_safe_mode() {
    let sandbox = Sandbox::new();
    for words in [&["commit", "--check"][..], &["fmt", "--check"], &["ensure", "--check", "network.lan.a=1"]]
    {
        let code = sandbox.command().env("CMS_SAFE_MODE", "1").args(words).status().expect("runs").code();
        assert_ne!(code, Some(4), "{words:?}");
    }
}
