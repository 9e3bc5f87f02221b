//! Files that a user names, the assumptions of `bisect`, and wrong clocks.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use cms::testing::Seams as _;

use crate::support::sandbox::Sandbox;

fn make_fifo(path: &std::path::Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

#[test]
fn s11_a_backup_goes_where_the_user_says_and_replaces_no_link() {
    let sandbox = Sandbox::new();
    let (real, link) = (sandbox.path("real"), sandbox.path("link"));
    std::fs::write(&real, "old").expect("written");
    std::os::unix::fs::symlink("real", &link).expect("a link");
    sandbox.ok(&["backup", link.to_str().expect("text")]);
    assert!(link.is_symlink());
    assert!(std::fs::read_to_string(&real).expect("an archive").starts_with("cms-snapshot 1\n"));
    assert_eq!(std::fs::metadata(&real).expect("there").permissions().mode() & 0o777, 0o600);
    let printed = sandbox.ok(&["backup", "-"]);
    assert!(printed.starts_with("cms-snapshot 1\n") && printed.contains("package network"));
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2", "--commit"]);
    assert!(sandbox.fed(&["restore", "-"], &printed).status.success());
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.1\n");
    assert!(sandbox.fails(6, &["backup", sandbox.path("config").to_str().expect("text")]).contains("config"));
}

#[test]
fn x_m10_what_is_no_regular_file_is_written_to_and_stays_what_it_is() {
    let sandbox = Sandbox::new();
    let fifo = sandbox.path("fifo");
    make_fifo(&fifo);
    let reader = Command::new("cat").arg(&fifo).stdout(Stdio::piped()).spawn().expect("cat runs");
    sandbox.ok(&["backup", fifo.to_str().expect("text")]);
    let read = reader.wait_with_output().expect("cat ends");
    assert!(read.stdout.starts_with(b"cms-snapshot 1\n"));
    assert!(std::fs::metadata(&fifo).expect("there").file_type().is_fifo());
    // A device of the test's own, since replacing the system's would do harm. Only root can make one.
    let null = sandbox.path("null");
    let made = Command::new("mknod").arg(&null).args(["c", "1", "3"]).stderr(Stdio::null()).status();
    if made.is_ok_and(|status| status.success()) {
        sandbox.ok(&["backup", null.to_str().expect("text")]);
        assert!(std::fs::metadata(&null).expect("there").file_type().is_char_device());
    } else {
        println!("skipped: a device, which only root can make");
    }
}

#[test]
fn a8_an_endless_device_is_refused() {
    let sandbox = Sandbox::new();
    assert!(sandbox.fails(3, &["restore", "/dev/zero"]).contains("not a snapshot of cms"));
    let why = sandbox.fails(6, &["set", "network.lan.ipaddr", "--from-file", "/dev/zero"]);
    assert!(why.contains("/dev/zero") && why.contains("larger than 1048576 bytes"), "{why}");
    assert_eq!(sandbox.ok(&["changes"]), "");
}

/// Commits five values, of which the third and all later ones are bad.
fn a_history() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["snapshot"]);
    for value in ["1", "2", "bad3", "bad4", "bad5"] {
        sandbox.ok(&["set", &format!("network.lan.metric={value}"), "-m", value, "--commit"]);
    }
    sandbox
}

fn bisect(sandbox: &Sandbox, options: &[&str], script: &str) -> (Option<i32>, String, String) {
    let output = sandbox.run(&[&["bisect"], options, &["--", "sh", "-c", script]].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn m9_bisect_blames_nothing_that_it_did_not_try() {
    let sandbox = a_history();
    let (code, _, why) = bisect(&sandbox, &[], "true");
    assert!(code == Some(1) && why.contains("does not fail at revision"), "{why}");
    let (code, _, why) = bisect(&sandbox, &[], "false");
    assert!(code == Some(1) && why.contains("does not work at revision"), "{why}");
    let fails_when_bad = "! grep -q bad \"$CMS_CONFIG_DIR/network\"";
    let (code, found, _) = bisect(&sandbox, &[], fails_when_bad);
    assert!(code == Some(0) && found.contains("-> 'bad3'"), "{found}");
    let (code, _, why) = bisect(&sandbox, &["--good", "now", "--bad", "1"], "true");
    assert!(code == Some(2) && why.contains("comes after"), "{why}");
}

#[test]
fn m9_bisect_takes_exit_codes_as_git_does() {
    let sandbox = a_history();
    let skip = |value: &str| {
        format!(
            "grep -q \"'{value}'\" \"$CMS_CONFIG_DIR/network\" && exit 125; \
             ! grep -q bad \"$CMS_CONFIG_DIR/network\""
        )
    };
    // Next to revisions that cannot be tested, only the candidates can be named.
    let (code, found, notes) = bisect(&sandbox, &[], &skip("bad3"));
    assert_eq!(code, Some(1), "{found}");
    assert!(
        found.contains("one of these") && found.contains("'bad3'") && found.contains("'bad4'"),
        "{found}"
    );
    assert!(notes.contains("cannot be tested"), "{notes}");
    // At other revisions that does not matter.
    let (code, found, _) = bisect(&sandbox, &[], &skip("bad4"));
    assert!(code == Some(0) && found.contains("-> 'bad3'"), "{found}");
    for end in ["exit 128", "kill -9 $$", "exit 255"] {
        let (code, found, why) = bisect(&sandbox, &[], end);
        assert!(code == Some(6) && found.is_empty() && why.contains("nothing was found"), "{end}: {why}");
    }
}

#[test]
fn m9_bisect_shows_packages_as_they_were_also_those_that_came_or_went() {
    let sandbox = a_history();
    sandbox.write("late", "config t 'x'\n");
    sandbox.ok(&["history"]);
    std::fs::remove_file(sandbox.path("config").join("late")).expect("removed");
    sandbox.ok(&["history"]);
    // Changes staged for the real configuration have no effect on it.
    sandbox.ok(&["set", "network.lan.metric=staged"]);
    let script = format!(
        "test -e \"$CMS_CONFIG_DIR/late\" && exit 1; {} get network.lan.metric | grep -q staged && exit 128; exit 0",
        env!("CARGO_BIN_EXE_cms")
    );
    let (code, _, why) = bisect(&sandbox, &[], &script);
    assert!(code == Some(1) && why.contains("does not fail"), "{why}");
    let (code, found, why) = bisect(&sandbox, &["--bad", "-1"], &script);
    assert!(code == Some(0) && found.contains("late"), "{found}{why}");
}

#[test]
fn x_l4_one_commit_with_a_wrong_clock_does_not_date_those_behind_it() {
    fn in_2099() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(4_070_908_800)
    }
    fn in_1970() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(60)
    }
    let sandbox = Sandbox::new();
    let commit = |time: fn() -> SystemTime, value: &str| {
        let dirs = cms::Dirs::choose(
            cms::DirOptions::new()
                .config(sandbox.path("config"))
                .save(sandbox.path("save"))
                .run(sandbox.path("run"))
                .state(sandbox.path("state")),
        );
        let store = cms::Store::open(cms::Options::new().dirs(dirs).time(time)).expect("opens");
        let mut transaction = store.begin().expect("begins");
        transaction.set(b"network.lan.metric", value.as_bytes()).expect("set");
        transaction.commit().expect("committed")
    };
    commit(SystemTime::now, "1");
    commit(in_2099, "2");
    commit(SystemTime::now, "3");
    // The log ignores a clock that was never set.
    commit(in_1970, "4");
    let years: Vec<String> = sandbox
        .ok(&["history", "--json"])
        .split("\"time\":\"")
        .skip(1)
        .map(|time| time[..4].to_owned())
        .collect();
    let year =
        cms::clock::show(cms::clock::parse("now", cms::clock::micros(SystemTime::now())).expect("a time"));
    let year = &year[..4];
    assert_eq!(years[..4], [year, year, "2099", year], "{years:?}");
    assert_eq!(sandbox.ok(&["get", "--at", "@{now}", "network.lan.metric"]), "4\n");
    let before = sandbox.run(&["get", "--at", "@{10 min ago}", "network.lan.ipaddr"]);
    let why = String::from_utf8_lossy(&before.stderr);
    assert!(!before.status.success() && why.contains("does not go back that far"), "{why}");
}
