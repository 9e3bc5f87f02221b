//! Logs that were damaged or forged, and their repair.

use cms::Engine;
use cms::log::Kind;

use super::{fixture, set, texts};

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
    let found = Engine::new(fixture.options()).audit().check_log().expect("readable");
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
    let repaired = store.audit().repair().expect("there is a good text");
    assert_eq!((repaired.packages.len(), repaired.problems.len()), (1, 0));
    assert_eq!(texts(&fixture), good);
    let dir =
        std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one").expect("readable");
    std::fs::write(dir.path().join("00000000000000000001.log"), "random bytes").expect("written");
    let fresh = Engine::new(fixture.options());
    fresh.history().note_edits().expect("it goes on in a new segment");
    assert!(!fresh.audit().log_problems().is_empty(), "and says what it could not read");
    assert!(!fresh.audit().repair().expect("set aside").problems.is_empty());
    set(&fresh, &[("network", "lan", "a", "2")]);
    assert_eq!(fresh.audit().check_log().expect("readable").problems, Vec::<String>::new());
    assert!(dir.path().join("00000000000000000001-0.damaged").exists(), "nothing is thrown away");
}

#[test]
fn a_last_record_that_was_tampered_with_is_found_and_one_that_was_torn_off_by_a_crash_is_no_tampering() {
    let fixture = fixture();
    let store = Engine::new(fixture.options());
    for value in ["first value", "second value", "third value"] {
        set(&store, &[("network", "lan", "a", value)]);
    }
    let whole = store.audit().check_log().expect("readable");
    let dir = std::fs::read_dir(fixture.path("state")).expect("readable").next().expect("one");
    let path = dir.expect("readable").path().join("00000000000000000001.log");
    let bytes = std::fs::read(&path).expect("readable");
    let verify = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        Engine::new(fixture.options()).audit().check_log().expect("readable")
    };
    let at = bytes.windows(11).position(|window| window == b"third value").expect("it is in there");
    let mut changed = bytes.clone();
    changed[at] = b'T';
    // Its mark shows that the record was complete once.
    let found = verify(&changed);
    assert_eq!((found.problems.len(), found.last), (1, whole.last - 1), "{found:?}");
    let told = format!("any transactions after {} are lost", whole.last - 1);
    assert!(found.problems[0].contains(&told), "{found:?}");
    // A record that is removed with its mark looks as if a crash had cut it off. A user who has kept the chain can
    // detect that.
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
    let found = store.audit().check_log().expect("readable");
    assert_eq!(found.problems.len(), 1, "{found:?}");
    let newest = store.history().changes(None, 2).expect("readable");
    let kinds: Vec<_> = newest.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Commit, Kind::Commit], "what is intact behind the damage is known");
    assert!(fixture.text("network").contains("fourth value"));
}
