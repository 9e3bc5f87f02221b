//! Staged changes: the save directory, its delta files, and what each staged change started from.

pub(crate) mod base;
pub(crate) mod delta_file;
pub(crate) mod save_dir;
