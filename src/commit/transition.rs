//! Transitions: the change of one package by a transaction, from the state before to the state after.
//!
//! A transition is planned from the deltas of the transaction, in the cheapest way that fits: by one line of the text, by the
//! piece of text of one section, or by the whole package.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bytes;
use crate::commit::conflict;
use crate::commit::core::Core;
use crate::commit::package_edit::PackageEdit;
use crate::commit::packages::first_changes;
use crate::commit::parsed_text::{ParsedText, absent};
use crate::error::Result;
use crate::format::{Dialect, Format, ParseOptions};
use crate::log::{self, Content, Hunk, KeyChange, What};
use crate::map::check_option;
use crate::model::change::{Delta, DeltaKind};
use crate::model::name::{MAX_NAME, MAX_VALUE, is_value};
use crate::model::package::replay::Replay;
use crate::model::package::{Package, Touched};
use crate::settings::options::Options;

/// A transition: see the module documentation.
#[derive(Debug)]
pub(crate) struct Transition {
    pub old: Arc<ParsedText>,
    pub new: Arc<ParsedText>,
    /// Empty if the old text is empty: see [`Transition::hunks_and_changes`].
    pub hunks: Vec<Hunk>,
    pub changes: Vec<KeyChange>,
    pub touched: Touched,
}

impl Transition {
    /// Reports whether it changes nothing: the package was only read.
    pub fn is_none(&self) -> bool {
        Arc::ptr_eq(&self.old, &self.new)
    }

    fn between(old: &Arc<ParsedText>, new: Arc<ParsedText>, edited: &Package) -> Self {
        // Sections of a document are there because of others, so only its text says what has changed.
        let after = if edited.format().has_free_names() { &new.package } else { edited };
        let (hunks, changes) = match old.text().is_empty() {
            true => (Vec::new(), Vec::new()),
            false => (log::compare_texts(old.text(), new.text()), log::compare_packages(&old.package, after)),
        };
        Self { hunks, changes, touched: edited.touched().clone(), old: old.clone(), new }
    }

    /// Returns the hunks and the changes of keys for the log.
    pub fn hunks_and_changes(&self, format: &dyn Format) -> (Vec<Hunk>, Vec<KeyChange>) {
        match self.old.text().is_empty() {
            true => {
                let name = String::from_utf8_lossy(self.new.package.name());
                let changes = first_changes(format, &name, self.new.text());
                (log::compare_texts(b"", self.new.text()), changes)
            }
            false => (self.hunks.clone(), self.changes.clone()),
        }
    }

    /// Makes the transition of the changes of a transaction.
    ///
    /// # Errors
    ///
    /// The error that a change is refused with; [`crate::Error::Conflict`] if another transaction was faster.
    pub fn plan(core: &Core, old: &Arc<ParsedText>, edit: &PackageEdit) -> Result<Self> {
        conflict::check(core, old, edit)?;
        if edit.deltas.is_empty() {
            let (old, new, touched) = (old.clone(), old.clone(), Touched::default());
            return Ok(Self { old, new, hunks: Vec::new(), changes: Vec::new(), touched });
        }
        if let Some(step) = Self::small(&core.options, old, &edit.deltas)? {
            return Ok(step);
        }
        if let Some(edited) = edit.edited.as_ref().filter(|_| Arc::ptr_eq(old, &edit.known)) {
            check_lists(edited, &edit.deltas)?;
            return Self::to_package(&core.options, old, edited);
        }
        let mut package = old.package.clone();
        replay(&mut package, &edit.deltas)?;
        Self::to_package(&core.options, old, &package)
    }

    /// Makes the state of a package that a transaction makes anew.
    ///
    /// # Errors
    ///
    /// The error that a change is refused with.
    pub fn plan_new(core: &Core, edit: &PackageEdit) -> Result<Arc<ParsedText>> {
        let old = absent(&edit.place);
        let mut package = old.package.clone();
        replay(&mut package, &edit.deltas)?;
        Ok(Self::to_package(&core.options, &old, &package)?.new)
    }

    /// Makes the transition to an edited package.
    ///
    /// # Errors
    ///
    /// As for [`Format::rewrite`].
    pub fn to_package(options: &Options, old: &Arc<ParsedText>, edited: &Package) -> Result<Self> {
        let new = ParsedText::of(options.format_of(old.package.format()).rewrite(
            &old.package,
            edited,
            &options.parse_options(),
        )?);
        Ok(Self::between(old, new, edited))
    }

    /// Makes the transition to the text of an edited package; `None` if that text cannot be parsed.
    pub fn to_text(
        options: &Options,
        old: &Arc<ParsedText>,
        edited: &Package,
        text: Vec<u8>,
    ) -> Option<Self> {
        let read = options
            .format_of(old.package.format())
            .read(edited.name(), Arc::new(text), &options.parse_options())
            .ok()?;
        read.errors.is_empty().then(|| Self::between(old, ParsedText::of(read.package), edited))
    }

    /// Makes the transition of changes to the options of one section from the text of that section alone, or from one
    /// line. Returns `None` if the changes are not that simple.
    fn small(options: &Options, old: &Arc<ParsedText>, deltas: &[Delta]) -> Result<Option<Self>> {
        let Some(first) = deltas.first() else { return Ok(None) };
        let simple = |delta: &Delta| {
            let of_option = delta.option.is_some() && delta.section == first.section;
            of_option && !matches!(delta.kind, DeltaKind::Add | DeltaKind::Rename | DeltaKind::Reorder)
        };
        let format = options.format_of(old.package.format());
        let options = ParseOptions { progress: None, ..options.parse_options() };
        if options.dialect != Dialect::Cms || !options.strict || !deltas.iter().all(simple) {
            return Ok(None);
        }
        if let [delta] = deltas
            && let Some(step) = line_step(format, old, delta)
        {
            return Ok(Some(step));
        }
        let package = &old.package;
        let Some(place) = format.section_text(package, &first.section) else { return Ok(None) };
        let text = Arc::new(old.text()[place.clone()].to_vec());
        let Ok(read) = format.read(package.name(), text.clone(), &options) else { return Ok(None) };
        let before = read.package;
        if !package.is_same_section(&first.section, place.start, &before) {
            return Ok(None);
        }
        let mut edited = before.clone();
        replay(&mut edited, deltas)?;
        let after = format.rewrite(&before, &edited, &options)?;
        let mut hunks = log::compare_texts(&text, after.source());
        hunks.iter_mut().for_each(|hunk| hunk.at += place.start);
        let changes = log::compare_packages(&before, &edited);
        let Some(new) = package.with_section(&first.section, place, &after) else { return Ok(None) };
        let touched = edited.touched().clone();
        Ok(Some(Transition { old: old.clone(), new: ParsedText::of(new), hunks, changes, touched }))
    }
}

/// Makes the transition of setting an option to another string from its line of the text alone. Returns `None` unless the
/// format reads the line as this option both before and after: see [`Format::option_line`].
fn line_step(format: &dyn Format, old: &Arc<ParsedText>, delta: &Delta) -> Option<Transition> {
    let Delta { kind: DeltaKind::Set, section, option: Some(option), value: Some(value), value_type: None } =
        delta
    else {
        return None;
    };
    if !is_value(value) || value.len() >= MAX_VALUE || section.len().max(option.len()) > MAX_NAME {
        return None;
    }
    // If the section has the option twice, this is the name of the first one and the value of the last one.
    let (name, place) =
        old.package.value_text(section, option).filter(|(name, place)| name.end < place.start)?;
    let text = old.text();
    let start = bytes::find_last(b'\n', &text[..name.start]).map_or(0, |newline| newline + 1);
    let end = place.end + bytes::find(b'\n', &text[place.end..])? + 1;
    let (before, after) =
        (&text[start..end], [&text[start..place.start], value, &text[place.end..end]].concat());
    // This call also checks how the new line is read.
    let is_plain = |line: &[u8], len: usize| {
        let read = format.option_line(line);
        read.is_some_and(|read| {
            let (name, place) = (name.start - start..name.end - start, place.start - start);
            read.name == name && read.value == (place..place + len)
        })
    };
    let was = text[place.clone()].to_vec();
    if was == *value || !is_plain(before, was.len()) || !is_plain(&after, value.len()) {
        return None;
    }
    let new = ParsedText::of(old.package.with_value(section, option, &place, value)?);
    let what = What::Changed { old: Content::String(was), new: Content::String(value.clone()) };
    Some(Transition {
        old: old.clone(),
        new,
        hunks: vec![Hunk { at: start, removed: before.to_vec(), inserted: after }],
        changes: vec![KeyChange::new(section, Some(option), what)],
        touched: Touched::Options(vec![(section.clone(), Some(option.clone()))]),
    })
}

/// Applies changes in order.
fn replay(package: &mut Package, deltas: &[Delta]) -> Result<()> {
    let mut replay = Replay::new(Dialect::Cms);
    deltas.iter().try_for_each(|delta| replay.apply(package, delta))?;
    check_lists(package, deltas)
}

/// Refuses lists that have grown too large for programs to read.
fn check_lists(package: &Package, deltas: &[Delta]) -> Result<()> {
    let grown = deltas.iter().filter(|delta| delta.kind == DeltaKind::AddList);
    let lists: BTreeSet<_> =
        grown.filter_map(|delta| Some((&delta.section, delta.option.as_ref()?))).collect();
    lists.into_iter().try_for_each(|(section, option)| check_option(package, section, option))
}

#[cfg(test)]
mod tests;
