//! Commits what is staged: takes delta files into a transaction, and cuts them once it is made. Changes that were
//! gathered elsewhere can be part of the same transaction.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::engine::{Engine, Place, staged_lines};
use crate::commit::log_session::{Ledger, Why};
use crate::commit::plan::{Change, Known};
use crate::commit::write::{Form, Outcome, Part, attempt};
use crate::error::{Error, Result};
use crate::format::uci::Dialect;
use crate::format::uci::delta_line::read_lines;
use crate::log::Digest;
use crate::model::change::Delta;
use crate::model::package::Package;
use crate::model::package::replay::Replay;
use crate::os::folder::Folder;
use crate::os::trust::Config;
use crate::staging::delta_file::{Locked, Staging};

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Changes that are in the file now.
    pub applied: usize,
    /// Changes that could not be applied and stay staged.
    pub failed: usize,
    /// Whether the file was written.
    pub written: bool,
    /// The revision it was written at, where there is a log or there are maps.
    pub revision: Option<u64>,
}

/// How changes are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitOptions {
    /// How the packages are written.
    pub form: Form,
    /// Have it taken back unless it is confirmed within this time: see [`Engine::confirm`].
    pub confirm: Option<Duration>,
    /// Commit what is staged even if others have changed the same keys since it was staged.
    pub force: bool,
}

/// Changes to a package that are not staged.
#[derive(Debug)]
pub struct Unstaged {
    /// The package.
    pub place: Place,
    /// As it was before them, what was staged included.
    pub before: Package,
    /// The changes, in order.
    pub deltas: Vec<Delta>,
}

/// A delta file that goes into a commit, and what stays in it.
struct Staged<'p> {
    place: &'p Place,
    locked: Locked,
    kept: Vec<u8>,
}

/// A package's part in a commit, if there is one, with its delta file if there is one.
type StagedPart<'p> = (Option<Part<'p>>, Option<Staged<'p>>);

impl Engine {
    /// Commits the staged changes of a package.
    ///
    /// # Errors
    ///
    /// [`Error::Parse`] if the package's text has errors; [`Error::Locked`] if another writer does not
    /// finish in time; [`Error::Conflict`] if the file keeps changing; [`Error::Io`] if a system call
    /// fails. The file and the staged changes are as before then. [`Error::NotDurable`] if the new file is
    /// in place but could not be synced; [`Error::Unfinished`] if the change is made, but not in the file yet.
    pub fn commit(&self, place: &Place, form: Form) -> Result<Committed> {
        let outcomes = self.commit_together(std::slice::from_ref(place), form, None)?;
        Ok(outcomes.first().copied().unwrap_or_default())
    }

    /// Commits the staged changes of several packages as one transaction. With `confirm` it is taken back unless
    /// it is confirmed within that time: see [`Engine::confirm`].
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`], for the first package that fails; none is changed then. [`Error::Conflict`] also if
    /// others have changed a key since it was staged, and it is neither as it was then nor as it is to be.
    pub fn commit_together(
        &self,
        places: &[Place],
        form: Form,
        confirm: Option<Duration>,
    ) -> Result<Vec<Committed>> {
        self.commit_with(places, Vec::new(), form, confirm)
    }

    /// As [`Engine::commit_together`], with changes that were not staged. In a package that is one of `places` they come
    /// behind what is staged for it; of any other package, what is staged stays staged. Returns what became of each of
    /// `places`, then of each package that only `unstaged` names.
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit_together`]; [`Error::Conflict`] if a key that was changed is not as it was before, and
    /// whatever a change is refused with. Nothing is changed then.
    pub fn commit_with(
        &self,
        places: &[Place],
        unstaged: Vec<Unstaged>,
        form: Form,
        confirm: Option<Duration>,
    ) -> Result<Vec<Committed>> {
        self.commit_as(places, unstaged, &CommitOptions { form, confirm, force: false })
    }

    /// As [`Engine::commit_with`], with all that can be said of a commit.
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit_with`].
    pub fn commit_as(
        &self,
        places: &[Place],
        unstaged: Vec<Unstaged>,
        options: &CommitOptions,
    ) -> Result<Vec<Committed>> {
        let why = Why { confirm: options.confirm, ..Why::COMMIT };
        let change = |Unstaged { place, before, deltas }| {
            let digest = Digest::of(before.source());
            let known = Arc::new(Known { package: before, digest });
            Change { place, deltas, known, edited: None, reads: BTreeSet::new(), force: false }
        };
        let mut unstaged: Vec<Change> = unstaged.into_iter().map(change).collect();
        let mut all = places.to_vec();
        for change in &unstaged {
            if all.iter().all(|place| place.path != change.place.path) {
                all.push(change.place.clone());
            }
        }
        self.check_may_write()?;
        let mut order: Vec<&Place> = all.iter().collect();
        order.sort_by(|a, b| a.path.cmp(&b.path));
        order.dedup_by(|a, b| a.path == b.path);
        let takes = |place: &Place| places.iter().any(|named| named.path == place.path);
        let done = self.with_ledger(Self::ledger_within, |ledger| {
            let Some(first) = order.first() else { return Ok(Vec::new()) };
            let _locks = ledger.lock_all(order.iter().map(|place| &*place.path))?;
            attempt(ledger, first, |ledger| {
                self.try_commit(ledger, &order, &takes, &mut unstaged, options, &why)
            })
        })?;
        let outcome = |place: &Place| {
            let found = order.iter().zip(&done).find(|(done, _)| done.path == place.path);
            found.map(|(_, outcome)| *outcome).unwrap_or_default()
        };
        Ok(all.iter().map(outcome).collect())
    }

    fn try_commit(
        &self,
        ledger: &mut Ledger<'_>,
        places: &[&Place],
        takes_staged: &dyn Fn(&Place) -> bool,
        unstaged: &mut Vec<Change>,
        options: &CommitOptions,
        why: &Why,
    ) -> Result<Option<Vec<Committed>>> {
        let (mut outcomes, mut parts, mut staged) = (Vec::new(), Vec::new(), Vec::new());
        // What was staged and is so already.
        let mut done = Vec::new();
        for place in places {
            let change = unstaged.iter().find(|change| change.place.path == place.path);
            let takes_staged = takes_staged(place);
            let part = self.staged_part(ledger, place, takes_staged, change, options)?;
            let Some((outcome, (part, file))) = part else { return Ok(None) };
            outcomes.push(outcome);
            match part {
                Some(part) => {
                    parts.push(part);
                    staged.push(file);
                }
                None => done.extend(file),
            }
        }
        if parts.is_empty() {
            self.drop_done(&done)?;
            return ledger.settled().map(|()| Some(outcomes));
        }
        if self.gate.is_guarded(self) && !self.verify_staged(&parts, &staged, why)? {
            return Ok(None);
        }
        self.write_journals(&parts, &staged)?;
        match self.put_verified(ledger, parts, why) {
            Ok(Outcome::Done(revision)) => {
                staged.iter().flatten().try_for_each(|file| self.finish_staged(file))?;
                self.drop_done(&done)?;
                let written = outcomes.iter_mut().filter(|outcome| outcome.written);
                written.for_each(|outcome| outcome.revision = revision);
                Ok(Some(outcomes))
            }
            // Those that are in place know it by their journals; see `Staging::lock`.
            Ok(Outcome::Again(again)) => {
                let is_again = |place: &Place| again.iter().any(|again| again.path == place.path);
                for file in staged.iter().flatten() {
                    if is_again(file.place) {
                        self.save_staging(file.place).remove_journal()?;
                    } else {
                        self.finish_staged(file)?;
                    }
                }
                unstaged.retain(|change| is_again(&change.place));
                Ok(None)
            }
            // The journals lead whoever recovers from this.
            Err(error @ Error::Unfinished { .. }) => Err(error),
            Err(error @ Error::NotDurable { .. }) => {
                staged.iter().flatten().for_each(|file| drop(self.finish_staged(file)));
                Err(error)
            }
            Err(error) => {
                let _ = self.remove_journals(&staged);
                Err(error)
            }
        }
    }

    /// Has a commit verified, by those who may want to read what is staged. Returns whether that is as it was.
    fn verify_staged(&self, parts: &[Part<'_>], staged: &[Option<Staged<'_>>], why: &Why) -> Result<bool> {
        let files = || staged.iter().flatten();
        files().try_for_each(|file| self.save_staging(file.place).let_read(&file.locked))?;
        self.gate.ask(self, parts, why)?;
        let again = |file: &Staged<'_>| self.save_staging(file.place).lock_again(&file.locked);
        let same: Result<Vec<bool>> = files().map(again).collect();
        Ok(same?.into_iter().all(|same| same))
    }

    fn save_staging<'s>(&'s self, place: &'s Place) -> Staging<'s> {
        self.staging(place, &self.dirs().save.path)
    }

    /// Takes what is so already out of the delta files.
    fn drop_done(&self, done: &[Staged<'_>]) -> Result<()> {
        done.iter().try_for_each(|file| self.save_staging(file.place).rewrite(&file.locked, &file.kept))
    }

    /// Writes the journals of the delta files that go into a commit: all of them, or none.
    fn write_journals(&self, parts: &[Part<'_>], staged: &[Option<Staged<'_>>]) -> Result<()> {
        for (part, Staged { place, locked, kept }) in
            parts.iter().zip(staged).filter_map(|(part, file)| Some((part, file.as_ref()?)))
        {
            let written = self.save_staging(place).write_journal(
                locked,
                (part.draft.old(), &part.draft.new),
                &part.text,
                kept,
            );
            if let Err(error) = written {
                let _ = self.remove_journals(staged);
                return Err(error);
            }
        }
        Ok(())
    }

    fn remove_journals(&self, staged: &[Option<Staged<'_>>]) -> Result<()> {
        staged.iter().flatten().try_for_each(|file| self.save_staging(file.place).remove_journal())
    }

    /// Applies what is staged for a package, if it is to go along, and what is changed besides. Returns what comes of
    /// it, and its part of a commit; `None` if someone was writing to the package.
    fn staged_part<'p>(
        &self,
        ledger: &mut Ledger<'_>,
        place: &'p Place,
        takes_staged: bool,
        unstaged: Option<&Change>,
        options: &CommitOptions,
    ) -> Result<Option<(Committed, StagedPart<'p>)>> {
        // What was there when a change was made is not created anew.
        let creates = unstaged.is_none_or(|change| change.known.text().is_empty());
        // Where nothing is staged, a package that cannot be read is an error all the same.
        let Some((reading, old)) = self.read_to_write(ledger, place, creates)? else { return Ok(None) };
        let staging = self.save_staging(place);
        let locked = if takes_staged { staging.lock()? } else { None };
        let others = if takes_staged { self.staged_elsewhere(place)? } else { Vec::new() };
        if locked.is_none() && unstaged.is_none() && others.is_empty() {
            return Ok(Some((Committed::default(), (None, None))));
        }
        // With the delta file locked, its journal was seen to already.
        match &locked {
            Some(_) => {}
            None => self.tidy_up([place])?,
        }
        let mut package = old.package.clone();
        let mut replay = Replay::new(self.options.dialect);
        let applied = others.iter().filter(|delta| replay.apply(&mut package, delta).is_ok()).count();
        let (mut outcome, mut kept) = match &locked {
            Some(locked) => apply_lines(locked, place, &mut package, &mut replay),
            None => (Committed::default(), Vec::new()),
        };
        outcome.applied += applied;
        let checks = !options.force && self.options.dialect == Dialect::Cms;
        if let Some(locked) = locked.as_ref().filter(|_| checks) {
            let both = (&*locked.text, &*staging.base_text()?);
            self.check_bases(Some(ledger), place, both, &old.package, &package)?;
        }
        if let Some(change) = unstaged {
            let now = Known { package, digest: old.digest };
            self.check_conflicts(&now, change)?;
            package = now.package;
            change.deltas.iter().try_for_each(|delta| replay.apply(&mut package, delta))?;
            outcome.applied += change.deltas.len();
        }
        if outcome.applied == 0 {
            return Ok(Some((outcome, (None, None))));
        }
        if self.options.dialect == Dialect::Uci && !kept.is_empty() {
            self.keep_rejected(place, &kept);
            kept.clear();
        }
        let (text, step) = self.write(options.form, &old, &package)?;
        self.check_limit(&place.name, &package, &text)?;
        outcome.written = options.form != Form::Lossless || text != *old.text();
        let file = locked.map(|locked| Staged { place, locked, kept });
        if !outcome.written {
            return Ok(Some((outcome, (None, file))));
        }
        let before = reading.as_ref().map(|_| old.text().clone());
        let step = step.filter(|_| before.is_some());
        let draft = self.draft(&place.path, &text, reading.map(|reading| reading.old))?;
        let part = Part { place, before, step, text, draft };
        Ok(Some((outcome, (Some(part), file))))
    }

    /// Returns what is staged for a package in the other directories of the search path. Stock uci commits it, before
    /// what is staged in the save directory, and leaves it there; `cms` does not, since it is volatile state.
    fn staged_elsewhere(&self, place: &Place) -> Result<Vec<Delta>> {
        if self.options.dialect != Dialect::Uci || !place.staged {
            return Ok(Vec::new());
        }
        let mut staged = Vec::new();
        for dir in &self.dirs().overlays {
            staged.extend(staged_lines(&self.staging(place, dir))?);
        }
        Ok(staged)
    }

    /// Takes the changes that are in the package file now out of the delta file. If that fails, the journal
    /// stays, and whoever comes next does it.
    fn finish_staged(&self, Staged { place, locked, kept }: &Staged<'_>) -> Result<()> {
        let staging = self.save_staging(place);
        staging.rewrite_committed(locked, kept)?;
        staging.remove_journal()
    }

    /// Keeps what stock uci drops, for a person to look at: `rejected/PACKAGE` in the run directory.
    fn keep_rejected(&self, place: &Place, lines: &[u8]) {
        let Some(run) = &self.dirs().run else { return };
        let keep = || -> std::io::Result<()> {
            let config = Config::of(&std::fs::metadata(&self.dirs().config.path)?);
            let run = Folder::of_run(&self.options.files, &run.path, [], config, true)?;
            let folder = run.make_sub(&self.options.files, OsStr::new("rejected"), 0o700)?;
            if !config.trusts(folder.owner()) {
                return Err(folder.refusal());
            }
            let path = folder.path().join(&place.name);
            let files = self.options.files.through(folder);
            let open = files.open_or_create(&path, 0o600)?;
            std::io::Seek::seek(&mut &open.file, std::io::SeekFrom::End(0))?;
            files.write(&open, lines)
        };
        // Stock uci keeps nothing of them.
        let _ = keep();
    }
}

/// Applies the staged lines to a package, and returns those that are to stay staged: the lines that cannot
/// be applied, and those of other packages.
fn apply_lines(
    locked: &Locked,
    place: &Place,
    package: &mut Package,
    replay: &mut Replay,
) -> (Committed, Vec<u8>) {
    let mut outcome = Committed::default();
    let mut kept = Vec::new();
    for line in read_lines(&locked.text) {
        let stays = match &line.delta {
            Some((of, delta)) if of == place.name.as_bytes() => {
                let failed = replay.apply(package, delta).is_err();
                outcome.failed += usize::from(failed);
                outcome.applied += usize::from(!failed);
                failed
            }
            Some(_) => true,
            None => false,
        };
        if stays {
            kept.extend_from_slice(&locked.text[line.range]);
        }
    }
    (outcome, kept)
}
