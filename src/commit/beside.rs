//! The temporary files beside a package file: those of this library, and those of a stock uci that commits at the
//! same time.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::os::file_name;

/// How long a commit waits for a stock uci, which may have been stopped, or for any other program that has the file open to
/// write.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// How long to sleep between two checks.
pub(crate) const PAUSE: Duration = Duration::from_micros(500);

/// The highest age of the new file of a stock uci when it is renamed: stock uci syncs it before, which may take long. An
/// older file was left by a stock uci that has died.
const OLDEST: Duration = Duration::from_secs(10);

/// The temporary files beside a package file.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Files of this library, named as by [`crate::os::files::Files::create_unique`].
    pub leftovers: Vec<PathBuf>,
    /// The files of stock uci.
    stock: Vec<PathBuf>,
    /// Whether a stock uci was waited for.
    pub has_waited: bool,
}

impl Beside {
    pub fn list(real: &Path) -> Self {
        let mut beside = Self::default();
        let (Some(dir), Some(name)) = (real.parent(), real.file_name()) else { return beside };
        let (ours, theirs) = (file_name::hidden(name, ".cms-"), file_name::hidden(name, ".uci-"));
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.as_bytes().starts_with(ours.as_bytes()) {
                beside.leftovers.push(entry.path());
            } else if name.as_bytes().starts_with(theirs.as_bytes()) {
                beside.stock.push(entry.path());
            }
        }
        beside
    }

    /// Lists the files once no stock uci is about to rename one any more. A stock uci that was stopped or has died is waited
    /// for no longer than [`PATIENCE`].
    pub fn list_at_rest(real: &Path) -> Self {
        let start = Instant::now();
        let mut beside = Self::list(real);
        while beside.is_stock_renaming() && start.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
            beside = Self { has_waited: true, ..Self::list(real) };
        }
        beside
    }

    /// Reports whether a stock uci is about to rename its new file over the package. Stock uci makes that file while it
    /// holds the lock of the package, and renames it right after it has released the lock.
    fn is_stock_renaming(&self) -> bool {
        let is_new = |path: &PathBuf| {
            let found = std::fs::symlink_metadata(path).and_then(|found| found.modified());
            found.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < OLDEST))
        };
        self.stock.iter().any(is_new)
    }
}
