//! The short way of `cms get KEY`: programs and scripts run nothing as often, and most of the time of a command is its
//! start. It reads one value of a text ([`cms::quick_value`]), and makes neither the table of commands nor an engine.
//!
//! Everything but the plainest command line goes the long way, and so does every answer but a value.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

use cms::{DirOptions, Dirs};

use crate::context::LARGE;
use crate::failure::{Exit, Failure};

/// Runs a command line that is `get KEY`, perhaps with directories. `None` if it has to go the long way; nothing was
/// printed then.
pub fn run(words: &[OsString]) -> Option<ExitCode> {
    let (options, key) = parse(words)?;
    // These want messages.
    if ["CMS_VERBOSE", "CMS_LOG_FILE", "RUST_LOG"]
        .iter()
        .any(|name| cms::environment::variable(name).is_some())
    {
        return None;
    }
    cms::check_environment().ok()?;
    let mut value = cms::quick_value(&Dirs::choose(options), key, LARGE)?;
    value.push(b'\n');
    let mut left = value.as_slice();
    while !left.is_empty() {
        match rustix::io::write(std::io::stdout(), left) {
            Ok(written) => left = &left[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Some(fail(&io::Error::from(error).into())),
        }
    }
    // Nothing is buffered, and the system takes back the memory.
    std::process::exit(Exit::Ok as i32)
}

#[cold]
fn fail(failure: &Failure) -> ExitCode {
    failure.print(false, false);
    failure.exit().into()
}

/// Takes the directories and the key out of a command line.
fn parse(words: &[OsString]) -> Option<(DirOptions, &[u8])> {
    let mut options = DirOptions::new();
    let mut words = words.iter();
    loop {
        let flag = match words.next()?.as_bytes() {
            b"get" => break,
            b"-q" | b"--quiet" => continue,
            flag => flag,
        };
        let path = PathBuf::from(words.next()?);
        options = match flag {
            b"-c" | b"--config-dir" => options.config(path),
            b"-t" | b"--save-dir" => options.save(path),
            b"--run-dir" => options.run(path),
            b"--state-dir" => options.state(path),
            _ => return None,
        };
    }
    let (key, None) = (words.next()?.as_bytes(), words.next()) else { return None };
    (!key.starts_with(b"-")).then_some((options, key))
}
