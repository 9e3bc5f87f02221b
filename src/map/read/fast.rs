//! The lookup of a plain key that comes from C, in as few steps as will do.
//!
//! One pass over the key finds its end and its dots. The tags of the key's bucket are compared at once, and the first
//! slot with the key's tag is taken: hardly one read in thirty has to look at another. Section and option are compared
//! in words of eight bytes, two for each name, which overlap where a name is shorter than sixteen; the result is one
//! branch, whatever the lengths are. All that is rare, names longer than sixteen bytes for example, is left to
//! [`Map::probe`]; and what that does not do, to the slow way of the caller, which does everything.
//!
//! # What is read
//!
//! - Of the key: aligned blocks of sixteen bytes, up to the one that has its end. Such a block is in one page, and the
//!   string has a byte in it, so that the page can be read; the rest of the block is not used. These loads are `asm!`
//!   (`layout::simd`), for which the bytes around the string are no concern of the compiler's; tools that watch each
//!   byte know aligned loads of this kind.
//! - Of the index: words that may change, as atomics, and the tags of a bucket by `asm!` ([`Line::tagged`]).
//! - Of records, sections and names: bytes at rest alone (R3). A writer at work may write right behind a block, so no
//!   load of a name reaches behind its block, or before it: F1 and F2 below. So no load needs more room behind the last
//!   block than those of `lookup` (L2).
//!
//! The words of a name of `len` bytes that starts at `start`, where `m` is the smaller of `len` and 8, end at
//! `start + m` and at `start + len`.
//!
//! - F1. A section's name starts 26 bytes behind the start of its block, so both words are inside the block. Where the
//!   key has no eight bytes before `start + m`, the first eight bytes of the key are taken, and the word of the map
//!   reaches up to five bytes behind the name: there are its NUL byte and at least one record, which has six bytes and
//!   a value.
//! - F2. An option's name starts ten bytes behind the start of its block.
//!
//! [`Line::tagged`]: crate::map::layout::region::Line::tagged

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use super::lookup::{FoundValue, Probe};
use super::map::Map;
use super::path::{KeyPath, ShortName};
use crate::map::hot_entry::{LONGEST, Words as KeyWords};
use crate::map::layout::format::{
    At, BUCKET, DEAD, FIRST_SLOT, N_BYTES, N_LEN, OVERFLOW, R_NAME, R_VALUE, S_NAME, S_NAME_LEN, Seq, V_SEQ,
    WIDE,
};
use crate::map::layout::hash::{Kind, hash};
use crate::map::layout::index::tag;
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

/// What the fast way finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an option is there or not, or the fast way cannot tell")]
pub enum Answer<'k, T> {
    /// The value, a string, or what was made of it.
    Found(T),
    /// There is certainly no such option; the key.
    Missing(&'k [u8]),
    /// The slow way has to look.
    Unknown,
}

/// A key of at most 63 bytes, with a bit for each dot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScannedKey<'k> {
    bytes: &'k [u8],
    dots: u64,
}

/// A plain key of at most 63 bytes, taken apart and hashed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastKey<'k> {
    bytes: &'k [u8],
    /// Where the first two dots are.
    first: usize,
    second: usize,
    /// A bit for each dot.
    dots: u64,
    hash: u64,
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
unsafe fn word(bytes: &[u8], start: usize) -> u64 {
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
        // SAFETY: the string has `len` bytes, and the promise to `KeyText::new` is about all of them.
        let bytes = unsafe { std::slice::from_raw_parts(text.start.as_ptr().cast_const(), len) };
        Some(Self { bytes, dots })
    }

    /// Returns the key as the table of found keys has it; `None` if it is too long for that, or too short.
    #[inline(always)]
    pub fn words(&self) -> Option<KeyWords> {
        let len = self.bytes.len();
        let words = match len {
            16..=LONGEST => {
                // SAFETY: there are 16 bytes or more; the same for the next ones.
                let a = unsafe { word(self.bytes, 0) };
                // SAFETY: see above.
                let b = unsafe { word(self.bytes, 8) };
                // SAFETY: see above.
                let c = unsafe { word(self.bytes, len - 16) };
                // SAFETY: see above.
                [a, b, c, unsafe { word(self.bytes, len - 8) }]
            }
            8..16 => {
                // SAFETY: there are 8 bytes or more; the same for the next one.
                let a = unsafe { word(self.bytes, 0) };
                // SAFETY: see above.
                [a, 0, 0, unsafe { word(self.bytes, len - 8) }]
            }
            4..8 => [short_word(self.bytes), 0, 0, 0],
            _ => return None,
        };
        Some(KeyWords { words, len: u32::try_from(len).ok()? })
    }
}

impl<'k> FastKey<'k> {
    /// Takes a key apart that has at least two dots; `None` for others.
    #[inline(always)]
    pub fn of(ScannedKey { bytes, dots }: ScannedKey<'k>, seed: u64) -> Option<Self> {
        let rest = dots & dots.wrapping_sub(1);
        if rest == 0 {
            return None;
        }
        let (first, second) = (dots.trailing_zeros() as usize, rest.trailing_zeros() as usize);
        Some(Self { bytes, first, second, dots, hash: hash(Kind::Key, seed, bytes) })
    }

    /// Returns the name of the package as a number; `None` if it is longer than eight bytes, or empty.
    #[inline(always)]
    pub fn short(&self) -> Option<ShortName> {
        let start = match self.bytes.len() {
            // SAFETY: there are eight bytes.
            8.. => unsafe { word(self.bytes, 0) },
            _ => short_word(self.bytes),
        };
        ShortName::of(start, self.first)
    }

    /// Returns the name of the package.
    pub fn package(&self) -> &'k [u8] {
        self.bytes.get(..self.first).unwrap_or_default()
    }

    /// Returns the key as the slow way has it.
    pub fn path(&self) -> KeyPath<'k> {
        KeyPath {
            package: self.package(),
            section: self.bytes.get(self.first + 1..self.second).unwrap_or_default(),
            option: self.bytes.get(self.second + 1..).unwrap_or_default(),
            short: self.short(),
            hash: self.hash,
        }
    }

    /// Reports whether the section and the option could have these names.
    #[cfg_attr(cms_speed, optimize(speed))]
    #[inline(never)]
    fn is_valid(&self) -> bool {
        let (key, len) = (self.bytes, self.bytes.len());
        let behind_first = self.dots & self.dots.wrapping_sub(1);
        let has_more = behind_first & behind_first.wrapping_sub(1) != 0;
        if has_more || self.second == self.first + 1 || self.second + 1 == len {
            return false;
        }
        if len < 8 {
            let path = self.path();
            return is_name(path.section) && is_name(path.option);
        }
        let mut at = self.first + 1;
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

/// Where the words are that a name of one to sixteen bytes is compared by.
struct Words {
    /// Their offsets in the key.
    in_key: [usize; 2],
    /// Their offsets from the start of the name, which may be negative.
    in_name: [isize; 2],
    /// The bits of both that belong to the name.
    mask: u64,
}

impl Words {
    /// The words of a name that is at `start` of a key of eight bytes or more.
    #[inline(always)]
    fn of(start: usize, len: usize) -> Self {
        let short = len.min(8);
        let first = (start + short).max(8) - 8;
        let last = (start + len).max(8) - 8;
        let before = start.wrapping_sub(first);
        let mask = (u64::MAX >> ((64 - 8 * short) & 63)) << ((8 * before) & 63);
        let in_name = [first.wrapping_sub(start).cast_signed(), last.wrapping_sub(start).cast_signed()];
        Self { in_key: [first, last], in_name, mask }
    }
}

impl Map {
    /// Looks an option up: its newest value, or the one the commit `seq` left.
    #[inline(always)]
    pub fn fast<'k>(&self, key: &FastKey<'k>, seq: Option<Seq>) -> Answer<'k, FoundValue<'_>> {
        let bucket = self.index.home(key.hash);
        let line = self.line(bucket);
        let tagged = line.tagged(tag(key.hash));
        if tagged == 0 {
            // Relaxed: see `Index::find`.
            return match line.load(OVERFLOW, Ordering::Relaxed) {
                0 => lacking(key),
                _ => self.fast_probing(key, seq),
            };
        }
        // Acquire: see `Index::find`.
        let slot = FIRST_SLOT + tagged.trailing_zeros() as usize;
        let word = line.load(slot, Ordering::Acquire);
        match self.fast_hit(At(word), key, seq) {
            Some((value, made)) => {
                let slot = self.index.start + bucket as usize * BUCKET + slot * 4;
                Answer::Found(FoundValue { value, slot, word, made })
            }
            None => self.fast_probing(key, seq),
        }
    }

    /// As [`Map::fast`], wherever the entry is.
    #[cfg_attr(cms_speed, optimize(speed))]
    #[inline(never)]
    fn fast_probing<'k>(&self, key: &FastKey<'k>, seq: Option<Seq>) -> Answer<'k, FoundValue<'_>> {
        match self.probe(&key.path(), seq) {
            Probe::Value(found) => Answer::Found(found),
            Probe::Special(_) => Answer::Unknown,
            Probe::Nothing => lacking(key),
        }
    }

    /// Returns the value of the record at `at`, if it is a string of this key that the commit `seq` left. `None` says
    /// nothing: [`Map::fast_probing`] finds out.
    #[inline(always)]
    fn fast_hit(&self, at: At, key: &FastKey<'_>, seq: Option<Seq>) -> Option<(&[u8], Seq)> {
        let (record, len) = (at.offset(), key.bytes.len());
        let (section_len, option_len) = (key.second - key.first - 1, len - key.second - 1);
        if record > self.last_start
            || len < 8
            || section_len.wrapping_sub(1) > 15
            || option_len.wrapping_sub(1) > 15
        {
            return None;
        }
        // SAFETY: L2, as was just checked. It is three numbers, and no more.
        let [a, b, c, d, e, f] = unsafe { self.region.read(record + R_NAME) };
        let (name, value_len) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([e, f]));
        let back = usize::from(u16::from_le_bytes([c, d])) * 2;
        let (value, value_len) = (record + R_VALUE, usize::from(value_len));
        let named = At(u32::from(name)).offset();
        if value_len.wrapping_sub(1) >= (self.region.len() - value).min(usize::from(DEAD) - 1)
            || back > record
            || named > self.last_start
            || name == WIDE
        {
            return None;
        }
        let section = record - back;
        // SAFETY: L2: it is before the record; the same for the next but one.
        let its_section_len = u16::from_le_bytes(unsafe { self.region.read(section + S_NAME_LEN) });
        // SAFETY: L2, as was just checked.
        let its_option_len = u16::from_le_bytes(unsafe { self.region.read(named + N_LEN) });
        // SAFETY: see above.
        let made = Seq(u32::from_le_bytes(unsafe { self.region.read(section + V_SEQ) }));
        if (usize::from(its_section_len) ^ section_len) | (usize::from(its_option_len) ^ option_len) != 0 {
            return None;
        }
        // SAFETY: L2 for both blocks, F1, and the section's name is as long as the key's.
        let differs = unsafe { self.differs(section + S_NAME, key.bytes, key.first + 1, section_len) };
        // SAFETY: the same, with F2.
        let differs =
            differs | unsafe { self.differs(named + N_BYTES, key.bytes, key.second + 1, option_len) };
        // SAFETY: the value is inside the region, as was checked above; the same for all of it.
        let [end] = unsafe { self.region.read(value + value_len - 1) };
        if differs | u64::from(end) != 0 {
            return None;
        }
        if let Some(seq) = seq
            && made.is_after(seq)
        {
            return None;
        }
        // SAFETY: see above.
        let string = unsafe { self.region.bytes_unchecked(value, value_len - 1) };
        Some((string, made))
    }

    /// Compares a name of the map, at `name`, with one of a key of eight bytes or more, at `start`. Returns 0 if they
    /// are the same.
    ///
    /// # Safety
    ///
    /// Both have `len` bytes, one to sixteen; and the map's name stands in a block as F1 or F2 says, which starts
    /// `OVERREAD` bytes before the end of the region or sooner.
    #[inline(always)]
    unsafe fn differs(&self, name: usize, key: &[u8], start: usize, len: usize) -> u64 {
        let Words { in_key, in_name, mask } = Words::of(start, len);
        // SAFETY: the caller's promise; the same for the next but one.
        let first = u64::from_le_bytes(unsafe { self.region.read(name.wrapping_add_signed(in_name[0])) });
        // SAFETY: the key has eight bytes, and the word ends where the name does, or before; or at the eighth byte.
        let differs = first ^ unsafe { word(key, in_key[0]) };
        // SAFETY: see above.
        let last = u64::from_le_bytes(unsafe { self.region.read(name.wrapping_add_signed(in_name[1])) });
        // SAFETY: see above.
        (differs | (last ^ unsafe { word(key, in_key[1]) })) & mask
    }

    /// Asks for the bucket of a key.
    #[inline]
    pub fn prefetch_fast_bucket(&self, key: &FastKey<'_>) {
        self.index.prefetch(&self.region, key.hash);
    }

    /// Asks for the first record in the bucket of a key that has the key's tag, and returns where it is.
    #[inline]
    pub fn prefetch_fast_record(&self, key: &FastKey<'_>) -> Option<At> {
        let line = self.line(self.index.home(key.hash));
        let tagged = line.tagged(tag(key.hash));
        if tagged == 0 {
            return None;
        }
        let at = At(line.load(FIRST_SLOT + tagged.trailing_zeros() as usize, Ordering::Acquire));
        self.region.prefetch(at.offset(), 1);
        Some(at)
    }

    /// Asks for the head of the section that a record belongs to.
    #[inline]
    pub fn prefetch_section(&self, record: At) {
        let record = record.offset();
        if record <= self.last_start {
            // SAFETY: L2, as was just checked.
            let [_, _, c, d] = unsafe { self.region.read(record + R_NAME) };
            self.region.prefetch(record.saturating_sub(usize::from(u16::from_le_bytes([c, d])) * 2), 1);
        }
    }
}

/// Returns the answer for a key that has no entry.
#[inline(always)]
fn lacking<'k, T>(key: &FastKey<'k>) -> Answer<'k, T> {
    if key.is_valid() { Answer::Missing(key.bytes) } else { Answer::Unknown }
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

    #[test]
    fn the_words_of_a_name_have_its_bytes_and_no_others() {
        for key_len in 8..if cfg!(miri) { 20 } else { 50 } {
            for (start, len) in
                (3..key_len).flat_map(|start| (1..=(key_len - start).min(16)).map(move |len| (start, len)))
            {
                let words = Words::of(start, len);
                let mut compared = vec![false; key_len];
                for (in_key, in_name) in words.in_key.into_iter().zip(words.in_name) {
                    assert_eq!(start.checked_add_signed(in_name), Some(in_key));
                    // F1 and F2: nothing before the block, and at most five bytes behind the name.
                    assert!(in_name >= -8 && in_key + 8 <= (start + len).max(8));
                    for at in (0..8).filter(|at| words.mask >> (8 * at) & 0xff == 0xff) {
                        compared[in_key + at] = true;
                    }
                }
                let is_part = |at: usize| (start..start + len).contains(&at);
                assert!(
                    (0..key_len).all(|at| compared[at] == is_part(at)),
                    "{len} bytes at {start}: {compared:?}"
                );
                assert!((0..8).all(|at| [0, 0xff].contains(&(words.mask >> (8 * at) & 0xff))));
            }
        }
    }
}
