//! The lookup of a plain key that comes from C, in as few steps as will do.
//!
//! One pass over the key finds its end and its dots (`fast_key`). The tags of the key's bucket are compared at once, and the first
//! slot with the key's tag is taken: hardly one read in thirty has to look at another. Section and option are compared
//! in words of eight bytes, two for each name, which overlap where a name is shorter than sixteen; the result is one
//! branch, whatever the lengths are. All that is rare, names longer than sixteen bytes for example, is left to
//! [`Map::probe`]; and what that does not do, to the slow way of the caller, which does everything.
//!
//! # What is read
//!
//! - Of the key: see `fast_key`.
//! - Of the index: words that may change, as atomics, and the tags of a bucket by `asm!` ([`Line::tagged`]).
//! - Of records, sections and names: bytes at rest alone (R3). A writer at work may write right behind a block, so no
//!   load of a name reaches behind its block, or before it: F1 and F2 below. So no load needs more room behind the last
//!   block than those of `lookup` (L2).
//!
//! The words of a name of `len` bytes that starts at `start`, where `m` is the smaller of `len` and 8, end at
//! `start + m` and at `start + len`; if `start + m` is below 8, both are the first eight bytes of the key.
//!
//! - F1. A section's name starts 26 bytes behind the start of its block, so both words are inside the block. Where the
//!   key has no eight bytes before `start + m`, the first eight bytes of the key are taken, and the word of the map
//!   reaches up to five bytes behind the name: there are its NUL byte and at least one record, which has six bytes and
//!   a value.
//! - F2. An option's name starts ten bytes behind the start of its block.
//!
//! [`Line::tagged`]: crate::map::layout::region::Line::tagged

use std::sync::atomic::Ordering;

use super::fast_key::{FastKey, KeyText, ScannedKey, word};
use super::lookup::{FoundValue, Probe};
use super::map::Map;
use crate::map::layout::format::{
    At, FIRST_SLOT, MAX_LEN, N_BYTES, N_LEN, OVERFLOW, R_NAME, R_VALUE, S_NAME, S_NAME_LEN, Seq, V_SEQ, WIDE,
};
use crate::map::layout::index::tag;

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

impl<'k, T> Answer<'k, T> {
    /// Makes something of the value.
    #[inline(always)]
    pub fn map<R>(self, read: impl FnOnce(T) -> R) -> Answer<'k, R> {
        match self {
            Self::Found(value) => Answer::Found(read(value)),
            Self::Missing(key) => Answer::Missing(key),
            Self::Unknown => Answer::Unknown,
        }
    }
}

/// Where the words are that a name of one to sixteen bytes is compared by.
#[derive(Debug)]
struct Words {
    /// Their offsets in the key.
    in_key: [usize; 2],
    /// Their offsets from the start of the name, which may be negative.
    in_name: [isize; 2],
    /// By how many bits both are shifted so that only those of the name are left: to the left, then to the right.
    shifts: [u32; 2],
}

impl Words {
    /// The words of a name that is at `start` of a key of eight bytes or more.
    #[inline(always)]
    fn of(start: usize, len: usize) -> Self {
        let short = len.min(8);
        // Nearly always. The words end where the name does, and where its first eight bytes do.
        if start + short >= 8 {
            let (first, last) = (start + short - 8, start + len - 8);
            let in_name = [short.cast_signed() - 8, len.cast_signed() - 8];
            return Self { in_key: [first, last], in_name, shifts: [0, bits(8 - short)] };
        }
        // The first eight bytes of the key: the name is shorter than that, so that both words are the same.
        let in_name = -start.cast_signed();
        Self { in_key: [0; 2], in_name: [in_name; 2], shifts: [bits(8 - start - short), bits(8 - short)] }
    }
}

/// Returns how many bits so many bytes have, at most seven.
#[inline(always)]
fn bits(bytes: usize) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "at most 56")]
    let bits = (bytes * 8) as u32;
    bits & 63
}

/// What the first look of the fast way finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First<'m> {
    /// The value, a string.
    Value(&'m [u8]),
    /// The key has no entry.
    Nothing,
    /// Another entry may be that of the key.
    Other,
}

impl Map {
    /// Looks an option up: its newest value, or the one the commit `seq` left.
    #[inline(always)]
    pub fn fast<'k>(&self, key: &FastKey<'k>, seq: Option<Seq>) -> Answer<'k, &[u8]> {
        match self.fast_first(key, seq) {
            First::Value(value) => Answer::Found(value),
            First::Nothing => lacking(key),
            First::Other => self.fast_probing(key.text(), seq),
        }
    }

    #[inline(always)]
    fn fast_first(&self, key: &FastKey<'_>, seq: Option<Seq>) -> First<'_> {
        let line = self.line(self.index.home(key.hash));
        let tagged = line.tagged(tag(key.hash));
        if tagged == 0 {
            // Relaxed: see `Index::find`.
            return if line.load(OVERFLOW, Ordering::Relaxed) == 0 { First::Nothing } else { First::Other };
        }
        // Acquire: see `Index::find`.
        let word = line.load(FIRST_SLOT + tagged.trailing_zeros() as usize, Ordering::Acquire);
        self.fast_hit(At(word), key, seq).map_or(First::Other, First::Value)
    }

    /// As [`Map::fast`], wherever the entry is. It takes the key apart once more: so its arguments fit into registers.
    #[cfg_attr(cms_speed, optimize(speed))]
    #[inline(never)]
    fn fast_probing<'k>(&self, text: KeyText<'k>, seq: Option<Seq>) -> Answer<'k, &[u8]> {
        let key = ScannedKey::of(text).and_then(|key| FastKey::of(key, self.seed));
        key.map_or(Answer::Unknown, |key| self.fast_place(&key, seq)).map(|found| found.value)
    }

    /// As [`Map::fast`], with the place of the value.
    #[inline]
    pub fn fast_place<'k>(&self, key: &FastKey<'k>, seq: Option<Seq>) -> Answer<'k, FoundValue<'_>> {
        match self.probe(&key.path(), seq) {
            Probe::Value(found) => Answer::Found(found),
            Probe::Special(_) => Answer::Unknown,
            Probe::Nothing => lacking(key),
        }
    }

    /// Returns the value of the record at `at`, if it is a string of this key that the commit `seq` left. `None` says
    /// nothing: [`Map::fast_probing`] finds out.
    #[inline(always)]
    fn fast_hit(&self, at: At, key: &FastKey<'_>, seq: Option<Seq>) -> Option<&[u8]> {
        let (record, len) = (at.offset(), key.len());
        let (section_len, option_len) = (key.second - key.first - 1, len - key.second - 1);
        if record > self.last_start
            || len < 8
            || section_len.wrapping_sub(1) | option_len.wrapping_sub(1) > 15
        {
            return None;
        }
        // SAFETY: L2, as was just checked. It is three numbers, and no more.
        let [a, b, c, d, e, f] = unsafe { self.region.read(record + R_NAME) };
        let (name, value_len) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([e, f]));
        let back = usize::from(u16::from_le_bytes([c, d])) * 2;
        let (value, value_len) = (record + R_VALUE, usize::from(value_len));
        let named = At(u32::from(name)).offset();
        if value_len.wrapping_sub(1) >= (self.region.len() - value).min(usize::from(MAX_LEN))
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
        let differs = unsafe { self.differs(section + S_NAME, key.bytes(), key.first + 1, section_len) };
        // SAFETY: the same, with F2.
        let differs =
            differs | unsafe { self.differs(named + N_BYTES, key.bytes(), key.second + 1, option_len) };
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
        Some(unsafe { self.region.bytes_unchecked(value, value_len - 1) })
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
        let Words { in_key, in_name, shifts } = Words::of(start, len);
        // SAFETY: the caller's promise; the same for the next but one.
        let first = u64::from_le_bytes(unsafe { self.region.read(name.wrapping_add_signed(in_name[0])) });
        // SAFETY: the key has eight bytes, and the word ends where the name does, or before; or at the eighth byte.
        let differs = first ^ unsafe { word(key, in_key[0]) };
        // SAFETY: see above.
        let last = u64::from_le_bytes(unsafe { self.region.read(name.wrapping_add_signed(in_name[1])) });
        // SAFETY: see above.
        let differs = differs | (last ^ unsafe { word(key, in_key[1]) });
        differs << shifts[0] >> shifts[1]
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
    if key.is_valid() { Answer::Missing(key.bytes()) } else { Answer::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_name_have_its_bytes_and_no_others() {
        for key_len in 8..if cfg!(miri) { 20 } else { 50 } {
            for (start, len) in
                (3..key_len).flat_map(|start| (1..=(key_len - start).min(16)).map(move |len| (start, len)))
            {
                let words = Words::of(start, len);
                let mask = u64::MAX << words.shifts[1] >> words.shifts[0];
                let mut compared = vec![false; key_len];
                for (in_key, in_name) in words.in_key.into_iter().zip(words.in_name) {
                    assert_eq!(start.checked_add_signed(in_name), Some(in_key));
                    // F1 and F2: nothing before the block, and at most five bytes behind the name.
                    assert!(in_name >= -8 && in_key + 8 <= (start + len).max(8));
                    for at in (0..8).filter(|at| mask >> (8 * at) & 0xff == 0xff) {
                        compared[in_key + at] = true;
                    }
                }
                let is_part = |at: usize| (start..start + len).contains(&at);
                assert!(
                    (0..key_len).all(|at| compared[at] == is_part(at)),
                    "{len} bytes at {start}: {compared:?}"
                );
                assert!((0..8).all(|at| [0, 0xff].contains(&(mask >> (8 * at) & 0xff))));
            }
        }
    }
}
