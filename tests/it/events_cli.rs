//! `cms watch` and `cms run`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::sandbox::Sandbox;

fn start(sandbox: &Sandbox, words: &[&str]) -> Child {
    sandbox.command().args(words).stdout(Stdio::piped()).spawn().expect("cms runs")
}

fn change(sandbox: &Sandbox, address: &str) {
    sandbox.ok(&["set", "--commit", &format!("network.lan.ipaddr={address}")]);
}

fn revision(sandbox: &Sandbox) -> u64 {
    let line = sandbox.ok(&["history", "--number", "1", "--json-lines"]);
    let row: Json = serde_json::from_str(line.lines().next().expect("one")).expect("JSON");
    row["revision"].as_u64().expect("a number")
}

/// Waits until a file has the expected content.
fn wait_for(sandbox: &Sandbox, name: &str, wanted: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = std::fs::read_to_string(sandbox.path(name)).unwrap_or_default();
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{name}: {found:?}, not {wanted:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn watch_tells_what_has_come_since_a_revision_and_what_comes() {
    let sandbox = Sandbox::new();
    change(&sandbox, "10.0.0.2");
    let since = revision(&sandbox);
    sandbox.ok(&["set", "--commit", "-m", "why not", "network.lan.ipaddr=10.0.0.3"]);
    let words = ["watch", "*.lan.ipaddr", "--since", &since.to_string(), "--json-lines", "--count", "2"];
    let mut child = start(&sandbox, &words);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let row = |line: Option<Result<String, std::io::Error>>| -> Json {
        serde_json::from_str(&line.expect("one").expect("text")).expect("JSON")
    };
    let first = row(lines.next());
    assert_eq!((first["revision"].as_u64(), first["message"].as_str()), (Some(since + 1), Some("why not")));
    assert_eq!(first["changes"][0]["old"], "10.0.0.2");
    sandbox.write("network", &sandbox.read("network").replace("10.0.0.3", "10.0.0.4"));
    let second = row(lines.next());
    assert_eq!(
        (second["kind"].as_str(), second["changes"][0]["new"].as_str()),
        (Some("file-edit"), Some("10.0.0.4"))
    );
    assert!(child.wait().expect("ends").success());

    let since = revision(&sandbox);
    change(&sandbox, "10.0.0.5");
    let words = ["watch", "network.lan", "--since", &since.to_string(), "--timeout", "0.2"];
    let output = sandbox.run(&words);
    assert_eq!(output.status.code(), Some(8));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.ends_with("    network.lan.ipaddr: '10.0.0.4' -> '10.0.0.5'\n"), "{text}");
    assert!(sandbox.fails(3, &["watch", "--since", "1", "a.b.c.d"]).contains("at most three parts"));
    assert!(sandbox.fails(2, &["watch", "--count", "x"]).contains("not a number"));
}

#[test]
fn watch_runs_a_command_for_each_change_and_runs_do_not_pile_up() {
    let sandbox = Sandbox::new();
    change(&sandbox, "10.0.0.2");
    let (log, gate) = (sandbox.path("log"), sandbox.path("gate"));
    let script = format!(
        "read json; echo \"$CMS_CHANGE $CMS_KEY $CMS_OLD $CMS_NEW $CMS_REVISION\" >> {0}; echo \"$json\" > {0}.json; \
         while [ ! -e {1} ]; do sleep 0.01; done",
        log.display(),
        gate.display()
    );
    let mut child = start(&sandbox, &["watch", "network.lan.ipaddr", "--exec", &script, "--count", "2"]);
    std::thread::sleep(Duration::from_millis(300));
    change(&sandbox, "10.0.0.3");
    let first = format!("set network.lan.ipaddr 10.0.0.2 10.0.0.3 {}\n", revision(&sandbox));
    wait_for(&sandbox, "log", &first);
    // Three more commits while the command runs: they become one event.
    for address in ["10.0.0.4", "10.0.0.5", "10.0.0.6"] {
        change(&sandbox, address);
    }
    std::fs::write(&gate, "").expect("written");
    assert!(child.wait().expect("ends").success());
    let second = format!("set network.lan.ipaddr 10.0.0.3 10.0.0.6 {}\n", revision(&sandbox));
    wait_for(&sandbox, "log", &(first + &second));
    let json: Json =
        serde_json::from_slice(&std::fs::read(sandbox.path("log.json")).expect("readable")).expect("JSON");
    assert_eq!((json["change"]["new"].as_str(), json["source"].as_str()), (Some("10.0.0.6"), Some("cms")));
}

#[test]
fn run_signals_a_program_restarts_it_and_takes_it_along() {
    let sandbox = Sandbox::new();
    let log = sandbox.path("log");
    // The program writes the address to a file at the start and on each signal.
    let script = format!(
        "note() {{ \"$CMS\" get network.lan.ipaddr >> {0}; }}; trap note USR1; note; \
         i=0; while [ $i -lt 2000 ]; do i=$((i+1)); sleep 0.01; done",
        log.display()
    );
    let run = |words: &[&str]| {
        let mut command = sandbox.command();
        command.env("CMS", env!("CARGO_BIN_EXE_cms")).args(["run", "--watch", "network"]).args(words);
        command.args(["--", "sh", "-c", &script]).spawn().expect("cms runs")
    };
    let mut child = run(&["--signal", "USR1"]);
    wait_for(&sandbox, "log", "10.0.0.1\n");
    change(&sandbox, "10.0.0.2");
    wait_for(&sandbox, "log", "10.0.0.1\n10.0.0.2\n");
    child.kill().expect("killed");
    child.wait().expect("ends");
    std::fs::remove_file(&log).expect("removed");

    let mut child = run(&["--restart"]);
    wait_for(&sandbox, "log", "10.0.0.2\n");
    change(&sandbox, "10.0.0.3");
    wait_for(&sandbox, "log", "10.0.0.2\n10.0.0.3\n");
    child.kill().expect("killed");
    child.wait().expect("ends");

    let output = sandbox.run(&[
        "run",
        "--env",
        "network.lan",
        "--",
        "sh",
        "-c",
        "echo $network_lan_ipaddr $network_lan_dns; exit 7",
    ]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "10.0.0.3 a b c\n");
    assert_eq!(sandbox.run(&["run", "--", "/no/such/program"]).status.code(), Some(127));
}

#[test]
fn a_program_ends_with_the_command_that_runs_it() {
    let sandbox = Sandbox::new();
    let words = ["run", "--", "sh", "-c", "echo started; exec sleep 30"];
    let mut child = start(&sandbox, &words);
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("readable");
    assert_eq!(line, "started\n");
    let begun = Instant::now();
    child.kill().expect("killed");
    child.wait().expect("ends");
    // The end of the output shows that the program has ended as well.
    output.read_to_string(&mut line).expect("readable");
    assert!(begun.elapsed() < Duration::from_secs(20));
}
