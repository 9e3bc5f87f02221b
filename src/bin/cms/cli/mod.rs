//! The command line of `cms`.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command line behind the program's name.
pub fn run(_words: &[OsString]) -> ExitCode {
    ExitCode::from(2)
}
