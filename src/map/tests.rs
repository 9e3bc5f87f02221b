use std::sync::Arc;

use super::layout::columns::Columns;
use super::layout::format::Seq;
use super::layout::region::Region;
use super::layout::source::Source;
use super::layout::value::MapValue;
use super::read::fast::Answer;
use super::read::fast_key::{FastKey, ScannedKey};
#[cfg(not(loom))]
use super::read::lookup::FoundValue;
use super::read::map::Map;
use super::read::path::KeyPath;
use super::read::view::{MapPackage, MapSection};
use super::write::build::{Making, Slack, build};
use super::write::publish::PublishOutcome;
use crate::format::uci::{ParseOptions, parse};
use crate::model::package::Package;

fn document(text: &str) -> Package {
    parse(b"p", Arc::new(text.as_bytes().to_vec()), &ParseOptions::default()).expect("good text").package
}

fn map_of(package: &Package) -> Map {
    let file = tempfile::tempfile().expect("a file");
    let source = Source::of(&file.metadata().expect("metadata"), b"", 0);
    let making = Making { seed: 7, base: Seq(1), source, slack: Slack::NEW, columns: Columns::NONE };
    let image = build(b"p", package, &making).expect("a map");
    Map::new(Region::heap(&image.bytes, image.capacity)).expect("a good one")
}

fn get<'m>(map: &'m Map, key: &str) -> Option<MapValue<'m>> {
    let path = KeyPath::split(key.as_bytes(), map.seed)?;
    same_in_the_fast_way(map, &path, key, None);
    map.get(&path, None)
}

/// A map of a few options.
#[cfg(not(loom))]
pub fn small() -> Map {
    map_of(&document("config a 's'\n\toption x '1'\n\toption y 'a value of some length'\n"))
}

/// Finds a key that is there.
#[cfg(not(loom))]
pub fn found<'m>(map: &'m Map, key: &str) -> FoundValue<'m> {
    let text = std::ffi::CString::new(key).expect("no NUL byte");
    let key =
        ScannedKey::of(text.as_c_str().into()).and_then(|key| FastKey::of(key, map.seed)).expect("plain");
    match map.fast_place(&key, None) {
        Answer::Found(found) => found,
        other => panic!("{other:?}"),
    }
}

/// What the fast way finds.
#[derive(Debug, Hash, PartialEq)]
enum Found {
    Value(Vec<u8>),
    Missing,
    Unknown,
}

fn fast(map: &Map, key: &str, seq: Option<Seq>) -> Found {
    let text = std::ffi::CString::new(key).expect("no NUL byte");
    let scanned = ScannedKey::of(text.as_c_str().into());
    let answer = scanned.and_then(|key| FastKey::of(key, map.seed)).map(|key| map.fast(&key, seq));
    match answer.unwrap_or(Answer::Unknown) {
        Answer::Found(value) => Found::Value(value.to_vec()),
        Answer::Missing(missing) => {
            assert_eq!(missing, key.as_bytes());
            Found::Missing
        }
        Answer::Unknown => Found::Unknown,
    }
}

/// Compares the fast way with the slow one, in a map that is sound.
fn same_in_the_fast_way(map: &Map, path: &KeyPath<'_>, key: &str, seq: Option<Seq>) {
    match (fast(map, key, seq), map.get(path, seq)) {
        (Found::Value(found), value) => assert_eq!(value, Some(MapValue::String(&found)), "{key}"),
        (Found::Missing, value) => assert!(value.is_none() && path.is_valid() && map.has_none(path), "{key}"),
        // A list, a wide record, a deleted option, an older value, a long key or an odd one; or one with the tag of such.
        (Found::Unknown, _) => {}
    }
}

#[test]
fn all_that_is_in_the_text_is_found_in_the_map() {
    let mut text = String::new();
    let sections = if cfg!(miri) { 5 } else { 300 };
    for section in 0..sections {
        text += &format!("config kind{} 's{section}'\n", section % 3);
        // Under Miri the text is small, with one split section, to save time.
        for option in 0..if cfg!(miri) && section == 4 { 70 } else { section % 90 } {
            text += &format!("\toption o{option} 'value {section} {option}'\n");
        }
        text += "\tlist l 'a'\n\tlist l 'b c'\nconfig anon\n\toption x ''\n";
    }
    let package = document(&text);
    let map = map_of(&package);
    let (mut strings, mut unknown) = (0, 0);
    for section in package.sections() {
        for option in section.options() {
            let key = [b"p.", section.name(), b".", option.name()].concat();
            let path = KeyPath::split(&key, 7).expect("a key");
            let got = map.get(&path, None).expect("there");
            let shown = String::from_utf8_lossy(&key);
            assert!(got.items().eq(option.value().items()), "{shown}");
            same_in_the_fast_way(&map, &path, &shown, None);
            let is_string = matches!(got, MapValue::String(_));
            strings += usize::from(is_string);
            unknown += usize::from(is_string && fast(&map, &shown, None) == Found::Unknown);
        }
    }
    assert!(unknown * 20 <= strings, "the slow way has to look for {unknown} of {strings}");
    let view = MapPackage::of(&map, None);
    assert_eq!(view.len(), sections * 2);
    assert!(view.sections().map(|s| s.name()).eq(package.sections().map(|s| s.name())));
    for section_type in ["kind0", "kind1", "kind2", "anon"] {
        let expected = package.sections_of_type(section_type.as_bytes()).map(|s| s.name());
        assert!(view.sections_of_type(section_type.as_bytes()).map(|s| s.name()).eq(expected));
    }
    for (mine, its) in view.sections().zip(package.sections()) {
        assert!(mine.options().map(|(name, _)| name).eq(its.options().map(|o| o.name())));
        assert_eq!(mine.section_type(), its.section_type());
    }
    assert!(get(&map, "p.s5.nothing").is_none());
    assert!(get(&map, "p.nothing.o1").is_none());
}

fn apply(map: &Map, document: &Package, seq: u32) -> PublishOutcome {
    map.mark(true, Seq(seq));
    let outcome = map.publish(document, document.touched(), Seq(seq)).expect("can be held");
    map.mark(false, Seq(seq));
    outcome
}

/// Returns all content of a view.
fn dump(map: &Map, seq: Option<Seq>) -> Vec<String> {
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut out = Vec::new();
    for section in MapPackage::of(map, seq).sections() {
        out.push(format!(
            "{}={} {}",
            show(section.name()),
            show(section.section_type()),
            section.is_anonymous()
        ));
        let mut options = section.options();
        while let Some((name, typed)) = options.next_typed() {
            let (value, value_type) = (typed.value, typed.value_type);
            let items: Vec<String> = value.items().map(show).collect();
            out.push(format!("  {}={items:?} {}", show(name), value_type.name()));
            let key = [b"p.", section.name(), b".", name].concat();
            let path = KeyPath::split(&key, map.seed).expect("a key");
            assert_eq!(map.get(&path, seq), Some(value), "{}", show(&key));
            same_in_the_fast_way(map, &path, &show(&key), seq);
            assert_eq!(map.get_typed(&path, seq), Some(typed), "{}", show(&key));
            assert_eq!(section.get_typed(name), Some(typed));
        }
    }
    columns::agree(map, seq);
    out
}

fn same_as(map: &Map, document: &Package) {
    assert_eq!(dump(map, None), dump(&map_of(document), None));
}

fn change(
    document: &mut Package,
    kind: crate::DeltaKind,
    section: &str,
    option: Option<&str>,
    value: Option<&str>,
) {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let delta = crate::Delta {
        kind,
        section: bytes(section),
        option: option.map(bytes),
        value: value.map(bytes),
        value_type: None,
    };
    document.apply(&delta, crate::format::uci::Dialect::Cms).expect("allowed");
}

#[test]
#[cfg_attr(miri, ignore = "takes too long; what is in `random` is much the same, and small")]
fn publishing_leads_to_the_map_the_new_text_would_give_and_snapshots_keep_the_old() {
    use crate::DeltaKind::{Add, AddList, Delete, Rename, Reorder, Set};
    let mut text = String::new();
    for section in 0..40 {
        text += &format!("config kind{} 's{section}'\n\tlist l 'a'\n", section % 3);
        for option in 0..section * 3 {
            text += &format!("\toption o{option} 'value {section} {option}'\n");
        }
    }
    let mut document = document(&text);
    let map = roomy(&document, 1);
    let mut states = vec![dump(&map, None)];
    type Step = (crate::DeltaKind, &'static str, Option<&'static str>, Option<&'static str>);
    let steps: Vec<Vec<Step>> = vec![
        vec![(Set, "s3", Some("o1"), Some("new"))],
        vec![(Set, "s30", Some("o77"), Some("new")), (Set, "s30", Some("fresh"), Some("x"))],
        vec![
            (Delete, "s30", Some("o77"), None),
            (Delete, "s3", Some("o1"), None),
            (AddList, "s1", Some("l"), Some("b")),
        ],
        vec![(Set, "s30", Some("o77"), Some("again")), (Set, "s3", Some("o1"), Some("again"))],
        vec![(Delete, "s5", None, None), (Delete, "s35", None, None)],
        vec![
            (Set, "s5", None, Some("kind9")),
            (Set, "s5", Some("back"), Some("1")),
            (Add, "x", None, Some("kind1")),
        ],
        vec![(Rename, "s6", None, Some("six")), (Reorder, "s30", None, Some("2"))],
        vec![(Rename, "s30", Some("o5"), Some("five"))],
        vec![(Delete, "s0", None, None), (Delete, "s3", None, None), (Delete, "s9", None, None)],
    ];
    for (seq, step) in (2..).zip(&steps) {
        for (kind, section, option, value) in step {
            change(&mut document, *kind, section, *option, *value);
        }
        assert_eq!(apply(&map, &document, seq), PublishOutcome::Done);
        assert_eq!(map.check(), Ok(()));
        same_as(&map, &document);
        states.push(dump(&map, None));
        for (seq, state) in (1..).zip(&states) {
            assert_eq!(&dump(&map, Some(Seq(seq))), state, "as of {seq}");
        }
    }
}

/// In any order of the steps, and under Miri: no thread reads bytes that another is writing.
#[test]
fn readers_beside_a_writer_see_what_was_published_and_touch_nothing_else() {
    use crate::DeltaKind::{Add, Delete, Set};
    let mut document = document("config a 's'\n\toption x '1'\n\tlist l 'a'\n\toption gone 'a'\n");
    let map = roomy(&document, 1);
    let before = dump(&map, Some(Seq(1)));
    let read = || {
        let mut newest = 1;
        let mut placed = None;
        for _ in 0..if cfg!(miri) { 4 } else { 1000 } {
            let path = KeyPath::split(b"p.s.x", map.seed).expect("a key");
            let Some(MapValue::String(x)) = map.get(&path, None) else { panic!("not there") };
            let x: u32 = String::from_utf8_lossy(x).parse().expect("a number");
            assert!(x >= newest, "{x} after {newest}");
            newest = x;
            let place = placed.get_or_insert_with(|| map.place(&path).expect("there"));
            assert!(map.at_place(place).is_some());
            if !map.still(place) {
                placed = None;
            }
            for key in ["p.s.l", "p.s.gone", "p.new.x"] {
                // The new options may be there or not, and the writer may be between the two reads.
                let path = KeyPath::split(key.as_bytes(), map.seed).expect("a key");
                let _ = (fast(&map, key, None), map.get(&path, None).map(|value| value.items().count()));
            }
            assert_eq!(dump(&map, Some(Seq(1))), before);
            MapPackage::of(&map, None).sections().for_each(|section| assert!(section.options().count() < 9));
        }
    };
    std::thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(read)));
        for seq in 2..if cfg!(miri) { 6 } else { 40 } {
            change(&mut document, Set, "s", Some("x"), Some(&seq.to_string()));
            match seq {
                3 => change(&mut document, Delete, "s", Some("gone"), None),
                4 => change(&mut document, Add, "new", None, Some("a")),
                _ => {}
            }
            assert_eq!(apply(&map, &document, seq), PublishOutcome::Done);
        }
    });
    same_as(&map, &document);
}

#[test]
fn s13_a_list_whose_last_item_has_no_nul_byte_is_not_handed_out() {
    let map = map_of(&document("config a 's'\n\tlist l 'one'\n\tlist l 'two'\n"));
    let mut bytes = damage::bytes_of(&map);
    let at = bytes.windows(8).position(|window| window == b"one\0two\0").expect("the list is in the map");
    bytes[at + 7] = b'X';
    let path = KeyPath::split(b"p.s.l", map.seed).expect("a key");
    assert!(map.get(&path, None).is_some());
    let damaged = Map::new(Region::heap(&bytes, bytes.len())).expect("its head is sound");
    assert!(damaged.get(&path, None).is_none());
    let section = MapPackage::of(&damaged, None).section(b"s").expect("it is there").get(b"l");
    assert!(section.is_none());
}

fn roomy(document: &Package, divisor: usize) -> Map {
    let file = tempfile::tempfile().expect("a file");
    let source = Source::of(&file.metadata().expect("metadata"), b"", 0);
    let columns = columns::of_tests();
    let making = Making {
        seed: 7,
        base: Seq(1),
        source,
        slack: Slack { share: divisor, least: 1024 },
        columns: &columns,
    };
    let image = build(b"p", document, &making).expect("a map");
    Map::new(Region::heap(&image.bytes, image.capacity)).expect("a good one")
}

mod columns;
mod damage;
#[cfg(not(loom))]
mod free_names;
mod histories;
mod one_pass;
mod random;
mod typed;

/// The layout is the same on every machine, and in every version of cms with this version number of the format.
#[test]
#[cfg_attr(miri, ignore)]
fn the_layout_is_pinned() {
    let text = "config a 'one'\n\toption x '1'\n\tlist l 'a'\n\tlist l 'b'\nconfig b\n\toption y '2'\n";
    let package = typed::add_all_types(&document(text), "all", 10);
    let making =
        Making { seed: 7, base: Seq(1), source: Source::fixed(), slack: Slack::NEW, columns: Columns::NONE };
    let made = build(b"p", &package, &making).expect("a map");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/map-v3.map");
    if std::env::var_os("CMS_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &made.bytes).expect("written");
    }
    let golden = std::fs::read(&path).expect("the golden file");
    assert!(golden == made.bytes, "the layout has changed: give it another version");
    let map = Map::new(Region::heap(&golden, made.capacity)).expect("a good one");
    same_as(&map, &package);
    assert_eq!(map.check(), Ok(()));
}

/// With one seed of 255, the slot of an anonymous section has the tag of a twin. The check then reported damage, and
/// each commit rebuilt the map.
#[test]
fn a_good_map_is_sound_with_any_seed() {
    let package = document("config a 'one'\n\toption x '1'\nconfig b\n\toption y '2'\n");
    for seed in 0..2000 {
        let making =
            Making { seed, base: Seq(1), source: Source::fixed(), slack: Slack::NEW, columns: Columns::NONE };
        let map = Map::private(&build(b"p", &package, &making).expect("a map")).expect("a good one");
        assert_eq!(map.check(), Ok(()), "{seed}");
    }
}

/// `make bench-publish`: the time of the map's part of a commit of one option, by the size of the package.
#[test]
#[ignore = "a benchmark"]
fn how_long_publishing_takes() {
    for sections in [100, 10_000, 100_000] {
        let mut text = String::new();
        for section in 0..sections {
            text += &format!("config host 's{section:07}'\n");
            (0..10).for_each(|option| text += &format!("\toption option{option:02} 'value-{section:07}'\n"));
        }
        let mut package = document(&text);
        let map = roomy(&package, 1);
        let mut times = Vec::new();
        for commit in 0..80_u32 {
            let section = format!("s{:07}", (commit * 7919) % sections);
            let value = format!("new {commit}");
            // Each commit begins with a new document; only the touched options are published.
            change(&mut package, crate::DeltaKind::Set, &section, Some("option03"), Some(&value));
            let one = crate::model::package::Touched::Options(vec![(
                section.into_bytes(),
                Some(b"option03".to_vec()),
            )]);
            let start = std::time::Instant::now();
            assert_eq!(
                map.publish(&package, &one, Seq(commit + 2)).expect("can be held"),
                PublishOutcome::Done
            );
            times.push(start.elapsed());
        }
        times.sort_unstable();
        println!("{} options: {:?} at the median, {:?} at p99", sections * 10, times[40], times[78]);
    }
}
