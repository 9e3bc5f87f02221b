//! Commits of changes that are not staged: edits of a package, changes of a transaction, and whole texts. `pipeline`
//! describes the steps they all take.

use std::sync::Arc;

use crate::commit::core::Core;
use crate::commit::draft::{self, Draft, Present, Reading};
use crate::commit::intent::Intent;
use crate::commit::log_session::LogSession;
use crate::commit::open_session::session_within;
use crate::commit::opening::{Found, Opened};
use crate::commit::package_edit::PackageEdit;
use crate::commit::parsed_text::ParsedText;
use crate::commit::part::{ATTEMPTS, Form, Part, Placement, WholeText, keeps_changing};
use crate::commit::place::Place;
use crate::commit::transition::Transition;
use crate::commit::{publish, retry};
use crate::error::{Error, Result};
use crate::log::{Digest, Kind};
use crate::model::package::Package;

/// The result of planning a change of a package.
enum Changed<'p> {
    /// Another program was writing to the package.
    Busy,
    /// The package was only read, or it has the wanted state already.
    Nothing,
    Part(Box<Part<'p>>),
}

impl<'p> Changed<'p> {
    /// A part without a known transition.
    fn part_of(place: &'p Place, before: Option<Arc<Vec<u8>>>, text: Arc<Vec<u8>>, draft: Draft) -> Self {
        Self::Part(Box::new(Part { place, before, step: None, text, draft }))
    }

    fn part(self) -> Option<Part<'p>> {
        match self {
            Self::Part(part) => Some(*part),
            Self::Busy | Self::Nothing => None,
        }
    }
}

/// Reads a package, changes it and writes it back under one lock: see [`crate::Engine::update`].
pub(crate) fn update<R>(
    core: &Core,
    place: &Place,
    form: Form,
    mut edit: impl FnMut(&mut Package) -> Result<R>,
) -> Result<R> {
    core.settings.check_may_write()?;
    retry::with_session(core, session_within, |session| {
        let mut opened = Opened::of(session, [place])?;
        opened.attempt(place, |opened| {
            let Some((part, result)) = edited(opened, place, form, &mut edit)? else {
                return Ok(None);
            };
            let placed = opened.put_in_place(vec![part], &Intent::COMMIT)?;
            Ok(matches!(placed, Placement::Done(_)).then_some(result))
        })
    })
}

/// Commits changes to several packages together. Returns the revision, if there is a log or there are maps. If one
/// package cannot be written, none is changed.
///
/// # Errors
///
/// As for [`crate::Engine::commit`], and the error that a change is refused with.
pub(crate) fn commit_all(
    session: &mut LogSession<'_>,
    edits: &[&PackageEdit],
    intent: &Intent,
) -> Result<Option<u64>> {
    let mut opened = Opened::of(session, edits.iter().map(|edit| &edit.place))?;
    let mut left = edits.to_vec();
    for _ in 0..ATTEMPTS {
        // All parts are ready before one is written.
        let changed: Vec<_> =
            opened.go_on(|opened| left.iter().map(|edit| changed(opened, edit)).collect::<Result<_>>())?;
        if changed.iter().any(|changed| matches!(changed, Changed::Busy)) {
            continue;
        }
        let parts: Vec<Part<'_>> = changed.into_iter().filter_map(Changed::part).collect();
        if parts.is_empty() {
            return opened.session.settled().map(|()| None);
        }
        match opened.put_in_place(parts, intent)? {
            Placement::Done(revision) => return Ok(revision),
            Placement::Again(places) => {
                left.retain(|edit| places.iter().any(|again| again.path == edit.place.path));
            }
        }
    }
    Err(keeps_changing(left.first().map_or("", |edit| &edit.place.name)))
}

/// Reads a package, changes it, and returns its part of a commit. `None` if another program was writing to it.
fn edited<'p, R>(
    opened: &mut Opened<'_, '_>,
    place: &'p Place,
    form: Form,
    edit: &mut impl FnMut(&mut Package) -> Result<R>,
) -> Result<Option<(Part<'p>, R)>> {
    let Some(Found { file, known: old }) = opened.read(place)? else { return Ok(None) };
    let core = opened.session.core;
    let mut package = old.package.clone();
    let result = edit(&mut package)?;
    let (text, step) = write(core, form, &old, &package)?;
    publish::check_limit(core, &place.name, &package, &text)?;
    let draft = draft::create(core, &place.path, &text, file)?;
    Ok(Some((Part { place, before: Some(old.text().clone()), step, text, draft }, result)))
}

/// Returns the text of an edited package, and the transition to it if the text can be parsed.
pub(crate) fn write(
    core: &Core,
    form: Form,
    old: &Arc<ParsedText>,
    edited: &Package,
) -> Result<(Arc<Vec<u8>>, Option<Transition>)> {
    if form == Form::Lossless {
        let step = Transition::to_package(&core.options, old, edited)?;
        return Ok((step.new.text().clone(), Some(step)));
    }
    let text = form.text(edited, &core.options)?;
    let step = Transition::to_text(&core.options, old, edited, text.clone());
    Ok((Arc::new(text), step))
}

/// Plans the change of a package, and returns its part of a commit.
fn changed<'p>(opened: &mut Opened<'_, '_>, edit: &'p PackageEdit) -> Result<Changed<'p>> {
    let place = &edit.place;
    if edit.whole.is_changed() {
        return changed_as_a_whole(opened, edit);
    }
    let creates = edit.known.text().is_empty();
    let Some(Found { file, known: old }) = opened.read_to_write(place, creates)? else {
        return Ok(Changed::Busy);
    };
    let core = opened.session.core;
    let step = Transition::plan(core, &old, edit)?;
    if step.is_none() {
        return Ok(Changed::Nothing);
    }
    let text = step.new.text().clone();
    publish::check_limit(core, &place.name, &step.new.package, &text)?;
    let before = file.as_ref().map(|_| old.text().clone());
    let step = Some(step).filter(|_| before.is_some());
    let draft = draft::create(core, &place.path, &text, file)?;
    Ok(Changed::Part(Box::new(Part { place, before, step, text, draft })))
}

/// Plans to make or delete a package, as [`changed`] plans a change.
fn changed_as_a_whole<'p>(opened: &mut Opened<'_, '_>, edit: &'p PackageEdit) -> Result<Changed<'p>> {
    let (core, place, whole) = (opened.session.core, &edit.place, edit.whole);
    // The text may have errors.
    let reading = match draft::read_if_there(core, &place.path)? {
        Present::Busy => return Ok(Changed::Busy),
        Present::Absent => None,
        Present::Read(reading) => Some(reading),
    };
    match &reading {
        Some(reading) => opened.session.look(place, &reading.text)?,
        None => opened.session.note_deletion(place)?,
    };
    let there = reading.as_ref().map(|reading| Digest::of(&reading.text));
    check_whole(edit, there)?;
    let (file, before) = reading.map(|reading| (reading.old, Arc::new(reading.text))).unzip();
    let draft = match file {
        None if edit.deltas.is_empty() && !whole.makes => return Ok(Changed::Nothing),
        Some(file) if edit.deltas.is_empty() && !whole.makes => {
            let draft = draft::removal(core, &place.path, file)?;
            return Ok(Changed::part_of(place, before, Arc::default(), draft));
        }
        file => (file, Transition::plan_new(core, edit)?),
    };
    let (file, new) = draft;
    publish::check_limit(core, &place.name, &new.package, new.text())?;
    let draft = draft::create(core, &place.path, new.text(), file)?;
    Ok(Changed::part_of(place, before, new.text().clone(), draft))
}

/// Refuses to make or delete a package if its state is not the one that the transaction saw. `there` is the digest of the
/// present text.
fn check_whole(edit: &PackageEdit, there: Option<Digest>) -> Result<()> {
    let (name, whole) = (&edit.place.name, edit.whole);
    let why = "another transaction has changed the package since this one began, and this one deletes it";
    match there {
        _ if edit.force => Ok(()),
        Some(_) if whole.was_absent => Err(Error::Exists { key: name.clone() }),
        None if !whole.was_absent => Err(Error::NotFound { key: name.clone() }),
        Some(there) if there != edit.known.digest => {
            Err(Error::Conflict { key: name.clone(), why: why.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Puts whole texts in place, as one transaction. `None` if a file is being written by another program.
///
/// # Errors
///
/// As for [`crate::Engine::commit`]; [`Error::Conflict`] if a package does not have the expected text.
pub(crate) fn put_texts(
    opened: &mut Opened<'_, '_>,
    texts: &[WholeText],
    intent: &Intent,
) -> Result<Option<u64>> {
    put_texts_and(opened, texts, intent, &mut |_| Ok(()))
}

/// Does what [`put_texts`] does, and calls `also` while the file of a package is locked.
pub(crate) fn put_texts_and<'t>(
    opened: &mut Opened<'_, '_>,
    texts: &'t [WholeText],
    intent: &Intent,
    also: &mut dyn FnMut(&'t Place) -> Result<()>,
) -> Result<Option<u64>> {
    let core = opened.session.core;
    let mut parts = Vec::with_capacity(texts.len());
    for WholeText { place, expected, text } in texts {
        let reading = match draft::read_if_there(core, &place.path)? {
            Present::Busy => return Ok(None),
            Present::Absent => None,
            Present::Read(reading) => Some(reading),
        };
        match &reading {
            Some(reading) => opened.session.look(place, &reading.text)?,
            None => opened.session.note_deletion(place)?,
        };
        also(place)?;
        if !expected.allows(reading.as_ref().map(|reading| &*reading.text)) {
            return Err(keeps_changing(&place.name));
        }
        let (file, before) = reading.map(|reading| (reading.old, Arc::new(reading.text))).unzip();
        if intent.kind == Kind::Remote && before == *text {
            continue;
        }
        let draft = match (text, file) {
            (Some(text), file) => draft::create(core, &place.path, text, file)?,
            (None, Some(file)) => draft::removal(core, &place.path, file)?,
            (None, None) => continue,
        };
        let text = text.clone().unwrap_or_default();
        parts.push(Part { place, before, step: None, text, draft });
    }
    match opened.put_in_place(parts, intent)? {
        Placement::Done(revision) => Ok(Some(revision.unwrap_or(0))),
        Placement::Again(_) => Ok(None),
    }
}

/// Tidies the text of a package: see [`crate::Engine::tidy`].
pub(crate) fn tidy(core: &Core, place: &Place) -> Result<()> {
    core.settings.check_may_write()?;
    retry::with_session(core, session_within, |session| {
        let mut opened = Opened::of(session, [place])?;
        opened.attempt(place, |opened| {
            let Some(Reading { old: file, text: before }) = draft::read_current(core, &place.path)? else {
                return Ok(None);
            };
            opened.session.look(place, &before)?;
            let before = Arc::new(before);
            let text = Arc::new(core.options.format_of(place.format).tidy(&before)?);
            let draft = draft::create(core, &place.path, &text, Some(file))?;
            let part = Part { place, before: Some(before), step: None, text, draft };
            let placed = opened.put_in_place(vec![part], &Intent::COMMIT)?;
            Ok(matches!(placed, Placement::Done(_)).then_some(()))
        })
    })
}
