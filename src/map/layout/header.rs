//! The header of a map: `build` writes it, and each process checks it when it opens the map.

use super::format::{
    At, BUCKET, H_BASE, H_BUCKETS, H_CAPACITY, H_CHECKSUM, H_FIXED, H_INDEX, H_MAGIC, H_SEED, H_VERSION,
    HEADER, MAGIC, OVERREAD, Seq, VERSION, W_BEGUN, W_DONE, W_SOURCE, W_TAIL,
};
use super::index::Index;
use super::region::Region;
use crate::model::digest::{checksum, u32_at, u64_at};

/// Why a file cannot be used as a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It was written by a program with another version of the format.
    Version(u32),
    /// It is damaged, or no map at all.
    Damaged(&'static str),
}

/// The part of a header that is written once.
pub(crate) struct Header {
    pub index: Index,
    pub seed: u64,
    pub base: Seq,
}

impl Header {
    /// Reads the header of a map, and checks what every look-up relies on: that the index is inside the region, which
    /// is as long as the header says.
    pub fn read(region: &Region) -> Result<Self, Unusable> {
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
        Ok(Self { index, seed, base })
    }

    /// Writes the header of a new map, of which `used` bytes are in use. `None` if a position does not fit.
    pub fn write(&self, out: &mut [u8], capacity: usize, used: usize, source: At) -> Option<()> {
        let (index, capacity, tail) = (At::of(self.index.start)?, At::of(capacity)?, At::of(used)?);
        let mut put = |offset: usize, word: u32| out[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
        put(H_VERSION, VERSION);
        put(H_CAPACITY, capacity.0);
        put(H_INDEX, index.0);
        put(H_BUCKETS, self.index.buckets);
        put(H_BASE, self.base.0);
        put(W_BEGUN, self.base.0);
        put(W_DONE, self.base.0);
        put(W_TAIL, tail.0);
        put(W_SOURCE, source.0);
        out[H_MAGIC..H_MAGIC + MAGIC.len()].copy_from_slice(&MAGIC);
        out[H_SEED..H_SEED + 8].copy_from_slice(&self.seed.to_le_bytes());
        let checksum = header_checksum(out);
        out[H_CHECKSUM..H_CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
        Some(())
    }
}

/// Computes the checksum of a header's fixed part.
pub(crate) fn header_checksum(header: &[u8]) -> u32 {
    let zeroed =
        |(index, byte): (usize, &u8)| if (H_CHECKSUM..H_CHECKSUM + 4).contains(&index) { 0 } else { *byte };
    checksum(&header.iter().take(H_FIXED).enumerate().map(zeroed).collect::<Vec<_>>())
}
