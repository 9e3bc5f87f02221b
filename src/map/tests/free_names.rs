//! Maps of packages whose names are free: with a root section, nested sections and names in quotes.

use std::sync::Arc;

use super::{Found, fast, get, map_of, same_in_the_fast_way};
use crate::map::layout::value::MapValue;
use crate::map::read::path::KeyPath;
use crate::map::read::view::MapPackage;
use crate::model::format_kind::FormatKind;
use crate::model::key_part;
use crate::model::package::Package;
use crate::model::package::build::{Builder, Piece};

/// Every name of a section with every name of an option; the value is the key.
fn package() -> Package {
    let sections =
        ["", "a", "a.b", "a.b.c", r#""a.b""#, r#"a."b.c""#, r#""""#, r#"a."""#, r#""x y""#, "log-level"];
    let options = [
        "b",
        "c",
        "port",
        r#""b.c""#,
        r#""c.port""#,
        r#""""#,
        r#""@x""#,
        "größe",
        "a_name_of_more_than_16_bytes",
    ];
    let mut builder = Builder::of_format(b"p", Arc::default(), FormatKind::Json).expect("a package");
    for section in sections {
        let name = Piece::Apart(section.as_bytes());
        let id = builder.section(name.clone(), Some(name)).expect("a section");
        for option in options {
            let key = format!("p.{section}.{option}");
            let (name, value) = (Piece::Apart(option.as_bytes()), Piece::Apart(key.as_bytes()));
            builder.string(id, name, value).expect("an option");
        }
    }
    builder.finish()
}

#[test]
fn each_key_has_its_own_value_whatever_the_names_are() {
    let package = package();
    let map = map_of(&package);
    let free = MapPackage::of(&map, None);
    let mut count = 0;
    for section in package.sections() {
        for option in section.options() {
            let key =
                String::from_utf8([b"p.", section.name(), b".", option.name()].concat()).expect("UTF-8");
            let value = MapValue::String(key.as_bytes());
            let found = free.section(section.name()).and_then(|found| found.get(option.name()));
            assert_eq!(found, Some(value), "{key}");
            // The quick ways find it or say nothing, and never find the value of another key.
            assert!(get(&map, &key).is_none_or(|found| found == value), "{key}");
            if key_part::split(section.name()).is_ok_and(|names| names.len() < 2)
                && !section.name().contains(&b'.')
            {
                assert_eq!(get(&map, &key), Some(value), "{key}");
            }
            if let Found::Value(found) = fast(&map, &key, None) {
                assert_eq!(found, key.as_bytes());
            }
            assert!(!matches!(fast(&map, &key, None), Found::Missing), "{key}");
            count += 1;
        }
    }
    assert_eq!(count, 90);
}

#[test]
fn a_quick_way_never_takes_the_dots_of_one_name_for_those_between_parts() {
    let mut builder = Builder::of_format(b"p", Arc::default(), FormatKind::Toml).expect("a package");
    let name = Piece::Apart(b"a");
    let id = builder.section(name.clone(), Some(name)).expect("a section");
    builder.string(id, Piece::Apart(br#""b.c""#), Piece::Apart(b"1")).expect("an option");
    let map = map_of(&builder.finish());
    // The section `b` in `a` has no option `c`; the section `a` has an option `b.c`.
    assert_eq!(fast(&map, "p.a.b.c", None), Found::Unknown);
    assert_eq!(get(&map, "p.a.b.c"), None);
    assert_eq!(get(&map, r#"p.a."b.c""#), Some(MapValue::String(b"1")));
    assert_eq!(fast(&map, r#"p.a."b.c""#, None), Found::Value(b"1".to_vec()));
    let path = KeyPath::split(b"p.a.b.c", map.seed).expect("three parts");
    assert!(!path.is_valid(), "the slow way takes it apart anew");
    same_in_the_fast_way(&map, &path, "p.a.b.c", None);
}
