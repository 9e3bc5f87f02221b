//! What a transaction does to one package: from the state it finds to the state it leaves.
//!
//! States are kept with what was read from them, so that a store that stays open reads a text once, however many
//! transactions work on it. Whether a text is the one that is known is found out by comparing the two.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::commit::engine::{Engine, Place};
use crate::error::Result;
use crate::format::uci::{Dialect, Lexer, ParseOptions, parse, rewrite};
use crate::log::key_path::KeyPath;
use crate::log::{self, Content, Digest, Hunk, KeyChange, Log, What};
use crate::map::check_option;
use crate::model::change::{Delta, DeltaKind};
use crate::model::name::{MAX_NAME, MAX_VALUE, is_value};
use crate::model::package::replay::Replay;
use crate::model::package::{Package, Touched};

/// A text, what was read from it, and its digest.
#[derive(Debug)]
pub(crate) struct Known {
    /// As it was read; the text is its source.
    pub package: Package,
    pub digest: Digest,
}

impl Known {
    fn of(package: Package) -> Arc<Self> {
        let digest = Digest::of(package.source());
        Arc::new(Self { package, digest })
    }

    pub fn text(&self) -> &Arc<Vec<u8>> {
        self.package.source()
    }
}

/// The states of packages that were last read or written, by their paths.
#[derive(Debug, Default)]
pub(crate) struct KnownStates(Mutex<HashMap<PathBuf, Arc<Known>>>);

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Step {
    pub old: Arc<Known>,
    pub new: Arc<Known>,
    /// None from a text that is empty: see [`Step::told`].
    pub hunks: Vec<Hunk>,
    pub changes: Vec<KeyChange>,
    pub touched: Touched,
}

impl Step {
    /// Reports whether it is none: the package was only read.
    pub fn is_none(&self) -> bool {
        Arc::ptr_eq(&self.old, &self.new)
    }

    fn between(old: &Arc<Known>, new: Arc<Known>, edited: &Package) -> Self {
        let (hunks, changes) = match old.text().is_empty() {
            true => (Vec::new(), Vec::new()),
            false => {
                (log::compare_texts(old.text(), new.text()), log::compare_packages(&old.package, edited))
            }
        };
        Self { hunks, changes, touched: edited.touched().clone(), old: old.clone(), new }
    }

    /// Returns what the log is told of it. From an empty text that is the new one, which tells the changes.
    pub fn told(&self) -> (Vec<Hunk>, Vec<KeyChange>) {
        match self.old.text().is_empty() {
            true => (log::compare_texts(b"", self.new.text()), Vec::new()),
            false => (self.hunks.clone(), self.changes.clone()),
        }
    }
}

impl Engine {
    /// Returns the state of a package whose text this is, if it is known.
    pub(crate) fn find_known(&self, place: &Place, text: &[u8]) -> Option<Arc<Known>> {
        // What a panic of another thread has left is a state like any other.
        let states = self.states.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = states.get(&place.path).cloned();
        drop(states);
        found.filter(|found| **found.text() == text)
    }

    /// Returns the state of a package that has this digest, if it is known.
    pub(crate) fn find_state(&self, place: &Place, digest: Digest) -> Option<Arc<Known>> {
        let states = self.states.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&place.path).filter(|state| state.digest == digest).cloned()
    }

    /// Returns the state of a package that is known.
    fn last_known(&self, place: &Place) -> Option<Arc<Known>> {
        let states = self.states.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&place.path).cloned()
    }

    /// Reads a text that is not known.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Parse`] if it has errors and the store is strict.
    pub(crate) fn learn(&self, place: &Place, text: Vec<u8>) -> Result<Arc<Known>> {
        let (package, errors) = self.parse(place, text)?;
        let known = Known::of(package);
        if errors.is_empty() {
            self.now_known(place, &known);
        }
        Ok(known)
    }

    /// Returns the state of a package that is shown, if it is known, else reads its text.
    ///
    /// # Errors
    ///
    /// As for [`Engine::load_committed`].
    pub(crate) fn load_known(&self, place: &Place, shown: Option<Digest>) -> Result<Arc<Known>> {
        let read = || self.read_steady(place).map(|(text, _)| text);
        if let Some(shown) = shown {
            // Others have gone on from what was known, or from what is in the file.
            let followed = match self.last_known(place) {
                Some(last) => self.follow(place, &last, shown)?,
                None => None,
            };
            if let Some(known) =
                followed.map_or_else(|| self.made_of(place, read()?, shown), |k| Ok(Some(k)))?
            {
                return Ok(known);
            }
        }
        self.await_text(&place.path)?;
        if self.log().is_some_and(Log::is_open_ended) {
            // The text may be behind what others have seen. Where that cannot be mended, the commit finds out.
            drop(self.ledger());
        }
        let text = read()?;
        match self.find_known(place, &text) {
            Some(known) => Ok(known),
            None => self.learn(place, text),
        }
    }

    /// Notes the state that a package is in now.
    pub(crate) fn now_known(&self, place: &Place, state: &Arc<Known>) {
        let mut states = self.states.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(place.path.clone(), state.clone());
    }

    /// Makes the step that changes lead to.
    ///
    /// # Errors
    ///
    /// Whatever a change is refused with; [`crate::Error::Conflict`] if another transaction was faster.
    pub(crate) fn step(&self, old: &Arc<Known>, change: &Change) -> Result<Step> {
        self.check_conflicts(old, change)?;
        if change.deltas.is_empty() {
            let (old, new, touched) = (old.clone(), old.clone(), Touched::default());
            return Ok(Step { old, new, hunks: Vec::new(), changes: Vec::new(), touched });
        }
        if let Some(step) = self.small_step(old, &change.deltas)? {
            return Ok(step);
        }
        if let Some(edited) = change.edited.as_ref().filter(|_| Arc::ptr_eq(old, &change.known)) {
            check_lists(edited, &change.deltas)?;
            return self.step_to(old, edited);
        }
        let mut package = old.package.clone();
        replay(&mut package, &change.deltas)?;
        self.step_to(old, &package)
    }

    /// Makes the step to an edited package.
    ///
    /// # Errors
    ///
    /// As for [`crate::format::uci::render`].
    pub(crate) fn step_to(&self, old: &Arc<Known>, edited: &Package) -> Result<Step> {
        let new = Known::of(rewrite(&old.package, edited, &self.parse_options())?);
        Ok(Step::between(old, new, edited))
    }

    /// Makes the step to a text that an edited package was written as; `None` if that cannot be read.
    pub(crate) fn step_to_text(&self, old: &Arc<Known>, edited: &Package, text: Vec<u8>) -> Option<Step> {
        let read = parse(edited.name(), Arc::new(text), &self.parse_options()).ok()?;
        read.errors.is_empty().then(|| Step::between(old, Known::of(read.package), edited))
    }

    /// Makes the step of changes to the options of one section, looking at the piece of text it stands in only, or at
    /// less. `None` if it is not as simple.
    fn small_step(&self, old: &Arc<Known>, deltas: &[Delta]) -> Result<Option<Step>> {
        let Some(first) = deltas.first() else { return Ok(None) };
        let simple = |delta: &Delta| {
            let of_option = delta.option.is_some() && delta.section == first.section;
            of_option && !matches!(delta.kind, DeltaKind::Add | DeltaKind::Rename | DeltaKind::Reorder)
        };
        let options = ParseOptions { progress: None, ..self.parse_options() };
        if options.dialect != Dialect::Cms || !options.strict || !deltas.iter().all(simple) {
            return Ok(None);
        }
        if let [delta] = deltas
            && let Some(step) = line_step(old, delta)
        {
            return Ok(Some(step));
        }
        let package = &old.package;
        let Some(place) = package.piece(&first.section) else { return Ok(None) };
        let text = Arc::new(old.text()[place.clone()].to_vec());
        let Ok(read) = parse(package.name(), text.clone(), &options) else { return Ok(None) };
        let before = read.package;
        if !package.holds(&first.section, place.start, &before) {
            return Ok(None);
        }
        let mut edited = before.clone();
        replay(&mut edited, deltas)?;
        let after = rewrite(&before, &edited, &options)?;
        let mut hunks = log::compare_texts(&text, after.source());
        hunks.iter_mut().for_each(|hunk| hunk.at += place.start);
        let changes = log::compare_packages(&before, &edited);
        let Some(new) = package.with_piece(&first.section, place, &after) else { return Ok(None) };
        let touched = edited.touched().clone();
        Ok(Some(Step { old: old.clone(), new: Known::of(new), hunks, changes, touched }))
    }
}

/// Makes the step of setting an option to another string, looking at the line it stands in only. `None` if it is not as
/// simple: the line is `option NAME 'VALUE'`, before as after. What stands around it reads as before then.
fn line_step(old: &Arc<Known>, delta: &Delta) -> Option<Step> {
    let Delta { kind: DeltaKind::Set, section, option: Some(option), value: Some(value) } = delta else {
        return None;
    };
    if !is_value(value) || value.len() >= MAX_VALUE || section.len().max(option.len()) > MAX_NAME {
        return None;
    }
    // Of an option that stands there twice, the name is the first and the value the last.
    let (name, place) =
        old.package.written(section, option).filter(|(name, place)| name.end < place.start)?;
    let text = old.text();
    let start = memchr::memrchr(b'\n', &text[..name.start]).map_or(0, |newline| newline + 1);
    let end = place.end + memchr::memchr(b'\n', &text[place.end..])? + 1;
    let (before, after) =
        (&text[start..end], [&text[start..place.start], value, &text[place.end..end]].concat());
    // This is also what reads the line as it will be.
    let is_plain = |line: &[u8], len: usize| {
        let read = Lexer::new(line).plain_line();
        read.is_some_and(|read| {
            let (name, place) = (name.start - start..name.end - start, place.start - start);
            !read.is_list && read.name == name && read.value == (place..place + len) && len > 0
        })
    };
    let was = text[place.clone()].to_vec();
    if was == *value || !is_plain(before, was.len()) || !is_plain(&after, value.len()) {
        return None;
    }
    let new = Known::of(old.package.with_value(section, option, &place, value)?);
    let what = What::Changed { old: Content::String(was), new: Content::String(value.clone()) };
    Some(Step {
        old: old.clone(),
        new,
        hunks: vec![Hunk { at: start, removed: before.to_vec(), inserted: after }],
        changes: vec![KeyChange { section: section.clone(), option: Some(option.clone()), what }],
        touched: Touched::Options(vec![(section.clone(), Some(option.clone()))]),
    })
}

/// What a transaction is to do to a package.
#[derive(Debug)]
pub(crate) struct Change {
    pub place: Place,
    pub deltas: Vec<Delta>,
    /// The state it was begun with, and the package with the changes made to that.
    pub known: Arc<Known>,
    pub edited: Option<Package>,
    /// What was read of it, besides.
    pub reads: BTreeSet<KeyPath>,
    /// Whether it is made whatever others have changed.
    pub force: bool,
}

/// Applies changes in order.
fn replay(package: &mut Package, deltas: &[Delta]) -> Result<()> {
    let mut replay = Replay::new(Dialect::Cms);
    deltas.iter().try_for_each(|delta| replay.apply(package, delta))?;
    check_lists(package, deltas)
}

/// Refuses lists that have grown beyond what programs can read.
fn check_lists(package: &Package, deltas: &[Delta]) -> Result<()> {
    let grown = deltas.iter().filter(|delta| delta.kind == DeltaKind::AddList);
    let lists: BTreeSet<_> =
        grown.filter_map(|delta| Some((&delta.section, delta.option.as_ref()?))).collect();
    lists.into_iter().try_for_each(|(section, option)| check_option(package, section, option))
}

#[cfg(test)]
mod tests;
