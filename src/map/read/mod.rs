//! Reads a map: a key is split and hashed (`path`), and looked up (`lookup`); `fast` does both for most keys of C.
//!
//! `map` is a map that is open. `find` leads to its sections, names and orders, as any commit left them, and `view`
//! lists them for programs.

pub(super) mod fast;
pub(super) mod find;
pub(super) mod lookup;
pub(super) mod map;
pub(super) mod path;
pub(super) mod view;
