//! A store for the Rust library whose files are on a disk, with the run directory on tmpfs as on a real machine.

use std::fs;
use std::path::{Path, PathBuf};

use cms::{DirOptions, Dirs, Durability, Options};

use crate::Result;
use crate::dataset::Dataset;

/// The directories of a store. Removed when dropped.
pub struct DiskStore {
    /// Configuration, save and state directory.
    disk: tempfile::TempDir,
    /// The run directory.
    run: tempfile::TempDir,
}

impl DiskStore {
    /// Writes the packages of a data set into directories below `under`.
    pub fn create(under: &Path, dataset: Dataset) -> Result<Self> {
        let disk = tempfile::Builder::new().prefix("disk-").tempdir_in(under)?;
        let run =
            tempfile::Builder::new().prefix("cms-bench-").tempdir_in(tmpfs().as_deref().unwrap_or(under))?;
        let disk = Self { disk, run };
        for name in ["config", "save", "state"] {
            fs::create_dir(disk.path(name))?;
        }
        // A data set without entries has no packages.
        fs::write(disk.path("config").join("network"), "")?;
        for (name, text) in dataset.packages() {
            fs::write(disk.path("config").join(name), text)?;
        }
        Ok(disk)
    }

    /// Returns the path of a directory or file of the store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.disk.path().join(name)
    }

    /// Returns the options that open the store.
    pub fn options(&self, durability: Durability) -> Options {
        let path = |name: &str| Some(self.path(name));
        let wanted = DirOptions::new()
            .config(path("config"))
            .save(path("save"))
            .state(path("state"))
            .run(self.run.path().to_path_buf());
        Options::new().dirs(Dirs::choose(wanted)).durability(durability)
    }

    /// Returns the environment variables with which a program opens the store.
    pub fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("CMS_CONFIG_DIR", self.path("config")),
            ("CMS_SAVE_DIR", self.path("save")),
            ("CMS_STATE_DIR", self.path("state")),
            ("CMS_RUN_DIR", self.run.path().to_path_buf()),
        ]
    }
}

/// Returns the directory of a tmpfs, if there is one.
pub fn tmpfs() -> Option<PathBuf> {
    Some(PathBuf::from("/dev/shm")).filter(|path| path.is_dir())
}
