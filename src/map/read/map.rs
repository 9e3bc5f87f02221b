//! A map as a reader sees it: opened, checked as far as every lookup relies on it, and looked up in.

use std::sync::atomic::Ordering;

use crate::map::layout::block::Block;
use crate::map::layout::format::{At, OVERREAD, Seq, W_DEAD, W_RETIRED, W_RETIRED_SEQ, W_SOURCE, W_TAIL};
use crate::map::layout::header::{Header, Unusable};
use crate::map::layout::index::Index;
use crate::map::layout::region::Region;
use crate::map::layout::source::Source;

/// A map of one package.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) region: Region,
    pub(crate) index: Index,
    pub(crate) seed: u64,
    pub(crate) base: Seq,
    /// Where the last block or record may start, in bytes.
    pub(crate) last_start: usize,
    /// The position of the source block that this process has found to stand for the text as long as the file's times
    /// do not change; 0 if none.
    proven: std::sync::atomic::AtomicU32,
}

/// How much memory a map takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
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
        let Header { index, seed, base } = Header::read(&region)?;
        let last_start = region.len().saturating_sub(OVERREAD);
        Ok(Self { region, index, seed, base, last_start, proven: <_>::default() })
    }

    /// Returns the seed of the map's hashes.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the commit at which the map was retired, if it was: another has taken its place.
    #[inline]
    pub fn retired(&self) -> Option<Seq> {
        // Acquire: pairs with `retire`, so that the sequence is there as well.
        match self.header_word(W_RETIRED, Ordering::Acquire) {
            0 => None,
            _ => Some(Seq(self.header_word(W_RETIRED_SEQ, Ordering::Relaxed))),
        }
    }

    /// Reports whether the map was retired.
    #[inline(always)]
    pub fn is_retired(&self) -> bool {
        self.header_word(W_RETIRED, Ordering::Acquire) != 0
    }

    /// Reads a word of the header.
    #[inline(always)]
    fn header_word(&self, offset: usize, ordering: Ordering) -> u32 {
        // SAFETY: `Header::read` has found the whole header inside the region, and its first line of words that may change
        // begins with this one.
        let line = unsafe { self.region.line_unchecked(W_RETIRED) };
        line.load((offset - W_RETIRED) / 4, ordering)
    }

    /// Reports whether the map has the state that the commit `seq` left: it was made no later, and has all commits up to
    /// that one. A retired map has the commits until it was retired.
    #[inline(always)]
    pub fn is_complete(&self, seq: Seq) -> bool {
        if self.base.is_after(seq) {
            return false;
        }
        match self.retired() {
            None => true,
            Some(at) => !seq.is_after(at),
        }
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
}
