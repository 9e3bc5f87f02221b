//! The right to publish to the maps of a store, and the files that stay open to do so again and again.

use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use super::{Shared, map_file};
use crate::error::{Damage, Error, Result};
use crate::map::control::Control;
use crate::map::format::{Seq, low};
use crate::map::kept::{MAPS, OpenMap, Standing};
use crate::os::access::Access;
use crate::os::files::{OpenFile, PAUSES, Wait};

/// The right to publish; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Publishing {
    pub(super) shared: Shared,
    /// The process that opened the files: after a fork the child must not share the lock.
    pub(super) process: u32,
    pub(super) control: Control,
    /// The control file, and the file that was at its path.
    pub(super) file: OpenFile,
    pub(super) standing: Standing,
    pub(super) lock: OpenFile,
    /// The last round, or the one that was begun.
    pub(super) round: u64,
    /// The revision it shows.
    pub(super) revision: Option<u64>,
    /// Maps that were published to before, the last one at the end.
    pub(super) maps: Vec<OpenMap>,
}

impl Publishing {
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Takes the right to publish again, after [`Publishing::end`]. `None` if what is open is not what is to be
    /// published to any more, or the lock cannot be had in time.
    pub(in crate::map) fn begin_again(mut self, deadline: Instant) -> Option<Self> {
        let ours = self.process == std::process::id();
        let lock = || self.shared.files.lock_at_path(&self.lock, deadline, PAUSES);
        let held = ours && matches!(lock(), Ok(Wait::Held));
        // Only the holder of the lock knows that it stays so.
        if !held || Standing::at(&self.shared.control_path()) != Some(self.standing) {
            return None;
        }
        (self.round, self.revision) = self.shared.mend(&self.control);
        Some(self)
    }

    /// Gives up the right to publish; the open files stay open.
    pub(in crate::map) fn end(&mut self) {
        self.shared.files.unlock(&self.lock);
    }

    /// Opens the map of a package to publish to it. `Ok(None)` if it has no usable map.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if its map is damaged, or readable by other users than the text: a new one has to take its
    /// place.
    pub fn open(&mut self, package: &str, text: &std::fs::Metadata) -> Result<Option<OpenMap>> {
        let path = self.shared.path_of(package);
        let (access, user) = (Access::to_copy(text), self.shared.config.user);
        if let Some(at) = self.maps.iter().position(|open| open.package == package) {
            let open = self.maps.remove(at);
            let is_met = access.is_met(open.standing.group, open.standing.mode, user);
            if is_met && Standing::at(&path) == Some(open.standing) && self.can_go_on(&open) {
                return Ok(Some(open));
            }
        }
        let Ok(open) = self.shared.open_file(&path, true) else { return Ok(None) };
        let damaged = |why| Error::Damaged { what: Damage::Map, path: path.clone(), why };
        let found = open.file.metadata().map_err(Error::io("read", &path))?;
        if !access.is_met(found.gid(), found.mode(), user) {
            return Err(damaged("it is not readable by the same users as the package".to_owned()));
        }
        let map = map_file(&open, true).map_err(damaged)?;
        Ok(Some(OpenMap {
            package: package.to_owned(),
            map,
            standing: Standing::of(&found),
            is_known: false,
        }))
    }

    /// Reports whether a map is one of the store, and can be published to where the writer before has stopped.
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

    /// Returns the last round, as the maps note it.
    pub fn committed(&self) -> Seq {
        low(self.control.round())
    }

    /// Returns the last round, all of it, or the one that was begun.
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
            // Maps take it for no round at all.
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

    /// As [`Publishing::announce`], where nothing was published for the transaction.
    pub fn show(&mut self, sequence: u64) {
        if self.revision != Some(sequence) {
            self.next(Some(sequence));
            self.commit();
        }
        self.announce(sequence);
    }

    /// Makes readers rebuild the map of a package: it may not show the state that the revision promises.
    pub fn drop_map(&self, package: &str) {
        if let Ok(open) = self.shared.open_file(&self.shared.path_of(package), true) {
            super::MapFile(open).retire(self.committed());
        }
        self.shared.remove(package);
    }
}
