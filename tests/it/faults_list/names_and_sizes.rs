//! Names that are long or unusual, many packages at once, and files of a size that no package can have.

use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::sandbox::Sandbox;

/// Starts the command with a configuration directory of its own.
fn cms_in(sandbox: &Sandbox, config: &Path, words: &[&str]) -> std::process::Output {
    sandbox.command().env("CMS_CONFIG_DIR", config).args(words).output().expect("cms runs")
}

fn commit_in(sandbox: &Sandbox, config: &Path, value: &str) {
    let output = cms_in(sandbox, config, &["set", &format!("n.x.o={value}"), "--commit"]);
    assert!(output.status.success(), "{}: {}", config.display(), String::from_utf8_lossy(&output.stderr));
}

fn history_of(sandbox: &Sandbox, config: &Path) -> String {
    let output = cms_in(sandbox, config, &["history"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn make_config(config: &Path) {
    std::fs::create_dir_all(config).expect("made");
    std::fs::write(config.join("n"), "config t 'x'\n\toption o '1'\n").expect("written");
}

#[test]
fn x_m14_directories_with_alike_paths_have_logs_of_their_own() {
    let sandbox = Sandbox::new();
    let alike = [sandbox.path("x").join("%y"), sandbox.path("x%").join("y")];
    for (config, value) in alike.iter().zip(["first", "second"]) {
        make_config(config);
        commit_in(&sandbox, config, value);
    }
    for (config, (own, other)) in alike.iter().zip([("first", "second"), ("second", "first")]) {
        let history = history_of(&sandbox, config);
        assert!(history.contains(own) && !history.contains(other), "{}: {history}", config.display());
    }
}

#[test]
fn x_m14_a_log_under_the_name_of_an_earlier_version_goes_on() {
    let sandbox = Sandbox::new();
    let config = sandbox.path("config");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2", "--commit"]);
    let state = sandbox.path("state");
    let now = std::fs::read_dir(&state).expect("a state directory").flatten().map(|entry| entry.path());
    let now = now.into_iter().find(|path| path.is_dir()).expect("a log");
    let real = std::fs::canonicalize(&config).expect("a path");
    let before = state.join(real.to_str().expect("text").replace('/', "%"));
    std::fs::rename(&now, &before).expect("renamed");
    assert!(sandbox.ok(&["history"]).contains("10.0.0.2"));
    assert!(now.is_dir() && !before.exists(), "the log has its new name");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.3", "--commit"]);
    let history = sandbox.ok(&["history"]);
    assert!(history.contains("10.0.0.2") && history.contains("10.0.0.3"), "{history}");
}

#[test]
fn m4_a_configuration_path_of_any_length_works() {
    let sandbox = Sandbox::new();
    let mut config = sandbox.path("deep");
    for _ in 0..9 {
        config.push("a directory with a rather long name, forty");
    }
    make_config(&config);
    assert!(config.as_os_str().len() > 300);
    commit_in(&sandbox, &config, "2");
    let staged = cms_in(&sandbox, &config, &["set", "n.x.o=3"]);
    assert!(staged.status.success(), "{}", String::from_utf8_lossy(&staged.stderr));
    let committed = cms_in(&sandbox, &config, &["uci", "commit"]);
    assert!(committed.status.success(), "{}", String::from_utf8_lossy(&committed.stderr));
    let text = std::fs::read_to_string(config.join("n")).expect("a package");
    assert!(text.contains("option o '3'"), "{text}");
    assert!(history_of(&sandbox, &config).contains("'2' -> '3'"));
}

#[test]
fn x_l3_a_package_whose_name_fills_a_file_name_can_be_committed() {
    let sandbox = Sandbox::new();
    let name = "n".repeat(255);
    sandbox.write(&name, "config t 'x'\n\toption o '1'\n");
    let key = format!("{name}.x.o");
    sandbox.ok(&["set", &format!("{key}=2")]);
    sandbox.ok(&["commit", &name]);
    sandbox.ok(&["set", &format!("{key}=3"), "--commit"]);
    sandbox.ok(&["rebuild", &name]);
    assert_eq!(sandbox.ok(&["get", &key]), "3\n");
    sandbox.ok(&["undo"]);
    assert_eq!(sandbox.ok(&["get", &key]), "2\n");
    let store = cms::Store::open(
        cms::Options::new()
            .dirs(cms::Dirs::choose(
                cms::DirOptions::new()
                    .config(sandbox.path("config"))
                    .save(sandbox.path("save"))
                    .run(sandbox.path("run"))
                    .state(sandbox.path("state")),
            ))
            .durability(cms::Durability::Log),
    )
    .expect("opens");
    let mut transaction = store.begin().expect("begins");
    transaction.set(key.as_bytes(), b"4").expect("set");
    transaction.commit().expect("committed");
    drop(store);
    assert_eq!(sandbox.ok(&["get", &key]), "4\n");
    let hidden = std::fs::read_dir(sandbox.path("config")).expect("a directory").flatten();
    let left: Vec<_> = hidden.map(|entry| entry.file_name()).filter(|name| name.len() < 255).collect();
    assert_eq!(left, ["network"], "nothing is left behind");
}

#[test]
fn x_l8_as_many_packages_as_there_are_can_be_committed_and_restored_at_once() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..600).map(|number| format!("p{number}")).collect();
    for name in &names {
        sandbox.write(name, "config t 'x'\n\toption o '1'\n");
    }
    let few_files = |words: &[&str]| {
        let mut command = sandbox.command();
        command.args(words);
        // The limit that a shell sets by default, below the hard limit.
        let limit = rustix::process::Rlimit { current: Some(1024), maximum: Some(4096) };
        let set =
            move || rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).map_err(Into::into);
        // SAFETY: `setrlimit` is one system call, which may be made between fork and exec.
        #[expect(unsafe_code, reason = "the limit is to be that of the child alone")]
        unsafe {
            command.pre_exec(set)
        };
        let output = command.output().expect("cms runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let archive = sandbox.path("archive");
    few_files(&["backup", archive.to_str().expect("text")]);
    for name in &names {
        std::fs::create_dir_all(sandbox.path("save")).expect("made");
        std::fs::write(sandbox.path("save").join(name), format!("{name}.x.o='2'\n")).expect("written");
    }
    few_files(&["commit"]);
    assert!(names.iter().all(|name| sandbox.read(name).contains("option o '2'")));
    few_files(&["restore", archive.to_str().expect("text")]);
    assert!(names.iter().all(|name| sandbox.read(name).contains("option o '1'")));
}

#[test]
fn x_m8_a_file_too_large_for_a_package_is_not_read() {
    let sandbox = Sandbox::new();
    let huge = std::fs::File::create(sandbox.path("config").join("huge")).expect("created");
    huge.set_len(3 << 30).expect("sparse");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2", "--commit"]);
    for words in [&["get", "huge.x.o"][..], &["show", "huge"], &["set", "huge.x.o=1", "--commit"]] {
        let output = sandbox.run(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("2 GiB"), "{words:?}: {error}");
    }
    // A snapshot that leaves a package out says so.
    assert!(sandbox.fails(4, &["snapshot", "before"]).contains("huge"));
    sandbox.ok(&["history"]);
    let kept = |dir: &Path| -> u64 {
        let files = walk(dir);
        files.iter().filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum()
    };
    assert!(kept(&sandbox.path("state")) < 8 << 20);
}

/// Lists the files below a directory.
fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
