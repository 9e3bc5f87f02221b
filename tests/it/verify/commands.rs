//! The command `cms verify`: programs that decide on transactions.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::sandbox::Sandbox;

/// A process that verifies transactions, or watches. It ends with the test, even if that fails.
struct Process(Child);

impl std::ops::Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a verifier in another process, and waits until it is ready.
fn start(sandbox: &Sandbox, words: &[&str]) -> Process {
    let mut command = sandbox.command();
    command.args(words).env("CMS", env!("CARGO_BIN_EXE_cms")).stdout(Stdio::null()).stderr(Stdio::null());
    let child = Process(command.spawn().expect("cms runs"));
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_there = || {
        let folders = std::fs::read_dir(sandbox.path("run/verifiers")).into_iter().flatten().flatten();
        let notes =
            folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
        notes
            .map(|note| note.file_name().to_string_lossy().into_owned())
            .any(|name| name.starts_with(&format!("{}-", child.id())) && !name.ends_with(".socket"))
    };
    while !is_there() {
        assert!(Instant::now() < deadline, "{words:?} is not there");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn end(mut verifier: Process) {
    verifier.kill().expect("killed");
    verifier.wait().expect("ends");
}

#[test]
fn a_command_decides_for_each_change_and_its_standard_error_is_the_reason() {
    let sandbox = Sandbox::new();
    sandbox.write("system", "config system 's'\n\toption name 'a'\n");
    let script = format!(
        "cat > {0}; echo \"$CMS_CHANGE $CMS_KEY $CMS_OLD $CMS_NEW $(\"$CMS\" get --at now network.lan.ipaddr)\" >> {1}; \
         [ \"$CMS_NEW\" != bad ] || {{ echo 'no such thing' >&2; echo 'more' >&2; exit 1; }}",
        sandbox.path("json").display(),
        sandbox.path("log").display()
    );
    let words = ["verify", "network.lan.ipaddr system", "--source", "guard", "--", "sh", "-c", &script];
    let verifier = start(&sandbox, &words);
    sandbox.ok(&["set", "--commit", "-m", "why", "network.lan.ipaddr=10.0.0.2"]);
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("json")).expect("there")).expect("JSON");
    assert_eq!((&json["revision"], &json["message"]), (&serde_json::Value::Null, &"why".into()));
    assert_eq!((&json["change"]["old"], &json["change"]["new"]), (&"10.0.0.1".into(), &"10.0.0.2".into()));

    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.3", "system.s.name=bad"]);
    let said = sandbox.fails(9, &["commit"]);
    assert!(said.contains(&format!("refused by guard (process {}): no such thing", verifier.id())), "{said}");
    assert!(sandbox.read("network").contains("10.0.0.2"), "both or neither");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.fails(9, &["--json", "commit"])).expect("JSON");
    let error = &json["error"];
    assert_eq!((&error["code"], &error["program"]), (&"refused".into(), &"guard".into()));
    assert_eq!((&error["reason"], &error["pid"]), (&"no such thing".into(), &verifier.id().into()));
    let log = std::fs::read_to_string(sandbox.path("log")).expect("there");
    let two = "set network.lan.ipaddr 10.0.0.2 10.0.0.3 10.0.0.2\nset system.s.name a bad 10.0.0.2\n";
    assert_eq!(log, format!("set network.lan.ipaddr 10.0.0.1 10.0.0.2 10.0.0.1\n{two}{two}"));

    let said = sandbox.fails(9, &["set", "--commit", "system.s.name=bad"]);
    assert!(said.contains("no such thing"), "{said}");
    sandbox.ok(&["revert"]);
    // Commits of the command under the name `uci` are verified as well.
    let words = |what: &str| {
        let dirs = ["config", "save"].map(|name| sandbox.path(name).display().to_string());
        let mut words = vec!["uci".to_owned(), "-c".into(), dirs[0].clone(), "-t".into(), dirs[1].clone()];
        words.extend(what.split(' ').map(str::to_owned));
        words
    };
    assert!(sandbox.run(&words("set system.s.name=bad")).status.success());
    let output = sandbox.run(&words("commit system"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such thing"), "{output:?}");
    assert!(sandbox.read("system").contains("'a'"));
    sandbox.ok(&["revert"]);
    let input = sandbox.fed(&["txn"], "set system.s.name=bad\n");
    assert_eq!(input.status.code(), Some(9));
    end(verifier);
    sandbox.ok(&["set", "--commit", "system.s.name=bad"]);
    assert!(!sandbox.path("run/verifiers").exists(), "what it has left is removed");
    sandbox.fails(2, &["verify", "network"]);
    sandbox.fails(3, &["verify", "a.b..d", "--", "true"]);
}

#[test]
fn check_tells_who_would_refuse_and_who_would_be_told() {
    let sandbox = Sandbox::new();
    let strict = start(&sandbox, &["verify", "network.lan", "--", "sh", "-c", "echo never >&2; exit 1"]);
    let mild = start(&sandbox, &["verify", "network", "--source", "mild", "--", "true"]);
    let other = start(&sandbox, &["verify", "system", "--", "false"]);
    let mut watch = Process(
        sandbox.command().args(["watch", "--source", "eye", "network.*.ipaddr"]).spawn().expect("runs"),
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    while !sandbox.path("run/watchers").exists() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(sandbox.ok(&["commit", "--check"]), "", "nothing is staged");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2"]);
    let output = sandbox.run(&["commit", "--check"]);
    assert_eq!(output.status.code(), Some(9));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let mut wanted = [
        format!("eye (process {}) would be notified, of network.*.ipaddr", watch.id()),
        format!("mild (process {}) accepts it", mild.id()),
        format!("sh (process {}) would refuse it: never", strict.id()),
    ];
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
    assert!(sandbox.read("network").contains("10.0.0.1"), "nothing was done");
    let output = sandbox.run(&["--json-lines", "commit", "--check"]);
    let rows = String::from_utf8(output.stdout).expect("UTF-8");
    let rows: Vec<serde_json::Value> =
        rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect();
    let of = |pid: u32| rows.iter().find(|row| row["pid"] == pid).expect("one").clone();
    assert_eq!(of(strict.id())["reason"], "never");
    assert_eq!(of(strict.id())["accepts"], false);
    assert_eq!(of(mild.id())["accepts"], true);
    assert_eq!(
        of(watch.id()),
        serde_json::json!({"role": "watcher", "program": "eye", "pid": watch.id(),
        "pattern": "network.*.ipaddr"})
    );
    end(strict);
    end(other);
    watch.kill().expect("killed");
    watch.wait().expect("ends");
    assert_eq!(sandbox.ok(&["commit", "--check"]), format!("mild (process {}) accepts it\n", mild.id()));
    end(mild);
    assert_eq!(sandbox.ok(&["commit", "--check"]), "");
}

/// A process that a command under test has started and left running; its number is in a file.
struct LeftRunning(PathBuf);

impl LeftRunning {
    fn pid(&self) -> Option<rustix::process::Pid> {
        rustix::process::Pid::from_raw(std::fs::read_to_string(&self.0).ok()?.trim().parse().ok()?)
    }

    fn end(&self) {
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Drop for LeftRunning {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn a_verifier_that_is_killed_while_it_is_asked_has_refused_once_and_one_that_hangs_is_named() {
    let sandbox = Sandbox::new();
    let asked = LeftRunning(sandbox.path("asked"));
    let script = format!("echo $$ > {}; exec sleep 100", asked.0.display());
    let words = ["verify", "network", "--timeout", "60", "--", "sh", "-c", &script];
    let mut verifier = start(&sandbox, &words);
    let commit = sandbox
        .command()
        .args(["--verify-timeout", "60", "set", "--commit", "network.lan.ipaddr=10.0.0.2"])
        .stderr(Stdio::piped())
        .spawn();
    let commit = commit.expect("runs");
    let deadline = Instant::now() + Duration::from_secs(30);
    while asked.pid().is_none() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    verifier.kill().expect("killed");
    verifier.wait().expect("ends");
    asked.end();
    let output = commit.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert!(said.contains("it ended before it answered"), "{said}");
    let started = Instant::now();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.2"]);
    assert!(started.elapsed() < Duration::from_secs(5), "the dead are not waited for");

    let verifier = start(&sandbox, &words);
    let said =
        sandbox.fails(9, &["--verify-timeout", "0.3", "set", "--commit", "network.lan.ipaddr=10.0.0.3"]);
    let wanted = format!("refused by sh (process {}): it has not answered within 0.3 s", verifier.id());
    assert!(said.contains(&wanted), "{said}");
    end(verifier);
    let verifier = start(&sandbox, &["verify", "network", "--timeout", "0.2", "--", "sleep", "100"]);
    let said = sandbox.fails(9, &["set", "--commit", "network.lan.ipaddr=10.0.0.4"]);
    assert!(said.contains("sleep has not ended within 0.2 s"), "{said}");
    end(verifier);
}

#[test]
fn commands_that_run_for_a_verifier_read_and_cannot_commit() {
    let sandbox = Sandbox::new();
    let script = "\"$CMS\" get network.lan.ipaddr >/dev/null && \"$CMS\" show >/dev/null && \
                  ! \"$CMS\" set --commit network.lan.mtu=1 2>/dev/null && \
                  \"$CMS\" history >/dev/null || exit 3; \"$CMS\" commit network";
    let verifier = start(&sandbox, &["verify", "network", "--timeout", "60", "--", "sh", "-c", script]);
    let started = Instant::now();
    let said =
        sandbox.fails(9, &["--verify-timeout", "60", "set", "--commit", "network.lan.ipaddr=10.0.0.2"]);
    assert!(said.contains("a verifier cannot change anything while it decides"), "{said}");
    // Waiting for a lock would take 10 s.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    end(verifier);
    // A program that a verifier has started may commit once no commit waits for the verifier.
    let mut command = sandbox.command();
    let mut gone = Command::new("true").spawn().expect("runs");
    gone.wait().expect("ends");
    command.env(cms::VERIFYING, gone.id().to_string());
    assert!(command.args(["commit"]).status().expect("runs").success());
}
