//! An hour with cms as a new administrator has it, and as two users of one machine have it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::sandbox::Sandbox;

const SCRIPT: &str = "tests/newcomer/administrator/an_hour.sh";

const NETWORK: &str = "# the house\nconfig interface 'loopback'\n\toption device 'lo'\n\nconfig interface 'lan'\n\toption \
                       device 'br-lan'\n\toption ipaddr '192.168.1.1'\t# the printer knows this one\n\tlist dns \
                       '1.1.1.1'\n";

#[test]
fn the_hour_of_an_administrator_goes_as_the_documents_say() {
    let sandbox = Sandbox::new();
    sandbox.write("network", NETWORK);
    sandbox.write("firewall", "config rule\n\toption name 'Allow-Ping'\n\toption target 'ACCEPT'\n");
    let (bin, here) = (sandbox.path("bin"), sandbox.path("here"));
    std::fs::create_dir(&bin).expect("made");
    std::fs::create_dir(&here).expect("made");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cms"), bin.join("cms")).expect("linked");
    let store = sandbox.command();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT))
        .current_dir(&here)
        .envs(store.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", format!("{}:{path}", bin.display()))
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The command lines of the script, behind the word `cms`.
fn lines_of_script() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT)).expect("text");
    let lines =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split("cms ").skip(1));
    let words =
        |line: &str| line.split_whitespace().map(|word| word.trim_end_matches(')').to_owned()).collect();
    lines.map(words).collect()
}

#[test]
fn every_command_and_option_of_that_hour_is_one_that_help_shows() {
    let sandbox = Sandbox::new();
    let overview = sandbox.ok(&["help"]);
    let mut used = BTreeSet::new();
    for words in lines_of_script() {
        let Some(command) = words.iter().find(|word| !word.starts_with('-')) else { continue };
        // Words of the checks themselves.
        if !overview.contains(&format!("\n  {command} ")) {
            assert_eq!(command, "comit", "'cms help' has no {command}");
            continue;
        }
        used.insert(command.clone());
        let help = sandbox.ok(&["help", command]);
        for option in words.iter().take_while(|word| *word != "|").filter(|word| word.starts_with('-')) {
            let shown = format!("{option} ");
            let is_shown = help.contains(&shown)
                || overview.contains(&shown)
                || overview.contains(&format!("{option},"));
            assert!(is_shown, "'cms help {command}' has no {option}");
        }
    }
    assert!(used.len() > 30, "{used:?}");
}

/// Runs a command as a user of the system.
fn run_as(sandbox: &Sandbox, user: u32, words: &[&str]) -> Output {
    let home = sandbox.path(&format!("home-{user}"));
    if !home.exists() {
        std::fs::create_dir(&home).expect("made");
        std::os::unix::fs::chown(&home, Some(user), Some(user)).expect("given");
    }
    let mut command = Command::new(sandbox.path("cms"));
    command.env_clear().env("CMS_CONFIG_DIR", sandbox.path("config")).env("HOME", &home);
    command.uid(user).gid(user).args(words).output().expect("cms runs")
}

#[test]
fn plt_05_two_users_do_not_see_what_the_other_has_staged() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can run a command as two users");
        return;
    }
    let sandbox = Sandbox::new();
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("opened");
    };
    open(sandbox.root());
    open(&sandbox.path("config"));
    std::fs::copy(env!("CARGO_BIN_EXE_cms"), sandbox.path("cms")).expect("copied");
    let (one, other) = (1_954_321, 1_954_322);
    let said = |output: Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    said(run_as(&sandbox, one, &["set", "network.lan.ipaddr=10.1.1.1"]));
    said(run_as(&sandbox, other, &["set", "network.lan.mtu=1400"]));
    let ipaddr = ["get", "network.lan.ipaddr"];
    assert_eq!(said(run_as(&sandbox, one, &ipaddr)), "10.1.1.1\n");
    assert_eq!(said(run_as(&sandbox, other, &ipaddr)), "10.0.0.1\n");
    assert_eq!(said(run_as(&sandbox, one, &["changes"])), "network.lan.ipaddr='10.1.1.1'\n");
    assert_eq!(said(run_as(&sandbox, other, &["changes"])), "network.lan.mtu='1400'\n");
    for user in [one, other] {
        for dir in [format!("/tmp/.uci-{user}"), format!("/tmp/cms-{user}")] {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

#[test]
fn plt_02_a_user_keeps_a_store_and_its_log_in_the_directories_of_xdg() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: root has the directories of the system");
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::set_permissions(sandbox.root(), std::fs::Permissions::from_mode(0o755)).expect("opened");
    std::fs::copy(env!("CARGO_BIN_EXE_cms"), sandbox.path("cms")).expect("copied");
    let user = 1_954_323;
    let home = sandbox.path("home");
    for dir in ["home", "home/.config", "home/.config/cms", "home/state", "home/run"] {
        let dir = sandbox.path(dir);
        std::fs::create_dir(&dir).expect("made");
        std::os::unix::fs::chown(&dir, Some(user), Some(user)).expect("given");
    }
    let config = home.join(".config/cms");
    let run = |state: Option<&str>, words: &[&str]| {
        let mut command = Command::new(sandbox.path("cms"));
        command.env_clear().env("HOME", &home).env("CMS_CONFIG_DIR", &config);
        command.env("XDG_RUNTIME_DIR", home.join("run"));
        if let Some(state) = state {
            command.env("XDG_STATE_HOME", home.join(state));
        }
        let output = command.uid(user).gid(user).args(words).output().expect("cms runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    std::fs::write(config.join("app"), "config app 'main'\n").expect("written");
    std::os::unix::fs::chown(config.join("app"), Some(user), Some(user)).expect("given");
    run(Some("state"), &["set", "--commit", "app.main.mode=quick"]);
    assert!(run(Some("state"), &["history"]).contains("+app.main.mode='quick'"));
    assert!(home.join("state/cms").is_dir(), "the log is in XDG_STATE_HOME");
    run(None, &["set", "--commit", "app.main.mode=slow"]);
    assert!(home.join(".local/state/cms").is_dir(), "the log is in HOME");
    let paths = run(Some("state"), &["paths"]);
    assert!(paths.contains(&format!("{}", home.join("state/cms").display())), "{paths}");
    for dir in [format!("/tmp/.uci-{user}"), format!("/tmp/cms-{user}")] {
        let _ = std::fs::remove_dir_all(dir);
    }
}
