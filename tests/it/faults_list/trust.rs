//! Nobody gets what is not theirs: attacks by ordinary users, and what they are told. See `faults_list`.

mod answers;

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cms::files::{Call, Files};
use cms::{Delta, DeltaKind, DirOptions, Dirs, Durability, Engine, Form, Options, Store};
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::support::fixture::get;
use crate::support::probes::before;

/// Two ordinary users. The numbers need not be known to the system.
const ANNA: u32 = 61_001;
const BERT: u32 = 61_002;

/// A directory that every user may enter, with a store of root's.
struct Ground(tempfile::TempDir);

impl Ground {
    /// Makes the directory; `None`, with a message, where this is not root.
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
    /// for writing, and then nobody can run it.
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

    /// Runs what must succeed, and returns what it prints.
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
            DirOptions { config: path("config"), save: path("save"), run: path("run"), state: path("state") };
        Store::open(Options { dirs: Dirs::choose(wanted), durability, ..Options::default() })
            .expect("it opens")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
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
    // The caller's choice, where the program has the caller's rights; one that cannot be obeyed is refused.
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
    // One with capabilities of its own has the caller's user.
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
    // A home of Anna, as `su` and `sudo -E` leave it to root.
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
    assert!(said.contains(&format!("its format has version 9, this program knows {known}")), "{said}");
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

#[test]
fn x_h5_who_may_write_a_package_has_no_part_in_its_map() {
    let Some(ground) = Ground::new("x_h5") else { return };
    ground.write("hers", "config a 's'\n\toption pw 'good'\n");
    ground.give("config/hers", ANNA);
    ground.group("config/app", ANNA, 0o664);
    ground.group("config", ANNA, 0o775);
    let live = ground.live();
    assert_eq!(get(&live, "app.s.pw").as_deref(), Some("good"));
    assert_eq!(get(&live, "hers.s.pw").as_deref(), Some("good"));
    for (name, group) in [("app.map", ANNA), ("hers.map", ANNA), ("control", 0)] {
        let found = std::fs::metadata(ground.maps().join(name)).expect("there");
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (0, group, 0o644), "{name}");
        let mut command = ground.command(ANNA, Path::new("truncate"));
        let output = command.args(["-s", "0"]).arg(ground.maps().join(name)).output().expect("runs");
        assert!(!output.status.success(), "{name}");
    }
    // One that she owns all the same, for example since an older version has made it, is not mapped.
    chown(ground.maps().join("hers.map"), Some(ANNA), None).expect("given");
    assert_eq!(get(&ground.live(), "hers.s.pw").as_deref(), Some("good"));
    assert_eq!(std::fs::metadata(ground.maps().join("hers.map")).expect("there").uid(), 0, "it was replaced");
    // What she commits is seen as an edit is, and she is told so.
    assert!(ground.ok(ANNA, &["paths"]).contains("see your commits as edits by hand"));
    assert!(!ground.ok(0, &["paths"]).contains("edits by hand"));
    ground.ok(ANNA, &["set", "--commit", "app.s.pw=changed"]);
    assert!(live.refresh().expect("readable"));
    assert_eq!(get(&live, "app.s.pw").as_deref(), Some("changed"));
    // Where she may not read the map, she reads a private one.
    ground.mode("config/app", 0o660);
    assert_eq!(ground.ok(ANNA, &["get", "app.s.pw"]), "changed\n");
}

#[test]
fn x_h4_a_secret_is_in_no_copy_that_more_users_may_read_than_the_package() {
    let Some(ground) = Ground::new("x_h4") else { return };
    let live = ground.live();
    let (nobody, text) = (Vec::<String>::new(), "config a 's'\n\toption pw 'good'\n");
    assert_eq!(get(&live, "app.s.pw").as_deref(), Some("good"));
    assert_ne!(ground.shows(ANNA, "good"), nobody);
    // The mode.
    ground.mode("config/app", 0o600);
    ground.ok(0, &["set", "--commit", "app.s.pw=SECRET1"]);
    assert_eq!(
        (ground.shows(ANNA, "SECRET1"), get(&live, "app.s.pw").as_deref()),
        (nobody.clone(), Some("SECRET1"))
    );
    // The group.
    ground.group("config/app", ANNA, 0o640);
    set(&live, "app.s.pw", "theirs");
    assert_ne!(ground.shows(ANNA, "theirs"), nobody);
    ground.group("config/app", BERT, 0o640);
    set(&live, "app.s.pw", "SECRET2");
    assert_eq!(
        (ground.shows(ANNA, "SECRET2"), get(&live, "app.s.pw").as_deref()),
        (nobody.clone(), Some("SECRET2"))
    );
    let shown = ground.shows(BERT, "SECRET2");
    assert_eq!(shown.len(), 2, "the text and the map: {shown:?}");
    // Another file in its place, found by whoever looks at the history.
    ground.mode("config/app", 0o644);
    set(&live, "app.s.pw", "public");
    assert_ne!(ground.shows(ANNA, "public"), nobody);
    std::fs::write(ground.path("new"), text.replace("good", "SECRET3")).expect("written");
    ground.mode("new", 0o600);
    std::fs::rename(ground.path("new"), ground.path("config/app")).expect("renamed");
    ground.ok(0, &["history"]);
    live.refresh().expect("readable");
    assert_eq!(
        (ground.shows(ANNA, "SECRET3"), get(&live, "app.s.pw").as_deref()),
        (nobody.clone(), Some("SECRET3"))
    );
    // Texts that are put in place later.
    let late = ground.live_at(Durability::Log);
    ground.mode("config/app", 0o644);
    set(&late, "app.s.pw", "open");
    late.flush().expect("written");
    ground.mode("config/app", 0o600);
    set(&late, "app.s.pw", "SECRET4");
    assert_eq!(ground.shows(ANNA, "SECRET4"), nobody);
    late.flush().expect("written");
    assert_eq!((ground.shows(ANNA, "SECRET4"), get(&live, "app.s.pw").as_deref()), (nobody, Some("SECRET4")));
}

#[test]
fn x_h4_staged_secrets_are_not_readable_by_more_users_than_the_package() {
    let Some(ground) = Ground::new("x_h4, staged") else { return };
    let nobody = Vec::<String>::new();
    for program in ["cms", "uci"] {
        ground.copy(&ground.path("cms"), "uci");
        let stage = |value: &str| {
            let mut command = ground.command(0, &ground.path(program));
            let setting = format!("app.s.pw={value}");
            let status = command.args(["set", &setting]).status().expect("runs");
            assert!(status.success());
        };
        ground.mode("config/app", 0o644);
        stage("public");
        assert!(ground.path("save/app").exists());
        ground.mode("config/app", 0o600);
        stage("S3CRET-of-x-h4");
        assert_eq!(ground.shows(ANNA, "S3CRET-of-x-h4"), nobody, "{program}");
        let kept = std::fs::metadata(ground.path("save/app")).expect("there");
        assert_eq!(kept.mode() & 0o777, 0o600);
        assert_eq!(ground.ok(0, &["get", "app.s.pw"]), "S3CRET-of-x-h4\n");
        // Of a package with another group.
        ground.group("config/app", ANNA, 0o640);
        stage("theirs");
        ground.group("config/app", BERT, 0o640);
        stage("H1DDEN-of-x-h4");
        assert_eq!(ground.shows(ANNA, "H1DDEN-of-x-h4"), nobody, "{program}");
        ground.ok(0, &["revert", "app"]);
        ground.group("config/app", 0, 0o644);
    }
}

/// Does something as a user, on a thread of its own.
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
fn x_h2_what_another_user_puts_in_the_place_of_the_save_directory_is_not_used() {
    let Some(ground) = Ground::new("x_h2") else { return };
    ground.make("shared", 0, 0o1777);
    let options = |save: &str| {
        let path = |name: &str| Some(ground.path(name));
        let wanted =
            DirOptions { config: path("config"), save: path(save), run: path("run"), state: path("state") };
        Options { dirs: Dirs::choose(wanted), ..Options::default() }
    };
    let store = Engine::new(options("shared/.uci"));
    let place = store.place(b"app").expect("there");
    // She has a directory of her own, that is there at one moment and not at the next.
    let (there, away) = (ground.path("shared/.uci"), ground.path("shared/.uci-x"));
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, file) = (is_over.clone(), away.join("app"));
    let attack = as_user(ANNA, move || {
        std::fs::create_dir(&away).expect("made");
        std::fs::write(&file, "app.s.pw='evil'\n").expect("written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).expect("hers");
        let mut flips = 0_u32;
        while !over.load(Ordering::Relaxed) {
            let _ = std::fs::rename(&away, &there);
            (0..flips % 16 * 12).for_each(|_| std::hint::spin_loop());
            let _ = std::fs::rename(&there, &away);
            flips += 1;
        }
        std::fs::read_to_string(&file).expect("hers")
    });
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let _ = store.commit(&place, Form::Lossless);
        assert!(!ground.text("app").contains("evil"), "her change was committed by root");
    }
    let pw = |value: &[u8]| Delta::new(DeltaKind::Set, b"s", Some(b"pw"), Some(value));
    for _ in 0..2000 {
        let _ = store.stage(&place, &[pw(b"SECRET")]);
    }
    is_over.store(true, Ordering::Relaxed);
    let hers = attack.join().expect("it ends");
    assert!(!hers.contains("SECRET"), "root has staged into her file");
    // A link in the place of a file is not followed.
    std::fs::write(ground.path("target"), "as it was\n").expect("written");
    let _ = std::fs::remove_dir_all(ground.path("save"));
    ground.make("save", 0, 0o755);
    symlink(ground.path("target"), ground.path("save/app")).expect("linked");
    let store = Engine::new(options("save"));
    assert!(store.stage(&place, &[pw(b"new")]).is_err());
    assert_eq!(std::fs::read_to_string(ground.path("target")).expect("there"), "as it was\n");
}

/// Runs a script in a system of its own, where the default directories are empty: `$G/cms` and `$G/uci` are the
/// programs, `anna` runs as her.
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
fn s19_only_root_stages_in_tmp_uci_and_each_configuration_has_its_own_changes() {
    let Some(ground) = Ground::new("s19") else { return };
    let script = "
        anna $G/cms set app.s.pw=hers; anna $G/uci set app.s.pw=also; ls -A /tmp
        $G/cms set app.s.pw=roots; $G/uci set app.s.n=1; find /tmp/.uci -type f -name app
        $G/cms -c $G/other set app.s.pw=elsewhere; find /tmp/.uci -type f -name app | sort
        $G/cms commit; grep pw /etc/config/app $G/other/app
        $G/cms -c $G/other commit; grep pw /etc/config/app $G/other/app
        $G/uci -c $G/other set app.s.pw=shared; cat /tmp/.uci/app; $G/uci -c $G/other commit; grep pw $G/other/app";
    let Some(said) = in_a_system_of_its_own(&ground, script) else { return };
    let expected = ".uci-61001\n/tmp/.uci/app\n/tmp/.uci/%2Fmnt%2Fother/app\n/tmp/.uci/app\n\
        /etc/config/app:\toption pw 'roots'\n/mnt/other/app:\toption pw 'good'\n\
        /etc/config/app:\toption pw 'roots'\n/mnt/other/app:\toption pw 'elsewhere'\n\
        app.s.pw='shared'\n\toption pw 'shared'\n";
    assert_eq!(said, expected);
}

#[test]
fn s19_what_another_user_has_put_in_the_place_of_tmp_uci_is_renamed_aside_with_one_notice() {
    let Some(ground) = Ground::new("s19, aside") else { return };
    let script = "
        anna mkdir /tmp/.uci; anna sh -c \"echo \\\"app.s.pw='evil'\\\" > /tmp/.uci/app\"
        $G/cms get app.s.pw; $G/cms commit; grep pw /etc/config/app
        $G/cms set app.s.pw=mine; stat -c %u /tmp/.uci; $G/cms commit; grep pw /etc/config/app
        rm -r /tmp/.uci; anna ln -s /etc /tmp/.uci
        $G/uci set app.s.pw=third; stat -c %F /tmp/.uci; $G/uci commit; grep pw /etc/config/app; ls -A /etc
        ls -A /tmp | sed 's/root-.*/root/'";
    let Some(said) = in_a_system_of_its_own(&ground, script) else { return };
    let (notices, rest): (Vec<_>, Vec<_>) = said.lines().partition(|line| line.contains("was not root's"));
    let expected = [
        "good",
        "\toption pw 'good'",
        "0",
        "\toption pw 'mine'",
        "directory",
        "\toption pw 'third'",
        "config",
        ".uci",
        ".uci.not-root",
        ".uci.not-root",
    ];
    assert_eq!((rest, notices.len()), (expected.to_vec(), 2), "{said}");
}

#[test]
fn x_m1_nobody_else_can_keep_a_commit_from_being_published() {
    let Some(ground) = Ground::new("x_m1") else { return };
    let (writer, reader) = (ground.live(), ground.live());
    set(&writer, "app.s.pw", "one");
    assert_eq!(get(&reader, "app.s.pw").as_deref(), Some("one"));
    let maps = ground.maps();
    let (is_over, waits) = std::sync::mpsc::channel::<()>();
    let (locked, is_locked) = std::sync::mpsc::channel();
    let attack = as_user(ANNA, move || {
        let files = std::fs::read_dir(maps).expect("readable").map(|entry| entry.expect("readable").path());
        let open: Vec<_> = files.filter_map(|path| std::fs::File::open(path).ok()).collect();
        let held = open.iter().filter(|file| file.try_lock().is_ok()).count();
        locked.send(held).expect("it waits");
        let _ = waits.recv();
    });
    assert!(is_locked.recv().expect("it runs") > 0, "what readers may open can be locked");
    let start = Instant::now();
    set(&writer, "app.s.pw", "two");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(get(&reader, "app.s.pw").as_deref(), Some("two"));
    drop(is_over);
    attack.join().expect("it ends");
    // Where publishing does not come to pass all the same, readers do not stay on the old value.
    let lock = std::fs::File::open(ground.maps().join("lock")).expect("root's");
    lock.lock().expect("locked");
    let mut options = writer.engine().options().clone();
    options.lock_timeout = Duration::from_millis(200);
    set(&Store::open(options).expect("it opens"), "app.s.pw", "three");
    let mut options = reader.engine().options().clone();
    options.lock_timeout = Duration::from_millis(200);
    assert_eq!(get(&Store::open(options).expect("it opens"), "app.s.pw").as_deref(), Some("three"));
    let seen = std::thread::spawn(move || get(&reader, "app.s.pw"));
    std::thread::sleep(Duration::from_millis(300));
    drop(lock);
    assert_eq!(seen.join().expect("it ends").as_deref(), Some("three"));
}

#[test]
fn x_m3_files_of_the_run_and_state_directories_are_not_made_where_another_user_leads_them() {
    let Some(ground) = Ground::new("x_m3") else { return };
    ground.make("target", 0, 0o755);
    let is_untouched = |what: &str| {
        let inside = std::fs::read_dir(ground.path("target")).expect("there").count();
        assert_eq!(inside, 0, "{what}");
        assert_ne!(ground.text("app"), "", "{what}");
    };
    let uci = |words: &[&str]| {
        ground.copy(&ground.path("cms"), "uci");
        ground.command(0, &ground.path("uci")).args(words).output().expect("uci runs")
    };
    // The run directory is hers, and what is in it leads to another place.
    ground.make("run", ANNA, 0o755);
    for name in ["locks", "rejected", "maps"] {
        symlink(ground.path("target"), ground.path("run").join(name)).expect("linked");
    }
    ground.ok(0, &["set", "--commit", "app.s.pw=one"]);
    assert!(ground.text("app").contains("one"));
    std::fs::create_dir_all(ground.path("save")).expect("made");
    std::fs::write(ground.path("save/app"), "app.s.pw='two'\n-app.none.x\n").expect("staged");
    uci(&["commit", "app"]);
    ground.ok(0, &["get", "app.s.pw"]);
    is_untouched("run directory");
    // It is not used either where she owns the configuration: the last component is no link of hers.
    ground.give("config", ANNA);
    ground.ok(0, &["set", "--commit", "app.s.pw=three"]);
    is_untouched("run directory of the owner");
    // The same with the state directory: her own, with a log that root could have made, and its texts elsewhere.
    std::fs::remove_dir_all(ground.path("run")).expect("removed");
    std::fs::remove_dir_all(ground.path("state")).expect("removed");
    ground.make("state", ANNA, 0o755);
    let log = format!("state/{}", ground.path("config").to_str().expect("UTF-8").replace('/', "%2F"));
    ground.make(&log, ANNA, 0o755);
    for name in ["texts", "snapshots"] {
        symlink(ground.path("target"), ground.path(&log).join(name)).expect("linked");
    }
    let _ = ground.cms(0, &["set", "--commit", "app.s.pw=four"]);
    let _ = ground.cms(0, &["snapshot", "label"]);
    is_untouched("texts of the log");
    // One that leads elsewhere as a whole.
    std::fs::remove_dir_all(ground.path(&log)).expect("removed");
    symlink(ground.path("target"), ground.path(&log)).expect("linked");
    let _ = ground.cms(0, &["set", "--commit", "app.s.pw=five"]);
    is_untouched("log");
    // And one of a user who has nothing to do with the configuration.
    std::fs::remove_file(ground.path(&log)).expect("removed");
    ground.give("config", 0);
    let said = ground.cms(0, &["set", "--commit", "app.s.pw=six"]);
    assert!(ground.text("app").contains("six"), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(!ground.path(&log).exists());
}

/// Puts something at a path.
type Put = Box<dyn Fn(&Path) + Send + Sync>;

/// Puts something else in the place of a socket, once, after it was bound and before it is opened to be given away. The
/// second value says whether that was done.
fn exchange(with: Put) -> (Files, Arc<AtomicBool>) {
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let files = before(move |call, path| {
        let is_socket = call == Call::Open && path.extension().is_some_and(|kind| kind == "socket");
        if is_socket && !done.swap(true, Ordering::Relaxed) {
            std::fs::remove_file(path).expect("the socket is bound");
            with(path);
        }
        Ok(usize::MAX)
    });
    (files, is_done)
}

#[test]
fn x_m2_the_socket_of_a_verifier_gives_no_other_file_away() {
    let Some(ground) = Ground::new("x_m2") else { return };
    ground.give("config", ANNA);
    std::fs::write(ground.path("file"), "root's").expect("written");
    let _socket = UnixListener::bind(ground.path("socket")).expect("bound");
    for name in ["file", "socket"] {
        ground.mode(name, 0o600);
    }
    let (file, socket) = (ground.path("file"), ground.path("socket"));
    let links = [("a link to a file", file.clone()), ("a link to a socket", socket.clone())];
    let links = links
        .map(|(what, to)| -> (_, Put) { (what, Box::new(move |path| symlink(&to, path).expect("linked"))) });
    let same = [("the file itself", file), ("the socket itself", socket)];
    let same = same.map(|(what, to)| -> (_, Put) {
        (what, Box::new(move |path| std::fs::hard_link(&to, path).expect("linked")))
    });
    let hers: Put = Box::new(|path| {
        UnixListener::bind(path).expect("bound");
        chown(path, Some(ANNA), Some(ANNA)).expect("given");
    });
    let others = [("a socket of hers", hers), ("nothing", Box::new(|_: &Path| ()))];
    for (what, with) in links.into_iter().chain(same).chain(others) {
        let (files, is_done) = exchange(with);
        let options = ground.live().engine().options().clone();
        let live = Store::open(Options { files, ..options }).expect("it opens");
        let opened = live.verify("app", |_| Ok(()));
        assert!(is_done.load(Ordering::Relaxed), "{what}: the moment was not hit");
        assert!(opened.is_err(), "{what}: it verifies where nobody asks");
        for name in ["file", "socket"] {
            let found = std::fs::metadata(ground.path(name)).expect("there");
            assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o600), "{what}: {name} was given away");
        }
        drop(live.verify("app", |_| Ok(())).expect("it verifies"));
    }
}

/// After the socket was opened nothing is done by its path, so that there is no other moment for an exchange.
#[test]
fn x_m2_after_it_was_opened_nothing_is_done_to_the_path_of_the_socket() {
    let Some(ground) = Ground::new("x_m2") else { return };
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("x_m2: skipped: it needs strace");
        return;
    }
    ground.give("config", ANNA);
    let mut command = ground.command(0, Path::new("strace"));
    command.args(["-f", "-o", "trace", "-e", "trace=bind,listen,%file"]).arg(ground.path("cms"));
    let mut verifier = command.args(["verify", "app", "--", "true"]).spawn().expect("strace runs");
    let end = Instant::now() + Duration::from_secs(20);
    let trace = loop {
        let trace = std::fs::read_to_string(ground.path("trace")).unwrap_or_default();
        if trace.contains("listen(") || Instant::now() > end {
            break trace;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let pid =
        trace.split_whitespace().next().and_then(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?));
    rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::TERM).expect("it runs");
    verifier.wait().expect("it ends with the program");
    let calls: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(_, call)| call.trim_start()))
        .skip_while(|call| !call.starts_with("bind("))
        .take_while(|call| !call.starts_with("listen("))
        .collect();
    let [bind, open, own, mode] = calls[..] else { panic!("{calls:?} of {trace}") };
    assert!(bind.contains(".socket"), "{bind}");
    assert!(open.starts_with("openat(") && open.contains("O_NOFOLLOW") && open.contains("O_PATH"), "{open}");
    assert!(own.starts_with("fchownat(") && own.contains("\"\", ") && own.contains("AT_EMPTY_PATH"), "{own}");
    assert!(mode.contains("\"/proc/self/fd/"), "{mode}");
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
    // What she may not read is named, with its owner, and the rest goes on.
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
    // A log that she may not read is no log without transactions.
    let script = "
        mkdir -p /tmp/home /var/lib/cms; chown 61001 /tmp/home; chmod 700 /var/lib/cms
        $G/cms set --commit app.s.pw=roots
        for command in history undo; do
            anna env HOME=/tmp/home $G/cms $command && exit 1 || echo $?
        done";
    let Some(said) = in_a_system_of_its_own(&ground, script) else { return };
    assert_eq!(said.lines().filter(|line| *line == "4").count(), 2, "{said}");
    assert_eq!(said.matches("not permitted").count(), 2, "{said}");
    assert_eq!(said.matches("/var/lib/cms, which belongs to user").count(), 2, "{said}");
}

#[test]
fn x_m11_a_question_that_comes_slowly_or_is_too_large_keeps_nobody_from_committing() {
    let Some(ground) = Ground::new("x_m11") else { return };
    ground.group("config", ANNA, 0o775);
    let live = ground.live();
    let _verifier = live.verify("app", |_| Ok(())).expect("it verifies");
    let found = std::fs::metadata(ground.path("config")).expect("there");
    let notes = ground.path(&format!("run/verifiers/{:x}-{:x}", found.dev(), found.ino()));
    let files = std::fs::read_dir(notes).expect("there").map(|entry| entry.expect("readable").path());
    let socket =
        files.into_iter().find(|path| path.extension().is_some_and(|end| end == "socket")).expect("one");
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let attack = as_user(ANNA, move || {
        let head = [&b"cmsQ1\0\0\0"[..], &(1_u64 << 40).to_le_bytes()].concat();
        // One that announces more than there can be is not listened to.
        let mut large = UnixStream::connect(&socket).expect("the group may ask");
        large.write_all(&head).expect("sent");
        large.set_read_timeout(Some(Duration::from_secs(4))).expect("set");
        let is_cut = matches!(std::io::Read::read(&mut large, &mut [0; 8]), Ok(0));
        // Others come byte by byte.
        let head = [&b"cmsQ1\0\0\0"[..], &4096_u64.to_le_bytes()].concat();
        let mut slow: Vec<_> = (0..20).filter_map(|_| UnixStream::connect(&socket).ok()).collect();
        slow.iter_mut().for_each(|one| drop(one.write_all(&head)));
        while !over.load(Ordering::Relaxed) {
            slow.iter_mut().for_each(|one| drop(one.write_all(b"x")));
            std::thread::sleep(Duration::from_millis(200));
        }
        is_cut
    });
    std::thread::sleep(Duration::from_millis(500));
    for value in 0..5 {
        let start = Instant::now();
        set(&live, "app.s.pw", &value.to_string());
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(attack.join().expect("it ends"), "a question of a terabyte was listened to");
}

#[test]
fn x_m11_a_verifier_that_hangs_is_waited_for_once_and_not_by_each_thread() {
    let fixture = crate::support::fixture::Fixture::new(&[("app", "config a 's'\n")]);
    let verifier = |sleep: Duration| {
        fixture.live().verify("app", move |_| {
            std::thread::sleep(sleep);
            Ok(())
        })
    };
    let hanging = verifier(Duration::from_secs(4)).expect("it verifies");
    let live = Store::open(Options { verify_timeout: Duration::from_secs(1), ..fixture.options() })
        .expect("it opens");
    let start = Instant::now();
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let live = live.clone();
            std::thread::spawn(move || {
                let mut transaction = live.begin().expect("few are open");
                transaction.set(format!("app.s.o{number}").as_bytes(), b"1").expect("set");
                transaction.commit().expect_err("it hangs").to_string()
            })
        })
        .collect();
    let said: Vec<String> = threads.into_iter().map(|thread| thread.join().expect("it ends")).collect();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(
        said.iter().filter(|said| said.contains("has not answered within 1 s")).count(),
        1,
        "{said:?}"
    );
    assert_eq!(said.iter().filter(|said| said.contains("still has not answered")).count(), 5, "{said:?}");
    // Once it gets on, it is asked again.
    drop(hanging);
    let _quick = verifier(Duration::ZERO).expect("it verifies");
    set(&live, "app.s.o", "1");
}
