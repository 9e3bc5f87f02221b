//! The output of each command with `--json` has the shape that `cms help` describes: no member is missing, and none
//! is there that is not described.

use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::sandbox::Sandbox;
use shape::Shapes;

mod schema;
mod shape;

const JSON: &str = "With --json";
const DRY_RUN: &str = "With --json --dry-run";

/// A store, and the shapes that outputs are compared with.
struct Case {
    sandbox: Sandbox,
    shapes: Shapes,
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Inserts an option behind the name of a command, since all words behind `--` belong to another command.
fn with<'w>(words: &[&'w str], option: &'w str) -> Vec<&'w str> {
    [&words[..1], &[option], &words[1..]].concat()
}

impl Case {
    fn run(&self, words: &[&str]) -> Output {
        let output = self.sandbox.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code != 2), "{words:?}: {said}");
        output
    }

    /// Runs a command, and checks its output.
    fn json(&mut self, when: &str, words: &[&str]) {
        let output = self.run(&with(words, "--json"));
        let printed = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        self.shapes.check(words[0], when, printed);
    }

    /// Runs a command that changes nothing with `--json` and with `--json-lines`.
    fn read(&mut self, words: &[&str]) {
        self.json(JSON, words);
        let output = self.run(&with(words, "--json-lines"));
        self.shapes.check_lines(words[0], &output.stdout);
    }

    /// Runs a command that prints nothing with `--json`.
    fn silent(&self, words: &[&str]) {
        assert!(!self.shapes.is_described(words[0], JSON), "{words:?}");
        let output = self.run(&with(words, "--json"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && output.stdout.is_empty(), "{words:?}: {said}");
    }

    fn revision(&self) -> u64 {
        let row: Json = serde_json::from_str(&self.sandbox.ok(&["status", "--json"])).expect("JSON");
        row["revision"].as_u64().expect("a number")
    }

    fn start(&self, words: &[&str]) -> Running {
        Running(
            self.sandbox
                .command()
                .args(words)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("cms runs"),
        )
    }

    /// Waits until a file holds a whole line.
    fn line_of(&self, name: &str) -> Vec<u8> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = std::fs::read(self.sandbox.path(name)).unwrap_or_default();
            if text.ends_with(b"\n") {
                return text;
            }
            assert!(Instant::now() < deadline, "{name}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn the_json_of_each_command_has_the_shape_that_help_describes() {
    let sandbox = Sandbox::new();
    let shapes = Shapes::of_help(&sandbox);
    schema::check_files(&shapes);
    let mut case = Case { sandbox, shapes };
    case.sandbox.write("cms", "config store 'store'\n\toption lock_timeout '9s'\n");
    staging(&mut case);
    committing(&mut case);
    history(&mut case);
    snapshots(&mut case);
    confirming(&mut case);
    programs(&mut case);
    upkeep(&mut case);
    failures(&mut case);
    case.shapes.assert_all_seen();
    schema::check_with_python(&case.shapes.values);
}

fn staging(case: &mut Case) {
    for words in [
        &["set", "network.lan.mtu=1500"][..],
        &["add_list", "network.lan.dns=c"],
        &["del_list", "network.lan.dns=a"],
        &["rename", "network.lan.ipaddr=address"],
        &["reorder", "network.lan=1"],
        &["delete", "network.lan.ipaddr"],
        &["add", "network", "rule", "name=web"],
    ] {
        case.json(DRY_RUN, &[words, &["--dry-run"]].concat());
    }
    let more = case.sandbox.path("more");
    std::fs::write(&more, "config rule\n\toption name 'web'\n").expect("written");
    let more = more.to_str().expect("UTF-8").to_owned();
    let state = case.sandbox.ok(&["export", "--json"]).replace("10.0.0.1", "10.0.0.2");
    std::fs::write(case.sandbox.path("wanted"), state).expect("written");
    case.json(JSON, &["import", "--dry-run", "network", &more]);
    case.json("With --json --dry-run --stage", &["import", "--dry-run", "--stage", "network", &more]);
    case.json("With --json --stage", &["import", "--stage", "--merge", "network", &more]);
    case.json("With --json --replace", &["import", "--dry-run", "--replace", "network", &more]);
    case.json(JSON, &["apply", "--check", "--diff", &more.replace("more", "wanted")]);
    case.json(JSON, &["add", "network", "rule", "name=dns"]);
    case.json(JSON, &["set", "network.lan.mtu=1500"]);
    case.json(JSON, &["add_list", "network.lan.dns=c"]);
    case.json(JSON, &["del_list", "network.lan.dns=a"]);
    case.json(JSON, &["rename", "network.lan.mtu=size"]);
    case.json(JSON, &["reorder", "network.lan=1"]);
    case.json(JSON, &["delete", "network.lan.ipaddr"]);
    case.read(&["changes"]);
    case.read(&["diff"]);
    case.read(&["search", "web"]);
    case.read(&["table", "network", "rule"]);
    case.read(&["explain", "network.@rule[0]"]);
    case.json(DRY_RUN, &["commit", "--dry-run"]);
    case.json(JSON, &["revert", "--dry-run", "network.lan"]);
    case.json(JSON, &["revert", "network.lan.dns"]);
    case.read(&["get", "network.lan.dns", "network.lan"]);
    case.read(&["show", "network", "network.lan", "network.lan.dns"]);
    case.json("With --verbose --json", &["show", "--verbose", "network"]);
    case.read(&["list"]);
    case.read(&["list", "network.lan"]);
    case.json("With --json, of a package", &["list", "network"]);
    case.read(&["export"]);
}

/// Commits staged changes, with a verifier and a watch.
fn committing(case: &mut Case) {
    let (input, event) = (case.sandbox.path("input"), case.sandbox.path("event"));
    let command = format!("cat > {0}.new && mv {0}.new {0}", input.display());
    let exec = format!("cat > {0}.new && mv {0}.new {0}; sleep 1", event.display());
    let _verifier = case.start(&["verify", "network", "--", "sh", "-c", &command]);
    let _watch = case.start(&["watch", "network", "--exec", &exec]);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let output = case.run(&["commit", "--check", "--json-lines"]);
        if String::from_utf8_lossy(&output.stdout).lines().count() == 2 {
            break;
        }
        assert!(Instant::now() < deadline, "no verifier, or no watch");
        std::thread::sleep(Duration::from_millis(20));
    }
    case.json("With --json --check", &["commit", "--check"]);
    case.json(JSON, &["commit", "-m", "staged"]);
    let line = case.line_of("input");
    case.shapes.check("verify", "The standard input of COMMAND", &line);
    case.line_of("event");
    // While the command runs, these become one event.
    case.sandbox.ok(&["set", "--commit", "network.lan.size=1"]);
    case.sandbox.ok(&["set", "--commit", "network.lan.size=2"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let line = loop {
        let line = case.line_of("event");
        if String::from_utf8_lossy(&line).contains("\"first\"") {
            break line;
        }
        assert!(Instant::now() < deadline, "no event of two transactions");
        std::thread::sleep(Duration::from_millis(20));
    };
    case.shapes.check("watch", "With --exec, the standard input of COMMAND", &line);
    let since = case.revision().saturating_sub(1).to_string();
    let exec = format!("cat > {0}.new && mv {0}.new {0}", case.sandbox.path("change").display());
    case.sandbox.ok(&[
        "watch",
        "network",
        "--since",
        &since,
        "--count",
        "1",
        "--each-change",
        "--exec",
        &exec,
    ]);
    let line = case.line_of("change");
    case.shapes.check("watch", "With --exec --each-change, the standard input of COMMAND", &line);
}

fn history(case: &mut Case) {
    case.json(JSON, &["ensure", "network.lan.size=3", "--diff"]);
    case.json(JSON, &["incr", "network.lan.size"]);
    case.sandbox.ok(&["incr", "network.lan.size", "-1"]);
    case.sandbox.ok(&["reorder", "--commit", "network.lan=0"]);
    let last = case.revision().to_string();
    case.read(&["history"]);
    case.read(&["blame", "network"]);
    case.json("With --json, of two revisions", &["diff", "1", &last]);
    case.json(JSON, &["bisect", "--", "sh", "-c", "! grep -q \"size '3'\" $CMS_CONFIG_DIR/network"]);
    case.json(DRY_RUN, &["undo", "--dry-run"]);
    case.json(JSON, &["undo"]);
    case.json(DRY_RUN, &["redo", "--dry-run"]);
    case.json(JSON, &["redo"]);
    case.json(DRY_RUN, &["rollback", "1", "--dry-run"]);
    case.json("With --json --dry-run --merge", &["rollback", "1", "--dry-run", "--merge"]);
    case.json(JSON, &["rollback", "1"]);
    case.json(JSON, &["watch", "network", "--since", &last, "--count", "2"]);
}

fn snapshots(case: &mut Case) {
    let file = case.sandbox.path("backup").display().to_string();
    case.json(JSON, &["snapshot", "mine"]);
    case.read(&["snapshots"]);
    case.json(JSON, &["backup", &file]);
    case.json(JSON, &["restore", &file]);
}

/// Tests the output for a commit that waits to be confirmed.
fn confirming(case: &mut Case) {
    case.json("With --json, if no commit waits", &["pending"]);
    case.json("With --json --dry-run, if no commit waits", &["confirm", "--dry-run"]);
    case.sandbox.ok(&["set", "network.lan.mtu=1400"]);
    case.json(JSON, &["commit", "--confirm", "1h"]);
    case.json(JSON, &["pending"]);
    case.json(DRY_RUN, &["confirm", "--dry-run"]);
    case.json(JSON, &["status"]);
    let noticed = case.run(&["set", "--commit", "--json", "network.lan.mtu=1300"]);
    let when = "A warning that changed keys wait to be confirmed";
    case.shapes.check("json", when, &noticed.stderr);
    case.json(JSON, &["confirm"]);
}

/// Tests commands that run programs or lines.
fn programs(case: &mut Case) {
    let fed = |case: &Case, command: &str, lines: &str| case.sandbox.fed(&[command, "--json"], lines);
    let batch = fed(case, "batch", "set network.lan.mtu=1200\n");
    case.shapes.check("batch", "With --json, after what its lines print", &batch.stdout);
    let batch = fed(case, "batch", "set network.none.mtu=1200\n");
    let said = String::from_utf8(batch.stderr).expect("UTF-8");
    let (error, failed) = said.trim_end().split_once('\n').expect("two lines");
    case.shapes.check("json", "Errors", error.as_bytes());
    case.shapes.check("json", "A batch that has failed, at its end", failed.as_bytes());
    let shell = fed(case, "shell", "get network.lan.mtu\n");
    case.shapes.check("get", JSON, &shell.stdout);
    case.silent(&["run", "--", "true"]);
    case.json(JSON, &["version"]);
    case.json(JSON, &["help"]);
    case.json(JSON, &["man"]);
    case.json(JSON, &["completion", "bash"]);
}

/// Schemas, and the errors of a transaction that breaks one.
fn schemas(case: &mut Case) {
    std::fs::create_dir(case.sandbox.path("schema")).expect("made");
    let text = "config migration\n\toption to '1'\nconfig section 'toy'\n\toption unknown 'refuse'\nconfig field\n\toption section \
                'toy'\n\toption name 'color'\n\toption type 'no type'\nconfig field\n\toption name 'size'\n\toption size '2'\n";
    std::fs::write(case.sandbox.path("schema/toys"), text).expect("written");
    case.sandbox.write("toys", "config toy 'bear'\n\toption colour 'brown'\n");
    case.json("With --json, of list", &["schema", "list"]);
    case.json("With --json, of list PACKAGE", &["schema", "list", "toys"]);
    case.json("With --json, of show", &["schema", "show", "toys"]);
    case.json("With --json, of check", &["schema", "check"]);
    case.json("With --json, of export", &["schema", "export", "toys"]);
    case.json("With --json, of check-type", &["schema", "check-type", "port", "80"]);
    case.read(&["describe", "toys.bear.color", "toys.bear.size", "toys.bear"]);
    case.json(JSON, &["validate", "toys"]);
    let output = case.run(&["set", "--json", "--commit", "toys.bear.size=large"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.lines().find(|line| line.starts_with('{')).expect("an error");
    case.shapes.check("json", "Errors", error.as_bytes());
    std::fs::remove_dir_all(case.sandbox.path("schema")).expect("removed");
    std::fs::remove_file(case.sandbox.path("config/toys")).expect("removed");
}

fn upkeep(case: &mut Case) {
    case.json(JSON, &["rebuild"]);
    case.json(JSON, &["rebuild", "--dry-run"]);
    case.read(&["memory"]);
    case.read(&["check-map"]);
    case.read(&["audit", "verify"]);
    case.sandbox.write("odd", "config a 'b'\n\toption x 'Foo's'\n\toption y 1\n\toption z 'Bar's'\n");
    case.json(JSON, &["validate"]);
    schemas(case);
    case.sandbox.write("untidy", "config  a  'b'\n");
    let mut editor = case.sandbox.command();
    let edited =
        editor.args(["edit", "--json", "untidy"]).env("EDITOR", "sed -i s/b/c/").output().expect("cms runs");
    case.shapes.check("edit", JSON, &edited.stdout);
    case.json(JSON, &["fmt", "--check", "untidy"]);
    case.json(JSON, &["fmt", "untidy"]);
    case.read(&["paths"]);
    let mut policy = case.sandbox.command();
    let policy = policy.env("CMS_LOG_SIZE", "8M").args(["policy", "--json"]).output().expect("runs");
    case.shapes.check("policy", JSON, &policy.stdout);
    case.read(&["policy"]);
    let good = case.sandbox.read("network");
    case.sandbox.write("network", &format!("{good}\nnonsense\n"));
    case.json(JSON, &["status"]);
    case.json(JSON, &["repair"]);
    assert_eq!(case.sandbox.read("network"), good);
}

/// Errors with all their members.
fn failures(case: &mut Case) {
    case.sandbox.write("broken", "config a 'b\n");
    for (code, words) in [
        (2, &["--json", "none"][..]),
        (1, &["--json", "get", "network.none"]),
        (3, &["--json", "get", "broken.b.c"]),
    ] {
        let said = case.sandbox.fails(code, words);
        case.shapes.check("json", "Errors", said.as_bytes());
    }
    let _verifier = case.start(&["verify", "network", "--", "sh", "-c", "echo no >&2; exit 1"]);
    // The verifier may start between any two commits: each changes the value, and the first that it sees is refused.
    let deadline = Instant::now() + Duration::from_secs(20);
    for mtu in 1000.. {
        let output = case.run(&["set", "--commit", "--json", &format!("network.lan.mtu={mtu}")]);
        if output.status.code() == Some(9) {
            return case.shapes.check("json", "Errors", &output.stderr);
        }
        assert!(Instant::now() < deadline, "no verifier");
        std::thread::sleep(Duration::from_millis(20));
    }
}
