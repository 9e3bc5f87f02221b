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
#[cfg(any(
    test,
    miri,
    not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))
))]
pub(crate) fn equal_tags(words: [u32; 3], wanted: u8) -> u32 {
    (0..).zip(words).fold(0, |mask, (index, word)| mask | equal_in_word(word, wanted) << (index * 4))
}

/// Returns a bit for each byte of a word, set if it equals `wanted`: no byte affects the result of another.
#[cfg(any(
    test,
    miri,
    not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))
))]
fn equal_in_word(word: u32, wanted: u8) -> u32 {
    const LOW: u32 = 0x7f7f_7f7f;
    let differs = word ^ (u32::from(wanted) * 0x0101_0101);
    let equal = !(((differs & LOW) + LOW) | differs | LOW);
    // Collect the bits 7, 15, 23 and 31.
    (equal >> 7).wrapping_mul(0x0020_4081 << 3) >> 24 & 0xf
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set1_epi8};

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
}

/// Sixteen bytes that are loaded in one instruction, and compared in a few.
///
/// The loads are `asm!`: the compiler does not know what they read. So they may read what no Rust reference could lead
/// to, the rest of an aligned block that a string ends in, and bytes that another thread or process writes meanwhile.
/// Under Miri and loom, and on other processors, the callers read byte by byte and word by word.
#[cfg(all(target_arch = "x86_64", not(miri), not(all(test, loom))))]
pub(crate) mod vector {
    use std::arch::asm;
    use std::arch::x86_64::{__m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set1_epi8};

    /// Sixteen bytes.
    pub(crate) type Bytes = __m128i;

    /// Loads sixteen bytes from any address.
    ///
    /// # Safety
    ///
    /// The page of each of them can be read.
    #[inline(always)]
    pub(crate) unsafe fn load(start: *const u8) -> Bytes {
        let bytes;
        // SAFETY: the caller's promise; the instruction reads memory, and changes one register.
        unsafe {
            asm!("movdqu {}, [{}]", out(xmm_reg) bytes, in(reg) start, options(nostack, preserves_flags, readonly));
        }
        bytes
    }

    /// Loads eight bytes from each of two addresses. The compiler cannot take them from registers that hold the same bytes
    /// already, and so needs none for that.
    ///
    /// # Safety
    ///
    /// All of them can be read.
    #[inline(always)]
    pub(crate) unsafe fn load_two(first: *const u8, second: *const u8) -> Bytes {
        let bytes;
        // SAFETY: the caller's promise; the instructions read memory, and change one register.
        unsafe {
            asm!("movq {bytes}, qword ptr [{first}]", "movhps {bytes}, qword ptr [{second}]", bytes = out(xmm_reg) bytes,
                first = in(reg) first, second = in(reg) second, options(nostack, preserves_flags, readonly));
        }
        bytes
    }

    /// Returns 0 if all bytes are the same.
    #[inline(always)]
    pub(crate) fn differs(one: [Bytes; 2], other: [Bytes; 2]) -> u64 {
        // SAFETY: every x86-64 processor has SSE2.
        u64::from(unsafe { mask_of_both(one, other) } ^ 0xffff)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn mask_of_both(one: [Bytes; 2], other: [Bytes; 2]) -> u32 {
        let (first, second) = (_mm_cmpeq_epi8(one[0], other[0]), _mm_cmpeq_epi8(one[1], other[1]));
        _mm_movemask_epi8(_mm_and_si128(first, second)).cast_unsigned()
    }

    /// Returns a bit for each byte, set if it equals `wanted`.
    #[inline(always)]
    pub(crate) fn equal(bytes: Bytes, wanted: u8) -> u32 {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { mask(bytes, wanted) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn mask(bytes: Bytes, wanted: u8) -> u32 {
        let equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted.cast_signed()));
        _mm_movemask_epi8(equal).cast_unsigned()
    }

    /// Returns a bit for each byte, set if it equals `first`; and the same for `second`.
    #[inline(always)]
    pub(crate) fn equal_two(bytes: Bytes, first: u8, second: u8) -> (u32, u32) {
        (equal(bytes, first), equal(bytes, second))
    }
}

/// As on x86-64; every AArch64 processor that runs Linux has these instructions.
#[cfg(all(target_arch = "aarch64", target_endian = "little", not(miri), not(all(test, loom))))]
pub(crate) mod vector {
    use std::arch::aarch64::{
        uint8x16_t, vandq_u8, vceqq_u8, vdupq_n_u8, vgetq_lane_u16, vgetq_lane_u32, vld1q_u8, vpaddq_u8,
        vreinterpretq_u16_u8, vreinterpretq_u32_u8,
    };
    use std::arch::asm;

    /// Sixteen bytes.
    pub(crate) type Bytes = uint8x16_t;

    /// What each lane adds to a mask of eight bits.
    const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

    /// Loads sixteen bytes from any address.
    ///
    /// # Safety
    ///
    /// The page of each of them can be read.
    #[inline(always)]
    pub(crate) unsafe fn load(start: *const u8) -> Bytes {
        let bytes;
        // SAFETY: the caller's promise; the instruction reads memory, and changes one register.
        unsafe {
            asm!("ldr {:q}, [{}]", out(vreg) bytes, in(reg) start, options(nostack, preserves_flags, readonly));
        }
        bytes
    }

    /// Returns a bit for each byte, set if it equals `wanted`.
    #[inline(always)]
    pub(crate) fn equal(bytes: Bytes, wanted: u8) -> u32 {
        // SAFETY: every AArch64 processor that runs Linux has NEON.
        unsafe { mask(bytes, wanted) }
    }

    /// Returns a bit for each byte, set if it equals `first`; and the same for `second`.
    #[inline(always)]
    pub(crate) fn equal_two(bytes: Bytes, first: u8, second: u8) -> (u32, u32) {
        // SAFETY: every AArch64 processor that runs Linux has NEON.
        let both = unsafe { masks(bytes, first, second) };
        (both & 0xffff, both >> 16)
    }

    /// Returns the bit of each lane that equals `wanted`, and 0 for the others.
    #[inline]
    #[target_feature(enable = "neon")]
    fn bits(bytes: Bytes, wanted: u8) -> Bytes {
        // SAFETY: `BITS` has sixteen bytes.
        let each = unsafe { vld1q_u8(BITS.as_ptr()) };
        vandq_u8(vceqq_u8(bytes, vdupq_n_u8(wanted)), each)
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn mask(bytes: Bytes, wanted: u8) -> u32 {
        let found = bits(bytes, wanted);
        // Each step adds neighbours: a byte of eight lanes is left, twice.
        let found = vpaddq_u8(found, found);
        let found = vpaddq_u8(found, found);
        let found = vpaddq_u8(found, found);
        u32::from(vgetq_lane_u16::<0>(vreinterpretq_u16_u8(found)))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn masks(bytes: Bytes, first: u8, second: u8) -> u32 {
        let found = vpaddq_u8(bits(bytes, first), bits(bytes, second));
        let found = vpaddq_u8(found, found);
        let found = vpaddq_u8(found, found);
        vgetq_lane_u32::<0>(vreinterpretq_u32_u8(found))
    }
}

/// Asks the processor to fetch the cache line at an address, which may be any.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch may be given any address; it reads nothing that the program can see.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
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

    #[cfg(all(
        any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")),
        not(miri),
        not(loom)
    ))]
    #[test]
    fn a_vector_is_compared_as_its_bytes_are() {
        let mut state = 1_u32;
        for _ in 0..10_000 {
            let bytes = [0; 20].map(|_: u8| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                [0, b'.', b'/', 0x80, 0xae, 0xff, 1, b'-'][(state >> 20) as usize & 7]
            });
            // At any address.
            let start = (state >> 8) as usize & 3;
            let sixteen = &bytes[start..start + 16];
            // SAFETY: there are sixteen.
            let vector = unsafe { vector::load(sixteen.as_ptr()) };
            let expected = |wanted: u8| {
                (0..).zip(sixteen).fold(0, |mask, (i, byte)| mask | u32::from(*byte == wanted) << i)
            };
            for wanted in [0, b'.', 0x80, 0xff] {
                assert_eq!(vector::equal(vector, wanted), expected(wanted));
                assert_eq!(vector::equal_two(vector, wanted, b'.'), (expected(wanted), expected(b'.')));
            }
        }
    }
}
