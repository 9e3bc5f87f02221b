//! A configuration for the C library, on tmpfs if there is one, so that no disk is measured.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::dataset::Dataset;
use crate::ffi::{Directories, Library, Store};
use crate::report::Report;

/// The four directories of a store. Removed when dropped.
pub struct TmpfsStore {
    /// The parent directory of the four.
    dir: tempfile::TempDir,
}

/// Loads the library named by `CMS_LIB`, or says that it is missing.
pub fn library(report: &Report) -> Result<Option<Library>> {
    match library_path() {
        Some(path) => Library::load(&path).map(Some),
        None => {
            report.note("left out: CMS_LIB does not name a libcms.so");
            Ok(None)
        }
    }
}

/// Returns the path of the library, if it exists.
pub fn library_path() -> Option<PathBuf> {
    std::env::var_os("CMS_LIB").map(PathBuf::from).filter(|path| path.is_file())
}

impl TmpfsStore {
    /// Writes the packages of a data set.
    pub fn create(dataset: Dataset) -> Result<Self> {
        let tmpfs = Self::empty()?;
        for (name, text) in dataset.packages() {
            tmpfs.add(name, &text)?;
        }
        Ok(tmpfs)
    }

    /// Makes a store without packages.
    pub fn empty() -> Result<Self> {
        let shm = Path::new("/dev/shm");
        let under = if shm.is_dir() { shm.to_path_buf() } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("cms-bench-").tempdir_in(under)?;
        let tmpfs = Self { dir };
        for name in ["config", "save", "run", "state"] {
            fs::create_dir(tmpfs.path(name))?;
        }
        Ok(tmpfs)
    }

    /// Adds a package.
    pub fn add(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.path("config").join(name), text)?)
    }

    /// Returns the path of a directory or file of this store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Opens the store.
    pub fn open(&self, library: Library) -> Result<Store> {
        library.open(&Directories {
            config: &self.path("config"),
            save: &self.path("save"),
            run: &self.path("run"),
            state: &self.path("state"),
        })
    }

    /// Returns the environment variables with which a program opens this store.
    pub fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("CMS_CONFIG_DIR", self.path("config")),
            ("CMS_SAVE_DIR", self.path("save")),
            ("CMS_RUN_DIR", self.path("run")),
            ("CMS_STATE_DIR", self.path("state")),
        ]
    }

    /// Deletes all maps.
    pub fn forget_maps(&self) -> Result<()> {
        fs::remove_dir_all(self.path("run"))?;
        Ok(fs::create_dir(self.path("run"))?)
    }

    /// Returns the size of the texts, in bytes.
    pub fn text_bytes(&self) -> Result<usize> {
        bytes_under(&self.path("config"))
    }

    /// Returns the size of all files in the run directory, in bytes: the maps and some small files.
    pub fn map_bytes(&self) -> Result<usize> {
        bytes_under(&self.path("run"))
    }
}

/// Adds up the sizes of the files in a directory and its subdirectories.
pub fn bytes_under(dir: &Path) -> Result<usize> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += match metadata.is_dir() {
            true => bytes_under(&entry.path())?,
            false => usize::try_from(metadata.len())?,
        };
    }
    Ok(sum)
}
