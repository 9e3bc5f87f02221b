//! Guards: the processes that roll back commits that are not confirmed, and when they end.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cms::{Error, Guards, Store};

use super::fixture;
use crate::support::sandbox::Sandbox;

pub fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until a condition holds.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: it never came to that");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Commits another address, to be confirmed; returns the number of the guard's process.
fn commit(sandbox: &Sandbox, time: &str, more: &[&str]) -> u32 {
    sandbox.ok(&["set", "network.lan.ipaddr=10.9.9.9"]);
    let output = sandbox.run(&[&["commit", "--confirm", time], more].concat());
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let number = said.split("the guard is process ").nth(1).expect("it says that a guard stands");
    number.lines().next().expect("a number").trim().parse().expect("a number")
}

fn address(sandbox: &Sandbox) -> &'static str {
    let text = sandbox.read("network");
    ["10.0.0.1", "10.9.9.9"].into_iter().find(|address| text.contains(address)).expect("one of them")
}

fn runs(process: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    text.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with(['Z', 'X']))
}

fn send(signal: &str, process: u32) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status().expect("runs");
    assert!(sent.success());
}

#[test]
fn s18_a_guard_takes_it_back_and_nobody_has_to_run_anything() {
    let sandbox = Sandbox::new();
    let before = sandbox.read("network");
    let guard = commit(&sandbox, "4s", &[]);
    assert_eq!(address(&sandbox), "10.9.9.9");
    // The guard has its own session, and uses no directory or file of the program that committed.
    let stat = std::fs::read_to_string(format!("/proc/{guard}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    assert_eq!(fields[3], guard.to_string(), "{stat}");
    assert_eq!(std::fs::read_link(format!("/proc/{guard}/cwd")).expect("readable"), PathBuf::from("/"));
    until("the old address", || sandbox.read("network") == before);
    until("the guard has ended", || !runs(guard));
    assert!(sandbox.ok(&["history", "--json-lines"]).contains("was not confirmed in time"));
    assert!(sandbox.fails(1, &["pending"]).contains("no commit waits"));
}

#[test]
fn s18_a_guard_that_was_killed_or_stopped_is_not_needed_and_two_do_no_more_than_one() {
    for signal in ["-KILL", "-STOP", ""] {
        let sandbox = Sandbox::new();
        let guard = commit(&sandbox, "4s", &[]);
        let second = sandbox.command().args(["confirm", "--wait"]).spawn();
        let mut second = second.expect("runs");
        if signal.is_empty() {
            until("one of two has done it", || address(&sandbox) == "10.0.0.1");
        } else {
            let _ = second.kill();
            send(signal, guard);
            std::thread::sleep(Duration::from_millis(4100));
            assert_eq!(address(&sandbox), "10.9.9.9", "nobody else has done it yet");
            assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.1\n");
        }
        let _ = second.wait();
        if signal == "-STOP" {
            send("-CONT", guard);
        }
        until("the guard has ended", || !runs(guard));
        let log = sandbox.ok(&["history", "--json-lines"]);
        assert_eq!(log.matches("\"kind\":\"rollback\"").count(), 1, "{log}");
    }
}

#[test]
fn s18_a_confirmed_commit_stays_and_its_guard_goes() {
    let sandbox = Sandbox::new();
    let guard = commit(&sandbox, "1h", &[]);
    assert!(runs(guard));
    sandbox.ok(&["confirm"]);
    until("the guard has ended", || !runs(guard));
    assert_eq!(address(&sandbox), "10.9.9.9");
    // A guard that was started for a commit that then fails ends as well.
    sandbox.ok(&["set", "network.lan.ipaddr=10.1.1.1"]);
    std::fs::write(sandbox.path("config/network"), "config a 'b'\n\toption c 'open\n").expect("written");
    sandbox.fails(3, &["commit", "--confirm", "1h"]);
    let guards = || {
        let place = format!("__guard.*{}", sandbox.path("config").display());
        Command::new("pgrep").args(["-f", &place]).output().expect("runs").stdout
    };
    until("no guard is left", || guards().is_empty());
}

#[test]
fn s18_without_a_guard_there_is_no_commit() {
    let fixture = fixture();
    let before = fixture.text("network");
    let guards = Guards::Program("/nonexistent/cms".into());
    let live = Store::open(fixture.options().guards(guards)).expect("opens");
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"network.lan.ipaddr", b"10.9.9.9").expect("set");
    transaction.set_confirm(Duration::from_secs(60));
    let error = transaction.commit().expect_err("refused");
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("cms")), "{error}");
    assert!(error.to_string().contains("start the guard"), "{error}");
    assert_eq!(fixture.text("network"), before);
    assert_eq!(live.engine().confirmations().pending().expect("readable"), None);
}

#[test]
fn s18_a_program_has_a_guard_as_well() {
    for guards in [Guards::Thread, Guards::Program(env!("CARGO_BIN_EXE_cms").into())] {
        let fixture = fixture();
        let before = fixture.text("network");
        let live = Store::open(fixture.options().guards(guards)).expect("opens");
        let mut transaction = live.begin().expect("begun");
        transaction.set(b"network.lan.ipaddr", b"10.9.9.9").expect("set");
        transaction.set_confirm(Duration::from_millis(700));
        transaction.commit().expect("committed");
        assert_ne!(fixture.text("network"), before);
        until("the old address", || fixture.text("network") == before);
    }
}

#[test]
fn s18_a_guard_keeps_no_file_of_the_shell_open() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=10.9.9.9"]);
    let lock = sandbox.path("lock");
    let script = "exec 9>\"$1\"; flock 9; \"$2\" commit --quiet --confirm 1h";
    let mut command = Command::new("sh");
    for (name, value) in sandbox.command().get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.args(["-c", script, "sh"]).arg(&lock).arg(env!("CARGO_BIN_EXE_cms"));
    // A program that reads the output, over ssh for example, does not have to wait for the guard either.
    let mut child = command.stdout(Stdio::piped()).spawn().expect("runs");
    let mut line = String::new();
    let started = Instant::now();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("readable");
    assert!(child.wait().expect("ends").success() && started.elapsed() < Duration::from_secs(20));
    let locked = Command::new("flock").args(["-n"]).arg(&lock).arg("true").status();
    assert!(locked.is_ok_and(|status| status.success()), "the guard has kept the shell's lock");
    sandbox.ok(&["confirm"]);
}

#[test]
fn s18_the_command_for_the_rollback_is_run_by_the_guard_and_only_for_its_own_commit() {
    let sandbox = Sandbox::new();
    let hook = |name: &str| {
        let file = sandbox.path(name);
        format!("echo \"$CMS_REVISION $CMS_TRANSACTION $CMS_PACKAGES $CMS_CONFIG_DIR\" > {}", file.display())
    };
    let guard = commit(&sandbox, "1s", &["--on-rollback", &hook("ran")]);
    until("it has run", || sandbox.path("ran").exists() && !runs(guard));
    let told = std::fs::read_to_string(sandbox.path("ran")).expect("readable");
    let words: Vec<&str> = told.split_whitespace().collect();
    let numbers: Vec<u64> = words[..2].iter().map(|word| word.parse().expect("a number")).collect();
    assert_eq!((numbers[0], words[2]), (numbers[1] + 1, "network"), "{told}");
    assert_eq!(words[3], sandbox.path("config").display().to_string());
    // The command is stored nowhere, so no process of another user can run it.
    let kept = Command::new("grep").args(["-rl", "CMS_TRANSACTION"]).arg(sandbox.path("state")).output();
    assert!(kept.expect("runs").stdout.is_empty());
    let guard = commit(&sandbox, "1h", &["--on-rollback", &hook("not-run")]);
    sandbox.ok(&["confirm"]);
    until("the guard has ended", || !runs(guard));
    assert!(!sandbox.path("not-run").exists());
    // A guard whose commit was refused does not run the command when another commit is rolled back.
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.1"]);
    sandbox.ok(&["commit", "--confirm", "2s"]);
    sandbox.write("other", "config a 'b'\n");
    sandbox.ok(&["set", "other.b.x=1"]);
    sandbox.write("other", "config a 'b'\n\toption c 'open\n");
    sandbox.fails(3, &["commit", "--confirm", "1h", "--on-rollback", &hook("not-run"), "other"]);
    until("it is taken back", || address(&sandbox) == "10.9.9.9");
    std::thread::sleep(Duration::from_millis(700));
    assert!(!sandbox.path("not-run").exists());
    assert!(sandbox.fails(2, &["commit", "--on-rollback", "true"]).contains("--confirm"));
}

#[test]
fn s18_who_waits_in_the_foreground_runs_a_command_as_well() {
    let sandbox = Sandbox::new();
    let guard = commit(&sandbox, "4s", &[]);
    let told =
        sandbox.run(&["confirm", "--wait", "--on-rollback", "echo $CMS_TRANSACTION $CMS_PACKAGES; exit 3"]);
    assert_eq!(told.status.code(), Some(1), "it was taken back");
    assert!(String::from_utf8_lossy(&told.stdout).ends_with(" network\n"), "{told:?}");
    assert!(stderr(&told).contains("exit code 3"), "{}", stderr(&told));
    assert!(sandbox.fails(2, &["confirm", "--on-rollback", "true"]).contains("--wait"));
    until("the guard has ended", || !runs(guard));
}

/// Others commit while the time runs out: none of their commits is lost, whenever the guard rolls back.
#[test]
fn s18_others_who_commit_at_the_moment_of_the_rollback_lose_nothing() {
    let fixture = fixture();
    let before = fixture.text("network");
    let guards = Guards::Program(env!("CARGO_BIN_EXE_cms").into());
    let options = || fixture.options().guards(guards.clone());
    let live = Store::open(options()).expect("opens");
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"network.lan.ipaddr", b"10.9.9.9").expect("set");
    transaction.set_confirm(Duration::from_millis(500));
    transaction.commit().expect("committed");
    let counts: Vec<(String, u32)> = std::thread::scope(|scope| {
        let commit_on = |number: usize| {
            let (options, key) = (options(), format!("network.lan.of_{number}"));
            scope.spawn(move || {
                let (live, mut count) = (Store::open(options).expect("opens"), 0);
                let end = Instant::now() + Duration::from_millis(1500);
                while Instant::now() < end {
                    let mut transaction = live.begin().expect("begun");
                    count += 1;
                    transaction.set(key.as_bytes(), count.to_string().as_bytes()).expect("set");
                    transaction.commit().expect("committed");
                }
                (key, count)
            })
        };
        let threads: Vec<_> = (0..3).map(commit_on).collect();
        threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
    });
    until("the old address", || fixture.text("network").contains("10.0.0.1"));
    let text = fixture.text("network");
    for (key, count) in counts {
        let option = key.rsplit('.').next().expect("an option");
        assert!(text.contains(&format!("option {option} '{count}'")), "{key} {count}: {text}");
    }
    let rest: String = text.split_inclusive('\n').filter(|line| !line.contains("of_")).collect();
    assert_eq!(rest, before);
}
