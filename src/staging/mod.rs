//! Staged changes: the save directory, its delta files, and the bases of staged changes.

pub(crate) mod base;
pub(crate) mod delta_file;
pub(crate) mod save_dir;
