//! The output and the effects of the commands: `commit --then`, warnings, `pending`.

use std::time::{Duration, Instant};

use super::guards::{stderr, until};
use crate::support::sandbox::Sandbox;

fn staged() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=10.9.9.9"]);
    sandbox
}

/// Returns the number of the last transaction.
fn last(sandbox: &Sandbox) -> u64 {
    let row = sandbox.ok(&["history", "--json-lines", "--number", "1"]);
    serde_json::from_str::<serde_json::Value>(&row).expect("JSON")["revision"].as_u64().expect("a number")
}

#[test]
fn s18_a_command_that_fails_takes_the_commit_back_and_gives_its_exit_code() {
    for (command, code) in [("exit 3", 3), ("kill -TERM $$", 143), ("/nonexistent/program", 127)] {
        for confirm in [&[][..], &["--confirm", "1h"]] {
            let sandbox = staged();
            let before = sandbox.read("network");
            let said = sandbox.fails(code, &[&["commit", "--then", command], confirm].concat());
            assert!(said.contains("so transaction") && said.contains("is rolled back by"), "{said}");
            assert_eq!(sandbox.read("network"), before);
            assert!(sandbox.fails(1, &["pending"]).contains("no commit waits"));
            assert!(sandbox.ok(&["history", "--json-lines"]).contains("rolled back: the command"));
        }
    }
}

#[test]
fn s18_a_command_that_succeeds_is_told_what_was_committed() {
    let sandbox = staged();
    let command = "echo \"$CMS_REVISION $CMS_PACKAGES ${CMS_SECONDS_LEFT:-none} $CMS_CONFIG_DIR\"; cat";
    let told = sandbox.ok(&["commit", "--then", command]);
    let last = last(&sandbox);
    assert_eq!(told, format!("{last} network none {}\n", sandbox.path("config").display()));
    assert!(sandbox.read("network").contains("10.9.9.9"));
    sandbox.ok(&["set", "network.lan.ipaddr=10.8.8.8"]);
    let command = "echo $CMS_REVISION $CMS_SECONDS_LEFT";
    let told = sandbox.ok(&["commit", "--confirm", "1h", "--then", command]);
    let words: Vec<u64> = told.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    assert!(words[0] == last + 1 && (3000..=3600).contains(&words[1]), "{told}");
    assert!(sandbox.ok(&["pending", "--json"]).contains(&format!("\"revision\":{}", words[0])));
    sandbox.ok(&["confirm"]);
}

#[test]
fn s18_a_command_that_hangs_has_no_longer_than_the_time_to_confirm() {
    let sandbox = staged();
    let before = sandbox.read("network");
    let started = Instant::now();
    // Processes that it has started are ended with it, although they ignore SIGTERM.
    let command = "trap '' TERM; sleep 300 & wait; sleep 300";
    let code = sandbox.run(&["commit", "--confirm", "1s", "--then", command]).status.code();
    assert_eq!(code, Some(8));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(sandbox.read("network"), before);
}

/// Commits with a command that never ends, and returns the process of `cms` and a process of the command, which is in
/// the file `started`.
fn commit_with_endless_command(sandbox: &Sandbox, more: &[&str]) -> (std::process::Child, String) {
    let started = sandbox.path("started");
    let command = format!("sleep 300 & echo $! > {0}.new; mv {0}.new {0}; wait", started.display());
    let words = [&["commit", "--then", &command], more].concat();
    let child = sandbox.command().args(&words).spawn().expect("cms runs");
    until("the command runs", || started.exists());
    (child, std::fs::read_to_string(started).expect("written").trim().to_owned())
}

/// Reports whether a process runs.
fn runs(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim().starts_with(['Z', 'X']))
}

#[test]
fn s18_a_command_ends_with_the_cms_that_runs_it_and_the_commit_is_taken_back() {
    for (signal, more) in [("-INT", &[][..]), ("-TERM", &["--confirm", "1h"]), ("-KILL", &[])] {
        let sandbox = staged();
        let before = sandbox.read("network");
        let (mut cms, command) = commit_with_endless_command(&sandbox, more);
        assert_ne!(sandbox.read("network"), before);
        // The signal goes to cms alone, and not to its process group as from a terminal.
        let sent = std::process::Command::new("kill").args([signal, &cms.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        assert_eq!(cms.wait().expect("it ends").code(), None, "it ends by the signal");
        until("the command ends", || !runs(&command));
        until("the commit is taken back", || sandbox.read("network") == before);
        let history = || sandbox.ok(&["history", "--json-lines"]);
        until("it is told", || history().contains("the command was ended, because cms was interrupted"));
        assert!(sandbox.fails(1, &["pending"]).contains("no commit waits"));
    }
}

#[test]
fn s18_a_command_that_fails_takes_back_its_own_commit_and_not_what_waited_before() {
    let sandbox = staged();
    sandbox.ok(&["commit", "--confirm", "1h"]);
    sandbox.ok(&["set", "network.lan.mtu=1400"]);
    sandbox.fails(1, &["commit", "--confirm", "2h", "--then", "false"]);
    let text = sandbox.read("network");
    assert!(text.contains("10.9.9.9") && !text.contains("1400"), "{text}");
    let waiting: serde_json::Value = serde_json::from_str(&sandbox.ok(&["pending", "--json"])).expect("JSON");
    let left = waiting["seconds_left"].as_f64().expect("a number");
    assert!(left > 3000.0 && left <= 3600.0, "it waits as long as it was to: {left}");
    sandbox.ok(&["confirm"]);
}

#[test]
fn s18_whoever_commits_while_something_waits_is_told_what_goes_back() {
    let sandbox = staged();
    sandbox.ok(&["commit", "--confirm", "1h"]);
    let told = |words: &[&str]| {
        let output = sandbox.run(words);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stderr(&output)
    };
    let said = told(&["set", "--commit", "network.lan.ipaddr=10.7.7.7", "network.lan.mtu=1400"]);
    assert!(said.contains("waits to be confirmed") && said.contains("network.lan.ipaddr"), "{said}");
    assert!(said.contains("through cms") && said.contains("in 1 h ") && !said.contains("mtu"), "{said}");
    let said = told(&["set", "--commit", "network.lan.mtu=1300"]);
    assert!(said.contains("your commit stays"), "{said}");
    assert_eq!(told(&["--quiet", "set", "--commit", "network.lan.mtu=1301"]), "");
    let said = told(&["--json", "set", "--commit", "network.lan.ipaddr=10.6.6.6"]);
    let notice: serde_json::Value = serde_json::from_str(said.trim()).expect("JSON");
    assert_eq!(notice["notice"]["keys"][0], "network.lan.ipaddr");
    told(&["uci", "-c", &sandbox.path("config").display().to_string(), "get", "network.lan.mtu"]);
    let config = sandbox.path("config").display().to_string();
    told(&["uci", "-c", &config, "set", "network.lan.ipaddr=10.5.5.5"]);
    let said = told(&["uci", "-c", &config, "commit", "network"]);
    assert!(said.starts_with("uci: warning: transaction") && said.contains("network.lan.ipaddr"), "{said}");
    assert!(!told(&["get", "network.lan.mtu"]).contains("warning"));
    // All changes are shown, with the value that each key is rolled back to.
    let shown = sandbox.ok(&["pending"]);
    assert!(shown.contains("is rolled back in 1 h unless it is confirmed"), "{shown}");
    assert!(shown.contains("network.lan.ipaddr") && shown.contains("'10.5.5.5' -> '10.0.0.1'"), "{shown}");
    let shown: serde_json::Value = serde_json::from_str(&sandbox.ok(&["pending", "--json"])).expect("JSON");
    assert_eq!(shown["rolls_back"][0]["changes"][0]["key"], "network.lan.ipaddr", "{shown}");
    sandbox.ok(&["confirm"]);
    assert!(!told(&["set", "--commit", "network.lan.mtu=1302"]).contains("warning"));
}

#[test]
fn s18_another_commit_to_be_confirmed_joins_the_first_and_both_go_together() {
    let sandbox = staged();
    let before = sandbox.read("network");
    sandbox.ok(&["commit", "--confirm", "1h"]);
    sandbox.ok(&["set", "network.lan.mtu=1400"]);
    let said = stderr(&sandbox.run(&["commit", "--confirm", "1s"]));
    assert!(said.contains("1 waited already: the new time holds for all"), "{said}");
    until("both are taken back", || sandbox.read("network") == before);
}

#[test]
fn s18_a_text_that_cannot_be_read_gives_way_and_is_kept_aside() {
    let sandbox = staged();
    let before = sandbox.read("network");
    sandbox.ok(&["commit", "--confirm", "3s"]);
    let broken = sandbox.read("network").replace("10.9.9.9'", "10.9.9.9");
    sandbox.write("network", &broken);
    until("the text from before", || sandbox.read("network") == before);
    let aside: Vec<_> = std::fs::read_dir(sandbox.path("config"))
        .expect("readable")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(".network.unreadable-"))
        .collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(std::fs::read_to_string(aside[0].path()).expect("readable"), broken);
    let name = aside[0].file_name().to_string_lossy().into_owned();
    until("it is said where", || sandbox.ok(&["history", "--json-lines"]).contains(&name));
}

#[test]
fn a3_no_time_to_confirm_is_refused_and_nothing_to_commit_is_said() {
    let sandbox = staged();
    let before = sandbox.read("network");
    assert!(sandbox.fails(2, &["commit", "--confirm", "0"]).contains("there has to be time to confirm"));
    assert!(sandbox.fails(2, &["commit", "--confirm", "0 min"]).contains("there has to be time to confirm"));
    assert_eq!(sandbox.read("network"), before);
    sandbox.ok(&["revert"]);
    for words in [
        &["commit", "--confirm", "5min"][..],
        &["commit", "--then", "touch ran"],
        &["commit", "--confirm", "1h", "network"],
    ] {
        let output = sandbox.run(words);
        let said = stderr(&output);
        assert!(output.status.success() && said.lines().count() == 1, "{words:?}: {said}");
        assert!(said.contains("there was nothing to commit"), "{said}");
    }
    assert!(sandbox.fails(1, &["pending"]).contains("no commit waits"));
    let output = sandbox.fed(&["batch"], "commit --confirm 5min\n");
    assert!(stderr(&output).contains("there was nothing to commit"), "{}", stderr(&output));
}

#[test]
fn s18_a_batch_has_its_command_and_its_guard() {
    let sandbox = Sandbox::new();
    let before = sandbox.read("network");
    let lines = "set network.lan.mtu=1\ncommit --confirm 1h --then 'exit 7'\n";
    let output = sandbox.fed(&["batch"], lines);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert_eq!(sandbox.read("network"), before);
}

#[test]
fn s18_a_package_that_is_made_in_the_window_goes_and_one_that_is_deleted_comes_back() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("config/made");
    sandbox.ok(&["set", "made.s=section", "made.s.o=1"]);
    sandbox.ok(&["commit", "--confirm", "4s"]);
    assert!(path.exists());
    until("it has gone", || !path.exists());
    // Another user deletes a package with a key to be rolled back: the section with that key is restored.
    sandbox.ok(&["set", "network.lan.ipaddr=10.9.9.9"]);
    sandbox.ok(&["commit", "--confirm", "4s"]);
    std::fs::remove_file(sandbox.path("config/network")).expect("removed");
    until("it is back", || sandbox.path("config/network").exists());
    let text = sandbox.read("network");
    assert!(text.contains("10.0.0.1") && !text.contains("rule"), "{text}");
}

#[test]
fn s18_where_there_is_no_log_nothing_can_wait_to_be_confirmed() {
    let sandbox = staged();
    let before = sandbox.read("network");
    for more in [&["--confirm", "1h"][..], &["--then", "true"]] {
        let said = sandbox.run(&[&["--state-dir", "/dev/null/none", "commit"], more].concat());
        assert!(!said.status.success() && stderr(&said).contains("/dev/null/none"), "{}", stderr(&said));
        assert_eq!(sandbox.read("network"), before);
    }
    assert!(sandbox.ok(&["changes"]).contains("10.9.9.9"), "it is staged still");
}

/// The name that a program gives itself must not look like another line of the warning.
#[test]
fn s18_a_warning_is_one_line_whatever_a_program_calls_itself() {
    let sandbox = staged();
    sandbox.ok(&["--source", "cms\ncms: all is well", "commit", "--confirm", "1h"]);
    let said = stderr(&sandbox.run(&["set", "--commit", "network.lan.ipaddr=10.7.7.7"]));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("waits to be confirmed") && sandbox.ok(&["pending"]).contains("all is well"),
        "{said}"
    );
    sandbox.ok(&["confirm"]);
}
