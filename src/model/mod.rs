//! The model: packages of sections of options, their names and values, and changes to them.
//!
//! It knows nothing of files, of the log, or of how a format writes a package.

pub mod change;
pub mod convert;
pub(crate) mod dialect;
pub(crate) mod digest;
pub mod name;
pub(crate) mod package;
