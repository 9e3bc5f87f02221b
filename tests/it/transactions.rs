//! Concurrent transactions: which changes conflict and which do not, and the facts that a transaction reports.

use std::collections::BTreeMap;

use cms::log::Content;
use cms::{Error, MAX_OPEN, Store, Transaction};
use proptest::prelude::*;

use crate::support::fixture::{Fixture, get};

fn fixture() -> Fixture {
    let network = "config interface 'lan'\n\toption a '0'\n\toption b '0'\n\tlist l 'x'\n\nconfig rule 'r'\n\toption a '0'\n";
    Fixture::new(&[("network", network), ("system", "config system 's'\n\toption a '0'\n")])
}

fn begin(live: &Store) -> Transaction {
    live.begin().expect("few are open")
}

fn conflict(result: cms::Result<u64>) -> (String, String) {
    match result {
        Err(Error::Conflict { key, why }) => (key, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn changes_of_different_keys_go_together_and_of_one_key_are_a_conflict() {
    let fixture = fixture();
    let (live, other) = (fixture.live(), fixture.live());
    let mut first = begin(&live);
    let mut second = begin(&other);
    let mut third = begin(&live);
    first.set(b"network.lan.a", b"first").expect("set");
    second.set(b"network.lan.b", b"second").expect("set");
    third.set(b"network.lan.a", b"third").expect("set");
    third.set(b"system.s.a", b"third").expect("set");
    first.commit().expect("nobody was faster");
    second.commit().expect("it is another key");
    let (key, why) = conflict(third.commit());
    assert_eq!(key, "network.lan.a");
    for part in
        ["it was '0'", "is 'first' now", "(transaction 3 of user ", "rust-pid-", "was to become 'third'"]
    {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("first"));
    assert_eq!(get(&live, "network.lan.b").as_deref(), Some("second"));
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("0"), "nothing of it is made");
}

#[test]
fn what_was_only_read_counts_as_well_and_force_overrides() {
    let fixture = fixture();
    let live = fixture.live();
    let mut reader = begin(&live);
    reader.get(b"network.lan.a").expect("readable");
    reader.set(b"system.s.a", b"1").expect("set");
    let mut forced = begin(&live);
    forced.get(b"network.lan.a").expect("readable");
    forced.set(b"network.lan.a", b"forced").expect("set");
    forced.set_force(true);
    let mut same = begin(&live);
    same.set(b"network.lan.a", b"1").expect("set");
    let mut only = begin(&live);
    only.get(b"network.lan.a").expect("readable");
    let mut writer = begin(&live);
    writer.set(b"network.lan.a", b"1").expect("set");
    writer.commit().expect("nobody was faster");
    assert_eq!(conflict(reader.commit()).0, "network.lan.a");
    same.commit().expect("both want the same");
    only.commit().expect("who only reads is in nobody's way");
    forced.commit().expect("it overrides");
    assert_eq!(get(&live, "network.lan.a").as_deref(), Some("forced"));
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("0"));
}

#[test]
fn lists_grow_together_and_a_section_is_not_deleted_with_what_one_did_not_know() {
    let fixture = fixture();
    let live = fixture.live();
    let (mut one, mut two, mut three) = (begin(&live), begin(&live), begin(&live));
    one.add_list(b"network.lan.l", b"one").expect("added");
    two.add_list(b"network.lan.l", b"two").expect("added");
    three.delete(b"network.lan").expect("deleted");
    one.commit().expect("nobody was faster");
    two.commit().expect("appending goes together");
    assert_eq!(get(&live, "network.lan.l").as_deref(), Some("x one two"));
    let (key, why) = conflict(three.commit());
    assert_eq!(key, "network.lan.l");
    assert!(why.contains("it was ('x')") && why.contains("is ('x' 'one' 'two') now"), "{why}");
}

#[test]
fn a_savepoint_takes_back_what_came_after_it() {
    let fixture = fixture();
    let live = fixture.live();
    let mut transaction = begin(&live);
    transaction.set(b"network.lan.a", b"1").expect("set");
    let first = transaction.savepoint();
    transaction.set(b"network.lan.a", b"2").expect("set");
    transaction.delete(b"network.r").expect("deleted");
    transaction.set(b"system.s.a", b"2").expect("set");
    let second = transaction.savepoint();
    transaction.add_section(b"system", b"more").expect("added");
    assert_eq!(transaction.count(), 5);
    transaction.rollback_to(&second).expect("it is one of its own");
    assert_eq!(transaction.count(), 4);
    transaction.rollback_to(&first).expect("it is one of its own");
    assert_eq!(transaction.get(b"network.lan.a").expect("readable"), Some(Content::String(b"1".to_vec())));
    assert_eq!(transaction.get(b"network.r.a").expect("readable"), Some(Content::String(b"0".to_vec())));
    let changes: Vec<_> = transaction.changes().map(|(package, delta)| delta.key(package)).collect();
    assert_eq!(changes, [b"network.lan.a".to_vec()]);
    assert!(matches!(transaction.rollback_to(&second), Err(Error::NotPossible { .. })), "it was taken back");
    transaction.set_message("kept");
    transaction.commit().expect("committed");
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("0"));
    let last = live.engine().history().changes(None, 1).expect("there is a log").remove(0);
    assert_eq!((last.message.as_str(), last.packages.len()), ("kept", 1));
}

#[test]
fn a_thousand_may_be_open_and_the_next_is_refused() {
    let fixture = fixture();
    let live = fixture.live();
    let mut open: Vec<Transaction> = (0..MAX_OPEN).map(|_| begin(&live)).collect();
    let refused = live.clone().begin().expect_err("there are too many").to_string();
    assert!(refused.contains("1000"), "{refused}");
    let ids: std::collections::BTreeSet<u64> = open.iter().map(Transaction::id).collect();
    assert_eq!(ids.len(), MAX_OPEN);
    drop(open.pop());
    let mut last = begin(&live);
    assert!(last.started() <= std::time::SystemTime::now());
    last.set(b"system.s.a", b"last").expect("set");
    last.commit().expect("committed");
    begin(&live).set(b"system.s.a", b"x").expect("there is room again");
}

#[test]
fn with_auto_commit_each_change_is_durable_and_without_it_none_is_before_the_commit() {
    let fixture = fixture();
    let live = fixture.live();
    let mut transaction = begin(&live);
    transaction.set(b"system.s.a", b"1").expect("set");
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("0"));
    transaction.set_auto_commit(true);
    transaction.set(b"network.lan.a", b"1").expect("set");
    assert_eq!(get(&live, "system.s.a").as_deref(), Some("1"));
    transaction.delete(b"network.r").expect("deleted");
    assert_eq!(get(&live, "network.r.a"), None);
    let before = live.engine().history().revision().expect("there is a log");
    drop(transaction);
    assert_eq!(live.engine().history().revision().expect("there is a log"), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    /// Each transaction reads some keys and writes others. The committed transactions have the same result as if they
    /// had run one after the other, in the order of their commits.
    #[test]
    fn transactions_at_the_same_time_are_as_good_as_one_after_the_other(
        plans in prop::collection::vec(
            (prop::collection::vec(0..4_usize, 0..3), prop::collection::vec((0..4_usize, any::<u8>()), 1..3)), 2..6,
        ),
        order in any::<prop::sample::Index>(),
    ) {
        const KEYS: [&str; 4] = ["network.lan.a", "network.lan.b", "network.r.a", "system.s.a"];
        let fixture = fixture();
        let live = fixture.live();
        let mut model: BTreeMap<&str, String> = KEYS.map(|key| (key, "0".to_owned())).into();
        let start = model.clone();
        let mut open = Vec::new();
        for (reads, writes) in &plans {
            let mut transaction = begin(&live);
            for read in reads {
                transaction.get(KEYS[*read].as_bytes()).expect("readable");
            }
            for (write, value) in writes {
                transaction.set(KEYS[*write].as_bytes(), format!("v{value}").as_bytes()).expect("set");
            }
            open.push((transaction, reads, writes));
        }
        let count = open.len();
        open.rotate_left(order.index(count));
        for (transaction, reads, writes) in open {
            let last: BTreeMap<&str, String> =
                writes.iter().map(|(write, value)| (KEYS[*write], format!("v{value}"))).collect();
            let stale = reads.iter().any(|read| model[KEYS[*read]] != start[KEYS[*read]]);
            let beaten = writes.iter().any(|(write, value)| {
                let now = &model[KEYS[*write]];
                *now != start[KEYS[*write]] && *now != format!("v{value}")
            });
            match transaction.commit() {
                Ok(_) => {
                    prop_assert!(!stale && !beaten);
                    model.extend(last);
                }
                Err(error) => prop_assert!(stale || beaten, "{}", error),
            }
            for key in KEYS {
                prop_assert_eq!(get(&live, key), Some(model[key].clone()));
            }
        }
    }
}
