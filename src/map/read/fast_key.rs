//! A key that comes from C: scanned for its end and its dots, taken apart and hashed.
//!
//! The scan reads aligned blocks of sixteen bytes, up to the one that has the end of the key. Such a block is in one page,
//! and the string has a byte in it, so that the page can be read; the rest of the block is not used. These loads are `asm!`
//! (`layout::simd`), for which the bytes around the string are no concern of the compiler's; tools that watch each byte
//! know aligned loads of this kind.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::path::{KeyPath, ShortName};
use crate::map::hot_entry::{LONGEST, SHORT, Words as KeyWords};
use crate::map::layout::hash::{Kind, hash};
use crate::model::digest::u32_at;
use crate::model::name::is_name;

/// A key that ends with a NUL byte, as C has it. How long it is has not been looked up yet.
#[derive(Debug, Clone, Copy)]
pub struct KeyText<'k> {
    start: NonNull<u8>,
    text: PhantomData<&'k [u8]>,
}

impl<'k> KeyText<'k> {
    /// Takes a string of C.
    ///
    /// # Safety
    ///
    /// It ends with a NUL byte, can be read, and does not change, as long as `'k` lasts.
    #[inline(always)]
    #[must_use]
    pub unsafe fn new(start: NonNull<u8>) -> Self {
        Self { start, text: PhantomData }
    }

    /// Returns the bytes before the NUL byte.
    #[inline]
    #[must_use]
    pub fn to_bytes(self) -> &'k [u8] {
        // SAFETY: the promise to `new`.
        unsafe { CStr::from_ptr(self.start.as_ptr().cast()) }.to_bytes()
    }
}

impl<'k> From<&'k CStr> for KeyText<'k> {
    fn from(text: &'k CStr) -> Self {
        Self { start: NonNull::from(text.to_bytes_with_nul()).cast(), text: PhantomData }
    }
}

/// A key of at most 63 bytes, with a bit for each dot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScannedKey<'k> {
    text: KeyText<'k>,
    len: usize,
    dots: u64,
}

/// A plain key of at most 63 bytes, taken apart and hashed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastKey<'k> {
    key: ScannedKey<'k>,
    /// Where the first two dots are.
    pub(super) first: usize,
    pub(super) second: usize,
    pub(super) hash: u64,
}

/// Finds the length of a string and its dots; `None` if it is longer than 63 bytes.
#[cfg(all(
    any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")),
    not(miri),
    not(all(test, loom))
))]
#[inline(always)]
fn scan(text: KeyText<'_>) -> Option<(usize, u64)> {
    use crate::map::layout::simd::vector::{equal_two, load};
    let start = text.start.as_ptr();
    let offset = start.addr() % 16;
    let mut block = start.wrapping_sub(offset).cast_const();
    // SAFETY: aligned, so it is in the page of the string's first byte.
    let (zeros, dots) = equal_two(unsafe { load(block) }, 0, b'.');
    let (mut zeros, mut dots) = (u64::from(zeros >> offset), u64::from(dots >> offset));
    let mut seen = 16 - offset;
    while zeros == 0 {
        if seen >= 64 {
            return None;
        }
        block = block.wrapping_add(16);
        // SAFETY: aligned, and the string goes on in it: it has not ended before.
        let (more_zeros, more_dots) = equal_two(unsafe { load(block) }, 0, b'.');
        zeros |= u64::from(more_zeros) << seen;
        dots |= u64::from(more_dots) << seen;
        seen += 16;
    }
    // By the length, and not by the other bits of `zeros`: those stand for bytes that may never have been written.
    let len = zeros.trailing_zeros();
    Some((len as usize, dots & !(u64::MAX << len)))
}

/// As above, byte by byte.
#[cfg(not(all(
    any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")),
    not(miri),
    not(all(test, loom))
)))]
fn scan(text: KeyText<'_>) -> Option<(usize, u64)> {
    let mut dots = 0;
    for len in 0..64 {
        // SAFETY: the string has not ended before.
        match unsafe { text.start.add(len).read() } {
            0 => return Some((len, dots)),
            b'.' => dots |= 1 << len,
            _ => {}
        }
    }
    None
}

/// Reads eight bytes of a key.
///
/// # Safety
///
/// They are inside the key.
#[inline(always)]
pub(super) unsafe fn word(bytes: &[u8], start: usize) -> u64 {
    debug_assert!(start + 8 <= bytes.len());
    // SAFETY: the caller's promise.
    let start = unsafe { bytes.as_ptr().add(start) };
    // SAFETY: the same; the bytes are not aligned.
    u64::from_le(unsafe { start.cast::<u64>().read_unaligned() })
}

/// Returns the bytes of a key of at most seven, with zeros behind them.
#[inline(always)]
fn short_word(bytes: &[u8]) -> u64 {
    match bytes.len() {
        // Two words, which overlap.
        len @ 4..8 => u64::from(u32_at(bytes, 0)) | u64::from(u32_at(bytes, len - 4)) << (8 * (len - 4)),
        _ => bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

impl<'k> ScannedKey<'k> {
    /// Finds the end and the dots of a key; `None` if it is longer than 63 bytes.
    #[inline(always)]
    pub fn of(text: KeyText<'k>) -> Option<Self> {
        let (len, dots) = scan(text)?;
        Some(Self { text, len, dots })
    }

    /// Returns the bytes of the key.
    #[inline(always)]
    fn bytes(self) -> &'k [u8] {
        // SAFETY: the string has `len` bytes, and the promise to `KeyText::new` is about all of them.
        unsafe { std::slice::from_raw_parts(self.text.start.as_ptr().cast_const(), self.len) }
    }

    /// Returns the key as the table of found keys has it; `None` if it is too short for that.
    #[inline(always)]
    pub fn words(self) -> Option<KeyWords> {
        if let Some(words) = self.short_words().or_else(|| self.long_words()) {
            return Some(words);
        }
        let ends = match self.len {
            4..8 => [short_word(self.bytes()), 0, 0, 0],
            _ => return None,
        };
        Some(KeyWords { ends, middle: [0; 4], len: u8::try_from(self.len).ok()? })
    }

    /// Returns the ends of [`ScannedKey::words`] in two registers, and the length of the key, if that is 8 to 32 bytes.
    #[cfg(all(target_arch = "x86_64", not(miri), not(all(test, loom))))]
    #[inline(always)]
    pub fn ends(self) -> Option<([crate::map::layout::simd::vector::Bytes; 2], u8)> {
        use crate::map::layout::simd::vector::load_two;
        let (start, end) = (self.bytes().as_ptr(), self.len);
        if !(8..=SHORT).contains(&end) {
            return None;
        }
        let at = |offset| start.wrapping_add(offset);
        // SAFETY: all begin at least 8 bytes before the end, as in `short_words`.
        let first = unsafe { load_two(start, at(8.min(end - 8))) };
        // SAFETY: the same.
        let last = unsafe { load_two(at(end.max(16) - 16), at(end - 8)) };
        Some(([first, last], u8::try_from(end).ok()?))
    }

    /// As [`ScannedKey::words`], for a key of 8 to 32 bytes; `None` for others. Without a branch on the length, which the
    /// processor could not foresee.
    #[inline(always)]
    pub fn short_words(self) -> Option<KeyWords> {
        let end = self.len;
        if !(8..=SHORT).contains(&end) {
            return None;
        }
        // SAFETY: all are at least 8 bytes before the end.
        let ends = unsafe { self.words_at([0, 8.min(end - 8), end.max(16) - 16, end - 8]) };
        Some(KeyWords { ends, middle: [0; 4], len: u8::try_from(end).ok()? })
    }

    /// As [`ScannedKey::words`], for a key of more than 32 bytes; `None` for others.
    #[inline(always)]
    pub fn long_words(self) -> Option<KeyWords> {
        let end = self.len;
        if end <= SHORT || end > LONGEST {
            return None;
        }
        // SAFETY: all are at least 8 bytes before the end; the same for the next ones.
        let ends = unsafe { self.words_at([0, 8, end - 16, end - 8]) };
        // SAFETY: see above.
        let middle = unsafe { self.words_at([16, 24, end - 32, end - 24]) };
        Some(KeyWords { ends, middle, len: u8::try_from(end).ok()? })
    }

    /// Reads four words of the key.
    ///
    /// # Safety
    ///
    /// All are inside the key.
    #[inline(always)]
    unsafe fn words_at(self, [a, b, c, d]: [usize; 4]) -> [u64; 4] {
        let at = |start| {
            // SAFETY: the caller's promise.
            unsafe { word(self.bytes(), start) }
        };
        [at(a), at(b), at(c), at(d)]
    }
}

impl<'k> FastKey<'k> {
    /// Takes a key apart that has at least two dots; `None` for others.
    #[inline(always)]
    pub fn of(key: ScannedKey<'k>, seed: u64) -> Option<Self> {
        let rest = key.dots & key.dots.wrapping_sub(1);
        if rest == 0 {
            return None;
        }
        let (first, second) = (key.dots.trailing_zeros() as usize, rest.trailing_zeros() as usize);
        Some(Self { key, first, second, hash: hash(Kind::Key, seed, key.bytes()) })
    }

    /// Returns the key as it came.
    #[inline(always)]
    pub fn text(&self) -> KeyText<'k> {
        self.key.text
    }

    /// Returns the bytes of the key.
    #[inline(always)]
    pub fn bytes(&self) -> &'k [u8] {
        self.key.bytes()
    }

    /// Returns how many there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.key.len
    }

    /// Returns the name of the package as a number; `None` if it is longer than eight bytes, or empty.
    #[inline(always)]
    pub fn short(&self) -> Option<ShortName> {
        let start = match self.len() {
            // SAFETY: there are eight bytes.
            8.. => unsafe { word(self.bytes(), 0) },
            _ => short_word(self.bytes()),
        };
        ShortName::of(start, self.first)
    }

    /// Returns the name of the package.
    pub fn package(&self) -> &'k [u8] {
        self.bytes().get(..self.first).unwrap_or_default()
    }

    /// Returns the key as the slow way has it.
    pub fn path(&self) -> KeyPath<'k> {
        KeyPath {
            package: self.package(),
            section: self.bytes().get(self.first + 1..self.second).unwrap_or_default(),
            option: self.bytes().get(self.second + 1..).unwrap_or_default(),
            short: self.short(),
            hash: self.hash,
        }
    }

    /// Reports whether the section and the option could have these names.
    #[inline(always)]
    pub(super) fn is_valid(&self) -> bool {
        are_names(self.bytes(), self.key.dots)
    }
}

/// Reports whether a key has two dots, and a section and an option that could have these names. Its arguments fit into
/// registers, so that its callers need not write a key to memory.
#[cfg_attr(cms_speed, optimize(speed))]
#[inline(never)]
fn are_names(key: &[u8], dots: u64) -> bool {
    let (len, behind_first) = (key.len(), dots & dots.wrapping_sub(1));
    let (first, second) = (dots.trailing_zeros() as usize, behind_first.trailing_zeros() as usize);
    let has_two = behind_first != 0 && behind_first & behind_first.wrapping_sub(1) == 0;
    if !has_two || second == first + 1 || second + 1 == len {
        return false;
    }
    if len < 8 {
        return is_name(&key[first + 1..second]) && is_name(&key[second + 1..]);
    }
    let mut at = first + 1;
    while at < len {
        let start = at.min(len - 8);
        // SAFETY: eight bytes from `start` on are inside the key.
        let bytes = unsafe { word(key, start) };
        if other_bytes(bytes) >> (8 * (at - start)) != 0 {
            return false;
        }
        at += 8;
    }
    true
}

/// Returns the top bit of each of eight bytes that is no letter, digit, `_` or dot. The dots of a key were counted.
#[inline(always)]
fn other_bytes(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * EACH;
    // Of bytes below 0x80, so that no sum carries into the next byte.
    let low = bytes & !TOP;
    let within = |bytes: u64, first: u8, last: u8| {
        (bytes + (0x80 - u64::from(first)) * EACH) & !(bytes + (0x7f - u64::from(last)) * EACH)
    };
    let named = within(low | (0x20 * EACH), b'a', b'z')
        | within(low, b'0', b'9')
        | within(low, b'_', b'_')
        | within(low, b'.', b'.');
    (bytes | !named) & TOP
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::u64_at;

    /// A key at an offset of its memory, with bytes around it that are no part of it.
    fn placed(key: &[u8], offset: usize) -> Vec<u8> {
        [&b".\0.........x....."[..offset], key, b"\0.\0.x"].concat()
    }

    fn text(memory: &[u8], offset: usize) -> KeyText<'_> {
        KeyText::from(CStr::from_bytes_until_nul(&memory[offset..]).expect("it ends"))
    }

    #[test]
    fn the_end_and_the_dots_of_a_key_are_found_wherever_it_is() {
        for len in (0..if cfg!(miri) { 20 } else { 70 }).chain([200]) {
            let key: Vec<u8> = (0..len).map(|at| if at * at % 7 == 2 { b'.' } else { b'x' }).collect();
            let dots =
                (0..64).zip(&key).filter(|(_, byte)| **byte == b'.').fold(0, |dots, (at, _)| dots | 1 << at);
            for offset in 0..17 {
                let memory = placed(&key, offset);
                let expected = (len < 64).then_some((len, dots));
                assert_eq!(scan(text(&memory, offset)), expected, "{len} at {offset}");
            }
        }
    }

    #[test]
    fn a_key_is_taken_apart_as_in_the_slow_way() {
        let parts =
            ["", "a", "ab", "lan", "sixteen_bytes_xx", "longer_than_sixteen_bytes", "a.b", "@a[0]", "-"];
        let count = parts.len();
        for number in 0..count * count * count {
            let [package, section, option] =
                [number % count, number / count % count, number / count / count].map(|part| parts[part]);
            let key = format!("{package}.{section}.{option}").into_bytes();
            let memory = placed(&key, 3);
            let Some(fast) = ScannedKey::of(text(&memory, 3)).and_then(|key| FastKey::of(key, 7)) else {
                assert!(key.len() > 63, "{package}.{section}.{option}");
                continue;
            };
            let path = fast.path();
            assert_eq!(fast.is_valid(), path.is_valid() && !path.option.contains(&b'.'));
            assert_eq!(text(&memory, 3).to_bytes(), key);
            let Some(slow) = KeyPath::split(&key, 7) else { continue };
            assert_eq!((path.package, path.section), (slow.package, slow.section));
            assert_eq!((path.option, path.hash), (slow.option, slow.hash));
            // The slow way takes no number of a short key.
            assert!(path.short == slow.short || key.len() < 8);
        }
    }

    #[test]
    fn bytes_that_no_name_has_are_found_in_every_place() {
        for byte in 0..=u8::MAX {
            let is_other = !is_name(&[byte]) && byte != b'.';
            for (around, at) in
                [0, b'a', b'.', 0xff, 0x7f, 0x80].iter().flat_map(|a| (0..8).map(move |at| (a, at)))
            {
                let mut bytes = [*around; 8];
                bytes[at] = byte;
                let found = other_bytes(u64_at(&bytes, 0)) >> (8 * at) & 0xff;
                assert_eq!(found, if is_other { 0x80 } else { 0 }, "{byte:x} in {around:x}");
            }
        }
    }
}
