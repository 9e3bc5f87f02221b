//! The smallest edit that leads to a wanted state (M21): it leads there, it is small, and what stays keeps its comments.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use cms::text::{Dialect, ParseOptions, parse, reach, render};
use cms::{Delta, DeltaKind, Extent, Package};
use proptest::prelude::*;

fn package(text: &str) -> Package {
    let text = Arc::new(text.as_bytes().to_vec());
    parse(b"p", text, &ParseOptions::new()).expect("a correct text").package
}

fn text_of(package: &Package) -> String {
    String::from_utf8(render(package, &ParseOptions::new()).expect("it can be written")).expect("UTF-8")
}

/// The text after the smallest edit.
fn edited(have: &str, wanted: &str, extent: Extent) -> String {
    text_of(&reach(&package(have), &package(wanted), extent).expect("it can be edited"))
}

fn deltas(have: &str, wanted: &str) -> Vec<Delta> {
    package(have).changes_toward(&package(wanted), Extent::Whole).expect("it can be edited")
}

type Options = BTreeMap<Vec<u8>, (bool, Vec<Vec<u8>>)>;

/// A package as data: sections in order, options by name.
fn data(package: &Package) -> Vec<(Vec<u8>, Option<Vec<u8>>, Options)> {
    let section = |section: cms::Section<'_>| {
        let options = section.options().map(|option| {
            let value = option.value();
            let is_list = matches!(value, cms::Value::List(_));
            (option.name().to_vec(), (is_list, value.items().map(<[u8]>::to_vec).collect()))
        });
        let name = (!section.is_anonymous()).then(|| section.name().to_vec());
        (section.section_type().to_vec(), name, options.collect())
    };
    package.sections().map(section).collect()
}

/// A package as text, with comments, from small numbers.
fn text_from(sections: &[(u8, Vec<(u8, u8)>)]) -> String {
    let mut text = String::new();
    let mut used = Vec::new();
    for (index, (head, options)) in sections.iter().enumerate() {
        let name = head / 4;
        let named = head % 2 == 0 && !used.contains(&name);
        used.push(name);
        let kind = ["rule", "zone"][usize::from(head / 2 % 2)];
        let _ = match named {
            true => writeln!(text, "# about {index}\nconfig {kind} 'n{name}'"),
            false => writeln!(text, "config {kind} # here"),
        };
        for (option, value) in options {
            let _ = match option % 4 {
                0 => writeln!(text, "\tlist l{} '{value}'", option / 4 % 2),
                _ => writeln!(text, "\toption o{} '{value}'", option % 4),
            };
        }
    }
    text
}

fn sections() -> impl Strategy<Value = Vec<(u8, Vec<(u8, u8)>)>> {
    proptest::collection::vec((0_u8..24, proptest::collection::vec((0_u8..8, 0_u8..4), 0..6)), 0..8)
}

proptest! {
    #[test]
    fn m21_the_changes_lead_to_the_wanted_state(have in sections(), wanted in sections()) {
        let (have, wanted) = (package(&text_from(&have)), package(&text_from(&wanted)));
        let mut by_changes = have.clone();
        let deltas = have.changes_toward(&wanted, Extent::Whole).expect("it can be edited");
        for delta in &deltas {
            let made = by_changes.apply(delta, Dialect::Cms).expect("it can be applied");
            prop_assert_eq!(made.as_ref(), Some(delta));
        }
        prop_assert_eq!(data(&by_changes), data(&wanted));
        let by_text = package(&text_of(&reach(&have, &wanted, Extent::Whole).expect("it can be edited")));
        prop_assert_eq!(data(&by_text), data(&wanted));
        prop_assert!(by_text.changes_toward(&wanted, Extent::Whole).expect("it can be edited").is_empty());
        prop_assert_eq!(deltas.is_empty(), data(&have) == data(&wanted));
    }

    #[test]
    fn m21_a_part_is_added_once(have in sections(), part in sections()) {
        let (have, part) = (package(&text_from(&have)), package(&text_from(&part)));
        let Ok(deltas) = have.changes_toward(&part, Extent::Part) else { return Ok(()) };
        let mut by_changes = have.clone();
        for delta in &deltas {
            by_changes.apply(delta, Dialect::Cms).expect("it can be applied");
        }
        let by_text = package(&text_of(&reach(&have, &part, Extent::Part).expect("it can be edited")));
        prop_assert_eq!(data(&by_text), data(&by_changes));
        // Nothing goes, and a second time changes nothing.
        prop_assert!(by_text.len() >= have.len());
        let again = by_text.changes_toward(&part, Extent::Part).expect("it can be edited");
        prop_assert!(again.is_empty(), "{again:?}");
    }

    #[test]
    fn what_both_have_in_the_same_order_keeps_its_lines(have in sections(), at in 0_usize..8, head in 0_u8..24) {
        let text = text_from(&have);
        let mut more = have.clone();
        more.insert(at.min(have.len()), (head | 1, vec![(1, 9), (2, 9), (3, 9)]));
        let (before, wanted) = (package(&text), package(&text_from(&more)));
        let new = text_of(&reach(&before, &wanted, Extent::Whole).expect("it can be edited"));
        if before.sections().filter(|section| !section.is_anonymous()).count()
            == wanted.sections().filter(|section| !section.is_anonymous()).count()
        {
            let left = new.lines().filter(|line| text.lines().any(|old| old == *line)).count();
            prop_assert!(left >= text.lines().count(), "{text}\n->\n{new}");
        }
    }
}

const RULES: &str = "# the house\nconfig rule # ping\n\toption name 'ping' # allowed\n\tlist proto 'icmp'\n\n# ssh\n\
                     config rule\n\toption name 'ssh'\n\tlist proto 'tcp'\n\tlist proto 'udp' # too\n\n\
                     # web\nconfig rule\n\toption name 'web'\n";

#[test]
fn m21_sections_without_a_name_are_matched_by_content() {
    let moved = "config rule\n\toption name 'web'\n\nconfig rule\n\toption name 'ping'\n\tlist proto 'icmp'\n\n\
                 config rule\n\toption name 'ssh'\n\tlist proto 'tcp'\n\tlist proto 'udp'\n";
    let new = edited(RULES, moved, Extent::Whole);
    for comment in ["# the house", "# ping", "# allowed", "# ssh", "# too", "# web"] {
        assert_eq!(new.matches(comment).count(), 1, "{comment}: {new}");
    }
    let kinds: Vec<DeltaKind> = deltas(RULES, moved).iter().map(|delta| delta.kind).collect();
    assert_eq!(kinds, [DeltaKind::Reorder], "one move and no more");
    let without = RULES.replace(
        "# ssh\nconfig rule\n\toption name 'ssh'\n\tlist proto 'tcp'\n\tlist proto 'udp' # too\n\n",
        "",
    );
    assert_eq!(
        deltas(RULES, &without).iter().map(|delta| delta.kind).collect::<Vec<_>>(),
        [DeltaKind::Delete]
    );
}

#[test]
fn m21_a_section_that_only_gets_a_name_is_renamed_and_keeps_its_comments() {
    let named = "config rule\n\toption name 'ping'\n\tlist proto 'icmp'\n\nconfig rule\n\toption name 'web'\n\n\
                 config rule 'ssh'\n\tlist proto 'tcp'\n\tlist proto 'udp'\n\toption name 'ssh'\n";
    let kinds: Vec<DeltaKind> = deltas(RULES, named).iter().map(|delta| delta.kind).collect();
    assert_eq!(kinds, [DeltaKind::Rename, DeltaKind::Reorder]);
    let new = edited(RULES, named, Extent::Whole);
    assert!(new.contains("# ssh\nconfig rule 'ssh'\n\toption name 'ssh'\n"), "{new}");
    assert!(new.contains("\tlist proto 'udp' # too\n") && new.contains("# web\nconfig rule\n"), "{new}");
    let two = "# one\nconfig rule\n\n# two\nconfig rule\n";
    let kinds = |have: &str, want: &str| -> Vec<DeltaKind> {
        deltas(have, want).iter().map(|delta| delta.kind).collect()
    };
    assert_eq!(kinds(two, "config rule 'a'\nconfig rule 'b'\n"), [DeltaKind::Rename; 2]);
    assert_eq!(
        kinds("config rule\n\toption a '1'\n", "config rule 'a'\n"),
        [DeltaKind::Delete, DeltaKind::Set]
    );
    // A generated name is given to the section that has it, and to no other one.
    let generated: Vec<String> = package(two)
        .sections()
        .map(|section| String::from_utf8(section.name().to_vec()).expect("text"))
        .collect();
    let text = format!("config rule '{}'\nconfig rule '{}'\n", generated[0], generated[1]);
    let expected =
        format!("# one\nconfig rule '{}'\n\n# two\nconfig rule '{}'\n", generated[0], generated[1]);
    assert_eq!(edited(two, &text, Extent::Whole), expected);
    // In part, nothing that is there is changed.
    let parts =
        package(two).changes_toward(&package("config rule 'a'\n"), Extent::Part).expect("it can be edited");
    assert_eq!(parts.iter().map(|delta| delta.kind).collect::<Vec<_>>(), [DeltaKind::Set]);
}

#[test]
fn m21_of_a_changed_section_only_the_changed_lines_change() {
    let changed = "config rule\n\toption name 'ping'\n\tlist proto 'icmp'\n\n\
                   config rule\n\toption name 'ssh'\n\tlist proto 'tcp'\n\tlist proto 'sctp'\n\tlist proto 'udp'\n\n\
                   config rule\n\toption name 'www'\n";
    let expected = RULES.replace("'tcp'\n", "'tcp'\n\tlist proto 'sctp'\n").replace("'web'", "'www'");
    assert_eq!(edited(RULES, changed, Extent::Whole), expected);
    assert_eq!(edited(RULES, RULES, Extent::Whole), RULES);
}

#[test]
fn m21_comments_of_new_sections_come_along() {
    let have = "# mine\nconfig a 'x'\n\toption o '1' # one\n";
    let wanted =
        "# theirs\nconfig a 'y'\n\t# inside\n\toption p '2' # two\n\n# gone\nconfig a 'x'\n\toption o '1'\n";
    let new = edited(have, wanted, Extent::Whole);
    assert_eq!(
        new,
        "# mine\n# theirs\nconfig a 'y'\n\t# inside\n\toption p '2' # two\n\nconfig a 'x'\n\toption o '1' # one\n"
    );
    let part = "# theirs\nconfig a 'y'\n\toption p '2' # two\n";
    assert_eq!(edited(have, part, Extent::Part), format!("{have}\n{part}"));
}

#[test]
fn m21_a_part_doubles_neither_items_nor_sections() {
    let part = "config rule\n\toption name 'ssh'\n\tlist proto 'udp'\n\nconfig rule\n\toption name 'web'\n\n\
                config rule\n\toption name 'dns'\n";
    assert_eq!(edited(RULES, part, Extent::Part), format!("{RULES}\nconfig rule\n\toption name 'dns'\n"));
    let have = "config a 'x'\n\tlist l 'a'\n\tlist l 'b' # kept\n";
    let part = "config a 'x'\n\tlist l 'b'\n\tlist l 'c'\n\tlist l 'c'\n";
    assert_eq!(edited(have, part, Extent::Part), format!("{have}\tlist l 'c'\n"));
    let why =
        package(have).changes_toward(&package("config b 'x'\n"), Extent::Part).expect_err("it is refused");
    assert_eq!(why.to_string(), "'p.x': the section is there with another type; delete it first");
}

#[test]
fn m21_a_list_that_changes_keeps_its_place_and_the_lines_of_its_items() {
    let have = "config a 'x'\n\tlist l 'a' # first\n\tlist l 'b' # second\n\toption o '1'\n";
    for (wanted, expected) in [
        ("\tlist l 'b'\n", "\tlist l 'b' # second\n"),
        ("\tlist l 'a'\n\tlist l 'c'\n", "\tlist l 'a' # first\n\tlist l 'c'\n"),
        ("\tlist l 'c'\n\tlist l 'b'\n", "\tlist l 'c'\n\tlist l 'b' # second\n"),
        ("\toption l 'a'\n", "\toption l 'a'\n"),
    ] {
        let wanted = format!("config a 'x'\n{wanted}\toption o '1'\n");
        let expected = format!("config a 'x'\n{expected}\toption o '1'\n");
        assert_eq!(edited(have, &wanted, Extent::Whole), expected);
    }
}

#[test]
fn ten_thousand_sections_with_one_difference_are_one_change_of_one_line() {
    let mut text = String::from("# many\n");
    for index in 0..10_000 {
        let _ = write!(text, "config rule\n\toption name 'r{index}'\n\toption port '{}'\n\n", index % 7);
    }
    let wanted =
        text.replace("# many\n", "").replace("'r5000'\n\toption port '2'", "'r5000'\n\toption port '9'");
    let new = edited(&text, &wanted, Extent::Whole);
    assert_eq!(new, text.replace("'r5000'\n\toption port '2'", "'r5000'\n\toption port '9'"));
    assert_eq!(deltas(&text, &wanted).len(), 1);
    // Equal sections, and sections that are all different, take no longer.
    let equal = "config rule\n\toption name 'same'\n".repeat(10_000);
    assert_eq!(deltas(&equal, &equal["config rule\n\toption name 'same'\n".len()..]).len(), 1);
    let other = text.replace("option name 'r", "option name 's").replace("# many\n", "");
    assert_eq!(data(&package(&edited(&text, &other, Extent::Whole))), data(&package(&other)));
}
