//! The lookup of one option: the path that must take nanoseconds.
//!
//! The hash of the whole key leads to a slot, the slot to the option's record, which contains the value: two cache
//! lines. Then the names that the record leads to are compared with the key; the processor does that while the caller
//! already uses the value.
//!
//! It does the same as `index`, `block` and `mapping`, with raw reads and as few checks as are enough:
//!
//! - L1. [`Map::new`] has found the whole index inside the region.
//! - L2. A record or block counts only if it starts `OVERREAD` bytes before the end of the region or
//!   sooner. The heads of both are smaller than that, so they can be read.
//! - L3. Every length and position read from a block is checked against the size of that block before it is used, and
//!   the block against the region, so that a damaged map leads to a wrong answer or none and not out of the region.

use std::sync::atomic::Ordering;

use super::map::Map;
use super::path::KeyPath;
use crate::map::layout::block::{Record, SectionBlock, same};
use crate::map::layout::format::{
    At, BUCKET, FIRST_SLOT, LEN_BITS, MAX_LEN, N_BYTES, N_LEN, OVERFLOW, R_NAME, R_VALUE, S_NAME, S_NAME_LEN,
    Seq, V_SEQ, WIDE,
};
use crate::map::layout::index::{BLOCK, REACH, preferred, tag};
use crate::map::layout::region::Line;
use crate::map::layout::value::{MapList, MapValue, TypedValue};
use crate::model::value_type::ValueType;

/// A value in a map, one text and no list, and how it was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundValue<'m> {
    pub value: &'m [u8],
    /// The offset of the slot, and the word that it held.
    pub slot: usize,
    pub word: u32,
    /// The commit that made the value.
    pub made: Seq,
}

/// The result of reading a record.
enum Hit<'m> {
    /// The option's newest value, one text, made by the commit `Seq`.
    Value(&'m [u8], Seq),
    /// It is not a record of this key.
    Other,
    /// The slow path has to read it: it is wide, a list, or a deleted option.
    Special,
}

/// The result of looking at all entries that may be that of a key.
pub(crate) enum Probe<'m> {
    /// The value, one text.
    Value(FoundValue<'m>),
    /// The record at a position has to be read by [`Map::get_slowly`].
    Special(At),
    /// There is no entry of the key.
    Nothing,
}

impl Map {
    /// Looks an option up: its newest value, or the one the commit `seq` left.
    ///
    /// The slot that the key prefers is tried first: its position follows from the hash alone.
    #[inline(always)]
    pub fn get(&self, path: &KeyPath<'_>, seq: Option<Seq>) -> Option<MapValue<'_>> {
        let line = self.line(self.index.home(path.hash));
        let slot = preferred(path.hash);
        let tags = line.load(slot as usize / 4, Ordering::Relaxed);
        if tags >> (slot % 4 * 8) & 0xff == u32::from(tag(path.hash)) {
            // Acquire: see `Index::find`.
            let at = line.load(FIRST_SLOT + slot as usize, Ordering::Acquire);
            if let Hit::Value(value, made) = self.hit(At(at), path)
                && seq.is_none_or(|seq| !made.is_after(seq))
            {
                return Some(MapValue::String(value));
            }
        }
        self.get_probing(path, seq)
    }

    /// As [`Map::get`], wherever the entry is.
    #[inline(never)]
    fn get_probing(&self, path: &KeyPath<'_>, seq: Option<Seq>) -> Option<MapValue<'_>> {
        match self.probe(path, seq) {
            Probe::Value(found) => Some(MapValue::String(found.value)),
            Probe::Special(at) => self.get_slowly(path, at, seq).map(|typed| typed.value),
            Probe::Nothing => None,
        }
    }

    /// As [`Map::get`], with the type of the value.
    pub fn get_typed(&self, path: &KeyPath<'_>, seq: Option<Seq>) -> Option<TypedValue<'_>> {
        match self.probe(path, seq) {
            Probe::Value(found) => self.record(At(found.word))?.1.value,
            Probe::Special(at) => self.get_slowly(path, at, seq),
            Probe::Nothing => None,
        }
    }

    /// Looks at each entry that may be that of a key.
    #[cfg_attr(cms_speed, optimize(speed))]
    #[inline(never)]
    pub(crate) fn probe(&self, path: &KeyPath<'_>, seq: Option<Seq>) -> Probe<'_> {
        let mut bucket = self.index.home(path.hash);
        for _ in 0..REACH {
            let line = self.line(bucket);
            let mut bits = line.tagged(tag(path.hash));
            while bits != 0 {
                // Acquire: see `Index::find`.
                let slot = FIRST_SLOT + bits.trailing_zeros() as usize;
                let at = line.load(slot, Ordering::Acquire);
                if at & BLOCK == 0 && at != 0 {
                    match self.hit(At(at), path) {
                        Hit::Value(value, made) if seq.is_none_or(|seq| !made.is_after(seq)) => {
                            let slot = self.index.start + bucket as usize * BUCKET + slot * 4;
                            return Probe::Value(FoundValue { value, slot, word: at, made });
                        }
                        Hit::Value(..) | Hit::Special => return Probe::Special(At(at)),
                        Hit::Other => {}
                    }
                }
                bits &= bits - 1;
            }
            if line.load(OVERFLOW, Ordering::Relaxed) == 0 {
                break;
            }
            bucket = self.index.after(bucket);
        }
        Probe::Nothing
    }

    /// As [`Map::get`], where the newest record of an option, at `at`, is wide or too new.
    #[cold]
    pub(crate) fn get_slowly(&self, path: &KeyPath<'_>, at: At, seq: Option<Seq>) -> Option<TypedValue<'_>> {
        let is_it = |(newest, record): &(SectionBlock<'_>, Record<'_>)| {
            let named = |name| same(name, path.option);
            same(newest.name(), path.section) && self.name(record.name).is_some_and(named)
        };
        let Some((newest, record)) = self.record(at).filter(is_it) else {
            // Another option of the same tag was in the way.
            return self.get_by_section(path, seq);
        };
        if seq.is_none_or(|seq| !newest.block.seq().is_after(seq)) {
            return record.value;
        }
        let section = self.visible_section(At::of(at.offset().checked_sub(record.back)?)?, seq)?;
        self.value_in(&section, path.option, seq)
    }

    /// Looks an option up through its section.
    fn get_by_section(&self, path: &KeyPath<'_>, seq: Option<Seq>) -> Option<TypedValue<'_>> {
        let found = self.find_section(self.section_hash(path.section), path.section)?;
        let section = self.visible_section(found.at, seq)?;
        self.value_in(&section, path.option, seq)
    }

    /// Reports whether there is no entry of a key, not even one of a deleted option: then no other way of looking
    /// finds it either.
    pub fn has_none(&self, path: &KeyPath<'_>) -> bool {
        let is_it = |at| !matches!(self.hit(at, path), Hit::Other);
        self.index.find_record(&self.region, path.hash, is_it).is_none()
    }

    /// Asks for the bucket of a key, so that it is there when the key is looked up.
    #[inline]
    pub fn prefetch_bucket(&self, path: &KeyPath<'_>) {
        self.index.prefetch(&self.region, path.hash);
    }

    /// Asks for the record a key prefers, and the one before it.
    #[inline]
    pub fn prefetch_record(&self, path: &KeyPath<'_>) {
        let word = self
            .line(self.index.home(path.hash))
            .load(FIRST_SLOT + preferred(path.hash) as usize, Ordering::Relaxed);
        let offset = At(word & !BLOCK).offset();
        self.region.prefetch(offset.saturating_sub(64), 2);
    }

    /// Returns a bucket of the index.
    #[inline(always)]
    pub(super) fn line(&self, bucket: u32) -> Line<'_> {
        let offset = self.index.start + bucket as usize * BUCKET;
        // SAFETY: L1; the bucket is one of the index.
        unsafe { self.region.line_unchecked(offset) }
    }

    /// Reads the record at `at`, if it belongs to the key. The kinds of the blocks it leads to are not checked: in a
    /// sound map they are right, and in a damaged one the worst result is a wrong answer.
    #[inline(always)]
    fn hit(&self, at: At, path: &KeyPath<'_>) -> Hit<'_> {
        let record = at.offset();
        if record > self.last_start {
            // Not in the file, or a block.
            return Hit::Other;
        }
        // SAFETY: L2, as was just checked. Only the three numbers are read: the writer may be at work behind those
        // of a deleted option.
        let [a, b, c, d, e, f] = unsafe { self.region.read(record + R_NAME) };
        let (name, word) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([e, f]));
        let back = usize::from(u16::from_le_bytes([c, d])) * 2;
        if name == WIDE || (word > MAX_LEN && !is_text(word)) {
            return Hit::Special;
        }
        let (len, value) = (usize::from(word & MAX_LEN), record + R_VALUE);
        if back > record || len == 0 || len > self.region.len() - value {
            return Hit::Other;
        }
        let section = record - back;
        // SAFETY: L2: it is before the record; the same for the next.
        let made = Seq(u32::from_le_bytes(unsafe { self.region.read(section + V_SEQ) }));
        // SAFETY: see above.
        let name_len = usize::from(u16::from_le_bytes(unsafe { self.region.read(section + S_NAME_LEN) }));
        if name_len != path.section.len() || S_NAME + name_len > back {
            return Hit::Other;
        }
        // SAFETY: the section's name is before the record, as was just checked.
        let section_name = unsafe { self.region.bytes_unchecked(section + S_NAME, name_len) };
        if !same(section_name, path.section) || !self.is_named(At(u32::from(name)), path.option) {
            return Hit::Other;
        }
        // SAFETY: the value ends inside the region, as was checked above.
        let bytes = unsafe { self.region.bytes_unchecked(value, len) };
        match bytes.split_last() {
            Some((0, string)) => Hit::Value(string, made),
            _ => Hit::Other,
        }
    }

    /// Reports whether the name at `at` is `name`.
    #[inline(always)]
    fn is_named(&self, at: At, name: &[u8]) -> bool {
        let offset = at.offset();
        if offset + name.len() > self.last_start {
            return false;
        }
        // SAFETY: L2, as was just checked.
        let len = usize::from(u16::from_le_bytes(unsafe { self.region.read(offset + N_LEN) }));
        // SAFETY: it is as long as `name`, which was found inside the region above.
        len == name.len() && same(unsafe { self.region.bytes_unchecked(offset + N_BYTES, len) }, name)
    }

    /// Looks an option up, and returns where its newest value is; `None` also where the position would be of no use.
    /// The value belongs to the slot's word as it was read, even if more has been published meanwhile.
    pub fn place(&self, path: &KeyPath<'_>) -> Option<ValueLocation> {
        let slot = self.find_slot(path)?;
        let word = self.index.word(&self.region, slot);
        let TypedValue { value, value_type } = self.record(At(word))?.1.value?;
        let bytes = match value {
            MapValue::String(string) => string,
            MapValue::List(list) => list.as_bytes(),
        };
        let start = self.region.offset_of(bytes)?;
        Some(ValueLocation { slot: self.index.word_of(slot), word, start, len: bytes.len(), value_type })
    }

    /// Reports whether the value is still where it was.
    #[inline(always)]
    pub fn still(&self, placed: &ValueLocation) -> bool {
        // Acquire: see `Index::find`.
        !self.is_retired() && self.region.load(placed.slot, Ordering::Acquire) == placed.word
    }

    /// Returns the value at a place that was found in this map.
    #[inline(always)]
    pub fn at_place(&self, placed: &ValueLocation) -> Option<MapValue<'_>> {
        let bytes = self.region.bytes(placed.start, placed.len)?;
        Some(if placed.value_type.is_list() {
            MapValue::List(MapList::new(bytes))
        } else {
            MapValue::String(bytes)
        })
    }
}

impl Map {
    /// As [`Map::at_place`], with the type of the value.
    pub fn typed_at(&self, placed: &ValueLocation) -> Option<TypedValue<'_>> {
        Some(TypedValue { value: self.at_place(placed)?, value_type: placed.value_type })
    }
}

/// Reports whether a record whose length and type are `word` has one text as its value: a string, a number, a truth
/// value.
#[inline(always)]
fn is_text(word: u16) -> bool {
    /// A bit for the number of each such type.
    const TEXTS: u16 = {
        let (mut texts, mut number) = (0, 0);
        while number < ValueType::ALL.len() {
            texts |= if ValueType::ALL[number].is_list() { 0 } else { 1 << number };
            number += 1;
        }
        texts
    };
    TEXTS >> (word >> LEN_BITS) & 1 != 0
}

/// Where the value of an option is in a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueLocation {
    /// The offset of its slot, and the word that the slot held.
    slot: usize,
    word: u32,
    start: usize,
    len: usize,
    value_type: ValueType,
}

impl ValueLocation {
    /// Returns the offset of the slot, and the word that it held.
    pub fn slot_and_word(&self) -> (usize, u32) {
        (self.slot, self.word)
    }

    /// Returns the value, if it is no list.
    pub fn string_in<'m>(&self, map: &'m Map) -> Option<&'m [u8]> {
        if self.value_type.is_list() { None } else { map.region.bytes(self.start, self.len) }
    }
}
