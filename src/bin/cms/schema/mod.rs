//! Schemas, for the commands that show, check and export them.

pub mod checked;
pub mod list;
pub mod show;
