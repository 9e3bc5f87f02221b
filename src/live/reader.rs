//! The maps of an open store: where they are, which are open, and whether they show the present texts.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::{Inner, MapHome};
use crate::commit::core::Core;
use crate::commit::last_good::{self};
use crate::commit::note_edits::{self};
use crate::commit::{columns, mark, open_session, settle, upkeep};
use crate::error::{Code, Error, Result};
use crate::live::snapshot::check_package;
use crate::log::Digest;
use crate::map::{Control, Entry, Map, MapDirectory, Table};
use crate::settings::durability::Durability;

/// How often to retry opening a package if the directory of the maps is replaced meanwhile.
const TRIES: u32 = 100;

/// Decides where the maps of a store are, and creates an empty table for them.
pub(super) fn choose(core: &Core, own_revision: u64) -> (MapHome, Table) {
    let (dirs, files) = (core.dirs(), &core.options.files);
    let sharing = !core.options.private_maps;
    let system =
        MapDirectory::find_system(dirs, files).filter(|system| sharing && system.control().is_some());
    let own = || {
        let shared = MapDirectory::find(dirs, files, true)?;
        // Only the control file has to be created here.
        drop(shared.begin(std::time::Instant::now() + core.settings.get().lock_timeout).ok()?);
        Some(shared)
    };
    let (shared, ours) = match (system, rustix::process::geteuid().is_root()) {
        (Some(system), false) => (Some(system), false),
        _ => (sharing.then(own).flatten(), true),
    };
    let control: Option<Control> = shared.as_ref().and_then(MapDirectory::control);
    let shared = shared.filter(|_| control.is_some());
    if let (Some(shared), Some(control), true) = (&shared, &control, ours) {
        upkeep::catch_up(core, shared, control.shown().1);
    }
    let seed = control
        .as_ref()
        .map_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0), Control::seed);
    let mut table = Table::new(seed, control.map(Arc::new), own_revision);
    table.private_revision = log_end(core);
    (MapHome { shared, ours }, table)
}

/// Returns the last transaction whose text is certainly in place, for private maps.
fn log_end(core: &Core) -> Option<u64> {
    core.logs.current().and_then(|log| log.reader(None).ok()).map(|reader| reader.sequence())
}

/// The state of an open package after a refresh.
enum Refreshed {
    /// Its map is up to date.
    Current,
    Gone,
    /// A new map replaces the old one.
    Made(Map),
}

impl Inner {
    fn change(&self) -> MutexGuard<'_, MapHome> {
        // The table is replaced as a whole, so it is valid after a panic.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the directory of the shared maps; `None` if the maps are private.
    pub fn shared(&self) -> Option<MapDirectory> {
        self.change().shared.clone()
    }

    /// Returns the map of a package, opening it if it is not open or was replaced. `Ok(None)` means that the
    /// package does not exist.
    pub fn map(&self, package: &[u8]) -> Result<Option<Arc<Map>>> {
        let open = |table: &Table| {
            let entry = table.get(package).filter(|entry| !entry.map.is_retired());
            entry.map(|entry| entry.map.clone())
        };
        if let Some(map) = self.table.read(open) {
            return Ok(Some(map));
        }
        check_package(package)?;
        // Opening may wait for files, so hold no lock meanwhile that a verifier may need to answer.
        for _ in 0..TRIES {
            self.follow_directory();
            let home = self.change().clone();
            let Some(map) = self.open_map(&home, package)? else { return Ok(None) };
            let _changing = self.change();
            let table = self.table.get();
            // Another thread may have opened it first, or the maps may have moved.
            if let Some(map) = open(&table) {
                return Ok(Some(map));
            }
            if map.seed() != table.seed {
                continue;
            }
            let entry = Entry { name: crate::error::shown::name(package).into(), map: Arc::new(map) };
            let map = entry.map.clone();
            if let Err(entry) = table.add(entry) {
                self.table.replace(Arc::new(table.with(&[entry], &[], table.own_revision)));
            }
            return Ok(Some(map));
        }
        let why = "the run directory keeps changing".to_owned();
        Err(Error::Conflict { key: crate::error::shown::name(package), why })
    }

    /// Returns the digest of the text that the map of a package shows, if commits are published to the map. The
    /// package has to be open, unless its text may be deferred.
    pub fn shown(&self, package: &[u8]) -> Option<Digest> {
        let name = crate::error::shown::name(package);
        if self.engine.core.settings.get().durability_of(&name) != Durability::Log
            && !self.table.read(|table| table.get(package).is_some())
        {
            return None;
        }
        // Retry: a map may be replaced by a larger one meanwhile.
        for _ in 0..10 {
            let map = self.map(package).ok().flatten().filter(|map| map.usage().shared)?;
            if let Some(source) = map.source().filter(|_| !map.is_retired()) {
                let (hash, len) = source.shown;
                return Some(Digest { hash, len });
            }
        }
        None
    }

    /// Reports whether a package is open with a private map, which commits are not published to.
    pub fn is_private(&self, package: &[u8]) -> bool {
        self.table.read(|table| table.get(package).is_some_and(|entry| !entry.map.usage().shared))
    }

    /// Reports whether the run directory was deleted, or it or the configuration directory was replaced.
    fn is_elsewhere(&self, home: &MapHome) -> bool {
        let table = self.table.get();
        match (&home.shared, &table.control) {
            (Some(shared), Some(control)) => {
                !shared.is_current(control) || !shared.is_of(self.engine.core.dirs())
            }
            _ => false,
        }
    }

    /// Replaces the table by an empty one if the maps have moved. Returns whether they have.
    fn follow_directory(&self) -> bool {
        if !self.is_elsewhere(&self.change().clone()) {
            return false;
        }
        open_session::follow_config(&self.engine.core);
        let (chosen, mut table_now) = choose(&self.engine.core, 0);
        let mut home = self.change();
        // Another thread may have done this already.
        if !self.is_elsewhere(&home) {
            return true;
        }
        // Without a log, continue the revisions, so that no two states have the same revision.
        if self.engine.core.logs.current().is_none() {
            let now = table_now.revision();
            table_now.own_revision = (self.table.get().revision() + 1).saturating_sub(now);
        }
        *home = chosen;
        self.replace_maps(table_now);
        true
    }

    /// Replaces the table by one with other maps.
    fn replace_maps(&self, table: Table) {
        // Odd while a reader cannot know from which of the two tables a map is. SeqCst: the additions and the
        // replacement have one order, so a reader of the new table does not see the old generation.
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.table.replace(Arc::new(table));
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Opens the map of a package, or creates one.
    fn open_map(&self, home: &MapHome, package: &[u8]) -> Result<Option<Map>> {
        let found = match self.engine.core.packages.find(package) {
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            found => found?,
        };
        if found.is_logged()
            && let Some(shared) = &home.shared
        {
            if !mark::is_published_here(&self.engine.core, &found) {
                settle::await_text(&self.engine.core, &found.path)?;
            }
            // A verifier takes no lock: the commit that holds it waits for the verifier.
            let may_share = home.ours && crate::os::caller::check_may_commit().is_ok();
            if let Some(map) = self.fresh(shared, &found)?
                && (!may_share || columns::are_in(&self.engine.core, &found.name, &map))
            {
                return Ok(Some(map));
            }
            let seed = self.table.read(|table| table.seed);
            match may_share.then(|| upkeep::share(&self.engine.core, shared, &found)) {
                Some(Ok(Some(map))) if map.seed() == seed => return Ok(Some(map)),
                Some(Err(error @ (Error::Parse(_) | Error::Full { .. } | Error::Invalid { .. }))) => {
                    return Err(error);
                }
                // Use a private map.
                _ => {}
            }
        }
        let (seed, base) = self.table.read(|table| (table.seed, table.seq()));
        upkeep::private_map(&self.engine.core, &found, seed, base).map(Some)
    }

    /// Opens the shared map of a package if it shows the present text.
    fn fresh(&self, shared: &MapDirectory, place: &crate::commit::place::Place) -> Result<Option<Map>> {
        let text = std::fs::metadata(&place.path).map_err(Error::io("read", &place.path))?;
        let seed = self.table.read(|table| table.seed);
        let Ok(Some(map)) = shared.open(&place.name, false) else { return Ok(None) };
        let revision = self.table.read(Table::seq);
        if map.seed() == seed && map.base().is_after(revision) {
            // Its commit is in progress, or the writer has died: then `begin` repairs the maps.
            let _ = shared.begin(self.deadline());
        }
        let usable = map.seed() == seed && !map.is_retired() && self.is_up_to(&map, place, &text)?;
        Ok((usable && self.is_sound(shared, &map)).then_some(map))
    }

    fn deadline(&self) -> std::time::Instant {
        std::time::Instant::now() + self.engine.core.patience()
    }

    /// Reports whether a map passes a quick check. It may fail while a writer publishes to the map; then it is
    /// repeated under the lock of writers.
    fn is_sound(&self, shared: &MapDirectory, map: &Map) -> bool {
        map.is_sound() || {
            let quiet = shared.begin(self.deadline());
            quiet.is_err() || map.is_sound()
        }
    }

    /// Reports whether a map shows the present text of its package.
    fn is_up_to(
        &self,
        map: &Map,
        place: &crate::commit::place::Place,
        text: &std::fs::Metadata,
    ) -> Result<bool> {
        let Some((source, at)) = map.source_and_place().filter(|(source, _)| source.is(text)) else {
            return Ok(false);
        };
        if source.is_settled() || map.is_proven(at) {
            return Ok(true);
        }
        let is_late = source.is_settled_now();
        // The file may have been written twice within one tick of the clock, so compare the content.
        let (text, _) = self.engine.core.packages.read_shared(place)?;
        let is_same = (source.hash, source.len) == (crate::model::digest::of_text(&text), text.len() as u64);
        if is_same && is_late {
            map.prove(at);
        }
        Ok(is_same)
    }

    pub(super) fn refresh(&self) -> Result<bool> {
        self.note_edits();
        let mut changed = self.follow_directory();
        let home = self.change().clone();
        let table = self.table.get();
        // Read the end of the log first: the refresh may miss later records.
        let logged = table.control.is_none().then(|| log_end(&self.engine.core)).flatten();
        let (mut added, mut gone) = (Vec::new(), Vec::new());
        let mut failed = Ok(());
        for entry in table.entries() {
            match self.refreshed(&home, entry) {
                Ok(Refreshed::Current) => {}
                Ok(Refreshed::Made(map)) => {
                    added.push(Entry { name: entry.name.clone(), map: Arc::new(map) });
                }
                Ok(Refreshed::Gone) => gone.push(entry.name.clone()),
                Err(error) => failed = Err(error),
            }
        }
        if let Some(problem) = table.entries().find_map(|entry| self.problem(entry)) {
            failed = failed.and(Err(problem));
        }
        let _changing = self.change();
        let before = table;
        let table = self.table.get();
        // Keep a map that another thread has replaced meanwhile, since it is newer; drop all of these if the
        // directory of the maps was replaced.
        let still = |name: &str| match (before.get(name.as_bytes()), table.get(name.as_bytes())) {
            (Some(before), Some(now)) => Arc::ptr_eq(&before.map, &now.map),
            _ => false,
        };
        added.retain(|entry: &Entry| still(&entry.name) && entry.map.seed() == table.seed);
        gone.retain(|name| still(name));
        if !added.is_empty() || !gone.is_empty() || logged != table.private_revision {
            changed |= !added.is_empty() || !gone.is_empty();
            let own = table.own_revision
                + u64::from(added.iter().any(|e| !e.map.usage().shared) || !gone.is_empty());
            let mut next = table.with(&added, &gone, own);
            next.private_revision = logged;
            self.replace_maps(next);
        }
        failed.map(|()| changed)
    }

    /// Notes edits of the open packages in the log, so that their new state has a revision, and updates the maps.
    /// Does nothing if the log cannot be written.
    fn note_edits(&self) {
        let Some(shared) = self.shared().filter(|_| self.engine.core.logs.current().is_some()) else {
            return;
        };
        let table = self.table.get();
        if let Some(control) = table.control.as_ref().filter(|_| self.change().ours) {
            upkeep::catch_up(&self.engine.core, &shared, control.shown().1);
        }
        let is_edited =
            |entry: &&Entry| match self.engine.core.packages.find_with_attributes(entry.name.as_bytes()) {
                Ok((found, text)) => !self.is_up_to(&entry.map, &found, &text).unwrap_or(true),
                Err(error) => error.code() == Code::NotFound,
            };
        let edited: Vec<String> = table.entries().filter(is_edited).map(|e| e.name.to_string()).collect();
        if !edited.is_empty() {
            let _ = note_edits::note_edits_of(&self.engine.core, &edited);
        }
    }

    /// Checks that a map shows the present text of its package, and creates another one if it does not.
    fn refreshed(&self, home: &MapHome, entry: &Entry) -> Result<Refreshed> {
        let (found, text) = match self.engine.core.packages.find_with_attributes(entry.name.as_bytes()) {
            Err(error) if error.code() == Code::NotFound => return Ok(Refreshed::Gone),
            found => found?,
        };
        let is_indexed = || !home.ours || columns::are_in(&self.engine.core, &found.name, &entry.map);
        if !entry.map.is_retired() && self.is_up_to(&entry.map, &found, &text)? && is_indexed() {
            return Ok(Refreshed::Current);
        }
        let made = self.open_map(home, entry.name.as_bytes())?;
        Ok(made.map_or(Refreshed::Gone, Refreshed::Made))
    }

    /// Returns the error in the text of a package if its map shows an earlier state because of it.
    pub(super) fn problem(&self, entry: &Entry) -> Option<Error> {
        let source = entry.map.source()?;
        let is_another = source.shown != (source.hash, source.len);
        let place = self.engine.core.packages.in_config(&entry.name);
        if is_another && !mark::is_behind_log(&place) {
            last_good::problem_of(&self.engine.core, &place)
        } else {
            None
        }
    }
}
