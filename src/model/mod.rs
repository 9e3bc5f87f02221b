//! The model: packages of sections of options, their names and values, and changes to them.
//!
//! It does not depend on files, on the log, or on formats.

pub mod change;
pub mod convert;
pub(crate) mod dialect;
pub(crate) mod digest;
pub mod format_kind;
pub mod key_part;
pub mod name;
pub(crate) mod near;
pub mod order;
pub(crate) mod package;
pub mod value_type;
