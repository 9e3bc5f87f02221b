//! The maps of a store in the run directory: their files, and the control file that counts what is published.
//!
//! `files` finds, opens and replaces them. A process that publishes has a session (`session`), which it may keep from one
//! commit to the next (`kept`).

pub(super) mod control;
pub(super) mod files;
pub(super) mod kept;
pub(super) mod session;
