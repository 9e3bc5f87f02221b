//! Small sets of entries that are unlike the router's: so that no figure holds for its keys only.

/// See the module documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySet {
    /// 200 entries whose keys have 5 to 60 bytes, all lengths equally often.
    Lengths,
    /// 200 entries whose names share beginnings and ends of 16 bytes and more. Values have dots.
    SharedEnds,
    /// 400 entries in eight packages of 1 to 200 options. Values have dots.
    Packages,
}

/// The packages of [`KeySet::Lengths`], the shortest keys first.
const BY_LENGTH: [&str; 4] = ["a", "net", "system", "wireless_lan"];

/// Where names of any length are cut from.
const PHRASE: &[u8] = b"_of_the_interface_that_leads_to_the_guest_network";

/// The packages of [`KeySet::Packages`].
const PACKAGES: [(&str, usize); 8] = [
    ("one", 1),
    ("two", 2),
    ("five", 5),
    ("ten", 10),
    ("twenty", 20),
    ("fifty", 50),
    ("most", 112),
    ("largest", 200),
];

impl KeySet {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 3] = [Self::Lengths, Self::SharedEnds, Self::Packages];

    /// The number of entries.
    pub fn len(self) -> usize {
        match self {
            Self::Lengths | Self::SharedEnds => 200,
            Self::Packages => PACKAGES.iter().map(|(_, options)| options).sum(),
        }
    }

    /// The name in cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lengths => "keys of 5 to 60 bytes",
            Self::SharedEnds => "long names alike",
            Self::Packages => "packages of 1 to 200",
        }
    }

    /// Reports whether values have dots.
    pub fn has_dots(self) -> bool {
        self != Self::Lengths
    }

    /// Package, section name and option name of an entry.
    pub fn names(self, index: usize) -> (&'static str, String, String) {
        match self {
            Self::Lengths => {
                let package = BY_LENGTH[index * BY_LENGTH.len() / self.len()];
                let length = 5 + index * 56 / self.len();
                let rest = length - package.len() - 2;
                // Sections of one package that are equally long differ in the first letter.
                (package, name(index, rest / 2), name(index + 7, rest - rest / 2))
            }
            Self::SharedEnds if index < self.len() / 2 => {
                let section = format!("guest_interface_on_{:02}_upper_floor_left", index / 10);
                ("network", section, format!("opt{}", index % 10))
            }
            Self::SharedEnds => {
                let option = format!("resolver_address_{:02}_for_this_section", index % 10);
                ("dhcp", format!("s{}", index / 10), option)
            }
            Self::Packages => {
                let mut first = 0;
                for (package, options) in PACKAGES {
                    if index < first + options {
                        let (section, option) = ((index - first) / 10, (index - first) % 10);
                        return (package, format!("section{section}"), format!("option{option}"));
                    }
                    first += options;
                }
                unreachable!("{index}: there are {first} entries")
            }
        }
    }
}

/// A name of `length` bytes, by number.
fn name(number: usize, length: usize) -> String {
    let letter = char::from(b"abcdefghijklmnopqrstuvwxyz"[number % 26]);
    let rest = PHRASE.iter().take(length.saturating_sub(1)).map(|byte| char::from(*byte));
    std::iter::once(letter).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn keys(set: KeySet) -> Vec<String> {
        let key = |index| {
            let (package, section, option) = set.names(index);
            format!("{package}.{section}.{option}")
        };
        (0..set.len()).map(key).collect()
    }

    #[test]
    fn every_length_from_5_to_60_is_there_equally_often() {
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        for key in keys(KeySet::Lengths) {
            *lengths.entry(key.len()).or_default() += 1;
        }
        assert!(lengths.keys().copied().eq(5..=60));
        assert!(lengths.values().all(|count| (3..=4).contains(count)), "{lengths:?}");
    }

    #[test]
    fn long_names_differ_only_between_16_bytes_that_they_share() {
        for (first, second, take) in [(0, 10, 1), (100, 101, 2)] {
            let (first, second) = (KeySet::SharedEnds.names(first), KeySet::SharedEnds.names(second));
            let pick = |names: (_, String, String)| if take == 1 { names.1 } else { names.2 };
            let (first, second) = (pick(first), pick(second));
            assert!(first != second && first[..16] == second[..16]);
            assert!(first[first.len() - 16..] == second[second.len() - 16..]);
        }
    }

    #[test]
    fn packages_have_1_to_200_options() {
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for index in 0..KeySet::Packages.len() {
            *sizes.entry(KeySet::Packages.names(index).0).or_default() += 1;
        }
        let mut sizes: Vec<usize> = sizes.into_values().collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2, 5, 10, 20, 50, 112, 200]);
    }
}
