//! Opening files, locking them, and putting texts in place.

mod odd_entries;
mod stock_uci;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cms::testing::{Call, Files, Seams as _};
use cms::{Delta, DeltaKind, Durability, Engine, Error, Form, Options, Store};

use crate::support::fixture::Fixture;
use crate::support::probes::before;

const TEXT: &str = "config t 'x'\n\toption o '1'\n";

/// A store of the packages `n` and `other`.
struct Bench(Fixture);

impl Bench {
    fn new() -> Self {
        Self(Fixture::new(&["n", "other"].map(|name| (name, TEXT))))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Returns the directory of the log.
    fn log(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.path("state")).expect("a state directory");
        let mut dirs = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
        dirs.next().expect("a log")
    }

    fn options(&self) -> Options {
        self.0.options().lock_timeout(Duration::from_secs(10))
    }

    fn live(&self, durability: Durability) -> Store {
        Store::open(self.options().durability(durability)).expect("opens")
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

    /// Expects success, and returns the output.
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

/// Appends items to a list of `other`, one commit each, and returns which were acknowledged.
fn append_items(live: &Store, name: &str, items: std::ops::Range<usize>) -> Vec<String> {
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

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
    assert!(made.success(), "mkfifo {}", path.display());
}

type Make = fn(&Path);

#[test]
fn x_h6_a_state_directory_that_is_replaced_loses_no_commit() {
    for durability in [Durability::Full, Durability::Log] {
        let bench = Bench::new();
        bench.set("other.x.o=2").ok();
        let live = bench.live(durability);
        let mut acknowledged = append_items(&live, "a", 0..3);
        // As if a backup of the log was restored while a program runs.
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
        // Flush first, so that no deferred text is lost with the log.
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

/// Calls `act` before each rename of a package file, with the number of the rename, counted from 0.
fn at_renames(package: PathBuf, act: impl Fn(usize) + Send + Sync + 'static) -> Files {
    let count = AtomicUsize::new(0);
    before(move |call, path| {
        if call == Call::Rename && path == package {
            act(count.fetch_add(1, Ordering::Relaxed));
        }
        Ok(usize::MAX)
    })
}

fn set_option(store: &Engine, option: &[u8], value: &[u8]) -> Result<(), Error> {
    let set = Delta::new(DeltaKind::Set, b"x", Some(option), Some(value));
    let edit = |package: &mut cms::Package| package.apply(&set, cms::text::Dialect::Cms).map(|_| ());
    store.update(&store.packages().find(b"n").expect("a package"), Form::Lossless, edit)
}

fn temporary_files(bench: &Bench) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(bench.path("config")).expect("there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.to_string_lossy().contains(".cms-")).collect()
}

/// Commits while an editor saves the package just before it is replaced, and runs `meanwhile` before the saved file
/// is swapped back.
fn commit_with_a_save_in_between(
    bench: &Bench,
    meanwhile: impl Fn() + Send + Sync + 'static,
) -> Result<(), Error> {
    let (package, saved) = (bench.path("config/n"), bench.path("config/saved"));
    let target = package.clone();
    let act = move |rename| match rename {
        0 => {
            std::fs::write(&saved, "config t 'x'\n\toption o '1'\n\toption saved '1'\n").expect("written");
            std::fs::rename(&saved, &target).expect("saved");
        }
        1 => meanwhile(),
        _ => {}
    };
    let files = at_renames(package, act);
    let store = Engine::new(bench.options().files(files));
    set_option(&store, b"o", b"2")
}

#[test]
fn x_m15_another_with_a_run_directory_of_its_own_removes_no_file_that_is_to_go_back() {
    let bench = Bench::new();
    let mut dirs = bench.0.dirs();
    dirs.run.as_mut().expect("a run directory").path = bench.path("other-run");
    dirs.state.as_mut().expect("a state directory").path = bench.path("other-state");
    let config = bench.path("config");
    let outcome = commit_with_a_save_in_between(&bench, move || {
        let other = Engine::new(Options::new().dirs(dirs.clone()).lock_timeout(Duration::ZERO));
        let error = set_option(&other, b"other", b"1").expect_err("the package is locked");
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        let displaced = std::fs::read_dir(&config).expect("there").flatten();
        let displaced = displaced.filter(|entry| entry.file_name().to_string_lossy().contains(".cms-"));
        assert_eq!(displaced.count(), 1, "what was saved is still there");
    });
    outcome.expect("committed");
    let text = std::fs::read_to_string(bench.path("config/n")).expect("there");
    assert_eq!(text, "config t 'x'\n\toption o '2'\n\toption saved '1'\n");
    assert!(temporary_files(&bench).is_empty());
}

#[test]
fn x_m15_a_commit_that_is_in_the_file_is_no_error_though_the_file_it_displaced_is_gone() {
    let bench = Bench::new();
    let config = bench.path("config");
    let outcome = commit_with_a_save_in_between(&bench, move || {
        for entry in std::fs::read_dir(&config).expect("there").flatten() {
            if entry.file_name().to_string_lossy().contains(".cms-") {
                std::fs::remove_file(entry.path()).expect("removed");
            }
        }
    });
    outcome.expect("it is in the file");
    assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "2");
}

#[test]
fn x_m15_a_package_that_is_removed_at_the_last_instant_is_not_found() {
    let bench = Bench::new();
    let package = bench.path("config/n");
    let target = package.clone();
    let act = move |rename| {
        if rename == 0 {
            std::fs::remove_file(&target).expect("removed");
        }
    };
    let files = at_renames(package, act);
    let store = Engine::new(bench.options().files(files));
    let error = set_option(&store, b"o", b"2").expect_err("it is gone");
    assert!(!error.to_string().contains("rename"), "{error}");
    assert!(temporary_files(&bench).is_empty());
}

/// Makes a commit to `n` with a deferred text, and replaces the package file by another kind of file.
fn commit_what_cannot_be_placed(bench: &Bench, replace: impl Fn(&Path)) {
    bench.set("other.x.o=2").ok();
    let live = Store::open(bench.options().durability(Durability::Log).text_delay(Duration::from_secs(1000)))
        .expect("opens");
    assert!(live.get(b"n.x.o", |_| ()).expect("readable").is_some());
    let mut transaction = live.begin().expect("few are open");
    transaction.set(b"n.x.o", b"7").expect("a key");
    transaction.commit().expect("acknowledged");
    let package = bench.path("config/n");
    assert_eq!(std::fs::read_to_string(&package).expect("there"), TEXT, "it is to be written later");
    std::fs::remove_file(&package).expect("removed");
    replace(&package);
}

#[test]
fn x_m5_a_text_that_cannot_be_put_in_place_stops_only_its_own_package() {
    let odd: [Make; 3] = [
        make_fifo,
        |path| std::fs::create_dir(path).expect("made"),
        |path| std::os::unix::fs::symlink("n", path).expect("linked"),
    ];
    for (index, replace) in odd.into_iter().enumerate() {
        let bench = Bench::new();
        commit_what_cannot_be_placed(&bench, replace);
        bench.set("other.x.o=3").ok();
        bench.set("other.x.o=4").ok();
        assert_ne!(bench.set("n.x.o=8").code(), 0, "{index}");
        let package = bench.path("config/n");
        if index == 1 {
            std::fs::remove_dir(&package).expect("removed");
        } else {
            std::fs::remove_file(&package).expect("removed");
        }
        // The acknowledged text is placed first.
        std::fs::write(&package, TEXT).expect("written");
        let refused = bench.set("n.x.o=8");
        assert!(refused.code() != 0 && refused.error().contains("repair"), "{index}: {}", refused.error());
        bench.cms(&["repair"]).ok();
        assert_eq!(bench.cms(&["get", "n.x.o"]).ok(), "7", "{index}");
        bench.set("n.x.o=8").ok();
        bench.set("other.x.o=5").ok();
    }
}

#[test]
fn x_m5_repair_sets_aside_what_still_cannot_be_put_in_place() {
    let bench = Bench::new();
    commit_what_cannot_be_placed(&bench, |path| std::fs::create_dir(path).expect("made"));
    bench.set("other.x.o=3").ok();
    bench.cms(&["repair"]);
    let parked = std::fs::read_dir(bench.log().join("parked")).expect("there").flatten();
    let names: Vec<_> = parked.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["n.aside"]);
    bench.set("other.x.o=4").ok();
}

#[test]
fn x_m5_a_package_that_is_a_mount_point_is_refused_before_it_is_acknowledged() {
    let bench = Bench::new();
    std::fs::write(bench.path("real"), TEXT).expect("written");
    let script = "mount --bind real config/n || exit 77; \
        CMS_DURABILITY=log \"$CMS\" set n.x.o=2 --commit; test $? = 6 || exit 1; \
        \"$CMS\" set other.x.o=2 --commit && test \"$(\"$CMS\" get n.x.o)\" = 1";
    let output =
        bench.command("unshare").args(["-m", "sh", "-c", script]).current_dir(bench.0.dir.path()).output();
    match output {
        Ok(output) if output.status.code() == Some(0) => {}
        Ok(output) if output.status.code() == Some(1) => {
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        }
        _ => eprintln!("skipped: no mount namespace can be had"),
    }
}
