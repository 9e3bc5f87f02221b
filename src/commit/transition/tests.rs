use proptest::prelude::*;

use super::*;
use crate::format::uci::{parse, render};
use crate::log::Digest;
use crate::settings::options::Options;

/// Lines of a text, some of which `small` can handle.
fn line() -> impl Strategy<Value = String> {
    let any = |all: &'static [&'static str]| proptest::sample::select(all).prop_map(str::to_owned);
    let simple = (0..4_u8, 0..9_u8).prop_map(|(name, value)| format!("\toption o{name} 'v{value}'\n"));
    prop_oneof![
        4 => (0..3_u8).prop_map(|name| format!("config t 's{name}'\n")),
        8 => simple,
        3 => (0..4_u8, 0..9_u8).prop_map(|(name, value)| format!("\tlist l{name} \"i{value}\"\n")),
        1 => any(&[
            "config t\n", "\n", "# text\n", "\toption o1 'two\nlines'\n", "\toption o2 a\\\nb\n", "config t 's1'; option o1 x\n",
            "\toption o3 it\"'\"s\n", "\toption o1 '\nconfig t s2 #'; config t s2\n", "\toption o2 ''\n", "\toption o1 x # why\r\n",
            "package p\n", "config 't' \"s0\"\n", "\toption o0 x; option o1 y\n",
        ]),
    ]
}

fn delta() -> impl Strategy<Value = Delta> {
    const KINDS: [DeltaKind; 5] =
        [DeltaKind::Set, DeltaKind::Set, DeltaKind::Delete, DeltaKind::AddList, DeltaKind::DelList];
    let option =
        prop_oneof![(0..4_u8).prop_map(|n| format!("o{n}")), (0..4_u8).prop_map(|n| format!("l{n}"))];
    let value = proptest::sample::select(&["i1", "new", "with space", "it's", "a#b", "tab\tbed", ""][..]);
    (proptest::sample::select(&KINDS[..]), 0..3_u8, option, value).prop_map(
        |(kind, section, option, value)| {
            let value = (kind != DeltaKind::Delete).then_some(value.as_bytes());
            Delta::new(kind, format!("s{section}").as_bytes(), Some(option.as_bytes()), value)
        },
    )
}

/// Returns the position and content of each section and option.
fn positions_and_contents(package: &Package) -> Vec<String> {
    let mut all = Vec::new();
    for section in package.sections() {
        all.push(format!("{:?} {:?} {:?}", section.name(), section.section_type(), section.offset()));
        for option in section.options() {
            let items: Vec<_> = option.value().items().map(<[u8]>::to_vec).collect();
            all.push(format!("{:?} {items:?} {:?} {:?}", option.name(), option.offset(), option.origin()));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_change_to_one_section_leads_where_reading_the_whole_text_leads(
        lines in proptest::collection::vec(line(), 1..24),
        deltas in proptest::collection::vec(delta(), 1..6),
    ) {
        let options = Options::new();
        let Ok(read) = parse(b"p", Arc::new(lines.concat().into_bytes()), &options.parse_options()) else {
            return Ok(());
        };
        let mut known = ParsedText::of(read.package);
        for delta in &deltas {
            let delta = std::slice::from_ref(delta);
            let mut edited = known.package.clone();
            let whole = replay(&mut edited, delta);
            match Transition::small(&options, &known, delta) {
                Ok(None) => {}
                Err(_) => prop_assert!(whole.is_err() || render(&edited, &options.parse_options()).is_err()),
                Ok(Some(step)) => {
                    prop_assert!(whole.is_ok());
                    let read = parse(b"p", step.new.text().clone(), &options.parse_options()).expect("it reads");
                    prop_assert_eq!(positions_and_contents(&step.new.package), positions_and_contents(&read.package));
                    prop_assert!(step.new.package == edited);
                    prop_assert_eq!(step.new.digest, Digest::of(step.new.text()));
                    let text = log::apply(known.text(), &step.hunks);
                    prop_assert_eq!(text.as_deref(), Some(step.new.text().as_slice()));
                    let changes = log::compare_packages(&known.package, &edited);
                    prop_assert_eq!(&step.changes, &changes);
                    known = step.new;
                }
            }
        }
    }
}

#[test]
fn a_change_to_a_section_with_a_name_is_a_small_one() {
    let options = Options::new();
    let text = "# first\nconfig t 'a'\n\toption o '1'\n\nconfig t\n\toption o '2'\n# above\nconfig t 'c'\n\tlist l '3'\n";
    let known = ParsedText::of(
        parse(b"p", Arc::new(text.into()), &options.parse_options()).expect("it reads").package,
    );
    let set = |section: &[u8]| {
        let delta = Delta::new(DeltaKind::Set, section, Some(b"o"), Some(b"new"));
        Transition::small(&options, &known, &[delta]).expect("allowed").map(|step| step.new.text().to_vec())
    };
    assert_eq!(set(b"a"), Some(text.replace("'1'", "'new'").into_bytes()));
    assert_eq!(set(b"c"), Some(format!("{text}\toption o 'new'\n").into_bytes()));
    // In an anonymous section the transition is small if one line is enough.
    let anonymous = known.package.sections().nth(1).expect("it is there").name().to_vec();
    assert_eq!(set(&anonymous), Some(text.replace("'2'", "'new'").into_bytes()));
    let added = Delta::new(DeltaKind::Set, &anonymous, Some(b"p"), Some(b"new"));
    assert!(Transition::small(&options, &known, &[added]).expect("allowed").is_none());
}
