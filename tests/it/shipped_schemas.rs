//! The schemas of OpenWrt's packages that `make install` installs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cms::datatype::{Datatype, Files};
use cms::schema::{Alone, Schema};
use cms::text::{ParseOptions, parse};
use cms::{Package, Section, Violation};

const PACKAGES: [&str; 5] = ["network", "wireless", "firewall", "dhcp", "system"];

/// Texts as OpenWrt has them by default, and some more that its documentation shows.
const TEXTS: [(&str, &str); 6] = [
    ("network", include_str!("../data/openwrt/network")),
    ("wireless", include_str!("../data/openwrt/wireless")),
    ("firewall", include_str!("../data/openwrt/firewall")),
    ("dhcp", include_str!("../data/openwrt/dhcp")),
    ("system", include_str!("../data/openwrt/system")),
    ("dhcp", "config dhcp 'guest'\n\toption start '192.168.3.10'\n\tlist ra_flags 'none'\n"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema/openwrt")
}

fn read(name: &str, text: Vec<u8>) -> Package {
    let parsed = parse(name.as_bytes(), Arc::new(text), &ParseOptions::new());
    parsed.unwrap_or_else(|error| panic!("{name}: {error}")).package
}

fn schema(package: &str) -> Package {
    read(package, std::fs::read(folder().join(package)).expect("a schema"))
}

fn text(section: &Section<'_>, option: &str) -> String {
    let value = section.get(option.as_bytes());
    value
        .and_then(|value| value.items().next())
        .map(|item| String::from_utf8_lossy(item).into())
        .unwrap_or_default()
}

#[test]
fn each_schema_describes_each_of_its_options_once_with_a_type_that_is_one() {
    for package in PACKAGES {
        let schema = schema(package);
        let types: Vec<String> = schema
            .sections_of_type(b"section")
            .map(|section| {
                if section.is_anonymous() {
                    text(&section, "name")
                } else {
                    String::from_utf8_lossy(section.name()).into()
                }
            })
            .collect();
        let mut seen = Vec::new();
        for field in schema.sections_of_type(b"field") {
            let name = format!("{package}: {} {}", text(&field, "section"), text(&field, "name"));
            assert!(types.contains(&text(&field, "section")), "{name}: no such section");
            assert!(!seen.contains(&name), "{name}: twice");
            seen.push(name.clone());
            let words = text(&field, "description");
            assert!(words.len() > 3 && words.len() < 110 && !words.ends_with('.'), "{name}: {words}");
            let datatype = Datatype::parse(text(&field, "type").as_bytes());
            let datatype = datatype.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            for option in ["default", "example"] {
                let value = text(&field, option);
                let verdict = datatype.check(value.as_bytes(), &Files::default());
                assert!(value.is_empty() || verdict.is_ok(), "{name}: {option} {value}: {verdict:?}");
            }
        }
        assert!(seen.len() > 60, "{package}: {}", seen.len());
        let head = schema.sections_of_type(b"schema").next().expect("a head");
        assert_eq!(
            (text(&head, "package"), text(&head, "enforce")),
            (package.to_owned(), "types".to_owned())
        );
    }
}

/// Checks a package against its schema: the violations that are refused, and those that are warned of.
fn check(package: &Package, name: &str) -> (Vec<String>, Vec<String>) {
    let file = folder().join(name);
    let schema = Schema::read(name, &file, std::fs::read(&file).expect("a schema"));
    assert!(schema.mistakes.is_empty(), "{:?}", schema.mistakes);
    let found = schema.check(package, None, &Alone::default());
    let (refused, warned): (Vec<_>, Vec<_>) = found.iter().partition(|violation| violation.refused);
    let shown = |found: Vec<&Violation>| found.into_iter().map(ToString::to_string).collect();
    (shown(refused), shown(warned))
}

#[test]
fn no_schema_refuses_a_value_of_the_defaults_and_each_of_their_options_is_described() {
    for (name, text) in TEXTS {
        let found = check(&read(name, text.as_bytes().to_vec()), name);
        assert_eq!(found, (Vec::new(), Vec::new()), "{name}");
    }
}

#[test]
fn a_value_of_another_type_is_found() {
    let wrong =
        "config interface 'lan'\n\toption ipaddr '192.168.1'\n\toption mtu 'big'\n\toption nosuch '1'\n";
    let (wrong, unknown) = check(&read("network", wrong.into()), "network");
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("an IPv4 address"), "{wrong:?}");
    assert!(unknown.len() == 1 && unknown[0].contains("network.lan.nosuch"), "{unknown:?}");
}

#[test]
fn no_schema_refuses_a_value_of_the_corpus_or_of_the_recorded_cases() {
    let mut folders = Vec::new();
    if let Some(shared) = std::env::var_os("CMS_SHARED") {
        folders.push(Path::new(&shared).join("corpus/openwrt"));
    } else {
        eprintln!("skipped: CMS_SHARED does not name the folder with the corpus");
    }
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases");
    for case in std::fs::read_dir(cases).expect("cases") {
        folders.push(case.expect("a case").path().join("config"));
    }
    let mut count = 0;
    for file in folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten() {
        let path = file.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Some(package) = PACKAGES.into_iter().find(|package| {
            name == **package
                || (path.to_string_lossy().contains("/corpus/") && name.ends_with(&format!("_{package}")))
        }) else {
            continue;
        };
        let text = std::fs::read(&path).expect("readable");
        let Ok(parsed) = parse(package.as_bytes(), Arc::new(text), &ParseOptions::new()) else { continue };
        let (wrong, _) = check(&parsed.package, package);
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
        count += 1;
    }
    assert!(count >= 10, "{count} files");
}
