//! `cms watch` and `cms run`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::support::sandbox::Sandbox;
use crate::support::terminal::InTerminal;

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
    assert!(
        sandbox
            .fails(3, &["watch", "--since", "1", "a..c.d"])
            .contains("only an option comes behind two dots")
    );
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
    let mut child =
        start(&sandbox, &["watch", "network.lan.ipaddr", "--each-change", "--exec", &script, "--count", "2"]);
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

/// Waits until a file begins with a text.
fn wait_for_start(sandbox: &Sandbox, name: &str, wanted: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(sandbox.path(name)).unwrap_or_default().starts_with(wanted) {
        assert!(Instant::now() < deadline, "{name}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("sent");
}

#[test]
fn m23_run_forwards_signals_waits_and_ends_with_the_status_of_the_program() {
    let sandbox = Sandbox::new();
    let log = sandbox.path("log").display().to_string();
    // The program needs a while to end, and then has a status of its own.
    let script = format!(
        "trap 'echo term >> {log}; sleep 0.3; echo done >> {log}; exit 42' TERM; \
         trap 'echo int >> {log}; exit 43' INT; trap 'echo usr1 >> {log}' USR1; \
         echo ready >> {log}; while :; do sleep 0.01; done"
    );
    let mut child = start(&sandbox, &["run", "--", "sh", "-c", &script]);
    wait_for_start(&sandbox, "log", "ready\n");
    signal(&child, Signal::USR1);
    wait_for_start(&sandbox, "log", "ready\nusr1\n");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ends").code(), Some(42));
    wait_for(&sandbox, "log", "ready\nusr1\nterm\ndone\n");
    std::fs::remove_file(sandbox.path("log")).expect("removed");
    let mut child = start(&sandbox, &["run", "--restart", "--", "sh", "-c", &script]);
    wait_for_start(&sandbox, "log", "ready\n");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().expect("ends").code(), Some(43), "it is not restarted");
    // A program that a signal has ended: 128 and its number.
    let mut child = start(&sandbox, &["run", "--", "sh", "-c", "echo started; exec sleep 30"]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ends").code(), Some(128 + 15));
}

#[test]
fn m23_a_key_at_the_terminal_reaches_the_program_of_run_once() {
    let sandbox = Sandbox::new();
    let log = sandbox.path("log").display().to_string();
    let program = format!(
        "import signal, time\n\
         def note(number, frame): print(number, file=open('{log}', 'a'))\n\
         [signal.signal(number, note) for number in (2, 3, 15)]\n\
         print('ready', flush=True)\n\
         while True: time.sleep(9)\n"
    );
    let run = sandbox.command();
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(run.get_program());
    command.args(["run", "--", "python3", "-c", &program]);
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut terminal = InTerminal::start(&mut command);
    terminal.wait_for("ready");
    for (key, so_far) in [("\x03", "2\n"), ("\x1c", "2\n3\n"), ("\x03", "2\n3\n2\n")] {
        terminal.types(key);
        wait_for(&sandbox, "log", so_far);
        // A second signal would have come by now.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(std::fs::read_to_string(&log).expect("there"), so_far);
    }
}

#[test]
fn m24_a_pattern_that_matches_no_package_is_a_warning() {
    let sandbox = Sandbox::new();
    let said = |words: &[&str]| String::from_utf8(sandbox.run(words).stderr).expect("text");
    let warned = said(&["watch", "netwrk", "--timeout", "0"]);
    assert!(warned.contains("pattern 'netwrk' matches no package; did you mean 'network'?"), "{warned}");
    let warned = said(&["watch", "network.lan", "zzz.lan", "--timeout", "0"]);
    assert_eq!(warned.lines().count(), 1, "{warned}");
    assert!(warned.contains("pattern 'zzz.lan' matches no package"), "{warned}");
    assert_eq!(said(&["watch", "net*", "*.lan", "--timeout", "0"]), "");
    assert!(said(&["run", "--watch", "netwrk.lan", "--", "true"]).contains("did you mean 'network'?"));
}

#[test]
fn m24_watch_runs_the_command_once_for_each_transaction() {
    let sandbox = Sandbox::new();
    change(&sandbox, "10.0.0.2");
    let since = revision(&sandbox).to_string();
    sandbox.fed(&["batch", "-m", "two"], "set network.lan.ipaddr=10.0.0.3\nset network.lan.mtu=1400\n");
    change(&sandbox, "10.0.0.4");
    let log = sandbox.path("log").display().to_string();
    let script = format!(
        "echo \"$CMS_REVISION|$CMS_KEYS|$CMS_PACKAGES|$CMS_KIND|$CMS_SOURCE|$CMS_MESSAGE|$CMS_KEY|$CMS_OLD\" >> {log}"
    );
    let run = |options: &[&str]| {
        let words = ["watch", "network", "--since", &since, "--count", "1", "--exec", &script];
        sandbox.ok(&[&words[..], options].concat());
        let lines = std::fs::read_to_string(&log).expect("written");
        std::fs::remove_file(&log).expect("removed");
        lines
    };
    // Both transactions are there already, so they are one event.
    let last = revision(&sandbox);
    let both = format!("{last}|network.lan.ipaddr network.lan.mtu|network|commit|cms|||\n");
    assert_eq!(run(&[]), both);
    let each = run(&["--each-change"]);
    assert_eq!(each.lines().count(), 2, "{each}");
    assert!(each.contains("|network.lan.ipaddr|10.0.0.2\n"), "{each}");
    // With --debounce, what comes within the time is one run.
    let words = ["watch", "network", "--count", "1", "--debounce", "2s", "--exec", &script];
    let mut child = start(&sandbox, &words);
    std::thread::sleep(Duration::from_millis(500));
    change(&sandbox, "10.0.0.5");
    change(&sandbox, "10.0.0.6");
    assert!(child.wait().expect("ends").success());
    let line = format!("{}|network.lan.ipaddr|network|commit|cms||network.lan.ipaddr|10.0.0.4\n", last + 2);
    wait_for(&sandbox, "log", &line);
    assert!(sandbox.fails(2, &["watch", "--debounce", "x", "--exec", "true"]).contains("not a time"));
    assert!(sandbox.fails(2, &["watch", "--each-change"]).contains("for --exec"));
}
