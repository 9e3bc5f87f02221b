//! Formats of package files: bytes in, a package out, and back with only the edited lines changed.
//!
//! A format knows the model and errors, and nothing of files.

pub mod uci;
