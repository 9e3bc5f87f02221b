//! The layout of a map file and of the control file: all its numbers are defined here.
//!
//! All integers are little-endian. The file is a header, then an arena of blocks with the hash index among them, then
//! free space for later blocks. Each offset below is the one before plus a size.
//!
//! A block starts with a word that holds its size in bytes, times 8, plus its kind. Then comes the checksum of the
//! first word and of all bytes after the checksum. Blocks and the records in them start at even offsets.
//! `docs/design.md` draws them.

/// The first bytes of a map file. The first is not ASCII; the last ones show whether a program has changed line ends.
pub(crate) const MAGIC: [u8; 8] = *b"\xc5cmsmap\n";
/// The first bytes of a control file.
pub(crate) const CONTROL_MAGIC: [u8; 8] = *b"\xc5cmsctl\n";
/// The version of both formats. A reader refuses any other.
pub(crate) const VERSION: u32 = 3;

// The header of a map, written once.
pub(crate) const H_MAGIC: usize = 0;
pub(crate) const H_VERSION: usize = H_MAGIC + 8;
/// The length of the file in units of 2 bytes.
pub(crate) const H_CAPACITY: usize = H_VERSION + 4;
/// The start of the hash index, in units of 2 bytes.
pub(crate) const H_INDEX: usize = H_CAPACITY + 4;
/// How many buckets it has.
pub(crate) const H_BUCKETS: usize = H_INDEX + 4;
/// The commit the map starts from; it does not hold older states.
pub(crate) const H_BASE: usize = H_BUCKETS + 4;
/// The checksum of the header's fixed part, this word taken as 0.
pub(crate) const H_CHECKSUM: usize = H_BASE + 4;
/// The seed of the hash.
pub(crate) const H_SEED: usize = H_CHECKSUM + 4;
pub(crate) const H_FIXED: usize = H_SEED + 8;

// The words of a map's header that change. Those that every reader loads have their own cache line.
pub(crate) const W_RETIRED: usize = 64;
pub(crate) const W_RETIRED_SEQ: usize = W_RETIRED + 4;
/// The last commit that began to publish to this map, and the last one that was done.
pub(crate) const W_BEGUN: usize = 128;
pub(crate) const W_DONE: usize = W_BEGUN + 4;
/// The start of the free space, in units of 2 bytes.
pub(crate) const W_TAIL: usize = W_DONE + 4;
/// How much of the arena no present version uses, in units of 2 bytes.
pub(crate) const W_DEAD: usize = W_TAIL + 4;
/// The source block, which identifies the text that the map was made from.
pub(crate) const W_SOURCE: usize = W_DEAD + 4;
pub(crate) const HEADER: usize = 192;

// A bucket of the index: one cache line.
pub(crate) const BUCKET: usize = 64;
pub(crate) const SLOTS: usize = 12;
/// Words 0 to 2 hold a tag of 8 bits for each slot, words 3 to 14 the slots.
pub(crate) const FIRST_SLOT: usize = 3;
/// Not 0 if an entry of this bucket is in the next one.
pub(crate) const OVERFLOW: usize = FIRST_SLOT + SLOTS;
/// How many buckets behind the first one a name may be in.
pub(crate) const MAX_OVERFLOW: u32 = 15;

// The kinds of blocks.
/// A part of the index of a column. Free space has the same kind, and no size.
pub(crate) const COLUMN: u32 = 0;
pub(crate) const NAME: u32 = 1;
pub(crate) const SECTION: u32 = 2;
pub(crate) const PART: u32 = 3;
pub(crate) const ORDER: u32 = 4;
pub(crate) const LEAF: u32 = 5;
pub(crate) const SOURCE: u32 = 6;
pub(crate) const INDEX: u32 = 7;
/// The bits of a block's first word that hold its kind; the size is above them.
pub(crate) const KIND_BITS: u32 = 3;
/// The largest block, in bytes.
pub(crate) const MAX_BLOCK: usize = (1 << (32 - KIND_BITS)) - 1;

pub(crate) const B_SIZE: usize = 0;
pub(crate) const B_CHECKSUM: usize = B_SIZE + 4;
pub(crate) const B_BODY: usize = B_CHECKSUM + 4;

// A name block: length, bytes, NUL.
pub(crate) const N_LEN: usize = B_BODY;
pub(crate) const N_BYTES: usize = N_LEN + 2;

// Blocks that have versions: sections, parts and orders.
pub(crate) const V_PREV: usize = B_BODY;
pub(crate) const V_SEQ: usize = V_PREV + 4;
/// A section's type (a name block), a part's number, an order's type or 0 for all sections.
pub(crate) const V_TYPE: usize = V_SEQ + 4;

// A section or part: number of records, name; then the counts of a split section, and the records.
pub(crate) const S_COUNT: usize = V_TYPE + 4;
pub(crate) const S_NAME_LEN: usize = S_COUNT + 2;
pub(crate) const S_FLAGS: usize = S_NAME_LEN + 2;
pub(crate) const S_NAME: usize = S_FLAGS + 2;
pub(crate) const F_ANONYMOUS: u16 = 1;
/// The options are in parts; in place of records the block has their counts.
pub(crate) const F_SPLIT: u16 = 2;
/// The section was deleted.
pub(crate) const F_DELETED: u16 = 4;

// A record: where the option's name is, how far the block starts before it in units of 2 bytes, how many
// bytes follow, with the number of the value's type in the top four bits; then the value, each string with a NUL behind
// it. A string has type 0, so that one comparison tells a short one from all else.
pub(crate) const R_NAME: usize = 0;
pub(crate) const R_BACK: usize = R_NAME + 2;
pub(crate) const R_LEN: usize = R_BACK + 2;
pub(crate) const R_VALUE: usize = R_LEN + 2;
/// How many bits of 16 are the length; the type is above them.
pub(crate) const LEN_BITS: u32 = 12;
/// The greatest length that fits, and with it the greatest word of a string.
pub(crate) const MAX_LEN: u16 = (1 << LEN_BITS) - 1;
/// In place of a name: the record is wide, with the same in 32 bits each behind these 2 bytes and 2 of marks.
pub(crate) const WIDE: u16 = u16::MAX;
/// Reserved for values that must not be handed out as they are. A reader finds no value in a record with marks.
pub(crate) const W_MARKS: usize = 2;
pub(crate) const W_NAME: usize = W_MARKS + 2;
pub(crate) const W_BACK: usize = W_NAME + 4;
pub(crate) const W_LEN: usize = W_BACK + 4;
pub(crate) const W_VALUE: usize = W_LEN + 4;
/// How many bits of 32 are the length of a wide record.
pub(crate) const WIDE_LEN_BITS: u32 = 28;
/// In place of a type and a length: the option was deleted by this commit.
pub(crate) const DEAD: u16 = u16::MAX;
pub(crate) const WIDE_DEAD: u32 = u32::MAX;

// The counts behind the name of a split section: number of parts, number of options, the next rank.
pub(crate) const P_PARTS: usize = 0;
pub(crate) const P_OPTIONS: usize = P_PARTS + 4;
pub(crate) const P_NEXT_RANK: usize = P_OPTIONS + 4;

/// A section with more options than this is split.
pub(crate) const SPLIT_ABOVE: usize = 64;
/// How many options a part has on average when a section is split.
pub(crate) const PART_OPTIONS: usize = 24;

// An order: number of sections, then position and number of sections of each leaf.
pub(crate) const O_TOTAL: usize = V_TYPE + 4;
pub(crate) const O_LEAVES: usize = O_TOTAL + 4;
pub(crate) const O_ENTRIES: usize = O_LEAVES + 4;
pub(crate) const O_ENTRY: usize = 8;
// A leaf: number of sections, then the slot of each.
pub(crate) const L_COUNT: usize = B_BODY;
pub(crate) const L_SLOTS: usize = L_COUNT + 4;
/// The most sections a leaf has.
pub(crate) const LEAF_MAX: usize = 512;

// A part of the index of a column: the section type, the option's name, the number of the part, the number of parts (a
// power of two), the number of entries; then the entries, sorted: 32 bits of the hash of a value, and a slot.
pub(crate) const X_OPTION: usize = V_TYPE + 4;
pub(crate) const X_NUMBER: usize = X_OPTION + 4;
pub(crate) const X_PARTS: usize = X_NUMBER + 4;
pub(crate) const X_COUNT: usize = X_PARTS + 4;
pub(crate) const X_ENTRIES: usize = X_COUNT + 4;
pub(crate) const X_ENTRY: usize = 8;
/// In place of a number: the block lists the columns that have an index; its entries are a type and an option.
pub(crate) const X_LIST: u32 = u32::MAX;
/// In place of a slot: so many sections have the value that the index does not list them.
pub(crate) const COMMON: u32 = u32::MAX;
/// More sections than this are so many.
pub(crate) const COMMON_ABOVE: usize = 4096;
/// How many entries a part has at least, on average, when an index is made.
pub(crate) const PART_ENTRIES: usize = 24;

// A source: see `Source`.
pub(crate) const SRC_FIELDS: usize = B_BODY;
pub(crate) const SRC_SIZE: usize = SRC_FIELDS + 10 * 8;

// The control file.
pub(crate) const C_MAGIC: usize = 0;
pub(crate) const C_VERSION: usize = C_MAGIC + 8;
pub(crate) const C_SEED: usize = C_VERSION + 8;
/// The low half of the last round, and two copies of its upper half.
pub(crate) const C_COMMITTED: usize = 64;
pub(crate) const C_ROUNDS_BEFORE: usize = C_COMMITTED + 4;
pub(crate) const C_ROUNDS_AFTER: usize = C_ROUNDS_BEFORE + 4;
/// The revision of the last round and of the one before: for each, the round, and the revision plus one in two
/// halves.
pub(crate) const C_REVISIONS: usize = 80;
pub(crate) const C_REVISION_SIZE: usize = 12;
/// The sequence of the last commit that began to publish.
pub(crate) const C_BEGUN: usize = 128;
/// The low half of the revision that the maps show, to be waited for; 0 if that is not known.
pub(crate) const C_LOGGED: usize = 192;
/// The ways in which watches wait for a change of that: see `control`.
pub(crate) const C_WAITING: usize = C_LOGGED + 4;
pub(crate) const CONTROL: usize = 4096;

/// Every block and record starts at least this many bytes before the end of a map, so that a look-up may read that
/// many bytes from the start.
pub(crate) const OVERREAD: usize = 64;

/// The position of a block in units of 2 bytes from the start of the file; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct At(pub u32);

impl At {
    /// Returns the position in bytes; on a small machine it may be one that no file can have.
    #[inline]
    pub fn offset(self) -> usize {
        (self.0 as usize).saturating_mul(2)
    }

    /// Makes a position of an offset in bytes.
    pub fn of(offset: usize) -> Option<Self> {
        u32::try_from(offset / 2).ok().filter(|at| *at >> 31 == 0).map(Self)
    }
}

/// The low 32 bits of the number of a commit; blocks hold no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seq(pub u32);

impl Seq {
    /// Reports whether this commit came after `other`. The result is right for two that are less than two thousand
    /// million commits apart; snapshots become stale long before.
    #[inline]
    pub fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }
}

/// The low 32 bits of a revision.
pub(crate) fn low(revision: u64) -> Seq {
    let [a, b, c, d, ..] = revision.to_le_bytes();
    Seq(u32::from_le_bytes([a, b, c, d]))
}

/// Rounds up to an even offset.
#[inline]
pub(crate) fn even(offset: usize) -> usize {
    offset + (offset & 1)
}

/// Returns the position behind a section's name.
#[inline]
pub(crate) fn behind_name(name_len: usize) -> usize {
    even(S_NAME + name_len + 1)
}
