//! A map made of text in one pass has the same bytes as one made of the package that the text is read as.

use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::map::write::one_pass::build_of_text;

/// Makes a map of a text in both ways. Returns whether it can be made in one pass.
fn is_same(text: &[u8]) -> bool {
    let making =
        Making { seed: 7, base: Seq(9), source: Source::fixed(), slack: Slack::NEW, columns: Columns::NONE };
    let in_one_pass = build_of_text(b"p", text, &making, None);
    let package = parse(b"p", Arc::new(text.to_vec()), &ParseOptions::default());
    let shown = || String::from_utf8_lossy(text);
    match package.and_then(|read| build(b"p", &read.package, &making)) {
        Ok(image) => {
            let Some(made) = in_one_pass.expect("no error that `build` does not have") else { return false };
            assert!(made.bytes == image.bytes, "other bytes: {}", shown());
            assert_eq!(made.capacity, image.capacity, "{}", shown());
            let map = Map::new(Region::heap(&made.bytes, made.capacity)).expect("a good one");
            assert_eq!(map.check(), Ok(()), "{}", shown());
            true
        }
        Err(_) => {
            assert!(!matches!(in_one_pass, Ok(Some(_))), "accepted with an error: {}", shown());
            false
        }
    }
}

/// Lines of all kinds; `%` becomes a number that no other line has.
fn line() -> impl Strategy<Value = String> {
    let usual = [
        "config host 's%'",
        "config host",
        "\toption o1 'value'",
        "\toption o% 'of its own'",
        "\tlist l 'item'",
        "\tlist l ''",
        "\toption o2 ''",
        "  option o3 \"in double quotes\"",
        "option o4 bare",
        "# comment",
        "",
        "package other",
        "o o5 short\\",
        "config 'rule' \"r%\"",
        "config wifi-iface 'w%'",
        "config a-b-",
        "config host ''",
        "config host  's%'",
        "config host 's%' ",
        "  config host 's%'",
        "config host 's%' # comment",
        "\toption o6 'two\nlines'",
        "\tlist m 'crlf'\r",
        "\toption o7 'with \u{e9} and \t'",
    ];
    let unusual = [
        "config host 'twice'",
        "config other 'twice'",
        "config rule 'cfg023f27'",
        "\toption o8 'part'\"s\"",
        "\tlist o1 'of a string'",
        "\toption l 'of a list'",
        "\toption",
        "\toption x 'open",
        "nonsense",
        "\toption n 'a\0b'",
        "config host 'bad name'",
        "config host 'bad-name'",
        "config 'host",
        "config ",
        "config -",
        "config h\"o\"st 's%'",
        "config host 's%' more",
        "\toption o9 'a' too many",
        "; option o9 'a'",
    ];
    prop_oneof![
        14 => proptest::sample::select(usual.to_vec()),
        1 => proptest::sample::select(unusual.to_vec()),
    ]
    .prop_map(str::to_owned)
}

fn text(lines: Vec<String>) -> String {
    let numbered = |(number, line): (usize, String)| line.replace('%', &number.to_string()) + "\n";
    lines.into_iter().enumerate().map(numbered).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 1500 }))]

    #[test]
    fn of_any_lines(lines in vec(line(), 0..40)) {
        is_same(text(lines).as_bytes());
    }

    #[test]
    fn of_any_lines_with_changed_bytes(
        lines in vec(line(), 1..20),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        end in any::<prop::sample::Index>(),
    ) {
        let mut text = text(lines).into_bytes();
        for (place, byte) in changes {
            let at = place.index(text.len());
            text[at] = byte;
        }
        is_same(&text[..end.index(text.len() + 1)]);
        is_same(&text);
    }
}

#[test]
fn of_usual_texts_in_one_pass() {
    assert!(is_same(b""));
    assert!(is_same(b"\xef\xbb\xbfconfig a\n\toption b 'c'"));
    assert!(is_same(b"config a 'x'\n\tlist l 'a'\n\tlist l 'b'\n\toption m 'c'\n\nconfig a\nconfig b\n"));
    let many = |sections: usize, options: usize| -> String {
        let option = |option| format!("\toption o{option} 'value {option}'\n");
        let section =
            |number| format!("config host 's{number}'\n{}", (0..options).map(option).collect::<String>());
        (0..sections).map(section).collect()
    };
    assert!(is_same(many(if cfg!(miri) { 3 } else { 1500 }, 10).as_bytes()));
    for options in [64, 65, if cfg!(miri) { 66 } else { 3000 }] {
        assert!(is_same(many(2, options).as_bytes()), "{options}");
    }
    let large = many(1, 70);
    assert!(is_same((large.clone() + "\tlist l 'a'\n\tlist l 'b'\nconfig anonymous\n").as_bytes()));
    for twice in ["o0", "o63", "o64", "o69"] {
        assert!(!is_same((large.clone() + &format!("\toption {twice} 'again'\n")).as_bytes()), "{twice}");
    }
    assert!(is_same(format!("{large}{}", large.replace("'s0'", "")).as_bytes()));
}

#[test]
fn of_texts_that_are_read_as_a_package_first() {
    for text in [
        &b"config a 'x'\n\toption b 'c'\nconfig a 'x'\n"[..],
        b"config a 'x'\n\toption b 'c'\n\toption b 'c'\n",
        b"config a 'x'\n\toption b 'c'\n\tlist b 'c'\n",
        b"config a 'x'\n\tlist b 'c'\n\toption d 'e'\n\tlist b 'c'\n",
        b"config a 'cfg02b606'\nconfig a\n",
        b"config a 'x'\n\toption b 'c'\"d\"\n",
        b"config a\n\toption b 'a\0'\n",
    ] {
        assert!(!is_same(text), "{}", String::from_utf8_lossy(text));
    }
}

/// Numbers that do not fit into 16 bits: lengths, distances in a block, positions of names.
#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn of_texts_with_wide_records() {
    for len in [4092, 4093, 4094, 4095, 4096, 32_767, 70_000, crate::model::name::MAX_VALUE - 1] {
        let value = "v".repeat(len);
        assert!(is_same(format!("config a 'x'\n\toption b '{value}'\n\toption c 'd'\n").as_bytes()));
        let list = format!("config a 'x'\n\tlist b '{value}'\n\tlist b ''\n\tlist c 'd'\n\tlist c ''\n");
        // Too long with its second item.
        assert_eq!(is_same(list.as_bytes()), len < crate::model::name::MAX_VALUE - 1, "{len}");
    }
    assert!(!is_same(
        format!("config a 'x'\n\toption b '{}'\n", "v".repeat(crate::model::name::MAX_VALUE)).as_bytes()
    ));
    let items = |count: usize| "\tlist l 'an item of some length'\n".repeat(count);
    for count in [1, 150, 163, 164, 200, 3000] {
        let text = format!("config a 'x'\n{}\toption c 'd'\nconfig a\n{}", items(count), items(count));
        assert!(is_same(text.as_bytes()), "{count}");
    }
    let options = |section: usize| -> String {
        (0..60).map(|option| format!("\toption n{section}_{option} '{}'\n", "v".repeat(2500))).collect()
    };
    let text: String = (0..4).map(|section| format!("config a 's{section}'\n{}", options(section))).collect();
    assert!(is_same(text.as_bytes()));
    let lists: String =
        (0..4000).map(|n| format!("config a 's{n}'\n\tlist n{n} 'a'\n\tlist n{n} 'b'\n")).collect();
    assert!(is_same(lists.as_bytes()));
    let long = "n".repeat(crate::model::name::MAX_NAME);
    assert!(is_same(format!("config a '{long}'\n\toption {long} 'v'\n").as_bytes()));
    assert!(!is_same(format!("config a '{long}n'\n").as_bytes()));
    assert!(!is_same(format!("config a 'x'\n\toption {long}n 'v'\n").as_bytes()));
}

/// All files below a directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn of_real_files_and_those_of_the_golden_cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("CMS_SHARED").map_or(root.join("../shared"), PathBuf::from);
    let corpus = shared.join("corpus/openwrt");
    for (dir, least) in [(corpus.as_path(), 80), (&root.join("tests/golden"), 80)] {
        let mut found = Vec::new();
        files(dir, &mut found);
        if found.is_empty() && dir == corpus {
            eprintln!("skipped: no corpus of OpenWrt files in {}", dir.display());
            continue;
        }
        let taken = found.iter().filter(|file| std::fs::read(file).is_ok_and(|text| is_same(&text))).count();
        println!("{}: {taken} of {} in one pass", dir.display(), found.len());
        assert!(taken >= least, "{}: only {taken} of {}", dir.display(), found.len());
    }
}
