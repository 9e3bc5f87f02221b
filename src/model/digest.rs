//! Hashes of bytes: checksums of stored bytes, digests of whole texts, and the core of the hash of names in maps. They
//! are part of formats: every machine computes the same.
//!
//! Two words of the input are mixed with constants and the seed, multiplied to 128 bits, and the halves folded
//! together, as in wyhash (Wang Yi, 2019). It is fast and spreads well; it does not withstand an attacker who knows
//! the seed, so every store has its own.

pub(crate) const MIX: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let high = product >> 64;
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the product")]
    let halves = (product as u64, high as u64);
    halves.0 ^ halves.1
}

/// Reads the first eight bytes of `bytes`, which has them.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], start: usize) -> u64 {
    bytes.get(start..start + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], start: usize) -> u32 {
    bytes.get(start..start + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[inline]
pub(crate) fn u16_at(bytes: &[u8], start: usize) -> u16 {
    bytes.get(start..start + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

#[inline]
pub(crate) fn hash_seeded(mut seed: u64, name: &[u8]) -> u64 {
    let len = name.len();
    let length = (len as u64).wrapping_mul(MIX[2]);
    if len > 16 {
        if len > 32 {
            seed = hash_blocks(seed, name);
        }
        // The two halves are computed independently, so the processor overlaps them.
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

/// Mixes all but the last 16 bytes of a long name into the seed, in blocks of 16, of which the last may overlap the
/// final 16 bytes.
#[cold]
fn hash_blocks(mut seed: u64, name: &[u8]) -> u64 {
    for block in name[..name.len() - 1].chunks_exact(16) {
        seed = fold(u64_at(block, 0) ^ seed, u64_at(block, 8) ^ MIX[2]);
    }
    seed
}

/// A 32-bit checksum of bytes, to find damage. It has four independent lanes, which is fast for long inputs.
#[cfg_attr(cms_speed, optimize(speed))]
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut lanes = MIX;
    let (blocks, rest) = bytes.as_chunks::<64>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        let word = |index: usize| u64::from_le_bytes(words[index]);
        lanes[0] = fold(word(0) ^ lanes[0], word(1) ^ MIX[2]);
        lanes[1] = fold(word(2) ^ lanes[1], word(3) ^ MIX[2]);
        lanes[2] = fold(word(4) ^ lanes[2], word(5) ^ MIX[2]);
        lanes[3] = fold(word(6) ^ lanes[3], word(7) ^ MIX[2]);
    }
    let joined = lanes.into_iter().fold(0, |sum, lane| fold(sum ^ lane, MIX[1]));
    let whole = hash_seeded(joined, rest);
    let [a, b, c, d, e, f, g, h] = whole.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h])
}

/// A 64-bit hash of a whole text, to check whether a map was made from it.
pub(crate) fn of_text(text: &[u8]) -> u64 {
    u64::from(checksum(text)) << 32 | u64::from(checksum(&text[text.len() / 2..]))
}
