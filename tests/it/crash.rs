//! The real program, killed at every system call it makes, and on a full disk.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const OLD: &str = "# kept\nconfig a 'x'\n\toption o '1'\n\tlist l 'one'\n";
const NEW: &str = "# kept\nconfig a 'x'\n\toption o '2'\n\tlist l 'one'\n\tlist l 'two'\n";

fn cms(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cms"));
    set_up(&mut command, root).args(words);
    command
}

fn set_up<'c>(command: &'c mut Command, root: &Path) -> &'c mut Command {
    command
        .env("CMS_CONFIG_DIR", root.join("config"))
        .env("CMS_SAVE_DIR", root.join("save"))
        .env("CMS_RUN_DIR", root.join("run"))
        .env("CMS_STATE_DIR", root.join("state"))
}

fn must(command: &mut Command) {
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn prepare(root: &Path) {
    let _ = std::fs::remove_dir_all(root.join("config"));
    let _ = std::fs::remove_dir_all(root.join("save"));
    std::fs::create_dir(root.join("config")).expect("made");
    std::fs::write(root.join("config/n"), OLD).expect("written");
    must(&mut cms(root, &["set", "n.x.o=2"]));
    must(&mut cms(root, &["add_list", "n.x.l=two"]));
}

/// Runs `cms commit` under strace, which disturbs the `nth` call of a kind. `None` without strace.
fn inject(root: &Path, call: &str, what: &str, nth: usize) -> Option<Output> {
    inject_into(root, &["commit", "n"], call, what, nth)
}

/// As [`inject`], for any command.
fn inject_into(root: &Path, words: &[&str], call: &str, what: &str, nth: usize) -> Option<Output> {
    let mut command = Command::new("strace");
    set_up(&mut command, root);
    command.args(["-f", "-qq", "-o"]).arg(root.join("trace"));
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{what}:when={nth}")]);
    command.arg(env!("CARGO_BIN_EXE_cms")).args(words);
    command.output().ok()
}

fn strace_works(root: &Path) -> bool {
    let works =
        Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|o| o.status.success());
    if !works {
        eprintln!("skipped: strace is missing or not permitted (in {})", root.display());
    }
    works
}

/// Checks that the file has the old or the new text, and that the next commit makes it the new one, with each change
/// applied once.
fn check(root: &Path, what: &str) {
    let text = std::fs::read_to_string(root.join("config/n")).expect("the package file is there");
    assert!(text == OLD || text == NEW, "{what}: {text}");
    must(&mut cms(root, &["commit", "n"]));
    let text = std::fs::read_to_string(root.join("config/n")).expect("the package file is there");
    assert_eq!(text, NEW, "{what}");
    assert_eq!(
        String::from_utf8_lossy(&cms(root, &["changes"]).output().expect("runs").stdout),
        "",
        "{what}"
    );
}

const CALLS: [&str; 13] = [
    "openat",
    "read",
    "write",
    "fsync",
    "renameat2",
    "ftruncate",
    "unlink",
    "flock",
    "fchmod",
    "lseek",
    "close",
    "statx",
    "mkdir",
];

#[test]
fn a_commit_killed_at_any_system_call_leaves_old_or_new_and_is_made_good() {
    let root = TempDir::new().expect("a directory");
    if !strace_works(root.path()) {
        return;
    }
    let mut kills = 0;
    for call in CALLS {
        for nth in 1..40 {
            prepare(root.path());
            let Some(output) = inject(root.path(), call, "signal=KILL", nth) else { return };
            let killed = !output.status.success();
            kills += usize::from(killed);
            check(root.path(), &format!("killed at {call} {nth}"));
            if !killed {
                break;
            }
        }
    }
    assert!(kills > 20, "only {kills} kills happened");
}

/// Each change is staged with its base, in another file, which is written first.
#[test]
fn s23_a_set_killed_at_any_system_call_loses_no_staged_line_and_is_no_conflict_later() {
    let root = TempDir::new().expect("a directory");
    if !strace_works(root.path()) {
        return;
    }
    let mut kills = 0;
    for call in ["openat", "write", "unlink", "rename", "flock", "lseek", "mkdir", "close"] {
        for nth in 1..40 {
            let what = format!("killed at {call} {nth}");
            prepare(root.path());
            let words = ["set", "n.x.o=3", "n.x.new=1"];
            let Some(output) = inject_into(root.path(), &words, call, "signal=KILL", nth) else { return };
            let killed = !output.status.success();
            kills += usize::from(killed);
            let changes = cms(root.path(), &["changes"]).output().expect("runs").stdout;
            let changes = String::from_utf8_lossy(&changes).into_owned();
            let old = "n.x.o='2'\nn.x.l+='two'\n";
            assert!(
                changes == old || changes == format!("{old}n.x.o='3'\nn.x.new='1'\n"),
                "{what}: {changes}"
            );
            // Another key is changed by hand, and the same one again by a later command.
            let text = std::fs::read_to_string(root.path().join("config/n")).expect("there");
            std::fs::write(root.path().join("config/n"), text + "\toption other '1'\n").expect("written");
            must(&mut cms(root.path(), &["set", "n.x.new=2"]));
            must(&mut cms(root.path(), &["commit", "n"]));
            let text = std::fs::read_to_string(root.path().join("config/n")).expect("there");
            let value = if changes == old { "option o '2'" } else { "option o '3'" };
            assert!(
                text.contains(value) && text.contains("new '2'") && text.contains("other"),
                "{what}: {text}"
            );
            if !killed {
                break;
            }
        }
    }
    assert!(kills > 10, "only {kills} kills happened");
}

#[test]
fn a_commit_with_a_failing_system_call_says_so_and_loses_nothing() {
    let root = TempDir::new().expect("a directory");
    if !strace_works(root.path()) {
        return;
    }
    let mut failures = 0;
    for (call, error) in
        [("write", "ENOSPC"), ("write", "EIO"), ("fsync", "EIO"), ("renameat2", "EIO"), ("ftruncate", "EIO")]
    {
        for nth in 1..12 {
            prepare(root.path());
            let Some(output) = inject(root.path(), call, &format!("error={error}"), nth) else { return };
            let trace = std::fs::read_to_string(root.path().join("trace")).unwrap_or_default();
            if !trace.contains("(INJECTED)") {
                break;
            }
            failures += 1;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let text = std::fs::read_to_string(root.path().join("config/n")).expect("there");
            if text == OLD {
                assert_eq!(output.status.code(), Some(6), "{call} {nth} {error}: {said}");
                assert!(said.contains("cms: ") && said.contains("cannot"), "{said}");
            }
            check(root.path(), &format!("{call} {nth} fails with {error}"));
        }
    }
    assert!(failures > 5, "only {failures} failures happened");
}

/// A file system of 512 kB, unmounted at the end.
struct Tiny(TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        let dir = TempDir::new().expect("a directory");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("skipped: a small file system cannot be mounted here");
        None
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let Some(tiny) = Tiny::mount() else { return };
    let root = tiny.0.path();
    prepare(root);
    let ballast = root.join("ballast");
    let mut size = 500_000;
    while std::fs::write(&ballast, vec![b'x'; size]).is_err() {
        size -= 1000;
    }
    while std::fs::OpenOptions::new()
        .append(true)
        .open(&ballast)
        .and_then(|mut f| std::io::Write::write_all(&mut f, &[b'x'; 512]))
        .is_ok()
    {}
    let before = std::fs::read(root.join("save/n")).expect("staged");
    let output = cms(root, &["commit", "n"]).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("No space left"), "{said}");
    assert_eq!(std::fs::read_to_string(root.join("config/n")).expect("there"), OLD);
    assert_eq!(std::fs::read(root.join("save/n")).expect("staged"), before);
    std::fs::remove_file(ballast).expect("removed");
    check(root, "after the disk was full");
}
