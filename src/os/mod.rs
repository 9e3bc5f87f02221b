//! The operating system: files and directories, locks, times, users, the environment.
//!
//! It depends on `error` only.

pub(crate) mod access;
pub(crate) mod caller;
pub mod clock;
pub(crate) mod dirs;
pub mod environment;
pub(crate) mod file_name;
pub mod files;
pub(crate) mod folder;
pub(crate) mod identity;
pub(crate) mod lock;
pub mod named_file;
pub(crate) mod patience;
pub(crate) mod process;
pub(crate) mod trust;
