//! Finding bytes in text.
//!
//! These are the functions of the crate `memchr` for the instructions that every processor of the architecture has (SSE2,
//! NEON). Its own entry points ask the processor for more first, if any crate of the program enables its feature `std`, and
//! `serde_json` does: ten CPUID instructions, each of which a virtual machine takes microseconds to emulate. That is a
//! seventh of the time of a whole `cms get`. Lines of configuration are too short to gain from wider instructions.

#[cfg(target_arch = "aarch64")]
use memchr::arch::aarch64::neon::memchr::{One, Two};
#[cfg(not(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64")))]
use memchr::arch::all::memchr::{One, Two};
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use memchr::arch::x86_64::sse2::memchr::{One, Two};

#[cfg(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64"))]
#[inline]
fn one(byte: u8) -> One {
    One::new(byte).expect("every processor of the architecture has the instructions")
}

#[cfg(not(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64")))]
#[inline]
fn one(byte: u8) -> One {
    One::new(byte)
}

#[cfg(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64"))]
#[inline]
fn two(first: u8, second: u8) -> Two {
    Two::new(first, second).expect("every processor of the architecture has the instructions")
}

#[cfg(not(any(all(target_arch = "x86_64", target_feature = "sse2"), target_arch = "aarch64")))]
#[inline]
fn two(first: u8, second: u8) -> Two {
    Two::new(first, second)
}

/// Finds the first position of a byte.
#[inline]
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    one(byte).find(text)
}

/// Finds the last position of a byte.
#[inline]
pub(crate) fn find_last(byte: u8, text: &[u8]) -> Option<usize> {
    one(byte).rfind(text)
}

/// Finds the first position of one of two bytes.
#[inline]
pub(crate) fn find_either(first: u8, second: u8, text: &[u8]) -> Option<usize> {
    two(first, second).find(text)
}

/// Counts a byte.
pub(crate) fn count(byte: u8, text: &[u8]) -> usize {
    one(byte).iter(text).count()
}

/// Finds all positions of a byte, in order.
pub(crate) fn positions(byte: u8, text: &[u8]) -> impl Iterator<Item = usize> {
    let (mut at, one) = (0, one(byte));
    std::iter::from_fn(move || {
        let found = at + one.find(&text[at..])?;
        at = found + 1;
        Some(found)
    })
}

/// Finds the first position of a piece of text that is not empty.
pub(crate) fn find_text(piece: &[u8], text: &[u8]) -> Option<usize> {
    positions(*piece.first()?, text).find(|at| text[*at..].starts_with(piece))
}

/// Counts a piece of text that is not empty. Places that overlap count, too.
pub(crate) fn count_text(piece: &[u8], text: &[u8]) -> usize {
    let Some(first) = piece.first() else { return 0 };
    positions(*first, text).filter(|at| text[*at..].starts_with(piece)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Each function finds what a search byte by byte finds.
        #[test]
        fn each_finds_what_a_plain_search_finds(text in "[ab=\n]{0,80}", byte in b'a'..b'd') {
            let bytes = text.as_bytes();
            let all: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == byte).collect();
            proptest::prop_assert_eq!(find(byte, bytes), all.first().copied());
            proptest::prop_assert_eq!(find_last(byte, bytes), all.last().copied());
            proptest::prop_assert_eq!(count(byte, bytes), all.len());
            let either = bytes.iter().position(|found| *found == byte || *found == b'=');
            proptest::prop_assert_eq!(find_either(byte, b'=', bytes), either);
            proptest::prop_assert_eq!(find_text(b"a=", bytes), text.find("a="));
            proptest::prop_assert_eq!(count_text(b"a=", bytes), text.matches("a=").count());
            proptest::prop_assert_eq!(positions(byte, bytes).collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn an_empty_piece_is_nowhere() {
        assert_eq!((find_text(b"", b"a"), count_text(b"", b"a")), (None, 0));
    }
}
