//! Parked texts: they were committed and cannot be put in place, because the package is a mount point, or became a
//! directory, a FIFO, or a loop of links. Such a text is kept beside the log, in `parked`, so that commits to all other
//! packages go on. Commits to its own package are refused until [`crate::Audit::repair`] has put it in place or has set it
//! aside (see `unpark`).

use std::path::PathBuf;

use rustix::io::Errno;

use crate::commit::core::Core;
use crate::commit::place::Place;
use crate::error::{Error, Result};
use crate::log::Log;
use crate::os::file_name;
use crate::os::files::OpenFile;

/// Reports whether an error means that the kind of file at the path prevents replacing it. Errors of the disk and
/// missing rights are other cases.
pub(crate) fn cannot_be_placed(error: &Error) -> bool {
    let Error::Io { source, .. } = error else { return false };
    let stands = [Errno::BUSY, Errno::ISDIR, Errno::LOOP, Errno::NOTDIR, Errno::XDEV];
    source.kind() == std::io::ErrorKind::InvalidInput
        || Errno::from_io_error(source).is_some_and(|errno| stands.contains(&errno))
}

/// Reports whether something is mounted on a file, so that no other file can take its place.
pub(crate) fn is_mounted_on(open: &OpenFile) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, statx};
    statx(&open.file, "", AtFlags::EMPTY_PATH, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Returns the directory of parked texts.
pub(crate) fn dir(log: &Log) -> PathBuf {
    log.dir().join("parked")
}

fn parked_path(core: &Core, place: &Place) -> Option<PathBuf> {
    let log = core.logs.current().filter(|_| place.is_logged())?;
    Some(dir(log).join(file_name::escaped(place.name.as_ref())))
}

/// Keeps the text of a package that cannot be put in place, with a warning.
pub(crate) fn park(core: &Core, place: &Place, text: &[u8], why: &Error) -> Result<()> {
    let (Some(path), Some(log)) = (parked_path(core, place), core.logs.current()) else { return Ok(()) };
    let (files, dir) = (log.within(Some("parked"))?, path.parent().unwrap_or(&path));
    let new = files.create_unique(dir, "parked").map_err(Error::io("create a file in", dir))?;
    let bytes = [place.name.as_bytes(), b"\n", text].concat();
    let written = files
        .write(&new, &bytes)
        .and_then(|()| files.sync(&new))
        .and_then(|()| files.rename(&new.path, &path))
        .and_then(|()| files.sync_dir(dir));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&new.path);
        Error::io("write", &path)(error)
    })?;
    core.warnings.warn(&format!(
        "{why}; the text committed to '{}' is kept in {}, and 'repair' tries again",
        place.name,
        path.display()
    ));
    Ok(())
}

/// Reports whether a text of a package waits to be put in place.
pub(crate) fn is_parked(core: &Core, place: &Place) -> bool {
    parked_path(core, place).is_some_and(|path| path.symlink_metadata().is_ok())
}

/// Refuses a commit to a package whose last text could not be put in place.
pub(crate) fn check_parked(core: &Core, place: &Place) -> Result<()> {
    if !is_parked(core, place) {
        return Ok(());
    }
    let why =
        "the text of an earlier commit could not be put in place: 'repair' tries again, or sets it aside";
    Err(Error::io("commit to", &place.path)(std::io::Error::other(why)))
}
