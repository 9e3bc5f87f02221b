//! The maps of a store in the run directory: finding, making, replacing and publishing to them.
//!
//! `RUN/maps/DEVICE-INODE/control` and `RUN/maps/DEVICE-INODE/PACKAGE.map`, named after the configuration directory,
//! so that every path to it leads to the same maps. Beside them is the file `lock`: a process locks it while it
//! publishes, and only users who may publish may open it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::control::Control;
use crate::error::{Damage, Error, Result};
use crate::map::layout::format::{HEADER, Seq, VERSION, W_RETIRED, W_RETIRED_SEQ, low};
use crate::map::layout::header::Unusable;
use crate::map::layout::region::Region;
use crate::map::read::map::Map;
use crate::map::write::build::Image;
use crate::os::access::Access;
use crate::os::dirs::Dirs;
use crate::os::file_name;
use crate::os::files::{Files, OpenFile};
use crate::os::folder::Folder;
use crate::os::trust::{Config, is_trusted};

/// The maps of one store.
#[derive(Debug, Clone)]
pub(crate) struct MapDirectory {
    pub(super) dir: PathBuf,
    pub(super) files: Files,
    pub(super) config: Config,
}

impl MapDirectory {
    /// Finds the maps of a store; `None` if there is no usable directory. With `create` it is made.
    pub fn find(dirs: &Dirs, files: &Files, create: bool) -> Option<Self> {
        let config = Config::of(&std::fs::metadata(&dirs.config.path).ok()?);
        let run = &dirs.run.as_ref()?.path;
        let folder = Folder::of_run(files, run, ["maps", &config.name()], config, create).ok()?;
        let dir = folder.path().to_path_buf();
        Some(Self { files: files.through(folder), dir, config })
    }

    /// Returns the facts that decide where the maps are and which users are trusted with them.
    pub(super) fn config(&self) -> Config {
        self.config
    }

    /// Finds the maps that root keeps of the store, for reading only.
    pub fn find_system(dirs: &Dirs, files: &Files) -> Option<Self> {
        let mut system = dirs.clone();
        let run = dirs.run.as_ref().filter(|run| run.origin == crate::os::dirs::Origin::Given);
        if run.is_some() {
            return None;
        }
        system.run = Some(crate::os::dirs::Dir {
            path: crate::os::dirs::SYSTEM_RUN.into(),
            origin: crate::os::dirs::Origin::Default,
        });
        Self::find(&system, files, false)
    }

    /// Returns where the map of a package is, or would be.
    pub fn path_of(&self, package: &str) -> PathBuf {
        let package = file_name::shortened(package.as_ref());
        self.dir.join(format!("{}.map", package.display()))
    }

    pub fn control_path(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// Opens the control file for reading.
    pub fn control(&self) -> Option<Control> {
        let open = self.open_file(&self.control_path(), false).ok()?;
        Control::of(&open, false).ok()?
    }

    /// Opens the control file to wait for commits, which takes the right to write to it.
    pub fn control_to_wait(&self) -> Option<Control> {
        let open = self.open_file(&self.control_path(), true).ok()?;
        Control::of(&open, true).ok()?
    }

    /// Reports whether these maps belong to the directory that the configuration path leads to now.
    pub fn is_of(&self, dirs: &Dirs) -> bool {
        let found = std::fs::metadata(&dirs.config.path);
        found.map_or(true, |found| Config::of(&found).name() == self.config.name())
    }

    /// Reports whether a control file is still the one of the store.
    pub fn is_current(&self, control: &Control) -> bool {
        std::fs::symlink_metadata(self.control_path())
            .is_ok_and(|found| (found.dev(), found.ino()) == control.identity)
    }

    /// Opens the map of a package. `Ok(None)` if it has no usable map.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if its map is damaged.
    pub fn open(&self, package: &str, writable: bool) -> Result<Option<Map>> {
        let path = self.path_of(package);
        let Ok(open) = self.open_file(&path, writable) else { return Ok(None) };
        map_file(&open, writable).map(Some).map_err(|why| Error::Damaged { what: Damage::Map, path, why })
    }

    /// Opens the file at the path of a package's map, if its owner is trusted.
    pub fn file(&self, package: &str) -> Option<MapFile> {
        self.open_file(&self.path_of(package), true).ok().map(MapFile)
    }

    /// Opens a file of the maps: never through a symbolic link, and only if its owner is trusted. A user who
    /// truncates a mapped file kills this process, and a user who rewrites it controls what this process reads.
    pub(super) fn open_file(&self, path: &Path, writable: bool) -> io::Result<OpenFile> {
        let open = match writable {
            true => self.files.open_to_write(path)?,
            false => self.files.open(path)?,
        };
        if !is_trusted(open.file.metadata()?.uid(), self.config.user) {
            let why = "it belongs neither to this user nor to root";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(open)
    }

    /// Retires the map of a package without the right to publish, so that readers look for another map instead of
    /// reading old values. The caller holds the lock of the package.
    pub fn retire(&self, package: &str) {
        if let (Some(control), Some(file)) = (self.control(), self.file(package)) {
            file.retire(low(control.round()));
        }
    }

    /// Creates a file and allocates all of its blocks, so that a full disk is an error here and not a signal later.
    pub(super) fn create_file(
        &self,
        stem: &str,
        bytes: &[u8],
        len: usize,
        let_read: impl FnOnce(&OpenFile) -> io::Result<()>,
    ) -> Result<OpenFile> {
        let dir = &self.dir;
        let made = self.files.create_unique(dir, stem).map_err(Error::io("create a file in", dir))?;
        let fill = || {
            self.files.write(&made, bytes)?;
            self.files.allocate(&made, bytes.len() as u64, (len - bytes.len()) as u64)?;
            let_read(&made)
        };
        match fill() {
            Ok(()) => Ok(made),
            Err(error) => {
                let _ = std::fs::remove_file(&made.path);
                Err(Error::io("write", self.dir.join(stem))(error))
            }
        }
    }

    /// Replaces the map of a package by a new one, or adds it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a system call fails; the old map is unchanged then.
    pub fn replace(&self, package: &str, image: &Image, text: &std::fs::Metadata) -> Result<Map> {
        let path = self.path_of(package);
        let let_read = |made: &OpenFile| Access::to_copy(text).give(&self.files, made);
        let made = self.create_file(package, &image.bytes, image.capacity, let_read)?;
        let mapped = map_file(&made, true)
            .map_err(|why| Error::Damaged { what: Damage::Map, path: path.clone(), why })
            .and_then(|map| {
                self.files.rename(&made.path, &path).map(|()| map).map_err(Error::io("rename", &path))
            });
        if mapped.is_err() {
            let _ = std::fs::remove_file(&made.path);
        }
        mapped
    }

    /// Removes the map of a package.
    pub fn remove(&self, package: &str) {
        let _ = std::fs::remove_file(self.path_of(package));
    }

    /// Names the packages that have a map.
    pub fn packages(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names
            .filter(|name| !name.starts_with('.'))
            .filter_map(|name| Some(name.strip_suffix(".map")?.to_owned()))
            .collect();
        names.sort_unstable();
        names
    }
}

/// A file at the path of a map, with any content.
pub(crate) struct MapFile(OpenFile);

impl MapFile {
    /// As [`Map::retire`], for processes that have mapped the file while it was intact. It writes to the file and
    /// does not map it, since the file may be too short.
    pub fn retire(&self, at: Seq) {
        use std::os::unix::fs::FileExt;
        let file = &self.0.file;
        if file.metadata().is_ok_and(|found| found.len() >= HEADER as u64) {
            // If this fails, readers notice later, when they refresh.
            let _ = file.write_all_at(&at.0.to_le_bytes(), W_RETIRED_SEQ as u64);
            let _ = file.write_all_at(&1_u32.to_le_bytes(), W_RETIRED as u64);
        }
    }
}

/// Maps an open file.
pub(super) fn map_file(open: &OpenFile, writable: bool) -> std::result::Result<Map, String> {
    let found = open.file.metadata().map_err(|error| error.to_string())?;
    let len = usize::try_from(found.len()).map_err(|_| "larger than the memory".to_owned())?;
    if len == 0 || found.blocks() * 512 < found.len() {
        return Err("it is incomplete; perhaps the disk was full".into());
    }
    let region = Region::map(&open.file, len, writable).map_err(|error| error.to_string())?;
    Map::new(region).map_err(|why| match why {
        Unusable::Version(version) => {
            format!("its format is version {version}, this program reads version {VERSION}")
        }
        Unusable::Damaged(what) => what.to_owned(),
    })
}
