//! Drafts of schemas: of what an init script of OpenWrt validates, and of what a package holds.

pub mod infer;
pub mod init_script;
mod shell;
pub mod text;
