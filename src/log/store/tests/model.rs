//! Runs the same steps on each kind of log and on a plain model, and compares them after each step.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Kept, Segments, after, all, change, record, sequences, write};
use crate::log::Behind;
use crate::log::memory::MemoryLog;
use crate::log::record::{Digest, Record};
use crate::log::store::{Heads, LogStore, LogWriter};

/// A step of the comparison with the model.
#[derive(Debug, Clone)]
enum Step {
    /// Appends one record for each package and size of its new text; no size deletes the package.
    Append(Vec<(u8, Option<usize>)>),
    MarkApplied,
    MarkAhead,
    /// Keeps the newest text of a package.
    Keep(u8),
    /// Continues with another handle.
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![9 => 0..300_usize, 1 => 10_000..40_000_usize];
    let size = prop_oneof![6 => size.prop_map(Some), 1 => Just(None)];
    let append = proptest::collection::vec((0..4_u8, size), 1..4).prop_map(Step::Append);
    let step = prop_oneof![
        6 => append,
        3 => Just(Step::MarkApplied),
        2 => Just(Step::MarkAhead),
        1 => (0..4_u8).prop_map(Step::Keep),
        2 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..24)
}

/// The expected content of a log, in the simplest form.
#[derive(Default)]
struct Model {
    records: Vec<Record>,
    /// How many records at the start are ripe, and how many have their texts in place.
    ripe: usize,
    placed: usize,
    texts: BTreeMap<String, String>,
}

impl Model {
    /// Makes the next record, and adds it to the model.
    fn record(&mut self, package: u8, size: Option<usize>) -> Record {
        let name = format!("p{package}");
        let old = self.texts.get(&name).cloned();
        let line = format!("line {} of a text\n", self.records.len());
        let new = size.map(|size| line.repeat(size / line.len() + 1));
        let made = record(vec![change(&name, old.as_deref(), new.as_deref())]);
        match new {
            Some(new) => drop(self.texts.insert(name, new)),
            None => drop(self.texts.remove(&name)),
        }
        self.records.push(made.clone());
        made
    }

    /// Returns the newest record of a package.
    fn newest(&self, package: &str) -> Option<&Record> {
        self.records.iter().rev().find(|record| record.package(package).is_some())
    }

    fn check(&self, writer: &dyn LogWriter) {
        let last = self.records.last().map_or(0, |record| record.sequence);
        assert!(writer.sequence() >= last);
        assert!(writer.packages().iter().eq(self.texts.keys()));
        for name in (0..4).map(|package| format!("p{package}")) {
            let (newest, text) = (self.newest(&name), self.texts.get(&name));
            let found = writer.newest(&name);
            assert_eq!(found.is_some(), newest.is_some(), "{name}");
            if let Some((found, newest)) = found.zip(newest) {
                assert!(found.sequence >= newest.sequence, "{name}");
                assert_eq!(found.digest, Digest::of(text.map_or(&b""[..], |text| text.as_bytes())), "{name}");
                assert_eq!(found.gone, text.is_none(), "{name}");
            }
            let is_behind = self.records[self.placed..].iter().any(|record| record.package(&name).is_some());
            match writer.behind() {
                Behind::Now => assert!(writer.is_behind(&name) || !is_behind, "{name}"),
                _ => assert_eq!(writer.is_behind(&name), is_behind, "{name}"),
            }
        }
        let unplaced = writer.open_ended().expect("readable");
        let unplaced: Vec<Record> = unplaced.into_iter().map(|(record, _)| record).collect();
        assert_eq!(sequences(&unplaced), sequences(&self.records[self.placed..]));
        match (self.records.len() - self.placed, self.records.len() - self.ripe) {
            (0, _) => assert_eq!(writer.behind(), Behind::Nowhere),
            (_, 0) => assert_ne!(writer.behind(), Behind::Nowhere),
            _ => assert_eq!(writer.behind(), Behind::Now),
        }
    }

    fn check_reading(&self, log: &dyn LogStore) {
        let found = all(log);
        assert_eq!(found.len(), self.records.len());
        for (found, expected) in found.iter().zip(&self.records) {
            assert_eq!(*found, Record { time: found.time, ..expected.clone() });
        }
        for since in [0, self.ripe / 2, self.ripe] {
            let start = since.checked_sub(1).map_or(0, |last| self.records[last].sequence);
            assert_eq!(sequences(&after(log, start)), sequences(&self.records[since..self.ripe]));
        }
        let heads = log.heads().expect("readable");
        let (ripe, unripe) = self.records.split_at(self.ripe);
        assert!(ripe.last().is_none_or(|last| heads.sequence >= last.sequence));
        assert!(unripe.first().is_none_or(|next| heads.sequence < next.sequence));
        let mut expected = Heads { sequence: heads.sequence, packages: BTreeMap::new() };
        ripe.iter().for_each(|record| expected.add(record));
        assert_eq!(heads.packages, expected.packages);
        for (name, text) in &self.texts {
            let found = log.text_of(name, Digest::of(text.as_bytes())).expect("readable");
            assert_eq!(found.as_deref(), Some(text.as_bytes()), "{name}");
        }
        assert_eq!(log.check().expect("readable").problems, Vec::<String>::new());
    }
}

/// Does the steps with a log and with the model, and compares them after each.
fn compare(kept: &dyn Kept, steps: &[Step]) {
    let (mut model, mut log) = (Model::default(), kept.open());
    for name in (0..4).map(|package| format!("p{package}")) {
        let _lock = write(&*log);
        log.keep_text(&name, b"").expect("there is room");
    }
    for step in steps {
        if matches!(step, Step::Reopen) {
            log = kept.open();
        }
        let mut writer = write(&*log);
        match step {
            Step::Append(changes) => {
                let start = model.records.len();
                let made = changes.iter().map(|(package, size)| model.record(*package, *size)).collect();
                let last = writer.append(made, false).expect("there is room");
                let added = &mut model.records[start..];
                let first = last + 1 - added.len() as u64;
                added.iter_mut().zip(first..).for_each(|(record, sequence)| record.sequence = sequence);
            }
            Step::MarkApplied => {
                writer.mark_applied();
                (model.placed, model.ripe) = (model.records.len(), model.records.len());
            }
            Step::MarkAhead => {
                writer.mark_ahead();
                model.ripe = model.records.len();
            }
            Step::Keep(package) => {
                let name = format!("p{package}");
                if let Some(text) = model.texts.get(&name) {
                    log.keep_text(&name, text.as_bytes()).expect("there is room");
                }
            }
            Step::Reopen => {}
        }
        model.check(&*writer);
        if matches!(step, Step::Reopen) {
            model.check_reading(&*log);
        }
    }
    model.check_reading(&*log);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn each_kind_of_log_does_as_the_model(steps in steps()) {
        compare(&MemoryLog::default(), &steps);
        compare(&Segments::new(), &steps);
        compare(&Segments::small(), &steps);
    }
}
