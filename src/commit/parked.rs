//! Texts that were committed and cannot be put in place: the package is a mount point, or became a directory, a FIFO, or
//! a loop of links. Such a text is parked beside the log, in `parked`, so that all other packages go on. Commits to its
//! own package are refused until [`Engine::repair`] has put it in place, or has set it aside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use crate::commit::engine::{Engine, Place};
use crate::commit::log_session::Why;
use crate::commit::write::{Expected, Whole, attempt};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::os::file_name;
use crate::os::files::{Files, OpenFile};

/// Reports whether it lies in what stands at the path that a text cannot be put there, and not at the disk or the user.
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

fn dir(log: &Log) -> PathBuf {
    log.dir().join("parked")
}

impl Engine {
    fn parked_path(&self, place: &Place) -> Option<PathBuf> {
        let log = self.log().filter(|_| self.is_logged(place))?;
        Some(dir(log).join(file_name::escaped(place.name.as_ref())))
    }

    /// Keeps the text of a package that cannot be put in place, and says so.
    pub(crate) fn park(&self, place: &Place, text: &[u8], why: &Error) -> Result<()> {
        let (Some(path), Some(log)) = (self.parked_path(place), self.log()) else { return Ok(()) };
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
        self.warn(&format!(
            "{why}; the text committed to '{}' is kept in {}, and 'repair' tries again",
            place.name,
            path.display()
        ));
        Ok(())
    }

    /// Reports whether a text of a package waits to be put in place.
    pub(crate) fn is_parked(&self, place: &Place) -> bool {
        self.parked_path(place).is_some_and(|path| path.symlink_metadata().is_ok())
    }

    /// Refuses a commit to a package whose last text could not be put in place.
    pub(crate) fn check_parked(&self, place: &Place) -> Result<()> {
        if !self.is_parked(place) {
            return Ok(());
        }
        let why =
            "the text of an earlier commit could not be put in place: 'repair' tries again, or sets it aside";
        Err(Error::io("commit to", &place.path)(std::io::Error::other(why)))
    }

    /// Puts parked texts in place. One that still cannot be is set aside, and its package is as what stands there says.
    pub(crate) fn place_parked(&self) -> Result<()> {
        let Some(log) = self.log() else { return Ok(()) };
        if !dir(log).is_dir() {
            return Ok(());
        }
        let files = log.within(Some("parked"))?;
        for entry in std::fs::read_dir(dir(log)).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "aside") {
                self.place_parked_at(&files, &path)?;
            }
        }
        Ok(())
    }

    fn place_parked_at(&self, files: &Files, path: &Path) -> Result<()> {
        let bytes = files.read_at_path(path).map_err(Error::io("read", path))?;
        let Some(end) = memchr::memchr(b'\n', &bytes) else { return Ok(()) };
        if !crate::model::name::is_in_directory(&bytes[..end]) {
            return Ok(());
        }
        let place = self.config_place(&String::from_utf8_lossy(&bytes[..end]));
        let mut aside = path.as_os_str().to_owned();
        aside.push(".aside");
        let aside = PathBuf::from(aside);
        files.rename(path, &aside).map_err(Error::io("rename", path))?;
        let text = Some(Arc::new(bytes[end + 1..].to_vec()));
        let whole = [Whole { place: place.clone(), expected: Expected::Anything, text }];
        let placed = self.with_ledger(Self::ledger_within, |ledger| {
            let _lock = self.try_lock(&place.path)?;
            attempt(ledger, &place, |ledger| self.put_texts(ledger, &whole, &Why::COMMIT))
        });
        match placed {
            Ok(_) => files.remove(&aside).map_err(Error::io("remove", aside)),
            Err(error) if cannot_be_placed(&error) => {
                let (name, aside) = (&place.name, aside.display());
                self.warn(&format!("{error}; the text committed to '{name}' is set aside in {aside}"));
                Ok(())
            }
            Err(error) => {
                files.rename(&aside, path).map_err(Error::io("rename", &aside))?;
                Err(error)
            }
        }
    }
}
