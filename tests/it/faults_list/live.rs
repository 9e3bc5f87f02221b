//! The view of running programs: deferred texts, texts that cannot be parsed, directories that are replaced.

mod texts_behind;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cms::Durability;

use crate::support::fixture::{Fixture, get};

const APP: &str = "config a 's'\n\toption n '0'\n";

#[test]
fn x_m4_a_verifier_reads_while_another_thread_waits_for_the_lock_of_the_package() {
    let fixture = Fixture::new(&[("app", APP), ("more", APP), ("other", APP)]);
    let live = fixture.live();
    assert_eq!(get(&live, "app.s.n").as_deref(), Some("0"));
    let (calls, took) =
        (std::sync::Arc::new(AtomicU32::new(0)), std::sync::Arc::new(Mutex::new(Duration::ZERO)));
    let (reader, edited) = (live.clone(), fixture.path("config").join("more"));
    let (counted, noted) = (calls.clone(), took.clone());
    let decide = move |_: &cms::Event| {
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            // The thread has to read the text, and the committer that is being verified holds the lock.
            std::fs::write(&edited, format!("# by hand\n{APP}")).expect("written");
            let refresher = reader.clone();
            std::thread::spawn(move || refresher.get(b"more.s.n", |_| ()));
            std::thread::sleep(Duration::from_millis(300));
            let begun = Instant::now();
            assert_eq!(get(&reader, "other.s.n").as_deref(), Some("0"));
            let mut transaction = reader.begin().expect("begun");
            transaction.set(b"other.s.n", b"1").expect("set");
            drop(transaction);
            *noted.lock().expect("whole") = begun.elapsed();
        }
        Ok(())
    };
    let verifier = live.verify("app", decide).expect("it verifies");
    let writer = cms::Store::open(fixture.options().verify_timeout(Duration::from_secs(20)));
    let mut transaction = writer.expect("opens").begin().expect("begun");
    transaction.set(b"app.s.n", b"1").expect("set");
    transaction.set(b"more.s.n", b"1").expect("set");
    transaction.commit().expect("it is not refused");
    assert!(calls.load(Ordering::Relaxed) > 0);
    let took = *took.lock().expect("whole");
    assert!(took < Duration::from_secs(2), "the verifier has waited for {took:?}");
    drop(verifier);
    assert_eq!(fixture.text("more"), format!("# by hand\n{APP}").replace("'0'", "'1'"));
}

/// Runs a command of the store; returns its exit code, its output and its messages.
fn run(fixture: &Fixture, program: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cms"));
    std::os::unix::process::CommandExt::arg0(&mut command, program);
    for name in ["config", "save", "run", "state"] {
        command.env(format!("CMS_{}_DIR", name.to_uppercase()), fixture.path(name));
    }
    let out = command.args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

const BROKEN: &str = "config a 's'\n\toption n '5\n";

fn set(live: &cms::Store, key: &str, value: &str) -> cms::Result<u64> {
    let mut transaction = live.begin()?;
    transaction.set(key.as_bytes(), value.as_bytes())?;
    transaction.commit()
}

#[test]
fn s17_programs_go_on_with_the_last_good_state_of_a_text_that_an_editor_has_broken() {
    for level in ["full", "log", "none"] {
        let fixture = Fixture::new(&[("app", APP), ("other", APP)]);
        let options = fixture.options().durability_levels(level).expect("a level");
        let live = cms::Store::open(options).expect("opens");
        let mut prepared = live.prepare(b"app.s.n").expect("a key");
        assert_eq!(get(&live, "other.s.n").as_deref(), Some("0"));
        set(&live, "app.s.n", "1").expect("committed");
        live.flush().expect("written");
        let mut watch = live.watch("app", None).expect("there is a log");
        fixture.write("app", BROKEN);
        let read_all = |live: &cms::Store, what: &str| {
            assert_eq!(get(live, "app.s.n").as_deref(), Some("1"), "{level}, {what}");
            let snapshot = live.snapshot().expect("opens");
            assert!(snapshot.get(b"app.s.n").expect("readable").is_some(), "{level}, {what}");
        };
        read_all(&live, "before anyone has looked");
        let event = watch.next(Some(Duration::from_secs(20))).expect("readable").expect("told");
        let problem = event.record().problem().expect("it says what is wrong").to_owned();
        assert_eq!((event.kind(), event.changes().len()), (cms::EventKind::Broken, 0));
        assert!(problem.contains("config/app") && problem.contains(":2:"), "{problem}");
        let refreshed = live.refresh();
        assert!(matches!(&refreshed, Err(cms::Error::Parse(error)) if error.line == 2), "{refreshed:?}");
        read_all(&live, "after a refresh");
        read_all(&fixture.live(), "in a store that is opened now");
        assert!(prepared.get().expect("readable").is_some());
        std::fs::remove_dir_all(fixture.path("run")).expect("removed");
        read_all(&fixture.live(), "without the map");
        // That store has no package open yet.
        live.refresh().expect("nothing to say");
        assert!(matches!(set(&live, "app.s.n", "2"), Err(cms::Error::Parse(_))));
        assert_eq!(fixture.text("app"), BROKEN);
        set(&live, "other.s.n", "3").expect("other packages go on");
        live.flush().expect("written");
        assert_eq!(get(&live, "other.s.n").as_deref(), Some("3"));
        fixture.write("app", &APP.replace("'0'", "'7'"));
        let event = watch.next(Some(Duration::from_secs(20))).expect("readable").expect("told");
        assert_eq!(event.kind(), cms::EventKind::Mended);
        let changed = event.change(0).expect("one");
        assert_eq!(
            (changed.key(), changed.before().map(|old| old.items().to_vec())),
            (b"app.s.n".to_vec(), Some(vec![b"1".to_vec()]))
        );
        live.refresh().expect("it is in order");
        assert_eq!(get(&live, "app.s.n").as_deref(), Some("7"));
        set(&live, "app.s.n", "8").expect("committed");
    }
}

#[test]
fn s17_commands_print_the_last_good_state_with_a_warning_and_uci_fails() {
    let cms = "cms";
    let fixture = Fixture::new(&[("app", APP), ("other", APP)]);
    assert_eq!(run(&fixture, cms, &["set", "app.s.n=1", "--commit"]).0, Some(0));
    fixture.write("app", BROKEN);
    for (arguments, shown) in [(["get", "app.s.n"], "1"), (["show", "app"], "app.s=a\napp.s.n='1'")] {
        let (code, found, told) = run(&fixture, cms, &arguments);
        assert_eq!((code, found.as_str()), (Some(0), shown), "{told}");
        assert!(told.starts_with("cms: warning: ") && told.contains("config/app:2:"), "{told}");
        assert_eq!(told.matches("warning").count(), 1, "{told}");
    }
    let (code, _, told) = run(&fixture, cms, &["set", "app.s.n=2", "--commit"]);
    assert!(code != Some(0) && told.contains("config/app:2:"), "{told}");
    for command in ["validate", "status"] {
        let (code, found, told) = run(&fixture, cms, &[command]);
        assert!(code != Some(0) && format!("{found}{told}").contains("app:2:"), "{command}: {found} {told}");
    }
    assert_eq!(
        run(&fixture, "uci", &["-c", &fixture.path("config").to_string_lossy(), "get", "app.s.n"]).0,
        Some(1)
    );
    // A package that never had a good state.
    fixture.write("new", BROKEN);
    assert_ne!(run(&fixture, cms, &["get", "new.s.n"]).0, Some(0));
}

fn link(target: &str, path: &std::path::Path) {
    // As `ln -sfn`: the new link takes the place of the old one in one step.
    let new = path.with_file_name("new-link");
    std::os::unix::fs::symlink(target, &new).expect("made");
    std::fs::rename(new, path).expect("renamed");
}

/// Waits for the event that sets `app.s.n` to this value.
fn expect_value(watch: &mut cms::Watch, value: &str, what: &str) {
    let event =
        watch.next(Some(Duration::from_secs(10))).expect(what).unwrap_or_else(|| panic!("{what}: not told"));
    let after = event
        .changes()
        .find(|changed| changed.key() == b"app.s.n")
        .and_then(|changed| changed.after().cloned());
    assert_eq!(after.map(|after| after.items().to_vec()), Some(vec![value.as_bytes().to_vec()]), "{what}");
}

#[test]
fn m1_watches_see_edits_that_arrive_through_symbolic_links() {
    let fixture = Fixture::new(&[("other", APP)]);
    let (config, root) = (fixture.path("config"), fixture.dir.path());
    let with = |value: &str| APP.replace("'0'", &format!("'{value}'"));
    // The links lead to a file in another directory, to a file of another name beside it, or to a volume as
    // Kubernetes mounts it.
    std::fs::create_dir(root.join("elsewhere")).expect("made");
    std::fs::write(root.join("elsewhere/app"), with("0")).expect("written");
    link("../elsewhere/app", &config.join("app"));
    let live = fixture.live();
    assert_eq!(get(&live, "app.s.n").as_deref(), Some("0"));
    let mut watch = live.watch("app", None).expect("there is a log");
    let _ = watch.next(Some(Duration::from_millis(200))).expect("readable");
    std::fs::write(root.join("elsewhere/app"), with("1")).expect("written");
    expect_value(&mut watch, "1", "written where the link leads");
    std::fs::write(config.join("app.2"), with("2")).expect("written");
    link("app.2", &config.join("app"));
    expect_value(&mut watch, "2", "a link that leads elsewhere");
    std::fs::write(config.join("app.2"), with("3")).expect("written");
    expect_value(&mut watch, "3", "written beside the link");
    for (volume, value) in [("..1", "4"), ("..2", "5")] {
        std::fs::create_dir(config.join(volume)).expect("made");
        std::fs::write(config.join(volume).join("app"), with(value)).expect("written");
    }
    link("..1", &config.join("..data"));
    link("..data/app", &config.join("app"));
    expect_value(&mut watch, "4", "a link by way of another");
    link("..2", &config.join("..data"));
    expect_value(&mut watch, "5", "a volume that is swapped");
    assert_eq!(get(&live, "app.s.n").as_deref(), Some("5"));
}

#[test]
fn x_m7_programs_go_on_with_a_configuration_directory_that_was_replaced() {
    let fixture = Fixture::new(&[("app", APP)]);
    let (config, root) = (fixture.path("config"), fixture.dir.path());
    let live = fixture.live();
    assert_eq!(get(&live, "app.s.n").as_deref(), Some("0"));
    let mut watch = live.watch("app", None).expect("there is a log");
    for round in 1..4 {
        let value = round.to_string();
        std::fs::create_dir(root.join("next")).expect("made");
        std::fs::write(root.join("next/app"), APP.replace("'0'", &format!("'{round}0'"))).expect("written");
        std::fs::rename(&config, root.join(format!("old{round}"))).expect("renamed");
        std::fs::rename(root.join("next"), &config).expect("renamed");
        expect_value(&mut watch, &format!("{round}0"), "what is in the new directory");
        set(&fixture.live(), "app.s.n", &value).expect("committed");
        expect_value(&mut watch, &value, "a commit in the new directory");
        assert_eq!(get(&live, "app.s.n"), Some(value));
    }
    // The run directory likewise.
    std::fs::rename(fixture.path("run"), root.join("old-run")).expect("renamed");
    set(&fixture.live(), "app.s.n", "x").expect("committed");
    expect_value(&mut watch, "x", "a commit with a new run directory");
}

#[test]
fn x_m7_a_commit_for_one_directory_is_never_written_into_another() {
    let fixture = Fixture::new(&[("app", APP)]);
    let root = fixture.dir.path();
    let both = ["a", "b"].map(|name| root.join(name));
    std::fs::rename(fixture.path("config"), &both[0]).expect("renamed");
    std::fs::create_dir(&both[1]).expect("made");
    let of_b = APP.replace("'0'", "'b'");
    std::fs::write(both[1].join("app"), &of_b).expect("written");
    link("a", &fixture.path("config"));
    let options = fixture.options().durability(Durability::Log).text_delay(Duration::from_secs(1000));
    let live = cms::Store::open(options).expect("opens");
    assert_eq!(get(&live, "app.s.n").as_deref(), Some("0"));
    let mut watch = live.watch("app", None).expect("there is a log");
    set(&live, "app.s.n", "1").expect("committed");
    expect_value(&mut watch, "1", "a commit");
    let text = |at: usize| std::fs::read_to_string(both[at].join("app")).expect("there");
    assert_eq!(text(0), APP, "it is for later");
    link("b", &fixture.path("config"));
    // The watch cannot continue from its position, and returns that error.
    let told = watch.next(Some(Duration::from_secs(10)));
    assert!(matches!(told, Err(cms::Error::TooOld { .. })), "{told:?}");
    assert_eq!(get(&live, "app.s.n").as_deref(), Some("b"));
    set(&live, "app.s.n", "2").expect("committed");
    expect_value(&mut watch, "2", "a commit in the other directory");
    live.flush().expect("written");
    assert_eq!(text(1), of_b.replace("'b'", "'2'"));
    drop(live);
    let a = root.join("a").to_string_lossy().into_owned();
    assert_eq!(run(&fixture, "cms", &["--config-dir", &a, "get", "app.s.n"]).1, "1");
    assert_eq!(text(0), APP.replace("'0'", "'1'"));
}
