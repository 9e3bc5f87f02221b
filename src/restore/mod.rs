//! Earlier states of packages: naming them (revisions, snapshots), and returning to them (undo, rollback, restore).

pub(crate) mod archive;
pub(crate) mod automatic;
pub(crate) mod history;
pub(crate) mod revision;
pub(crate) mod sections;
mod take_out;
pub(crate) mod undo;
pub(crate) mod undone;
