//! Completion (M26, CLI-20): the words that can follow, and what bash, zsh and fish make of them at a terminal.

use std::path::Path;
use std::process::Command;

use crate::support::sandbox::Sandbox;

/// A store with a transaction, a snapshot, and files in its directory.
fn store() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("netdata", "config app 'main'\n\toption mode 'quick'\n");
    sandbox.ok(&["set", "--commit", "network.lan.mtu=1400"]);
    sandbox.ok(&["snapshot", "known-good"]);
    std::fs::write(sandbox.path("draft.txt"), "").expect("written");
    std::fs::create_dir(sandbox.path("drafts")).expect("made");
    sandbox
}

fn completed(sandbox: &Sandbox, words: &[&str]) -> String {
    let mut command = sandbox.command();
    let output =
        command.current_dir(sandbox.root()).arg("__complete").args(words).output().expect("cms runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(|line| format!("{line}|")).collect()
}

#[test]
fn m26_each_argument_is_completed_as_what_it_is() {
    let sandbox = store();
    for (words, expected) in [
        // A complete word ends with a blank, one that goes on does not.
        (&["comm"][..], "commit |"),
        (&["commit", "netw"], "network |"),
        (&["commit", "net"], "netdata |network |"),
        (&["get", "netw"], "network.|"),
        (&["get", "network.l"], "network.lan.|"),
        (&["get", "network.lan.ip"], "network.lan.ipaddr |"),
        (&["set", "network.lan.ip"], "network.lan.ipaddr=|"),
        (&["set", "network.lan.ipaddr="], "network.lan.ipaddr=10.0.0.1 |"),
        (&["add", "network", ""], "interface |rule |"),
        (&["list", "network.l"], "network.lan |"),
        (&["watch", "network.lan.m"], "network.lan.mtu |"),
        // Anonymous sections by a value.
        (&["get", "network.@"], "network.@rule[name=ping].|network.@rule[name=ssh].|"),
        (&["get", "network.@rule[name=ping].t"], "network.@rule[name=ping].target |"),
        (&["reorder", "network.@rule[name=s"], "network.@rule[name=ssh]=|"),
        // Files, revisions, labels.
        (&["validate", "dra"], "draft.txt |drafts/|"),
        (&["apply", "./dra"], "./draft.txt |./drafts/|"),
        (&["undo", ""], "2 |3 |known-good |now |"),
        (&["rollback", "k"], "known-good |"),
        (&["rollback", "known-good", "netw"], "network |"),
        (&["snapshot", "--delete", "k"], "known-good |"),
        // Options and their values.
        (&["commit", "--conf"], "--confirm |--config-dir |"),
        (&["get", "--at", "k"], "known-good |"),
        (&["get", "--at=k"], "--at=known-good |"),
        (&["--color", "a"], "auto |always |"),
        (&["show", "--format", ""], "text |json |sh |"),
        (&["list", "--format=j"], "--format=json |"),
        (&["export", "--format", ""], "uci |json |"),
        (&["-c", "dra"], "draft.txt |drafts/|"),
        // Words of cms.
        (&["help", "rev"], "revert |revisions |"),
        (&["man", "rev"], "revert |"),
        (&["audit", ""], "verify |"),
        (&["completion", "z"], "zsh |"),
        // Nothing fits.
        (&["get", "nope.x"], "|"),
        (&["frobnicate", ""], "|"),
        (&["status", ""], "|"),
    ] {
        assert_eq!(completed(&sandbox, words), expected, "{words:?}");
    }
}

#[test]
fn m26_sections_that_no_value_tells_apart_are_completed_by_position() {
    let sandbox = Sandbox::new();
    let rule = "config rule\n\toption name 'a b'\n";
    sandbox.write(
        "firewall",
        &format!("{rule}{rule}config rule\n\toption name 'x'\nconfig rule\n\toption name 'x'\n"),
    );
    let positions: String = (0..4).map(|at| format!("firewall.@rule[{at}].|")).collect();
    assert_eq!(completed(&sandbox, &["get", "firewall."]), positions);
    assert_eq!(completed(&sandbox, &["get", "firewall.cfg"]).matches('|').count(), 4);
}

/// Types a line and a Tab into a shell at a terminal, and returns the words that it runs.
fn typed(sandbox: &Sandbox, shell: &str, lines: &[String]) -> Option<Vec<String>> {
    let bin = sandbox.path("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).expect("made");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cms"), bin.join("cms")).expect("linked");
    }
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|dir| dir.join(shell)).find(|program| program.exists())
    })?;
    let script = sandbox.path(&format!("completion.{shell}"));
    std::fs::write(&script, sandbox.ok(&["completion", shell])).expect("written");
    let store = sandbox.command();
    let path = std::env::var("PATH").unwrap_or_default();
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/completion/terminal.py");
    let output = Command::new("python3")
        .arg(driver)
        .args([shell.as_ref(), found.as_os_str(), script.as_os_str()])
        .args(lines)
        .current_dir(sandbox.root())
        .envs(store.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", format!("{}:{path}", bin.display()))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect())
}

#[test]
fn m26_cli_20_bash_zsh_and_fish_complete_at_a_terminal() {
    // The `x` behind the Tab shows whether the word was complete.
    let cases = [
        ("cms comm", "<cms><commit><x>"),
        ("cms commit netw", "<cms><commit><network><x>"),
        ("cms get netw", "<cms><get><network.x>"),
        ("cms get network.lan.ip", "<cms><get><network.lan.ipaddr><x>"),
        ("cms set network.lan.ip", "<cms><set><network.lan.ipaddr=x>"),
        ("cms get network.@rule[name=p", "<cms><get><network.@rule[name=ping].x>"),
        ("cms rollback kn", "<cms><rollback><known-good><x>"),
        ("cms validate draft.", "<cms><validate><draft.txt><x>"),
    ];
    let check = move |shell: &str| {
        let sandbox = store();
        // zsh takes a bracket for a pattern unless it is quoted.
        let quoted = |line: &str| if shell == "zsh" { line.replace('[', "\\[") } else { line.to_owned() };
        let lines: Vec<String> = cases.iter().map(|(line, _)| quoted(line)).collect();
        let Some(words) = typed(&sandbox, shell, &lines) else {
            return eprintln!("skipped: {shell} is not installed");
        };
        let expected: Vec<&str> = cases.iter().map(|(_, words)| *words).collect();
        assert_eq!(words, expected, "{shell}");
    };
    std::thread::scope(|scope| {
        for shell in ["bash", "zsh", "fish"] {
            scope.spawn(move || check(shell));
        }
    });
}

#[test]
fn m26_a_large_package_is_completed_from_its_map_as_from_its_text() {
    let sandbox = Sandbox::new();
    let mut text = String::new();
    for number in 0..2000 {
        let kind = ["host", "rule"][number % 2];
        let name = if number % 3 == 0 { String::new() } else { format!(" 's{number}'") };
        let title = number.min(1900);
        text.push_str(&format!("config {kind}{name}\n\toption name 't{title}'\n\tlist name{number} 'x'\n"));
    }
    assert!(text.len() > 48 * 1024);
    sandbox.write("big", &text);
    let cases: [&[&str]; 7] = [
        &["get", "big."],
        &["get", "big.s19"],
        &["get", "big.cfg"],
        &["reorder", "big.@"],
        &["get", "big.s1."],
        &["set", "big.@rule[name=t3].na"],
        &["add", "big", ""],
    ];
    let from_map = cases.map(|words| completed(&sandbox, words));
    let traced = sandbox.run(&["-v", "get", "big.s1.name"]);
    assert!(String::from_utf8_lossy(&traced.stderr).contains("read from the map"), "{traced:?}");
    // With a staged change the text is read.
    sandbox.ok(&["set", "big.s1.name=other"]);
    let from_text = cases.map(|words| completed(&sandbox, words));
    assert_eq!(from_map, from_text);
    assert!(from_map.iter().all(|words| words.len() > 3), "{:?}", &from_map[4..]);
    assert_eq!(from_map[4], "big.s1.name |big.s1.name1 |");
}
