//! Processes that run roles against one store: as another user, through another path, with directories of their own,
//! stopped or killed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cms::testing::{Call, Seams as _};
use cms::{DirOptions, Dirs, Error, Options, Store};
use rustix::process::Signal;
use tempfile::TempDir;

use super::probes::before;

/// The variable with the role of a process: a family and the name of the role in it. See `roles`.
pub const ROLE: &str = "CMS_TEST_ROLE";
/// The variables with the directory and the number of a process that [`start_part`] starts.
pub const DIR: &str = "CMS_TEST_DIR";
pub const NUMBER: &str = "CMS_TEST_NUMBER";
/// How many items each writer appends.
pub const COUNT: usize = 100;
pub const TEXT: &str = "config a 's'\n\toption n '0'\n";

/// A user other than root, without an entry in `/etc/passwd`.
pub const USER: u32 = 64_001;

/// The paths by which a process uses its store.
#[derive(Clone)]
pub struct Paths {
    pub config: PathBuf,
    pub save: PathBuf,
    pub run: PathBuf,
    pub state: PathBuf,
}

impl Paths {
    /// Returns the configuration directory in `root`, with the run and state directory of these names.
    pub fn of(root: &Path, run: &str, state: &str) -> Self {
        Self {
            config: root.join("config"),
            save: root.join("save"),
            run: root.join(run),
            state: root.join(state),
        }
    }

    pub fn options(&self, level: &str) -> Options {
        let wanted = DirOptions::new()
            .config(self.config.clone())
            .save(self.save.clone())
            .run(self.run.clone())
            .state(self.state.clone());
        Options::new().dirs(Dirs::choose(wanted)).durability_levels(level).expect("a level")
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

    pub fn text(&self) -> String {
        std::fs::read_to_string(self.config.join("app")).expect("there")
    }
}

/// Makes a directory that other users may use, with a configuration of one package.
pub fn root() -> TempDir {
    let root = crate::support::oracle::scratch();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("root, or our own");
    };
    mode(root.path(), 0o777);
    for name in ["config", "save"] {
        std::fs::create_dir(root.path().join(name)).expect("made");
        mode(&root.path().join(name), 0o777);
    }
    write(root.path(), "app", TEXT);
    root
}

/// Writes a package that other users may write as well.
pub fn write(root: &Path, name: &str, text: &str) {
    let path = root.join("config").join(name);
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o666)).expect("our own");
}

/// Copies a program to a path where every user can run it. Another process copies it: otherwise a child of another
/// test might have it open for writing, and then it could not be run.
fn copy(program: &Path, to: &Path) {
    if !to.exists() {
        assert!(Command::new("cp").args([program, to]).status().expect("runs").success());
    }
}

/// Sets the role for a command that runs this test program or a copy of it.
pub fn play(command: &mut Command, family: &str, role: &str) {
    command.args(["roles::role", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, format!("{family} {role}"));
}

/// Makes a command that runs this test program in a role.
pub fn this_program(family: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    play(&mut command, family, role);
    command.stdin(Stdio::null());
    command
}

/// Runs a role of a family with a directory and a number. Its output is dropped.
pub fn start_part(family: &str, dir: &Path, role: &str, number: usize) -> Child {
    this_program(family, role)
        .env(DIR, dir)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs")
}

/// A process that runs a role. Dropping this kills it.
pub struct Part {
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
    /// Starts this test program under a command such as `setpriv`, to run a role.
    pub fn start(under: &[&str], role: &str, paths: &Paths, level: &str, name: &str) -> Self {
        // Another user may not be able to reach the file where it was built.
        let program = paths.config.with_file_name("program");
        copy(&std::env::current_exe().expect("this test"), &program);
        let mut words = under.iter().map(Into::into).chain([program.into_os_string()]);
        let mut command = Command::new(words.next().expect("at least the program"));
        command.args(words);
        play(&mut command, "parts", role);
        paths.set(&mut command);
        command.env("CMS_BEHIND_LEVEL", level).env("CMS_BEHIND_NAME", name);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("runs");
        let out = BufReader::new(process.stdout.take().expect("piped"));
        let input = process.stdin.take();
        Self { process, out, input }
    }

    /// Waits for the next line that the process prints; `None` once it has ended.
    pub fn word(&mut self) -> Option<String> {
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

    pub fn tell(&mut self, word: &str) {
        writeln!(self.input.as_mut().expect("it listens"), "{word}").expect("it listens");
    }

    /// Makes a process with the role `commits` commit this value.
    pub fn commit(&mut self, value: &str) {
        self.tell(value);
        assert_eq!(self.word().as_deref(), Some(value));
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process"), signal).expect("it lives");
    }

    /// Waits until it is stopped, or has ended. Returns which.
    pub fn stops(&self) -> bool {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            let status = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()));
            let status = status.expect("it is not waited for yet");
            match status.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()) {
                Some('T') => return true,
                Some('Z') => return false,
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        panic!("it neither stops nor ends");
    }

    /// Kills it; returns the lines that it had printed before.
    pub fn killed(mut self) -> Vec<String> {
        self.process.kill().expect("it lives, or is a zombie");
        std::iter::from_fn(|| self.word()).collect()
    }

    /// Waits for its end; returns the lines that it printed.
    pub fn words(mut self) -> Vec<String> {
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

/// Appends to a list, and prints each committed item.
fn append(live: &Store, name: &str, count: usize) {
    for number in 0..count {
        let item = format!("{name}{number}");
        loop {
            let mut transaction = live.begin().expect("few are open");
            let made = transaction.add_list(b"app.s.l", item.as_bytes()).and_then(|()| transaction.commit());
            match made {
                Ok(_) => break say(&item),
                // If two logs are used, one of the writers may exceed its time-out.
                Err(Error::Conflict { .. } | Error::Locked { .. }) => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
}

/// Commits for a while, and once at least: each time the next number to its own key, and the same number to a list
/// that all writers share. Prints each number once it is committed.
fn count(options: Options, told: &str) {
    let (name, millis) = told.split_once(' ').expect("a name, and how long");
    let end = Instant::now() + Duration::from_millis(millis.parse().expect("a number"));
    let live = Store::open(options).expect("opens");
    let (key, mut has_committed) = (format!("app.s.{name}"), false);
    while !has_committed || Instant::now() < end {
        let committed = live.begin().and_then(|mut transaction| {
            let now = transaction.get(key.as_bytes())?;
            let now =
                now.map_or(0, |now| String::from_utf8_lossy(&now.items()[0]).parse().expect("a number"));
            let next: u64 = now + 1;
            transaction.set(key.as_bytes(), next.to_string().as_bytes())?;
            transaction.add_list(b"app.s.l", format!("{name}-{next}").as_bytes())?;
            transaction.commit().map(|_| next)
        });
        match committed {
            Ok(number) => {
                say(&number.to_string());
                has_committed = true;
            }
            Err(Error::Conflict { .. } | Error::Locked { .. }) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// Commits once to two packages and closes the store, and stops at one of the calls. The acknowledgement is written
/// to a file, so that the test knows it even if the process is stopped or dead.
fn stop(options: Options, told: &str) {
    let (kind, at) = told.split_once(' ').expect("of which calls, and the number of one");
    let at: usize = at.parse().expect("a number");
    let is_after_locks = kind == "locks";
    // Only the calls of the commit are counted, perhaps only those right after a lock was taken.
    let count = Arc::new(AtomicUsize::new(usize::MAX / 2));
    let (calls, was_lock) = (count.clone(), AtomicBool::new(false));
    let files = before(move |call, _| {
        let was_lock = was_lock.swap(call == Call::Lock, Ordering::SeqCst);
        if (was_lock || !is_after_locks) && calls.fetch_add(1, Ordering::SeqCst) == at {
            rustix::process::kill_process(rustix::process::getpid(), Signal::STOP).expect("our own");
        }
        Ok(usize::MAX)
    });
    let acknowledged = options.get_dirs().config.path.with_file_name("acknowledged");
    let live = Store::open(options.files(files)).expect("opens");
    let mut transaction = live.begin().expect("few are open");
    for key in ["app.s.n", "other.s.n"] {
        transaction.set(key.as_bytes(), b"new").expect("set");
    }
    count.store(0, Ordering::SeqCst);
    transaction.commit().expect("committed");
    std::fs::write(acknowledged, "").expect("written");
    drop(live);
    say("closed");
}

/// Commits to two packages in turn, and to both every third time, beginning with the named one.
fn commit_in_turn(live: &Store, first: &str) {
    let order = if first == "a" { ["a", "b"] } else { ["b", "a"] };
    for number in 0..200 {
        let mut transaction = live.begin().expect("few are open");
        let packages = if number % 3 == 2 { &order[..] } else { &order[number % 3..=number % 3] };
        for package in packages {
            let key = format!("{package}.s.{first}");
            transaction.set(key.as_bytes(), number.to_string().as_bytes()).expect("set");
        }
        transaction.commit().unwrap_or_else(|error| panic!("{first}, {number}: {error}"));
    }
    say(first);
}

/// Runs one of the roles that [`Part::start`] names.
pub fn role(role: &str) {
    let told = |name: &str| std::env::var(name).expect("it is told");
    let (level, name) = (told("CMS_BEHIND_LEVEL"), told("CMS_BEHIND_NAME"));
    let options = Paths::told().options(&level);
    match role {
        "append" => append(&Store::open(options).expect("opens"), &name, COUNT),
        "opposite" => commit_in_turn(&Store::open(options).expect("opens"), &name),
        // Commits each value that it reads from standard input, and defers the texts for a long time.
        "commits" => {
            let text_delay = Duration::from_secs(1000);
            let live = Store::open(options.text_delay(text_delay)).expect("opens");
            live.get(b"app.s.n", |_| ()).expect("read");
            for value in std::io::stdin().lines() {
                let value = value.expect("readable");
                let mut transaction = live.begin().expect("few are open");
                transaction.set(b"app.s.n", value.as_bytes()).expect("set");
                transaction.commit().expect("committed");
                say(&value);
            }
        }
        "counts" => count(options, &name),
        "stops" => stop(options, &name),
        other => panic!("no part: {other}"),
    }
}

/// Runs `cms get app.s.n`, perhaps as another user.
pub fn get(under: &[&str], paths: &Paths, more: &[&str]) -> (Option<i32>, String, String) {
    command(under, paths, &[&["get", "app.s.n"], more].concat())
}

/// Runs `cms`, perhaps as another user.
pub fn command(under: &[&str], paths: &Paths, arguments: &[&str]) -> (Option<i32>, String, String) {
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
