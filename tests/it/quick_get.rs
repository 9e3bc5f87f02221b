//! `cms get KEY` has a short way ([`cms::quick_value`]) and a long one. They never differ.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use cms::testing::Seams as _;
use cms::{Durability, Engine, Options, Store, Value};

use crate::corpus;
use crate::support::fixture::{Fixture, dirs, get};
use crate::support::probes::{FailAt, Fault};
use crate::support::sandbox::Sandbox;

const LARGE: u64 = 48 * 1024;

/// Compares both ways for all keys of the packages in `root`/config, and for some that are not there. Returns the number of
/// values that the short way has found.
fn compare(root: &Path) -> usize {
    let (dirs, mut found) = (dirs(root), 0);
    let engine = Engine::new(Options::new().dirs(dirs.clone()));
    for package in engine.packages().list().expect("readable") {
        let loaded = engine.packages().load_good(package.as_bytes());
        let mut keys = vec![(b"none".to_vec(), b"none".to_vec())];
        for section in loaded.iter().flat_map(|(loaded, _)| loaded.package.sections()) {
            keys.push((section.name().to_vec(), b"none".to_vec()));
            keys.extend(section.options().map(|option| (section.name().to_vec(), option.name().to_vec())));
        }
        for (section, option) in keys {
            let key = [package.as_bytes(), &section, &option].join(&b'.');
            let Some(quick) = cms::quick_value(&dirs, &key, LARGE) else { continue };
            let (loaded, problem) = loaded.as_ref().expect("a package with a value can be read");
            let value = loaded.package.get(&section, &option);
            assert_eq!(value, Some(Value::String(&quick)), "{}", String::from_utf8_lossy(&key));
            assert!(problem.is_none(), "the long way warns of the text");
            found += 1;
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in
        std::fs::read_dir(from).into_iter().flatten().flatten().filter(|entry| entry.path().is_file())
    {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

#[test]
fn values_of_the_recorded_cases_are_those_of_the_packages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases");
    let mut found = 0;
    for case in std::fs::read_dir(root).expect("the cases").flatten() {
        let dir = tempfile::tempdir().expect("a directory");
        copy(&case.path().join("config"), &dir.path().join("config"));
        found += compare(dir.path());
        copy(&case.path().join("save"), &dir.path().join("save"));
        compare(dir.path());
    }
    assert!(found > 300, "the short way has found {found} values");
}

#[test]
fn values_of_real_files_are_those_of_the_packages() {
    let Some(corpus) = corpus::corpus() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("config")).expect("made");
    for (number, file) in corpus::files(&corpus).iter().enumerate() {
        std::fs::copy(file, dir.path().join(format!("config/p{number}"))).expect("copied");
    }
    let found = compare(dir.path());
    assert!(found > 300, "the short way has found {found} values");
}

/// Runs `get` with a key both ways. Only the long way knows the option `--color`.
fn both(sandbox: &Sandbox, key: &str) -> (Output, Output) {
    let quick = sandbox.run(&["get", key]);
    (quick, sandbox.run(&["--color", "never", "get", key]))
}

fn assert_same(sandbox: &Sandbox, what: &str) {
    for key in
        ["network.lan.ipaddr", "network.lan.dns", "network.lan.none", "network.none.ipaddr", "network.lan"]
    {
        let (quick, long) = both(sandbox, key);
        assert_eq!(quick.status.code(), long.status.code(), "{what}: {key}");
        assert_eq!(
            String::from_utf8_lossy(&quick.stdout),
            String::from_utf8_lossy(&long.stdout),
            "{what}: {key}"
        );
        assert_eq!(
            String::from_utf8_lossy(&quick.stderr),
            String::from_utf8_lossy(&long.stderr),
            "{what}: {key}"
        );
    }
}

fn prints(sandbox: &Sandbox) -> String {
    String::from_utf8_lossy(&sandbox.run(&["get", "network.lan.ipaddr"]).stdout).into_owned()
}

#[test]
fn staged_changes_and_their_journals_count() {
    let sandbox = Sandbox::new();
    assert_same(&sandbox, "as it was made");
    assert_eq!(prints(&sandbox), "10.0.0.1\n");
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2"]);
    assert_same(&sandbox, "a staged value");
    assert_eq!(prints(&sandbox), "10.0.0.2\n");
    sandbox.ok(&["commit"]);
    assert_same(&sandbox, "an empty delta file");
    sandbox.ok(&["delete", "network.lan.ipaddr"]);
    assert_same(&sandbox, "a staged removal");
    assert_eq!(prints(&sandbox), "");
    sandbox.ok(&["revert", "network"]);
    std::fs::write(sandbox.path("save").join(".network.commit"), "torn").expect("written");
    assert_same(&sandbox, "a journal that a crash has left");
}

#[test]
fn a_commit_that_waits_to_be_confirmed_is_rolled_back_first() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.2"]);
    sandbox.ok(&["commit", "--confirm", "1"]);
    assert_same(&sandbox, "a commit that waits");
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(prints(&sandbox), "10.0.0.1\n", "its time is up");
}

#[test]
fn texts_that_cannot_be_read_as_they_are_have_the_same_result() {
    let sandbox = Sandbox::new();
    for (what, text) in [
        ("an error", "config interface 'lan'\n\toption ipaddr '10.0.0.1\n".to_owned()),
        (
            "an error behind the value",
            "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n\toptoin a 'b'\n".into(),
        ),
        ("line ends of DOS", "config interface 'lan'\r\n\toption ipaddr '10.0.0.1'\r\n".into()),
        ("a byte order mark", "\u{feff}config interface 'lan'\n\toption ipaddr '10.0.0.1'\n".into()),
        ("two values", "config interface 'lan'\n\toption ipaddr '1'\n\toption ipaddr '2'\n".into()),
        ("an empty value", "config interface 'lan'\n\toption ipaddr ''\n".into()),
        ("a value of two lines", "config interface 'lan'\n\toption ipaddr '1\n2'\n".into()),
        ("a large text", format!("{}config interface 'lan'\n\toption ipaddr '1'\n", "#\n".repeat(30_000))),
        ("nothing", String::new()),
    ] {
        sandbox.write("network", &text);
        assert_same(&sandbox, what);
    }
    let path = sandbox.path("config").join("network");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).expect("set");
    assert_same(&sandbox, "no right to read");
    std::fs::remove_file(&path).expect("removed");
    assert_same(&sandbox, "no file");
    std::fs::create_dir(&path).expect("made");
    assert_same(&sandbox, "a directory");
    std::fs::remove_dir(&path).expect("removed");
    sandbox.write("other", "config interface 'lan'\n\toption ipaddr '10.0.0.9'\n");
    symlink("other", &path).expect("made");
    assert_same(&sandbox, "a symbolic link");
    assert_eq!(prints(&sandbox), "10.0.0.9\n");
}

#[test]
fn a_wrong_environment_and_a_closed_output_are_reported() {
    let sandbox = Sandbox::new();
    for (variable, value) in [("CMS_DURABILITY", "some"), ("CMS_SAFE_MODE", "soon")] {
        let run =
            |words: &[&str]| sandbox.command().env(variable, value).args(words).output().expect("cms runs");
        let (quick, long) =
            (run(&["get", "network.lan.ipaddr"]), run(&["--color", "never", "get", "network.lan.ipaddr"]));
        assert_eq!((quick.status.code(), &quick.stderr), (Some(2), &long.stderr), "{variable}");
    }
    let full = |words: &[&str]| {
        let full = File::options().write(true).open("/dev/full").expect("a device");
        let child =
            sandbox.command().args(words).stdout(full).stderr(Stdio::piped()).spawn().expect("cms runs");
        child.wait_with_output().expect("it ends")
    };
    let (quick, long) =
        (full(&["get", "network.lan.ipaddr"]), full(&["--color", "never", "get", "network.lan.ipaddr"]));
    assert_eq!((quick.status.code(), &quick.stderr), (Some(6), &long.stderr));
}

#[test]
fn options_that_only_name_directories_keep_the_short_way_and_others_are_understood() {
    let sandbox = Sandbox::new();
    let text = "config interface 'lan'\n\toption ipaddr 'elsewhere'\n";
    std::fs::create_dir(sandbox.path("etc")).expect("made");
    std::fs::write(sandbox.path("etc").join("network"), text).expect("written");
    let dir: OsString = sandbox.path("etc").into();
    for words in [["-q", "-c"], ["--quiet", "--config-dir"]] {
        let words: Vec<OsString> = words
            .iter()
            .map(OsString::from)
            .chain([dir.clone(), "get".into(), "network.lan.ipaddr".into()])
            .collect();
        assert_eq!(sandbox.run(&words).stdout, b"elsewhere\n");
    }
    assert_eq!(sandbox.ok(&["get", "--null", "network.lan.ipaddr"]), "10.0.0.1\0");
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr", "-q"]), "10.0.0.1\n");
    assert_eq!(
        sandbox.ok(&["--json", "get", "network.lan.ipaddr"]),
        "{\"network.lan.ipaddr\":\"10.0.0.1\"}\n"
    );
    sandbox.fails(2, &["-c"]);
}

#[test]
fn a_text_that_is_behind_the_log_is_put_in_place_first() {
    let fixture = Fixture::new(&[("network", "config interface 'lan'\n\toption ipaddr '0'\n")]);
    let options = fixture.options().durability(Durability::Log).text_delay(Duration::from_secs(1000));
    let live = Store::open(options).expect("opens");
    assert_eq!(get(&live, "network.lan.ipaddr").as_deref(), Some("0"));
    for number in 1..4 {
        let mut transaction = live.begin().expect("begun");
        transaction.set(b"network.lan.ipaddr", number.to_string().as_bytes()).expect("set");
        transaction.commit().expect("committed");
        assert_eq!(cms::quick_value(&dirs(fixture.dir.path()), b"network.lan.ipaddr", LARGE), None);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_cms"))
            .args([
                OsString::from("-c"),
                fixture.path("config").into(),
                "--run-dir".into(),
                fixture.path("run").into(),
            ])
            .args([OsString::from("--state-dir"), fixture.path("state").into(), "--save-dir".into()])
            .args([fixture.path("save").into(), OsString::from("get"), "network.lan.ipaddr".into()])
            .output();
        assert_eq!(String::from_utf8_lossy(&output.expect("cms runs").stdout), format!("{number}\n"));
    }
}

/// At each call of a commit the program dies. The short way gives no answer, or that of the long way.
#[test]
fn an_interrupted_commit_is_finished_first() {
    let mut answers = 0;
    for at in 0.. {
        let fixture = Fixture::in_memory(&[("network", "config interface 'lan'\n\toption ipaddr 'old'\n")]);
        let probe = FailAt::new(at, Fault::Death);
        let engine = Engine::new(fixture.options().files(probe.files()));
        let _ = engine.replace(b"network", b"config interface 'lan'\n\toption ipaddr 'new'\n");
        drop(engine);
        let quick = cms::quick_value(&dirs(fixture.dir.path()), b"network.lan.ipaddr", LARGE);
        let engine = Engine::new(fixture.options());
        engine.confirmations().recover().expect("recovers");
        let (loaded, _) = engine.packages().load_good(b"network").expect("readable");
        let long = loaded.package.get(b"lan", b"ipaddr");
        if let Some(quick) = quick {
            assert_eq!(long, Some(Value::String(&quick)), "the program died at call {at}");
            answers += 1;
        }
        if !probe.was_reached() {
            assert!(at > 10 && answers > 2, "{at} calls, {answers} answers");
            return;
        }
    }
}
