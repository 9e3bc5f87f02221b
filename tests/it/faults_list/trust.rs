//! Attacks by ordinary users, and the messages that they get. See `faults_list`.

mod answers;
mod directories;
mod secrets;
mod verifiers;

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use cms::{DirOptions, Dirs, Durability, Options, Store};
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Two ordinary users. The numbers need not be known to the system.
const ANNA: u32 = 61_001;

const BERT: u32 = 61_002;

/// A directory that every user may enter, with a store of root.
struct Ground(tempfile::TempDir);

impl Ground {
    /// Makes the directory; `None`, with a message, if the test does not run as root.
    fn new(test: &str) -> Option<Self> {
        let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !rustix::process::geteuid().is_root() || !has("setpriv") {
            eprintln!("{test}: skipped: it needs root and setpriv");
            return None;
        }
        let ground = Self(tempfile::tempdir().expect("a directory"));
        ground.mode("", 0o755);
        ground.copy(Path::new(env!("CARGO_BIN_EXE_cms")), "cms");
        ground.make("config", 0, 0o755);
        [ANNA, BERT].iter().for_each(|user| ground.make(&format!("save-{user}"), *user, 0o700));
        ground.write("app", "config a 's'\n\toption pw 'good'\n");
        Some(ground)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Copies a program. Another process does it: a child that another test starts meanwhile would have the copy open
    /// for writing, so that it could not be run.
    fn copy(&self, program: &Path, name: &str) {
        let status = Command::new("cp").arg(program).arg(self.path(name)).status().expect("cp runs");
        assert!(status.success());
    }

    fn mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(mode)).expect("set");
    }

    /// Makes a directory of a user.
    fn make(&self, name: &str, owner: u32, mode: u32) {
        std::fs::create_dir_all(self.path(name)).expect("made");
        self.mode(name, mode);
        self.give(name, owner);
    }

    fn give(&self, name: &str, owner: u32) {
        chown(self.path(name), Some(owner), Some(owner)).expect("given");
    }

    fn write(&self, package: &str, text: &str) {
        std::fs::write(self.path("config").join(package), text).expect("written");
    }

    fn text(&self, package: &str) -> String {
        std::fs::read_to_string(self.path("config").join(package)).expect("readable")
    }

    /// Makes a command that a user runs, with the store's directories in its environment.
    fn command(&self, user: u32, program: &Path) -> Command {
        let mut command = match user {
            0 => Command::new(program),
            _ => {
                let mut command = Command::new("setpriv");
                let user = user.to_string();
                command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(program);
                command
            }
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.0.path());
        for (variable, dir) in [("CONFIG", "config"), ("SAVE", "save"), ("RUN", "run"), ("STATE", "state")] {
            command.env(format!("CMS_{variable}_DIR"), self.path(dir));
        }
        if user != 0 {
            command.env("CMS_SAVE_DIR", self.path(&format!("save-{user}")));
        }
        command.stdin(Stdio::null());
        command
    }

    fn cms(&self, user: u32, words: &[&str]) -> Output {
        self.command(user, &self.path("cms")).args(words).output().expect("cms runs")
    }

    /// Runs a command that must succeed, and returns its output.
    fn ok(&self, user: u32, words: &[&str]) -> String {
        let output = self.cms(user, words);
        assert!(output.status.success(), "{user} {words:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn group(&self, name: &str, group: u32, mode: u32) {
        chown(self.path(name), None, Some(group)).expect("given");
        self.mode(name, mode);
    }

    /// Names the files in which a user can read a text.
    fn shows(&self, user: u32, text: &str) -> Vec<String> {
        let mut command = self.command(user, Path::new("grep"));
        let output = command.args(["-rlsa", text]).arg(self.0.path()).output().expect("grep runs");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Returns the files of the maps.
    fn maps(&self) -> PathBuf {
        let store = std::fs::read_dir(self.path("run").join("maps")).expect("there").next();
        store.expect("one store").expect("readable").path()
    }

    fn live(&self) -> Store {
        self.live_at(Durability::default())
    }

    fn live_at(&self, durability: Durability) -> Store {
        let path = |name: &str| Some(self.path(name));
        let wanted =
            DirOptions::new().config(path("config")).save(path("save")).run(path("run")).state(path("state"));
        Store::open(Options::new().dirs(Dirs::choose(wanted)).durability(durability)).expect("it opens")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a script in namespaces of its own, where the default directories are empty: `$G/cms` and `$G/uci` are the
/// programs, and `anna` runs a command as Anna.
fn in_a_system_of_its_own(ground: &Ground, script: &str) -> Option<String> {
    ground.copy(&ground.path("cms"), "uci");
    let head = format!(
        "set -e; mount --make-rprivate /; mount --bind {} /mnt; G=/mnt
        for dir in /tmp /run /var/lib /etc; do mount -t tmpfs tmpfs $dir; done
        chmod 1777 /tmp; mkdir /etc/config; cp $G/config/app /etc/config/app; mkdir $G/other; cp $G/config/app $G/other
        anna() {{ setpriv --reuid {ANNA} --regid {ANNA} --clear-groups \"$@\"; }}\n",
        ground.0.path().display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &(head + script)]).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    let output = command.output().ok()?;
    if said(&output).contains("unshare failed") {
        eprintln!("skipped: there can be no mount namespace");
        return None;
    }
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), said(&output));
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output))
}

#[test]
fn x_h3_a_program_with_more_rights_than_its_caller_ignores_the_environment() {
    let Some(ground) = Ground::new("x_h3") else { return };
    let variables = ["XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME"]
        .map(|name| (name, ground.path("anna").into_os_string()));
    ground.make("anna", ANNA, 0o755);
    let paths = |program: &Path, user: u32| {
        let mut command = ground.command(user, program);
        command.envs(variables.clone()).env("CMS_LOG_SIZE", "nonsense");
        let output = command.args(["paths", "--json"]).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // With the caller's rights the program uses the caller's directories; a directory that it cannot use is an error.
    assert_eq!(paths(&ground.path("cms"), ANNA).0, Some(2));
    let own = ground.0.path().to_str().expect("UTF-8").to_owned();
    let kinds = [("setuid", 0, 0o4755), ("setgid", 0, 0o2755), ("setuid of another user", BERT, 0o4755)];
    for (kind, owner, mode) in kinds {
        let program = ground.path("raised");
        let _ = std::fs::remove_file(&program);
        ground.copy(&ground.path("cms"), "raised");
        ground.give("raised", owner);
        ground.mode("raised", mode);
        let (code, said) = paths(&program, ANNA);
        assert_eq!(code, Some(0), "{kind}: {said}");
        assert!(said.contains("/etc/config") && !said.contains(&own), "{kind}: {said}");
    }
    // A program with file capabilities runs as the caller's user.
    ground.give("raised", 0);
    ground.mode("raised", 0o755);
    match Command::new("setcap").arg("cap_dac_override=ep").arg(ground.path("raised")).status() {
        Ok(status) if status.success() => {
            let (code, said) = paths(&ground.path("raised"), ANNA);
            assert!(code == Some(0) && !said.contains(&own), "capabilities: {said}");
        }
        _ => eprintln!("x_h3: capabilities were left out: setcap cannot set them here"),
    }
}

#[test]
fn x_l11_the_history_of_the_shell_is_not_written_where_somebody_else_leads_it() {
    let Some(ground) = Ground::new("x_l11") else { return };
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("x_l11: skipped: it needs a terminal, by script");
        return;
    }
    let shell = |home: &str| {
        let line = format!("{} shell", ground.path("cms").display());
        let mut command = ground.command(0, Path::new("script"));
        command.env("HOME", ground.path(home)).env("TERM", "xterm");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("script runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(b"get app.s.pw\nexit\n").expect("written");
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        assert!(String::from_utf8_lossy(&output.stdout).contains("good"), "{output:?}");
    };
    ground.make("root", 0, 0o755);
    shell("root");
    let history = ".local/state/cms/shell-history";
    assert!(
        std::fs::read_to_string(ground.path("root").join(history)).expect("kept").contains("get app.s.pw")
    );
    // HOME is Anna's, as after `su` and `sudo -E`.
    let target = ground.path("target");
    std::fs::write(&target, "as it was\n").expect("written");
    ground.make("anna/.local/state/cms", ANNA, 0o755);
    symlink(&target, ground.path("anna").join(history)).expect("linked");
    shell("anna");
    assert_eq!(std::fs::read_to_string(&target).expect("there"), "as it was\n");
    std::fs::remove_file(ground.path("anna").join(history)).expect("removed");
    std::fs::hard_link(&target, ground.path("anna").join(history)).expect("linked");
    shell("anna");
    assert_eq!(std::fs::read_to_string(&target).expect("there"), "as it was\n");
}

#[test]
fn m18_a_map_of_another_version_is_told_with_the_version_this_program_knows() {
    let sandbox = crate::support::sandbox::Sandbox::new();
    sandbox.ok(&["rebuild", "network"]);
    let store = std::fs::read_dir(sandbox.path("run").join("maps")).expect("there").next().expect("one");
    let map = store.expect("readable").path().join("network.map");
    let mut bytes = std::fs::read(&map).expect("readable");
    let known = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
    bytes[8..12].copy_from_slice(&9_u32.to_le_bytes());
    std::fs::write(&map, bytes).expect("written");
    let said = sandbox.run(&["check-map"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.contains(&format!("its format is version 9, this program reads version {known}")), "{said}");
}

#[test]
fn a7_a_log_of_root_is_not_called_writable() {
    let Some(ground) = Ground::new("a7") else { return };
    ground.make("state", 0, 0o777);
    let state = |user: u32| {
        let said: serde_json::Value =
            serde_json::from_str(&ground.ok(user, &["paths", "--json"])).expect("JSON");
        said["state"]["state"].as_str().expect("a word").to_owned()
    };
    assert_eq!((state(0), state(ANNA)), ("writable".into(), "writable".into()));
    ground.ok(0, &["set", "--commit", "app.s.pw=better"]);
    assert_eq!(ground.text("app"), "config a 's'\n\toption pw 'better'\n");
    assert_eq!((state(0), state(ANNA)), ("writable".into(), "not readable".into()));
}

fn set(live: &Store, key: &str, value: &str) {
    let mut transaction = live.begin().expect("few are open");
    transaction.set(key.as_bytes(), value.as_bytes()).expect("set");
    transaction.commit().expect("committed");
}

/// Runs a function as a user, on a separate thread.
fn as_user<R: Send + 'static>(user: u32, work: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    std::thread::spawn(move || {
        let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
        set_thread_groups(&[]).expect("none");
        set_thread_res_gid(gid, gid, gid).expect("ours");
        set_thread_res_uid(uid, uid, uid).expect("ours");
        work()
    })
}

#[test]
fn s22_ordinary_users_get_true_answers() {
    let Some(ground) = Ground::new("s22") else { return };
    ground.write("aaa", "config a 's'\n\toption pw 'secret'\n");
    ground.mode("config/aaa", 0o600);
    ground.group("config/app", ANNA, 0o664);
    ground.group("config", ANNA, 0o775);
    ground.make("hers", ANNA, 0o700);
    let cms = |words: &[&str]| {
        let mut command = ground.command(ANNA, &ground.path("cms"));
        let output = command.env("CMS_STATE_DIR", ground.path("hers")).args(words).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), said(&output))
    };
    // The error names the file that she may not read and its owner; the rest of the command continues.
    for words in [&["show"][..], &["validate"], &["changes"], &["export"]] {
        let (code, _, said) = cms(words);
        assert_eq!(code, Some(4), "{words:?} {said}");
        assert!(said.contains("config/aaa: Permission denied"), "{words:?} {said}");
        assert!(said.contains("it belongs to root"), "{words:?} {said}");
    }
    assert!(cms(&["show"]).1.contains("app.s.pw='good'"));
    // Her first commit does not fail because of it.
    assert_eq!(cms(&["set", "--commit", "app.s.pw=hers"]).0, Some(0));
    assert!(ground.text("app").contains("hers"));
    let backup = ground.path("hers/backup");
    let (code, _, said) = cms(&["backup", backup.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(4));
    assert!(said.contains("could not be read: aaa"), "{said}");
    assert!(backup.exists());
    // A log that she may not read must not be shown as an empty log.
    let script = "
        mkdir -p /tmp/home /var/lib/cms; chown 61001 /tmp/home; chmod 700 /var/lib/cms
        $G/cms set --commit app.s.pw=roots
        for command in history undo; do
            anna env HOME=/tmp/home $G/cms $command && exit 1 || echo $?
        done";
    let Some(said) = in_a_system_of_its_own(&ground, script) else { return };
    assert_eq!(said.lines().filter(|line| *line == "4").count(), 2, "{said}");
    assert_eq!(said.matches("permission denied").count(), 2, "{said}");
    assert_eq!(said.matches("/var/lib/cms, which belongs to user").count(), 2, "{said}");
}
