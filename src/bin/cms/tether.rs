//! A program that ends when the process that started it does.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::failure::{Exit, print_message};

/// The first word of the command line that [`tethered`] runs.
pub const TETHERED: &str = "__tethered";

/// Replaces this process by a program that ends when process NUMBER ends: `NUMBER PROGRAM WORD...`.
pub fn tethered(words: &[OsString]) -> ExitCode {
    let [parent, program, arguments @ ..] = words else { return Exit::Usage.into() };
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if now.as_deref().map(OsStr::new) != Some(parent) {
        // That process has ended already.
        return Exit::Io.into();
    }
    let error = Command::new(program).args(arguments).exec();
    print_message(&format!("{}: {error}", program.display()));
    ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}
