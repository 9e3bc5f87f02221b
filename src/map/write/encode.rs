//! Writes blocks: the counterpart of `layout::block`.

use super::content::{Content, Head};
use crate::map::layout::block::{Split, block_checksum};
use crate::map::layout::format::{
    At, B_CHECKSUM, B_SIZE, COLUMN, DEAD, F_ANONYMOUS, F_DELETED, F_SPLIT, KIND_BITS, LEAF, LEN_BITS,
    MAX_LEN, NAME, ORDER, PART, PART_OPTIONS, SECTION, SOURCE, Seq, WIDE, WIDE_DEAD, WIDE_LEN_BITS, X_LIST,
};
use crate::map::layout::index::SlotId;
use crate::map::layout::source::Source;
use crate::map::layout::value::TypedValue;
use crate::map::read::column::ColumnId;

/// The fields that the versions of a block have in common.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Version {
    pub prev: At,
    pub seq: Seq,
}

/// An option to be written: the position of its name, and its value; `None` if it was deleted.
pub(crate) type Written<V> = (At, Option<V>);

/// Appends a block, whose body `write` appends. Its size is below `MAX_BLOCK`: texts are below 2 GiB, and the size of
/// each value was checked.
fn block(out: &mut Vec<u8>, kind: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    write(out);
    pad(out, start);
    let size = u32::try_from(out.len() - start).expect("values were checked");
    let word = size << KIND_BITS | kind;
    out[start + B_SIZE..start + B_SIZE + 4].copy_from_slice(&word.to_le_bytes());
    let checksum = block_checksum(&out[start..]);
    out[start + B_CHECKSUM..start + B_CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
}

/// Appends a byte if the block that starts at `start` has an odd length.
fn pad(out: &mut Vec<u8>, start: usize) {
    if (out.len() - start) & 1 == 1 {
        out.push(0);
    }
}

/// Converts a number that was checked before.
fn short(number: usize) -> u16 {
    u16::try_from(number).expect("checked before")
}

/// Appends words in one step: to append takes longer than to make the bytes.
fn put<const N: usize>(out: &mut Vec<u8>, words: [u32; N]) {
    out.extend_from_slice(words.map(u32::to_le_bytes).as_flattened());
}

/// Appends a name block. The name's length has been checked.
pub(crate) fn name(out: &mut Vec<u8>, name: &[u8]) {
    block(out, NAME, |out| {
        out.extend_from_slice(&short(name.len()).to_le_bytes());
        out.extend_from_slice(name);
        out.push(0);
    });
}

/// Appends the head of a section or part: version, type or number, number of records, flags, name.
fn head(
    out: &mut Vec<u8>,
    start: usize,
    version: Version,
    type_word: u32,
    count: usize,
    flags: u16,
    name: &[u8],
) {
    let counts = u32::from(short(count)) | u32::from(short(name.len())) << 16;
    put(out, [version.prev.0, version.seq.0, type_word, counts]);
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(name);
    out.push(0);
    pad(out, start);
}

fn anonymous(head: &Head<'_>) -> u16 {
    if head.anonymous { F_ANONYMOUS } else { 0 }
}

/// Appends a record to the block that starts at `start`.
fn record<V: Content>(out: &mut Vec<u8>, start: usize, name: At, value: Option<V>) {
    let back = u32::try_from((out.len() - start) / 2).expect("values were checked");
    let len = value.map_or(0, Content::len);
    let type_number = value.map_or(0, |value| value.value_type().number());
    let narrow = u16::try_from(name.0).ok().filter(|name| *name != WIDE && len <= usize::from(MAX_LEN));
    if let (Some(name), Ok(back)) = (narrow, u16::try_from(back)) {
        let len = if value.is_none() { DEAD } else { short(len) | u16::from(type_number) << LEN_BITS };
        let [a, b, c, d, e, f, ..] =
            (u64::from(name) | u64::from(back) << 16 | u64::from(len) << 32).to_le_bytes();
        out.extend_from_slice(&[a, b, c, d, e, f]);
    } else {
        let len = u32::try_from(len).expect("values were checked") | u32::from(type_number) << WIDE_LEN_BITS;
        put(out, [u32::from(WIDE), name.0, back, if value.is_none() { WIDE_DEAD } else { len }]);
    }
    if let Some(value) = value {
        value.write(out);
    }
    pad(out, start);
}

/// Appends a section block with its options, if there are few.
pub(crate) fn section<V: Content>(
    out: &mut Vec<u8>,
    version: Version,
    called: &Head<'_>,
    section_type: At,
    options: impl ExactSizeIterator<Item = Written<V>>,
) {
    let start = out.len();
    block(out, SECTION, |out| {
        head(out, start, version, section_type.0, options.len(), anonymous(called), called.name);
        options.for_each(|(name, value)| record(out, start, name, value));
    });
}

/// Appends the block of a split section.
pub(crate) fn split_section(
    out: &mut Vec<u8>,
    version: Version,
    called: &Head<'_>,
    section_type: At,
    split: Split,
) {
    let start = out.len();
    block(out, SECTION, |out| {
        head(out, start, version, section_type.0, 0, anonymous(called) | F_SPLIT, called.name);
        put(out, [split.parts, split.options, split.next_rank]);
    });
}

/// Appends a part of a split section; with each option comes its rank in the section.
pub(crate) fn part<V: Content>(
    out: &mut Vec<u8>,
    version: Version,
    name: &[u8],
    number: u32,
    options: &[(Written<V>, u32)],
) {
    let start = out.len();
    block(out, PART, |out| {
        head(out, start, version, number, options.len(), 0, name);
        options.iter().for_each(|(_, rank)| put(out, [*rank]));
        options.iter().for_each(|((name, value), _)| record(out, start, *name, *value));
    });
}

/// Returns the number of parts of a section with this number of options.
pub(crate) fn parts_for(options: usize) -> u32 {
    u32::try_from(options / PART_OPTIONS).unwrap_or(u32::MAX / 2).next_power_of_two()
}

/// Appends the block of a deleted section: its options count as deleted as well.
pub(crate) fn deleted(out: &mut Vec<u8>, version: Version, name: &[u8], options: &[At]) {
    let start = out.len();
    block(out, SECTION, |out| {
        head(out, start, version, 0, options.len(), F_DELETED, name);
        options.iter().for_each(|name| record(out, start, *name, None::<TypedValue<'_>>));
    });
}

/// Appends a leaf of an order.
pub(crate) fn leaf(out: &mut Vec<u8>, slots: &[SlotId]) {
    block(out, LEAF, |out| {
        put(out, [u32::try_from(slots.len()).expect("leaves are small")]);
        slots.iter().for_each(|slot| put(out, [slot.0]));
    });
}

/// Appends an order: of the type at `section_type`, or of all sections.
pub(crate) fn order(out: &mut Vec<u8>, version: Version, section_type: At, leaves: &[(At, u32)]) {
    block(out, ORDER, |out| {
        put(out, [version.prev.0, version.seq.0, section_type.0]);
        let total = leaves.iter().map(|(_, count)| count).sum();
        put(out, [total, u32::try_from(leaves.len()).expect("fewer leaves than sections")]);
        leaves.iter().for_each(|(at, count)| put(out, [at.0, *count]));
    });
}

/// Appends a part of the index of a column: its number, and how many parts there are.
pub(crate) fn column_part(
    out: &mut Vec<u8>,
    version: Version,
    id: &ColumnId,
    (number, parts): (u32, u32),
    entries: &[(u32, SlotId)],
) {
    block(out, COLUMN, |out| {
        put(out, [version.prev.0, version.seq.0, id.section_type.0, id.option.0]);
        put(out, [number, parts, u32::try_from(entries.len()).expect("fewer entries than sections")]);
        entries.iter().for_each(|(hash, slot)| put(out, [*hash, slot.0]));
    });
}

/// Appends the list of the columns that have an index.
pub(crate) fn column_list(out: &mut Vec<u8>, version: Version, columns: &[ColumnId]) {
    block(out, COLUMN, |out| {
        put(out, [version.prev.0, version.seq.0, 0, 0]);
        put(out, [X_LIST, 0, u32::try_from(columns.len()).expect("few columns")]);
        columns.iter().for_each(|id| put(out, [id.section_type.0, id.option.0]));
    });
}

/// Appends the identity of a text.
pub(crate) fn source(out: &mut Vec<u8>, source: &Source) {
    block(out, SOURCE, |out| out.extend_from_slice(&source.body()));
}
