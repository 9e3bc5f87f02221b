//! See `faults_list`: the policy of a store (S14) binds every program that uses it.

use std::os::unix::fs::{PermissionsExt, chown};
use std::time::Duration;

use cms::{Code, Durability, Engine, Error, Setting, SettingOrigin, Store};

use super::store_policy::options;
use crate::support::fixture::get;
use crate::support::sandbox::Sandbox;

/// Writes the policy.
fn rule(sandbox: &Sandbox, lines: &[&str]) {
    let lines: String = lines.iter().map(|line| format!("\t{line}\n")).collect();
    sandbox.write("cms", &format!("config store 'store'\n{lines}"));
}

fn set(live: &Store, value: &str) -> cms::Result<()> {
    let mut txn = live.begin()?;
    txn.set(b"network.lan.ipaddr", value.as_bytes())?;
    txn.commit().map(|_| ())
}

fn origin(sandbox: &Sandbox, line: u32) -> SettingOrigin {
    SettingOrigin::Policy { file: sandbox.path("config").join("cms"), line }
}

#[test]
fn s14_safe_mode_of_the_policy_stops_library_command_and_uci() {
    let sandbox = Sandbox::new();
    let live = Store::open(options(&sandbox)).expect("opens");
    set(&live, "10.0.0.2").expect("committed");
    // A commit turns safe mode on, and a store that was open before sees it.
    sandbox.write("cms", "config store 'store'\n");
    sandbox.ok(&["set", "cms.store.safe_mode=1", "--commit"]);
    let refused = set(&live, "10.0.0.3").expect_err("refused");
    assert!(matches!(refused, Error::SafeMode { .. }), "{refused}");
    assert_eq!(refused.code(), Code::Permission);
    let file = sandbox.path("config").join("cms");
    assert_eq!(refused.to_string(), format!("safe mode: nothing is written ({}:2)", file.display()));
    let store = Engine::new(options(&sandbox));
    let place = store.packages().find(b"network").expect("there");
    let delta = cms::Delta::new(cms::DeltaKind::Set, b"lan", Some(b"ipaddr"), Some(b"x"));
    assert!(matches!(store.staging().stage(&place, &[delta]), Err(Error::SafeMode { .. })));
    assert!(matches!(store.replace(b"new", b"config a 'b'\n"), Err(Error::SafeMode { .. })));
    assert!(matches!(store.update(&place, cms::Form::Lossless, |_| Ok(())), Err(Error::SafeMode { .. })));
    assert!(matches!(store.archives().label("one"), Err(Error::SafeMode { .. })));
    for words in [&["set", "network.lan.ipaddr=x"][..], &["undo"], &["rollback", "1"], &["commit"]] {
        let said = sandbox.fails(4, words);
        assert!(said.contains("safe mode: nothing is written"), "{words:?}: {said}");
    }
    let uci = sandbox.run(&["uci", "set", "network.lan.ipaddr=x"]);
    assert_eq!(uci.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&uci.stderr).contains("safe mode"), "{uci:?}");
    // Reads still work, and the owner of the directory can turn it off.
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("10.0.0.2"));
    assert!(sandbox.read("network").contains("10.0.0.2"));
    let words = ["set", "cms.store.safe_mode=0", "--commit"];
    let off = sandbox.command().env("CMS_SAFE_MODE", "0").args(words).output().expect("runs");
    assert!(off.status.success(), "{off:?}");
    set(&live, "10.0.0.4").expect("committed");
}

#[test]
fn s14_safe_mode_of_the_environment_stops_the_library_in_every_program() {
    let sandbox = Sandbox::new();
    for words in [&["uci", "set", "network.lan.ipaddr=x"][..], &["set", "network.lan.ipaddr=x"]] {
        let refused = sandbox.command().env("CMS_SAFE_MODE", "1").args(words).output().expect("runs");
        assert!(!refused.status.success(), "{words:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("safe mode: nothing is written (CMS_SAFE_MODE=1)"), "{words:?}: {said}");
    }
    assert!(!sandbox.path("save").exists());
}

#[test]
fn s14_who_does_not_own_the_directory_can_only_be_stricter() {
    let sandbox = Sandbox::new();
    let lines = [
        "option durability 'log,network=full'",
        "option log_size '16M'",
        "option snapshots_keep '20'",
        "option text_delay '2s'",
        "option verify_timeout '7s'",
        "option lock_timeout '3s'",
    ];
    rule(&sandbox, &lines);
    let weak = || {
        options(&sandbox)
            .durability(Durability::None)
            .log_size(1 << 20)
            .snapshots_keep(1)
            .text_delay(Duration::from_secs(60))
            .verify_timeout(Duration::from_secs(1))
            .lock_timeout(Duration::from_secs(1))
    };
    // The owner, who runs this test, may weaken all settings except the time limit of verifiers.
    let settings = Engine::new(weak()).settings();
    assert_eq!(settings.durability_of("dhcp"), Durability::None);
    assert_eq!((settings.log.bytes, settings.snapshots_keep), (1 << 20, 1));
    assert_eq!(settings.verify_timeout, Duration::from_secs(7));
    // If the options have their defaults, the policy decides, for every user.
    let default = Engine::new(options(&sandbox)).settings();
    assert_eq!(default.durability_of("dhcp"), Durability::Log);
    assert_eq!(default.durability_of("network"), Durability::Full);
    assert_eq!(default.durability_of("cms"), Durability::Full, "who looks for the policy reads the file");
    assert_eq!((default.log.bytes, default.snapshots_keep), (16 << 20, 20));
    assert_eq!((default.text_delay, default.lock_timeout), (Duration::from_secs(2), Duration::from_secs(3)));
    assert_eq!(default.origin(Setting::Durability), origin(&sandbox, 2));
    assert_eq!(default.origin(Setting::SafeMode), SettingOrigin::Default);
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped in part: it needs root");
        return;
    }
    chown(sandbox.path("config"), Some(61_020), None).expect("given");
    let settings = Engine::new(weak()).settings();
    assert_eq!(settings.durability_of("dhcp"), Durability::Log);
    assert_eq!(settings.durability_of("network"), Durability::Full);
    assert_eq!((settings.log.bytes, settings.snapshots_keep), (16 << 20, 20));
    assert_eq!(settings.text_delay, Duration::from_secs(2));
    assert_eq!(settings.verify_timeout, Duration::from_secs(7));
    assert_eq!(settings.lock_timeout, Duration::from_secs(1), "that is the patience of whoever waits");
    assert_eq!(settings.origin(Setting::LogSize), origin(&sandbox, 3));
    let strict = Engine::new(
        options(&sandbox)
            .durability(Durability::Full)
            .log_size(64 << 20)
            .snapshots_keep(30)
            .text_delay(Duration::from_millis(100)),
    );
    let settings = strict.settings();
    assert_eq!(settings.durability_of("dhcp"), Durability::Full);
    assert_eq!((settings.log.bytes, settings.snapshots_keep), (64 << 20, 30));
    assert_eq!(settings.text_delay, Duration::from_millis(100));
    assert_eq!(settings.origin(Setting::LogSize), SettingOrigin::Option);
}

#[test]
fn an_option_that_is_set_to_its_default_overrides_the_policy_of_the_owner() {
    let sandbox = Sandbox::new();
    rule(&sandbox, &["option durability 'log'", "option log_size '16M'"]);
    // The age of records is no setting, and says nothing of the size of the log.
    let full = options(&sandbox).durability(Durability::Full).log_age(Duration::from_secs(60));
    let settings = Engine::new(full).settings();
    assert_eq!(settings.durability_of("dhcp"), Durability::Full);
    assert_eq!(settings.origin(Setting::Durability), SettingOrigin::Option);
    assert_eq!((settings.log.bytes, settings.log.age), (16 << 20, Some(Duration::from_secs(60))));
    assert_eq!(settings.origin(Setting::LogSize), origin(&sandbox, 3));
    let settings = Engine::new(options(&sandbox).log_size(4 << 20)).settings();
    assert_eq!((settings.durability_of("dhcp"), settings.log.bytes), (Durability::Log, 4 << 20));
}

#[test]
fn s14_a_file_that_others_may_write_does_not_count_and_the_last_good_policy_stays() {
    let sandbox = Sandbox::new();
    rule(&sandbox, &["option log_size '16M'"]);
    let file = sandbox.path("config").join("cms");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
    mode(0o600);
    let live = Store::open(options(&sandbox)).expect("opens");
    set(&live, "10.0.0.2").expect("committed");
    let size = |store: &Engine| store.settings().log.bytes;
    assert_eq!(size(live.engine()), 16 << 20);
    mode(0o666);
    set(&live, "10.0.0.3").expect("committed");
    assert_eq!(size(live.engine()), 16 << 20, "the last good one stays");
    assert!(live.engine().warnings()[0].contains("users other than its owner may write it (mode 666)"));
    mode(0o600);
    if rustix::process::geteuid().is_root() {
        chown(&file, Some(61_021), None).expect("given");
        let problems = Engine::new(options(&sandbox)).settings().problems.clone();
        assert!(problems[0].contains("belongs to user 61021, neither root nor the owner"), "{problems:?}");
        chown(sandbox.path("config"), Some(61_021), None).expect("given");
        assert_eq!(size(&Engine::new(options(&sandbox))), 16 << 20, "it is the owner of the directory");
        chown(sandbox.path("config"), Some(0), None).expect("given");
        chown(&file, Some(0), None).expect("given");
    }
    // If the policy cannot be read, the last good one stays, also for a store that is opened now.
    set(&live, "10.0.0.4").expect("committed");
    sandbox.write("cms", "config store 'store'\n\toption log_size '1M\n");
    set(&live, "10.0.0.5").expect("committed");
    assert_eq!(size(live.engine()), 16 << 20);
    let other = Engine::new(options(&sandbox));
    assert_eq!(size(&other), 16 << 20, "it is in the log");
    let problem = &other.settings().problems[0];
    assert!(problem.starts_with(&format!("{}:2", file.display())), "{problem}");
    assert!(problem.ends_with("the last good policy stays"), "{problem}");
    // A policy text that another user has written is ignored, although the log has it.
    if rustix::process::geteuid().is_root() {
        sandbox.write("cms", "config store 'store'\n\toption log_size '1M'\n");
        chown(&file, Some(61_021), None).expect("given");
        other.history().note_edits().expect("noted");
        assert_eq!(size(&Engine::new(options(&sandbox))), 4 << 20);
        sandbox.write("cms", "config store 'store'\n\toption log_size '2M\n");
        chown(&file, Some(0), None).expect("given");
        assert_eq!(size(&Engine::new(options(&sandbox))), 16 << 20, "it is the last of root's");
    }
    // Without a file there is no policy.
    std::fs::remove_file(&file).expect("removed");
    set(&live, "10.0.0.6").expect("committed");
    assert_eq!(size(live.engine()), 4 << 20);
}

#[test]
fn s14_wrong_values_are_said_with_file_and_line_and_the_default_counts() {
    let sandbox = Sandbox::new();
    rule(&sandbox, &["option log_size 'much'", "option snapshots_keep '3'", "option no_such '1'"]);
    let output = sandbox.run(&["policy"]);
    let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{said}");
    let file = sandbox.path("config").join("cms").display().to_string();
    assert!(said.contains(&format!("{file}:2: log_size: 'much' is not a size")), "{said}");
    assert!(said.contains(&format!("{file}:4: no_such: there is no such option")), "{said}");
    let row = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("log_size").contains("4M") && row("log_size").ends_with("(default)"), "{shown}");
    assert!(row("snapshots_keep").ends_with(&format!("({file}:3)")), "{shown}");
    // It does not stop other work.
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2", "--commit"]);
    let json: serde_json::Value =
        serde_json::from_slice(&sandbox.run(&["status", "--json"]).stdout).expect("JSON");
    assert_eq!(json["problems"][0]["what"], "policy");
}

#[test]
fn s14_policy_and_paths_show_each_value_and_where_it_comes_from() {
    let sandbox = Sandbox::new();
    rule(&sandbox, &["option durability 'log'", "list other 'x'"]);
    rule(&sandbox, &["option verify_timeout '500ms'"]);
    for command in ["policy", "paths"] {
        let output = sandbox
            .command()
            .env("CMS_LOG_SIZE", "16M")
            .args([command, "--lock-timeout", "10", "--json"])
            .output()
            .expect("runs");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let settings = &json["settings"];
        assert_eq!(settings.as_object().expect("an object").len(), 8, "{command}");
        let is = |name: &str, wanted: serde_json::Value| assert_eq!(settings[name], wanted, "{command}");
        is("safe_mode", serde_json::json!({"value": false, "from": "default"}));
        is(
            "log_size",
            serde_json::json!({"value": 16 << 20, "from": "environment", "variable": "CMS_LOG_SIZE"}),
        );
        is("lock_timeout", serde_json::json!({"value": 10.0, "from": "option"}));
        let file = sandbox.path("config").join("cms");
        is("verify_timeout", serde_json::json!({"value": 0.5, "from": "policy", "file": file, "line": 2}));
        let shown = sandbox.ok(&[command]);
        assert!(shown.contains("verify_timeout 500ms"), "{shown}");
    }
    let wrong = sandbox.command().env("CMS_LOG_SIZE", "much").arg("list").output().expect("runs");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("CMS_LOG_SIZE=much"), "{wrong:?}");
}

#[test]
fn s14_a_program_with_defaults_keeps_as_much_of_the_log_as_the_policy_says() {
    let kept = |policy: Option<&str>| {
        let sandbox = Sandbox::new();
        if let Some(size) = policy {
            rule(&sandbox, &[&format!("option log_size '{size}'"), "option durability 'none'"]);
        } else {
            rule(&sandbox, &["option durability 'none'"]);
        }
        let live = Store::open(options(&sandbox)).expect("opens");
        for number in 0..40 {
            set(&live, &format!("{number} ").repeat(5000)).expect("committed");
        }
        let mut count = 0;
        let count = &mut count;
        let counted = live.engine().history().each_transaction(|_| {
            *count += 1;
            Ok(std::ops::ControlFlow::<()>::Continue(()))
        });
        counted.expect("readable");
        *count
    };
    // Each takes about 30 KB.
    let (few, all) = (kept(Some("512k")), kept(None));
    assert!(few < 20, "{few}");
    assert!(all >= 40, "{all}");
}

#[test]
fn m15_one_too_many_transaction_or_watch_is_full_for_each_open_store() {
    let sandbox = Sandbox::new();
    let live = Store::open(options(&sandbox)).expect("opens");
    let held: Vec<_> = (0..cms::MAX_OPEN).map(|_| live.begin().expect("there is room")).collect();
    let refused = live.begin().expect_err("there are too many");
    assert!(matches!(refused, Error::TooMany { limit: cms::MAX_OPEN, .. }), "{refused}");
    assert_eq!(refused.code(), Code::Full);
    // It is counted for each store that is open.
    let other = Store::open(options(&sandbox)).expect("opens");
    assert!(other.begin().is_ok());
    drop(held);
    assert!(live.begin().is_ok());
    let watches: Vec<_> = (0..1000).map(|_| live.watch("network", None).expect("there is room")).collect();
    let refused = live.watch("network", None).expect_err("there are too many");
    assert_eq!(refused.code(), Code::Full);
    assert!(other.watch("network", None).is_ok());
    drop(watches);
}

/// Some 32-bit machines have no 64-bit atomics, and `make cross` takes too long to run each time.
#[test]
fn m31_the_libraries_use_no_atomic_numbers_of_64_bits() {
    const USE: &str = "#[cfg(target_has_atomic = \"64\")]\npub(super) use std::sync::atomic::AtomicU64;";
    const OTHERWISE: &str =
        "#[cfg(not(target_has_atomic = \"64\"))]\n#[derive(Debug, Default)]\npub(super) struct AtomicU64";
    let mut left: Vec<_> = ["src", "ffi/src", "vendor"]
        .map(|dir| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(dir))
        .into();
    let mut files = 0;
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                std::fs::read_dir(&path).expect("readable").map(|entry| entry.expect("readable").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files += 1;
            let text = std::fs::read_to_string(&path).expect("readable");
            // Only `map/sync.rs` takes one from the system, where there is one, and has another elsewhere; models are loom's.
            let wide = text.contains("AtomicU64") || text.contains("AtomicI64");
            let own = path.ends_with("map/sync.rs") && text.contains(USE) && text.contains(OTHERWISE);
            let by_it = text.contains("use super::sync::{") || text.contains("pub use loom::sync::atomic::{");
            assert!(
                !wide || own || by_it && !text.contains("std::sync::atomic::AtomicU64"),
                "{}",
                path.display()
            );
        }
    }
    assert!(files > 100, "{files}");
}
