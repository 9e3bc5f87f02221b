//! Writes edited packages back into their text: only the lines of the edits change.

use std::sync::Arc;

use cms::text::{Dialect, ParseOptions, parse, print, render};
use cms::{Delta, DeltaKind, Package};
use proptest::prelude::*;

fn read(text: &[u8]) -> Package {
    parse(b"n", Arc::new(text.to_vec()), &ParseOptions::new()).expect("text that parses").package
}

/// Applies changes, given as delta lines, and returns the text.
fn edited(text: &str, lines: &str) -> String {
    let mut package = read(text.as_bytes());
    for line in cms::delta::read_lines(lines.as_bytes()) {
        let (_, delta) = line.delta.expect("a delta line");
        package.apply(&delta, Dialect::Cms).expect("a change that applies");
    }
    let out = render(&package, &ParseOptions::new()).expect("a package that can be written");
    String::from_utf8(out).expect("UTF-8")
}

const FILE: &str = "# Licence\n\n# the house\nconfig house 'attic' # top\n  option roof tin # old\n\toption \"note\" \"two words\"\n\tlist door 'oak'\n\tlist door 'elm'\n\n# a shed\nconfig shed\n\toption x 1\n# end\n";

#[test]
fn a_new_value_takes_the_place_and_the_quoting_of_the_old_one() {
    let text = edited(FILE, "n.attic.roof='slate'\nn.attic.note='a \"b\"'\n");
    let want = FILE.replace("roof tin", "roof slate").replace("\"two words\"", "\"a \\\"b\\\"\"");
    assert_eq!(text, want);
    assert_eq!(edited(FILE, "n.attic.roof='two tiles'\n"), FILE.replace("roof tin", "roof 'two tiles'"));
}

#[test]
fn a_new_option_goes_behind_the_last_one_with_its_indentation() {
    let text = edited(FILE, "n.attic.floor='wood'\n");
    assert_eq!(text, FILE.replace("'elm'\n", "'elm'\n\toption floor 'wood'\n"));
}

#[test]
fn list_items_come_and_go_line_by_line() {
    assert_eq!(edited(FILE, "|n.attic.door='ash'\n"), FILE.replace("'elm'\n", "'elm'\n\tlist door 'ash'\n"));
    assert_eq!(edited(FILE, "~n.attic.door='oak'\n"), FILE.replace("\tlist door 'oak'\n", ""));
    let both = FILE.replace("\tlist door 'oak'\n", "").replace("'elm'\n", "'elm'\n\tlist door 'oak'\n");
    assert_eq!(edited(FILE, "~n.attic.door='oak'\n|n.attic.door='oak'\n"), both);
}

#[test]
fn deleting_a_section_leaves_comments_of_others() {
    let text = edited(FILE, "-n.attic\n");
    assert_eq!(text, "# Licence\n\n# the house\n\n# a shed\nconfig shed\n\toption x 1\n# end\n");
}

#[test]
fn new_sections_go_to_the_end_and_moved_ones_take_their_comments_along() {
    let text = edited(FILE, "n.barn='shed'\nn.barn.x='2'\n");
    assert_eq!(text, format!("{FILE}\nconfig shed 'barn'\n\toption x '2'\n"));
    let text = edited(FILE, "^n.attic='9'\n");
    assert_eq!(
        text,
        "# Licence\n\n# a shed\nconfig shed\n\toption x 1\n\n# the house\nconfig house 'attic' # top\n  option roof tin # old\n\toption \"note\" \"two words\"\n\tlist door 'oak'\n\tlist door 'elm'\n# end\n"
    );
}

#[test]
fn statements_that_share_a_line_are_parted_only_where_one_of_them_changes() {
    let file = "config a 'x'; option o 1 ; option p 2 # both\nconfig b 'y' ; option q 3\n";
    let text = edited(file, "n.x.p='9'\n");
    assert_eq!(text, "config a 'x'\n\toption o 1\n\toption p 9 # both\nconfig b 'y' ; option q 3\n");
}

#[test]
fn naming_retyping_and_renaming_change_the_header_alone() {
    assert_eq!(edited(FILE, "@n.cfg02e6e9='hut'\n"), FILE.replace("config shed\n", "config shed 'hut'\n"));
    assert_eq!(edited(FILE, "n.attic='home'\n"), FILE.replace("config house", "config home"));
    assert_eq!(edited(FILE, "@n.attic.roof='top'\n"), FILE.replace("option roof", "option top"));
}

#[test]
fn line_ends_and_a_missing_last_one_are_respected() {
    assert_eq!(
        edited("config a x\r\n\toption o 1\r\n", "n.x.p='2'\n"),
        "config a x\r\n\toption o 1\r\n\toption p '2'\r\n"
    );
    // Newlines within a value must not change: a quote in a value once turned them into CRLF.
    assert_eq!(
        edited("config a x\r\n", "n.z='b'\nn.z.o='it'\\''s\ntwo'\n"),
        "config a x\r\n\r\nconfig b 'z'\r\n\toption o 'it'\\''s\ntwo'\r\n"
    );
    assert_eq!(edited("config a x", "n.x.p='2'\n"), "config a x\n\toption p '2'\n");
    assert_eq!(edited("", "n.x='a'\n"), "config a 'x'\n");
}

/// Pieces of configuration text, odd ones included.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "config a\n",
        "config a x\n",
        "config 'b' \"y\"\n",
        "config a;\n",
        "\n",
        "# note\n",
        "   \n",
        "config b x # c\n",
        "\toption o 1\n",
        "  option o 'two words'\n",
        "\toption \"p\" \"q\\\"r\"\n",
        "option q a'b'c # end\n",
        "\tlist l 1\n",
        "\tlist l 2 # two\n",
        "\tlist o 'x\ny'\n",
        "option e ''\n",
        "option o 1 ; option p 2\n",
        "config a z; option o 1;list l 3\n",
        "option m 1 \\\n option n 2\n",
        "package other\n",
        "\toption o\n",
        "option r \\\n1\r\n",
        "list l ''\n",
        "config c \\\n w\n",
        "config b ; option o 5 ; config a v; option p 6\n",
    ]);
    fixed.prop_map(str::to_owned)
}

fn change() -> impl Strategy<Value = Delta> {
    let section =
        prop::sample::select(vec!["x", "y", "z", "v", "w", "new", "cfg01b606", "cfg02b606", "cfg03b607"]);
    let option = prop::sample::select(vec!["o", "p", "l", "q", "e", "fresh"]);
    let value =
        prop::sample::select(vec!["1", "2", "", "it's", "two words", "a\nb", "\\", "x\"y", "#;", "b", "3"]);
    let kind = prop::sample::select(vec![
        DeltaKind::Set,
        DeltaKind::Set,
        DeltaKind::Add,
        DeltaKind::Delete,
        DeltaKind::Rename,
        DeltaKind::Reorder,
        DeltaKind::AddList,
        DeltaKind::DelList,
    ]);
    (kind, section, prop::option::weighted(0.7, option), value).prop_map(|(kind, section, option, value)| {
        let value = match (kind, option) {
            (DeltaKind::Set | DeltaKind::Add, None) => Some("b"),
            (DeltaKind::Rename, _) => Some("renamed"),
            (DeltaKind::Reorder, _) => Some("1"),
            (DeltaKind::Delete, _) => None,
            _ => Some(value),
        };
        let option = if kind == DeltaKind::Reorder { None } else { option };
        Delta::new(kind, section.as_bytes(), option.map(str::as_bytes), value.map(str::as_bytes))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn parse_then_print_is_the_identity(pieces in prop::collection::vec(piece(), 0..12)) {
        let text = pieces.concat().into_bytes();
        if let Ok(parsed) = parse(b"n", Arc::new(text.clone()), &ParseOptions::new()) {
            prop_assert_eq!(render(&parsed.package, &ParseOptions::new()).expect("unchanged"), text);
        }
    }

    #[test]
    fn an_edited_package_reads_back_from_its_text_and_from_canonical_form(
        pieces in prop::collection::vec(piece(), 0..12),
        changes in prop::collection::vec(change(), 1..8),
    ) {
        let text = pieces.concat().into_bytes();
        if let Ok(parsed) = parse(b"n", Arc::new(text), &ParseOptions::new()) {
            let mut package = parsed.package;
            for change in &changes {
                // A section named like a generated name merges with the anonymous one that gets it.
                let looks_generated = change.option.is_none() && change.section.starts_with(b"cfg");
                if !looks_generated || package.section(&change.section).is_some() {
                    let _ = package.apply(change, Dialect::Cms);
                }
            }
            let out = render(&package, &ParseOptions::new()).expect("rendered");
            prop_assert!(read(&out) == package);
            prop_assert!(read(&print(&package, false)) == package);
        }
    }

    #[test]
    fn no_comment_is_lost_when_values_are_set(
        pieces in prop::collection::vec(piece(), 0..12),
        value in "[a-z ]{1,6}",
    ) {
        let text = pieces.concat().into_bytes();
        if let Ok(parsed) = parse(b"n", Arc::new(text.clone()), &ParseOptions::new()) {
            let mut package = parsed.package;
            let set = Delta::new(DeltaKind::Set, b"x", Some(b"o"), Some(value.as_bytes()));
            if package.apply(&set, Dialect::Cms).is_ok() {
                let out = render(&package, &ParseOptions::new()).expect("rendered");
                let comments = |text: &[u8]| text.iter().filter(|byte| **byte == b'#').count();
                prop_assert_eq!(comments(&out), comments(&text));
            }
        }
    }
}
