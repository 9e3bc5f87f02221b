//! The hash of names in a map. It is part of the format: every machine computes the same.
//!
//! The core is that of all digests: see [`crate::model::digest`].

use crate::model::digest::{MIX, fold, hash_seeded};

/// The kind of a hashed name. The same name has another hash for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `package.section.option` or `package.section`.
    Key,
    /// An option's or a type's name.
    Name,
    /// The order of the sections of a type.
    Order,
    /// A package, in the table of a process.
    Package,
    /// A column that has an index.
    Column,
}

/// Hashes a name of the given kind.
#[inline]
pub(crate) fn hash(kind: Kind, seed: u64, name: &[u8]) -> u64 {
    let seed = match kind {
        Kind::Key => seed,
        Kind::Name => seed ^ MIX[3],
        Kind::Order => seed.rotate_left(17),
        Kind::Package => seed.rotate_left(41),
        Kind::Column => seed.rotate_left(29),
    };
    hash_seeded(seed, name)
}

/// Derives the hash under which part `part` of a split section is entered.
pub(crate) fn of_part(section: u64, part: u32) -> u64 {
    fold(section ^ MIX[1], u64::from(part).wrapping_add(1).wrapping_mul(MIX[2]))
}

/// Derives the hash of a section whose name an earlier section has already. No look-up by name uses this hash, and no
/// part has this number.
pub(crate) fn of_twin(section: u64) -> u64 {
    of_part(section, u32::MAX)
}

/// Hashes a column: a section type and an option.
pub(crate) fn of_column(seed: u64, section_type: &[u8], option: &[u8]) -> u64 {
    hash(Kind::Column, hash(Kind::Column, seed, section_type), option)
}

/// Hashes a value of a column.
pub(crate) fn of_cell(column: u64, value: &[u8]) -> u64 {
    hash_seeded(column, value)
}

/// Returns the hash under which the list of the columns with an index is entered. No section type is empty.
pub(crate) fn of_columns(seed: u64) -> u64 {
    hash(Kind::Column, seed, b"")
}

/// Returns the part of a split section that an option is in; `parts` is a power of two.
#[inline]
pub(crate) fn part_number(option_hash: u64, parts: u32) -> u32 {
    let [_, a, b, c, d, ..] = option_hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) & parts.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::checksum;

    #[test]
    fn values_are_fixed_because_maps_are_shared_between_programs_and_machines() {
        let long = b"a_name_that_is_longer_than_thirty_two_bytes";
        let hashes: Vec<u64> = [&b""[..], b"a", b"lan", b"proto", b"ipaddress", b"sixteen_bytes_xx", long]
            .iter()
            .map(|name| hash(Kind::Key, 7, name))
            .collect();
        assert_eq!(hashes, GOLDEN);
        assert_ne!(hash(Kind::Name, 7, b"lan"), hash(Kind::Key, 7, b"lan"));
    }

    const GOLDEN: [u64; 7] = [
        15_236_957_887_022_111_013,
        12_569_331_966_451_296_883,
        16_885_594_994_881_331_116,
        3_600_347_091_243_683_877,
        4_841_613_001_997_556_067,
        14_626_719_218_063_342_474,
        8_047_751_411_338_811_606,
    ];

    #[test]
    fn every_byte_counts() {
        for len in [1_usize, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 64, 65, 100] {
            let name: Vec<u8> = (1..).take(len).collect();
            let of = |name: &[u8]| (hash(Kind::Key, 1, name), checksum(name));
            for at in 0..len {
                let mut other = name.clone();
                other[at] ^= 0x20;
                assert_ne!(of(&name).0, of(&other).0, "length {len}, byte {at}");
                assert_ne!(of(&name).1, of(&other).1, "length {len}, byte {at}");
            }
        }
    }

    #[test]
    fn numbered_names_spread_over_buckets_and_tags() {
        for form in [
            |n: u32| format!("s{n:05}"),
            |n| format!("p.s{n}.proto"),
            |n| format!("network.host_{n:06}.option{:02}", n % 10),
        ] {
            if cfg!(miri) {
                // It would take minutes under Miri, and it has no unsafe code to check.
                continue;
            }
            let mut buckets = vec![0_u32; 1000];
            let mut tags = vec![0_u32; 256];
            for number in 0..100_000_u32 {
                let hash = hash(Kind::Key, 5, form(number).as_bytes());
                let bucket = ((hash >> 32) * 1000) >> 32;
                buckets[usize::try_from(bucket).expect("small")] += 1;
                tags[usize::from(hash.to_le_bytes()[0])] += 1;
            }
            // A hundred are expected in a bucket, and 390 of a tag.
            assert!(buckets.iter().all(|n| (50..170).contains(n)), "{}: {:?}", form(1), buckets.iter().max());
            assert!(tags.iter().all(|n| (280..510).contains(n)), "{}: {:?}", form(1), tags.iter().max());
        }
    }
}
