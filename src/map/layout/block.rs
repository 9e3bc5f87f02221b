//! Reading blocks: names, sections and their options, orders. The bytes of a block never change.
//!
//! A block may come from a damaged file. A read that does not fit inside its block returns nothing.

use super::format::{
    At, B_BODY, B_CHECKSUM, B_SIZE, DEAD, F_ANONYMOUS, F_DELETED, F_SPLIT, KIND_BITS, L_COUNT, L_SLOTS, LEAF,
    LEAF_MAX, LEN_BITS, MAX_LEN, N_BYTES, N_LEN, NAME, O_ENTRIES, O_ENTRY, O_LEAVES, O_TOTAL, P_NEXT_RANK,
    P_OPTIONS, P_PARTS, PART, R_BACK, R_LEN, R_NAME, R_VALUE, S_COUNT, S_FLAGS, S_NAME, S_NAME_LEN, Seq,
    V_PREV, V_SEQ, V_TYPE, W_BACK, W_LEN, W_MARKS, W_NAME, W_VALUE, WIDE, WIDE_DEAD, WIDE_LEN_BITS,
    behind_name, even,
};
use super::index::SlotId;
use super::region::Region;
use super::value::{MapList, MapValue, TypedValue};
use crate::model::digest::{checksum, u16_at, u32_at, u64_at};
use crate::model::value_type::ValueType;

/// The bytes of a block, and its kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'m> {
    pub kind: u32,
    pub bytes: &'m [u8],
}

impl<'m> Block<'m> {
    /// Reads the block at a position; `None` if it is not inside the region.
    #[inline]
    pub fn at(region: &'m Region, at: At) -> Option<Self> {
        let word = u32_at(region.bytes(at.offset(), B_BODY)?, B_SIZE);
        let bytes = region.bytes(at.offset(), (word >> KIND_BITS) as usize)?;
        Some(Self { kind: word & ((1 << KIND_BITS) - 1), bytes })
    }

    /// Reports whether the block's checksum is right.
    pub fn is_intact(&self) -> bool {
        self.bytes.len() >= B_BODY && u32_at(self.bytes, B_CHECKSUM) == block_checksum(self.bytes)
    }

    /// Returns the bytes of a name block.
    #[inline]
    pub fn name(&self) -> Option<&'m [u8]> {
        let len = usize::from(u16_at(self.bytes, N_LEN));
        self.bytes.get(N_BYTES..N_BYTES + len).filter(|_| self.kind == NAME)
    }

    /// Returns the position of the previous version.
    #[inline]
    pub fn prev(&self) -> At {
        At(u32_at(self.bytes, V_PREV))
    }

    /// Returns the commit that made this version.
    #[inline]
    pub fn seq(&self) -> Seq {
        Seq(u32_at(self.bytes, V_SEQ))
    }

    /// Returns a section's type, a part's number or an order's type.
    #[inline]
    pub fn type_word(&self) -> u32 {
        u32_at(self.bytes, V_TYPE)
    }
}

/// Computes the checksum of a block: over the size and all behind the checksum.
pub(crate) fn block_checksum(block: &[u8]) -> u32 {
    checksum(block.get(B_BODY..).unwrap_or_default()) ^ u32_at(block, B_SIZE).rotate_left(11)
}

/// Compares two short byte strings without a call.
#[inline(always)]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let len = a.len();
    if len != b.len() {
        return false;
    }
    if len > 16 {
        return a == b;
    }
    if len >= 8 {
        return (u64_at(a, 0) ^ u64_at(b, 0)) | (u64_at(a, len - 8) ^ u64_at(b, len - 8)) == 0;
    }
    if len >= 4 {
        return (u32_at(a, 0) ^ u32_at(b, 0)) | (u32_at(a, len - 4) ^ u32_at(b, len - 4)) == 0;
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// An option in a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'m> {
    /// Its offset in its block, in bytes.
    pub start: usize,
    /// The distance back to the start of its block, in bytes.
    pub back: usize,
    /// The position of its name.
    pub name: At,
    /// The value; `None` if the option was deleted.
    pub value: Option<TypedValue<'m>>,
    /// The offset of the next record in the block, in bytes.
    pub end: usize,
}

impl<'m> Record<'m> {
    /// Reads the record at `start` of a block; `None` if it is not inside the block.
    #[inline]
    pub fn at(block: &'m [u8], start: usize) -> Option<Self> {
        let bytes = block.get(start..)?;
        let narrow = bytes.get(..R_VALUE)?;
        let (name, back, head, len, type_number, dead) = if u16_at(narrow, R_NAME) == WIDE {
            let wide = bytes.get(..W_VALUE)?;
            if u16_at(wide, W_MARKS) != 0 {
                return None;
            }
            let word = u32_at(wide, W_LEN);
            let len = (word & ((1 << WIDE_LEN_BITS) - 1)) as usize;
            let (name, back) = (u32_at(wide, W_NAME), u32_at(wide, W_BACK));
            (name, back, W_VALUE, len, word >> WIDE_LEN_BITS, word == WIDE_DEAD)
        } else {
            let word = u16_at(narrow, R_LEN);
            let (name, back) = (u16_at(narrow, R_NAME), u16_at(narrow, R_BACK));
            let (len, type_number) = (usize::from(word & MAX_LEN), u32::from(word >> LEN_BITS));
            (u32::from(name), u32::from(back), R_VALUE, len, type_number, word == DEAD)
        };
        let (name, back) = (At(name), At(back).offset());
        if dead {
            return Some(Self { start, back, name, value: None, end: even(start + head) });
        }
        let value_type = ValueType::of_number(u8::try_from(type_number).ok()?)?;
        let value = value(bytes.get(head..)?.get(..len)?, value_type.is_list())?;
        let value = TypedValue { value, value_type };
        Some(Self { start, back, name, value: Some(value), end: even(start + head + len) })
    }
}

/// Makes a value from its bytes.
fn value(bytes: &[u8], list: bool) -> Option<MapValue<'_>> {
    match (list, bytes.split_last()) {
        (true, None | Some((0, _))) => Some(MapValue::List(MapList::new(bytes))),
        (false, Some((0, string))) => Some(MapValue::String(string)),
        // The NUL byte behind the last item is missing: the map is damaged.
        _ => None,
    }
}

/// A section or a part of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SectionBlock<'m> {
    pub(crate) block: Block<'m>,
}

impl<'m> SectionBlock<'m> {
    #[inline]
    pub fn name_len(&self) -> usize {
        usize::from(u16_at(self.block.bytes, S_NAME_LEN))
    }

    #[inline]
    pub fn name(&self) -> &'m [u8] {
        self.block.bytes.get(S_NAME..S_NAME + self.name_len()).unwrap_or_default()
    }

    fn flags(&self) -> u16 {
        u16_at(self.block.bytes, S_FLAGS)
    }

    pub fn is_anonymous(&self) -> bool {
        self.flags() & F_ANONYMOUS != 0
    }

    pub fn is_deleted(&self) -> bool {
        self.flags() & F_DELETED != 0
    }

    pub fn is_split(&self) -> bool {
        self.flags() & F_SPLIT != 0
    }

    /// Returns the number of records in this block.
    pub fn count(&self) -> usize {
        match self.is_split() {
            true => 0,
            false => usize::from(u16_at(self.block.bytes, S_COUNT)),
        }
    }

    /// Returns the counts of a split section; `None` if the section is not split.
    pub fn split(&self) -> Option<Split> {
        let numbers = self.block.bytes.get(behind_name(self.name_len())..).filter(|_| self.is_split())?;
        let number = |at| u32_at(numbers, at);
        Some(Split { parts: number(P_PARTS), options: number(P_OPTIONS), next_rank: number(P_NEXT_RANK) })
    }

    /// Iterates over the records, those of deleted options included.
    pub(crate) fn records(&self) -> Records<'m> {
        let ranks = if self.block.kind == PART { self.count() * 4 } else { 0 };
        Records { block: self.block.bytes, next: behind_name(self.name_len()) + ranks, left: self.count() }
    }

    /// Returns the option whose name is at `name`.
    pub fn find(&self, name: At) -> Option<TypedValue<'m>> {
        self.records().find(|record| record.name == name)?.value
    }

    /// Returns the rank of the record at `index` of a part among those of its section.
    pub fn rank(&self, index: usize) -> u32 {
        u32_at(self.block.bytes, behind_name(self.name_len()) + index * 4)
    }
}

/// The counts that a split section has in place of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split {
    pub parts: u32,
    pub options: u32,
    /// The rank of the next option that is added: ranks keep the order of the file.
    pub next_rank: u32,
}

/// Iterates over records; see [`SectionBlock::records`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records<'m> {
    block: &'m [u8],
    next: usize,
    left: usize,
}

impl<'m> Iterator for Records<'m> {
    type Item = Record<'m>;

    fn next(&mut self) -> Option<Record<'m>> {
        self.left = self.left.checked_sub(1)?;
        let record = Record::at(self.block, self.next)?;
        self.next = record.end;
        Some(record)
    }
}

/// The order of the sections of a package, or of those of a type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'m> {
    pub(crate) region: &'m Region,
    pub(crate) block: Block<'m>,
}

impl<'m> Order<'m> {
    /// Returns the number of sections.
    pub fn len(&self) -> usize {
        u32_at(self.block.bytes, O_TOTAL) as usize
    }

    /// Iterates over the leaves: where they are and how many sections they have.
    pub fn leaves(&self) -> impl Iterator<Item = (At, usize)> + use<'m> {
        self.entries().chunks_exact(O_ENTRY).map(|e| (At(u32_at(e, 0)), u32_at(e, 4) as usize))
    }

    /// Returns what [`Order::leaves`] has at an index.
    pub fn leaf_at(&self, index: usize) -> Option<(At, usize)> {
        let entry = self.entries().get(index * O_ENTRY..(index + 1) * O_ENTRY)?;
        Some((At(u32_at(entry, 0)), u32_at(entry, 4) as usize))
    }

    fn entries(&self) -> &'m [u8] {
        let entries = self.block.bytes.get(O_ENTRIES..).unwrap_or_default();
        let there = entries.len() / O_ENTRY;
        &entries[..there.min(u32_at(self.block.bytes, O_LEAVES) as usize) * O_ENTRY]
    }

    /// Returns the slots in the leaf at a position.
    pub fn leaf(
        region: &'m Region,
        at: At,
    ) -> impl DoubleEndedIterator<Item = SlotId> + ExactSizeIterator + use<'m> {
        Self::leaf_slots(region, at).chunks_exact(4).map(|slot| SlotId(u32_at(slot, 0)))
    }

    /// Returns the bytes of [`Order::leaf`]: four for each slot.
    pub fn leaf_slots(region: &'m Region, at: At) -> &'m [u8] {
        let bytes =
            Block::at(region, at).filter(|block| block.kind == LEAF).map_or(&[][..], |block| block.bytes);
        // In a damaged map an order may contain the same leaf many times, so the leaf must at least be small.
        let count = (u32_at(bytes, L_COUNT) as usize).min(LEAF_MAX);
        let slots = bytes.get(L_SLOTS..).unwrap_or_default();
        slots.get(..count * 4).unwrap_or_default()
    }

    /// Iterates over the slots of the sections, in order.
    pub fn slots(self) -> impl Iterator<Item = SlotId> + use<'m> {
        self.leaves().flat_map(move |(at, _)| Self::leaf(self.region, at))
    }

    /// Returns the slot of the section at `index`.
    pub fn get(&self, mut index: usize) -> Option<SlotId> {
        for (at, count) in self.leaves() {
            if index < count {
                let slot = Self::leaf_slots(self.region, at).get(index * 4..index * 4 + 4)?;
                return Some(SlotId(u32_at(slot, 0)));
            }
            index -= count;
        }
        None
    }
}
