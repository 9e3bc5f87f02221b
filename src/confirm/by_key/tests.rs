use super::*;
use crate::format::DEFAULT;
use crate::log::compare_packages;

fn text(text: &str) -> Text {
    Some(Arc::new(text.as_bytes().to_vec()))
}

/// Makes the changes between successive texts; the marked changes are to be reverted.
fn text_changes(states: &[Text], go: &[bool]) -> Vec<TextChange> {
    let text_change = |(pair, is_reverted): (&[Text], &bool)| {
        let [was, is] = [0, 1]
            .map(|at| DEFAULT.read_leniently("p", &pair[at].clone().unwrap_or_default()).expect("readable"));
        let changes = compare_packages(&was, &is);
        TextChange { is_reverted: *is_reverted, texts: Some((pair[0].clone(), pair[1].clone())), changes }
    };
    states.windows(2).zip(go).map(text_change).collect()
}

/// Returns the text after the marked transactions are reverted.
fn left(states: &[&str], go: &[bool]) -> String {
    let states: Vec<Text> = states.iter().map(|state| text(state)).collect();
    match revert(DEFAULT, "p", &text_changes(&states, go), &states[states.len() - 1]) {
        Reverted::Text(Some(text)) => String::from_utf8(text).expect("UTF-8"),
        other => panic!("{other:?}"),
    }
}

const BASE: &str = "# head\nconfig a 'x'\n\toption o '1' # why\n\toption p '1'\n\n# rules\nconfig r\n\toption n '1'\n\nconfig r\n\toption n '2'\n";

#[test]
fn alone_the_text_comes_back_byte_for_byte() {
    assert_eq!(left(&[BASE, "config a 'x'\n"], &[true]), BASE);
    assert_eq!(left(&[BASE, "", BASE, "config z\n"], &[true, true, true]), BASE);
}

#[test]
fn a_key_goes_back_whoever_changed_it_since_and_others_stay() {
    let mine = BASE.replace("o '1'", "o '2'");
    let theirs = mine.replace("o '2'", "o '3'").replace("p '1'", "p '3'").replace("# head", "# theirs");
    assert_eq!(left(&[BASE, &mine, &theirs], &[true, false]), theirs.replace("o '3'", "o '1'"));
    let gone = mine.replace("\toption o '2' # why\n", "");
    let back = left(&[BASE, &mine, &gone], &[true, false]);
    assert!(back.contains("option o '1'") && back.contains("# head"), "{back}");
}

#[test]
fn the_first_of_several_that_go_says_what_a_key_was() {
    let one = BASE.replace("o '1'", "o '2'");
    let theirs = one.replace("p '1'", "p '7'");
    let two = theirs.replace("p '7'", "p '8'").replace("o '2'", "o '5'");
    assert_eq!(left(&[BASE, &one, &theirs, &two], &[true, false, true]), theirs.replace("o '2'", "o '1'"));
}

#[test]
fn a_section_that_was_made_goes_whole_and_one_that_was_deleted_comes_back_whole() {
    let made = format!("{BASE}\nconfig b 'y'\n\toption q '1'\n");
    let theirs = made.replace("q '1'", "q '2'\n\toption theirs '1'").replace("p '1'", "p '2'");
    assert_eq!(left(&[BASE, &made, &theirs], &[true, false]), BASE.replace("p '1'", "p '2'"));
    let deleted = BASE.replace("config a 'x'\n\toption o '1' # why\n\toption p '1'\n\n", "");
    let theirs = format!("{deleted}\nconfig b 'y'\n");
    assert_eq!(left(&[BASE, &deleted, &theirs], &[true, false]), format!("{BASE}\nconfig b 'y'\n"));
    let again = format!("{deleted}\nconfig other 'x'\n\toption z '1'\n");
    let back = left(&[BASE, &deleted, &again], &[true, false]);
    let read = read_text(DEFAULT, "p", &text(&back)).expect("readable");
    let x = read.section(b"x").expect("there");
    assert_eq!((x.section_type(), x.options().count(), read.len()), (&b"a"[..], 2, 3), "{back}");
    assert_eq!(read.sections().next().expect("there").name(), b"x", "it is the first again: {back}");
}

#[test]
fn sections_without_a_name_are_followed() {
    // The first of two rules is deleted. The second, whose generated name has changed by that, is changed by others.
    let mine = BASE.replace("config r\n\toption n '1'\n\n", "");
    let theirs = mine.replace("n '2'", "n '2'\n\toption t '1'");
    let back = left(&[BASE, &mine, &theirs], &[true, false]);
    assert_eq!(back, BASE.replace("n '2'", "n '2'\n\toption t '1'"));
    // An edit by hand inserts a rule before them; the changes of the second are reverted all the same.
    let mine = BASE.replace("n '2'", "n '9'");
    let theirs = mine.replace("# rules\n", "# rules\nconfig r\n\toption n '0'\n\n").replace("n '1'", "n '5'");
    assert_eq!(left(&[BASE, &mine, &theirs], &[true, false]), theirs.replace("n '9'", "n '2'"));
}

#[test]
fn a_section_that_has_one_value_of_three_in_common_with_a_removed_one_is_another() {
    let rule =
        |id: u8, a: u8| format!("config rule\n\toption id '{id}'\n\toption of_{id} '1'\n\toption a '{a}'\n");
    let (was, mine, theirs) = (rule(1, 7), rule(1, 15), rule(2, 15));
    let left_there = left(&[&was, &mine, &theirs], &[true, false]);
    assert!(left_there.starts_with(&theirs), "{left_there}");
    // Sections with the same options match, whatever the values are.
    let edited = "config rule\n\toption id '9'\n\toption of_1 '8'\n\toption a '15'\n";
    assert_eq!(left(&[&was, &mine, edited], &[true, false]), edited.replace("'15'", "'7'"));
}

#[test]
fn what_was_moved_stands_where_it_stood_and_a_list_is_one_value() {
    let text = |names: &str| names.chars().map(|name| format!("config s '{name}'\n")).collect::<String>();
    let names = |text: String| text.replace("config s '", "").replace("'\n", "").replace('\n', "");
    assert_eq!(names(left(&[&text("abcd"), &text("bcda"), &text("bcdea")], &[true, false])), "abcde");
    assert_eq!(names(left(&[&text("abcd"), &text("dabc"), &text("dac")], &[true, false])), "acd");
    let list = "config s 'x'\n\tlist l 'a'\n\tlist l 'b'\n\toption o '1'\n";
    let mine = list.replace("\tlist l 'b'\n", "\tlist l 'c'\n");
    let theirs = mine.replace("\toption o '1'\n", "\tlist l 'd'\n\toption o '2'\n");
    assert_eq!(left(&[list, &mine, &theirs], &[true, false]), list.replace("o '1'", "o '2'"));
}

#[test]
fn packages_that_were_made_go_and_those_that_were_deleted_come_back() {
    let made = [None, text(BASE), text(&BASE.replace("o '1'", "o '2'"))];
    assert_eq!(revert(DEFAULT, "p", &text_changes(&made, &[true, false]), &made[2]), Reverted::Text(None));
    let deleted = [text(BASE), None, text("config z 'new'\n")];
    let Reverted::Text(Some(back)) =
        revert(DEFAULT, "p", &text_changes(&deleted, &[true, false]), &deleted[2])
    else {
        panic!("it comes back")
    };
    let back = read_text(DEFAULT, "p", &Some(Arc::new(back))).expect("readable");
    let names: Vec<&[u8]> = back.sections().map(|section| section.name()).collect();
    assert!(back.len() == 4 && names.contains(&&b"new"[..]) && names.contains(&&b"x"[..]), "{back:?}");
    // Another user deleted the file: only the section whose keys are reverted is restored.
    let gone = [text(BASE), text(&BASE.replace("o '1'", "o '2'")), None];
    let Reverted::Text(Some(back)) = revert(DEFAULT, "p", &text_changes(&gone, &[true, false]), &None) else {
        panic!("it comes back")
    };
    assert_eq!(back, b"config a 'x'\n\toption o '1'\n\toption p '1'\n");
}

#[test]
fn a_text_that_cannot_be_read_gives_way_to_the_whole_text_from_before() {
    let states =
        [text(BASE), text(&BASE.replace("o '1'", "o '2'")), text("config a 'x'\n\toption o 'open\n")];
    let whole = revert(DEFAULT, "p", &text_changes(&states, &[true, false]), &states[2]);
    assert_eq!(whole, Reverted::Whole(Some(BASE.as_bytes().to_vec())));
}

#[test]
fn where_the_texts_are_not_known_the_changes_tell() {
    let mine = BASE
        .replace("o '1' # why", "o '2'")
        .replace("\toption p '1'\n", "\toption new '1'\n")
        .replace("config r\n\toption n '2'\n", "config b 'made'\n\toption q '1'\n");
    let theirs = mine.replace("o '2'", "o '3'").replace("q '1'", "q '2'").replace("# head", "# theirs");
    let mut all = text_changes(&[text(BASE), text(&mine), text(&theirs)], &[true, false]);
    all.iter_mut().for_each(|text_change| text_change.texts = None);
    let Reverted::Text(Some(back)) = revert(DEFAULT, "p", &all, &text(&theirs)) else {
        panic!("it is known")
    };
    let (back, base) = (read_text(DEFAULT, "p", &Some(Arc::new(back))), read_text(DEFAULT, "p", &text(BASE)));
    let (back, base) = (back.expect("readable"), base.expect("readable"));
    // The position of the deleted section is unknown then.
    for old in sections(&base) {
        assert!(sections(&back).iter().any(|new| is_alike(&old.is, &new.is)), "{old:?}");
    }
    assert_eq!(back.len(), base.len());
}

mod any_texts {
    use proptest::prelude::*;

    use super::*;
    use crate::format::DEFAULT;

    const LINES: [&str; 14] = [
        "config a 'x'\n",
        "config b 'x'\n",
        "config a 'y'\n",
        "config r\n",
        "config r 'z'\n",
        "\toption o '1'\n",
        "\toption o '2' # why\n",
        "\toption p ''\n",
        "\tlist l 'a'\n",
        "\tlist l 'b'; option q 'two'\n",
        "# a comment\n",
        "\n",
        "\toption o 'two\nlines'\n",
        "\toption broken 'open\n",
    ];

    fn state() -> impl Strategy<Value = Text> {
        let text = prop::collection::vec(0..LINES.len() - 1, 0..9).prop_map(|lines| {
            Some(Arc::new(lines.into_iter().flat_map(|line| LINES[line].bytes()).collect()))
        });
        let broken = prop::collection::vec(0..LINES.len(), 0..9).prop_map(|lines| {
            Some(Arc::new(lines.into_iter().flat_map(|line| LINES[line].bytes()).collect()))
        });
        prop_oneof![8 => text, 1 => broken, 1 => Just(None)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
        #[test]
        fn whatever_they_say_what_comes_of_it_can_be_read_and_has_the_values_from_before(
            states in prop::collection::vec(state(), 2..6),
            go in prop::collection::vec(any::<bool>(), 5),
        ) {
            let mut go = go[..states.len() - 1].to_vec();
            go[0] = true;
            // A text that cannot be read at all has no changes.
            let text_change = |(pair, is_reverted): (&[Text], &bool)| {
                TextChange { is_reverted: *is_reverted, texts: Some((pair[0].clone(), pair[1].clone())), changes: Vec::new() }
            };
            let text_changes: Vec<TextChange> = states.windows(2).zip(&go).map(text_change).collect();
            let present = &states[states.len() - 1];
            let before = states[0].as_deref().cloned();
            match revert(DEFAULT, "p", &text_changes, present) {
                Reverted::Whole(text) => {
                    prop_assert_eq!(text, before);
                    let is_readable = |text: &Text| read_text(DEFAULT, "p", text).is_some();
                    prop_assert!(!states.iter().all(is_readable), "all can be read");
                }
                Reverted::Text(text) if go.iter().all(|is_reverted| *is_reverted) => prop_assert_eq!(text, before),
                Reverted::Text(None) => {}
                Reverted::Text(Some(text)) => {
                    let now = read_text(DEFAULT, "p", &Some(Arc::new(text))).expect("it can be read");
                    // Keys that the first transaction changed in named sections get their earlier values.
                    let (Some(was), Some(is)) = (read_text(DEFAULT, "p", &states[0]), read_text(DEFAULT, "p", &states[1])) else {
                        return Ok(());
                    };
                    for change in crate::log::compare_packages(&was, &is) {
                        let is_named = |package: &Package| {
                            package.section(&change.section).is_none_or(|section| !section.is_anonymous())
                        };
                        let whole = matches!(change.what, What::Moved { .. });
                        if whole || !is_named(&was) || !is_named(&is) {
                            continue;
                        }
                        let place = (change.section.clone(), change.option.clone());
                        let content = |package: &Package| crate::log::key_path::content(package, &place);
                        prop_assert_eq!(content(&now), content(&was), "{:?}", change);
                    }
                }
            }
        }
    }
}
