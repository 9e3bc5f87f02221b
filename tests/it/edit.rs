//! `cms edit`, with scripts as editors, on a terminal and without one.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use crate::support::sandbox::{NETWORK, Sandbox};
use crate::support::terminal::InTerminal;

/// A command that edits `network`; the editor is a script, which gets the file as `$1`.
fn edit(sandbox: &Sandbox, script: &str) -> Command {
    let path = sandbox.path("editor");
    std::fs::write(&path, script).expect("written");
    std::fs::create_dir_all(sandbox.path("tmp")).expect("made");
    let mut command = sandbox.command();
    command
        .env_remove("VISUAL")
        .env("EDITOR", format!("sh {}", path.display()))
        .env("TMPDIR", sandbox.path("tmp"));
    command.args(["edit", "network"]);
    command
}

fn run(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().expect("cms runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// The copies that are left.
fn copies(sandbox: &Sandbox) -> Vec<PathBuf> {
    let dirs = std::fs::read_dir(sandbox.path("tmp")).expect("a directory");
    dirs.map(|dir| dir.expect("an entry").path().join("network")).collect()
}

const CHANGE: &str = "sed -i \"s/10.0.0.1/10.0.0.2/\" \"$1\"";

fn commits(sandbox: &Sandbox) -> usize {
    let records: Json = serde_json::from_str(&sandbox.ok(&["history", "--json"])).expect("JSON");
    records.as_array().expect("rows").iter().filter(|record| record["kind"] == "commit").count()
}

#[test]
fn what_the_editor_saves_is_committed_with_message_mode_and_comments() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("config").join("network");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("set");
    let mut command = edit(&sandbox, &format!("stat -c %a \"$1\" \"$(dirname \"$1\")\" >&2; {CHANGE}"));
    command.args(["-m", "by hand"]);
    let (code, said) = run(command);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\n600\n700\n"), "only this user can read the copy: {said}");
    let number: Json = serde_json::from_str(&sandbox.ok(&["status", "--json"])).expect("JSON");
    assert!(
        said.ends_with(&format!("cms: network is committed, as revision {}\n", number["revision"])),
        "{said}"
    );
    assert_eq!(sandbox.read("network"), NETWORK.replace("10.0.0.1", "10.0.0.2"));
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
    assert!(sandbox.ok(&["history"]).contains("by hand"));
    assert_eq!(copies(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn an_edit_that_changes_nothing_commits_nothing() {
    let sandbox = Sandbox::new();
    for script in ["true", "touch \"$1\""] {
        let (code, said) = run(edit(&sandbox, script));
        assert!(code == Some(0) && said.ends_with("cms: nothing was changed\n"), "{said}");
    }
    let (code, said) = run(edit(&sandbox, "exit 3"));
    assert_eq!(code, Some(6), "{said}");
    assert!(
        said.contains("cms: the editor has failed (exit status: 3), so its text is not committed\n"),
        "{said}"
    );
    assert_eq!((commits(&sandbox), copies(&sandbox)), (0, Vec::new()));
    for (code, words) in
        [(2, &["edit"][..]), (2, &["edit", "network.lan"]), (2, &["edit", "--dry-run", "network"])]
    {
        sandbox.fails(code, words);
    }
}

#[test]
fn the_text_of_an_editor_that_dies_is_kept_and_an_edit_can_go_on_with_it() {
    let sandbox = Sandbox::new();
    let (code, said) = run(edit(&sandbox, &format!("{CHANGE}; kill -9 $$")));
    assert_eq!(code, Some(6), "{said}");
    assert_eq!(sandbox.read("network"), NETWORK);
    let copies_left = copies(&sandbox);
    let copy = copies_left[0].to_str().expect("UTF-8");
    assert!(said.contains(&format!("your text is kept in {copy};")), "{said}");
    // Others commit meanwhile, which the later edit does not undo.
    sandbox.ok(&["set", "--commit", "network.@rule[1].name=web"]);
    let mut command = edit(&sandbox, "true");
    command.args(["--resume", copy]);
    let (code, said) = run(command);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(sandbox.read("network"), NETWORK.replace("10.0.0.1", "10.0.0.2").replace("'ssh'", "'web'"));
    assert_eq!(copies(&sandbox), Vec::<PathBuf>::new(), "{said}");
    run(edit(&sandbox, &format!("{CHANGE}; echo '# more' >> \"$1\"; exit 1")));
    let (_, said) = run(edit(&sandbox, "true"));
    assert!(said.contains("cms: an earlier edit of network was not finished, its text is in "), "{said}");
}

#[test]
fn without_a_terminal_a_text_with_errors_is_refused_and_kept() {
    let sandbox = Sandbox::new();
    let (code, said) = run(edit(&sandbox, "echo 'option x 1 2' >> \"$1\"; echo config >> \"$1\""));
    assert_eq!(code, Some(3), "{said}");
    let copy = copies(&sandbox)[0].display().to_string();
    assert!(said.contains(&format!("cms: {copy}:13:12: too many arguments\n")), "{said}");
    assert!(said.contains(&format!("cms: {copy}:14:")), "all errors at once: {said}");
    assert!(said.contains("nothing is changed; your text is kept in "), "{said}");
    assert_eq!(sandbox.read("network"), NETWORK);
}

#[test]
fn a_text_with_errors_can_be_mended_and_a_new_package_be_made() {
    let sandbox = Sandbox::new();
    sandbox.write("network", "config a 'b'\noption\n");
    let (code, said) = run(edit(&sandbox, "printf 'config a b\\n' > \"$1\""));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(sandbox.read("network"), "config a b\n");
    std::fs::remove_file(sandbox.path("config").join("network")).expect("removed");
    let mut command = edit(&sandbox, "test ! -s \"$1\" && printf '# new\\nconfig a b\\n' > \"$1\"");
    command.arg("--json");
    let output = command.output().expect("cms runs");
    let row: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        row["changes"],
        json!([{"key": "network.b", "change": "added", "old": null, "new": "a"}]),
        "{row}"
    );
    assert_eq!(sandbox.read("network"), "# new\nconfig a b\n");
    // The name may be a slip of the fingers, so both are said before the editor starts.
    let mut command = sandbox.command();
    command.args(["edit", "netwrk"]).env("EDITOR", "true");
    let (_, said) = run(command);
    assert!(
        said.contains("there is no package 'netwrk' yet") && said.contains("did you mean 'network'?"),
        "{said}"
    );
    assert!(!sandbox.path("config").join("netwrk").exists());
}

#[test]
fn changes_of_others_meanwhile_are_merged_or_shown_three_ways() {
    let sandbox = Sandbox::new();
    let cms = env!("CARGO_BIN_EXE_cms");
    let others = format!("{cms} set --commit network.lan.mtu=9 'network.@rule[1].name=web'");
    let (code, said) = run(edit(&sandbox, &format!("{CHANGE}; {others}")));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("their changes and yours are of different keys; both are kept\n"), "{said}");
    let both = NETWORK.replace("10.0.0.1", "10.0.0.2").replace("'ssh'", "'web'");
    assert_eq!(sandbox.read("network"), both.replace("'b c'\n", "'b c'\n\toption mtu '9'\n"));
    sandbox.write("network", NETWORK);
    let others = format!("{cms} set --commit network.lan.ipaddr=10.0.0.9");
    let (code, said) = run(edit(&sandbox, &format!("{CHANGE}; {others}")));
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("    network.lan.ipaddr: before '10.0.0.1', yours '10.0.0.2', theirs '10.0.0.9'\n"),
        "{said}"
    );
    assert_eq!(sandbox.read("network"), NETWORK.replace("10.0.0.1", "10.0.0.9"));
    assert!(said.contains("your text is kept in "), "{said}");
}

#[test]
fn on_a_terminal_the_difference_is_shown_and_confirmed() {
    let sandbox = Sandbox::new();
    let mut terminal = InTerminal::start(&mut edit(&sandbox, CHANGE));
    terminal.wait_for("commit these changes? [y,e,x,?] ");
    assert!(terminal.shown.contains("-\toption ipaddr '10.0.0.1' # known"), "{}", terminal.shown);
    assert!(terminal.shown.contains("+\toption ipaddr '10.0.0.2' # known"), "{}", terminal.shown);
    terminal.types("?\n");
    terminal.wait_for("exit without a commit; the text is kept");
    terminal.types("x\n");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(1), "{shown}");
    assert!(shown.contains("your text is kept in "), "{shown}");
    assert_eq!(sandbox.read("network"), NETWORK);
    let mut terminal = InTerminal::start(&mut edit(&sandbox, CHANGE));
    terminal.wait_for("commit these changes?");
    terminal.types("y\n");
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.contains("network is committed"), "{shown}");
    assert_eq!(sandbox.read("network"), NETWORK.replace("10.0.0.1", "10.0.0.2"));
}

#[test]
fn on_a_terminal_errors_ask_what_to_do() {
    let sandbox = Sandbox::new();
    // The first round makes an error, the second mends it.
    let script = "if grep -q oops \"$1\"; then sed -i '/oops/d' \"$1\"; sed -i s/10.0.0.1/1/ \"$1\"; else echo oops >> \"$1\"; fi";
    let mut terminal = InTerminal::start(&mut edit(&sandbox, script));
    terminal.wait_for("the text has errors; what now? [e,x,d,?] ");
    assert!(terminal.shown.contains("13:1: invalid command"), "{}", terminal.shown);
    terminal.types("e\n");
    terminal.wait_for("commit these changes?");
    terminal.types("y\n");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(0), "the errors are mended: {shown}");
    assert_eq!(sandbox.read("network"), NETWORK.replace("10.0.0.1", "1"));
    for (answer, kept) in [("d\n", 0), ("x\n", 1)] {
        let mut terminal = InTerminal::start(&mut edit(&sandbox, "echo oops >> \"$1\""));
        terminal.wait_for("what now?");
        terminal.types(answer);
        let (status, shown) = terminal.end();
        assert_eq!((status.code(), copies(&sandbox).len()), (Some(3), kept), "{shown}");
    }
}

#[test]
fn on_a_terminal_a_conflict_asks_whose_values_hold() {
    let cms = env!("CARGO_BIN_EXE_cms");
    for (answer, address) in [("m\n", "10.0.0.2"), ("t\n", "10.0.0.9")] {
        let sandbox = Sandbox::new();
        let others = format!("{cms} set --commit network.lan.ipaddr=10.0.0.9 network.lan.mtu=9");
        let script = format!("{CHANGE}; sed -i s/ping/pong/ \"$1\"; {others} > /dev/null");
        let mut terminal = InTerminal::start(&mut edit(&sandbox, &script));
        terminal.wait_for("commit these changes?");
        terminal.types("y\n");
        terminal.wait_for("what now? [m,t,e,x,?] ");
        let line = "network.lan.ipaddr: before '10.0.0.1', yours '10.0.0.2', theirs '10.0.0.9'";
        assert!(terminal.shown.contains(line), "{}", terminal.shown);
        terminal.shown.clear();
        terminal.types(answer);
        terminal.wait_for("commit these changes?");
        assert!(!terminal.shown.contains("mtu '9'\r\n-") && terminal.shown.contains("+\toption name 'pong'"));
        terminal.types("y\n");
        let (status, shown) = terminal.end();
        assert!(status.success(), "{shown}");
        let text = sandbox.read("network");
        for line in [
            &format!("option ipaddr '{address}' # known"),
            "option mtu '9'",
            "option name 'pong'",
            "# the house",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}

#[test]
fn the_text_is_kept_if_the_terminal_closes() {
    let sandbox = Sandbox::new();
    let mut terminal = InTerminal::start(&mut edit(&sandbox, CHANGE));
    terminal.wait_for("the text is edited in ");
    terminal.wait_for("commit these changes?");
    // It kills the command, as a closed terminal does.
    drop(terminal);
    assert_eq!(sandbox.read("network"), NETWORK);
    let copy = copies(&sandbox).pop().expect("it is kept");
    assert_eq!(std::fs::read_to_string(copy).expect("there"), NETWORK.replace("10.0.0.1", "10.0.0.2"));
}

/// Starts a command whose terminal sends it, and what it runs, the signals of keys.
fn at_keys(command: &Command) -> InTerminal {
    let mut at_keys = Command::new("setsid");
    at_keys.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => at_keys.env(name, value),
            None => at_keys.env_remove(name),
        };
    }
    InTerminal::start(&mut at_keys)
}

#[test]
fn ctrl_c_is_a_key_of_the_editor_and_ends_cms_only_at_a_question() {
    let sandbox = Sandbox::new();
    let script = format!(
        "trap 'got=1' INT QUIT\ngot=\necho ready\nuntil [ $got ]; do sleep 0.02; done\n{CHANGE}\necho saved"
    );
    for (key, code) in [("\x03", 2), ("\x1c", 3)] {
        let mut terminal = at_keys(&edit(&sandbox, &script));
        terminal.wait_for("ready");
        terminal.types(key);
        terminal.wait_for("commit these changes?");
        terminal.types(key);
        let (status, shown) = terminal.end();
        assert_eq!(status.code().or(status.signal()), Some(code), "{shown}");
        assert_eq!(sandbox.read("network"), NETWORK);
    }
}

#[test]
fn who_may_not_write_a_package_is_told_so_before_the_editor_runs() {
    let sandbox = Sandbox::new();
    let config = sandbox.path("config");
    let command = edit(&sandbox, "touch \"$(dirname \"$0\")/ran\"");
    let mut words = vec![command.get_program().to_owned()];
    words.extend(command.get_args().map(std::ffi::OsStr::to_owned));
    let is_root = rustix::process::geteuid().is_root();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o555)).expect("set");
    std::fs::set_permissions(sandbox.path("tmp"), std::fs::Permissions::from_mode(0o777)).expect("set");
    std::fs::set_permissions(sandbox.root(), std::fs::Permissions::from_mode(0o755)).expect("set");
    let mut run = Command::new(if is_root { "setpriv" } else { "env" });
    if is_root {
        run.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    for (name, value) in command.get_envs() {
        value.map(|value| run.env(name, value));
    }
    let output = run.args(words).output().expect("it runs");
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o755)).expect("set");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains(&format!("cannot write to {}: Permission denied", config.display())), "{said}");
    assert!(!sandbox.path("ran").exists() && copies(&sandbox).is_empty(), "{said}");
}

#[test]
fn an_editor_is_found_or_asked_for() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("bin")).expect("made");
    let without = |words: &[&str]| {
        let mut command = edit(&sandbox, "true");
        command.env_remove("EDITOR").env("PATH", sandbox.path("bin")).args(words);
        command
    };
    let (code, said) = run(without(&[]));
    assert_eq!(code, Some(6), "{said}");
    assert!(
        said.contains(
            "cms: there is no terminal for an editor\nhint: set EDITOR to a command that needs none"
        ),
        "{said}"
    );
    assert_eq!(sandbox.read("network"), NETWORK);
    let (status, said) = InTerminal::start(&mut without(&[])).end();
    assert_eq!(status.code(), Some(6), "{said}");
    assert!(said.contains("there is no editor: neither vi nor nano is installed"), "{said}");
    assert!(said.contains("set VISUAL or EDITOR"), "{said}");
    let vi = sandbox.path("bin").join("vi");
    std::fs::write(&vi, "#!/bin/sh\nPATH=/usr/bin:/bin\nprintf 'config a b\\n' > \"$1\"\n").expect("written");
    std::fs::set_permissions(&vi, std::fs::Permissions::from_mode(0o755)).expect("set");
    let (status, said) = InTerminal::start(&mut without(&["--yes"])).end();
    assert_eq!((status.code(), &*sandbox.read("network")), (Some(0), "config a b\n"), "{said}");
}
