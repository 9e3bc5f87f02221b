//! Compares history, undo and rollback with a plain list of all earlier states.

mod confirm;
mod earlier_logs;
mod tampering;

use cms::log::{Kind, What};
use cms::{Archive, Delta, DeltaKind, Engine, Error, Form, Key};
use proptest::prelude::*;

use crate::support::fixture::Fixture;
use crate::support::sandbox::Sandbox;

const PACKAGES: [&str; 2] = ["network", "system"];

fn fixture() -> Fixture {
    let network = "# the house\nconfig interface 'lan'\n\toption a '0' # kept\n\toption b '0'\n\nconfig interface 'wan'\n\toption a '0'\n";
    let system = "config system 'lan'\n\toption a '0'\n";
    Fixture::in_memory(&[("network", network), ("system", system)])
}

fn texts(fixture: &Fixture) -> [String; 2] {
    PACKAGES.map(|name| std::fs::read_to_string(fixture.path("config").join(name)).expect("readable"))
}

/// Commits changes of several packages as one transaction.
fn set(store: &Engine, changes: &[(&str, &str, &str, &str)]) {
    let places = PACKAGES.map(|name| store.packages().find(name.as_bytes()).expect("there"));
    for (package, section, option, value) in changes {
        let place = places.iter().find(|place| place.name == *package).expect("one of them");
        let delta =
            Delta::new(DeltaKind::Set, section.as_bytes(), Some(option.as_bytes()), Some(value.as_bytes()));
        store.staging().stage(place, &[delta]).expect("staged");
    }
    store.commit_together(&places, Form::Lossless, None).expect("committed");
}

#[derive(Debug, Clone)]
enum Step {
    /// Sets one option in each of the packages, which are given by number.
    Commit(Vec<(usize, u8, u8)>),
    /// Writes a comment and perhaps a value with an editor.
    Edit(usize, u8),
    /// Undoes the transaction that is so many before the last.
    Undo(usize),
    /// Rolls so many transactions back.
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
            store.history().note_edits().expect("noted");
        }
        Step::Undo(back) => {
            let last = store.history().revision().expect("there is a log");
            match store.history().undo(last.saturating_sub(*back as u64), None) {
                Ok(_) => {}
                Err(Error::Conflict { .. } | Error::NotPossible { .. } | Error::Missing(_)) => {
                    assert_eq!(texts(fixture), before, "what is refused changes nothing");
                }
                Err(error) => panic!("{error}"),
            }
        }
        Step::Rollback(back) => {
            let last = store.history().revision().expect("there is a log");
            let target = last.saturating_sub(*back as u64).max(2);
            store.history().rollback(target, &[], None).expect("it is not too far back");
        }
    }
}

/// Compares the log of a store with all earlier states, each with its revision.
fn check(store: &Engine, states: &[(u64, [String; 2])]) {
    for (revision, state) in states {
        for (name, text) in PACKAGES.iter().zip(state) {
            let found = store.history().text_at(name, *revision).expect("kept").expect("there was one");
            assert_eq!(&String::from_utf8_lossy(&found), text, "{name} at {revision}");
        }
    }
    // Each key's history leads from value to value without a gap.
    let key = Key::parse(b"network.lan.a").expect("a key");
    let mut values = Vec::new();
    for record in store.history().changes(Some(&key), usize::MAX).expect("readable") {
        for change in record.packages.iter().flat_map(|package| &package.changes) {
            if let (What::Changed { old, new }, Some(_)) = (&change.what, &change.option) {
                values.push((new.clone(), old.clone()));
            }
        }
    }
    assert!(values.windows(2).all(|pair| pair[0].1 == pair[1].0), "{values:?}");
    let lines: String = store
        .history()
        .blame("network")
        .expect("readable")
        .iter()
        .map(|line| String::from_utf8_lossy(&line.text).into_owned() + "\n")
        .collect();
    assert_eq!(lines, states.last().expect("there are some").1[0]);
    assert_eq!(store.audit().check_log().expect("readable").problems, Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn every_state_there_was_can_be_had_again(steps in prop::collection::vec(step(), 1..14)) {
        let fixture = fixture();
        let store = Engine::new(fixture.options());
        store.history().note_edits().expect("noted");
        let mut states = vec![(store.history().revision().expect("there is a log"), texts(&fixture))];
        for step in &steps {
            take(&store, &fixture, step);
            states.push((store.history().revision().expect("there is a log"), texts(&fixture)));
        }
        check(&store, &states);
        // The same for a store that is opened again.
        check(&Engine::new(fixture.options()), &states);
    }
}

#[test]
fn undo_leaves_later_changes_and_is_refused_where_they_are_in_the_way() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    set(&store, &[("network", "lan", "a", "1"), ("system", "lan", "a", "1")]);
    let first = store.history().revision().expect("there is a log");
    set(&store, &[("network", "wan", "a", "2")]);
    let undone = store.history().undo(first, Some("a mistake")).expect("nothing is in the way");
    let [network, system] = texts(&fixture);
    assert!(network.contains("option a '0' # kept") && network.contains("option a '2'"), "{network}");
    assert!(system.contains("option a '0'"), "{system}");
    let record = store.history().transaction(undone).expect("kept");
    assert_eq!((record.kind, record.refers, record.message.as_str()), (Kind::Undo, first, "a mistake"));
    // An undo can be undone.
    store.history().undo(undone, None).expect("nothing is in the way");
    assert!(texts(&fixture)[0].contains("option a '1' # kept"));

    set(&store, &[("network", "lan", "a", "3")]);
    let before = texts(&fixture);
    let refused = store.history().undo(first, None).expect_err("it was changed since").to_string();
    assert!(refused.contains("network.lan.a") && refused.contains("changed since"), "{refused}");
    assert_eq!(texts(&fixture), before);
}

#[test]
fn a_change_by_hand_is_told_with_what_was_there_before() {
    let fixture = fixture();
    Engine::new(fixture.options()).history().note_edits().expect("noted");
    let edited =
        texts(&fixture)[0].replace("option a '0' # kept", "option a '7' # changed").replace('#', "##");
    fixture.write("network", &edited);
    let store = Engine::new(fixture.options());
    set(&store, &[("network", "lan", "b", "9")]);
    let records = store.history().changes(None, 2).expect("readable");
    let kinds: Vec<Kind> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Commit, Kind::FileEdit]);
    assert_eq!(records[1].source, "file-edit");
    let [change] = &records[1].packages[0].changes[..] else { panic!("{records:?}") };
    assert_eq!(change.key("network"), b"network.lan.a");
    // A comment alone is a change of the text, and of no key.
    fixture.write("network", &(texts(&fixture)[0].clone() + "# at the end\n"));
    store.history().note_edits().expect("noted");
    let last = store.history().changes(None, 1).expect("readable").remove(0);
    assert_eq!((last.kind, last.packages[0].changes.len()), (Kind::FileEdit, 0));
    assert!(
        !store
            .history()
            .text_at("network", last.sequence - 1)
            .expect("kept")
            .expect("there")
            .ends_with(b"end\n")
    );
    assert_eq!(last.sequence, store.history().revision().expect("there is a log"));
    store.history().note_edits().expect("noted");
    assert_eq!(last.sequence, store.history().revision().expect("there is a log"), "nothing is noted twice");
}

#[test]
fn without_a_place_for_the_log_commits_work_and_say_nothing_of_history() {
    let fixture = fixture();
    std::fs::write(fixture.path("state"), "a file").expect("written");
    let mut dirs = fixture.dirs();
    dirs.state = None;
    let store = Engine::new(fixture.options().dirs(dirs));
    set(&store, &[("network", "lan", "a", "1")]);
    assert!(texts(&fixture)[0].contains("option a '1'"));
    assert!(matches!(store.history().changes(None, 1), Err(Error::Missing(cms::Missing::Log))));
}

#[test]
fn a_snapshot_brings_back_exactly_what_was_and_refuses_what_was_changed() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    let before = texts(&fixture);
    let info = store.archives().label("good").expect("kept");
    assert!(matches!(store.archives().label("good"), Err(Error::Exists { .. })));
    for wrong in ["", ".hidden", "a/b", "a b"] {
        assert!(matches!(store.archives().label(wrong), Err(Error::Invalid { .. })), "{wrong}");
    }
    set(&store, &[("network", "lan", "a", "5"), ("network", "lan", "new", "1"), ("system", "lan", "a", "5")]);
    fixture.write("later", "config x 'y'\n");
    let after = texts(&fixture);
    let archive = store.archives().labelled("good").expect("as it was written");
    let sequence =
        store.archives().restore(&archive, None).expect("restored").expect("something had to change");
    assert_eq!(texts(&fixture), before);
    assert!(!fixture.path("config/later").exists(), "the snapshot had no such package");
    assert_eq!(store.archives().restore(&archive, None).expect("restored"), None, "nothing has to change");
    store.history().undo(sequence, None).expect("nothing is in the way");
    assert_eq!(texts(&fixture), after);
    assert_eq!(fixture.text("later"), "config x 'y'\n");

    std::fs::write(info.path.parent().expect("a directory").join("notes.txt"), "mine").expect("written");
    let (automatic, labelled): (Vec<_>, Vec<_>) =
        store.archives().labels().expect("readable").into_iter().partition(cms::ArchiveInfo::is_automatic);
    assert_eq!(labelled, std::slice::from_ref(&info));
    // The state before the restore, with the changes by hand.
    let [before] = &automatic[..] else { panic!("{automatic:?}") };
    assert_eq!(before.label, format!("@{}-before", before.revision));
    assert_eq!(
        store.history().text_at("later", before.revision).expect("kept").expect("there"),
        b"config x 'y'\n"
    );
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
    let store = Engine::new(fixture.options().log_size(256 << 10));
    store.archives().label("at-first").expect("kept");
    let before = texts(&fixture);
    // A change of a line of one kilobyte makes a record of four.
    for round in 0..120 {
        let value = format!("{round} ").repeat(300);
        set(&store, &[("network", "lan", "a", &value)]);
    }
    let old = store.history().text_at("network", 3).expect_err("it is not kept").to_string();
    assert!(old.contains("does not go back"), "{old}");
    let dir =
        std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one").expect("readable");
    let log =
        |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "log");
    let entries = std::fs::read_dir(dir.path()).expect("readable").map(|entry| entry.expect("readable"));
    let size: u64 = entries.filter(log).map(|entry| entry.metadata().expect("readable").len()).sum();
    assert!(size <= (256 << 10) + 2 * (64 << 10), "{size}");
    assert_eq!(store.audit().check_log().expect("readable").problems, Vec::<String>::new());
    // Snapshots are not dropped.
    store.archives().restore(&store.archives().labelled("at-first").expect("kept"), None).expect("restored");
    assert_eq!(texts(&fixture), before);
    // The texts that are needed to compare changes by hand are not dropped either.
    fixture.write("network", &before[0].replace("option b '0'", "option b 'x'"));
    store.history().note_edits().expect("noted");
    let last = store.history().changes(None, 1).expect("readable").remove(0);
    assert_eq!(
        (last.kind, last.packages[0].unknown, last.packages[0].changes.len()),
        (Kind::FileEdit, false, 1)
    );
}

/// W22: roll a plant back to a known good state, whatever has changed since.
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
    // From the third transaction on the file had the word, as the test requires.
    sandbox.ok(&["set", "--commit", "network.lan.note=x"]);
    let script = "grep -q \"10.0.0.[123]'\" \"$CMS_CONFIG_DIR/network\"";
    let found = sandbox.ok(&["bisect", "--", "sh", "-c", script]);
    assert!(found.contains(": broken\n") && found.contains("-> 'broken'"), "{found}");
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
