//! Tests `make install` and `make uninstall`, and the services that it installs for the boot.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::sandbox::Sandbox;

mod consumers;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A directory to install into, and the files to install.
struct Target {
    dir: tempfile::TempDir,
    prefix: PathBuf,
    destdir: PathBuf,
}

impl Target {
    /// Installs below `DESTDIR` as packagers do, or without it, at a separate prefix.
    fn new(destdir: bool) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (prefix, destdir) = match destdir {
            true => ("/usr".into(), dir.path().join("dest")),
            false => (dir.path().join("usr"), PathBuf::new()),
        };
        let target = Self { dir, prefix, destdir };
        std::fs::create_dir(target.dir.path().join("lib")).expect("made");
        for name in ["libcms.so.0", "libcms.a"] {
            // The files are only copied.
            std::fs::write(target.dir.path().join("lib").join(name), name).expect("written");
        }
        target
    }

    /// Returns the directory of the prefix.
    fn root(&self) -> PathBuf {
        let prefix = self.prefix.display().to_string();
        PathBuf::from(format!("{}{prefix}", self.destdir.display()))
    }

    fn run(&self, arguments: &[&str]) -> Output {
        // The umask of the installing user may be strict; all users must be able to read the installed files.
        let mut command = Command::new("sh");
        command.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(Path::new(ROOT).join("docs/install.sh"));
        command.args(arguments).env("PREFIX", &self.prefix).env("DESTDIR", &self.destdir);
        command.output().expect("runs")
    }

    fn install(&self) {
        let lib = self.dir.path().join("lib");
        let output = self.run(&[env!("CARGO_BIN_EXE_cms"), lib.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn remove(&self) {
        let output = self.run(&["--remove"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Lists the installed files, each with its mode, or the target of a link.
    fn installed(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut left = vec![self.root()];
        while let Some(dir) = left.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let metadata = entry.path().symlink_metadata().expect("there");
                let path = entry.path().strip_prefix(self.root()).expect("below").display().to_string();
                if metadata.is_dir() {
                    assert_eq!(metadata.mode() & 0o777, 0o755, "{path}");
                    left.push(entry.path());
                } else if metadata.is_symlink() {
                    let to = std::fs::read_link(entry.path()).expect("a link");
                    found.insert(path, format!("-> {}", to.display()));
                } else {
                    found.insert(path, format!("{:o}", metadata.mode() & 0o7777));
                }
            }
        }
        found
    }
}

/// Takes the files whose paths begin with this, which are more than `least` and readable for all.
fn take(installed: &mut BTreeMap<String, String>, beginning: &str, least: usize) -> Vec<String> {
    let paths: Vec<String> = installed.keys().filter(|path| path.starts_with(beginning)).cloned().collect();
    assert!(paths.len() > least && paths.iter().all(|path| installed[path] == "644"), "{paths:?}");
    paths.iter().for_each(|path| drop(installed.remove(path)));
    paths
}

#[test]
fn install_puts_each_file_where_it_belongs_for_all_to_read_and_uninstall_removes_just_these() {
    let target = Target::new(true);
    target.install();
    let mut installed = target.installed();
    // One manual page for each command, and one for all.
    let pages = take(&mut installed, "share/man/man1/", 40);
    assert!(pages.iter().any(|page| page == "share/man/man1/cms-commit.1"));
    // And one for each function of the library, from which most lead to that of a group.
    take(&mut installed, "share/man/man3/cms_", 150);
    let schemas = take(&mut installed, "share/cms/schema/", 4).join(" ").replace("share/cms/schema/", "");
    assert_eq!(schemas, "dhcp firewall network system wireless");
    for (page, text) in [("cms_get_int", ".so man3/cms_get.3\n"), ("cms_get", ".TH cms_get 3 ")] {
        let path = target.root().join("share/man/man3").join(format!("{page}.3"));
        assert!(std::fs::read_to_string(path).expect("a page").contains(text), "{page}");
    }
    let expected = [
        ("bin/cms", "755"),
        ("bin/uci", "-> cms"),
        ("include/cms.h", "644"),
        ("include/cms.hpp", "644"),
        ("lib/cmake/cms/cms-config-version.cmake", "644"),
        ("lib/cmake/cms/cms-config.cmake", "644"),
        ("lib/libcms.a", "644"),
        ("lib/libcms.so", "-> libcms.so.0"),
        ("lib/libcms.so.0", "-> libcms.so.0.1.0"),
        ("lib/libcms.so.0.1.0", "644"),
        ("lib/pkgconfig/cms.pc", "644"),
        ("lib/systemd/system/cms-confirm.path", "644"),
        ("lib/systemd/system/cms-confirm.service", "644"),
        ("lib/systemd/system/cms-reload.service", "644"),
        ("lib/systemd/system/cms-recover.service", "644"),
        ("share/bash-completion/completions/cms", "644"),
        ("share/cms/cms-reload.init", "755"),
        ("share/cms/cms.init", "755"),
        ("share/cms/reload", "755"),
        ("share/fish/vendor_completions.d/cms.fish", "644"),
        ("share/man/man3/libcms.3", "644"),
        ("share/zsh/site-functions/_cms", "644"),
    ];
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(path, what)| ((*path).to_owned(), (*what).to_owned())).collect();
    assert_eq!(installed, expected);
    // Paths in files are the final ones, without `DESTDIR`.
    for file in ["lib/pkgconfig/cms.pc", "lib/systemd/system/cms-recover.service"] {
        let text = std::fs::read_to_string(target.root().join(file)).expect("readable");
        assert!(text.contains("/usr") && !text.contains('@') && !text.contains("dest"), "{text}");
    }
    let sandbox = Sandbox::new();
    for (name, words) in [("cms", ["get", "network.lan.ipaddr"]), ("uci", ["get", "network.lan.ipaddr"])] {
        let mut command = Command::new(target.root().join("bin").join(name));
        command
            .args(words)
            .env("CMS_CONFIG_DIR", sandbox.path("config"))
            .env("CMS_STATE_DIR", sandbox.path("state"));
        command.env("CMS_SAVE_DIR", sandbox.path("save")).env("CMS_RUN_DIR", sandbox.path("run"));
        let words = if name == "uci" { vec!["-c".into(), sandbox.path("config")] } else { Vec::new() };
        let output = command.args(words).output().expect("runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "10.0.0.1\n", "{name}: {output:?}");
    }
    // A second installation gives the same files; and uninstalling removes no files of others.
    target.install();
    let other = target.root().join("lib/other.so");
    std::fs::write(&other, "not ours").expect("written");
    target.remove();
    assert_eq!(target.installed().into_keys().collect::<Vec<_>>(), ["lib/other.so"]);
}

#[test]
fn an_installed_stock_uci_is_neither_replaced_nor_removed() {
    let target = Target::new(true);
    std::fs::create_dir_all(target.root().join("bin")).expect("made");
    let stock = target.root().join("bin/uci");
    std::fs::write(&stock, "#!/bin/sh\n").expect("written");
    for dir in ["", "bin"] {
        let mode = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(target.root().join(dir), mode).expect("set");
    }
    target.install();
    assert_eq!(std::fs::read_to_string(&stock).expect("there"), "#!/bin/sh\n");
    target.remove();
    assert_eq!(target.installed().into_keys().collect::<Vec<_>>(), ["bin/uci"]);
}

#[test]
fn make_hands_prefix_and_destdir_on() {
    for (goal, argument) in [("install", "target/bin/cms target/lib"), ("uninstall", "--remove")] {
        let mut make = Command::new("make");
        make.args(["-n", "--no-print-directory", goal, "PREFIX=/opt/x", "DESTDIR=/tmp/d"]).current_dir(ROOT);
        let Ok(output) = make.output() else {
            eprintln!("skipped: make is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, format!("PREFIX=\"/opt/x\" DESTDIR=\"/tmp/d\" docs/install.sh {argument}\n"));
    }
}

/// The command line of a unit.
fn exec_start(unit: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(unit).expect("readable");
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
    line.split_whitespace().map(str::to_owned).collect()
}

/// Commits a change that has to be confirmed in four seconds.
fn commit_to_confirm(sandbox: &Sandbox) {
    sandbox.ok(&["set", "network.lan.ipaddr=1.2.3.4"]);
    sandbox.ok(&["commit", "--quiet", "--confirm", "4s"]);
}

fn environment(command: &mut Command, sandbox: &Sandbox) {
    for name in ["config", "save", "run", "state"] {
        command.env(format!("CMS_{}_DIR", name.to_uppercase()), sandbox.path(name));
    }
}

#[test]
fn the_units_are_right_and_what_they_start_takes_back_what_is_not_confirmed() {
    let target = Target::new(false);
    target.install();
    let units = target.root().join("lib/systemd/system");
    let all = ["cms-recover.service", "cms-confirm.service", "cms-confirm.path", "cms-reload.service"]
        .map(|name| units.join(name));
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(&all).env("SYSTEMD_UNIT_PATH", format!("{}:", units.display()));
    match verify.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("cms")).collect();
            assert!(ours.is_empty(), "{said}");
        }
        Err(_) => eprintln!("skipped: systemd-analyze is not installed"),
    }
    // The path unit names the installed service, and the file that a commit to be confirmed makes.
    let text = std::fs::read_to_string(&all[2]).expect("readable");
    let glob =
        text.lines().find_map(|line| line.strip_prefix("PathExistsGlob=")).expect("it waits for a file");
    let pattern = glob.strip_prefix("/var/lib/cms").expect("of the default directory");
    for unit in &all[..2] {
        let sandbox = Sandbox::new();
        commit_to_confirm(&sandbox);
        let there = format!("{}{pattern}", sandbox.path("state").display());
        assert_eq!(glob::glob(&there).expect("a pattern").count(), 1, "{there}");
        let words = exec_start(unit);
        let guards = words.iter().any(|word| word == "--wait");
        if !guards {
            std::thread::sleep(std::time::Duration::from_millis(4100));
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        environment(&mut command, &sandbox);
        let status = command.status().expect("runs");
        assert_eq!(status.code(), Some(i32::from(guards)), "{words:?}");
        assert!(sandbox.read("network").contains("10.0.0.1"), "{words:?}");
        assert_eq!(glob::glob(&there).expect("a pattern").count(), 0, "it would be started over and over");
    }
    let text = std::fs::read_to_string(&all[1]).expect("readable");
    assert!(text.contains("SuccessExitStatus=1"), "{text}");
}

/// A stand-in for OpenWrt's `/etc/rc.common`: it reads the script and calls the requested function; it runs the
/// commands that are given to procd at once.
const RC_COMMON: &str = r#"
start() { start_service "$@"; }
procd_open_instance() { echo "open"; }
procd_set_param() { echo "param $*"; if [ "$1" = command ]; then shift; "$@"; echo "ended with $?"; fi; }
procd_close_instance() { echo "close"; }
initscript=$1
. "$initscript"
"$2"
"#;

#[test]
fn the_script_for_procd_is_right_and_what_it_starts_takes_back_what_is_not_confirmed() {
    let script = Path::new(ROOT).join("docs/boot/cms.init");
    let checked = Command::new("sh").arg("-n").arg(&script).output().expect("runs");
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    let text = std::fs::read_to_string(&script).expect("readable");
    assert!(text.starts_with("#!/bin/sh /etc/rc.common\n") && text.contains("\nUSE_PROCD=1\n"), "{text}");
    let sandbox = Sandbox::new();
    let stub = sandbox.path("rc.common");
    std::fs::write(&stub, RC_COMMON).expect("written");
    let run = |what: &str| {
        let mut command = Command::new("sh");
        let binary = Path::new(env!("CARGO_BIN_EXE_cms")).parent().expect("a directory");
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        command.arg(&stub).arg(&script).arg(what).env("PATH", path);
        environment(&mut command, &sandbox);
        let output = command.output().expect("runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let expected = |code: u8| {
        format!(
            "open\nparam command /bin/sh -c cms confirm --wait\nended with {code}\nparam respawn 0 5 0\nclose\n"
        )
    };
    // The time runs out while the guard runs; and also after a boot, before any program reads the configuration.
    commit_to_confirm(&sandbox);
    assert_eq!(run("start"), expected(1));
    assert!(sandbox.read("network").contains("10.0.0.1"));
    commit_to_confirm(&sandbox);
    std::thread::sleep(std::time::Duration::from_millis(4100));
    assert_eq!(run("boot"), expected(0));
    assert!(sandbox.read("network").contains("10.0.0.1"));
}

/// S18: after a rollback, services are reloaded if the unit for that is enabled.
#[test]
fn s18_the_unit_that_reloads_does_so_once_for_each_package_and_transaction() {
    let target = Target::new(false);
    target.install();
    let words = exec_start(&target.root().join("lib/systemd/system/cms-reload.service"));
    assert_eq!(words[1..3], ["watch", "--exec"]);
    let sandbox = Sandbox::new();
    let hooks = sandbox.path("reload.d");
    std::fs::create_dir(&hooks).expect("made");
    let log = sandbox.path("reloaded");
    let hook = format!("#!/bin/sh\necho \"network $CMS_REVISION\" >> {}\n", log.display());
    std::fs::write(hooks.join("network"), hook).expect("written");
    std::fs::set_permissions(hooks.join("network"), PermissionsExt::from_mode(0o755)).expect("set");
    sandbox.ok(&["history"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--timeout", "60", "--count", "2"]);
    environment(&mut command, &sandbox);
    let mut child = command
        .env("CMS_RELOAD_DIR", &hooks)
        .env("RUNTIME_DIRECTORY", sandbox.path(""))
        .spawn()
        .expect("runs");
    // The watch begins before the first commit.
    while !sandbox.path("run/watchers").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    sandbox.ok(&["set", "network.lan.mtu=1400", "network.lan.ipaddr=1.2.3.4"]);
    sandbox.ok(&["commit", "--quiet", "--confirm", "1s"]);
    assert!(child.wait().expect("ends").success());
    let told = std::fs::read_to_string(&log).expect("it was reloaded");
    let revisions: Vec<&str> = told.lines().collect();
    assert_eq!(revisions.len(), 2, "once for the commit, once for what takes it back: {told}");
    assert_ne!(revisions[0], revisions[1]);
}
