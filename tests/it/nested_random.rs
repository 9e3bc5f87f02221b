//! Random packages and edits in JSON and TOML: what is printed reads back, and what is edited is written.

use std::sync::Arc;

use cms::testing::format::json::Json;
use cms::testing::format::toml::Toml;
use cms::testing::format::{Builder, Format, ParseOptions, Piece};
use cms::text::Dialect;
use cms::{Delta, DeltaKind, Error, FormatKind, Package, ValueType};
use proptest::prelude::*;
use proptest::sample::select;

const FORMATS: [&dyn Format; 2] = [&Json, &Toml];

const UNWRITABLE: &str = "the changed package cannot be written as text; is a name used twice?";

const NAMES: [&str; 8] = ["a", "b", "a.b", "a.c.d", "\"x.y\"", "wan-6", "\"\".z", "ü"];
const ROWS: [&str; 3] = ["r", "a.r", "\"s t\""];
const OPTIONS: [&str; 8] = ["o", "p", "\"\"", "\"two words\"", "\"dot.ted\"", "\"q\\\"\"", "é", "b"];

#[derive(Debug, Clone)]
enum Edit {
    Value(usize, &'static str, ValueType, String),
    Items(usize, &'static str, Vec<String>),
    Change(DeltaKind, usize, Option<&'static str>, String),
    Add(&'static str),
    New(&'static str),
    Root(&'static str, String),
}

fn value() -> impl Strategy<Value = (ValueType, String)> {
    let text = "[ -~äß\n\t]{0,8}";
    prop_oneof![
        text.prop_map(|text| (ValueType::String, text)),
        any::<i64>().prop_map(|number| (ValueType::Int, number.to_string())),
        (-1.0e9..1.0e9_f64).prop_map(|number| (ValueType::Float, format!("{number:?}"))),
        any::<bool>().prop_map(|on| (ValueType::Bool, on.to_string())),
        Just((ValueType::Json, "[1, \"a\", [true]]".to_owned())),
        Just((ValueType::Json, "[[], {\"x\": 1}]".to_owned())),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    use DeltaKind::{AddList, DelList, Delete, Rename, Reorder};
    prop_oneof![
        4 => (0..8_usize, select(OPTIONS.to_vec()), value()).prop_map(|(at, option, (of, text))| Edit::Value(at, option, of, text)),
        2 => (0..8_usize, select(OPTIONS.to_vec()), prop::collection::vec("[a-c]{0,2}", 0..4)).prop_map(|(at, option, items)| Edit::Items(at, option, items)),
        2 => (0..8_usize, select(OPTIONS.to_vec()), "[a-c]{0,2}").prop_map(|(at, option, item)| Edit::Change(AddList, at, Some(option), item)),
        1 => (0..8_usize, select(OPTIONS.to_vec()), "[a-c]{0,2}").prop_map(|(at, option, item)| Edit::Change(DelList, at, Some(option), item)),
        2 => (0..8_usize, select(OPTIONS.to_vec())).prop_map(|(at, option)| Edit::Change(Delete, at, Some(option), String::new())),
        1 => (0..8_usize).prop_map(|at| Edit::Change(Delete, at, None, String::new())),
        1 => (0..8_usize, select(NAMES.to_vec())).prop_map(|(at, name)| Edit::Change(Rename, at, None, name.to_owned())),
        1 => (0..8_usize, select(OPTIONS.to_vec()), select(OPTIONS.to_vec())).prop_map(|(at, option, name)| Edit::Change(Rename, at, Some(option), name.to_owned())),
        1 => (0..8_usize, 0..8_usize).prop_map(|(at, to)| Edit::Change(Reorder, at, None, to.to_string())),
        2 => select(ROWS.to_vec()).prop_map(Edit::Add),
        2 => select(NAMES.to_vec()).prop_map(Edit::New),
        2 => (select(OPTIONS.to_vec()), "[a-z]{0,4}").prop_map(|(option, text)| Edit::Root(option, text)),
    ]
}

/// Makes the edits that the model allows.
fn apply(package: &mut Package, edits: &[Edit]) {
    for edit in edits {
        let name_at = |at: usize| package.sections().nth(at).map(|section| section.name().to_vec());
        let delta = match edit {
            Edit::Value(at, option, of, text) => {
                let Some(section) = name_at(*at) else { continue };
                Delta::new(DeltaKind::Set, &section, Some(option.as_bytes()), Some(text.as_bytes()))
                    .of_type(*of)
            }
            Edit::Items(at, option, items) => {
                let Some(section) = name_at(*at) else { continue };
                let _ = package.apply(
                    &Delta::new(DeltaKind::Delete, &section, Some(option.as_bytes()), None),
                    Dialect::Cms,
                );
                for item in items {
                    let add = Delta::new(
                        DeltaKind::AddList,
                        &section,
                        Some(option.as_bytes()),
                        Some(item.as_bytes()),
                    );
                    let _ = package.apply(&add, Dialect::Cms);
                }
                continue;
            }
            Edit::Change(kind, at, option, value) => {
                let Some(section) = name_at(*at) else { continue };
                let value = (*kind != DeltaKind::Delete).then_some(value.as_bytes());
                Delta::new(*kind, &section, option.map(str::as_bytes), value)
            }
            Edit::Add(of) => {
                let _ = package.add_section(of.as_bytes());
                continue;
            }
            Edit::New(name) => Delta::new(DeltaKind::Set, name.as_bytes(), None, Some(name.as_bytes())),
            Edit::Root(option, text) => {
                Delta::new(DeltaKind::Set, b"", Some(option.as_bytes()), Some(text.as_bytes()))
            }
        };
        let _ = package.apply(&delta, Dialect::Cms);
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec(edit(), 0..20)
}

/// The package as data: sections by their names, rows in their order.
fn data(package: &Package) -> Vec<String> {
    let mut lines: Vec<(Vec<u8>, String)> = Vec::new();
    let mut rows = std::collections::HashMap::new();
    let is_parent = |name: &[u8]| {
        let inner = [name, b"."].concat();
        package.sections().any(|section| match section.is_anonymous() {
            true => section.section_type().starts_with(&inner),
            false => section.name().starts_with(&inner),
        })
    };
    for section in package.sections() {
        let name = match section.is_anonymous() {
            true => {
                let number: &mut usize = rows.entry(section.section_type()).or_default();
                *number += 1;
                [section.section_type(), format!("[{number}]").as_bytes()].concat()
            }
            false => section.name().to_vec(),
        };
        if section.options().count() == 0 && !name.is_empty() && !is_parent(&name) {
            lines.push((name.clone(), String::new()));
        }
        for option in section.options() {
            let items: Vec<String> =
                option.value().items().map(|item| String::from_utf8_lossy(item).into_owned()).collect();
            let of = if items.is_empty() { "list" } else { option.value_type().name() };
            lines.push((name.clone(), format!("{} {of} {items:?}", String::from_utf8_lossy(option.name()))));
        }
    }
    lines.sort();
    lines.into_iter().map(|(name, line)| format!("{}: {line}", String::from_utf8_lossy(&name))).collect()
}

/// A package of the format with these edits made, if the format can hold it.
fn package_of(format: &dyn Format, edits: &[Edit]) -> Option<Package> {
    let empty = read(format, b"");
    let mut package = empty.clone();
    apply(&mut package, edits);
    match format.rewrite(&empty, &package, &ParseOptions::new()) {
        Ok(written) => {
            assert_eq!(data(&written), data(&package), "{}", String::from_utf8_lossy(written.source()));
            Some(written)
        }
        Err(Error::Invalid { .. } | Error::Type { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn read(format: &dyn Format, text: &[u8]) -> Package {
    let read = format.read(b"app", Arc::new(text.to_vec()), &ParseOptions::new());
    read.unwrap_or_else(|error| panic!("{}: {error}: {}", format.name(), String::from_utf8_lossy(text)))
        .package
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(edits in edits()) {
        for format in FORMATS {
            let Some(package) = package_of(format, &edits) else { continue };
            let text = format.print(&package, false);
            let again = read(format, &text);
            prop_assert_eq!(data(&again), data(&package), "{}", String::from_utf8_lossy(&text));
            prop_assert_eq!(format.print(&again, false), text.clone());
            let tidied = format.tidy(&Arc::new(text.clone())).expect("tidied");
            prop_assert_eq!(data(&read(format, &tidied)), data(&package), "{}", String::from_utf8_lossy(&tidied));
        }
    }

    #[test]
    fn what_is_edited_is_written_and_comments_stay(first in edits(), second in edits()) {
        for format in FORMATS {
            let Some(package) = package_of(format, &first) else { continue };
            let comment = if format.name() == "json" { "// note" } else { "# note" };
            let text = String::from_utf8(package.source().to_vec()).expect("UTF-8");
            let lines: Vec<String> = text.lines().map(|line| match line.ends_with([',', '{', ']', '}', '"']) || line.ends_with(char::is_alphanumeric) {
                true => format!("{line} {comment}"),
                false => line.to_owned(),
            }).collect();
            let text = format!("{comment}\n{}\n", lines.join("\n"));
            let parsed = format.read(b"app", Arc::new(text.clone().into_bytes()), &ParseOptions::new());
            let original = match parsed {
                Ok(parsed) if data(&parsed.package) == data(&package) => parsed.package,
                _ => package,
            };
            let same = format.rewrite(&original, &original.clone(), &ParseOptions::new()).expect("the same");
            prop_assert_eq!(same.source(), original.source());
            let mut edited = original.clone();
            apply(&mut edited, &second);
            match format.rewrite(&original, &edited, &ParseOptions::new()) {
                Ok(written) => {
                    prop_assert_eq!(data(&written), data(&edited), "{}\n---\n{}", text, String::from_utf8_lossy(written.source()));
                    prop_assert!(written.source().starts_with(comment.as_bytes()) || !original.source().starts_with(comment.as_bytes()), "{}", String::from_utf8_lossy(written.source()));
                }
                Err(Error::Invalid { why, .. }) => {
                    // What the model allows and the format does not is refused, and nothing else.
                    if why == UNWRITABLE {
                        let fresh = format.print(&edited, false);
                        let fresh = format.read(b"app", Arc::new(fresh), &ParseOptions::new());
                        let is_held = fresh.is_ok_and(|fresh| data(&fresh.package) == data(&edited));
                        prop_assert!(!is_held, "{}\n{:?}", text, data(&edited));
                    }
                }
                Err(Error::Type { .. }) => {}
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place(text in prop::collection::vec(
        prop_oneof![3 => select(b"{}[]\":,= \n.#/*\\ua1e-'tn".to_vec()), 1 => any::<u8>()], 0..60
    )) {
        for format in FORMATS {
            match format.read(b"app", Arc::new(text.clone()), &ParseOptions::new()) {
                Ok(parsed) => {
                    let again = read(format, &format.tidy(&Arc::new(text.clone())).expect("tidied"));
                    prop_assert_eq!(data(&again), data(&parsed.package));
                    let printed = format.print(&parsed.package, false);
                    prop_assert_eq!(data(&read(format, &printed)), data(&parsed.package), "{}", String::from_utf8_lossy(&printed));
                }
                Err(Error::Parse(error)) => {
                    let line = text.split(|byte| *byte == b'\n').nth(error.line - 1);
                    prop_assert!(line.is_some_and(|line| error.column <= line.len() + 1), "{error}");
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}

#[test]
fn a_package_is_built_in_any_format() {
    for kind in [FormatKind::Json, FormatKind::Toml] {
        let mut builder = Builder::of_format(b"app", Arc::default(), kind).expect("an empty text");
        let section = builder.section(Piece::Apart(b"a"), Some(Piece::Apart(b"a"))).expect("a section");
        builder.typed(section, &Piece::Apart(b"n"), Piece::Apart(b"1"), ValueType::Int).expect("an option");
        let package = builder.finish();
        let format = FORMATS.into_iter().find(|format| format.kind() == kind).expect("a format");
        assert_eq!(data(&read(format, &format.print(&package, false))), data(&package));
    }
}
