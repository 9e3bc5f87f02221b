//! Stock uci: same options, same output, same exit codes.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// Runs stock uci's command line; `program` is the name it was called by.
pub fn run(_program: &OsStr, _words: &[OsString]) -> ExitCode {
    ExitCode::from(255)
}
