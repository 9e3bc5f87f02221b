//! The bytes of a map: where each number stands, the memory they lie in, and reading the blocks by themselves.
//!
//! `format` has every number, and `region` alone turns offsets into references. `index`, `block`, `source` and `header`
//! read what lies at those offsets; `value` is what is found. Nothing here knows what a package is.

pub(super) mod block;
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
