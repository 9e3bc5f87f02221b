//! Opening, locking, and putting texts in place.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cms::{DirOptions, Dirs, Durability, Live, Options};
use tempfile::TempDir;

const TEXT: &str = "config t 'x'\n\toption o '1'\n";

/// A store of the packages `n` and `other`.
struct Bench {
    root: TempDir,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(root.path().join("config")).expect("made");
        for name in ["n", "other"] {
            std::fs::write(root.path().join("config").join(name), TEXT).expect("written");
        }
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Returns the directory of the log.
    fn log(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.path("state")).expect("a state directory");
        let mut dirs = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
        dirs.next().expect("a log")
    }

    fn options(&self) -> Options {
        let dirs = Dirs::choose(DirOptions {
            config: Some(self.path("config")),
            save: Some(self.path("save")),
            run: Some(self.path("run")),
            state: Some(self.path("state")),
        });
        Options { dirs, lock_timeout: Duration::from_secs(10), ..Options::default() }
    }

    fn live(&self, durability: Durability) -> Live {
        Live::open(Options { durability, ..self.options() }).expect("opens")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (variable, dir) in [("CONFIG", "config"), ("SAVE", "save"), ("RUN", "run"), ("STATE", "state")] {
            command.env(format!("CMS_{variable}_DIR"), self.path(dir));
        }
        command.env("CMS", env!("CARGO_BIN_EXE_cms")).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `cms`, and fails if it does not end in time.
    fn cms(&self, arguments: &[&str]) -> Outcome {
        self.cms_within(Duration::from_secs(30), arguments)
    }

    fn cms_within(&self, time: Duration, arguments: &[&str]) -> Outcome {
        let mut child = self.command(env!("CARGO_BIN_EXE_cms")).args(arguments).spawn().expect("cms runs");
        wait(&mut child, time).unwrap_or_else(|| panic!("cms {arguments:?} does not end"));
        Outcome(child.wait_with_output().expect("its output"))
    }

    fn set(&self, key_and_value: &str) -> Outcome {
        self.cms(&["set", key_and_value, "--commit"])
    }
}

#[derive(Debug)]
struct Outcome(Output);

impl Outcome {
    fn code(&self) -> i32 {
        self.0.status.code().expect("it was not killed")
    }

    fn printed(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).trim().to_owned()
    }

    fn error(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Expects success, and returns what was printed.
    fn ok(&self) -> String {
        assert_eq!(self.code(), 0, "{}", self.error());
        self.printed()
    }
}

/// Waits for a process to end; `None`, and it is killed, if it does not in time.
fn wait(child: &mut Child, time: Duration) -> Option<i32> {
    let end = Instant::now() + time;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status.code().unwrap_or(-1));
        }
        if Instant::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
    assert!(made.success(), "mkfifo {}", path.display());
}

type Make = fn(&Path);

/// What may be found where a file is looked for, and how it is made.
const ODD: [(&str, Make); 4] = [
    ("a FIFO", make_fifo),
    ("a directory", |path| std::fs::create_dir(path).expect("made")),
    ("a socket", |path| drop(std::os::unix::net::UnixListener::bind(path).expect("bound"))),
    ("a link to a device that never ends", |path| {
        std::os::unix::fs::symlink("/dev/zero", path).expect("linked");
    }),
];

/// Puts each odd thing in place of a file of a store that has committed, and calls `check` with its name.
fn with_odd_entries(place: impl Fn(&Bench) -> PathBuf, check: impl Fn(&Bench, &str)) {
    for (what, make) in ODD {
        let bench = Bench::new();
        bench.set("n.x.o=2").ok();
        bench.cms(&["rebuild"]).ok();
        let path = place(&bench);
        let what =
            format!("{what} in place of {}", path.strip_prefix(bench.root.path()).expect("below").display());
        if path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path).expect("removed");
        }
        make(&path);
        check(&bench, &what);
    }
}

#[test]
fn x_h8_a_fifo_beside_a_package_stops_nobody() {
    for name in [".n.cms-1-2-3", ".other.cms-1-2-3"] {
        with_odd_entries(
            |bench| bench.path("config").join(name),
            |bench, what| {
                bench.set("n.x.o=3").ok();
                assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "3", "{what}");
                bench.set("other.x.o=3").ok();
            },
        );
    }
}

#[test]
fn x_h8_odd_entries_in_the_save_directory_stop_nobody() {
    for name in ["save/n", "save/.n.commit", "save/.n.replaced"] {
        with_odd_entries(
            |bench| {
                let _ = std::fs::create_dir(bench.path("save"));
                bench.path(name)
            },
            |bench, what| {
                assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "2", "{what}");
                let staged = bench.cms(&["set", "n.x.o=3"]);
                assert!(staged.code() == 0 || staged.error().contains("save/"), "{what}: {}", staged.error());
                bench.cms(&["commit", "n"]);
                bench.set("other.x.o=3").ok();
            },
        );
    }
}

#[test]
fn x_h8_odd_entries_in_the_run_directory_stop_nobody() {
    let identity = |path: PathBuf| {
        let found = path.metadata().expect("there");
        format!("{:x}-{:x}", found.dev(), found.ino())
    };
    type Placed = fn(&str) -> String;
    let places: [Placed; 4] = [
        |id| format!("run/locks/{id}-n"),
        |id| format!("run/maps/{id}/control"),
        |id| format!("run/maps/{id}/n.map"),
        |id| format!("run/watchers/{id}/1-0"),
    ];
    for place in places {
        with_odd_entries(
            |bench| {
                let path = bench.path(&place(&identity(bench.path("config"))));
                std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
                path
            },
            |bench, what| {
                assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "2", "{what}");
                let outcome = bench.set("n.x.o=3");
                assert!(
                    outcome.code() == 0 || outcome.error().contains("run/"),
                    "{what}: {}",
                    outcome.error()
                );
                bench.cms(&["status"]);
                bench.cms(&["rebuild"]);
            },
        );
    }
}

#[test]
fn x_h8_odd_entries_in_the_log_stop_nobody() {
    let names = ["lock", "queue", "pending", "texts/n", "00000000000000000001.keys", "snapshots/a.cms"];
    for name in names.into_iter().chain(["00000000000000000001.log", "00000000000000009999.log"]) {
        with_odd_entries(
            |bench| {
                let path = bench.log().join(name);
                std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
                path
            },
            |bench, what| {
                assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "2", "{what}");
                let outcome = bench.set("n.x.o=3");
                assert!(
                    outcome.code() == 0 || outcome.error().contains("state/"),
                    "{what}: {}",
                    outcome.error()
                );
                for arguments in
                    [&["history"][..], &["history", "n.x.o"], &["audit", "verify"], &["status"], &["paths"]]
                {
                    bench.cms(arguments);
                }
            },
        );
    }
}

#[test]
fn x_h8_a_package_may_still_be_a_link() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("elsewhere")).expect("made");
    std::fs::rename(bench.path("config/n"), bench.path("elsewhere/n")).expect("moved");
    std::os::unix::fs::symlink("../elsewhere/n", bench.path("config/n")).expect("linked");
    make_fifo(&bench.path("elsewhere/.n.cms-1-2-3"));
    bench.set("n.x.o=3").ok();
    assert!(bench.path("config/n").is_symlink());
    assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "3");
}

/// Appends items to a list of `other`, one commit each, and returns which were acknowledged.
fn append_items(live: &Live, name: &str, items: std::ops::Range<usize>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for item in items {
        let item = format!("{name}{item}");
        let mut transaction = live.begin().expect("open");
        transaction.add_list(b"other.x.l", item.as_bytes()).expect("a key");
        if transaction.commit().is_ok() {
            acknowledged.push(item);
        }
    }
    acknowledged
}

fn assert_all_there(bench: &Bench, acknowledged: &[String]) {
    let text = bench.cms(&["get", "-d", "\n", "other.x.l"]).ok();
    let there: std::collections::BTreeSet<&str> = text.lines().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|item| !there.contains(item.as_str())).collect();
    assert!(lost.is_empty(), "lost {} of {}: {lost:?}", lost.len(), acknowledged.len());
}

#[test]
fn x_h6_a_state_directory_that_is_replaced_loses_no_commit() {
    for durability in [Durability::Full, Durability::Log] {
        let bench = Bench::new();
        bench.set("other.x.o=2").ok();
        let live = bench.live(durability);
        let mut acknowledged = append_items(&live, "a", 0..3);
        // As a backup is restored, under a running program.
        let copied = Command::new("cp").arg("-a").args([bench.path("state"), bench.path("copy")]).status();
        assert!(copied.expect("cp runs").success());
        std::fs::rename(bench.path("state"), bench.path("gone")).expect("moved");
        std::fs::rename(bench.path("copy"), bench.path("state")).expect("moved");
        let second = bench.live(durability);
        std::thread::scope(|scope| {
            let threads = [(&live, "a"), (&second, "b")]
                .map(|(live, name)| scope.spawn(move || append_items(live, name, 3..60)));
            for thread in threads {
                let more = thread.join().expect("no panic");
                assert_eq!(more.len(), 57, "each commit is acknowledged");
                acknowledged.extend(more);
            }
        });
        drop((live, second));
        assert_all_there(&bench, &acknowledged);
        bench.cms(&["audit", "verify"]).ok();
    }
}

#[test]
fn x_h6_a_running_program_commits_again_after_the_state_directory_was_removed() {
    for durability in [Durability::Full, Durability::Log, Durability::None] {
        let bench = Bench::new();
        let live = bench.live(durability);
        let mut acknowledged = append_items(&live, "a", 0..3);
        // So that nothing is behind the log that is lost with it.
        bench.set("n.x.o=7").ok();
        std::fs::remove_dir_all(bench.path("state")).expect("removed");
        let more = append_items(&live, "a", 3..6);
        assert_eq!(more.len(), 3, "it commits again");
        acknowledged.extend(more);
        // Only the segments, and not the lock.
        bench.set("n.x.o=8").ok();
        for entry in std::fs::read_dir(bench.log()).expect("a log") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "log") {
                std::fs::remove_file(path).expect("removed");
            }
        }
        let more = append_items(&live, "a", 6..9);
        assert_eq!(more.len(), 3, "it commits again");
        acknowledged.extend(more);
        drop(live);
        assert_all_there(&bench, &acknowledged);
        bench.cms(&["audit", "verify"]).ok();
        assert_eq!(std::fs::metadata(bench.log()).expect("a log").permissions().mode() & 0o777, 0o700);
    }
}
