//! Earlier states of packages, by name and to go back to: revisions, undo, snapshots and backups, repair.

pub(crate) mod archive;
pub(crate) mod automatic;
pub(crate) mod history;
pub(crate) mod revision;
pub(crate) mod undo;
