//! The right to publish to the maps of a store, and what it takes to do so again and again.

use std::time::Instant;

use super::{Shared, map_file, owners};
use crate::error::{Damage, Error, Result};
use crate::files::{OpenFile, PAUSES, Wait};
use crate::map::control::Control;
use crate::map::format::{Seq, low};
use crate::map::kept::{MAPS, OpenMap, Standing};

/// The right to publish; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Publishing {
    pub(super) shared: Shared,
    /// The process that opened the files: after a fork the child must not share the lock.
    pub(super) process: u32,
    pub(super) control: Control,
    pub(super) standing: Standing,
    pub(super) lock: OpenFile,
    pub(super) revision: u64,
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
        // Only who has the lock knows that it stays so.
        if !held || Standing::at(&self.shared.control_path()) != Some(self.standing) {
            return None;
        }
        self.revision = self.shared.mend(&self.control);
        Some(self)
    }

    /// Gives up the right to publish; what is open stays open.
    pub(in crate::map) fn end(&mut self) {
        self.shared.files.unlock(&self.lock);
    }

    /// Opens the map of a package to publish to it. `Ok(None)` if there is none that can be used.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if there is one that cannot.
    pub fn open(&mut self, package: &str, text: &std::fs::Metadata) -> Result<Option<OpenMap>> {
        let path = self.shared.path_of(package);
        if let Some(at) = self.maps.iter().position(|open| open.package == package) {
            let open = self.maps.remove(at);
            let stands = Standing::at(&path) == Some(open.standing);
            if stands && owners(Some(text)).contains(&open.standing.owner) && self.can_go_on(&open) {
                return Ok(Some(open));
            }
        }
        let Ok(open) = self.shared.open_file(&path, true, Some(text)) else { return Ok(None) };
        let map = map_file(&open, true);
        let found = open.file.metadata().map_err(Error::io("read", &path))?;
        let map = map.map_err(|why| Error::Damaged { what: Damage::Map, path, why })?;
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

    /// Returns the number of the last commit.
    pub fn committed(&self) -> Seq {
        low(self.control.revision())
    }

    /// Returns the same, all of it.
    pub fn revision(&self) -> u64 {
        self.control.revision()
    }

    /// Returns the number the next commit gets, and notes that it has begun: that of its transaction in the log, if
    /// it can be.
    pub fn next(&mut self, sequence: Option<u64>) -> u64 {
        self.revision = (self.revision + 1).max(sequence.unwrap_or(0));
        self.control.set_begun(low(self.revision));
        self.revision
    }

    /// Makes the commit that was begun visible to new snapshots.
    pub fn commit(&self) {
        self.control.set_committed(self.revision);
    }

    /// Notes that the maps show everything up to a transaction of the log, and wakes those who wait for it.
    pub fn announce(&self, sequence: u64) {
        self.control.set_logged(low(sequence), &self.lock.file);
    }
}
