//! A map as a reader sees it: opened, checked as far as every lookup relies on it, and looked up in.

use std::sync::atomic::Ordering;

use super::block::{Block, Order, Record, SectionBlock, same};
use super::format::{
    At, BUCKET, H_BASE, H_BUCKETS, H_CAPACITY, H_CHECKSUM, H_FIXED, H_INDEX, H_MAGIC, H_SEED, H_VERSION,
    HEADER, MAGIC, NAME, ORDER, PART, R_BACK, R_NAME, R_VALUE, SECTION, Seq, VERSION, W_BACK, W_DEAD,
    W_RETIRED, W_RETIRED_SEQ, W_SOURCE, W_TAIL, W_VALUE, WIDE,
};
use super::hash::{Kind, hash, of_part};
use super::index::{Found, Index, SlotId};
use super::lookup::OVERREAD;
use super::path::Path;
use super::region::Region;
use super::source::Source;
use super::value::Value;
use crate::model::digest::{checksum, u16_at, u32_at, u64_at};

/// Why a file cannot be used as a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It was written by a program with another version of the format.
    Version(u32),
    /// It is damaged, or no map at all.
    Damaged(&'static str),
}

/// A map of one package.
#[derive(Debug)]
pub(crate) struct Map {
    pub(super) region: Region,
    pub(super) index: Index,
    pub(super) seed: u64,
    pub(super) base: Seq,
    /// Where the last block or record may start, in bytes.
    pub(super) last_start: usize,
    /// The position of the source block that this process has found to stand for the text as long as the file's times
    /// do not change; 0 if none.
    proven: std::sync::atomic::AtomicU32,
}

/// How much memory a map takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The mapped memory of the whole map.
    pub capacity: u64,
    /// In use by the present configuration, the index included.
    pub live: u64,
    /// In use by versions that have been replaced, until the map is compacted.
    pub dead: u64,
    /// Whether it is a file that other processes share.
    pub shared: bool,
}

impl Map {
    /// Takes a region for a map, after checking its header.
    pub fn new(region: Region) -> Result<Self, Unusable> {
        let damaged = Unusable::Damaged;
        let header = region.bytes(0, H_FIXED).ok_or(damaged("shorter than its header"))?;
        if header.get(H_MAGIC..H_MAGIC + MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(damaged("does not start with the magic number of a map"));
        }
        if u32_at(header, H_VERSION) != VERSION {
            return Err(Unusable::Version(u32_at(header, H_VERSION)));
        }
        let index = Index { start: At(u32_at(header, H_INDEX)).offset(), buckets: u32_at(header, H_BUCKETS) };
        if header_checksum(header) != u32_at(header, H_CHECKSUM) {
            return Err(damaged("the header's checksum is wrong"));
        }
        if At(u32_at(header, H_CAPACITY)).offset() != region.len() || region.len() < HEADER + OVERREAD {
            return Err(damaged("not as long as its header says"));
        }
        let index_end =
            (index.buckets as usize).checked_mul(64).and_then(|size| size.checked_add(index.start));
        if index.start < HEADER
            || !index.start.is_multiple_of(BUCKET)
            || index.buckets == 0
            || index_end.is_none_or(|end| end > region.len())
        {
            return Err(damaged("the index is not inside the file"));
        }
        let (seed, base) = (u64_at(header, H_SEED), Seq(u32_at(header, H_BASE)));
        let last_start = region.len().saturating_sub(OVERREAD);
        Ok(Self { region, index, seed, base, last_start, proven: <_>::default() })
    }

    /// Makes a map for this process alone.
    pub fn private(image: &super::build::Image) -> Result<Self, Unusable> {
        Self::new(Region::heap(&image.bytes, image.capacity))
    }

    /// Returns the seed of the map's hashes.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the commit at which the map was retired, if it was: another has taken its place.
    #[inline]
    pub fn retired(&self) -> Option<Seq> {
        // Acquire: pairs with `retire`, so that the sequence is there as well.
        match self.region.load(W_RETIRED, Ordering::Acquire) {
            0 => None,
            _ => Some(Seq(self.region.load(W_RETIRED_SEQ, Ordering::Relaxed))),
        }
    }

    /// Reports whether the map was retired.
    #[inline(always)]
    pub fn is_retired(&self) -> bool {
        self.region.load(W_RETIRED, Ordering::Acquire) != 0
    }

    /// Marks the map as replaced by another that starts at `at`.
    pub fn retire(&self, at: Seq) {
        self.region.store(W_RETIRED_SEQ, at.0, Ordering::Relaxed);
        self.region.store(W_RETIRED, 1, Ordering::Release);
    }

    /// Returns the first commit the map has all of.
    pub fn base(&self) -> Seq {
        self.base
    }

    /// Returns the text the map was made from, or brought up to.
    pub fn source(&self) -> Option<Source> {
        self.source_and_place().map(|(source, _)| source)
    }

    /// As [`Map::source`], with the argument for [`Map::prove`].
    pub fn source_and_place(&self) -> Option<(Source, u32)> {
        let at = At(self.region.load(W_SOURCE, Ordering::Acquire));
        let block = Block::at(&self.region, at).filter(Block::is_intact)?;
        Source::read(&block).map(|source| (source, at.0))
    }

    /// Notes that the text was compared so late that the times of its file prove it from now on.
    pub fn prove(&self, place: u32) {
        // Relaxed: no other memory depends on it, and no two sources have the same position.
        self.proven.store(place, Ordering::Relaxed);
    }

    /// Reports whether that was noted.
    pub fn is_proven(&self, place: u32) -> bool {
        self.proven.load(Ordering::Relaxed) == place
    }

    /// Returns how much memory the map takes.
    pub fn usage(&self) -> Usage {
        let capacity = self.region.len() as u64;
        // At most the bytes in use, even if a damaged map says more: a new map is made as large as the live part.
        let bytes = |word| (u64::from(self.region.load(word, Ordering::Relaxed)) * 2).min(capacity);
        let (used, dead) = (bytes(W_TAIL), bytes(W_DEAD));
        let shared = self.region.is_shared();
        Usage { capacity, live: used.saturating_sub(dead), dead, shared }
    }

    /// As [`Map::get`], where the newest record of an option, at `at`, is wide or too new.
    #[cold]
    pub(super) fn get_slowly(&self, path: &Path<'_>, at: At, seq: Option<Seq>) -> Option<Value<'_>> {
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

    /// Reads the record at a position and the section, or part of one, that it leads back to. Only what is inside
    /// of that is known to be at rest: behind it the writer may be at work.
    pub(super) fn record(&self, at: At) -> Option<(SectionBlock<'_>, Record<'_>)> {
        let start = at.offset();
        let narrow = self.region.bytes(start, R_VALUE)?;
        let back = match u16_at(narrow, R_NAME) {
            WIDE => u32_at(self.region.bytes(start, W_VALUE)?, W_BACK),
            _ => u32::from(u16_at(narrow, R_BACK)),
        };
        let back = At(back).offset();
        let section = self.newest_section(At::of(start.checked_sub(back)?)?)?;
        Some((section, Record::at(section.block.bytes, back)?))
    }

    /// Looks an option up through its section.
    fn get_by_section(&self, path: &Path<'_>, seq: Option<Seq>) -> Option<Value<'_>> {
        let found = self.find_section(self.section_hash(path.section), path.section)?;
        let section = self.visible_section(found.at, seq)?;
        self.value_in(&section, path.option, seq)
    }

    /// Returns the value of an option of a section.
    pub(super) fn value_in<'m>(
        &'m self,
        section: &SectionBlock<'m>,
        option: &[u8],
        seq: Option<Seq>,
    ) -> Option<Value<'m>> {
        let option_hash = self.name_hash(option);
        let name = self.find_name(option_hash, option)?;
        let Some([parts, ..]) = section.parts() else { return section.find(name) };
        let hash = self.section_hash(section.name());
        let part = self.find_part(hash, section.name(), part_number(option_hash, parts))?;
        self.visible_section(part.at, seq)?.find(name)
    }

    /// Finds the name block of an option or type.
    #[inline]
    pub fn find_name(&self, hash: u64, name: &[u8]) -> Option<At> {
        let is_it =
            |at: At| self.block(at, NAME).and_then(|b| b.name()).is_some_and(|found| same(found, name));
        self.index.find(&self.region, hash, is_it).map(|found| found.at)
    }

    /// Finds a section, perhaps a deleted one.
    #[inline]
    pub fn find_section(&self, hash: u64, name: &[u8]) -> Option<Found> {
        let is_it =
            |at| self.block(at, SECTION).is_some_and(|block| same(SectionBlock { block }.name(), name));
        self.index.find(&self.region, hash, is_it)
    }

    /// Finds a part of a split section.
    pub fn find_part(&self, section: u64, name: &[u8], number: u32) -> Option<Found> {
        self.index.find(&self.region, of_part(section, number), |at| {
            self.block(at, PART)
                .is_some_and(|block| block.type_word() == number && same(SectionBlock { block }.name(), name))
        })
    }

    /// Finds the order of the sections of a type, or of all.
    pub fn find_order(&self, section_type: Option<&[u8]>) -> Option<Found> {
        let hash = hash(Kind::Order, self.seed, section_type.unwrap_or_default());
        let name = match section_type {
            Some(name) => self.find_name(self.name_hash(name), name)?,
            None => At(0),
        };
        self.index.find(&self.region, hash, |at| {
            self.block(at, ORDER).is_some_and(|block| block.type_word() == name.0)
        })
    }

    /// Returns the order of the sections of a type, or of all, as a commit left it.
    pub fn order(&self, section_type: Option<&[u8]>, seq: Option<Seq>) -> Option<Order<'_>> {
        let found = self.find_order(section_type)?;
        let block = self.visible(found.at, ORDER, seq)?;
        Some(Order { region: &self.region, block })
    }

    /// Returns the section in a slot as a commit left it.
    pub fn section_in(&self, slot: SlotId, seq: Option<Seq>) -> Option<SectionBlock<'_>> {
        self.visible_section(self.index.get(&self.region, slot)?, seq)
    }

    /// Returns the section or part that a commit left, of the versions from `at` on; not a deleted one.
    #[inline]
    pub fn visible_section(&self, at: At, seq: Option<Seq>) -> Option<SectionBlock<'_>> {
        let block = match seq {
            None => Block::at(&self.region, at)?,
            Some(_) => self.visible(at, 0, seq)?,
        };
        if block.kind != SECTION && block.kind != PART {
            return None;
        }
        Some(SectionBlock { block }).filter(|section| !section.is_deleted())
    }

    /// Returns the version that a commit left; of kind `kind`, if that is not 0. Positions become smaller
    /// from version to version, so that a damaged chain ends.
    #[inline]
    fn visible(&self, mut at: At, kind: u32, seq: Option<Seq>) -> Option<Block<'_>> {
        loop {
            let block = Block::at(&self.region, at)?;
            if kind != 0 && block.kind != kind {
                return None;
            }
            if seq.is_none_or(|seq| !block.seq().is_after(seq)) {
                return Some(block);
            }
            let prev = block.prev();
            if prev.0 == 0 || prev.0 >= at.0 {
                return None;
            }
            at = prev;
        }
    }

    /// Returns the name at a position.
    pub fn name(&self, at: At) -> Option<&[u8]> {
        Block::at(&self.region, at)?.name()
    }

    #[inline]
    pub(super) fn block(&self, at: At, kind: u32) -> Option<Block<'_>> {
        Block::at(&self.region, at).filter(|block| block.kind == kind)
    }

    pub(super) fn section_hash(&self, name: &[u8]) -> u64 {
        hash(Kind::Key, self.seed, &[self.package(), b".", name].concat())
    }

    /// Returns the name of the package.
    pub fn package(&self) -> &[u8] {
        Block::at(&self.region, At::of(HEADER).unwrap_or_default())
            .and_then(|block| block.name())
            .unwrap_or_default()
    }

    pub(super) fn name_hash(&self, name: &[u8]) -> u64 {
        hash(Kind::Name, self.seed, name)
    }
}

/// Returns the part of a split section that an option is in; `parts` is a power of two.
#[inline]
pub(super) fn part_number(option_hash: u64, parts: u32) -> u32 {
    let [_, a, b, c, d, ..] = option_hash.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) & parts.wrapping_sub(1)
}

/// Computes the checksum of a header's fixed part.
pub(super) fn header_checksum(header: &[u8]) -> u32 {
    let zeroed =
        |(index, byte): (usize, &u8)| if (H_CHECKSUM..H_CHECKSUM + 4).contains(&index) { 0 } else { *byte };
    checksum(&header.iter().take(H_FIXED).enumerate().map(zeroed).collect::<Vec<_>>())
}
