//! The right to publish to the maps of a store, and the files that stay open to do so again and again.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::control::Control;
use super::files::{MapDirectory, map_file};
use crate::error::{Damage, Error, Result};
use crate::map::layout::format::{Seq, low};
use crate::map::read::map::Map;
use crate::os::access::Access;
use crate::os::files::{Names, OpenFile, PAUSES, Wait};
use crate::os::trust::is_trusted;

/// How many maps are kept: those of the packages a store works on.
const MAPS: usize = 16;

/// The identity of a file: device and inode, owner, permissions and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    device: u64,
    inode: u64,
    pub owner: u32,
    pub group: u32,
    pub mode: u32,
    size: u64,
}

impl Standing {
    pub fn of(found: &std::fs::Metadata) -> Self {
        let (owner, group, mode) = (found.uid(), found.gid(), found.mode());
        Self { device: found.dev(), inode: found.ino(), owner, group, mode, size: found.size() }
    }

    /// Returns the identity of the file at a path, which may be a symbolic link.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::symlink_metadata(path).ok().as_ref().map(Self::of)
    }
}

/// A map that is open to be published to.
#[derive(Debug)]
pub(crate) struct OpenMap {
    package: String,
    path: PathBuf,
    map: Map,
    standing: Standing,
    /// Whether this session has published to it before: then it is known to be sound, since only holders of the lock
    /// have changed it since.
    is_known: bool,
}

impl std::ops::Deref for OpenMap {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.map
    }
}

impl MapDirectory {
    /// Takes the right to publish, making the control file if there is none. Repairs the files if a writer has died.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a system call fails, [`Error::Locked`] if another process holds the lock until the deadline.
    pub fn begin(&self, deadline: Instant) -> Result<PublishSession> {
        let path = self.control_path();
        for _ in 0..100 {
            let lock = self.open_lock()?;
            match self.files.lock_at_path(&lock, deadline, PAUSES).map_err(Error::io("lock", &lock.path))? {
                Wait::Held => {}
                Wait::TimedOut => {
                    let holder = crate::os::lock::holder_of_file(&lock);
                    return Err(Error::Locked { path: lock.path.clone(), holder, waited: Duration::ZERO });
                }
                Wait::Replaced => continue,
            }
            let file = match self.open_file(&path, true) {
                Ok(open) => open,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.create_control()?;
                    continue;
                }
                Err(error) => return Err(Error::io("open", path)(error)),
            };
            let Some(control) = Control::of(&file, true).map_err(Error::io("map", &path))? else {
                // Another file, or another version of the format: the next round of the loop makes a new one.
                let _ = self.files.remove(&path);
                continue;
            };
            let found = file.file.metadata().map_err(Error::io("read", &path))?;
            return Ok(self.take_over(control, (file, Standing::of(&found)), lock));
        }
        Err(Error::Conflict {
            key: path.display().to_string(),
            why: "the run directory keeps changing".into(),
        })
    }

    /// Opens the file that a publisher locks. No other user may open it: a user who could lock it could prevent
    /// others from publishing. So it is not the control file, which readers open.
    fn open_lock(&self) -> Result<OpenFile> {
        let path = self.dir.join("lock");
        let open = self.files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        let owner = open.file.metadata().map_err(Error::io("read", &path))?.uid();
        match is_trusted(owner, self.config.user) {
            true => Ok(open),
            false => Err(Error::io("open", path)(io::ErrorKind::PermissionDenied.into())),
        }
    }

    fn create_control(&self) -> Result<()> {
        let path = self.control_path();
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), crate::os::process::id());
        let image = Control::image(seed);
        let made =
            self.create_file("control", &image, image.len(), |made| self.files.set_mode(made, 0o644))?;
        match self.files.rename_new(&made.path, &path) {
            // Another process was faster; use its file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let _ = self.files.remove(&made.path);
                Ok(())
            }
            renamed => renamed.map_err(Error::io("rename", path)),
        }
    }

    fn take_over(
        &self,
        control: Control,
        (file, standing): (OpenFile, Standing),
        lock: OpenFile,
    ) -> PublishSession {
        let (round, revision) = self.mend(&control);
        let (shared, process) = (self.clone(), crate::os::process::id());
        PublishSession {
            shared,
            process,
            control,
            file,
            standing,
            lock,
            names: None,
            round,
            revision,
            maps: Vec::new(),
        }
    }

    /// Finishes the work of a writer that died; see the documentation of `control`. Returns the number of the last
    /// round and the revision it shows.
    fn mend(&self, control: &Control) -> (u64, Option<u64>) {
        let (round, revision) = control.shown();
        let committed = low(round);
        if control.begun() == committed {
            return (round, revision);
        }
        for package in self.packages() {
            let Ok(open) = self.open_file(&self.path_of(&package), true) else { continue };
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
        // The number of an unfinished round is not used again. The maps published with it are complete, or retired;
        // but other maps of the same transaction may not show it, so the revision does not change.
        let skipped = control.begun().0.wrapping_sub(committed.0);
        let round = round + u64::from(skipped);
        control.set_committed(round, revision);
        (round, revision)
    }
}

/// The right to publish; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct PublishSession {
    shared: MapDirectory,
    /// The process that opened the files: after a fork the child must not share the lock.
    process: u32,
    control: Control,
    /// The control file, and the file that was at its path.
    file: OpenFile,
    standing: Standing,
    lock: OpenFile,
    /// The names in the directory when both files were found at their paths. As long as these are the same, so is that.
    names: Option<Names>,
    /// The last round, or the one that was begun.
    round: u64,
    /// The revision it shows.
    revision: Option<u64>,
    /// Maps that were published to before, the last one at the end.
    maps: Vec<OpenMap>,
}

impl PublishSession {
    pub fn shared(&self) -> &MapDirectory {
        &self.shared
    }

    /// Takes the right to publish again, after [`PublishSession::end`]. `None` if the open
    /// files were replaced meanwhile, or another process holds the lock until the deadline.
    pub(super) fn begin_again(mut self, deadline: Instant) -> Option<Self> {
        let ours = self.process == crate::os::process::id();
        let lock = || self.shared.files.lock_unchecked(&self.lock, deadline, PAUSES);
        // The check counts only while the lock is held.
        if !ours || !matches!(lock(), Ok(Wait::Held)) || !self.is_in_place() {
            return None;
        }
        (self.round, self.revision) = self.shared.mend(&self.control);
        Some(self)
    }

    /// Reports whether the files of lock and control are at their paths.
    fn is_in_place(&mut self) -> bool {
        let names = Names::settled_at(&self.shared.dir);
        if names.is_some() && names == self.names {
            return true;
        }
        self.names = names;
        self.lock.is_at_path() && Standing::at(&self.shared.control_path()) == Some(self.standing)
    }

    /// Gives up the right to publish; the open files stay open.
    pub(super) fn end(&mut self) {
        self.shared.files.unlock(&self.lock);
    }

    /// Opens the map of a package to publish to it. `Ok(None)` if it has no usable map.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if its map is damaged, or readable by other users than the text: a new one has to take its
    /// place.
    pub fn open(&mut self, package: &str, text: &std::fs::Metadata) -> Result<Option<OpenMap>> {
        let (access, user) = (Access::to_copy(text), self.shared.config.user);
        if let Some(at) = self.maps.iter().position(|open| open.package == package) {
            let open = self.maps.remove(at);
            let is_met = access.is_met(open.standing.group, open.standing.mode, user);
            if is_met && Standing::at(&open.path) == Some(open.standing) && self.can_go_on(&open) {
                return Ok(Some(open));
            }
        }
        let path = self.shared.path_of(package);
        let Ok(open) = self.shared.open_file(&path, true) else { return Ok(None) };
        let damaged = |why| Error::Damaged { what: Damage::Map, path: path.clone(), why };
        let found = open.file.metadata().map_err(Error::io("read", &path))?;
        if !access.is_met(found.gid(), found.mode(), user) {
            return Err(damaged("it is not readable by the same users as the package".to_owned()));
        }
        let map = map_file(&open, true).map_err(damaged)?;
        Ok(Some(OpenMap {
            package: package.to_owned(),
            path: path.clone(),
            map,
            standing: Standing::of(&found),
            is_known: false,
        }))
    }

    /// Reports whether a map belongs to the store and the last writer has left it complete, so that it can be
    /// published to.
    pub fn can_go_on(&self, open: &OpenMap) -> bool {
        let ours = open.map.seed() == self.seed() && open.map.retired().is_none();
        ours && open.map.is_finished() && (open.is_known || open.map.is_sound())
    }

    /// Keeps maps open that were published to.
    pub fn keep(&mut self, maps: Vec<OpenMap>) {
        self.maps.extend(maps.into_iter().map(|open| OpenMap { is_known: true, ..open }));
        let too_many = self.maps.len().saturating_sub(MAPS);
        self.maps.drain(..too_many);
    }

    /// Returns the seed of the store.
    pub fn seed(&self) -> u64 {
        self.control.seed()
    }

    /// Returns the low half of the last round, as in the maps.
    pub fn committed(&self) -> Seq {
        low(self.control.round())
    }

    /// Returns the number of the last round, or of the one that was begun, in 64 bits.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Returns the revision that the maps show, or are about to; `None` where no log is known to belong to them.
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// Begins a round and returns its number. It shows this revision, or by default that of the round before.
    pub fn next(&mut self, revision: Option<u64>) -> u64 {
        self.round += 1;
        if low(self.round) == Seq::default() {
            // 0 means "no round" in maps.
            self.round += 1;
        }
        self.revision = revision.or(self.revision);
        self.control.set_begun(low(self.round));
        self.round
    }

    /// Makes the round that was begun visible to new snapshots.
    pub fn commit(&self) {
        self.control.set_committed(self.round, self.revision);
    }

    /// Wakes the watches that wait for a transaction of the log: the maps show everything up to it.
    pub fn announce(&self, sequence: u64) {
        self.control.set_logged(low(sequence), &self.file.file);
    }

    /// As [`PublishSession::announce`], if the transaction changed nothing in the maps.
    pub fn show(&mut self, sequence: u64) {
        if self.revision != Some(sequence) {
            self.next(Some(sequence));
            self.commit();
        }
        self.announce(sequence);
    }

    /// Makes readers rebuild the map of a package: it may not show the state of the revision.
    pub fn drop_map(&self, package: &str) {
        if let Some(file) = self.shared.file(package) {
            file.retire(self.committed());
        }
        self.shared.remove(package);
    }
}
