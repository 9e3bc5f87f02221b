//! The numbers that writers have acknowledged and a watch has delivered, and the checks at the end.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use cms::Store;

use super::{How, Soak, WRITERS};

/// The number that a writer has acknowledged, and the largest that may be there.
#[derive(Default)]
pub struct Count {
    pub acknowledged: AtomicU64,
    pub most: AtomicU64,
    /// All of them.
    each: Mutex<Vec<u64>>,
}

impl Count {
    pub fn acknowledge(&self, value: u64) {
        self.acknowledged.store(value, SeqCst);
        self.each.lock().expect("whole").push(value);
    }

    fn commits(&self) -> usize {
        self.each.lock().expect("whole").len()
    }
}

/// The events that a watch has delivered.
#[derive(Default)]
pub struct Told {
    /// The value of each key at the end.
    pub values: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// The numbers of each writer, in the order of the events.
    numbers: [Vec<u64>; WRITERS.len()],
}

impl Told {
    /// Records the new value of a key, if it is the key of a writer.
    pub fn note_number(&mut self, key: &[u8], after: &[Vec<u8>]) {
        let key = String::from_utf8_lossy(key);
        let is_of = |(writer, (package, _)): (usize, (&str, How))| key == format!("{package}.w{writer}.n");
        if let Some(writer) = WRITERS.into_iter().enumerate().position(is_of) {
            self.numbers[writer].push(String::from_utf8_lossy(&after[0]).parse().expect("a number"));
        }
    }
}

impl Soak {
    /// Checks the delivered events, once all programs have ended: their last values are the present ones, and every
    /// acknowledged number was delivered once and in order. Commits of another user come into this log as edits by
    /// hand, of several commits at once.
    pub fn check_told(&self, told: &Told, live: &Store) {
        live.refresh().expect("readable");
        for (key, items) in
            told.values.iter().filter(|(key, _)| key.iter().filter(|byte| **byte == b'.').count() == 2)
        {
            let read = |value: cms::map::MapValue<'_>| value.items().map(<[u8]>::to_vec).collect::<Vec<_>>();
            let found = live.get(key, read).expect("readable").unwrap_or_default();
            if found != *items {
                let key = String::from_utf8_lossy(key).into_owned();
                self.fail(format!("{key} was told to be {items:?} in the end, and is {found:?}"));
            }
        }
        for (writer, numbers) in told.numbers.iter().enumerate() {
            if let Some(pair) = numbers.windows(2).find(|pair| pair[0] >= pair[1]) {
                self.fail(format!("of w{writer} the watch has told {} after {}", pair[1], pair[0]));
            }
            let seen: HashSet<u64> = numbers.iter().copied().collect();
            let each = self.counts[writer].each.lock().expect("whole");
            let missing = each.iter().find(|number| !seen.contains(number));
            if let Some(number) = missing.filter(|_| WRITERS[writer].1 != How::Other) {
                self.fail(format!("of w{writer} the watch has not told {number}, which was acknowledged"));
            }
        }
    }

    fn commits(&self) -> usize {
        self.counts.iter().map(Count::commits).sum()
    }

    pub fn report(&self, begun: Instant) {
        let of = |count: &AtomicU64| count.load(SeqCst);
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{seconds:.0} s: {} commits acknowledged, {:.0} in a second; {} kills, {} stops, {} reads, {} changes told, {} edits by hand, {} failures",
            self.commits(),
            self.commits() as f64 / seconds,
            of(&self.kills),
            of(&self.stops),
            of(&self.reads),
            of(&self.events),
            of(&self.by_hand),
            self.failures.lock().expect("whole").len()
        );
        let mut each: Vec<(&str, usize)> = Vec::new();
        for ((_, how), count) in WRITERS.into_iter().zip(&self.counts) {
            match each.iter_mut().find(|(name, _)| *name == how.name()) {
                Some((_, sum)) => *sum += count.commits(),
                None => each.push((how.name(), count.commits())),
            }
        }
        let each: Vec<String> = each.into_iter().map(|(name, sum)| format!("{name} {sum}")).collect();
        println!("  acknowledged: {}", each.join(", "));
    }

    /// Checks that enough has happened, even on a busy machine.
    pub fn check_that_it_happened(&self, seconds: u64) {
        let is_root = rustix::process::geteuid().is_root();
        for (writer, (_, how)) in WRITERS.into_iter().enumerate() {
            let is_here = how != How::Other || is_root;
            assert!(
                !is_here || self.counts[writer].commits() > 0,
                "w{writer} ({how:?}) has committed nothing"
            );
        }
        let least = |what: &str, count: u64, least: u64| {
            assert!(count >= least.max(1), "only {count} {what} in {seconds} s, and {least} are the least");
        };
        least("commits", self.commits() as u64, seconds);
        least("kills", self.kills.load(SeqCst), seconds / 10);
        least("stops", self.stops.load(SeqCst), seconds / 10);
        least("reads", self.reads.load(SeqCst), seconds);
        least("changes told", self.events.load(SeqCst), seconds);
        least("edits by hand", self.by_hand.load(SeqCst), seconds / 10);
    }
}
