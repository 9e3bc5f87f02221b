//! The laws of [`Format`], checked for each format: that of the library, and the one of `support/line_format`.

use std::sync::Arc;

use cms::testing::format::uci::Uci;
use cms::testing::format::{Format, ParseError, ParseOptions, Part};
use cms::text::Dialect;
use cms::{Delta, DeltaKind, Error, Package, Value};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::line_format::{EMPTY, ESCAPE, Lines, NO_SECTION, NO_VALUE, TWICE};

const FORMATS: [&dyn Format; 2] = [&Uci, &Lines];

fn read(format: &dyn Format, text: &[u8]) -> Package {
    let read = format.read(b"n", Arc::new(text.to_vec()), &ParseOptions::new());
    read.unwrap_or_else(|error| panic!("{}: {error}: {}", format.name(), String::from_utf8_lossy(text)))
        .package
}

fn rewrite(format: &dyn Format, original: &Package, edited: &Package) -> Vec<u8> {
    let written = format.rewrite(original, edited, &ParseOptions::new());
    let written = written.unwrap_or_else(|error| panic!("{}: {error}", format.name()));
    assert_eq!(&written, edited, "{}: rewritten text reads as something else", format.name());
    assert_eq!(&read(format, written.source()), edited, "{}", format.name());
    written.source().to_vec()
}

fn fault(format: &dyn Format, text: &[u8]) -> ParseError {
    match format.read(b"n", Arc::new(text.to_vec()), &ParseOptions::new()) {
        Err(Error::Parse(error)) => *error,
        other => panic!("{}: {other:?}", format.name()),
    }
}

fn change(kind: DeltaKind, section: &str, option: Option<&str>, value: Option<&str>) -> Delta {
    Delta::new(kind, section.as_bytes(), option.map(str::as_bytes), value.map(str::as_bytes))
}

/// One text in both formats, with comments, blank lines, a list, and an anonymous section.
const UCI: &str = "# head\n\nconfig interface 'lan' # inside\n  option ipaddr \"10.0.0.1\"\n\n\t# name servers\n\tlist dns '1.1.1.1'\n\tlist dns '9.9.9.9'\n\toption mtu 1500\n\nconfig rule\n\toption src 'wan'\n\nconfig interface 'wan'\n\toption proto 'dhcp'\n# tail\n";
const LINES: &str = "# head\n\nlan=interface\n  lan.ipaddr=10.0.0.1\n\n# name servers\nlan.dns[]=1.1.1.1\nlan.dns[]=9.9.9.9\n@=rule\n\tlan.mtu=1500\n@.src=wan\n\nwan=interface\nwan.proto=dhcp\n# tail\n";

fn texts() -> [(&'static dyn Format, &'static str); 2] {
    [(FORMATS[0], UCI), (FORMATS[1], LINES)]
}

/// The text with some changes.
fn edited(format: &dyn Format, text: &str, changes: &[Delta]) -> String {
    let original = read(format, text.as_bytes());
    let mut package = original.clone();
    for change in changes {
        package.apply(change, Dialect::Cms).expect("a change that applies");
    }
    String::from_utf8(rewrite(format, &original, &package)).expect("UTF-8")
}

#[test]
fn both_formats_say_the_same() {
    assert_eq!(read(&Uci, UCI.as_bytes()), read(&Lines, LINES.as_bytes()));
    let names =
        |package: &Package| -> Vec<Vec<u8>> { package.sections().map(|s| s.name().to_vec()).collect() };
    assert_eq!(names(&read(&Uci, UCI.as_bytes())), names(&read(&Lines, LINES.as_bytes())));
}

#[test]
fn a_package_that_was_not_edited_keeps_its_text() {
    for (format, text) in texts() {
        assert_eq!(edited(format, text, &[]), text, "{}", format.name());
    }
}

#[test]
fn only_the_lines_that_an_edit_concerns_change() {
    let set = |option, value| change(DeltaKind::Set, "lan", Some(option), Some(value));
    for (changes, uci, lines) in [
        (vec![set("mtu", "1400")], ("mtu 1500", "mtu 1400"), ("mtu=1500", "mtu=1400")),
        (
            vec![change(DeltaKind::Delete, "lan", Some("ipaddr"), None)],
            ("  option ipaddr \"10.0.0.1\"\n", ""),
            ("  lan.ipaddr=10.0.0.1\n", ""),
        ),
        (
            vec![change(DeltaKind::AddList, "lan", Some("dns"), Some("8.8.8.8"))],
            ("\tlist dns '9.9.9.9'\n", "\tlist dns '9.9.9.9'\n\tlist dns '8.8.8.8'\n"),
            ("lan.dns[]=9.9.9.9\n", "lan.dns[]=9.9.9.9\nlan.dns[]=8.8.8.8\n"),
        ),
        (
            vec![change(DeltaKind::Rename, "wan", None, Some("wwan"))],
            ("config interface 'wan'", "config interface 'wwan'"),
            ("wan=interface\nwan.proto", "wwan=interface\nwwan.proto"),
        ),
        (
            vec![change(DeltaKind::Set, "lan", None, Some("bridge"))],
            ("config interface 'lan'", "config bridge 'lan'"),
            ("lan=interface", "lan=bridge"),
        ),
        (
            vec![change(DeltaKind::Set, "wan", Some("peerdns"), Some("0"))],
            ("proto 'dhcp'\n", "proto 'dhcp'\n\toption peerdns '0'\n"),
            ("proto=dhcp\n", "proto=dhcp\nwan.peerdns=0\n"),
        ),
    ] {
        assert_eq!(edited(&Uci, UCI, &changes), UCI.replacen(uci.0, uci.1, 1), "{changes:?}");
        assert_eq!(edited(&Lines, LINES, &changes), LINES.replacen(lines.0, lines.1, 1), "{changes:?}");
    }
}

#[test]
fn sections_are_added_deleted_and_moved_and_other_lines_stay() {
    let adds = [
        change(DeltaKind::Set, "guest", None, Some("interface")),
        change(DeltaKind::Set, "guest", Some("proto"), Some("none")),
    ];
    for (format, text) in texts() {
        let added = edited(format, text, &adds);
        assert!(added.starts_with(text.trim_end()), "{}: {added}", format.name());
        let deleted = edited(format, text, &[change(DeltaKind::Delete, "wan", None, None)]);
        assert!(
            text.lines().all(|line| line.contains("wan") || deleted.contains(line) || line.contains("dhcp"))
        );
        let moved = edited(format, text, &[change(DeltaKind::Reorder, "wan", None, Some("0"))]);
        let sorted = |text: &str| {
            let mut lines: Vec<String> =
                text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&moved), sorted(text), "{}: {moved}", format.name());
    }
}

#[test]
fn an_error_names_line_column_and_reason() {
    use cms::text::Reason;
    for (format, text, line, column, reason) in [
        (FORMATS[0], "config a 'x'\n\toption o\n  optoin p '1'\n", 3, 3, Reason::InvalidCommand),
        (FORMATS[0], "config a 'x'\n\toption o '1' '2'\n", 2, 15, Reason::TooManyArguments),
        (FORMATS[0], "\n\toption o '1'\n", 2, 2, Reason::NoSection),
        (FORMATS[0], "config a 'x'\n\toption o 'one\n", 2, 11, Reason::UnterminatedSingle),
        (FORMATS[0], "config a 'x'\n\toption o-p '1'\n", 2, 9, Reason::InvalidName),
        (FORMATS[1], "x=a\n# c\n  x.o\n", 3, 3, NO_VALUE),
        (FORMATS[1], "x=a\ny.o=1\n", 2, 1, NO_SECTION),
        (FORMATS[1], "@.o=1\n", 1, 1, NO_SECTION),
        (FORMATS[1], "x=a\nx.o=1\nx.o=2\n", 3, 3, TWICE),
        (FORMATS[1], "x=a\n\n\tx=a\n", 3, 2, TWICE),
        (FORMATS[1], "x=a\nx.o=\n", 2, 5, EMPTY),
        (FORMATS[1], "x=a\nx.o=tab\\t\n", 2, 8, ESCAPE),
        (FORMATS[1], "x=a\nx.o-p=1\n", 2, 3, Reason::InvalidName),
        (FORMATS[1], "x=a b\n", 1, 3, Reason::InvalidType),
        (FORMATS[1], "x=a\nx.o=a\0b\n", 2, 6, Reason::NulByte),
    ] {
        let error = fault(format, text.as_bytes());
        assert_eq!((error.line, error.column, error.reason), (line, column, reason), "{text}");
        assert_eq!(Some(&*error.text), text.as_bytes().split(|byte| *byte == b'\n').nth(line - 1), "{text}");
        assert!(error.to_string().starts_with(&format!("{line}:{column}: ")), "{error}");
    }
}

#[test]
fn lenient_reading_skips_faulty_lines_and_lists_them() {
    let options = ParseOptions::new().strict(false);
    for (format, text) in [
        (FORMATS[0], "config a 'x'\nbroken\n\toption o '1'\nbroken too\n\toption p '2'\n"),
        (FORMATS[1], "x=a\nbroken\nx.o=1\nbroken too\nx.p=2\n"),
    ] {
        let parsed = format.read(b"n", Arc::new(text.into()), &options).expect("a lenient reading");
        assert_eq!(
            parsed.errors.iter().map(|error| error.line).collect::<Vec<_>>(),
            [2, 4],
            "{}",
            format.name()
        );
        assert_eq!(parsed.package.get(b"x", b"p"), Some(Value::String(b"2")), "{}", format.name());
    }
}

#[test]
fn progress_ends_with_the_whole_text() {
    for (format, text) in texts() {
        let last = std::cell::Cell::new((0, 0));
        let progress = |read, all| last.set((read, all));
        let options = ParseOptions::new().progress(&progress);
        format.read(b"n", Arc::new(text.into()), &options).expect("read");
        assert_eq!(last.get(), (text.len(), text.len()), "{}", format.name());
    }
}

#[test]
fn tidying_keeps_comments_and_meaning() {
    for (format, text) in texts() {
        let tidied = format.tidy(&Arc::new(text.into())).expect("tidied");
        assert_eq!(read(format, &tidied), read(format, text.as_bytes()), "{}", format.name());
        assert_eq!(format.tidy(&Arc::new(tidied.clone())).expect("tidied"), tidied, "{}", format.name());
        let tidied = String::from_utf8(tidied).expect("UTF-8");
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(comments(&tidied), comments(text), "{}: {tidied}", format.name());
        assert!(format.tidy(&Arc::new(b"broken\n".to_vec())).is_err(), "{}", format.name());
    }
}

#[test]
fn a_name_that_an_anonymous_section_would_get_is_refused() {
    let text = [("config a 'lan'\n\nconfig a\n"), ("lan=a\n@=a\n")];
    for (format, text) in FORMATS.into_iter().zip(text) {
        let original = read(format, text.as_bytes());
        let mut package = original.clone();
        // In this order, the first section without a name gets the name of the other one.
        for change in [
            change(DeltaKind::Rename, "lan", None, Some("cfg01b606")),
            change(DeltaKind::Reorder, "cfg01b606", None, Some("1")),
        ] {
            package.apply(&change, Dialect::Cms).expect("a change that applies");
        }
        let refused = format.rewrite(&original, &package, &ParseOptions::new());
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{}: {refused:?}", format.name());
    }
}

const SECTIONS: [&str; 4] = ["lan", "wan", "x", "under_score"];
const OPTIONS: [&str; 4] = ["o", "dns", "p2", "long_name"];
const TYPES: [&str; 4] = ["a", "interface", "it's", "back\\slash;#\""];

/// A value that a change may have: no control characters but blanks and line ends.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => 32..127_u8,
        2 => select(b"'\"\\#;=.@[]\n\t \r".to_vec()),
        1 => 127..=255_u8,
    ];
    prop::collection::vec(byte, 0..12)
}

/// A change to a section that is named, or picked by its position.
#[derive(Debug, Clone)]
struct Edit {
    kind: DeltaKind,
    section: Result<&'static str, usize>,
    option: Option<&'static str>,
    value: Vec<u8>,
}

fn edit() -> impl Strategy<Value = Edit> {
    use DeltaKind::{Add, AddList, DelList, Delete, Rename, Reorder, Set};
    let section = || prop_oneof![select(SECTIONS.to_vec()).prop_map(Ok), (0..6_usize).prop_map(Err)];
    let of_section =
        (select(vec![Set, Add, Delete, Rename, Reorder]), section(), select(TYPES.to_vec()), 0..6_usize)
            .prop_map(|(kind, section, kind_name, number)| {
                let value = match kind {
                    Rename => SECTIONS[number % SECTIONS.len()].into(),
                    Reorder => number.to_string().into_bytes(),
                    _ => kind_name.into(),
                };
                Edit { kind, section, option: None, value }
            });
    let of_option = (
        select(vec![Set, Set, Set, AddList, AddList, DelList, Delete, Rename]),
        section(),
        select(OPTIONS.to_vec()),
        value(),
        0..4_usize,
    )
        .prop_map(|(kind, section, option, value, number)| {
            let value = if kind == Rename { OPTIONS[number].into() } else { value };
            Edit { kind, section, option: Some(option), value }
        });
    prop_oneof![2 => of_section, 5 => of_option]
}

/// Makes the changes that the model allows.
fn apply(package: &mut Package, edits: &[Edit]) {
    for edit in edits {
        let section = match edit.section {
            Ok(name) => name.as_bytes().to_vec(),
            Err(position) => match package.sections().nth(position) {
                Some(section) => section.name().to_vec(),
                None => continue,
            },
        };
        if edit.kind == DeltaKind::Add {
            package.add_section(&edit.value).expect("a type");
            continue;
        }
        let value = (edit.kind != DeltaKind::Delete).then_some(edit.value.as_slice());
        let _ = package
            .apply(&Delta::new(edit.kind, &section, edit.option.map(str::as_bytes), value), Dialect::Cms);
    }
}

fn package_of(edits: &[Edit]) -> Package {
    let mut package = Package::new(b"n");
    apply(&mut package, edits);
    package
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec(edit(), 0..24)
}

/// The text with comments and blank lines before some of its lines, where that does not change the meaning.
fn with_comments(format: &dyn Format, text: &[u8], at: &[usize]) -> Vec<u8> {
    let mut text = text.to_vec();
    let package = read(format, &text);
    for (number, at) in at.iter().enumerate() {
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1))
            .collect();
        let start = starts[at % starts.len()];
        let mut with = text.clone();
        with.splice(start..start, format!("# comment {number}\n\n").into_bytes());
        let same = format.read(b"n", Arc::new(with.clone()), &ParseOptions::new());
        if same.is_ok_and(|read| read.package == package) {
            text = with;
        }
    }
    text
}

fn lines_of(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Reports whether `part` is `whole` with lines left out.
fn is_part(part: &[&[u8]], whole: &[&[u8]]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|line| whole.any(|other| other == line))
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(edits in edits()) {
        let package = package_of(&edits);
        for format in FORMATS {
            let text = format.print(&package, false);
            prop_assert_eq!(&read(format, &text), &package, "{}", format.name());
            prop_assert_eq!(&format.print(&read(format, &text), false), &text, "{}", format.name());
            prop_assert_eq!(format.tidy(&Arc::new(text.clone())).is_ok(), true);
        }
    }

    #[test]
    fn printed_with_names_each_section_has_its_name(edits in edits()) {
        let package = package_of(&edits);
        for format in FORMATS {
            let named = read(format, &format.print(&package, true));
            prop_assert!(named.sections().all(|section| !section.is_anonymous()));
            let names = |package: &Package| package.sections().map(|s| s.name().to_vec()).collect::<Vec<_>>();
            prop_assert_eq!(names(&named), names(&package));
        }
    }

    #[test]
    fn any_edits_are_written_back(
        first in edits(), second in edits(), at in prop::collection::vec(0..64_usize, 0..6)
    ) {
        let package = package_of(&first);
        for format in FORMATS {
            let text = with_comments(format, &format.print(&package, false), &at);
            let original = read(format, &text);
            prop_assert_eq!(rewrite(format, &original, &original.clone()), text);
            let mut edited = original.clone();
            apply(&mut edited, &second);
            rewrite(format, &original, &edited);
        }
    }

    #[test]
    fn edits_of_options_leave_all_other_lines_in_place(
        first in edits(), second in prop::collection::vec(edit(), 1..4), at in prop::collection::vec(0..64_usize, 0..6)
    ) {
        use DeltaKind::{AddList, DelList, Delete, Set};
        let package = package_of(&first);
        for format in FORMATS {
            let text = with_comments(format, &format.print(&package, false), &at);
            let original = read(format, &text);
            let mut edited = original.clone();
            let of_options: Vec<Edit> = second
                .iter()
                .filter(|edit| edit.option.is_some() && matches!(edit.kind, Set | AddList | DelList | Delete))
                .cloned()
                .collect();
            apply(&mut edited, &of_options);
            let written = rewrite(format, &original, &edited);
            // The lines of a package without the options that were edited are there before and after, in this order.
            let mut rest = original.clone();
            for edit in &of_options {
                for section in original.sections() {
                    let option = edit.option.expect("an edit of an option");
                    let delete = Delta::new(DeltaKind::Delete, section.name(), Some(option.as_bytes()), None);
                    let _ = rest.apply(&delete, Dialect::Cms);
                }
            }
            let rest = rewrite(format, &original, &rest);
            prop_assert!(
                is_part(&lines_of(&rest), &lines_of(&written)),
                "{}\n{}\n{}", format.name(), String::from_utf8_lossy(&text), String::from_utf8_lossy(&written)
            );
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_with_a_place(text in prop::collection::vec(
        prop_oneof![3 => select(b"config option list 'x'\"\\\n\t=.@[]#;a".to_vec()), 1 => any::<u8>()], 0..80
    )) {
        for format in FORMATS {
            match format.read(b"n", Arc::new(text.clone()), &ParseOptions::new()) {
                Ok(parsed) => {
                    prop_assert!(parsed.errors.is_empty());
                    prop_assert_eq!(rewrite(format, &parsed.package, &parsed.package.clone()), text.clone());
                    prop_assert_eq!(read(format, &format.print(&parsed.package, false)), parsed.package);
                }
                Err(Error::Parse(error)) => {
                    let line = text.split(|byte| *byte == b'\n').nth(error.line - 1);
                    prop_assert!(line.is_some_and(|line| error.column <= line.len() + 1), "{error}");
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
            let options = ParseOptions::new().strict(false);
            let _ = format.read(b"n", Arc::new(text.clone()), &options);
        }
    }

    #[test]
    fn a_text_holds_the_names_that_its_format_allows(name in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        "[a-z._=@#'-]{1,4}".prop_map(String::into_bytes),
    ]) {
        for format in FORMATS {
            for part in [Part::Section, Part::Type, Part::Option] {
                let mut package = Package::new(b"n");
                let (section, kind, option): (&[u8], &[u8], &[u8]) = match part {
                    Part::Section => (&name, b"t", b"o"),
                    Part::Type => (b"s", &name, b"o"),
                    Part::Option => (b"s", b"t", &name),
                };
                let made = [
                    Delta::new(DeltaKind::Set, section, None, Some(kind)),
                    Delta::new(DeltaKind::Set, section, Some(option), Some(b"1")),
                ]
                .iter()
                .try_for_each(|delta| package.apply(delta, Dialect::Cms).map(|_| ()));
                if format.names(part, &name) && made.is_ok() {
                    prop_assert_eq!(read(format, &format.print(&package, false)), package, "{}", format.name());
                }
                prop_assert!(!format.names(part, &name) || made.is_ok(), "{}: {:?}", format.name(), part);
            }
        }
    }

    #[test]
    fn a_line_of_an_option_can_be_replaced_alone(edits in edits(), new in value()) {
        let package = package_of(&edits);
        for format in FORMATS {
            let text = format.print(&package, false);
            let package = read(format, &text);
            for section in package.sections() {
                for option in section.options() {
                    let (Some(at), Value::String(value)) = (option.offset(), option.value()) else { continue };
                    let start = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
                    let end = at + text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len() - at, |n| n + 1);
                    let line = &text[start..end];
                    let Some(found) = format.option_line(line) else { continue };
                    if found.name.start != at - start || &line[found.value.clone()] != value {
                        continue;
                    }
                    let after = [&line[..found.value.start], &new, &line[found.value.end..]].concat();
                    let same_places = format.option_line(&after).is_some_and(|after| {
                        after.name == found.name && after.value == (found.value.start..found.value.start + new.len())
                    });
                    if !same_places {
                        continue;
                    }
                    let whole = [&text[..start], &after, &text[end..]].concat();
                    let mut edited = package.clone();
                    let set = Delta::new(DeltaKind::Set, section.name(), Some(option.name()), Some(&new));
                    edited.apply(&set, Dialect::Cms).expect("a value");
                    prop_assert_eq!(read(format, &whole), edited, "{}", format.name());
                }
            }
        }
    }

    #[test]
    fn the_text_of_a_section_can_be_rewritten_alone(edits in edits(), new in value()) {
        let package = package_of(&edits);
        for format in FORMATS {
            let package = read(format, &format.print(&package, false));
            for section in package.sections() {
                let Some(range) = format.section_text(&package, section.name()) else { continue };
                let alone = read(format, &package.source()[range.clone()]);
                prop_assert_eq!(alone.len(), 1);
                let set = Delta::new(DeltaKind::Set, section.name(), Some(b"o"), Some(&new));
                let (mut part, mut whole) = (alone.clone(), package.clone());
                let _ = part.apply(&set, Dialect::Cms);
                let _ = whole.apply(&set, Dialect::Cms);
                let part = rewrite(format, &alone, &part);
                let text = [&package.source()[..range.start], &part, &package.source()[range.end..]].concat();
                prop_assert_eq!(read(format, &text), whole, "{}", format.name());
            }
        }
    }
}
