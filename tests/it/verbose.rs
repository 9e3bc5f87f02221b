//! What a command says about its work: `--verbose`, its variables and the log file (PRN-22, CLI-21, CLI-25 to CLI-28).

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::support::sandbox::Sandbox;

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Runs a command line with variables.
fn with(sandbox: &Sandbox, variables: &[(&str, &str)], words: &[&str]) -> Output {
    sandbox.command().envs(variables.iter().copied()).args(words).output().expect("cms runs")
}

#[test]
fn prn_22_verbose_names_the_source_of_each_read() {
    let sandbox = Sandbox::new();
    let config = sandbox.path("config").join("network").display().to_string();
    let get = &["-v", "get", "network.lan.ipaddr"];
    assert_eq!(said(&sandbox.run(get)), format!("cms: network: read from {config}\n"));
    sandbox.ok(&["set", "network.lan.mtu=1400"]);
    let save = sandbox.path("save").display().to_string();
    assert_eq!(
        said(&sandbox.run(get)),
        format!("cms: network: read from {config}, with 1 staged changes of {save}\n")
    );
    sandbox.ok(&["commit"]);
    assert_eq!(
        said(&sandbox.run(&["-v", "get", "--at", "-1", "network.lan.ipaddr"])),
        "cms: network: read from the log, as of revision 2\n"
    );
    sandbox.ok(&["snapshot", "good"]);
    assert_eq!(
        said(&sandbox.run(&["-v", "get", "--at", "good", "network.lan.ipaddr"])),
        "cms: network: read from snapshot good\n"
    );
    // The value is the same, and standard output has nothing else.
    assert_eq!(sandbox.ok(get), "10.0.0.1\n");
}

#[test]
fn prn_22_verbose_names_the_key_and_the_source_of_each_write_and_no_value() {
    let sandbox = Sandbox::new();
    let (config, save) = (
        sandbox.path("config").join("network").display().to_string(),
        sandbox.path("save").display().to_string(),
    );
    let told = said(&sandbox.run(&["-v", "set", "network.lan.key=s3cret"]));
    assert!(told.ends_with(&format!("cms: network.lan.key: staged in {save}\n")), "{told}");
    let told = said(&sandbox.run(&["-v", "--source", "installer", "commit"]));
    assert!(told.contains("cms: network: 1 changes committed as revision 3\n"), "{told}");
    assert!(told.ends_with(&format!("cms: network.lan.key: written to {config} by installer\n")), "{told}");
    let told = said(&sandbox.run(&["-v", "set", "--commit", "network.lan.key=s3cret2"]));
    assert!(told.ends_with(&format!("cms: network.lan.key: written to {config} by cms\n")), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

#[test]
fn cli_21_cli_27_variables_ask_for_the_same_as_verbose() {
    let sandbox = Sandbox::new();
    let words = &["get", "network.lan.ipaddr"];
    for (name, value, is_verbose) in [
        ("CMS_VERBOSE", "1", true),
        ("CONFIGSTORE_VERBOSE", "1", true),
        ("RUST_LOG", "debug", true),
        ("RUST_LOG", "warn", false),
        ("CMS_VERBOSE", "0", false),
    ] {
        let output = with(&sandbox, &[(name, value)], words);
        assert_eq!(said(&output).contains("read from"), is_verbose, "{name}={value}");
        assert_eq!(output.stdout, b"10.0.0.1\n");
    }
    assert_eq!(said(&with(&sandbox, &[("CMS_VERBOSE", "1")], &["-q", "get", "network.lan.ipaddr"])), "");
}

#[test]
fn cli_25_safe_mode_has_another_name_and_writes_nothing() {
    let sandbox = Sandbox::new();
    let before = sandbox.read("network");
    for name in ["CMS_SAFE_MODE", "CONFIGSTORE_SAFE_MODE"] {
        for words in [&["set", "--commit", "network.lan.ipaddr=1"][..], &["set", "network.lan.ipaddr=1"]] {
            let output = with(&sandbox, &[(name, "1")], words);
            assert_eq!(output.status.code(), Some(4), "{name}");
            assert!(said(&output).starts_with("cms: safe mode: nothing is written"), "{}", said(&output));
        }
    }
    // The name of its own comes first.
    let both = &[("CMS_SAFE_MODE", "0"), ("CONFIGSTORE_SAFE_MODE", "1")];
    assert!(with(&sandbox, both, &["-n", "set", "network.lan.ipaddr=1"]).status.success());
    assert_eq!(sandbox.read("network"), before);
    assert_eq!(sandbox.ok(&["changes"]), "");
}

#[test]
fn cli_26_other_names_of_the_directories_move_them() {
    let sandbox = Sandbox::new();
    let moved = sandbox.path("moved");
    std::fs::create_dir(&moved).expect("made");
    std::fs::write(moved.join("app"), "config app 'main'\n\toption mode 'quick'\n").expect("written");
    for name in ["CONFIGSTORE_DIR", "CONFIGSTORE_PATH"] {
        let mut command = sandbox.command();
        command.env_remove("CMS_CONFIG_DIR").env(name, &moved);
        let output = command.args(["get", "app.main.mode"]).output().expect("cms runs");
        assert_eq!(output.stdout, b"quick\n", "{name}: {}", said(&output));
    }
    let log = sandbox.path("database");
    let mut command = sandbox.command();
    command.env_remove("CMS_STATE_DIR").env("CONFIGSTORE_DB_PATH", &log);
    assert!(command.args(["set", "--commit", "network.lan.mtu=1400"]).status().expect("cms runs").success());
    assert!(log.is_dir());
}

#[test]
fn cli_28_the_log_file_gets_all_messages_and_is_for_its_owner() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("messages");
    let file = path.to_str().expect("UTF-8");
    let output = sandbox.run(&["--log-file", file, "get", "network.lan.ipaddr"]);
    assert_eq!((output.stdout, output.stderr), (b"10.0.0.1\n".to_vec(), Vec::new()));
    let output = with(&sandbox, &[("CMS_LOG_FILE", file)], &["get", "network.lan.nope"]);
    assert_eq!(said(&output), "cms: network.lan.nope: not found\n");
    let text = std::fs::read_to_string(&path).expect("made");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].contains("] cms: network: read from ")
            && lines[2].ends_with("] cms: network.lan.nope: not found")
    );
    assert!(lines.iter().all(|line| line.starts_with("20") && line.contains("Z [")), "{text}");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = sandbox.fails(6, &["--log-file", "/nowhere/x", "list"]);
    assert!(said.starts_with("cms: cannot append to /nowhere/x: "), "{said}");
}
