//! Indexes of columns: at each commit they find just what reading all sections finds, in the same order.

use super::*;
use crate::DeltaKind::{AddList, Delete, Rename, Reorder, Set};
use crate::map::layout::columns::Columns;
use crate::map::layout::format::COMMON_ABOVE;
use crate::map::read::rows::Lookup;
use crate::model::package::Touched;

/// The columns that maps of tests have an index of: options of the types that tests use.
pub fn of_tests() -> Columns {
    let columns =
        ["a x", "a l", "b y", "t0 o1", "t0 o3", "t0 o53", "t1 o3", "t2 o7", "row id", "row tags", "none x"];
    let pair = |text: &str| {
        let (kind, option) = text.split_once(' ').expect("two words");
        (kind.into(), option.into())
    };
    Columns::new(columns.into_iter().map(pair).collect())
}

/// Checks that the indexes find just what reading all sections finds.
pub fn agree(map: &Map, seq: Option<Seq>) {
    let package = MapPackage::of(map, seq);
    for (kind, option) in map.indexed_columns() {
        let values = package.sections_of_type(kind).filter_map(|section| section.get(option));
        let mut values: Vec<&[u8]> = values.flat_map(|value| value.items()).collect();
        values.push(b"no section has this");
        values.sort_unstable();
        values.dedup();
        for value in values {
            let names =
                |rows: crate::map::MapRows<'_, '_>| rows.map(|row| row.name().to_vec()).collect::<Vec<_>>();
            let found = names(package.sections_with(kind, option, value));
            let shown = [kind, option, value].map(String::from_utf8_lossy);
            assert_eq!(found, names(package.scan(kind, option, value)), "{shown:?} as of {seq:?}");
        }
    }
}

/// A map of rows with an index of `id` and `tags`.
fn rows(text: &str, slack: Slack) -> Map {
    let making = Making { seed: 7, base: Seq(1), source: Source::fixed(), slack, columns: &of_tests() };
    Map::private(&build(b"p", &document(text), &making).expect("a map")).expect("a good one")
}

fn ids(map: &Map, seq: Option<Seq>, option: &str, value: &str) -> Vec<String> {
    let package = MapPackage::of(map, seq);
    assert_eq!(package.lookup(b"row", option.as_bytes(), value.as_bytes()), Lookup::Index, "{value}");
    let rows = package.sections_with(b"row", option.as_bytes(), value.as_bytes());
    rows.map(|row| String::from_utf8_lossy(row.name()).into_owned()).collect()
}

const ROOMY: Slack = Slack { share: 1, least: 1 << 16 };

#[test]
fn snapshots_find_rows_by_the_values_of_their_commit() {
    let text = "config row 'a'\n\toption id '1'\n\tlist tags 'x'\n\tlist tags 'y'\nconfig other 'b'\n\toption id '1'\n\
                config row 'c'\n\toption id '2'\n\toption tags 'x'\nconfig row 'd'\n";
    let map = rows(text, ROOMY);
    assert_eq!(map.check(), Ok(()));
    assert_eq!(
        (ids(&map, None, "id", "1"), ids(&map, None, "tags", "x")),
        (vec!["a".into()], vec!["a".into(), "c".into()])
    );
    let mut package = document(text);
    change(&mut package, Set, "c", Some("id"), Some("1"));
    change(&mut package, Set, "d", Some("tags"), Some("x"));
    change(&mut package, Delete, "a", Some("tags"), None);
    assert!(matches!(package.touched(), Touched::Options(_)));
    assert_eq!(apply(&map, &package, 2), PublishOutcome::Done);
    assert_eq!(map.check(), Ok(()));
    assert_eq!(ids(&map, None, "id", "1"), ["a", "c"]);
    assert_eq!(ids(&map, Some(Seq(1)), "id", "1"), ["a"]);
    assert_eq!(ids(&map, None, "tags", "x"), ["c", "d"]);
    assert_eq!(ids(&map, None, "id", "2"), [""; 0]);
    assert_eq!(ids(&map, Some(Seq(1)), "id", "2"), ["c"]);
    // Rows that are moved, deleted and renamed.
    let mut package = document(&String::from_utf8(crate::format::uci::print(&package, false)).expect("text"));
    change(&mut package, Reorder, "d", None, Some("0"));
    change(&mut package, Rename, "a", None, Some("z"));
    change(&mut package, AddList, "z", Some("tags"), Some("x"));
    let package = document(&String::from_utf8(crate::format::uci::print(&package, false)).expect("text"));
    map.mark(true, Seq(3));
    assert_eq!(
        map.publish(&package, &Touched::Everything, Seq(3)).expect("can be held"),
        PublishOutcome::Done
    );
    map.mark(false, Seq(3));
    assert_eq!(map.check(), Ok(()));
    assert_eq!(ids(&map, None, "tags", "x"), ["d", "z", "c"]);
    assert_eq!(ids(&map, Some(Seq(2)), "tags", "x"), ["c", "d"]);
    for seq in [None, Some(Seq(1)), Some(Seq(2))] {
        agree(&map, seq);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn an_index_grows_until_the_map_is_made_anew_and_values_of_very_many_rows_are_left_out() {
    let many = COMMON_ABOVE + 2;
    let text: String = (0..many)
        .map(|id| format!("config row 'r{id}'\n\toption id '{id}'\n\toption tags 'same'\n"))
        .collect();
    let map = rows(&text, ROOMY);
    assert_eq!(map.check(), Ok(()));
    assert_eq!(ids(&map, None, "id", "77"), ["r77"]);
    let package = MapPackage::of(&map, None);
    assert_eq!(package.lookup(b"row", b"tags", b"same"), Lookup::Common);
    assert_eq!(package.sections_with(b"row", b"tags", b"same").count(), many);
    assert_eq!(package.lookup(b"row", b"tags", b"other"), Lookup::Index);
    assert_eq!(package.lookup(b"row", b"none", b"other"), Lookup::Scan);
    assert_eq!(package.lookup(b"other", b"id", b"77"), Lookup::Scan);
    let mut changed = document(&text);
    change(&mut changed, Set, "r5", Some("tags"), Some("rare"));
    assert_eq!(apply(&map, &changed, 2), PublishOutcome::Done);
    assert_eq!(ids(&map, None, "tags", "rare"), ["r5"]);
    assert_eq!(MapPackage::of(&map, None).sections_with(b"row", b"tags", b"same").count(), many - 1);
    assert_eq!(MapPackage::of(&map, Some(Seq(1))).sections_with(b"row", b"tags", b"same").count(), many);
    assert_eq!(map.check(), Ok(()));
    // An index that was made for no rows has one part, which becomes too crowded.
    let empty: String = (0..2000).map(|id| format!("config row 'r{id}'\n")).collect();
    let map = rows(&empty, ROOMY);
    let mut package = document(&empty);
    let mut outcome = PublishOutcome::Done;
    let mut seq = 1;
    while outcome == PublishOutcome::Done {
        assert!(seq < 20, "the part is never too crowded");
        for id in (seq - 1) * 50..seq * 50 {
            change(&mut package, Set, &format!("r{id}"), Some("id"), Some(&format!("i{id}")));
        }
        seq += 1;
        outcome = apply(&map, &package, seq);
        agree(&map, None);
    }
    assert!(seq > 3, "{seq}");
}

#[test]
fn a_map_with_a_section_that_its_name_does_not_lead_to_has_no_index() {
    let twin = "config row 'cfg02c8b4'\n\toption id '1'\nconfig row\n\toption id '1'\n";
    let generated = document(twin).sections().nth(1).map(|section| section.name().to_vec()).expect("two");
    let text = twin.replace("cfg02c8b4", std::str::from_utf8(&generated).expect("a name"));
    let map = rows(&text, ROOMY);
    assert_eq!(map.check(), Ok(()));
    assert!(map.indexed_columns().is_empty());
    assert_eq!(MapPackage::of(&map, None).sections_with(b"row", b"id", b"1").count(), 2);
    assert_ne!(map.source().expect("a source").columns, 0);
}

#[test]
fn other_columns_have_another_digest() {
    let of = |columns: &[(&str, &str)]| {
        let pair = |(kind, option): &(&str, &str)| (kind.as_bytes().to_vec(), option.as_bytes().to_vec());
        Columns::new(columns.iter().map(pair).collect()).digest()
    };
    assert_eq!(of(&[]), 0);
    assert_eq!(of(&[("a", "x"), ("b", "y")]), of(&[("b", "y"), ("a", "x"), ("a", "x")]));
    let all = [of(&[("a", "x")]), of(&[("a", "y")]), of(&[("b", "x")]), of(&[("a", "x"), ("a", "y")]), 0];
    for (at, one) in all.iter().enumerate() {
        assert!(all.iter().skip(at + 1).all(|other| other != one), "{all:?}");
    }
}
