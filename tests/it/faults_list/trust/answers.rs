//! Messages to several users of one store, and what each of them can do.

use super::*;

/// A ground on which Anna may replace packages; she and root stage in the same directory.
fn shared_save_dir(test: &str) -> Option<Ground> {
    let ground = Ground::new(test)?;
    ground.write("hers", "config a 's'\n\toption pw 'old'\n");
    ground.give("config/hers", ANNA);
    ground.group("config", ANNA, 0o775);
    ground.make("shared", 0, 0o1777);
    Some(ground)
}

impl Ground {
    /// Runs a command that stages in the shared directory; returns its exit code, its output and its messages.
    fn sharing(&self, user: u32, words: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.command(user, &self.path("cms"));
        let output = command.env("CMS_SAVE_DIR", self.path("shared")).args(words).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), said(&output))
    }
}

#[test]
fn x_m13_what_another_user_has_staged_keeps_nobody_from_committing_his_own() {
    let Some(ground) = shared_save_dir("x_m13") else { return };
    // First everybody may read the staged changes, as by default; then only root.
    for (mode, value) in [(0o644, "first"), (0o600, "second")] {
        let staged = format!("app.s.pw=roots {value}");
        assert_eq!(ground.sharing(0, &["set", &staged]).0, Some(0));
        for file in ["shared/app", "shared/.app.base"] {
            ground.mode(file, mode);
        }
        assert_eq!(ground.sharing(ANNA, &["set", &format!("hers.s.pw={value}")]).0, Some(0));
        // If she names the package, the commit is refused, and nothing is changed.
        let (code, _, why) = ground.sharing(ANNA, &["commit", "app", "hers"]);
        assert_eq!(code, Some(4), "{why}");
        assert!(!ground.text("hers").contains(value));
        if mode == 0o600 {
            let (code, printed, why) = ground.sharing(ANNA, &["changes"]);
            assert_eq!((code, &*printed), (Some(4), "hers.s.pw='second'\n"), "{why}");
            assert!(why.contains("app: what another user has staged is not shown: "), "{why}");
        }
        // Her own staged changes are committed, root's stay, and she gets a message.
        for words in [&["commit", "--dry-run"][..], &["commit", "--check"], &["commit"]] {
            let (code, _, why) = ground.sharing(ANNA, words);
            assert_eq!(code, Some(4), "{words:?} {why}");
            assert!(why.contains("app: what another user has staged stays staged: "), "{words:?} {why}");
            assert!(
                why.contains("shared/app: Permission denied") && why.contains("it belongs to root"),
                "{why}"
            );
            assert_eq!(ground.text("hers").contains(value), words == ["commit"], "{words:?}");
        }
        assert!(!ground.text("app").contains(value), "it is not hers to commit");
        let (code, _, why) = ground.sharing(ANNA, &["revert"]);
        assert_eq!(code, Some(4), "{why}");
        let (code, printed, why) = ground.sharing(0, &["changes"]);
        assert_eq!((code, printed), (Some(0), format!("app.s.pw='roots {value}'\n")), "{why}");
        assert_eq!(ground.sharing(0, &["commit"]).0, Some(0));
        assert!(ground.text("app").contains(&format!("roots {value}")));
    }
    // Stock uci also commits what it can, and prints no message.
    assert_eq!(ground.sharing(0, &["set", "app.s.pw=third"]).0, Some(0));
    assert_eq!(ground.sharing(ANNA, &["set", "hers.s.pw=third"]).0, Some(0));
    let (_, _, why) = ground.sharing(ANNA, &["uci", "commit"]);
    assert!(why.contains("I/O error"), "{why}");
    assert!(ground.text("hers").contains("third") && !ground.text("app").contains("third"));
    assert_eq!(ground.sharing(0, &["changes"]).1, "app.s.pw='third'\n");
}

#[test]
fn x_m13_staged_changes_of_ones_own_that_cannot_be_opened_are_an_error() {
    let Some(ground) = shared_save_dir("x_m13 own") else { return };
    assert_eq!(ground.sharing(ANNA, &["set", "hers.s.pw=new"]).0, Some(0));
    ground.mode("shared/hers", 0);
    for words in [&["get", "hers.s.pw"][..], &["changes"], &["show", "hers"], &["commit"]] {
        let (code, printed, why) = ground.sharing(ANNA, words);
        assert_eq!((code, &*printed), (Some(4), ""), "{words:?} {why}");
        assert!(why.contains("cannot open ") && why.contains("shared/hers: Permission denied"), "{why}");
    }
    ground.mode("shared/hers", 0o600);
    assert_eq!(ground.sharing(ANNA, &["get", "hers.s.pw"]).1, "new\n");
}

#[test]
fn s22_a_log_that_cannot_be_written_is_not_taken_for_one_without_transactions() {
    let Some(ground) = Ground::new("s22 log") else { return };
    ground.group("config", ANNA, 0o775);
    ground.group("config/app", ANNA, 0o664);
    let refused = |user: u32, because: &str| {
        for command in ["history", "undo"] {
            let output = ground.cms(user, &[command]);
            let why = said(&output);
            assert_eq!(output.status.code(), Some(4), "{user} {command}: {why}");
            assert!(why.contains("commits are not logged, so there is no history: "), "{command}: {why}");
            assert!(why.contains(because), "{command}: {why}");
        }
    };
    // S15: root owns the directory.
    ground.make("state", 0, 0o755);
    assert!(
        said(&ground.cms(ANNA, &["set", "--commit", "app.s.pw=hers"])).contains("commits are not logged")
    );
    refused(ANNA, "Permission denied (os error 13); it belongs to root");
    // X-M3: another user owns the directory, so root writes no log in it.
    ground.give("state", BERT);
    assert!(said(&ground.cms(0, &["set", "--commit", "app.s.pw=roots"])).contains("commits are not logged"));
    refused(0, &format!("it belongs to user {BERT}, who is not trusted with it"));
    let paths = ground.ok(0, &["paths"]);
    assert!(paths.contains("commits are not logged: ") && paths.contains("who is not trusted"), "{paths}");
    assert_eq!(ground.cms(0, &["status"]).status.code(), Some(3));
    // If nothing was committed yet, the message says so.
    ground.give("state", 0);
    let output = ground.cms(0, &["undo"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the log holds no transaction"), "{}", said(&output));
}

/// Makes a mark, owned by Anna, that says that the text of `app` is behind a log.
fn mark(ground: &Ground, log: &Path) {
    let (id, log) = ("0123456789abcdef".repeat(2), log.to_str().expect("UTF-8"));
    let run = ground.path("run");
    let target = format!("{id} boot 1 {} {log} {}", log.len(), run.to_str().expect("UTF-8"));
    let path = ground.path("config/.app.behind");
    let _ = std::fs::remove_file(&path);
    symlink(target, &path).expect("made");
    std::os::unix::fs::lchown(&path, Some(ANNA), Some(ANNA)).expect("given");
}

#[test]
fn x_h8_a_mark_that_leads_to_a_fifo_or_an_endless_file_stops_nobody() {
    let Some(ground) = Ground::new("x_h8 mark") else { return };
    ground.group("config", ANNA, 0o775);
    ground.make("hers", ANNA, 0o755);
    mark(&ground, &ground.path("hers"));
    let id = ground.path("hers/id");
    for kind in ["fifo", "link"] {
        match kind {
            "fifo" => assert!(Command::new("mkfifo").arg(&id).status().expect("runs").success()),
            _ => symlink("/dev/zero", &id).expect("made"),
        }
        for words in [&["get", "app.s.pw"][..], &["set", "--commit", "app.s.pw=new"]] {
            let mut command = ground.command(0, Path::new("timeout"));
            command.args(["20", "sh", "-c", "ulimit -v 2000000; exec \"$@\"", "sh"]).arg(ground.path("cms"));
            let output = command.args(["--lock-timeout", "0.5"]).args(words).output().expect("runs");
            assert_eq!(output.status.code(), Some(8), "{kind} {words:?}: {}", said(&output));
            assert!(said(&output).contains("locked by the user 61001"), "{}", said(&output));
        }
        std::fs::remove_file(&id).expect("removed");
    }
    // A user who may remove the mark does so.
    std::fs::remove_file(ground.path("config/.app.behind")).expect("removed");
    ground.ok(0, &["set", "--commit", "app.s.pw=new"]);
}

#[test]
fn x_m3_a_mark_leads_root_into_no_directory_of_a_third_user() {
    let Some(ground) = Ground::new("x_m3 mark") else { return };
    ground.group("config", ANNA, 0o775);
    for (name, owner) in [("his", BERT), ("his/log", BERT)] {
        ground.make(name, owner, 0o777);
    }
    std::fs::write(ground.path("his/log/id"), "0123456789abcdef".repeat(2)).expect("written");
    mark(&ground, &ground.path("his/log"));
    for words in [&["get", "app.s.pw"][..], &["set", "--commit", "app.s.pw=new"], &["repair"]] {
        ground.cms(0, &[&["--lock-timeout", "0.5"][..], words].concat());
        let entries = std::fs::read_dir(ground.path("his/log")).expect("there").flatten();
        let names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["id"], "{words:?}: nothing is made there");
    }
}
