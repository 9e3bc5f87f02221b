//! Verifiers: which are asked about a transaction, its outcome, and that no commit hangs.

mod commands;

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use cms::log::{Content, Kind};
use cms::{Delta, DeltaKind, Engine, Error, Event, Form, Store, Verifier};

use crate::support::fixture::{Fixture, get};

const NETWORK: &str = "config interface 'lan'\n\toption ipaddr '10.0.0.1' # office\n\toption mtu '1500'\n";

fn fixture() -> Fixture {
    Fixture::new(&[("network", NETWORK), ("system", "config system 's'\n\toption name 'a'\n")])
}

fn set(live: &Store, changes: &[(&str, &str)]) -> cms::Result<u64> {
    let mut transaction = live.begin()?;
    for (key, value) in changes {
        transaction.set(key.as_bytes(), value.as_bytes())?;
    }
    transaction.commit()
}

fn show(content: Option<&Content>) -> String {
    content.map_or("-".into(), |content| String::from_utf8_lossy(&content.items().join(&b',')).into_owned())
}

fn told(event: &Event) -> Vec<String> {
    let one = |changed: cms::Changed<'_>| {
        let key = String::from_utf8(changed.key()).expect("ASCII");
        format!("{key} {} {}", show(changed.before()), show(changed.after()))
    };
    event.changes().map(one).collect()
}

/// Refuses a large MTU, and records the transactions that it was asked about.
fn guard(live: &Store, pattern: &str) -> (Verifier, Arc<Mutex<Vec<Vec<String>>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shown = seen.clone();
    let decide = move |event: &Event| {
        shown.lock().expect("whole").push(told(event));
        let large = |changed: &cms::Changed<'_>| {
            changed.key().ends_with(b".mtu") && show(changed.after()).parse().is_ok_and(|mtu: u32| mtu > 1500)
        };
        match event.changes().find(large) {
            Some(changed) => Err(format!("an MTU of {} is too large", show(changed.after()))),
            None => Ok(()),
        }
    };
    (live.verify(pattern, decide).expect("it verifies"), seen)
}

fn refusal<R>(done: cms::Result<R>) -> String {
    match done {
        Err(Error::Refused { pid, reason, .. }) => {
            assert_ne!(pid, 0);
            reason
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("nobody has refused it"),
    }
}

fn texts(fixture: &Fixture) -> Vec<String> {
    ["network", "system"]
        .map(|name| std::fs::read_to_string(fixture.path("config").join(name)).expect("there"))
        .into()
}

/// Lists the configuration directory, to check that no file is left behind.
fn files(fixture: &Fixture) -> usize {
    std::fs::read_dir(fixture.path("config")).expect("there").count()
}

#[test]
fn a_transaction_is_shown_before_it_is_made_and_one_that_is_refused_leaves_no_trace() {
    let fixture = fixture();
    let live = fixture.live();
    let (verifier, seen) = guard(&live, "network.*.mtu system");
    live.engine().history().note_edits().expect("what there is is noted");
    let before = (texts(&fixture), files(&fixture));
    let revision = live.engine().history().revision().expect("a log");
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"network.lan.mtu", b"9000").expect("set");
    transaction.set(b"system.s.name", b"b").expect("set");
    assert_eq!(refusal(transaction.commit()), "an MTU of 9000 is too large");
    assert_eq!((texts(&fixture), files(&fixture)), before);
    assert_eq!(live.engine().history().revision().expect("a log"), revision);

    set(&live, &[("network.lan.mtu", "1400"), ("network.lan.ipaddr", "10.0.0.2")]).expect("accepted");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("1400"));
    set(&live, &[("network.lan.ipaddr", "10.0.0.3")]).expect("nobody is asked");
    let shown = seen.lock().expect("whole").clone();
    assert_eq!(
        shown,
        [vec!["network.lan.mtu 1500 9000", "system.s.name a b"], vec!["network.lan.mtu 1500 1400"]],
        "in one question, and only what was asked for"
    );
    drop(verifier);
    set(&live, &[("network.lan.mtu", "9000")]).expect("nobody refuses it any more");
    assert!(!fixture.path("run").join("verifiers").exists(), "the door is closed");
}

#[test]
fn undo_rollback_restore_import_and_staged_changes_are_verified_and_the_safety_net_is_not() {
    let fixture = fixture();
    let live = fixture.live();
    let store = live.engine();
    let first = set(&live, &[("network.lan.mtu", "9000")]).expect("committed");
    store.archives().backup(&fixture.path("large.backup")).expect("written");
    let second = set(&live, &[("network.lan.mtu", "1400")]).expect("committed");
    let (_verifier, seen) = guard(&live, "*");
    let too_large = "an MTU of 9000 is too large";
    assert_eq!(refusal(store.history().undo(second, None)), too_large);
    assert_eq!(refusal(store.history().rollback(first, &[], None)), too_large);
    assert_eq!(
        refusal(store.replace(b"network", b"config interface 'lan'\n\toption mtu '9000'\n")),
        too_large
    );
    assert_eq!(seen.lock().expect("whole").len(), 3);
    let place = store.packages().find(b"network").expect("there");
    let delta = Delta::new(DeltaKind::Set, b"lan", Some(b"mtu"), Some(b"9000"));
    store.staging().stage(&place, &[delta]).expect("staged");
    assert_eq!(refusal(store.commit(&place, Form::Lossless)), too_large);
    assert!(store.staging().may_be_staged(&place), "it stays staged");
    assert!(!fixture.path("save").join(".network.commit").exists(), "and there is no journal of it");
    store.staging().revert(&place, None, None).expect("reverted");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("1400"));

    // The rollback to 9000, since the commit was not confirmed, is not refused.
    drop(_verifier);
    set(&live, &[("network.lan.mtu", "9000")]).expect("committed");
    let (_verifier, seen) = guard(&live, "*");
    let mut transaction = live.begin().expect("begun");
    transaction.set(b"network.lan.mtu", b"1300").expect("set");
    transaction.set_confirm(Duration::from_millis(50));
    transaction.commit().expect("accepted");
    std::thread::sleep(Duration::from_millis(60));
    store.confirmations().recover().expect("taken back");
    assert_eq!(get(&live, "network.lan.mtu").as_deref(), Some("9000"));
    assert_eq!(store.history().changes(None, 1).expect("a log")[0].kind, Kind::Rollback);
    assert_eq!(seen.lock().expect("whole").len(), 1);
}

#[test]
fn a_verifier_reads_the_state_before_and_to_commit_from_it_is_an_error_and_no_hang() {
    let fixture = fixture();
    let live = fixture.live();
    let (send, heard) = mpsc::channel();
    let inside = live.clone();
    let other = Store::open(fixture.options()).expect("opens");
    let decide = move |_: &Event| {
        let old = get(&inside, "network.lan.mtu");
        // A package that was never read, so that it has no map.
        let name = get(&other, "system.s.name");
        let started = Instant::now();
        let mut errors = Vec::new();
        for live in [&inside, &other] {
            errors
                .push(set(live, &[("system.s.name", "x")]).expect_err("it has to answer first").to_string());
            let place = live.engine().packages().find(b"network").expect("there");
            errors.push(live.engine().commit(&place, Form::Lossless).expect_err("the same").to_string());
        }
        send.send((old, name, errors, started.elapsed())).expect("heard");
        Ok(())
    };
    let _verifier = live.verify("network", decide).expect("it verifies");
    set(&live, &[("network.lan.mtu", "1400")]).expect("accepted");
    let (old, name, errors, took) = heard.recv().expect("it was asked");
    assert_eq!((old.as_deref(), name.as_deref()), (Some("1500"), Some("a")));
    assert!(
        errors.iter().all(|error| error.contains("cannot change anything while it decides")),
        "{errors:?}"
    );
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_verifier_that_panics_or_does_not_answer_refuses_and_one_that_ends_in_order_does_not() {
    let fixture = fixture();
    let live = Store::open(fixture.options().verify_timeout(Duration::from_millis(300))).expect("opens");
    let patient = fixture.live();
    let verifier = live.verify("network", |_| panic!("on purpose")).expect("it verifies");
    assert!(refusal(set(&patient, &[("network.lan.mtu", "1400")])).contains("panicked"));
    drop(verifier);
    let (open, gate) = mpsc::channel::<()>();
    let verifier = live.verify("network", move |_| {
        let _ = gate.recv_timeout(Duration::from_secs(60));
        Ok(())
    });
    let verifier = verifier.expect("it verifies");
    let started = Instant::now();
    let reason = refusal(set(&live, &[("network.lan.mtu", "1400")]));
    assert_eq!(reason, "it has not answered within 0.3 s");
    assert!(started.elapsed() < Duration::from_secs(5));
    set(&live, &[("system.s.name", "b")]).expect("what does not concern it goes on");
    // No commit waits twice for a verifier that hangs.
    assert!(
        refusal(set(&live, &[("network.lan.mtu", "1400")])).contains("has not answered an earlier question")
    );
    // Many more connections than may wait: no commit hangs.
    let ask = || {
        let options = fixture.options().verify_timeout(Duration::from_millis(1));
        refusal(set(&Store::open(options).expect("opens"), &[("network.lan.mtu", "1400")]))
    };
    let said: Vec<String> = (0..80).map(|_| ask()).collect();
    assert!(said[79].contains("too many commits wait"), "{}", said[79]);
    drop(open);
    let deadline = Instant::now() + Duration::from_secs(60);
    while set(&live, &[("network.lan.mtu", "1400")]).is_err() {
        assert!(Instant::now() < deadline, "it answers again");
    }
    drop(verifier);
    set(&live, &[("network.lan.mtu", "1300")]).expect("nobody is asked");
}

#[test]
fn each_transaction_of_threads_that_commit_together_is_verified_for_itself() {
    let fixture = fixture();
    let live = fixture.live();
    let inside = live.clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shown = seen.clone();
    let decide = move |event: &Event| {
        let changed = event.change(0).expect("one");
        // The callback reads the old value.
        assert_eq!(get(&inside, "network.lan.mtu"), Some(show(changed.before())));
        shown.lock().expect("whole").push(show(changed.after()));
        if show(changed.after()).ends_with('7') { Err("it ends with 7".into()) } else { Ok(()) }
    };
    let _verifier = live.verify("network.lan.mtu", decide).expect("it verifies");
    let outcomes: Vec<(u32, cms::Result<u64>)> = std::thread::scope(|scope| {
        let commit = |number: u32| {
            let live = &live;
            scope.spawn(move || {
                let mut transaction = live.begin().expect("begun");
                transaction.set_force(true);
                transaction.set(b"network.lan.mtu", number.to_string().as_bytes()).expect("set");
                (number, transaction.commit())
            })
        };
        let threads: Vec<_> = (1400..1420).map(commit).collect();
        threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
    });
    for (number, outcome) in outcomes {
        assert_eq!(outcome.is_err(), number % 10 == 7, "{number}");
        if let Err(error) = outcome {
            assert!(matches!(error, Error::Refused { reason, .. } if reason == "it ends with 7"));
        }
    }
    assert_eq!(seen.lock().expect("whole").len(), 20);
}

#[test]
fn only_root_and_the_owner_count() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let fixture = fixture();
    let live = fixture.live();
    let verifier = live.verify("network", |_| Err("no".into())).expect("it verifies");
    assert_eq!(refusal(set(&live, &[("network.lan.mtu", "1400")])), "no");
    let folder = std::fs::read_dir(fixture.path("run").join("verifiers")).expect("there").next();
    let folder = folder.expect("one").expect("readable").path();
    let note = || -> PathBuf {
        let all = std::fs::read_dir(&folder).expect("there").map(|entry| entry.expect("readable").path());
        all.into_iter().find(|path| path.extension().is_none()).expect("one")
    };
    let mode = |path: PathBuf| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(note().with_extension("socket")), 0o600);
    // A lease or a socket of another user is ignored.
    for path in [note(), note().with_extension("socket")] {
        chown(&path, Some(65534), None).expect("given away");
        set(&live, &[("network.lan.mtu", "1400")]).expect("nobody who counts refuses it");
        set(&live, &[("network.lan.mtu", "1500")]).expect("the same");
        if path.exists() {
            chown(&path, Some(0), None).expect("taken back");
        }
    }
    drop(verifier);
    let _verifier = live.verify("network", |_| Err("no".into())).expect("it verifies");
    assert_eq!(refusal(set(&live, &[("network.lan.mtu", "1400")])), "no");
    // So is any in a directory of another user.
    chown(&folder, Some(65534), None).expect("given away");
    set(&live, &[("network.lan.mtu", "1400")]).expect("nobody who counts refuses it");
    // A user who is neither root nor the owner cannot open a verifier.
    chown(fixture.path("run"), Some(65534), None).expect("given away");
    assert!(matches!(live.verify("network", |_| Ok(())), Err(Error::Io { .. })));
}

#[test]
fn what_a_dead_verifier_has_left_is_removed_and_a_run_directory_that_was_deleted_is_made_again() {
    let fixture = fixture();
    let live = fixture.live();
    // A socket that no process listens to any more, and a lease that no process holds.
    let verifier = live.verify("network", |_| Err("no".into())).expect("it verifies");
    let folder = std::fs::read_dir(fixture.path("run").join("verifiers")).expect("there").next();
    let folder = folder.expect("one").expect("readable").path();
    let note = std::fs::read_dir(&folder).expect("there").map(|entry| entry.expect("readable").path());
    let note = note.into_iter().find(|path| path.extension().is_none()).expect("one");
    let left = folder.join("1-dead");
    std::fs::copy(&note, &left).expect("copied");
    drop(UnixListener::bind(left.with_extension("socket")).expect("bound"));
    refusal(set(&live, &[("network.lan.mtu", "1400")]));
    assert!(!left.exists() && !left.with_extension("socket").exists());

    std::fs::remove_dir_all(fixture.path("run")).expect("removed");
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut mtu = 1400;
    // The value differs each time, since verifiers are not asked about a transaction that changes nothing.
    while set(&live, &[("network.lan.mtu", &mtu.to_string())]).is_ok() {
        assert!(Instant::now() < deadline, "it is there again");
        mtu += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(verifier);
    assert!(!fixture.path("run").join("verifiers").exists());
}

#[test]
fn who_watches_is_seen_again_once_a_run_directory_was_deleted() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watch = live.watch("network.lan.mtu", None).expect("it watches");
    let store = Engine::new(fixture.options());
    let told = || {
        let place = store.packages().find(b"network").expect("there");
        let delta = cms::Delta::new(DeltaKind::Set, b"lan", Some(b"mtu"), Some(b"9"));
        store.staging().stage(&place, &[delta]).expect("staged");
        let told = store.preview(std::slice::from_ref(&place)).expect("readable").watchers;
        store.staging().revert(&place, None, None).expect("given up");
        told
    };
    let before = told();
    assert_eq!((before.len(), before[0].pattern.as_str()), (1, "network.lan.mtu"));
    std::fs::remove_dir_all(fixture.path("run")).expect("removed");
    let deadline = Instant::now() + Duration::from_secs(20);
    while told() != before {
        assert!(Instant::now() < deadline, "it is there again");
        watch.next(Some(Duration::from_millis(20))).expect("readable");
    }
    drop(watch);
    assert!(!fixture.path("run").join("watchers").exists());
}

#[test]
fn a_transaction_whose_text_would_follow_later_is_verified() {
    let fixture = fixture();
    let options = fixture.options().durability(cms::Durability::Log);
    let live = Store::open(options).expect("opens");
    set(&live, &[("network.lan.mtu", "1300")]).expect("nobody verifies it");
    let (verifier, asked) = guard(&live, "network");
    let before = live.revision();
    refusal(set(&live, &[("network.lan.mtu", "9001")]));
    assert_eq!(live.revision(), before);
    assert!(texts(&fixture).concat().contains("1300"), "what was for later is in place");
    assert_eq!(asked.lock().expect("whole").len(), 1);
    drop(verifier);
}

#[test]
fn sockets_at_long_paths_work() {
    let mut fixture = fixture();
    fixture.dir = tempfile::Builder::new().prefix(&"x".repeat(150)).tempdir().expect("a directory");
    std::fs::create_dir(fixture.path("config")).expect("made");
    fixture.write("network", NETWORK);
    let live = fixture.live();
    let (_verifier, _) = guard(&live, "network");
    refusal(set(&live, &[("network.lan.mtu", "9000")]));
    set(&live, &[("network.lan.mtu", "1400")]).expect("accepted");
}

#[test]
fn a_transaction_that_is_larger_than_any_buffer_is_verified() {
    let fixture = fixture();
    let live = fixture.live();
    let (send, heard) = mpsc::channel();
    let decide = move |event: &Event| {
        send.send(show(event.change(0).expect("one").after()).len()).expect("heard");
        Ok(())
    };
    let _verifier = live.verify("network", decide).expect("it verifies");
    set(&live, &[("network.lan.mtu", &"1".repeat(3 << 20))]).expect("accepted");
    assert_eq!(heard.recv(), Ok(3 << 20));
}

#[test]
fn without_verifiers_a_commit_looks_once_and_an_event_costs_no_note() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    let place = store.packages().find(b"network").expect("there");
    assert_eq!(store.preview(&[place]).expect("readable"), cms::Preview::default());
    let live = fixture.live();
    let note = |fixture: &Fixture| {
        let folder = std::fs::read_dir(fixture.path("run").join("watchers")).ok()?.next()?.ok()?.path();
        let path = std::fs::read_dir(folder).ok()?.next()?.ok()?.path();
        std::fs::read_to_string(path).ok()
    };
    assert_eq!(note(&fixture), None);
    let first = live.watch("network.*", None).expect("opens");
    let second = live.watch("system network.*", None).expect("opens");
    assert!(note(&fixture).is_some_and(|note| note.ends_with("\npattern network.* system\n")));
    let written = note(&fixture);
    set(&live, &[("network.lan.mtu", "1400")]).expect("committed");
    assert_eq!(note(&fixture), written);
    drop(second);
    assert!(note(&fixture).is_some_and(|note| note.ends_with("\npattern network.*\n")));
    drop(first);
    assert_eq!(note(&fixture), None);
}
