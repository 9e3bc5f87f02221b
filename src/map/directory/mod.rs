//! The maps of a store in the run directory: their files, and the control file, which counts publications.
//!
//! `files` finds, opens and replaces maps. A process publishes in a session (`session`), and may keep the session from
//! one commit to the next (`kept`).

pub(super) mod control;
pub(super) mod files;
pub(super) mod kept;
pub(super) mod session;
