//! Reading one value of a package file without an engine, for a program that reads one value and ends.
//!
//! Most programs that run `cms get` find everything settled: no commit is unfinished or waits to be confirmed, no text is
//! behind a log, nothing is staged. Then the value is in the text. [`quick_value`] makes sure of each of these, in the order
//! in which [`crate::Confirmations::recover`] and [`crate::Packages::load`] look, and gives no answer where one of them does
//! not hold: the caller then opens an engine.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::commit::logs;
use crate::commit::mark::Mark;
use crate::commit::packages::{names_package, read_text};
use crate::format::uci::find_string;
use crate::log::{Limits, Log};
use crate::model::name;
use crate::os::dirs::Dirs;
use crate::os::files::Files;
use crate::staging::delta_file;

/// Reads the value of `PACKAGE.SECTION.OPTION`, if that is a string and everything is settled: see the module
/// documentation. It does not read a package of more than `limit` bytes.
///
/// It answers only where [`crate::Packages::load_good`] gives the same value. `None` says nothing about the key.
#[doc(hidden)]
#[must_use]
pub fn quick_value(dirs: &Dirs, key: &[u8], limit: u64) -> Option<Vec<u8>> {
    let mut parts = key.split(|byte| *byte == b'.');
    let (package, section, option) = (parts.next()?, parts.next()?, parts.next()?);
    let is_key =
        names_package(package) && !package.contains(&b'/') && name::is_name(section) && name::is_name(option);
    if !is_key || parts.next().is_some() || dirs.overriding.is_some() || !dirs.overlays.is_empty() {
        return None;
    }
    let (files, package) = (Files::default(), Path::new(OsStr::from_bytes(package)));
    let path = dirs.config.path.join(package);
    if !is_log_settled(&files, dirs)? || Mark::of(&path).is_some() {
        return None;
    }
    let (text, _) = read_text(&files, &path, limit).ok()??;
    if delta_file::may_hold_lines(&dirs.save.path, package) {
        return None;
    }
    find_string(&text, section, option).map(std::borrow::Cow::into_owned)
}

/// Reports whether the log has no commit that is unfinished or waits to be confirmed. `None` if it cannot be read.
fn is_log_settled(files: &Files, dirs: &Dirs) -> Option<bool> {
    let Some(state) = &dirs.state else { return Some(true) };
    let real = std::fs::canonicalize(&dirs.config.path).ok()?;
    let log = Log::new(logs::log_dir(files, &state.path, &real), files.clone(), Limits::default());
    if log.end()?.is_open {
        return Some(false);
    }
    let note = log.dir().join(super::pending::NOTE).symlink_metadata();
    Some(note.is_err_and(|error| error.kind() == ErrorKind::NotFound))
}
