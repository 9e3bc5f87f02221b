//! Reads a map: a key is split and hashed (`path`), and looked up (`lookup`); for most keys
//! of C, `fast_key` and `fast` do that in fewer steps.
//!
//! `map` is a map that is open. `find` leads to its sections, names and orders, as any commit left them, and `view`
//! lists them for programs; `rows` lists those with a value.

pub(super) mod column;
pub(super) mod fast;
pub(super) mod fast_key;
pub(super) mod find;
pub(super) mod lookup;
pub(super) mod map;
pub(super) mod path;
pub(super) mod placed;
pub(super) mod rows;
pub(super) mod view;
