//! Schemas, for the commands that show, check, draft and export them.

pub mod check_type;
pub mod checked;
mod draft;
pub mod drafts;
pub mod export;
pub mod list;
pub mod show;
