//! What the log tells and what it takes back, against a plain list of all states there have been.

use std::cell::Cell;
use std::time::Duration;

use cms::clock::Uptime;
use cms::log::{Kind, Limits, What};
use cms::{Archive, Delta, DeltaKind, Engine, Error, Form, Key, Options};
use proptest::prelude::*;

use crate::support::fixture::Fixture;
use crate::support::sandbox::Sandbox;

const PACKAGES: [&str; 2] = ["network", "system"];

fn fixture() -> Fixture {
    let network = "# the house\nconfig interface 'lan'\n\toption a '0' # kept\n\toption b '0'\n\nconfig interface 'wan'\n\toption a '0'\n";
    let system = "config system 'lan'\n\toption a '0'\n";
    Fixture::new(&[("network", network), ("system", system)])
}

fn texts(fixture: &Fixture) -> [String; 2] {
    PACKAGES.map(|name| std::fs::read_to_string(fixture.path("config").join(name)).expect("readable"))
}

/// Commits changes of several packages as one transaction.
fn set(store: &Engine, changes: &[(&str, &str, &str, &str)]) {
    let places = PACKAGES.map(|name| store.place(name.as_bytes()).expect("there"));
    for (package, section, option, value) in changes {
        let place = places.iter().find(|place| place.name == *package).expect("one of them");
        let delta =
            Delta::new(DeltaKind::Set, section.as_bytes(), Some(option.as_bytes()), Some(value.as_bytes()));
        store.stage(place, &[delta]).expect("staged");
    }
    store.commit_together(&places, Form::Lossless, None).expect("committed");
}

#[derive(Debug, Clone)]
enum Step {
    /// Sets options, one each in the packages given by number.
    Commit(Vec<(usize, u8, u8)>),
    /// Writes a comment and perhaps a value with an editor.
    Edit(usize, u8),
    /// Takes the transaction back that is so many before the last.
    Undo(usize),
    /// Goes back so many transactions.
    Rollback(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0..2_usize, 0..2_u8, any::<u8>()), 1..3).prop_map(Step::Commit),
        2 => (0..2_usize, any::<u8>()).prop_map(|(package, number)| Step::Edit(package, number)),
        2 => (0..4_usize).prop_map(Step::Undo),
        1 => (0..6_usize).prop_map(Step::Rollback),
    ]
}

/// Runs a step. Undoing may be refused, and then changes nothing.
fn take(store: &Engine, fixture: &Fixture, step: &Step) {
    let before = texts(fixture);
    match step {
        Step::Commit(changes) => {
            let options = ["a", "b"];
            let named: Vec<_> = changes
                .iter()
                .map(|(package, option, value)| {
                    (PACKAGES[*package], options[usize::from(*option)], (value % 3).to_string())
                })
                .collect();
            let changes: Vec<_> = named
                .iter()
                .map(|(package, option, value)| (*package, "lan", *option, value.as_str()))
                .collect();
            set(store, &changes);
        }
        Step::Edit(package, number) => {
            let edited = match number % 3 {
                0 => format!("{}# note {number}\n", before[*package]),
                1 => before[*package].replacen("option a", "option  a", 1),
                _ => before[*package].replacen("'0'", &format!("'{number}'"), 1),
            };
            fixture.write(PACKAGES[*package], &edited);
            store.note_edits().expect("noted");
        }
        Step::Undo(back) => {
            let last = store.revision().expect("there is a log");
            match store.undo(last.saturating_sub(*back as u64), None) {
                Ok(_) => {}
                Err(Error::Conflict { .. } | Error::Invalid { .. } | Error::Missing(_)) => {
                    assert_eq!(texts(fixture), before, "what is refused changes nothing");
                }
                Err(error) => panic!("{error}"),
            }
        }
        Step::Rollback(back) => {
            let last = store.revision().expect("there is a log");
            let target = last.saturating_sub(*back as u64).max(2);
            store.rollback(target, &[], None).expect("it is not too far back");
        }
    }
}

/// Checks what the log says of a store against all states there were, each with its revision.
fn check(store: &Engine, states: &[(u64, [String; 2])]) {
    for (revision, state) in states {
        for (name, text) in PACKAGES.iter().zip(state) {
            let found = store.text_at(name, *revision).expect("kept").expect("there was one");
            assert_eq!(&String::from_utf8_lossy(&found), text, "{name} at {revision}");
        }
    }
    // Each key's history leads from value to value without a gap.
    let key = Key::parse(b"network.lan.a").expect("a key");
    let mut values = Vec::new();
    for record in store.history(Some(&key), usize::MAX).expect("readable") {
        for change in record.packages.iter().flat_map(|package| &package.changes) {
            if let (What::Changed { old, new }, Some(_)) = (&change.what, &change.option) {
                values.push((new.clone(), old.clone()));
            }
        }
    }
    assert!(values.windows(2).all(|pair| pair[0].1 == pair[1].0), "{values:?}");
    let lines: String = store
        .blame("network")
        .expect("readable")
        .iter()
        .map(|line| String::from_utf8_lossy(&line.text).into_owned() + "\n")
        .collect();
    assert_eq!(lines, states.last().expect("there are some").1[0]);
    assert_eq!(store.verify_log().expect("readable").problems, Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn every_state_there_was_can_be_had_again(steps in prop::collection::vec(step(), 1..14)) {
        let fixture = fixture();
        let store = Engine::new(fixture.options());
        store.note_edits().expect("noted");
        let mut states = vec![(store.revision().expect("there is a log"), texts(&fixture))];
        for step in &steps {
            take(&store, &fixture, step);
            states.push((store.revision().expect("there is a log"), texts(&fixture)));
        }
        check(&store, &states);
        // The same, for who opens the store anew.
        check(&Engine::new(fixture.options()), &states);
    }
}

#[test]
fn undo_leaves_later_changes_and_is_refused_where_they_are_in_the_way() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    set(&store, &[("network", "lan", "a", "1"), ("system", "lan", "a", "1")]);
    let first = store.revision().expect("there is a log");
    set(&store, &[("network", "wan", "a", "2")]);
    let undone = store.undo(first, Some("a mistake")).expect("nothing is in the way");
    let [network, system] = texts(&fixture);
    assert!(network.contains("option a '0' # kept") && network.contains("option a '2'"), "{network}");
    assert!(system.contains("option a '0'"), "{system}");
    let record = store.transaction(undone).expect("kept");
    assert_eq!((record.kind, record.refers, record.message.as_str()), (Kind::Undo, first, "a mistake"));
    // What was undone can be done again.
    store.undo(undone, None).expect("nothing is in the way");
    assert!(texts(&fixture)[0].contains("option a '1' # kept"));

    set(&store, &[("network", "lan", "a", "3")]);
    let before = texts(&fixture);
    let refused = store.undo(first, None).expect_err("it was changed since").to_string();
    assert!(refused.contains("network.lan.a") && refused.contains("changed since"), "{refused}");
    assert_eq!(texts(&fixture), before);
}

#[test]
fn a_change_by_hand_is_told_with_what_was_there_before() {
    let fixture = fixture();
    Engine::new(fixture.options()).note_edits().expect("noted");
    let edited =
        texts(&fixture)[0].replace("option a '0' # kept", "option a '7' # changed").replace('#', "##");
    fixture.write("network", &edited);
    let store = Engine::new(fixture.options());
    set(&store, &[("network", "lan", "b", "9")]);
    let records = store.history(None, 2).expect("readable");
    let kinds: Vec<Kind> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Commit, Kind::FileEdit]);
    assert_eq!(records[1].source, "file-edit");
    let [change] = &records[1].packages[0].changes[..] else { panic!("{records:?}") };
    assert_eq!(change.key("network"), b"network.lan.a");
    // A comment alone is a change of the text, and of no key.
    fixture.write("network", &(texts(&fixture)[0].clone() + "# at the end\n"));
    store.note_edits().expect("noted");
    let last = store.history(None, 1).expect("readable").remove(0);
    assert_eq!((last.kind, last.packages[0].changes.len()), (Kind::FileEdit, 0));
    assert!(!store.text_at("network", last.sequence - 1).expect("kept").expect("there").ends_with(b"end\n"));
    assert_eq!(last.sequence, store.revision().expect("there is a log"));
    store.note_edits().expect("noted");
    assert_eq!(last.sequence, store.revision().expect("there is a log"), "nothing is noted twice");
}

#[test]
fn without_a_place_for_the_log_commits_work_and_say_nothing_of_history() {
    let fixture = fixture();
    std::fs::write(fixture.path("state"), "a file").expect("written");
    let mut options = fixture.options();
    options.dirs.state = None;
    let store = Engine::new(options);
    set(&store, &[("network", "lan", "a", "1")]);
    assert!(texts(&fixture)[0].contains("option a '1'"));
    assert!(matches!(store.history(None, 1), Err(Error::Missing(cms::Missing::Log))));
}

#[test]
fn a_snapshot_brings_back_exactly_what_was_and_refuses_what_was_changed() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    let before = texts(&fixture);
    let info = store.label("good").expect("kept");
    assert!(matches!(store.label("good"), Err(Error::Exists { .. })));
    for wrong in ["", ".hidden", "a/b", "a b"] {
        assert!(matches!(store.label(wrong), Err(Error::Invalid { .. })), "{wrong}");
    }
    set(&store, &[("network", "lan", "a", "5"), ("network", "lan", "new", "1"), ("system", "lan", "a", "5")]);
    fixture.write("later", "config x 'y'\n");
    let after = texts(&fixture);
    let archive = store.labelled("good").expect("as it was written");
    let sequence = store.restore(&archive, None).expect("restored").expect("something had to change");
    assert_eq!(texts(&fixture), before);
    assert!(!fixture.path("config/later").exists(), "the snapshot had no such package");
    assert_eq!(store.restore(&archive, None).expect("restored"), None, "nothing has to change");
    store.undo(sequence, None).expect("nothing is in the way");
    assert_eq!(texts(&fixture), after);
    assert_eq!(fixture.text("later"), "config x 'y'\n");

    std::fs::write(info.path.parent().expect("a directory").join("notes.txt"), "mine").expect("written");
    let (automatic, labelled): (Vec<_>, Vec<_>) =
        store.labels().expect("readable").into_iter().partition(cms::ArchiveInfo::is_automatic);
    assert_eq!(labelled, std::slice::from_ref(&info));
    // The state before the restore, what was changed by hand included.
    let [before] = &automatic[..] else { panic!("{automatic:?}") };
    assert_eq!(before.label, format!("@{}-before", before.revision));
    assert_eq!(store.text_at("later", before.revision).expect("kept").expect("there"), b"config x 'y'\n");
    let mut bytes = std::fs::read(&info.path).expect("readable");
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(&info.path, bytes).expect("written");
    assert!(matches!(Archive::read(&info.path), Err(Error::Damaged { .. })));
    let said = Sandbox::new();
    let path = info.path.display().to_string();
    assert!(said.fails(3, &["restore", &path]).contains(&path));
    assert!(said.fails(1, &["restore", "/nowhere/at/all"]).contains("/nowhere/at/all"));
}

#[test]
fn the_log_is_bounded_and_says_so_when_it_is_asked_for_more() {
    let fixture = fixture();
    let limits = Limits { bytes: 256 << 10, ..Limits::default() };
    let store = Engine::new(Options { log: limits, ..fixture.options() });
    store.label("at-first").expect("kept");
    let before = texts(&fixture);
    // A line of a kilobyte that changes makes a record of four.
    for round in 0..120 {
        let value = format!("{round} ").repeat(300);
        set(&store, &[("network", "lan", "a", &value)]);
    }
    let old = store.text_at("network", 3).expect_err("it is not kept").to_string();
    assert!(old.contains("does not go back"), "{old}");
    let dir =
        std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one").expect("readable");
    let log =
        |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "log");
    let entries = std::fs::read_dir(dir.path()).expect("readable").map(|entry| entry.expect("readable"));
    let size: u64 = entries.filter(log).map(|entry| entry.metadata().expect("readable").len()).sum();
    assert!(size <= (256 << 10) + 2 * (64 << 10), "{size}");
    assert_eq!(store.verify_log().expect("readable").problems, Vec::<String>::new());
    // Snapshots are not part of what is dropped.
    store.restore(&store.labelled("at-first").expect("kept"), None).expect("restored");
    assert_eq!(texts(&fixture), before);
    // Nor is what it takes to tell a change by hand.
    fixture.write("network", &before[0].replace("option b '0'", "option b 'x'"));
    store.note_edits().expect("noted");
    let last = store.history(None, 1).expect("readable").remove(0);
    assert_eq!(
        (last.kind, last.packages[0].unknown, last.packages[0].changes.len()),
        (Kind::FileEdit, false, 1)
    );
}

#[test]
fn a_record_that_was_tampered_with_is_found() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    for value in ["first value", "second value", "third value"] {
        set(&store, &[("network", "lan", "a", value)]);
    }
    let dir =
        std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one").expect("readable");
    let path = dir.path().join("00000000000000000001.log");
    let mut bytes = std::fs::read(&path).expect("readable");
    let at = bytes.windows(12).position(|window| window == b"second value").expect("it is in there");
    bytes[at] = b'S';
    std::fs::write(&path, &bytes).expect("written");
    let found = Engine::new(fixture.options()).verify_log().expect("readable");
    assert_eq!(found.problems.len(), 1, "{found:?}");
    assert!(found.problems[0].contains("are damaged, or were changed"), "{found:?}");
}

#[test]
fn repair_brings_a_broken_package_back_and_goes_on_without_a_broken_log() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    set(&store, &[("network", "lan", "a", "good")]);
    let good = texts(&fixture);
    fixture.write("network", "config interface 'lan\n");
    let repaired = store.repair().expect("there is a good text");
    assert_eq!((repaired.packages.len(), repaired.problems.len()), (1, 0));
    assert_eq!(texts(&fixture), good);
    let dir =
        std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one").expect("readable");
    std::fs::write(dir.path().join("00000000000000000001.log"), "random bytes").expect("written");
    let fresh = Engine::new(fixture.options());
    fresh.note_edits().expect("it goes on in a new segment");
    assert!(!fresh.log_problems().is_empty(), "and says what it could not read");
    assert!(!fresh.repair().expect("set aside").problems.is_empty());
    set(&fresh, &[("network", "lan", "a", "2")]);
    assert_eq!(fresh.verify_log().expect("readable").problems, Vec::<String>::new());
    assert!(dir.path().join("00000000000000000001-0.damaged").exists(), "nothing is thrown away");
}

thread_local! {
    /// The boot and how many seconds it has been running.
    static CLOCK: Cell<(u8, u64)> = const { Cell::new((1, 0)) };
}

fn fake_clock() -> Uptime {
    let (boot, seconds) = CLOCK.get();
    Uptime { boot: [boot; 16], running: Duration::from_secs(seconds) }
}

/// The plain machine that commits to be confirmed are compared with.
#[derive(Debug, Clone)]
struct Machine {
    value: u8,
    /// The value to go back to, the boot it was armed in, when, and how long there is.
    armed: Option<(u8, u8, u64, u64)>,
}

impl Machine {
    fn overdue(&self, (boot, now): (u8, u64)) -> bool {
        self.armed.is_some_and(|(_, armed, since, time)| {
            now.saturating_sub(if boot == armed { since } else { 0 }) >= time
        })
    }

    /// Whoever opens the store enforces what is overdue.
    fn open(&mut self, clock: (u8, u64)) {
        if self.overdue(clock) {
            self.value = self.armed.take().map_or(self.value, |(baseline, ..)| baseline);
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    Commit(u8),
    CommitToConfirm(u8, u64),
    /// It fails: the section is not there.
    FailingCommit,
    Confirm,
    Wait(u64),
    Reboot,
    /// The process ends; another opens the store.
    Reopen,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => any::<u8>().prop_map(Event::Commit),
        3 => (any::<u8>(), 1..60_u64).prop_map(|(value, time)| Event::CommitToConfirm(value, time)),
        1 => Just(Event::FailingCommit),
        2 => Just(Event::Confirm),
        4 => (0..40_u64).prop_map(Event::Wait),
        1 => Just(Event::Reboot),
        2 => Just(Event::Reopen),
    ]
}

fn value(fixture: &Fixture) -> u8 {
    let text = texts(fixture)[0].clone();
    let line = text.lines().find(|line| line.contains("option a ")).expect("there").to_owned();
    line.split('\'').nth(1).expect("quoted").parse().expect("a number")
}

fn commit(store: &Engine, value: u8, confirm: Option<Duration>) {
    let place = store.place(b"network").expect("there");
    let delta = Delta::new(DeltaKind::Set, b"lan", Some(b"a"), Some(value.to_string().as_bytes()));
    store.stage(&place, &[delta]).expect("staged");
    store.commit_together(&[place], Form::Lossless, confirm).expect("committed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn what_is_not_confirmed_in_time_is_taken_back(events in prop::collection::vec(event(), 1..25)) {
        CLOCK.set((1, 1000));
        let fixture = fixture();
        let open = || Engine::new(Options { uptime: fake_clock, ..fixture.options() });
        let mut store = open();
        let mut machine = Machine { value: 0, armed: None };
        for event in &events {
            let (boot, now) = CLOCK.get();
            match event {
                Event::Wait(time) => {
                    CLOCK.set((boot, now + time));
                    continue;
                }
                Event::Reboot => {
                    CLOCK.set((boot + 1, 0));
                    // What was in `/run` is gone.
                    let _ = std::fs::remove_dir_all(fixture.path("run"));
                    store = open();
                }
                Event::Reopen => store = open(),
                Event::Commit(..) | Event::CommitToConfirm(..) | Event::FailingCommit | Event::Confirm => {}
            }
            store.recover().expect("recovered");
            machine.open(CLOCK.get());
            prop_assert_eq!(value(&fixture), machine.value);
            match event {
                // What changes nothing is no commit.
                Event::Commit(new) if *new != machine.value => {
                    commit(&store, *new, None);
                    machine.value = *new;
                }
                Event::CommitToConfirm(new, time) if *new != machine.value => {
                    commit(&store, *new, Some(Duration::from_secs(*time)));
                    let baseline = machine.armed.map_or(machine.value, |(baseline, ..)| baseline);
                    let (boot, now) = CLOCK.get();
                    machine = Machine { value: *new, armed: Some((baseline, boot, now, *time)) };
                }
                Event::FailingCommit => {
                    let mut failing = fixture.options();
                    failing.map_limit = Some(1);
                    failing.uptime = fake_clock;
                    let failing = Engine::new(failing);
                    let place = failing.place(b"network").expect("there");
                    let delta = Delta::new(DeltaKind::Set, b"lan", Some(b"b"), Some(b"longer than a map may be"));
                    failing.stage(&place, &[delta]).expect("staged");
                    let second = Some(Duration::from_secs(1));
                    prop_assert!(failing.commit_together(std::slice::from_ref(&place), Form::Lossless, second).is_err());
                    failing.revert(&place, None, None).expect("dropped");
                }
                Event::Confirm => {
                    let confirmed = store.confirm(None, None);
                    prop_assert_eq!(confirmed.is_ok(), machine.armed.take().is_some());
                }
                _ => {}
            }
            prop_assert_eq!(value(&fixture), machine.value);
            prop_assert_eq!(store.pending().expect("readable").is_some(), machine.armed.is_some());
        }
    }
}

/// W22: dial a plant back to a state known to be good, whatever has happened since.
#[test]
fn a_store_is_dialled_back_to_a_known_good_state() {
    let sandbox = Sandbox::new();
    let good = sandbox.read("network");
    sandbox.ok(&["snapshot", "known-good"]);
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.9.9.9"]);
    sandbox.ok(&["delete", "--commit", "network.@rule[0]"]);
    sandbox.write("network", &sandbox.read("network").replace("# the house", "# another house"));
    sandbox.ok(&["set", "--commit", "-m", "guests", "network.guest=interface", "network.guest.proto=dhcp"]);
    let bad = sandbox.read("network");
    assert!(sandbox.ok(&["history"]).contains("guests"));
    sandbox.ok(&["rollback", "known-good"]);
    assert_eq!(sandbox.read("network"), good);
    sandbox.ok(&["undo"]);
    assert_eq!(sandbox.read("network"), bad, "going back can be taken back");
    let last = sandbox.ok(&["history", "--number", "1", "--json"]);
    assert!(last.contains("\"kind\":\"undo\""), "{last}");
    let steps: Vec<String> =
        (0..6).map(|back| sandbox.ok(&["get", "--at", &format!("-{back}"), "network.lan.ipaddr"])).collect();
    assert_eq!(steps, ["10.9.9.9\n", "10.0.0.1\n", "10.9.9.9\n", "10.9.9.9\n", "10.9.9.9\n", "10.9.9.9\n"]);
    assert_eq!(sandbox.ok(&["get", "--at", "known-good", "network.@rule[0].name"]), "ping\n");
    assert_eq!(sandbox.ok(&["get", "--at", "@{now}", "network.guest.proto"]), "dhcp\n");
    assert!(sandbox.fails(1, &["get", "--at", "never", "network.lan.ipaddr"]).contains("revision never"));
    assert!(sandbox.fails(3, &["get", "--at", "@{some day}", "network.lan.ipaddr"]).contains("10 min ago"));
}

#[test]
fn the_transaction_that_broke_something_is_found() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["snapshot"]);
    for value in ["10.0.0.2", "10.0.0.3", "broken", "10.0.0.5", "10.0.0.6"] {
        sandbox.ok(&["set", "--commit", "-m", value, &format!("network.lan.ipaddr={value}")]);
    }
    // From the third on the file has had the word in it, as far as the test knows.
    sandbox.ok(&["set", "--commit", "network.lan.note=x"]);
    let script = "grep -q \"10.0.0.[123]'\" \"$CMS_CONFIG_DIR/network\"";
    let found = sandbox.ok(&["bisect", "--", "sh", "-c", script]);
    assert!(found.contains(": broken\n") && found.contains("-> 'broken'"), "{found}");
}

/// W18, the part of commit-confirm: whoever locks himself out only has to wait, or to boot.
#[test]
fn a_lock_out_ends_by_itself() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["set", "network.lan.ipaddr=1.2.3.4"]);
    assert!(sandbox.fails(2, &["commit", "--confirm", "soon"]).contains("5min"));
    let said = sandbox.run(&["commit", "--confirm", "4s"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("unless it is confirmed"));
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "1.2.3.4\n");
    assert!(sandbox.ok(&["pending", "--json"]).contains("\"seconds_left\":"));
    assert_eq!(sandbox.run(&["confirm", "--wait"]).status.code(), Some(1), "it was taken back");
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.1\n");
    assert_eq!(sandbox.run(&["pending"]).status.code(), Some(1));
    sandbox.ok(&["set", "network.lan.ipaddr=10.0.0.9"]);
    sandbox.ok(&["commit", "--confirm", "1h"]);
    assert!(sandbox.fails(1, &["confirm", "1"]).contains("transaction 1 does not wait"));
    sandbox.ok(&["confirm"]);
    assert!(sandbox.fails(1, &["confirm"]).contains("waits to be confirmed"));
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.9\n");
}

#[test]
fn a_rollback_that_merges_sets_what_was_and_keeps_what_came() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["snapshot", "before"]);
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.5.5.5", "network.lan.new=kept"]);
    sandbox.ok(&["delete", "--commit", "network.lan.dns", "network.@rule[1]"]);
    sandbox.ok(&["set", "--commit", "network.@rule[0].name=other"]);
    assert!(sandbox.ok(&["-n", "rollback", "--merge", "before"]).contains("network.lan.ipaddr"));
    sandbox.ok(&["rollback", "--merge", "before"]);
    let read = sandbox.ok(&[
        "get",
        "-d",
        ",",
        "network.lan.ipaddr",
        "network.lan.new",
        "network.lan.dns",
        "network.@rule[0].name",
        "network.@rule[1].name",
    ]);
    assert_eq!(read, "10.0.0.1\nkept\na,b c\nping\nssh\n");
    assert!(
        String::from_utf8_lossy(&sandbox.run(&["rollback", "--merge", "before"]).stderr)
            .contains("nothing had to")
    );
    sandbox.ok(&["set", "--commit", "network.lan.ipaddr=10.6.6.6"]);
    sandbox.ok(&["rollback", "--merge", "-1", "network"]);
    assert_eq!(sandbox.ok(&["get", "network.lan.ipaddr"]), "10.0.0.1\n");
}

/// G3: the record that starts a segment carries what waits to be confirmed, and what it goes back to is not dropped.
#[test]
fn a_commit_that_waits_to_be_confirmed_is_taken_back_however_much_is_committed_meanwhile() {
    CLOCK.set((1, 1000));
    let fixture = fixture();
    let limits = Limits { bytes: 256 << 10, ..Limits::default() };
    let open = || {
        let durability = cms::Durability::None;
        Engine::new(Options { uptime: fake_clock, log: limits, durability, ..fixture.options() })
    };
    let store = open();
    commit(&store, 1, None);
    let before = texts(&fixture);
    commit(&store, 2, Some(Duration::from_secs(60)));
    let waiting = store.pending().expect("readable").expect("it waits");
    for round in 0..150 {
        set(&store, &[("network", "lan", "b", &format!("{round} ").repeat(300))]);
    }
    let segments = std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one");
    let segments = std::fs::read_dir(segments.expect("readable").path()).expect("readable").flatten();
    let logs = segments.filter(|file| file.path().extension().is_some_and(|ending| ending == "log")).count();
    assert!(logs > 5, "segments have been begun: {logs}");
    let fresh = open();
    assert_eq!(fresh.pending().expect("readable"), Some(waiting));
    CLOCK.set((1, 1060));
    open().recover().expect("taken back");
    // What others have committed meanwhile to another key stays.
    let stays = before[0].replace("option b '0'", &format!("option b '{}'", "149 ".repeat(300)));
    assert_eq!(texts(&fixture), [stays, before[1].clone()]);
    // Nothing is held any more: the log comes within its bound again.
    let store = open();
    assert_eq!(store.pending().expect("readable"), None);
    for round in 0..60 {
        set(&store, &[("network", "lan", "b", &format!("{round} ").repeat(300))]);
    }
    assert!(store.verify_log().expect("readable").first > waiting.sequence);
}

#[test]
fn a_last_record_that_was_tampered_with_is_found_and_one_that_was_torn_off_by_a_crash_is_no_tampering() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    for value in ["first value", "second value", "third value"] {
        set(&store, &[("network", "lan", "a", value)]);
    }
    let whole = store.verify_log().expect("readable");
    let dir = std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one");
    let path = dir.expect("readable").path().join("00000000000000000001.log");
    let bytes = std::fs::read(&path).expect("readable");
    let verify = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        Engine::new(fixture.options()).verify_log().expect("readable")
    };
    let at = bytes.windows(11).position(|window| window == b"third value").expect("it is in there");
    let mut changed = bytes.clone();
    changed[at] = b'T';
    // The mark that its text is in place tells that it was whole once.
    let found = verify(&changed);
    assert_eq!((found.problems.len(), found.last), (1, whole.last - 1), "{found:?}");
    let told = format!("what came after transaction {} is lost", whole.last - 1);
    assert!(found.problems[0].contains(&told), "{found:?}");
    // One that is taken out with its mark looks like one that a crash has torn off. The chain tells, to who has kept
    // it.
    let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
    let next = |at: &usize| Some((at + 24 + length(*at)).next_multiple_of(8)).filter(|at| length(*at) > 0);
    let last = std::iter::successors(Some(56), next).last().expect("there are some");
    assert!(last < at);
    let mut taken_out = bytes.clone();
    taken_out[last..].fill(0);
    let found = verify(&taken_out);
    assert_eq!((found.problems, found.last), (Vec::new(), whole.last - 1));
    assert_ne!(found.chain, whole.chain);
    assert_eq!(verify(&bytes), whole);
}

#[test]
fn what_is_behind_a_damaged_record_is_not_written_over() {
    let fixture = fixture();
    for value in ["first value", "second value", "third value"] {
        set(&Engine::new(fixture.options()), &[("network", "lan", "a", value)]);
    }
    let dir = std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one");
    let path = dir.expect("readable").path().join("00000000000000000001.log");
    let mut bytes = std::fs::read(&path).expect("readable");
    let at = bytes.windows(12).position(|window| window == b"second value").expect("it is in there");
    bytes[at] = b'S';
    std::fs::write(&path, &bytes).expect("written");
    let store = Engine::new(fixture.options());
    set(&store, &[("network", "lan", "a", "fourth value")]);
    assert_eq!(std::fs::read(&path).expect("readable"), bytes, "it is there for someone to look at");
    let found = store.verify_log().expect("readable");
    assert_eq!(found.problems.len(), 1, "{found:?}");
    let newest = store.history(None, 2).expect("readable");
    let kinds: Vec<_> = newest.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Commit, Kind::Commit], "what is intact behind the damage is known");
    assert!(fixture.text("network").contains("fourth value"));
}
