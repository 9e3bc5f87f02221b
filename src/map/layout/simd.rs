//! Compares many bytes at once, in one instruction if the processor has one.

/// Returns a bit for each of sixteen bytes, set if it equals `wanted`.
#[inline(always)]
pub(crate) fn equal_u8(bytes: &[u8; 16], wanted: u8) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has SSE2.
    return unsafe { sse2::equal_u8(*bytes, wanted) };
    #[cfg(not(target_arch = "x86_64"))]
    bytes.iter().enumerate().fold(0, |mask, (index, byte)| mask | u32::from(*byte == wanted) << index)
}

/// Returns a bit for each of the twelve bytes of three little-endian words, set if it equals `wanted`.
#[inline(always)]
pub(crate) fn equal_tags(words: [u32; 3], wanted: u8) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has SSE2.
    return unsafe { sse2::equal_tags(words, wanted) };
    #[cfg(not(target_arch = "x86_64"))]
    (0..).zip(words).fold(0, |mask, (index, word)| mask | equal_in_word(word, wanted) << (index * 4))
}

/// Returns a bit for each byte of a word, set if it equals `wanted`: no byte affects the result of another.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn equal_in_word(word: u32, wanted: u8) -> u32 {
    const LOW: u32 = 0x7f7f_7f7f;
    let differs = word ^ (u32::from(wanted) * 0x0101_0101);
    let equal = !(((differs & LOW) + LOW) | differs | LOW);
    // Collect the bits 7, 15, 23 and 31.
    (equal >> 7).wrapping_mul(0x0020_4081 << 3) >> 24 & 0xf
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi32, _mm_set1_epi8};

    #[inline]
    fn load(bytes: [u8; 16]) -> __m128i {
        // SAFETY: both are 16 bytes of plain data, for which any bits are valid.
        unsafe { std::mem::transmute::<[u8; 16], __m128i>(bytes) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub fn equal_u8(bytes: [u8; 16], wanted: u8) -> u32 {
        let equal = _mm_cmpeq_epi8(load(bytes), _mm_set1_epi8(wanted.cast_signed()));
        _mm_movemask_epi8(equal).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub fn equal_tags([a, b, c]: [u32; 3], wanted: u8) -> u32 {
        let tags = _mm_set_epi32(0, c.cast_signed(), b.cast_signed(), a.cast_signed());
        let equal = _mm_cmpeq_epi8(tags, _mm_set1_epi8(wanted.cast_signed()));
        _mm_movemask_epi8(equal).cast_unsigned() & 0xfff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_compare_agree() {
        let mut state = 1_u32;
        for _ in 0..if cfg!(miri) { 100 } else { 10_000 } {
            let words = [0; 3].map(|_: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) & 0x8103_0180
            });
            for wanted in [0, 1, 2, 3, 0x80, 0x81, 0xff] {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                let expected =
                    (0..).zip(&bytes).fold(0, |mask, (i, byte)| mask | u32::from(*byte == wanted) << i);
                assert_eq!(equal_tags(words, wanted), expected);
                assert_eq!(equal_in_word(words[0], wanted), expected & 0xf, "{:x} {wanted:x}", words[0]);
            }
        }
    }
}
