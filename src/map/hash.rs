//! The hash of names in a map. It is part of the format: every machine computes the same.
//!
//! Two words of the input are mixed with constants and the seed, multiplied to 128 bits, and the halves
//! folded together, as wyhash (Wang Yi, 2019) and its kin do. It is fast and spreads well; it does not
//! withstand someone who knows the seed, which is why every store has its own.

const MIX: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

/// What a hashed name is the name of. Kinds are hashed apart.
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
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let high = product >> 64;
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the product")]
    let halves = (product as u64, high as u64);
    halves.0 ^ halves.1
}

/// Reads the first eight bytes of `bytes`, which has them.
#[inline]
pub(super) fn u64_at(bytes: &[u8], start: usize) -> u64 {
    bytes.get(start..start + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[inline]
pub(super) fn u32_at(bytes: &[u8], start: usize) -> u32 {
    bytes.get(start..start + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[inline]
pub(super) fn u16_at(bytes: &[u8], start: usize) -> u16 {
    bytes.get(start..start + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

/// Hashes a name of the given kind.
#[inline]
pub(crate) fn hash(kind: Kind, seed: u64, name: &[u8]) -> u64 {
    let seed = match kind {
        Kind::Key => seed,
        Kind::Name => seed ^ MIX[3],
        Kind::Order => seed.rotate_left(17),
        Kind::Package => seed.rotate_left(41),
    };
    hash_seeded(seed, name)
}

#[inline]
fn hash_seeded(mut seed: u64, name: &[u8]) -> u64 {
    let len = name.len();
    let length = (len as u64).wrapping_mul(MIX[2]);
    if len > 16 {
        if len > 32 {
            seed = hash_blocks(seed, name);
        }
        // The two halves do not wait for each other.
        let head = fold(u64_at(name, 0) ^ seed ^ MIX[0], u64_at(name, 8) ^ MIX[1]);
        let tail = fold(u64_at(name, len - 16) ^ seed ^ MIX[3], u64_at(name, len - 8) ^ length);
        return head ^ tail;
    }
    let (a, b) = if len >= 8 {
        (u64_at(name, 0), u64_at(name, len - 8))
    } else if len >= 4 {
        (u64::from(u32_at(name, 0)), u64::from(u32_at(name, len - 4)))
    } else if let [first, .., last] = name {
        (u64::from(*first) << 8 | u64::from(name[len / 2]), u64::from(*last))
    } else {
        (name.first().map_or(0, |byte| u64::from(*byte)), 0)
    };
    fold(a ^ seed ^ MIX[0], b ^ MIX[1] ^ length)
}

/// Mixes all but the last 16 bytes of a long name into the seed, in blocks of 16 of which the last may reach
/// into those.
#[cold]
fn hash_blocks(mut seed: u64, name: &[u8]) -> u64 {
    for block in name[..name.len() - 1].chunks_exact(16) {
        seed = fold(u64_at(block, 0) ^ seed, u64_at(block, 8) ^ MIX[2]);
    }
    seed
}

/// Derives the hash under which part `part` of a split section is entered.
pub(crate) fn of_part(section: u64, part: u32) -> u64 {
    fold(section ^ MIX[1], u64::from(part).wrapping_add(1).wrapping_mul(MIX[2]))
}

/// Derives the hash under which a section is entered whose name another one before it has. Nobody looks it up
/// by name, and no part has this number.
pub(crate) fn of_twin(section: u64) -> u64 {
    of_part(section, u32::MAX)
}

/// A 32-bit check value of bytes that are at rest, to find damage; four lanes, so that long ones go fast.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut lanes = MIX;
    let mut blocks = bytes.chunks_exact(64);
    for block in &mut blocks {
        for (index, lane) in lanes.iter_mut().enumerate() {
            *lane = fold(u64_at(block, index * 16) ^ *lane, u64_at(block, index * 16 + 8) ^ MIX[2]);
        }
    }
    let joined = lanes.into_iter().fold(0, |sum, lane| fold(sum ^ lane, MIX[1]));
    let whole = hash_seeded(joined, blocks.remainder());
    let [a, b, c, d, e, f, g, h] = whole.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h])
}

/// A 64-bit hash of a whole text, to tell whether it is the one a map was made from.
pub(crate) fn of_text(text: &[u8]) -> u64 {
    u64::from(checksum(text)) << 32 | u64::from(checksum(&text[text.len() / 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

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
                // It would take minutes, and there is nothing in it for Miri to find.
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
