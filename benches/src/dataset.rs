//! The data sets for reads: keys, values and the texts with them, the same in every run; and the orders in which keys
//! are read.

use std::fmt::Write;

use crate::data::Random;
use crate::environment::human;
use crate::ffi::Keys;
use crate::keysets::KeySet;
use crate::parse::float;

/// Entries, numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dataset {
    /// 200 entries in five packages, like those of a router.
    Router,
    /// One package, `network`, of `entries` options in sections of `per_section`; all keys have 24 bytes.
    Large {
        /// How many entries there are.
        entries: usize,
        /// How many a section has.
        per_section: usize,
    },
    /// One of the sets that are unlike a router's.
    Small(KeySet),
    /// As `Large` with sections of ten, and values of a given size.
    Sized {
        /// How many entries there are.
        entries: usize,
        /// The bytes of a value.
        value: usize,
    },
}

/// The packages of [`Dataset::Router`], with the type and the options of their eight sections.
const ROUTER: [(&str, &str, [&str; 5]); 5] = [
    ("network", "interface", ["proto", "device", "ipaddr", "netmask", "gateway"]),
    ("wireless", "wifi-iface", ["ssid", "encryption", "key", "network", "mode"]),
    ("firewall", "zone", ["name", "input", "output", "forward", "masq"]),
    ("dhcp", "dhcp", ["interface", "start", "limit", "leasetime", "ra"]),
    ("system", "led", ["sysfs", "trigger", "dev", "mode", "default"]),
];

/// How many sections a package of the router has.
const ROUTER_SECTIONS: usize = 8;

/// The characters of values.
const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

impl Dataset {
    /// The number of entries.
    pub fn len(self) -> usize {
        match self {
            Self::Router => ROUTER.len() * ROUTER_SECTIONS * ROUTER[0].2.len(),
            Self::Large { entries, .. } | Self::Sized { entries, .. } => entries,
            Self::Small(set) => set.len(),
        }
    }

    /// Package, section type, section name and option name of an entry.
    fn names(self, index: usize) -> (&'static str, &'static str, String, String) {
        match self {
            Self::Router => {
                let (package, kind, options) = ROUTER[index / (ROUTER_SECTIONS * 5)];
                let section = format!("{}{}", kind.replace('-', "_"), index / 5 % ROUTER_SECTIONS);
                (package, kind, section, options[index % 5].to_owned())
            }
            Self::Large { per_section, .. } => {
                let (section, option) = (index / per_section, index % per_section);
                let option =
                    if option < 10_000 { format!("opt{option:04}") } else { format!("o{option:06}") };
                ("network", "host", format!("s{section:07}"), option)
            }
            Self::Sized { entries, .. } => Self::Large { entries, per_section: 10 }.names(index),
            Self::Small(set) => {
                let (package, section, option) = set.names(index);
                (package, "kind", section, option)
            }
        }
    }

    /// The key of an entry.
    pub fn key(self, index: usize) -> String {
        let (package, _, section, option) = self.names(index);
        format!("{package}.{section}.{option}")
    }

    /// Returns a key that is similar to that of an entry and does not exist.
    fn missing_key(self, index: usize) -> String {
        let mut key = self.key(index);
        let last = key.pop();
        key + if last == Some('_') { "z" } else { "_" }
    }

    /// The value of an entry: 20 to 40 letters, in some sets every fifth of them a dot.
    pub fn value(self, index: usize) -> String {
        let has_dots = matches!(self, Self::Small(set) if set.has_dots());
        let mut random = Random::seeded(index as u64);
        let length = match self {
            Self::Sized { value, .. } => value,
            _ => 20 + random.below(21),
        };
        let letter = |place| {
            let letter = char::from(LETTERS[random.below(LETTERS.len())]);
            if has_dots && place % 5 == 4 { '.' } else { letter }
        };
        (0..length).map(letter).collect()
    }

    /// Keys and values.
    pub fn entries(self) -> impl Iterator<Item = (String, String)> {
        (0..self.len()).map(move |index| (self.key(index), self.value(index)))
    }

    /// The bytes of all keys and values.
    pub fn raw_bytes(self) -> usize {
        self.entries().map(|(key, value)| key.len() + value.len()).sum()
    }

    /// The packages: names and texts.
    pub fn packages(self) -> Vec<(&'static str, String)> {
        let mut packages: Vec<(&str, String)> = Vec::new();
        let mut last = String::new();
        for index in 0..self.len() {
            let (package, kind, section, option) = self.names(index);
            if packages.last().is_none_or(|(name, _)| *name != package) {
                packages.push((package, String::new()));
                last.clear();
            }
            let text = &mut packages.last_mut().expect("one was pushed").1;
            if section != last {
                let _ = writeln!(text, "config {kind} '{section}'");
                last = section;
            }
            let _ = writeln!(text, "\toption {option} '{}'", self.value(index));
        }
        packages
    }
}

/// The selection of entries to read, and their frequencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// So many entries, drawn once, each equally often.
    Hot(usize),
    /// All, by Zipf's law with exponent 0.99, scrambled.
    Zipf,
    /// All, equally often.
    Uniform,
}

impl Access {
    /// The name in cases.
    pub fn name(self, dataset: Dataset) -> String {
        let entries = match dataset {
            Dataset::Small(set) => format!("{}, {}", dataset.len(), set.name()),
            _ => human(dataset.len()),
        };
        match self {
            Self::Hot(count) => format!("{} of {entries}", human(count)),
            Self::Zipf => format!("Zipf 0.99 over {entries}"),
            Self::Uniform => format!("uniform over {entries}"),
        }
    }
}

/// A fixed order of reads.
pub struct Stream {
    /// The selected entries, each once.
    pub distinct: Vec<usize>,
    /// Indexes into `distinct`, in the order of reads.
    pub order: Vec<usize>,
}

impl Stream {
    /// Draws `length` reads.
    pub fn draw(dataset: Dataset, access: Access, length: usize) -> Self {
        let mut random = Random::seeded(7);
        let entries = dataset.len();
        let distinct = match access {
            Access::Hot(count) => shuffled(entries, &mut random).into_iter().take(count).collect(),
            Access::Zipf | Access::Uniform => shuffled(entries, &mut random),
        };
        let order = match access {
            Access::Zipf => zipf(entries, length, &mut random),
            Access::Hot(_) | Access::Uniform => (0..length).map(|_| random.below(distinct.len())).collect(),
        };
        Self { distinct, order }
    }

    /// The keys in the order of reads.
    pub fn keys(&self, dataset: Dataset) -> Keys {
        Keys::of(self.order.iter().map(|index| dataset.key(self.distinct[*index])))
    }

    /// Returns as many keys that do not exist.
    pub fn misses(&self, dataset: Dataset) -> Keys {
        Keys::of(self.order.iter().map(|index| dataset.missing_key(self.distinct[*index])))
    }
}

/// Returns all numbers below `count` in random order.
fn shuffled(count: usize, random: &mut Random) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        numbers.swap(last, random.below(last + 1));
    }
    numbers
}

/// Draws ranks below `count`, rank r with a weight of 1 / (r + 1)^0.99.
fn zipf(count: usize, length: usize, random: &mut Random) -> Vec<usize> {
    let mut sum = 0.0;
    let weight = |rank| {
        sum += float(rank + 1).powf(-0.99);
        sum
    };
    let sums: Vec<f64> = (0..count).map(weight).collect();
    let total = sums.last().copied().unwrap_or_default();
    let draw = |_| {
        let wanted = random.fraction() * total;
        sums.partition_point(|sum| *sum < wanted).min(count - 1)
    };
    (0..length).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Dataset = Dataset::Large { entries: 1000, per_section: 10 };

    #[test]
    fn keys_of_the_large_set_have_24_bytes_whatever_its_shape() {
        for per_section in [1, 10, 1_000_000] {
            let set = Dataset::Large { entries: 1_000_000, per_section };
            for index in [0, 9999, 999_999] {
                assert_eq!(set.key(index).len(), 24);
            }
        }
    }

    #[test]
    fn texts_hold_the_entries() {
        let small = KeySet::ALL.map(Dataset::Small);
        for set in [Dataset::Router, LARGE].into_iter().chain(small) {
            let mut found = 0;
            for (name, text) in set.packages() {
                let text = text.into_bytes();
                let package = cms::text::parse(name.as_bytes(), text.into(), &Default::default());
                found += package
                    .expect("it parses")
                    .package
                    .sections()
                    .map(|s| s.options().count())
                    .sum::<usize>();
            }
            assert_eq!(found, set.len());
            let keys: std::collections::BTreeSet<String> = set.entries().map(|(key, _)| key).collect();
            assert_eq!(keys.len(), set.len());
            assert!((0..set.len()).all(|index| !keys.contains(&set.missing_key(index))));
        }
        assert_eq!(Dataset::Router.len(), 200);
        let dotted = Dataset::Small(KeySet::Packages).value(3);
        assert_eq!((dotted.matches('.').count(), dotted.as_bytes()[4]), (dotted.len() / 5, b'.'));
    }

    #[test]
    fn zipf_reads_the_first_rank_most_and_hot_ones_only_theirs() {
        let stream = Stream::draw(LARGE, Access::Zipf, 10_000);
        let count = |rank| stream.order.iter().filter(|index| **index == rank).count();
        assert!(count(0) > count(1) && count(1) > count(10), "{} {} {}", count(0), count(1), count(10));
        let hot = Stream::draw(LARGE, Access::Hot(200), 10_000);
        assert_eq!((hot.distinct.len(), hot.order.iter().max()), (200, Some(&199)));
    }
}
