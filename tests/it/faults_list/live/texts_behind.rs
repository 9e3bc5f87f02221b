//! Texts that are behind a log: several logs of one directory, and readers that go by the text.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use cms::{DirOptions, Dirs, Error, Live, Options, Store};
use tempfile::TempDir;

const ROLE: &str = "CMS_BEHIND_ROLE";
/// How many items each writer appends.
const COUNT: usize = 100;
const TEXT: &str = "config a 's'\n\toption n '0'\n";

/// Another user than root, who has no entry in the list of users.
const USER: u32 = 64_001;

/// Where a process finds the directories of its store.
#[derive(Clone)]
struct Paths {
    config: PathBuf,
    save: PathBuf,
    run: PathBuf,
    state: PathBuf,
}

impl Paths {
    /// The configuration directory of `root`, with the run and state directory of these names.
    fn of(root: &Path, run: &str, state: &str) -> Self {
        Self {
            config: root.join("config"),
            save: root.join("save"),
            run: root.join(run),
            state: root.join(state),
        }
    }

    fn options(&self, level: &str) -> Options {
        let wanted = DirOptions {
            config: Some(self.config.clone()),
            save: Some(self.save.clone()),
            run: Some(self.run.clone()),
            state: Some(self.state.clone()),
        };
        let mut options = Options { dirs: Dirs::choose(wanted), ..Options::default() };
        options.set_durability(level).expect("a level");
        options
    }

    fn set(&self, command: &mut Command) {
        command.env("CMS_CONFIG_DIR", &self.config).env("CMS_SAVE_DIR", &self.save);
        command.env("CMS_RUN_DIR", &self.run).env("CMS_STATE_DIR", &self.state);
    }

    fn told() -> Self {
        let path = |name: &str| PathBuf::from(std::env::var_os(name).expect("it is told"));
        Self {
            config: path("CMS_CONFIG_DIR"),
            save: path("CMS_SAVE_DIR"),
            run: path("CMS_RUN_DIR"),
            state: path("CMS_STATE_DIR"),
        }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.config.join("app")).expect("there")
    }
}

/// A directory that other users may use, with a configuration of one package.
fn root() -> TempDir {
    let root = crate::oracle::scratch();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("root, or our own");
    };
    mode(root.path(), 0o777);
    for name in ["config", "save"] {
        std::fs::create_dir(root.path().join(name)).expect("made");
        mode(&root.path().join(name), 0o777);
    }
    std::fs::write(root.path().join("config/app"), TEXT).expect("written");
    mode(&root.path().join("config/app"), 0o666);
    root
}

/// Copies a program to where every user can run it, in another process: a program that is open for writing, perhaps in a
/// child of another test, cannot be run.
fn copy(program: &Path, to: &Path) {
    if !to.exists() {
        assert!(Command::new("cp").args([program, to]).status().expect("runs").success());
    }
}

/// A process that plays a part; it is killed when it is no longer wanted.
struct Part {
    process: Child,
    out: BufReader<ChildStdout>,
    input: Option<ChildStdin>,
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Part {
    /// Starts this test program under a command such as `setpriv`, to play a part.
    fn start(under: &[&str], role: &str, paths: &Paths, level: &str, name: &str) -> Self {
        // Another user may not be able to reach the file where it was built.
        let program = paths.config.with_file_name("program");
        copy(&std::env::current_exe().expect("this test"), &program);
        let mut words = under.iter().map(Into::into).chain([program.into_os_string()]);
        let mut command = Command::new(words.next().expect("at least the program"));
        command.args(words).args(["--exact", "faults_list::live::texts_behind::role", "--nocapture"]);
        paths.set(&mut command);
        command.env(ROLE, role).env("CMS_BEHIND_LEVEL", level).env("CMS_BEHIND_NAME", name);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("runs");
        let out = BufReader::new(process.stdout.take().expect("piped"));
        let input = process.stdin.take();
        Self { process, out, input }
    }

    /// Waits for the next word the process has to say; `None` once it has ended.
    fn word(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.out.read_line(&mut line).expect("readable") == 0 {
                return None;
            }
            if let Some((_, word)) = line.trim_end().split_once("said ") {
                return Some(word.to_owned());
            }
        }
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.input.as_mut().expect("it listens"), "{word}").expect("it listens");
    }

    /// Has a writer of the part `commits` commit this value.
    fn commit(&mut self, value: &str) {
        self.tell(value);
        assert_eq!(self.word().as_deref(), Some(value));
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process"), signal).expect("it lives");
    }

    /// Waits for its end; returns what it had to say.
    fn words(mut self) -> Vec<String> {
        self.input = None;
        let words = std::iter::from_fn(|| self.word()).collect();
        assert!(self.process.wait().expect("it ends").success(), "a part has failed");
        words
    }
}

fn say(word: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "said {word}").and_then(|()| out.flush()).expect("someone listens");
}

/// Appends to a list, and says each item that was committed.
fn append(live: &Live, name: &str, count: usize) {
    for number in 0..count {
        let item = format!("{name}{number}");
        loop {
            let mut transaction = live.begin().expect("few are open");
            let made = transaction.add_list(b"app.s.l", item.as_bytes()).and_then(|()| transaction.commit());
            match made {
                Ok(_) => break say(&item),
                // Where two logs meet, one of the writers may have waited long enough.
                Err(Error::Conflict { .. } | Error::Locked { .. }) => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
}

/// What the other processes do; without a part to play, nothing.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let told = |name: &str| std::env::var(name).expect("it is told");
    let (level, name) = (told("CMS_BEHIND_LEVEL"), told("CMS_BEHIND_NAME"));
    let options = Paths::told().options(&level);
    match role.as_str() {
        "append" => append(&Live::open(options).expect("opens"), &name, COUNT),
        // Commits each value it is told, and leaves the texts where they are for long.
        "commits" => {
            let text_delay = Duration::from_secs(1000);
            let live = Live::open(Options { text_delay, ..options }).expect("opens");
            live.get(b"app.s.n", |_| ()).expect("read");
            for value in std::io::stdin().lines() {
                let value = value.expect("readable");
                let mut transaction = live.begin().expect("few are open");
                transaction.set(b"app.s.n", value.as_bytes()).expect("set");
                transaction.commit().expect("committed");
                say(&value);
            }
        }
        other => panic!("no part: {other}"),
    }
}

/// Writers append to one list; all that was acknowledged is in the text in the end.
fn all_is_there(root: &Path, writers: &[(&[&str], Paths, &str)], what: &str) {
    let start = |(number, (under, paths, level)): (usize, &(&[&str], Paths, &str))| {
        Part::start(under, "append", paths, level, &format!("w{number}-"))
    };
    let parts: Vec<Part> = writers.iter().enumerate().map(start).collect();
    let said: Vec<String> = parts.into_iter().flat_map(Part::words).collect();
    assert_eq!(said.len(), writers.len() * COUNT, "{what}");
    let text = Paths::of(root, "", "").text();
    let lost: Vec<&String> =
        said.iter().filter(|item| text.matches(&format!("list l '{item}'\n")).count() != 1).collect();
    assert!(
        lost.is_empty(),
        "{what}: {} of {} were lost, or are there twice: {lost:?}",
        lost.len(),
        said.len()
    );
    let left = std::fs::read_dir(root.join("config")).expect("there").flatten();
    let marks: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().ends_with(".behind"))
        .collect();
    assert!(marks.is_empty(), "{what}: left behind: {marks:?}");
}

const LEVELS: [[&str; 2]; 4] = [["log", "full"], ["log", "log"], ["log", "none"], ["full", "none"]];

#[test]
fn x_h7_two_state_directories_of_one_configuration_lose_nothing() {
    for (run, levels) in ["run-a", "run-b"].into_iter().flat_map(|run| LEVELS.map(|levels| (run, levels))) {
        let root = root();
        let [a, b] = [Paths::of(root.path(), "run-a", "state-a"), Paths::of(root.path(), run, "state-b")];
        let writers: [(&[&str], Paths, &str); 2] = [(&[], a, levels[0]), (&[], b, levels[1])];
        all_is_there(root.path(), &writers, &format!("{levels:?}, {run}"));
    }
}

#[test]
fn x_h7_a_log_shared_by_two_run_directories_loses_nothing() {
    for levels in LEVELS {
        let root = root();
        let [a, b] = ["run-a", "run-b"].map(|run| Paths::of(root.path(), run, "state"));
        let writers: [(&[&str], Paths, &str); 2] = [(&[], a, levels[0]), (&[], b, levels[1])];
        all_is_there(root.path(), &writers, &format!("{levels:?}"));
    }
}

#[test]
fn x_h7_root_and_another_user_lose_nothing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: it takes root to be two users");
        return;
    }
    let user = format!("--reuid={USER}");
    let under: &[&str] = &["setpriv", &user, "--clear-groups"];
    for levels in [["log", "log"], ["log", "full"], ["full", "log"]] {
        let root = root();
        let [a, b] = [Paths::of(root.path(), "run-a", "state-a"), Paths::of(root.path(), "run-b", "state-b")];
        let writers: [(&[&str], Paths, &str); 2] = [(&[], a, levels[0]), (under, b, levels[1])];
        all_is_there(root.path(), &writers, &format!("{levels:?}"));
    }
}

#[test]
fn x_h7_a_bind_mounted_alias_loses_nothing() {
    let probe = Command::new("unshare").args(["-m", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: it takes the right to mount");
        return;
    }
    for levels in LEVELS {
        let root = root();
        let [a, b] = ["config", "alias"].map(|config| Paths {
            config: root.path().join(config),
            ..Paths::of(root.path(), "run", "state")
        });
        std::fs::create_dir(&b.config).expect("made");
        let mount = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"";
        let (from, to) = (a.config.to_string_lossy().into_owned(), b.config.to_string_lossy().into_owned());
        let under = ["unshare", "-m", "sh", "-c", mount, &from, &to];
        let writers: [(&[&str], Paths, &str); 2] = [(&[], a, levels[0]), (&under, b, levels[1])];
        all_is_there(root.path(), &writers, &format!("{levels:?}"));
    }
}

/// Runs `cms get app.s.n`, perhaps as another user.
fn get(under: &[&str], paths: &Paths, more: &[&str]) -> (Option<i32>, String, String) {
    command(under, paths, &[&["get", "app.s.n"], more].concat())
}

/// Runs `cms`, perhaps as another user.
fn command(under: &[&str], paths: &Paths, arguments: &[&str]) -> (Option<i32>, String, String) {
    let cms = paths.config.with_file_name("cms");
    copy(Path::new(env!("CARGO_BIN_EXE_cms")), &cms);
    let mut words = under.iter().map(Into::into).chain([cms.into_os_string()]);
    let mut command = Command::new(words.next().expect("at least the program"));
    command.args(words).args(arguments);
    paths.set(&mut command);
    let out = command.stdin(Stdio::null()).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

#[test]
fn x_h9_get_is_never_older_than_what_was_acknowledged() {
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let mut writer = Part::start(&[], "commits", &paths, "log", "w");
    // Idle or stopped, alive or dead: what it has acknowledged is what is read.
    for round in 0..10 {
        writer.commit(&round.to_string());
        if round % 2 == 1 {
            writer.signal(rustix::process::Signal::STOP);
        }
        let (code, found, told) = get(&[], &paths, &[]);
        assert_eq!((code, found), (Some(0), round.to_string()), "{told}");
        writer.signal(rustix::process::Signal::CONT);
    }
    writer.commit("before");
    // As if it had been stopped in a commit: it has the log's lock.
    let logs = std::fs::read_dir(&paths.state).expect("there").flatten().next().expect("one");
    let lock = std::fs::File::open(logs.path().join("lock")).expect("there");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    assert_eq!(get(&[], &paths, &[]).1, "before");
    let shown = command(&[], &paths, &["show", "app"]).1;
    assert!(shown.contains("app.s.n='before'"), "{shown}");
    assert_eq!(get(&[], &paths, &["--stale"]).1, "9");
    std::fs::remove_dir_all(&paths.run).expect("removed");
    let (code, found, told) = get(&[], &paths, &["--lock-timeout", "0.2"]);
    assert_eq!((code, found.as_str()), (Some(8), ""), "{told}");
    drop(lock);
    drop(writer);
    assert_eq!(get(&[], &paths, &[]).1, "before");
}

#[test]
fn x_h9_other_users_read_what_was_acknowledged_or_are_told_who_has_it() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: it takes root to be two users");
        return;
    }
    let user = format!("--reuid={USER}");
    let under: &[&str] = &["setpriv", &user, "--clear-groups"];
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let mut writer = Part::start(&[], "commits", &paths, "log", "w");
    writer.commit("1");
    let theirs = Paths { state: root.path().join("theirs"), ..paths.clone() };
    // Through the map: alive, stopped and dead.
    assert_eq!(get(under, &theirs, &[]).1, "1");
    writer.signal(rustix::process::Signal::STOP);
    assert_eq!(get(under, &theirs, &[]).1, "1");
    writer.signal(rustix::process::Signal::CONT);
    writer.commit("2");
    writer.signal(rustix::process::Signal::KILL);
    drop(writer);
    assert_eq!(get(under, &theirs, &[]).1, "2");
    // Without the map there is nothing newer than the text to be had.
    std::fs::remove_dir_all(&paths.run).expect("removed");
    let started = Instant::now();
    let (code, found, told) = get(under, &theirs, &["--lock-timeout", "0.3"]);
    assert_eq!((code, found.as_str()), (Some(8), ""), "{told}");
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(told.contains("root") && told.contains("state"), "it names whose log it is: {told}");
    let (code, found, told) = get(under, &theirs, &["--stale"]);
    assert_eq!((code, found.as_str()), (Some(0), "0"), "{told}");
    // Root finishes it.
    assert_eq!(get(&[], &paths, &[]).1, "2");
    assert_eq!(get(under, &theirs, &[]).1, "2");
}

#[test]
fn x_h7_a_text_is_behind_only_behind_a_mark() {
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let options = Options { text_delay: Duration::from_secs(1000), ..paths.options("log") };
    let live = Live::open(options).expect("opens");
    live.get(b"app.s.n", |_| ()).expect("read");
    let mark = paths.config.join(".app.behind");
    let set = |value: &str| {
        let mut transaction = live.begin().expect("begun");
        transaction.set(b"app.s.n", value.as_bytes()).expect("set");
        transaction.commit().expect("committed");
    };
    set("1");
    assert_eq!(paths.text(), TEXT, "it is for later");
    assert!(mark.is_symlink());
    let names = std::fs::read_link(&mark).expect("a link").to_string_lossy().into_owned();
    assert!(names.contains("/state/"), "it names the log: {names}");
    live.flush().expect("written");
    assert!(!mark.is_symlink() && paths.text().contains("n '1'"));
    // Where stock uci has something staged, and where no mark can be made, the text is written at once.
    std::fs::write(paths.save.join("app"), "app.s.x='1'\n").expect("written");
    set("2");
    assert!(!mark.is_symlink() && paths.text().contains("n '2'"));
    std::fs::remove_file(paths.save.join("app")).expect("removed");
    std::fs::create_dir(&mark).expect("made");
    set("3");
    assert!(paths.text().contains("n '3'"));
    std::fs::remove_dir(&mark).expect("removed");
    // A mark that a crash has left is no obstacle: for the log's owner it is nothing.
    set("4");
    let target = std::fs::read_link(&mark).expect("a link");
    live.flush().expect("written");
    std::os::unix::fs::symlink(&target, &mark).expect("made");
    let store = Store::new(paths.options("full"));
    let place = store.place(b"app").expect("there");
    assert!(store.load_committed(place).is_ok() && !mark.is_symlink());
    std::os::unix::fs::symlink(&target, &mark).expect("made");
    set("5");
    live.flush().expect("written");
    assert!(!mark.is_symlink() && paths.text().contains("n '5'"));
}

#[test]
fn x_h7_texts_that_are_behind_survive_that_the_state_directory_is_replaced() {
    for ends in [false, true] {
        let root = root();
        let paths = Paths::of(root.path(), "run", "state");
        let options = Options { text_delay: Duration::from_secs(1000), ..paths.options("log") };
        let live = Live::open(options).expect("opens");
        live.get(b"app.s.n", |_| ()).expect("read");
        let set = |key: &str, value: &str| {
            let mut transaction = live.begin().expect("begun");
            transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
            transaction.commit().expect("committed");
        };
        set("app.s.n", "1");
        std::fs::rename(&paths.state, root.path().join("old-state")).expect("renamed");
        if !ends {
            set("app.s.m", "2");
        }
        drop(live);
        let text = paths.text();
        assert!(text.contains("option n '1'") && (ends || text.contains("option m '2'")), "{text}");
        assert!(!paths.config.join(".app.behind").is_symlink());
        assert_eq!(get(&[], &paths, &[]).1, "1");
    }
}

#[test]
fn x_h7_directories_that_are_replaced_under_writers_cost_nothing() {
    for levels in [["log", "full"], ["log", "log"], ["none", "log"]] {
        let root = root();
        let paths = Paths::of(root.path(), "run", "state");
        let start =
            |number: usize| Part::start(&[], "append", &paths, levels[number], &format!("w{number}-"));
        let parts = [start(0), start(1)];
        for round in 0..6 {
            std::thread::sleep(Duration::from_millis(60));
            let name = if round % 2 == 0 { "run" } else { "state" };
            let _ = std::fs::rename(root.path().join(name), root.path().join(format!("old-{name}-{round}")));
        }
        let said: Vec<String> = parts.into_iter().flat_map(Part::words).collect();
        let text = paths.text();
        let lost: Vec<_> = said.iter().filter(|item| !text.contains(&format!("list l '{item}'\n"))).collect();
        assert!(lost.is_empty(), "{levels:?}: {} of {} were lost: {lost:?}", lost.len(), said.len());
    }
}

#[test]
fn x_h7_a_mark_whose_log_is_gone_ends_with_the_system_or_by_repair() {
    for after_boot in [false, true] {
        let root = root();
        let paths = Paths::of(root.path(), "run", "state");
        let mut writer = Part::start(&[], "commits", &paths, "log", "w");
        writer.commit("1");
        drop(writer);
        std::fs::remove_dir_all(&paths.state).expect("removed");
        std::fs::remove_dir_all(&paths.run).expect("removed");
        let mark = paths.config.join(".app.behind");
        if after_boot {
            let target = std::fs::read_link(&mark).expect("a mark").to_string_lossy().into_owned();
            let mut words: Vec<&str> = target.splitn(3, ' ').collect();
            words[1] = "another-boot";
            std::fs::remove_file(&mark).expect("removed");
            std::os::unix::fs::symlink(words.join(" "), &mark).expect("made");
        } else {
            // The program that made it may still be there.
            let (code, _, told) = get(&[], &paths, &["--lock-timeout", "0.1"]);
            assert_eq!(code, Some(8), "{told}");
            let (code, _, told) = command(&[], &paths, &["repair"]);
            assert!(code == Some(0) && told.contains("app"), "{told}");
        }
        assert_eq!(get(&[], &paths, &[]).1, "0");
        assert!(!mark.is_symlink());
        assert_eq!(command(&[], &paths, &["set", "app.s.n=2", "--commit"]).0, Some(0));
    }
}

#[test]
fn x_l2_a_log_that_was_restored_from_a_copy_does_not_bring_older_values_back() {
    // With the text as one of the states that the transactions of the copy went through, and with another one; with a
    // reader that looks first, and with a writer that leaves the text where it is.
    for (last, next) in [("7", "full"), ("113", "full"), ("7", "log")] {
        let root = root();
        let paths = Paths::of(root.path(), "run", "state");
        let commit = |value: &str| {
            let told = command(&[], &paths, &["set", "--commit", &format!("app.s.n={value}")]);
            assert_eq!(told.0, Some(0), "{told:?}");
        };
        commit("110");
        let mut writer = Part::start(&[], "commits", &paths, "log", "w");
        writer.commit("7");
        writer.commit("111");
        let copy = root.path().join("copy");
        let cp = |from: &Path, to: &Path| {
            assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("runs").success());
        };
        cp(&paths.state, &copy);
        // When its store is closed, the text is put in place.
        assert!(writer.words().is_empty());
        assert!(paths.text().contains("n '111'"));
        commit("112");
        commit(last);
        std::fs::remove_dir_all(&paths.state).expect("removed");
        cp(&copy, &paths.state);
        if next == "log" {
            let mut writer = Part::start(&[], "commits", &paths, "log", "w");
            writer.commit("113");
            assert!(writer.words().is_empty());
            let told = command(&[], &paths, &["history", "app"]).1;
            assert!(told.contains("'111' -> '7'") && told.contains("'7' -> '113'"), "{told}");
            continue;
        }
        assert_eq!(get(&[], &paths, &[]).1, last);
        assert!(paths.text().contains(&format!("n '{last}'")), "{}", paths.text());
        let told = command(&[], &paths, &["history", "app"]).1;
        assert!(told.contains("(file-edit)") && told.contains(&format!("'111' -> '{last}'")), "{told}");
        commit("114");
        assert_eq!(get(&[], &paths, &[]).1, "114");
    }
}

#[test]
fn x_l2_a_mark_of_later_transactions_does_not_bring_older_values_back() {
    let root = root();
    let paths = Paths::of(root.path(), "run", "state");
    let mut writer = Part::start(&[], "commits", &paths, "log", "w");
    writer.commit("7");
    writer.commit("111");
    let copy = root.path().join("copy");
    assert!(Command::new("cp").arg("-a").args([&paths.state, &copy]).status().expect("runs").success());
    assert!(writer.words().is_empty());
    assert_eq!(command(&[], &paths, &["set", "--commit", "app.s.n=7"]).0, Some(0));
    let mut writer = Part::start(&[], "commits", &paths, "log", "w");
    writer.commit("8");
    writer.signal(rustix::process::Signal::KILL);
    drop(writer);
    assert!(paths.config.join(".app.behind").is_symlink() && paths.text().contains("n '7'"));
    std::fs::remove_dir_all(&paths.state).expect("removed");
    std::fs::rename(&copy, &paths.state).expect("renamed");
    let (code, found, told) = get(&[], &paths, &[]);
    assert_eq!((code, found.as_str()), (Some(0), "7"), "{told}");
    assert!(!paths.config.join(".app.behind").is_symlink());
}
