//! Many commits of many kinds: after each the map is sound and shows the content of the text, and open snapshots still
//! show the earlier state.

use super::*;
use crate::DeltaKind::{Add, AddList, Delete, Rename, Reorder, Set};
use crate::format::uci::Dialect;
use crate::model::format_kind::FormatKind;
use crate::model::package::Touched;
use crate::model::value_type::ValueType;

/// Pseudo-random numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Makes one change, if it is allowed.
fn change_something(document: &mut Package, numbers: &mut Numbers) {
    let text = |text: String| Some(text.into_bytes());
    let sections: Vec<Vec<u8>> = document.sections().map(|section| section.name().to_vec()).collect();
    let any = numbers.below(sections.len().max(1) as u64);
    let named = format!("s{}", numbers.below(5)).into_bytes();
    let of = usize::try_from(any).ok().and_then(|any| sections.get(any).cloned()).unwrap_or(named.clone());
    let option = format!("o{}", numbers.below(100));
    let kind = format!("t{}", numbers.below(3));
    let (kind, section, option, value) = match numbers.below(16) {
        0 => (Set, named, None, text(kind)),
        1 => (Add, format!("cfg{:x}", numbers.below(1 << 24)).into_bytes(), None, text(kind)),
        2 => (Delete, of, None, None),
        3 => (Rename, of, None, text(format!("s{}", numbers.below(9)))),
        4 => (Reorder, of, None, text(numbers.below(8).to_string())),
        5 => (Rename, of, text(option), text(format!("o{}", numbers.below(100)))),
        6 | 7 => (Delete, of, text(option), None),
        8 => (AddList, of, text(option), text("item".repeat(4))),
        _ => (Set, of, text(option), text(format!("{}", numbers.below(1000)))),
    };
    let types = [None, Some(ValueType::Int), Some(ValueType::Float), Some(ValueType::String)];
    let value_type = types[usize::try_from(numbers.below(4)).expect("few")];
    let _ = document.apply(&crate::Delta { kind, section, option, value, value_type }, Dialect::Cms);
}

#[test]
fn any_commits_leave_a_sound_map_that_shows_the_text_and_every_state_before() {
    for seed in 0..if cfg!(miri) { 1 } else { 15 } {
        let numbers = &mut Numbers(seed);
        let format = if seed % 2 == 1 { FormatKind::Toml } else { FormatKind::Uci };
        let mut document = document("config t0 's0'\n\toption o1 'a'\nconfig t1\n");
        if format.has_types() {
            document = typed::copy(&document, format);
        }
        let mut map = roomy(&document, 1);
        let mut states: Vec<(u32, Vec<String>)> = vec![(1, dump(&map, None))];
        for seq in 2..if cfg!(miri) { 6 } else { 30 } {
            for _ in 0..=numbers.below(if seq % 7 == 0 { 150 } else { 3 }) {
                change_something(&mut document, numbers);
            }
            // As in a commit: changes of single options are published one by one, any other change by comparing the
            // new text. The next changes start from that text.
            let reread = reread(&document);
            let touched = match document.touched() {
                Touched::Everything => (&reread, &Touched::Everything),
                touched => (&document, touched),
            };
            map.mark(true, Seq(seq));
            let outcome = map.publish(touched.0, touched.1, Seq(seq)).expect("can be held");
            map.mark(false, Seq(seq));
            document = reread;
            if outcome == PublishOutcome::Full {
                map = roomy(&document, 1);
                states.clear();
                continue;
            }
            assert_eq!(map.check(), Ok(()), "seed {seed}, commit {seq}");
            same_as(&map, &document);
            states.push((seq, dump(&map, None)));
            for (seq, state) in states.iter().rev().take(5) {
                assert_eq!(&dump(&map, Some(Seq(*seq))), state, "seed {seed}, as of {seq}");
            }
        }
    }
}

/// Writes a document and reads it again, so that it counts as unchanged.
fn reread(document: &Package) -> Package {
    if document.format().has_types() {
        return typed::copy_as_it_is(document);
    }
    let text = crate::format::uci::render(document, &ParseOptions::default()).expect("can be written");
    parse(b"p", Arc::new(text), &ParseOptions::default()).expect("good text").package
}
