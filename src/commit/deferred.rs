//! Commits whose texts are put in place later: [`Durability::Log`].
//!
//! The record in the log is durable, and the maps show it; that makes the commit. The file of the package stays as it
//! was, and the store keeps what it is to hold. It is put there by recovery, as after a crash (see `ledger`): after
//! a while by this store, or before that by whoever takes the log's lock for anything else, in any process. So
//! nobody who goes by the text finds one that is older than the log, but for those who only look at the file. Whoever
//! commits in the same way goes on from what the log says instead.
//!
//! Someone may save the file meanwhile, with an editor or with a program that knows nothing of logs. Recovery then
//! brings both together (see `reconcile`).

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::commit::draft::Reading;
use crate::commit::engine::{Engine, Place};
use crate::commit::group::{Joint, Request, transactions};
use crate::commit::log_session::Ledger;
use crate::commit::marks::Mark;
use crate::commit::parked::is_mounted_on;
use crate::commit::plan::Known;
use crate::commit::publish::{Edit, State};
use crate::error::{Error, Result};
use crate::log::{self, Behind, Digest, Log, Record};
use crate::map::Source;
use crate::model::digest::of_text;
use crate::settings::durability::Durability;

/// The packages whose texts are not in place. It changes only while the log's lock is held.
#[derive(Debug, Default)]
pub(crate) struct Deferred(Mutex<HashMap<PathBuf, Late>>);

/// A package whose text is not in place, or was put there just now.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    /// The file that is in place, and the text it holds.
    file: Metadata,
    in_place: Source,
    /// That text.
    base: Arc<Vec<u8>>,
    /// What it is to hold.
    now: Arc<Known>,
    /// The log that it is behind: see [`Log::id`].
    log: String,
}

impl Deferred {
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Late>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all: the texts are in place.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn all(&self) -> Vec<(PathBuf, Late)> {
        self.lock().iter().map(|(path, late)| (path.clone(), late.clone())).collect()
    }

    fn get(&self, path: &Path) -> Option<Late> {
        self.lock().get(path).cloned()
    }
}

impl Engine {
    /// Forgets what was to be put in place: it is there.
    pub(crate) fn forget_deferred(&self) {
        self.deferred.clear();
        self.log().into_iter().for_each(Log::forget_left);
    }

    /// Reports whether there are texts that this store is to put in place later.
    pub(crate) fn is_behind(&self) -> bool {
        !self.deferred.lock().is_empty()
    }

    /// Reports whether this store is to put the text of a package in place later.
    pub(crate) fn is_left_behind(&self, path: &Path) -> bool {
        self.deferred.get(path).is_some()
    }

    /// Puts the texts in place that are behind the log.
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`]. The transactions are made nevertheless, and their texts follow later.
    pub fn flush(&self) -> Result<()> {
        if !self.is_behind() {
            return Ok(());
        }
        if self.deferred.all().iter().any(|(path, _)| self.is_log_lost(path))
            && self.log().is_some_and(Log::leave_replaced)
        {
            // A program that has the lock of the log that is there now waits for this.
            self.retry(|_| self.save_unlogged(self.log().and_then(Log::id).as_deref(), &[]))?;
        }
        self.ledger().map(|_| ())
    }

    /// Puts the texts in place that this store is to put there and that are behind the log of a mark, if the directory of
    /// that log was replaced. As long as a lock is taken, nothing is done.
    pub(crate) fn save_replaced(&self, mark: &Mark) -> Result<()> {
        let is_ours = self.deferred.all().iter().any(|(_, late)| late.log == mark.id);
        let id = self.log().filter(|_| is_ours).and_then(Log::id);
        if !is_ours || id.as_ref() == Some(&mark.id) || !self.log().is_some_and(Log::leave_replaced) {
            return Ok(());
        }
        match self.save_unlogged(id.as_deref(), &[]) {
            Ok(_) | Err(Error::Locked { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns what is known of a package if its file is the one that was read.
    fn still(&self, place: &Place, late: Late) -> Result<Option<Late>> {
        let found = std::fs::metadata(&place.path).map_err(Error::io("read", &place.path))?;
        if !late.in_place.is(&found) {
            return Ok(None);
        }
        if late.in_place.is_settled() {
            return Ok(Some(late));
        }
        // It may have been written again within the same tick of the clock.
        let (text, file) = self.read_settled(place)?;
        let in_place = Source::of(&file, &text, of_text(&text));
        let same = (in_place.hash, in_place.len) == (late.in_place.hash, late.in_place.len);
        Ok(same.then_some(Late { file, in_place, ..late }))
    }

    /// Puts the texts in place that were to follow later and that the log knows nothing of: its directory was replaced.
    /// They are noted there as changes by hand are. `logged` are packages of which it does know, `id` is its name.
    /// Returns whether there were any.
    pub(crate) fn save_unlogged(&self, id: Option<&str>, logged: &[&str]) -> Result<bool> {
        let all = self.deferred.all();
        if all.is_empty() {
            return Ok(false);
        }
        let mut saved = false;
        let left = self.log().map(Log::left).unwrap_or_default();
        for (path, late) in all {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if logged.contains(&&*name) && id == Some(&*late.log) {
                continue;
            }
            let place = Place { path, ..self.config_place(&name) };
            let _lock = self.try_lock(&place.path)?;
            let old = self.old_file(&place.path);
            let mark = self.mark_of(&place.path, &late.log);
            let is_lost = mark.is_some() && id != Some(&*late.log);
            let Some(text) = self.text_of_late(&place, &late, is_lost, &left)? else {
                if is_lost {
                    self.remove_marks(mark.as_slice());
                }
                continue;
            };
            let mut draft = self.draft(&place.path, &text, Some(old?))?;
            // Somebody has put another file there just now: the text is brought together with that one.
            if !self.put(&mut draft)? {
                return Err(crate::os::patience::taken(&place.path));
            }
            self.settle(&place.path, &draft)?;
            if self.update_displaced(&draft, &text) {
                self.await_stock(&mut draft);
            }
            self.remove_marks(mark.as_slice());
            self.deferred.lock().remove(&place.path);
            saved = true;
        }
        Ok(saved)
    }

    /// Makes the text that a package is to have which was to follow later; `None` if it is in place. `is_lost` says that
    /// the mark of a replaced log stands beside the package: as long as it does, no program goes on from the file, so the
    /// file holds an earlier text of that log, or an edit by a program that knows nothing of marks.
    fn text_of_late(
        &self,
        place: &Place,
        late: &Late,
        is_lost: bool,
        left: &[Record],
    ) -> Result<Option<Vec<u8>>> {
        let ours = last_text(&place.name, late.now.text(), left);
        let is_same = match self.still(place, late.clone()) {
            Err(error @ Error::Locked { .. }) => return Err(error),
            still => still.ok().flatten().is_some(),
        };
        if is_same {
            return Ok(Some(ours).filter(|ours| *ours != *late.base));
        }
        if !is_lost {
            // Another program has put it in place.
            return Ok(None);
        }
        let present = match std::fs::read(&place.path) {
            Ok(present) => present,
            // It was removed by hand, which holds.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &place.path)(error)),
        };
        let (digest, mut ends) =
            (Digest::of(&present), left.iter().filter_map(|record| record.package(&place.name)));
        if present == ours || ends.next_back().is_some_and(|last| last.after == digest) {
            return Ok(None);
        }
        let theirs = last_text(&place.name, &present, left);
        if theirs != present {
            return Ok(Some(theirs));
        }
        let both = crate::commit::merge::reconcile(&place.name, &late.base, &ours, &present);
        Ok(Some(both).filter(|both| *both != present))
    }

    /// Commits transactions and leaves their texts for later. Returns whether that could be done; if not, nothing has
    /// happened.
    pub(crate) fn commit_later(&self, ledger: &mut Ledger<'_>, requests: &[Arc<Request>]) -> Result<bool> {
        let changes = || requests.iter().flat_map(|request| &request.changes);
        let settings = self.settings();
        let can_wait =
            |place: &Place| self.is_logged(place) && settings.durability_of(&place.name) != Durability::Full;
        // Who verifies a transaction has time to write its text as well.
        let confirmed = requests.iter().any(|request| request.why.confirm.is_some());
        let some_log = changes().any(|change| settings.durability_of(&change.place.name) == Durability::Log);
        if confirmed
            || !some_log
            || !changes().all(|change| can_wait(&change.place))
            || self.options.private_maps
            || self.gate.is_guarded(self)
            || !ledger.is_kept()
            || ledger.behind() == Behind::Now
        {
            return Ok(false);
        }
        let places: BTreeMap<&Path, &Place> =
            changes().map(|change| (&*change.place.path, &change.place)).collect();
        let locks: Result<Vec<_>> = places.keys().map(|path| self.try_lock(path)).collect();
        let locks = locks?;
        let mut joints = BTreeMap::new();
        let mut marks = Marks { store: self, made: Vec::new() };
        for (path, place) in places {
            match self.late(ledger, place, &mut marks) {
                Ok(Some(joint)) => drop(joints.insert(path, joint)),
                Err(error @ Error::Locked { .. }) => return Err(error),
                // It concerns only those who work on this package, who are told when they commit alone.
                Ok(None) | Err(_) => return Ok(false),
            }
        }
        let accepted = self.accept(&mut joints, requests);
        let sequences = ledger.commit_each(&transactions(&accepted))?;
        ledger.ahead();
        let joints: Vec<_> =
            joints.into_values().filter(|joint| !Arc::ptr_eq(&joint.old, &joint.now)).collect();
        marks.keep(&joints);
        self.remember(&joints);
        let mut states: Vec<State<'_>> = Vec::with_capacity(joints.len());
        for Joint { place, file, old, now, touched } in &joints {
            let edit = Edit { old, new: now, touched };
            states.push(State { in_place: Some(file.in_place), ..edit.state(place, file.file.clone()) });
        }
        let last = sequences.iter().flatten().last().copied();
        let shown = self.publish(&states, last.map(|last| ledger.logged(last)));
        drop(locks);
        if shown.is_none() {
            // Nobody can see it but by the texts. If that fails the next one does it: it is made all the same.
            let _ = ledger.recover();
        }
        for ((request, _), sequence) in accepted.iter().zip(&sequences) {
            request.answer(Ok(sequence.or(last)));
        }
        Ok(true)
    }

    /// Finds the state of a package that transactions go on from; `None` if the file has to be written first.
    fn late<'g>(
        &self,
        ledger: &mut Ledger<'_>,
        place: &'g Place,
        marks: &mut Marks<'_>,
    ) -> Result<Option<Joint<'g, Late>>> {
        let newest = ledger.newest(&place.name);
        let behind = newest.filter(|(_, is_behind)| *is_behind).map(|(digest, _)| digest);
        if let Some(late) = self.deferred.get(&place.path)
            && let Some(digest) = behind
            && let Some(late) = self.still(place, late)?
            // Another may have gone on from it.
            && let Some(now) = self.follow(place, &late.now, digest)?
        {
            return Ok(Some(Joint::new(place, now.clone(), Late { now, ..late })));
        }
        // Another log may be ahead of the text, or this one for readers of another run directory.
        let is_ours = if behind.is_some() {
            self.is_published_here(place) && !ledger.is_older_than(place)
        } else {
            ledger.foreign_mark(&place.path).is_none()
        };
        if !is_ours {
            return Ok(None);
        }
        let Some(Reading { text, old }) = self.read_current(&place.path)? else { return Ok(None) };
        // Whether it can be put in place has to be known before it is acknowledged.
        if is_mounted_on(&old.open) || self.is_parked(place) {
            return Ok(None);
        }
        let file = old.open.file.metadata().map_err(Error::io("read", &place.path))?;
        let in_place = Source::of(&file, &text, of_text(&text));
        let (base, now, log) = match behind {
            // Another has left it for later.
            Some(digest) => {
                let (base, mark) = (Arc::new(text.clone()), Mark::of(&place.path));
                match self.made_of(place, text, digest)?.zip(mark) {
                    Some((known, mark)) => (base, known, mark.id),
                    None => return Ok(None),
                }
            }
            None => {
                let known = self.look(ledger, place, text)?;
                // As long as the file is locked: whoever else works on it looks for the mark once it has the lock.
                let Some(id) = marks.make(place, ledger) else { return Ok(None) };
                (known.text().clone(), known, id)
            }
        };
        Ok(Some(Joint::new(place, now.clone(), Late { file, in_place, base, now, log })))
    }

    /// Returns the state that the log's records lead to from another one; `None` if that is none of theirs.
    pub(crate) fn follow(
        &self,
        place: &Place,
        from: &Arc<Known>,
        wanted: Digest,
    ) -> Result<Option<Arc<Known>>> {
        match from.digest == wanted {
            true => Ok(Some(from.clone())),
            false => self.made_of(place, from.text().to_vec(), wanted),
        }
    }

    /// As [`Engine::follow`], from a text.
    pub(crate) fn made_of(&self, place: &Place, text: Vec<u8>, wanted: Digest) -> Result<Option<Arc<Known>>> {
        let Some(log) = self.log() else { return Ok(None) };
        let Some(text) = log.text_from(&place.name, text, wanted)? else { return Ok(None) };
        match self.find_known(place, &text) {
            Some(known) => Ok(Some(known)),
            None => self.learn(place, text).map(Some),
        }
    }

    /// Notes what is to be put in place.
    fn remember(&self, joints: &[Joint<'_, Late>]) {
        let mut packages = self.deferred.lock();
        for joint in joints {
            self.now_known(joint.place, &joint.now);
            let late = Late { now: joint.now.clone(), ..joint.file.clone() };
            packages.insert(joint.place.path.clone(), late);
        }
    }
}

/// Returns the last text that records have made of one.
fn last_text(name: &str, text: &[u8], records: &[Record]) -> Vec<u8> {
    let (mut text, mut digest) = (text.to_vec(), Digest::of(text));
    for change in records.iter().filter_map(|record| record.package(name)) {
        if change.before == Some(digest)
            && let Some(after) = log::apply(&text, &change.hunks)
        {
            (text, digest) = (after, change.after);
        }
    }
    text
}

/// The marks that a commit has made, which go again if it leaves no text behind.
struct Marks<'s> {
    store: &'s Engine,
    made: Vec<(PathBuf, Mark)>,
}

impl Marks<'_> {
    /// Makes the mark of a package; returns the name of the log that it is of.
    fn make(&mut self, place: &Place, ledger: &Ledger<'_>) -> Option<String> {
        let mark = self.store.mark_behind(place, ledger)?;
        let id = mark.id.clone();
        self.made.push((place.path.clone(), mark));
        Some(id)
    }

    /// Keeps the marks of packages that were changed.
    fn keep(&mut self, changed: &[Joint<'_, Late>]) {
        self.made.retain(|(file, _)| !changed.iter().any(|joint| joint.place.path == *file));
    }
}

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        for (_, mark) in self.made.drain(..) {
            self.store.remove_marks(&[mark]);
        }
    }
}
