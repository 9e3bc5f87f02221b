//! M25: the options of `cms history`; colour and the pager in a terminal.

use std::process::Command;

use crate::support::sandbox::Sandbox;
use crate::support::terminal::InTerminal;

/// A store with a history: revisions 3 to 6.
fn with_history() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.2", "-m", "a new address"]);
    sandbox.ok(&["--source", "wizard", "set", "--commit", "network.@rule[0].target=DROP"]);
    sandbox.fed(&["batch", "-m", "two"], "set network.lan.mtu=1400\nset network.lan.ipaddr=10.0.0.3\n");
    sandbox.ok(&["delete", "--commit", "network.@rule[0]"]);
    sandbox
}

/// The revisions in the first words of lines that are not indented.
fn revisions(text: &str) -> Vec<u64> {
    let titles = text.lines().filter(|line| !line.starts_with(' '));
    titles.filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn m25_history_chooses_and_orders_transactions() {
    let sandbox = with_history();
    let listed = |options: &[&str]| revisions(&sandbox.ok(&[&["history"], options].concat()));
    assert_eq!(listed(&[]), [6, 5, 4, 3, 2]);
    assert_eq!(listed(&["-n", "2"]), [6, 5]);
    assert_eq!(listed(&["-n", "2", "--reverse"]), [5, 6]);
    assert_eq!(listed(&["--oneline", "--reverse"]), [2, 3, 4, 5, 6]);
    assert_eq!(listed(&["--grep", "address"]), [3]);
    assert_eq!(listed(&["--source", "wiz"]), [4]);
    assert_eq!(listed(&["--since", "4"]), [6, 5]);
    assert_eq!(listed(&["--until", "4", "-n", "1"]), [4]);
    assert_eq!(listed(&["--since", "-2", "--until", "5"]), [5]);
    assert_eq!(listed(&["--since", "1 h ago", "-n", "1", "network.lan"]), [5]);
    assert_eq!(listed(&["-n", "1", "--grep", "new", "network.lan.ipaddr"]), [3]);
    let uid = rustix::process::getuid().as_raw().to_string();
    assert_eq!(listed(&["--author", &uid, "-n", "1"]), [6]);
    for nothing in [["--until", "1 h ago"], ["--author", "4242"], ["--grep", "nothing like it"]] {
        assert!(sandbox.fails(1, &["history", nothing[0], nothing[1]]).contains("no such transaction"));
    }
    assert!(sandbox.fails(2, &["history", "-n", "x"]).contains("not a number"));
    // Before the name of the command, -n is still --dry-run.
    assert!(sandbox.ok(&["-n", "set", "--commit", "network.lan.mtu=1"]).contains("mtu"));
    assert_eq!(listed(&["-n", "1"]), [6]);
}

#[test]
fn m25_a_line_or_counts_for_each_transaction() {
    let sandbox = with_history();
    let lines = sandbox.ok(&["history", "--oneline", "--utc"]);
    assert_eq!(lines.lines().count(), 5);
    let line = |revision: &str| lines.lines().find(|line| line.starts_with(revision)).expect("one");
    assert!(line("3 ").ends_with(" a new address"), "{lines}");
    assert!(line("5 ").ends_with(" two") && line("2 ").ends_with(" (baseline) network"), "{lines}");
    assert!(line("6 ").ends_with(" and 2 more"), "{lines}");
    let stat = sandbox.ok(&["history", "--stat"]);
    assert!(stat.contains("    network: 1 added, 1 changed\n"), "{stat}");
    assert!(stat.contains("    network: 3 deleted\n"), "{stat}");
}

#[test]
fn m25_anonymous_sections_are_shown_by_value() {
    let sandbox = with_history();
    let text = sandbox.ok(&["history"]);
    assert!(text.contains("    network.@rule[name=ping].target: 'ACCEPT' -> 'DROP'\n"), "{text}");
    assert!(text.contains("    -network.@rule[name=ping]='rule'\n"), "{text}");
    // The other section has the generated name of the deleted one now.
    sandbox.ok(&["set", "--commit", "network.@rule[0].target=REJECT"]);
    let text = sandbox.ok(&["history"]);
    assert!(text.contains("    +network.@rule[name=ssh].target='REJECT'\n"), "{text}");
    assert!(text.contains("    -network.@rule[name=ping]='rule'\n"), "{text}");
    // Two with the same name have none that is stable.
    let new = sandbox.ok(&["add", "--commit", "network", "rule"]);
    sandbox.ok(&["set", "--commit", &format!("network.{}.name=ssh", new.trim())]);
    let text = sandbox.ok(&["history", "-n", "1"]);
    assert!(text.contains(&format!("    +network.{}.name='ssh'\n", new.trim())), "{text}");
    // Programs get the generated names.
    assert!(!sandbox.ok(&["history", "--json"]).contains("@rule"));
}

#[test]
fn m25_times_are_local_and_utc_in_json() {
    let sandbox = with_history();
    let with_zone = |zone: &str, words: &[&str]| {
        let output = sandbox.command().env("TZ", zone).args(words).output().expect("runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let title = |zone: &str, option: &str| {
        let text = with_zone(zone, &["history", "-n", "1", "--oneline", option]);
        text.split(' ').nth(1).expect("a time").to_owned()
    };
    let (utc, east, west) = (title("UTC0", "-v"), title("XYZ-5:30", "-v"), title("ABC3", "-v"));
    assert!(
        utc.ends_with('Z') && east.ends_with("+05:30") && west.ends_with("-03:00"),
        "{utc} {east} {west}"
    );
    assert_eq!(title("XYZ-5:30", "--utc"), utc);
    let json = with_zone("XYZ-5:30", &["history", "-n", "1", "--json"]);
    assert!(json.contains(&format!("\"time\":\"{}.", utc.trim_end_matches('Z'))), "{json} {utc}");
    // A date without a Z is local: now, as they say it five hours and a half to the east, is not in the future there.
    let now = east.trim_end_matches("+05:30");
    let later = |zone: &str| with_zone(zone, &["history", "--oneline", "--since", now]).lines().count();
    assert_eq!((later("XYZ-5:30") > 0, later("UTC0")), (true, 0));
    let earlier = |zone: &str| {
        with_zone(zone, &["history", "--oneline", "--until", utc.trim_end_matches('Z')]).lines().count()
    };
    assert_eq!((earlier("XYZ-5:30"), earlier("ABC3")), (0, 5));
}

#[test]
fn m25_a_time_that_history_prints_names_a_revision_in_every_zone() {
    let sandbox = with_history();
    let with_zone = |zone: &str, words: &[&str]| {
        let output = sandbox.command().env("TZ", zone).args(words).output().expect("runs");
        assert!(output.status.success(), "{zone} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    // The next second, so that all records are before it.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.0.0.9"]);
    let last = |zone: &str| {
        let line = with_zone(zone, &["history", "--oneline", "-n", "1"]);
        line.split(' ').nth(1).expect("a time").to_owned()
    };
    for zone in ["UTC0", "XYZ-5:30", "ABC3"] {
        let time = last(zone);
        let local = time.get(.."2026-11-28T22:02:15".len()).expect("a time").replace('T', " ");
        for time in [time.clone(), local] {
            let at = format!("@{{{time}}}");
            let then = with_zone(zone, &["get", "--at", &at, "network.lan.ipaddr"]);
            assert_eq!(then, "10.0.0.3\n", "{zone} {time}: before the last transaction");
            for since in [&time, &at] {
                let listed = with_zone(zone, &["history", "--since", since]);
                assert_eq!(revisions(&listed), [7], "{zone} {since}");
            }
        }
    }
    let unknown = sandbox.fails(2, &["history", "--since", "1h"]);
    assert!(
        unknown.contains("'1h' is no time ('10 min ago', '2026-11-21 08:02') and no revision"),
        "{unknown}"
    );
    assert!(sandbox.fails(2, &["history", "-n", "0"]).contains("not a number of transactions"));
}

#[test]
fn m22_history_says_what_is_undone_and_what_is_made_again() {
    let sandbox = with_history();
    for words in [&["undo"][..], &["redo"], &["undo", "8"], &["redo"]] {
        sandbox.ok(&[words, &["-q"]].concat());
    }
    let titles = sandbox.ok(&["history", "--oneline", "-n", "4"]);
    let kinds: Vec<&str> = titles.lines().filter_map(|line| line.split(['(', ')']).nth(1)).collect();
    assert_eq!(kinds, ["redo 6", "undo 6", "redo 6", "undo 6"]);
    assert!(sandbox.ok(&["history", "-n", "1"]).contains(" (redo 6)"));
    // What is undone is printed by value, and a lot of it in part.
    let said = String::from_utf8(sandbox.run(&["undo"]).stderr).expect("text");
    assert!(said.contains("    +network.@rule[name=ping].target='DROP'"), "{said}");
    let many: String = (0..30).map(|number| format!("set network.lan.o{number}=1\n")).collect();
    sandbox.fed(&["batch"], &many);
    let said = String::from_utf8(sandbox.run(&["undo"]).stderr).expect("text");
    assert!(said.ends_with("    and 10 more\n") && said.lines().count() == 22, "{said}");
}

const RED: &str = "\u{1b}[31m";

/// Runs a command in a terminal.
fn in_terminal(sandbox: &Sandbox, words: &[&str], set: &[(&str, &str)]) -> String {
    let mut command = sandbox.command();
    command.args(words).env_remove("CMS_PAGER").env_remove("NO_COLOR").env("PAGER", "cat");
    command.envs(set.iter().copied());
    InTerminal::start(&mut command).end().1
}

#[test]
fn cli_colour_is_for_terminals_and_can_be_chosen() {
    let sandbox = with_history();
    sandbox.ok(&["set", "network.lan.ipaddr=10.9.9.9"]);
    for words in [
        &["history"][..],
        &["history", "--oneline"],
        &["diff"],
        &["diff", "3", "now"],
        &["diff", "--keys"],
        &["show", "network"],
        &["search", "10"],
        &["get", "network.none"],
    ] {
        let shown = in_terminal(&sandbox, words, &[]);
        assert!(shown.contains("\u{1b}["), "{words:?}: {shown}");
        let never: [&[(&str, &str)]; 2] = [&[("NO_COLOR", "1")], &[("TERM", "dumb")]];
        for set in never {
            let shown = in_terminal(&sandbox, words, set);
            assert!(!shown.contains('\u{1b}'), "{words:?} {set:?}: {shown}");
        }
        let shown = in_terminal(&sandbox, &[words, &["--color", "never"]].concat(), &[]);
        assert!(!shown.contains('\u{1b}'), "{words:?}: {shown}");
        let output = sandbox.run(words);
        assert!(![output.stdout, output.stderr].concat().contains(&0x1b), "{words:?}");
        let always = sandbox.run(&[words, &["--color", "always"]].concat());
        assert!([always.stdout, always.stderr].concat().contains(&0x1b), "{words:?}");
    }
    let shown = in_terminal(&sandbox, &["diff"], &[]);
    assert!(shown.contains(&format!("{RED}-\toption ipaddr '10.0.0.3' # known\u{1b}[0m")), "{shown}");
    let json = in_terminal(&sandbox, &["history", "--json"], &[]);
    assert!(!json.contains('\u{1b}'), "{json}");
    assert!(sandbox.fails(2, &["history", "--color", "blue"]).contains("no colour 'blue'"));
}

#[test]
fn m25_long_output_goes_through_the_pager_of_a_terminal() {
    let sandbox = with_history();
    let pager = ("CMS_PAGER", "sed 's/^/paged: /'; echo the end");
    for words in [&["history"][..], &["diff", "3", "now"], &["show"], &["blame", "network"]] {
        let shown = in_terminal(&sandbox, words, &[pager]);
        assert!(shown.starts_with("paged: ") && shown.ends_with("the end\r\n"), "{words:?}: {shown}");
        for words in [[words, &["--no-pager"]].concat(), [words, &["--json"]].concat()] {
            let shown = in_terminal(&sandbox, &words, &[pager]);
            assert!(!shown.contains("paged") && !shown.is_empty(), "{words:?}: {shown}");
        }
        let output = sandbox.command().args(words).env(pager.0, pager.1).output().expect("runs");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("paged"), "it is no terminal");
    }
    // CMS_PAGER comes before PAGER, an empty one means none, and less gets flags that suit it.
    let shown = in_terminal(&sandbox, &["history"], &[("PAGER", "sed 's/^/other: /'")]);
    assert!(shown.starts_with("other: "), "{shown}");
    let none = in_terminal(&sandbox, &["history"], &[("CMS_PAGER", ""), ("PAGER", "echo wrong")]);
    assert!(!none.contains("wrong") && none.contains("through cms"), "{none}");
    let none = in_terminal(&sandbox, &["history"], &[("PAGER", "")]);
    assert!(none.contains("through cms"), "{none}");
    // A pager that is not installed hides nothing.
    let missing = in_terminal(&sandbox, &["history"], &[("PAGER", "/nonexistent/pager -x")]);
    assert!(missing.contains("through cms"), "{missing}");
    let flags = in_terminal(&sandbox, &["history"], &[("PAGER", "cat >/dev/null; echo \"LESS=$LESS\"")]);
    assert_eq!(flags, "LESS=FRX\r\n");
    // A pager that ends early, and a closed pipe, are no errors.
    let mut command = sandbox.command();
    command.args(["history"]).env("PAGER", "true");
    let (status, shown) = InTerminal::start(&mut command).end();
    assert!(status.success() && shown.is_empty(), "{status:?} {shown}");
    let closed = Command::new("sh")
        .args(["-c", "\"$0\" history | head -n 1", env!("CARGO_BIN_EXE_cms")])
        .env("CMS_CONFIG_DIR", sandbox.path("config"))
        .env("CMS_RUN_DIR", sandbox.path("run"))
        .env("CMS_STATE_DIR", sandbox.path("state"))
        .output()
        .expect("runs");
    assert_eq!(String::from_utf8_lossy(&closed.stderr), "");
}

#[test]
fn issue_13_show_export_list_search_and_get_read_any_revision_also_of_deleted_packages() {
    let sandbox = with_history();
    sandbox.ok(&["snapshot", "good"]);
    sandbox.write("later", "config x 'y'\n");
    sandbox.ok(&["history", "-n", "1"]);
    std::fs::remove_file(sandbox.path("config/network")).expect("removed");
    sandbox.ok(&["set", "later.y.z=staged"]);
    // Revisions 7 and 8: the new package, and the deleted one.
    assert_eq!(sandbox.ok(&["list"]), "later\n");
    assert_eq!(sandbox.ok(&["list", "--at", "-1"]), "later\nnetwork\n");
    for at in ["3", "-5", "HEAD~5", "good"] {
        let address = if at == "good" { "10.0.0.3" } else { "10.0.0.2" };
        let read = |words: &[&str]| sandbox.ok(&[words, &["--at", at]].concat());
        assert_eq!(read(&["get", "network.lan.ipaddr"]), format!("{address}\n"), "{at}");
        assert_eq!(read(&["list"]), "network\n", "{at}");
        assert!(read(&["list", "network.lan"]).starts_with("ipaddr\n"), "{at}");
        let line = format!("network.lan.ipaddr='{address}'\n");
        assert!(read(&["show", "network.lan"]).contains(&line) && read(&["show"]).contains(&line), "{at}");
        for named in [&["export"][..], &["export", "network"]] {
            let text = read(named);
            assert!(text.starts_with("package network\n") && text.contains(address), "{at}: {text}");
            assert!(!text.contains("later"), "{at}: {text}");
        }
        assert!(read(&["export", "--format", "json"]).contains(address), "{at}");
        let found = read(&["search", address]);
        let place = format!("network at {at}:3: network.lan.ipaddr='{address}'\n");
        assert!(found.ends_with(&place), "{at}: {found}");
    }
    assert!(!sandbox.ok(&["export", "--at", "now"]).contains("staged"), "what is staged is not committed");
    assert!(sandbox.ok(&["export"]).contains("staged"));
    for words in [&["list"][..], &["export"], &["search", "x"], &["show"]] {
        let missing = sandbox.fails(1, &[words, &["--at", "99"]].concat());
        assert!(missing.contains("the last revision is 8"), "{missing}");
    }
    let before = sandbox.fails(1, &["export", "later", "--at", "3"]);
    assert!(before.contains("did not exist at revision 3"), "{before}");
}

#[test]
fn progress_is_shown_in_a_terminal_and_nowhere_else() {
    let sandbox = Sandbox::new();
    let slow = "(echo set network.lan.a=1; sleep 1.5; echo set network.lan.b=1) | \"$0\" batch";
    let in_shell = |words: &str| {
        let mut command = Command::new("/bin/sh");
        let set = sandbox.command();
        command.envs(set.get_envs().filter_map(|(name, value)| Some((name, value?))));
        InTerminal::start(command.args(["-c", words, env!("CARGO_BIN_EXE_cms")])).end()
    };
    let (status, shown) = in_shell(slow);
    assert!(
        status.success() && shown.contains("\r\u{1b}[K1 lines are done\r\u{1b}[K"),
        "{status:?} {shown:?}"
    );
    // To a file or a pipe, and with --quiet, nothing goes.
    for words in [format!("{slow} 2>&1 | cat"), format!("{slow} -q")] {
        let (_, shown) = in_shell(&words);
        assert!(!shown.contains("lines are done"), "{words}: {shown:?}");
    }
}
