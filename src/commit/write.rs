//! Puts changes into package files: wholly or not at all.
//!
//! The steps of a commit, each checked:
//! 1. Take the log's lock (see `ledger`), the package's lock, then a lock on the package file itself. The last two are
//!    only tried: if one is taken, the commit releases all, waits for that, and begins again (see `retry`). Stock uci
//!    takes that one as well; since a commit replaces the file, the lock counts only if the file is still the one
//!    at that path.
//! 2. Lock and read the delta file; read the package and apply the changes to it.
//! 3. Write a temporary file beside the package file, sync it (see `replace`).
//! 4. Write the journal of the delta file (see `staging`), so that a crash from here on can be told apart.
//! 5. Append the transaction to the log, and sync that. This is the commit point: from here on it happens, if
//!    need be by recovery. Where there is no log, it is step 6.
//! 6. Swap the two files. If what comes out is not the file that was read, an editor has saved in between: swap
//!    back and start again, so that its changes are merged and not lost.
//! 7. Sync the directory, cut the delta file, remove the journal and the old file.
//! 8. Publish the new state to the map of the package, if there is one (see `sharing`).
//!
//! A failure before the commit point leaves the old file and the staged changes; one after it the new file,
//! complete. Should the files not be to be swapped, the transaction is taken back, in the log as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::commit::draft::{Draft, Present, Reading};
use crate::commit::engine::{Engine, Place};
use crate::commit::log_session::{Entry, Ledger, Why};
use crate::commit::plan::{Change, Known, Step};
use crate::commit::publish::{Edit, Logged, State};
use crate::error::{Error, Result};
use crate::format::uci::{print, render};
use crate::model::package::Package;

/// How often a commit starts again because someone else saved the file, before it gives up.
pub(crate) const ATTEMPTS: u32 = 20;

/// How a package is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Into the text that is there, touching only the lines concerned.
    #[default]
    Lossless,
    /// As stock uci writes it: canonical, without comments.
    Canonical,
    /// Canonical, with the generated names of anonymous sections.
    CanonicalNamed,
}

impl Form {
    /// Returns the text a package is written as.
    ///
    /// # Errors
    ///
    /// As for [`render`], in [`Form::Lossless`].
    pub fn text(self, package: &Package, store: &Engine) -> Result<Vec<u8>> {
        match self {
            Self::Lossless => render(package, &store.parse_options()),
            Self::Canonical => Ok(print(package, false)),
            Self::CanonicalNamed => Ok(print(package, true)),
        }
    }
}

/// One package's part in a commit: what was there, and what is to take its place.
pub(crate) struct Part<'p> {
    pub place: &'p Place,
    pub before: Option<Arc<Vec<u8>>>,
    /// What leads from the one to the other, if it is known.
    pub step: Option<Step>,
    pub text: Arc<Vec<u8>>,
    pub draft: Draft,
}

impl Part<'_> {
    fn entry(&self) -> Entry<'_> {
        Entry {
            place: self.place,
            before: self.before.as_ref(),
            after: &self.text,
            deletes: self.draft.removes(),
            step: self.step.as_ref(),
        }
    }
}

/// What has to be in place of a package for a whole text to take that place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Anything,
    /// There must be no file.
    Nothing,
    Text(Vec<u8>),
}

impl Expected {
    /// Returns what there must be for a package to be as it was.
    pub fn of(text: Option<&[u8]>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(text.to_vec()))
    }

    fn allows(&self, there: Option<&[u8]>) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => there.is_none(),
            Self::Text(text) => there == Some(text),
        }
    }
}

/// A whole text that is to be put in place.
pub(crate) struct Whole {
    pub place: Place,
    /// What is expected to be there.
    pub expected: Expected,
    /// The text that is to be there; without it the package is deleted.
    pub text: Option<Arc<Vec<u8>>>,
}

/// What a change makes of a package.
enum Changed<'p> {
    /// Another program was writing to the package.
    Busy,
    /// The package was only read, or is so already.
    Nothing,
    Part(Box<Part<'p>>),
}

impl<'p> Changed<'p> {
    fn part(self) -> Option<Part<'p>> {
        match self {
            Self::Part(part) => Some(*part),
            Self::Busy | Self::Nothing => None,
        }
    }
}

/// What became of an attempt to put parts in place.
pub(crate) enum Outcome<'p> {
    /// All are in place, as this revision: the transaction's number in the log. Where there is no log it is the round in
    /// which the maps show it, if there are maps.
    Done(Option<u64>),
    /// Someone has saved these files since they were read, and they are as that left them; the others are in
    /// place. Whether those survive a power cut, [`Ledger::settled`] tells.
    Again(Vec<&'p Place>),
}

impl Engine {
    /// Reads a package, changes it and writes it back under one lock, without staging.
    ///
    /// # Errors
    ///
    /// What `edit` returns, and as for [`Engine::commit`]; the file is as before then.
    pub fn update<R>(
        &self,
        place: &Place,
        form: Form,
        mut edit: impl FnMut(&mut Package) -> Result<R>,
    ) -> Result<R> {
        self.check_may_write()?;
        self.with_ledger(Self::ledger_within, |ledger| {
            let _lock = ledger.lock_all([&*place.path])?;
            self.tidy_up([place])?;
            attempt(ledger, place, |ledger| {
                let Some((part, result)) = self.edited(ledger, place, form, &mut edit)? else {
                    return Ok(None);
                };
                let outcome = self.put_in_place(ledger, vec![part], &Why::COMMIT)?;
                Ok(matches!(outcome, Outcome::Done(_)).then_some(result))
            })
        })
    }

    /// Commits changes to several packages together, each given with its place. Returns the revision, where
    /// there is a log or there are maps. If one cannot be written, all are as they were.
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`], and whatever a change is refused with.
    pub(crate) fn commit_all(
        &self,
        ledger: &mut Ledger<'_>,
        changes: &[&Change],
        why: &Why,
    ) -> Result<Option<u64>> {
        let _locks = ledger.lock_all(changes.iter().map(|change| &*change.place.path))?;
        self.tidy_up(changes.iter().map(|change| &change.place))?;
        let mut left = changes.to_vec();
        for _ in 0..ATTEMPTS {
            // All are ready before one is written.
            let changed: Vec<_> = ledger.go_on(|ledger| {
                left.iter().map(|change| self.changed(ledger, change)).collect::<Result<_>>()
            })?;
            if changed.iter().any(|changed| matches!(changed, Changed::Busy)) {
                continue;
            }
            let parts: Vec<Part<'_>> = changed.into_iter().filter_map(Changed::part).collect();
            if parts.is_empty() {
                return ledger.settled().map(|()| None);
            }
            match self.put_in_place(ledger, parts, why)? {
                Outcome::Done(revision) => return Ok(revision),
                Outcome::Again(places) => {
                    left.retain(|change| places.iter().any(|again| again.path == change.place.path));
                }
            }
        }
        Err(keeps_changing(left.first().map_or("", |change| &change.place.name)))
    }

    /// Reads a package, changes it, and makes its part of a commit. `None` if someone was writing to it.
    fn edited<'p, R>(
        &self,
        ledger: &mut Ledger<'_>,
        place: &'p Place,
        form: Form,
        edit: &mut impl FnMut(&mut Package) -> Result<R>,
    ) -> Result<Option<(Part<'p>, R)>> {
        let Some(Reading { old: file, text }) = self.read_current(&place.path)? else { return Ok(None) };
        let old = self.look(ledger, place, text)?;
        let mut package = old.package.clone();
        let result = edit(&mut package)?;
        let (text, step) = self.write(form, &old, &package)?;
        self.check_limit(&place.name, &package, &text)?;
        let draft = self.draft(&place.path, &text, Some(file))?;
        Ok(Some((Part { place, before: Some(old.text().clone()), step, text, draft }, result)))
    }

    /// Has the log look at a text that was read, and returns what it says.
    pub(crate) fn look(&self, ledger: &mut Ledger<'_>, place: &Place, text: Vec<u8>) -> Result<Arc<Known>> {
        if let Some(known) = self.find_known(place, &text) {
            ledger.look_at(place, &text, known.digest)?;
            return Ok(known);
        }
        ledger.look(place, &text)?;
        self.learn(place, text)
    }

    /// Writes an edited package as a text, and tells what leads there if it can be told.
    pub(crate) fn write(
        &self,
        form: Form,
        old: &Arc<Known>,
        edited: &Package,
    ) -> Result<(Arc<Vec<u8>>, Option<Step>)> {
        if form == Form::Lossless {
            let step = self.step_to(old, edited)?;
            return Ok((step.new.text().clone(), Some(step)));
        }
        let text = form.text(edited, self)?;
        let step = self.step_to_text(old, edited, text.clone());
        Ok((Arc::new(text), step))
    }

    /// Makes a part of a commit of changes.
    fn changed<'p>(&self, ledger: &mut Ledger<'_>, change: &'p Change) -> Result<Changed<'p>> {
        let place = &change.place;
        let creates = change.known.text().is_empty();
        let Some((reading, old)) = self.read_to_write(ledger, place, creates)? else {
            return Ok(Changed::Busy);
        };
        let step = self.step(&old, change)?;
        if step.is_none() {
            return Ok(Changed::Nothing);
        }
        let text = step.new.text().clone();
        self.check_limit(&place.name, &step.new.package, &text)?;
        let before = reading.as_ref().map(|_| old.text().clone());
        let step = Some(step).filter(|_| before.is_some());
        let draft = self.draft(&place.path, &text, reading.map(|reading| reading.old))?;
        Ok(Changed::Part(Box::new(Part { place, before, step, text, draft })))
    }

    /// Has a transaction verified by those who have asked for it (see `verify`), then as [`Engine::put_verified`].
    pub(crate) fn put_in_place<'p>(
        &self,
        ledger: &mut Ledger<'_>,
        parts: Vec<Part<'p>>,
        why: &Why,
    ) -> Result<Outcome<'p>> {
        self.gate.ask(self, &parts, why)?;
        self.put_verified(ledger, parts, why)
    }

    /// Logs a transaction, puts its parts in place, and publishes them.
    pub(crate) fn put_verified<'p>(
        &self,
        ledger: &mut Ledger<'_>,
        parts: Vec<Part<'p>>,
        why: &Why,
    ) -> Result<Outcome<'p>> {
        parts.iter().try_for_each(|part| self.check_parked(part.place))?;
        if parts.iter().any(|part| part.draft.is_outdated()) {
            return Ok(Outcome::Again(parts.iter().map(|part| part.place).collect()));
        }
        let entries: Vec<Entry<'_>> = parts.iter().map(Part::entry).collect();
        let sequence = ledger.commit(&entries, why)?;
        self.put_logged(ledger, parts, sequence, |ledger, parts| {
            let entries: Vec<Entry<'_>> = parts.iter().map(Part::entry).collect();
            ledger.take_back(sequence, &entries)
        })
    }

    /// Puts parts in place that are in the log, up to `sequence`, and publishes them. If they cannot be put in
    /// place, `take_back` is to log that they are as before.
    pub(crate) fn put_logged<'p>(
        &self,
        ledger: &mut Ledger<'_>,
        mut parts: Vec<Part<'p>>,
        sequence: Option<u64>,
        take_back: impl FnOnce(&mut Ledger<'_>, &[Part<'_>]) -> Result<()>,
    ) -> Result<Outcome<'p>> {
        let mut again = Vec::new();
        for index in 0..parts.len() {
            match self.put(&mut parts[index].draft) {
                Ok(true) => {}
                Ok(false) => again.push(index),
                Err(error) => {
                    let is_back = self.put_back(&parts[..index]);
                    if take_back(ledger, &parts).is_ok() {
                        if is_back {
                            ledger.applied();
                        }
                        return Err(error);
                    }
                    // Not even this can be written: recovery finishes what was logged.
                    let path = parts[index].place.path.clone();
                    parts.iter_mut().skip(index).for_each(|part| Self::leave(&mut part.draft));
                    return Err(Error::Unfinished { path, source: Box::new(error) });
                }
            }
        }
        let mut states = Vec::with_capacity(parts.len());
        let (mut durable, mut deletes, mut displaced) = (Ok(()), false, Vec::new());
        for (index, part) in parts.iter().enumerate().filter(|(index, _)| !again.contains(index)) {
            let settled = self.settle(&part.place.path, &part.draft);
            if settled.is_ok() && self.update_displaced(&part.draft, &part.text) {
                displaced.push(index);
            }
            durable = durable.and(settled);
            if part.draft.removes() {
                deletes = true;
            } else if let Ok(metadata) = part.draft.metadata() {
                let (place, text, step) = (part.place, part.text.clone(), part.step.as_ref().map(Edit::from));
                states.push(State { place, text, metadata, in_place: None, step });
                part.step.iter().for_each(|step| self.now_known(place, &step.new));
            }
        }
        if again.is_empty() && durable.is_ok() {
            ledger.applied();
        }
        self.keep_attributes_of(&states);
        let logged = sequence.map(|sequence| ledger.logged(sequence));
        // The maps of packages that are gone are dropped, as those that do not show what was logged.
        let logged = logged.map(|logged| Logged { base: logged.base.filter(|_| !deletes), ..logged });
        let shown = self.publish(&states, logged);
        displaced.into_iter().for_each(|index| self.await_stock(&mut parts[index].draft));
        if again.is_empty() {
            // In place it is in any case, and seen.
            let revision = sequence.or(shown);
            return durable.and_then(|()| ledger.settled()).map(|()| Outcome::Done(revision));
        }
        if let Err(error) = durable {
            ledger.unsettled(error);
        }
        Ok(Outcome::Again(again.into_iter().map(|index| parts[index].place).collect()))
    }

    /// Puts whole texts in place, as one transaction. `None` if a file is being written by someone else.
    pub(crate) fn put_texts(
        &self,
        ledger: &mut Ledger<'_>,
        texts: &[Whole],
        why: &Why,
    ) -> Result<Option<u64>> {
        self.tidy_up(texts.iter().map(|text| &text.place))?;
        self.put_wholes(ledger, texts, why, &mut |_| Ok(()))
    }

    /// As [`Engine::put_texts`], where nothing is left to tidy up; `also` is called when the file of a package is locked.
    fn put_wholes<'t>(
        &self,
        ledger: &mut Ledger<'_>,
        texts: &'t [Whole],
        why: &Why,
        also: &mut dyn FnMut(&'t Place) -> Result<()>,
    ) -> Result<Option<u64>> {
        let mut parts = Vec::with_capacity(texts.len());
        for Whole { place, expected, text } in texts {
            let reading = match self.read_if_there(&place.path)? {
                Present::Busy => return Ok(None),
                Present::Absent => None,
                Present::Read(reading) => Some(reading),
            };
            match &reading {
                Some(reading) => ledger.look(place, &reading.text)?,
                None => ledger.look_gone(place)?,
            };
            also(place)?;
            if !expected.allows(reading.as_ref().map(|reading| &*reading.text)) {
                return Err(keeps_changing(&place.name));
            }
            let (file, before) = reading.map(|reading| (reading.old, Arc::new(reading.text))).unzip();
            let draft = match (text, file) {
                (Some(text), file) => self.draft(&place.path, text, file)?,
                (None, Some(file)) => self.removal(&place.path, file)?,
                (None, None) => continue,
            };
            let text = text.clone().unwrap_or_default();
            parts.push(Part { place, before, step: None, text, draft });
        }
        match self.put_in_place(ledger, parts, why)? {
            Outcome::Done(revision) => Ok(Some(revision.unwrap_or(0))),
            Outcome::Again(_) => Ok(None),
        }
    }

    /// Undoes what was put in place of a commit that failed. Returns whether all is as it was, durably.
    fn put_back(&self, parts: &[Part<'_>]) -> bool {
        let mut is_back = true;
        for part in parts.iter().filter(|part| part.draft.is_placed()) {
            let path = &part.place.path;
            is_back &= match &part.before {
                Some(_) if part.draft.removes() => self.bring_back(&part.draft),
                Some(before) => part
                    .draft
                    .placed()
                    .and_then(|placed| self.draft(path, before, Some(placed)))
                    .and_then(|mut draft| Ok((self.put(&mut draft)?, draft)))
                    .is_ok_and(|(put, draft)| put && self.settle(path, &draft).is_ok()),
                None => self.options.files.remove(path).is_ok() && self.settle(path, &part.draft).is_ok(),
            };
            let _ = self.options.files.remove(&part.draft.new.path);
        }
        is_back
    }

    /// Tidies the text of a package: see [`crate::format::uci::tidy`].
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`].
    pub fn tidy(&self, place: &Place) -> Result<()> {
        self.check_may_write()?;
        self.with_ledger(Self::ledger_within, |ledger| {
            let _lock = ledger.lock_all([&*place.path])?;
            attempt(ledger, place, |ledger| {
                let Some(reading) = self.read_current(&place.path)? else { return Ok(None) };
                ledger.look(place, &reading.text)?;
                let (file, before) = (reading.old, Arc::new(reading.text));
                let text = Arc::new(crate::format::uci::tidy(&before)?);
                let draft = self.draft(&place.path, &text, Some(file))?;
                let part = Part { place, before: Some(before), step: None, text, draft };
                let outcome = self.put_in_place(ledger, vec![part], &Why::COMMIT)?;
                Ok(matches!(outcome, Outcome::Done(_)).then_some(()))
            })
        })
    }

    /// Replaces the whole content of a package of the configuration directory, which need not exist.
    /// Changes staged for the old content are set aside in `.PACKAGE.replaced` in the save directory.
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`]; [`Error::Invalid`] if `package` is not a package name.
    pub fn replace(&self, package: &[u8], text: &[u8]) -> Result<()> {
        self.replace_together(&[(package.to_vec(), text.to_vec())])
    }

    /// As [`Engine::replace`], of several packages as one transaction: all are replaced, or none. Of texts for the same
    /// package the last counts.
    ///
    /// # Errors
    ///
    /// As for [`Engine::replace`], for the first package that fails.
    pub fn replace_together(&self, texts: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        self.check_may_write()?;
        let mut wanted = BTreeMap::new();
        for (package, text) in texts {
            let whole = self.replacement(package, text)?;
            wanted.insert(whole.place.path.clone(), whole);
        }
        let wanted: Vec<Whole> = wanted.into_values().collect();
        let Some(first) = wanted.first() else { return Ok(()) };
        self.with_ledger(Self::ledger_within, |ledger| {
            let _locks = ledger.lock_all(wanted.iter().map(|whole| &*whole.place.path))?;
            self.tidy_up(wanted.iter().map(|whole| &whole.place))?;
            attempt(ledger, &first.place, |ledger| {
                let mut staged = Vec::new();
                let done = self.put_wholes(ledger, &wanted, &Why::COMMIT, &mut |place| {
                    let locked = self.staging(place, &self.dirs().save.path).lock()?;
                    let locked = locked.filter(|locked| !locked.text.is_empty());
                    staged.extend(locked.map(|locked| (place, locked)));
                    Ok(())
                })?;
                if done.is_some() {
                    for (place, locked) in &staged {
                        self.staging(place, &self.dirs().save.path).set_aside(locked)?;
                    }
                }
                Ok(done.map(|_| ()))
            })
        })
    }

    fn replacement(&self, package: &[u8], text: &[u8]) -> Result<Whole> {
        let outside = package.split(|byte| *byte == b'/').any(|part| matches!(part, b"" | b"." | b".."));
        if !crate::model::name::is_package(package) || outside {
            return Err(Error::invalid(package, "not a package name"));
        }
        let name = crate::error::shown::name(package);
        let place = self.config_place(&name);
        let place = Place { path: crate::os::named_file::follow(place.path), ..place };
        let text = Arc::new(text.to_vec());
        self.check_text(&name, &text)?;
        Ok(Whole { place, expected: Expected::Anything, text: Some(text) })
    }
}

/// Tries until it works, or the file has been changed by others too often.
pub(crate) fn attempt<R>(
    ledger: &mut Ledger<'_>,
    place: &Place,
    mut once: impl FnMut(&mut Ledger<'_>) -> Result<Option<R>>,
) -> Result<R> {
    for _ in 0..ATTEMPTS {
        if let Some(result) = ledger.go_on(&mut once)? {
            return Ok(result);
        }
    }
    Err(keeps_changing(&place.name))
}

fn keeps_changing(name: &str) -> Error {
    let why = "the file kept changing while it was being written".to_owned();
    Error::Conflict { key: name.to_owned(), why }
}
