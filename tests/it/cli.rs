//! The `cms` command, run as a program.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use crate::support::sandbox::{NETWORK, Sandbox};

#[test]
fn get_prints_several_values_and_reports_missing_ones() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr", "network.@rule[-1].name"]), "10.0.0.1\nssh\n");
    assert_eq!(sandbox.ok(&["get", "-d", ",", "network.lan.dns"]), "a,b c\n");
    assert_eq!(sandbox.ok(&["get", "-0", "network.lan.dns"]), "a\0b c\0");
    assert_eq!(sandbox.ok(&["get", "--default", "none", "network.lan.nope", "nope.x.y"]), "none\nnone\n");
    let output = sandbox.run(&["get", "network.lan.nope", "network.lan.ipaddr"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b"10.0.0.1\n"[..]));
    assert_eq!(sandbox.ok(&["--json", "get", "network.lan.dns"]), "{\"network.lan.dns\":[\"a\",\"b c\"]}\n");
}

#[test]
fn a_section_is_selected_by_value_and_an_ambiguous_one_is_refused() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.ok(&["get", "network.@rule[name=ping].target"]), "ACCEPT\n");
    sandbox.ok(&["set", "network.@rule[name=ssh].name=ping"]);
    let said = sandbox.fails(3, &["get", "network.@rule[name=ping].target"]);
    assert!(said.contains("matches 2 sections (cfg0292bd, cfg0392bd)"), "{said}");
}

#[test]
fn sh_output_survives_eval_whatever_the_value() {
    let sandbox = Sandbox::new();
    let nasty = "it's $(touch pwned) `touch pwned` \"x\" \\ two\nlines";
    sandbox.ok(&["set", "network.lan.ipaddr", nasty]);
    let script = sandbox.ok(&["get", "--sh", "network.lan.ipaddr"]) + "printf %s \"$network_lan_ipaddr\"";
    let output =
        Command::new("sh").arg("-c").arg(script).current_dir(sandbox.root()).output().expect("sh runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), nasty);
    assert!(!sandbox.path("pwned").exists());
}

#[test]
fn w14_an_administrator_sets_adds_deletes_and_commits() {
    let sandbox = Sandbox::new();
    let before = sandbox.read("network");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2", "network.guest=interface"]);
    assert_eq!(sandbox.ok(&["add", "network", "rule", "name=new"]), "cfg0592bd\n");
    sandbox.ok(&["add_list", "network.lan.dns=d"]);
    sandbox.ok(&["del_list", "network.lan.dns=a"]);
    sandbox.ok(&["delete", "network.@rule[0].target"]);
    sandbox.ok(&["rename", "network.@rule[1]=ssh"]);
    assert_eq!(sandbox.read("network"), before, "nothing is written before the commit");
    assert_eq!(
        sandbox.ok(&["changes"]),
        "network.lan.ipaddr='10.0.0.2'\nnetwork.guest='interface'\n+network.cfg0592bd='rule'\nnetwork.cfg0592bd.name='new'\nnetwork.lan.dns+='d'\nnetwork.lan.dns-='a'\n-network.cfg0292bd.target\n@network.cfg0392bd -> ssh\n"
    );
    sandbox.fails(1, &["diff"]);
    sandbox.ok(&["commit"]);
    assert_eq!(
        sandbox.read("network"),
        "# the house\nconfig interface 'lan'\n\toption ipaddr '10.0.0.2' # known\n\tlist dns 'b c'\n\tlist dns 'd'\n\nconfig rule\n\toption name 'ping'\n\nconfig rule 'ssh'\n\toption name 'ssh'\n\nconfig interface 'guest'\n\nconfig rule\n\toption name 'new'\n"
    );
    sandbox.ok(&["diff"]);
    assert_eq!(
        sandbox.ok(&["list", "network"]),
        "lan interface\ncfg0292bd rule\nssh rule\nguest interface\ncfg0592bd rule\n"
    );
}

#[test]
fn w4_a_bad_edit_is_refused_with_its_place_and_others_go_on() {
    let sandbox = Sandbox::new();
    let broken = "config a b\n\toption x 'open\n";
    sandbox.write("bad", broken);
    let said = sandbox.fails(3, &["validate"]);
    assert!(said.contains("bad:2:11: EOF with unterminated '") && said.contains("hint:"), "{said}");
    sandbox.fails(3, &["set", "bad.b.x=1"]);
    sandbox.fails(3, &["commit", "bad"]);
    assert_eq!(sandbox.read("bad"), broken);
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.1\n");
    let output = sandbox.run(&["show"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("network.@rule[1].name='ssh'\n"));
}

#[test]
fn validate_reports_all_errors_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write("bad", "oops\nconfig a b\n\toption x 1 2\n\toption y-z 1\n");
    let said = sandbox.fails(3, &["validate", "bad"]);
    for place in ["bad:1:1: invalid command", "bad:4:9: invalid character in name field"] {
        assert!(said.contains(place), "{said}");
    }
    let json = sandbox.fails(3, &["--json", "get", "bad.b.x"]);
    let error: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
    assert_eq!((&error["error"]["line"], &error["error"]["exit"]), (&1.into(), &3.into()));
}

#[test]
fn what_stock_uci_accepts_and_does_not_do_is_refused() {
    let sandbox = Sandbox::new();
    for words in [
        &["add", "network", "two words"][..],
        &["rename", "network.lan=bad-name"],
        &["rename", "network.lan=cfg0292bd"],
        &["set", "network.lan.x=\u{1}"],
        &["add_list", "network.lan=x"],
        &["delete", "network.lan.dns=x"],
        &["reorder", "network.lan=junk"],
    ] {
        sandbox.fails(3, words);
    }
    for words in
        [&["set", "network.@rule[9]=x"][..], &["set", "nope.a.b=1"], &["delete", "network.lan.dns=9"]]
    {
        sandbox.fails(1, words);
    }
    assert!(!sandbox.path("save").join("network").exists(), "nothing is staged");
}

#[test]
fn one_bad_change_of_several_stages_none() {
    let sandbox = Sandbox::new();
    sandbox.fails(1, &["set", "network.lan.ipaddr=1", "network.nope.x=2"]);
    assert_eq!(sandbox.ok(&["changes"]), "");
}

#[test]
fn secrets_come_from_standard_input_or_a_file() {
    let sandbox = Sandbox::new();
    assert!(sandbox.fed(&["set", "--stdin", "network.lan.key"], "geheim\n").status.success());
    assert_eq!(sandbox.ok(&["get", "network.lan.key"]), "geheim\n");
    std::fs::write(sandbox.path("key"), "other").expect("written");
    sandbox.ok(&["set", "--from-file", sandbox.path("key").to_str().expect("UTF-8"), "network.lan.key"]);
    assert_eq!(sandbox.ok(&["get", "network.lan.key"]), "other\n");
}

#[test]
fn values_need_not_be_utf8() {
    let sandbox = Sandbox::new();
    let word = OsStr::from_bytes(b"network.lan.raw=\xff\xfe");
    assert!(sandbox.run(&[OsStr::new("set"), word]).status.success());
    sandbox.ok(&["commit"]);
    assert_eq!(sandbox.run(&["get", "network.lan.raw"]).stdout, b"\xff\xfe\n");
    assert!(sandbox.ok(&["export", "network", "--format", "json"]).contains("\"raw\":{\"hex\":\"fffe\"}"));
}

#[test]
fn export_and_import_round_trip_in_both_formats() {
    let sandbox = Sandbox::new();
    for format in ["uci", "json"] {
        let text = sandbox.ok(&["export", "network", "--format", format]);
        assert!(sandbox.fed(&["import", "copy"], &text.replace("\"network\"", "\"copy\"")).status.success());
        let same = |package: &str| sandbox.ok(&["show", package]).replace("copy.", "network.");
        assert_eq!(same("copy"), same("network"), "{format}");
    }
    assert!(sandbox.fed(&["import", "fresh"], "# kept\nconfig a 'b'\n").status.success());
    assert_eq!(sandbox.read("fresh"), "# kept\nconfig a 'b'\n");
    for bad in
        ["{\"n\":{\"a\":{\".type\":\"t\",\"o\":null}}}", "{\"n\":{\"a\":{\"o\":\"1\"}}}", "config a\n", "{"]
    {
        assert_eq!(sandbox.fed(&["import"], bad).status.code(), Some(3), "{bad}");
    }
    assert!(
        sandbox
            .fed(&["import", "--stage", "--merge", "network"], "config interface lan\n\toption mtu 1400\n")
            .status
            .success()
    );
    assert_eq!(sandbox.ok(&["changes"]), "network.lan.mtu='1400'\n");
}

#[test]
fn search_finds_keys_and_values_with_their_lines() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("config").join("network").display().to_string();
    assert_eq!(sandbox.ok(&["search", "10.0"]), format!("{file}:3: network.lan.ipaddr='10.0.0.1'\n"));
    assert_eq!(sandbox.ok(&["search", "--glob", "b ?"]), format!("{file}:4: network.lan.dns='a' 'b c'\n"));
    assert_eq!(
        sandbox.ok(&["search", "-i", "--values", "accept"]),
        format!("{file}:9: network.@rule[0].target='ACCEPT'\n")
    );
    sandbox.ok(&["set", "network.lan.new=10.0.9.9"]);
    assert!(sandbox.ok(&["search", "10.0.9"]).contains("(staged): network.lan.new="));
    sandbox.fails(1, &["search", "nowhere"]);
    sandbox.fails(2, &["search", "--regex", "("]);
}

#[test]
fn ensure_says_whether_anything_changed() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox.ok(&["ensure", "--check", "network.lan.ipaddr=1"]),
        "would change network.lan.ipaddr\n"
    );
    assert_eq!(sandbox.read("network"), NETWORK);
    assert_eq!(sandbox.ok(&["ensure", "network.lan.ipaddr=1"]), "changed network.lan.ipaddr\n");
    assert_eq!(sandbox.ok(&["ensure", "network.lan.ipaddr=1"]), "unchanged network.lan.ipaddr\n");
    assert_eq!(sandbox.read("network"), NETWORK.replace("'10.0.0.1'", "'1'"));
}

#[test]
fn dry_run_and_safe_mode_write_nothing() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.ok(&["set", "-n", "network.lan.ipaddr=9"]), "network.lan.ipaddr='9'\n");
    assert!(!sandbox.path("save").exists());
    let output = sandbox
        .command()
        .env("CMS_SAFE_MODE", "1")
        .args(["set", "network.lan.ipaddr=9"])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(4));
    assert!(!sandbox.path("save").exists());
}

#[test]
fn fmt_tidies_and_keeps_comments() {
    let sandbox = Sandbox::new();
    sandbox.write("messy", "config   a  x # one\n    option o   1\n");
    sandbox.fails(1, &["fmt", "--check", "messy"]);
    sandbox.ok(&["fmt", "messy"]);
    assert_eq!(sandbox.read("messy"), "config a 'x' # one\n\toption o '1'\n");
    sandbox.ok(&["fmt", "--check", "messy"]);
}

#[test]
fn revert_drops_what_was_named() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.a=1", "network.lan.b=2", "network.@rule[0].c=3"]);
    sandbox.ok(&["revert", "network.lan.a"]);
    sandbox.ok(&["revert", "network.@rule[0]"]);
    assert_eq!(sandbox.ok(&["changes"]), "network.lan.b='2'\n");
    sandbox.ok(&["revert"]);
    assert_eq!(sandbox.ok(&["changes"]), "");
}

#[test]
fn wrong_command_lines_suggest_the_right_one() {
    let sandbox = Sandbox::new();
    assert!(sandbox.fails(2, &["comit"]).contains("did you mean 'commit'?"));
    assert!(sandbox.fails(2, &["get", "--defalt", "x", "a.b.c"]).contains("did you mean '--default'?"));
    sandbox.fails(2, &[] as &[&str]);
    sandbox.fails(2, &["get"]);
}

#[test]
fn completion_offers_keys_of_the_live_configuration() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.ok(&["__complete", "get", "net"]), "network.\n");
    assert_eq!(sandbox.ok(&["__complete", "get", "network.lan.i"]), "network.lan.ipaddr \n");
    assert_eq!(sandbox.ok(&["__complete", "comm"]), "commit \n");
    for shell in ["bash", "zsh", "fish"] {
        assert!(sandbox.ok(&["completion", shell]).contains("cms __complete"));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let sandbox = Sandbox::new();
    let many: String = (0..20_000).map(|i| format!("config a 's{i}'\n\toption o '{i}'\n")).collect();
    sandbox.write("many", &many);
    let mut child = sandbox
        .command()
        .args(["show", "many"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn a_save_directory_of_another_user_in_a_sticky_one_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=6.6.6.6"]);
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o1777)).expect("set");
    if std::os::unix::fs::chown(sandbox.path("save"), Some(65534), None).is_err() {
        eprintln!("skipped: only root may give a directory away");
        return;
    }
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.1\n");
    assert!(sandbox.fails(4, &["commit"]).contains("belongs to user 65534"));
    sandbox.fails(4, &["set", "network.lan.x=1"]);
    assert_eq!(sandbox.read("network"), NETWORK);
}

#[test]
fn a_locked_package_names_the_holder_after_the_time_out() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.a=1"]);
    let file =
        std::fs::OpenOptions::new().write(true).open(sandbox.path("config").join("network")).expect("opens");
    file.lock().expect("locked");
    let said = sandbox.fails(8, &["--lock-timeout", "0.2", "commit"]);
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
    drop(file);
    sandbox.ok(&["commit"]);
}

/// Stock uci has no message for this error: its line and exit code stay, and a second line gives the reason.
#[test]
fn uci_says_why_where_stock_uci_knows_only_an_io_error() {
    let sandbox = Sandbox::new();
    sandbox.write("cms", "config store 'store'\n\toption lock_timeout '200ms'\n");
    sandbox.ok(&["set", "network.lan.a=1"]);
    let file =
        std::fs::OpenOptions::new().write(true).open(sandbox.path("config").join("network")).expect("opens");
    file.lock().expect("locked");
    let config = sandbox.path("config").display().to_string();
    let save = sandbox.path("save").display().to_string();
    let commit = |options: &[&str]| {
        let words = [&["uci", "-c", &config, "-t", &save], options, &["commit", "network"]].concat();
        let output = sandbox.run(&words);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = commit(&[]);
    let lines: Vec<&str> = said.lines().collect();
    let [stock, why] = lines[..] else { panic!("two lines are expected: {said}") };
    assert_eq!(code, Some(1));
    assert!(stock.ends_with(": I/O error"), "{said}");
    let holder = format!("locked by process {}", std::process::id());
    assert!(why.starts_with("cms: ") && why.contains(&holder), "{said}");
    assert!(why.ends_with("; wait until the holder has finished, or end it if it hangs"), "{said}");
    assert_eq!(commit(&["-q"]), (Some(1), String::new()));
    drop(file);
    assert_eq!(commit(&[]), (Some(0), String::new()));
}

#[test]
fn the_command_reference_is_what_the_command_says() {
    let sandbox = Sandbox::new();
    let overview = sandbox.ok(&["help"]);
    let names =
        overview.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut text = String::from(
        "# Commands\n\nWritten by `CMS_UPDATE_DOCS=1 cargo test`, from the command table.\n\n```\n",
    );
    text += &overview;
    text += "```\n";
    for name in names.filter_map(|line| line.split_whitespace().next()).chain(["json"]) {
        text += &format!("\n## {name}\n\n```\n{}```\n", sandbox.ok(&["help", name]));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");
    if std::env::var_os("CMS_UPDATE_DOCS").is_some() {
        std::fs::write(file, &text).expect("written");
    }
    assert!(std::fs::read_to_string(file).is_ok_and(|old| old == text), "docs/commands.md is out of date");
}

#[test]
fn every_manual_page_is_accepted_by_man() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("man");
    std::fs::create_dir(&dir).expect("made");
    sandbox.ok(&["man", "--all", dir.to_str().expect("UTF-8")]);
    assert!(dir.join("cms-commit.1").exists());
    let Ok(output) =
        Command::new("man").args(["--warnings", "-l"]).arg(dir.join("cms.1")).env("MANWIDTH", "80").output()
    else {
        eprintln!("skipped: man is not installed");
        return;
    };
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("network.lan.ipaddr"));
}

#[test]
fn cli_18_values_are_printed_as_text_json_or_for_a_shell() {
    let sandbox = Sandbox::new();
    for (words, format, same) in [
        (&["get", "network.lan.dns"][..], "text", &["get", "network.lan.dns"][..]),
        (&["get", "network.lan.dns"], "json", &["get", "network.lan.dns", "--json"]),
        (&["get", "network.lan.dns"], "sh", &["get", "network.lan.dns", "--sh"]),
        (&["show", "network"], "text", &["show", "network"]),
        (&["show", "network.lan"], "json", &["show", "network.lan", "--json"]),
        (&["show", "network.lan.dns"], "sh", &["get", "--sh", "network.lan.dns"]),
        (&["list", "network"], "text", &["list", "network"]),
        (&["list", "network"], "json", &["list", "network", "--json"]),
    ] {
        assert_eq!(
            sandbox.ok(&[words, &["--format", format]].concat()),
            sandbox.ok(same),
            "{words:?} {format}"
        );
    }
    sandbox.write(
        "odd",
        "config a 'b'\n\toption c 'it'\\''s $(x)'\n\tlist d '1 2'\n\tlist d '3'\nconfig a\n\toption e 'f'\n",
    );
    let script = format!(
        "eval \"$({} show --format sh odd)\"; eval \"set -- $odd_b_d\"; echo \"$odd_b_c|$1|$2|$#\"; set | grep -c ^odd_",
        env!("CARGO_BIN_EXE_cms")
    );
    let command = sandbox.command();
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .expect("sh runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "it's $(x)|1 2|3|2\n3\n");
    for words in [
        &["get", "--format", "uci", "network.lan"][..],
        &["list", "--format", "sh"],
        &["show", "--format", ""],
    ] {
        assert!(sandbox.fails(2, words).contains("no format "), "{words:?}");
    }
}
