//! Random histories of a package: after each commit the map has the same content as a new map of the same text, and
//! snapshots still show all earlier commits.

use proptest::prelude::*;

use super::*;
use crate::DeltaKind;
use crate::model::package::Touched;

const SECTIONS: usize = 4;
const OPTIONS: usize = 140;

/// One commit.
#[derive(Debug, Clone)]
enum Step {
    /// Saves another text: for each section the name, the type, the number of options and their values.
    Edit(Vec<(usize, usize, usize, usize)>),
    /// A transaction.
    Change(Vec<(DeltaKind, usize, Option<usize>, usize)>),
}

fn text_of(sections: &[(usize, usize, usize, usize)]) -> String {
    let mut text = String::new();
    let mut named = Vec::new();
    for (name, section_type, options, salt) in sections {
        if named.contains(name) {
            continue;
        }
        named.push(*name);
        text += &format!("config t{section_type} 's{name}'\n");
        for option in 0..*options {
            // Few values differ from one text to the next, so that most parts of a section stay unchanged.
            let value = if option % 50 == 3 { *salt } else { 0 };
            text += &format!("\toption o{option} '{value}'\n");
        }
    }
    text
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use DeltaKind::{Add, AddList, Delete, Rename, Reorder, Set};
    let size = prop_oneof![Just(0_usize), Just(3), Just(63), Just(65), Just(100), Just(139)];
    let section = (0..SECTIONS, 0..2_usize, size, 0..3_usize);
    let kind = prop_oneof![
        4 => Just(Set), 1 => Just(Add), 2 => Just(AddList), 3 => Just(Delete), 1 => Just(Rename), 1 => Just(Reorder)
    ];
    let change =
        (kind, 0..SECTIONS, prop_oneof![1 => Just(None), 3 => (0..OPTIONS).prop_map(Some)], 0..4_usize);
    let step = prop_oneof![
        prop::collection::vec(section, 0..4).prop_map(Step::Edit),
        prop::collection::vec(change, 1..5).prop_map(Step::Change),
    ];
    prop::collection::vec(step, 1..10)
}

/// Makes the change if it is possible.
fn apply_change(document: &mut Package, change: &(DeltaKind, usize, Option<usize>, usize)) {
    let (kind, section, option, value) = change;
    if *kind == DeltaKind::Add {
        document.add_section(format!("t{value}").as_bytes()).expect("added");
        return;
    }
    let section = format!("s{section}");
    let option = option.map(|option| format!("o{option}"));
    let value = match (kind, &option) {
        (DeltaKind::Rename, Some(_)) => format!("o{}", value * 40),
        (DeltaKind::Rename, None) => format!("s{value}"),
        (DeltaKind::Set, None) => format!("t{value}"),
        _ => value.to_string(),
    };
    let option = option.filter(|_| *kind != DeltaKind::Reorder);
    if *kind == DeltaKind::AddList && option.is_none() {
        return;
    }
    let delta = crate::Delta::new(
        *kind,
        section.as_bytes(),
        option.as_deref().map(str::as_bytes),
        Some(value.as_bytes()),
    );
    // A delta that cannot be applied changes nothing.
    let _ = document.apply(&delta, crate::format::uci::Dialect::Cms);
}

/// Returns all content, and for each possible key whether it exists.
fn everything(map: &Map, seq: Option<Seq>) -> Vec<String> {
    let mut out = dump(map, seq);
    for section in 0..SECTIONS {
        for option in 0..OPTIONS {
            let key = format!("p.s{section}.o{option}");
            let path = KeyPath::split(key.as_bytes(), map.seed).expect("a key");
            if let Some(value) = map.get(&path, seq) {
                out.push(format!("{key}={:?}", value.items().map(<[u8]>::to_vec).collect::<Vec<_>>()));
            }
        }
    }
    let view = MapPackage::of(map, seq);
    for section_type in ["t0", "t1", "t2", "t3"] {
        for section in view.sections_of_type(section_type.as_bytes()) {
            out.push(format!("{section_type}: {}", String::from_utf8_lossy(section.name())));
        }
    }
    out
}

fn print(document: &Package) -> String {
    String::from_utf8(crate::format::uci::print(document, false)).expect("text")
}

fn same(got: &[String], expected: &[String], when: &str) {
    let missing: Vec<_> = expected.iter().filter(|line| !got.contains(line)).take(5).collect();
    let added: Vec<_> = got.iter().filter(|line| !expected.contains(line)).take(5).collect();
    assert!(got == expected, "{when}: missing {missing:?}, added {added:?}");
}

fn check_history(steps: &[Step]) {
    let mut text = text_of(&[(0, 0, 100, 0), (1, 1, 3, 0)]);
    let mut map = roomy(&document(&text), 1);
    let mut states = vec![(1, everything(&map, None))];
    for (seq, step) in (2..).zip(steps) {
        let mut now = document(&text);
        map.mark(true, Seq(seq));
        let outcome = match step {
            Step::Edit(sections) => {
                now = document(&text_of(sections));
                map.publish(&now, &Touched::Everything, Seq(seq)).expect("can be held")
            }
            Step::Change(changes) => {
                changes.iter().for_each(|change| apply_change(&mut now, change));
                if *now.touched() == Touched::Everything {
                    // As in a commit, the generated names are those of the new text.
                    now = document(&print(&now));
                    map.publish(&now, &Touched::Everything, Seq(seq)).expect("can be held")
                } else {
                    apply(&map, &now, seq)
                }
            }
        };
        map.mark(false, Seq(seq));
        if outcome == PublishOutcome::Full {
            map = roomy(&now, 1);
            states.clear();
        }
        let expected = everything(&roomy(&now, 1), None);
        same(&everything(&map, None), &expected, &format!("after {step:?}"));
        states.push((if outcome == PublishOutcome::Full { 1 } else { seq }, expected));
        for (seq, state) in &states {
            same(&everything(&map, Some(Seq(*seq))), state, &format!("as of {seq}"));
        }
        assert_eq!(map.check(), Ok(()));
        text = print(&now);
    }
}

/// `make soak` runs more cases.
fn cases() -> u32 {
    match std::env::var_os("CMS_EXHAUSTIVE") {
        Some(_) => 20_000,
        None => 30,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(), failure_persistence: None, ..ProptestConfig::default()
    })]
    #[test]
    #[cfg_attr(miri, ignore = "takes too long; `random` and `damage` do the same with less")]
    fn random_histories_lead_to_the_maps_of_their_texts(steps in steps()) {
        check_history(&steps);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes too long; `random` and `damage` do the same with less")]
fn a_large_section_that_comes_back_as_it_was_is_found() {
    let large = Step::Edit(vec![(2, 0, 100, 0)]);
    let gone = Step::Edit(vec![(1, 0, 3, 0)]);
    let small = Step::Edit(vec![(2, 0, 3, 1)]);
    check_history(&[large.clone(), gone, large.clone()]);
    check_history(&[large.clone(), small, large]);
}

#[test]
#[cfg_attr(miri, ignore = "takes too long; `random` and `damage` do the same with less")]
fn options_added_to_a_large_section_stand_in_their_order_whatever_part_they_are_in() {
    use DeltaKind::{AddList, Delete, Set};
    let large = Step::Edit(vec![(0, 0, 100, 0)]);
    let added = [110, 101, 105, 139, 120].map(|option| (Set, 0, Some(option), 1));
    let again = [(Delete, 0, Some(7), 0), (AddList, 0, Some(130), 0), (Set, 0, Some(7), 0)];
    check_history(&[large, Step::Change(added.into()), Step::Change(again.into())]);
}
