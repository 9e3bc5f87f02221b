//! The bytes of a map: the offset of each number, the memory of the map, and the readers of single blocks.
//!
//! `format` has every number, and `region` alone turns offsets into references. `index`, `block`, `source` and
//! `header` read one structure each, and a read ends in a `value`. Nothing here depends on packages.

pub(super) mod block;
pub(super) mod columns;
pub(super) mod format;
pub(super) mod hash;
pub(super) mod header;
pub(super) mod index;
#[cfg(not(all(test, loom)))]
pub(super) mod region;
#[cfg(all(test, loom))]
#[path = "../model/region.rs"]
pub(super) mod region;
pub(super) mod simd;
pub(super) mod source;
pub(super) mod value;
