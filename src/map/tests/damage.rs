//! Maps that are damaged, in every way there is, and maps that are odd but sound.

use super::*;

#[test]
fn a_generated_name_that_another_section_was_given_leads_to_that_one_and_both_are_shown() {
    let text =
        "config a 'cfg02b606'\n\toption x '1'\nconfig a\n\toption x '2'\n\toption y '3'\nconfig b 'c'\n";
    let mut package = document(text);
    assert!(package.sections().take(2).all(|section| section.name() == b"cfg02b606"));
    let map = roomy(&package, 1);
    assert_eq!(map.check(), Ok(()));
    let view = view::Package::of(&map, None);
    assert_eq!(get(&map, "p.cfg02b606.x"), Some(Value::String(b"1")));
    assert_eq!(get(&map, "p.cfg02b606.y"), None);
    let x = |section: view::Section<'_>| section.get(b"x").map(|value| value.items().count());
    assert_eq!(view.sections().map(x).collect::<Vec<_>>(), [Some(1), Some(1), None]);
    let second = view.section_of_type(b"a", 1).expect("there");
    assert_eq!(second.get(b"x"), Some(Value::String(b"2")));
    assert!(second.is_anonymous() && second.options().count() == 2);
    // The first may change; if more does, the map is made anew, since names cannot tell the two apart.
    change(&mut package, crate::DeltaKind::Set, "cfg02b606", Some("x"), Some("4"));
    assert_eq!(apply(&map, &package, 2), Outcome::Done);
    assert_eq!((get(&map, "p.cfg02b606.x"), map.check()), (Some(Value::String(b"4")), Ok(())));
    change(&mut package, crate::DeltaKind::Delete, "c", None, None);
    assert_eq!(apply(&map, &package, 3), Outcome::Full);
    change(&mut package, crate::DeltaKind::Delete, "cfg02b606", None, None);
    assert_eq!(apply(&map, &package, 3), Outcome::Full);
    assert_eq!(map_of(&package).check(), Ok(()));
}
