//! Arguments, which need not be UTF-8, as paths and for people.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Returns an argument as a path; it need not be UTF-8.
pub fn path(argument: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(argument))
}

/// Shows bytes to a person.
pub fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
