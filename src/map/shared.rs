//! The maps of a store in the run directory: finding, making, replacing and publishing to them.
//!
//! `RUN/maps/DEVICE-INODE/control` and `RUN/maps/DEVICE-INODE/PACKAGE.map`, named after the configuration
//! directory, so that every path to it leads to the same maps.

mod publishing;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) use publishing::Publishing;

use super::build::Image;
use super::control::{self, Control};
use super::format::{HEADER, Seq, VERSION, W_RETIRED, W_RETIRED_SEQ, low};
use super::kept::Standing;
use super::mapping::{Map, Unusable};
use super::region::Region;
use crate::dirs::Dirs;
use crate::error::{Damage, Error, Result};
use crate::files::{Files, OpenFile, PAUSES, Wait};

/// The maps of one store.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    dir: PathBuf,
    files: Files,
    ground: Ground,
}

/// What it depends on where the maps of a store are, and who is trusted with them: the configuration directory, its
/// owner, and who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ground {
    device: u64,
    inode: u64,
    owner: u32,
    user: u32,
}

impl Ground {
    pub fn of(dirs: &Dirs) -> Option<Self> {
        let config = std::fs::metadata(&dirs.config.path).ok()?;
        let user = rustix::process::geteuid().as_raw();
        Some(Self { device: config.dev(), inode: config.ino(), owner: config.uid(), user })
    }

    /// Reports whether a user's directories are trusted: root's, our own, those of the configuration's owner.
    fn trusts(self, user: u32) -> bool {
        [0, self.user, self.owner].contains(&user)
    }
}

impl Shared {
    /// Finds the maps of a store; `None` if there is no usable directory. With `create` it is made.
    pub fn find(dirs: &Dirs, files: &Files, create: bool) -> Option<Self> {
        let ground = Ground::of(dirs)?;
        let name = format!("{:x}-{:x}", ground.device, ground.inode);
        let run = &dirs.run.as_ref()?.path;
        for (dir, mode) in
            [(run.clone(), 0o755), (run.join("maps"), 0o755), (run.join("maps").join(&name), 0o755)]
        {
            if create && let Err(error) = files.mkdir(&dir, mode) {
                // A directory that is there need not be made.
                let _ = error;
            }
            let found = std::fs::symlink_metadata(&dir).ok()?;
            if !found.is_dir() || !ground.trusts(found.uid()) {
                return None;
            }
        }
        Some(Self { dir: run.join("maps").join(name), files: files.clone(), ground })
    }

    pub(super) fn ground(&self) -> Ground {
        self.ground
    }

    /// Finds maps that another user, root, keeps of the store: to be read only.
    pub fn find_system(dirs: &Dirs, files: &Files) -> Option<Self> {
        let mut system = dirs.clone();
        let run = dirs.run.as_ref().filter(|run| run.origin == crate::dirs::Origin::Given);
        if run.is_some() {
            return None;
        }
        system.run = Some(crate::dirs::Dir { path: "/run/cms".into(), origin: crate::dirs::Origin::Default });
        Self::find(&system, files, false)
    }

    /// Returns where the map of a package is, or would be.
    pub fn path_of(&self, package: &str) -> PathBuf {
        self.dir.join(format!("{package}.map"))
    }

    pub fn control_path(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// Opens the control file for reading.
    pub fn control(&self) -> Option<Control> {
        let open = self.open_file(&self.control_path(), false, None).ok()?;
        Control::of(&open, false).ok()?
    }

    /// Opens the control file to wait for commits, which takes the right to write to it.
    pub fn control_to_wait(&self) -> Option<Control> {
        let open = self.open_file(&self.control_path(), true, None).ok()?;
        Control::of(&open, true).ok()?
    }

    /// Reports whether a control file is still the one of the store.
    pub fn is_current(&self, control: &Control) -> bool {
        std::fs::symlink_metadata(self.control_path())
            .is_ok_and(|found| (found.dev(), found.ino()) == control.identity)
    }

    /// Opens the map of a package. `Ok(None)` if there is none that can be used.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if there is one that cannot.
    pub fn open(&self, package: &str, text: &std::fs::Metadata, writable: bool) -> Result<Option<Map>> {
        let path = self.path_of(package);
        let Ok(open) = self.open_file(&path, writable, Some(text)) else { return Ok(None) };
        map_file(&open, writable).map(Some).map_err(|why| Error::Damaged { what: Damage::Map, path, why })
    }

    /// Opens what is in the place of the map of a package, if it is a file of ours.
    pub fn file(&self, package: &str, text: &std::fs::Metadata) -> Option<MapFile> {
        self.open_file(&self.path_of(package), true, Some(text)).ok().map(MapFile)
    }

    fn open_file(
        &self,
        path: &Path,
        writable: bool,
        like: Option<&std::fs::Metadata>,
    ) -> io::Result<OpenFile> {
        control::open(&self.files, path, writable, &owners(like))
    }

    /// Takes the right to publish, making the control file if there is none. Mends what a writer that died
    /// has left.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a system call fails, [`Error::Locked`] if the lock cannot be had in time.
    pub fn begin(&self, deadline: Instant) -> Result<Publishing> {
        let path = self.control_path();
        for _ in 0..100 {
            let lock = match self.open_file(&path, true, None) {
                Ok(open) => open,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.create_control()?;
                    continue;
                }
                Err(error) => return Err(Error::io("open", path)(error)),
            };
            match self.files.lock_at_path(&lock, deadline, PAUSES).map_err(Error::io("lock", &path))? {
                Wait::Held => {}
                Wait::TimedOut => {
                    let holder = "another process".into();
                    return Err(Error::Locked { path, holder, waited: Duration::ZERO });
                }
                Wait::Replaced => continue,
            }
            let Some(control) = Control::of(&lock, true).map_err(Error::io("map", &path))? else {
                // Not one of ours, or of another version: a new one takes its place.
                let _ = self.files.remove(&path);
                continue;
            };
            let found = lock.file.metadata().map_err(Error::io("read", &path))?;
            return Ok(self.take_over(control, lock, Standing::of(&found)));
        }
        Err(Error::Conflict {
            key: path.display().to_string(),
            why: "the run directory keeps changing".into(),
        })
    }

    fn create_control(&self) -> Result<()> {
        let path = self.control_path();
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
        let image = Control::image(seed);
        let like = std::fs::metadata(&self.dir).map_err(Error::io("read", &self.dir))?;
        let made = self.create_file("control", &image, image.len(), &like, 0o644)?;
        match self.files.rename_new(&made.path, &path) {
            // Someone was faster; theirs is as good.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let _ = self.files.remove(&made.path);
                Ok(())
            }
            renamed => renamed.map_err(Error::io("rename", path)),
        }
    }

    /// Creates a file that is as large as it says: a full disk is found out here and not by a signal later.
    fn create_file(
        &self,
        stem: &str,
        bytes: &[u8],
        len: usize,
        like: &std::fs::Metadata,
        mode: u32,
    ) -> Result<OpenFile> {
        let dir = &self.dir;
        let made = self.files.create_unique(dir, stem).map_err(Error::io("create a file in", dir))?;
        let fill = || {
            self.files.write(&made, bytes)?;
            self.files.allocate(&made, bytes.len() as u64, (len - bytes.len()) as u64)?;
            self.files.copy_attributes(&made, like)?;
            self.files.set_mode(&made, mode)
        };
        match fill() {
            Ok(()) => Ok(made),
            Err(error) => {
                let _ = std::fs::remove_file(&made.path);
                Err(Error::io("write", self.dir.join(stem))(error))
            }
        }
    }

    /// Puts a new map in place of that of a package, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a system call fails; the old map is as it was then.
    pub fn replace(&self, package: &str, image: &Image, text: &std::fs::Metadata) -> Result<Map> {
        let path = self.path_of(package);
        let mode = text.mode() & 0o666 | 0o600;
        let made = self.create_file(package, &image.bytes, image.capacity, text, mode)?;
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

    fn take_over(&self, control: Control, lock: OpenFile, standing: Standing) -> Publishing {
        let (round, revision) = self.mend(&control);
        let (shared, process) = (self.clone(), std::process::id());
        Publishing { shared, process, control, standing, lock, round, revision, maps: Vec::new() }
    }

    /// Mends what a writer that died has left; see the documentation of `control`. Returns the number of the last
    /// round and the revision it shows.
    fn mend(&self, control: &Control) -> (u64, Option<u64>) {
        let (round, revision) = control.shown();
        let committed = low(round);
        if control.begun() == committed {
            return (round, revision);
        }
        for package in self.packages() {
            let Ok(open) = self.open_file(&self.path_of(&package), true, None) else { continue };
            let Ok(map) = map_file(&open, true) else { continue };
            let (begun, done) = map.marks();
            if begun == done {
                continue;
            }
            if begun.is_after(committed) {
                map.retire(committed);
                self.remove(&package);
            } else {
                map.mark(false, begun);
            }
        }
        // The number that was begun is not used again. What was published of it is complete, or retired; but other maps
        // of the same transaction may not show it, so the revision stays what it was.
        let skipped = control.begun().0.wrapping_sub(committed.0);
        let round = round + u64::from(skipped);
        control.set_committed(round, revision);
        (round, revision)
    }
}

/// A file in the place of a map, whatever it holds.
pub(crate) struct MapFile(OpenFile);

impl MapFile {
    /// As [`Map::retire`], for who has mapped it while it was in order. It is written to, and not mapped: part
    /// of it may not be there.
    pub fn retire(&self, at: Seq) {
        use std::os::unix::fs::FileExt;
        let file = &self.0.file;
        if file.metadata().is_ok_and(|found| found.len() >= HEADER as u64) {
            // Who reads the file will notice later if this fails, when it is refreshed.
            let _ = file.write_all_at(&at.0.to_le_bytes(), W_RETIRED_SEQ as u64);
            let _ = file.write_all_at(&1_u32.to_le_bytes(), W_RETIRED as u64);
        }
    }
}

/// Maps a file as it was opened.
fn map_file(open: &OpenFile, writable: bool) -> std::result::Result<Map, String> {
    let found = open.file.metadata().map_err(|error| error.to_string())?;
    let len = usize::try_from(found.len()).map_err(|_| "larger than the memory".to_owned())?;
    if len == 0 || found.blocks() * 512 < found.len() {
        return Err("not all of it is there; perhaps the disk was full".into());
    }
    let region = Region::map(&open.file, len, writable).map_err(|error| error.to_string())?;
    Map::new(region).map_err(|why| match why {
        Unusable::Version(version) => {
            format!("its format has version {version}, this program knows {VERSION}")
        }
        Unusable::Damaged(what) => what.to_owned(),
    })
}

/// Names the users whose files are trusted: root, ourselves, the owner of the text.
fn owners(like: Option<&std::fs::Metadata>) -> Vec<u32> {
    let mut owners = vec![0, rustix::process::geteuid().as_raw()];
    owners.extend(like.map(std::fs::Metadata::uid));
    owners
}

/// Names the users whose directories are trusted: root, ourselves, the owner of the configuration.
pub(crate) fn trusted(config: &std::fs::Metadata) -> [u32; 3] {
    [0, rustix::process::geteuid().as_raw(), config.uid()]
}
