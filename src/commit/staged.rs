//! Commits staged changes: makes a transaction of the changes in delta files, and removes these from the files once
//! it is committed. Changes that are not staged can be part of the same transaction.
//!
//! The lock of a delta file is taken after those of the package, and is held until the delta file is cut. The journal of a
//! delta file is written after the draft and before the record: after a crash, it and the files show whether the staged
//! changes are in the package already (see `tidy_up`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::loader::staged_lines;
use crate::commit::open_session::session_within;
use crate::commit::opening::Opened;
use crate::commit::package_edit::{PackageEdit, Whole};
use crate::commit::parsed_text::ParsedText;
use crate::commit::part::{Form, Part, Placement};
use crate::commit::pipeline::Approved;
use crate::commit::place::Place;
use crate::commit::{bases, conflict, draft, publish, retry, schemas, write};
use crate::error::{Error, Result};
use crate::format::uci::Dialect;
use crate::format::uci::delta_line::read_lines;
use crate::log::Digest;
use crate::model::change::Delta;
use crate::model::package::Package;
use crate::model::package::replay::Replay;
use crate::os::folder::Folder;
use crate::os::trust::Config;
use crate::staging::delta_file::Locked;

/// The result of a commit for one package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Committed {
    /// Changes that are in the file now.
    pub applied: usize,
    /// Changes that could not be applied and stay staged.
    pub failed: usize,
    /// Whether the file was written.
    pub written: bool,
    /// The revision it was written at, if there is a log or there are maps.
    pub revision: Option<u64>,
}

/// How changes are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CommitOptions {
    /// How the packages are written.
    pub form: Form,
    /// Roll the commit back unless it is confirmed within this time: see [`crate::Confirmations::confirm`].
    pub confirm: Option<Duration>,
    /// Commit staged changes even if others have changed the same keys since they were staged.
    pub force: bool,
}

impl CommitOptions {
    /// Returns the defaults: a commit that keeps the layout of the texts and needs no confirmation.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how the packages are written.
    #[must_use]
    pub fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// Sets the time within which the commit has to be confirmed, if it has to be.
    #[must_use]
    pub fn confirm(self, time: impl Into<Option<Duration>>) -> Self {
        Self { confirm: time.into(), ..self }
    }

    /// Sets whether staged changes are committed even if others have changed the same keys.
    #[must_use]
    pub fn force(self, force: bool) -> Self {
        Self { force, ..self }
    }
}

/// Changes to a package that are not staged.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unstaged {
    /// The package.
    pub place: Place,
    /// The package before the changes, with its staged changes applied.
    pub before: Package,
    /// The changes, in order.
    pub deltas: Vec<Delta>,
}

impl Unstaged {
    /// Makes changes to a package; `before` is the package before them.
    #[must_use]
    pub fn new(place: Place, before: Package, deltas: Vec<Delta>) -> Self {
        Self { place, before, deltas }
    }
}

/// A delta file that is being committed, and the lines that stay in it.
struct Staged<'p> {
    place: &'p Place,
    locked: Locked,
    kept: Vec<u8>,
}

/// A package's part in a commit, if there is one, with its delta file if there is one.
#[derive(Default)]
struct StagedPart<'p> {
    part: Option<Part<'p>>,
    file: Option<Staged<'p>>,
}

/// Commits staged and unstaged changes as one transaction: see [`crate::Engine::commit_as`].
///
/// # Errors
///
/// As for [`crate::Engine::commit_with`].
pub(crate) fn commit_as(
    core: &Core,
    places: &[Place],
    unstaged: Vec<Unstaged>,
    options: &CommitOptions,
) -> Result<Vec<Committed>> {
    let intent = Intent { confirm: options.confirm, force: options.force, ..Intent::COMMIT };
    let change = |Unstaged { place, before, deltas }| {
        let digest = Digest::of(before.source());
        let known = Arc::new(ParsedText { package: before, digest });
        PackageEdit {
            place,
            deltas,
            known,
            edited: None,
            reads: BTreeSet::new(),
            force: false,
            whole: Whole::default(),
        }
    };
    let mut unstaged: Vec<PackageEdit> = unstaged.into_iter().map(change).collect();
    let mut all = places.to_vec();
    for change in &unstaged {
        if all.iter().all(|place| place.path != change.place.path) {
            all.push(change.place.clone());
        }
    }
    core.settings.check_may_write()?;
    let mut order: Vec<&Place> = all.iter().collect();
    order.sort_by(|a, b| a.path.cmp(&b.path));
    order.dedup_by(|a, b| a.path == b.path);
    let takes = |place: &Place| places.iter().any(|named| named.path == place.path);
    let done = retry::with_session(core, session_within, |session| {
        let Some(first) = order.first() else { return Ok(Vec::new()) };
        let mut opened = Opened::of(session, order.iter().copied())?;
        opened.attempt(first, |opened| try_commit(opened, &order, &takes, &mut unstaged, options, &intent))
    })?;
    let outcome = |place: &Place| {
        let found = order.iter().zip(&done).find(|(done, _)| done.path == place.path);
        found.map(|(_, outcome)| *outcome).unwrap_or_default()
    };
    Ok(all.iter().map(outcome).collect())
}

/// The parts of a commit of several packages, and the result for each package.
#[derive(Default)]
struct Gathered<'p> {
    outcomes: Vec<Committed>,
    /// The parts of the commit, each with its delta file if there is one.
    parts: Vec<Part<'p>>,
    staged: Vec<Option<Staged<'p>>>,
    /// The delta files whose changes are already in the package.
    done: Vec<Staged<'p>>,
}

fn try_commit(
    opened: &mut Opened<'_, '_>,
    places: &[&Place],
    takes_staged: &dyn Fn(&Place) -> bool,
    unstaged: &mut Vec<PackageEdit>,
    options: &CommitOptions,
    intent: &Intent,
) -> Result<Option<Vec<Committed>>> {
    let core = opened.session.core;
    let mut gathered = Gathered::default();
    for place in places {
        let edit = unstaged.iter().find(|edit| edit.place.path == place.path);
        let part = staged_part(opened, place, takes_staged(place), edit, options)?;
        let Some((outcome, part)) = part else { return Ok(None) };
        gathered.outcomes.push(outcome);
        match part {
            StagedPart { part: Some(part), file } => {
                gathered.parts.push(part);
                gathered.staged.push(file);
            }
            StagedPart { part: None, file } => gathered.done.extend(file),
        }
    }
    if gathered.parts.is_empty() {
        remove_committed(core, &gathered.done)?;
        return opened.session.settled().map(|()| Some(gathered.outcomes));
    }
    let intent = &intent.with_forced(schemas::check_parts(core, &gathered.parts, intent)?);
    let Some(approved) = approve(core, std::mem::take(&mut gathered.parts), &gathered.staged, intent)? else {
        return Ok(None);
    };
    write_journals(core, approved.parts(), &gathered.staged)?;
    let placed = opened.commit(approved, intent);
    finish(core, placed, gathered, unstaged)
}

/// Cuts the delta files after a commit, or removes their journals if it failed.
fn finish(
    core: &Core,
    placed: Result<Placement<'_>>,
    mut gathered: Gathered<'_>,
    unstaged: &mut Vec<PackageEdit>,
) -> Result<Option<Vec<Committed>>> {
    let staged = &gathered.staged;
    match placed {
        Ok(Placement::Done(revision)) => {
            staged.iter().flatten().try_for_each(|file| finish_staged(core, file))?;
            remove_committed(core, &gathered.done)?;
            let written = gathered.outcomes.iter_mut().filter(|outcome| outcome.written);
            written.for_each(|outcome| outcome.revision = revision);
            Ok(Some(gathered.outcomes))
        }
        // The journals show which packages are in place; see `Staging::lock`.
        Ok(Placement::Again(again)) => {
            let is_again = |place: &Place| again.iter().any(|again| again.path == place.path);
            for file in staged.iter().flatten() {
                if is_again(file.place) {
                    core.staged(file.place).remove_journal()?;
                } else {
                    finish_staged(core, file)?;
                }
            }
            unstaged.retain(|edit| is_again(&edit.place));
            Ok(None)
        }
        // Recovery needs the journals.
        Err(error @ Error::Unfinished { .. }) => Err(error),
        Err(error @ Error::NotDurable { .. }) => {
            staged.iter().flatten().for_each(|file| drop(finish_staged(core, file)));
            Err(error)
        }
        Err(error) => {
            let _ = remove_journals(core, staged);
            Err(error)
        }
    }
}

/// Asks the gate about a commit. Verifiers may read the staged changes meanwhile. Returns `None` if those have changed.
fn approve<'p>(
    core: &Core,
    parts: Vec<Part<'p>>,
    staged: &[Option<Staged<'_>>],
    intent: &Intent,
) -> Result<Option<Approved<'p>>> {
    if !core.gate.is_guarded(core.dirs()) {
        return Ok(Some(Approved::unguarded(parts)));
    }
    let files = || staged.iter().flatten();
    files().try_for_each(|file| core.staged(file.place).let_read(&file.locked))?;
    let approved = Approved::ask(core, parts, intent)?;
    let again = |file: &Staged<'_>| core.staged(file.place).lock_again(&file.locked);
    let same: Result<Vec<bool>> = files().map(again).collect();
    Ok(same?.into_iter().all(|same| same).then_some(approved))
}

/// Removes the changes that are already in the package from the delta files.
fn remove_committed(core: &Core, done: &[Staged<'_>]) -> Result<()> {
    done.iter().try_for_each(|file| core.staged(file.place).rewrite(&file.locked, &file.kept))
}

/// Writes the journals of the delta files that go into a commit: all of them, or none.
fn write_journals(core: &Core, parts: &[Part<'_>], staged: &[Option<Staged<'_>>]) -> Result<()> {
    for (part, Staged { place, locked, kept }) in
        parts.iter().zip(staged).filter_map(|(part, file)| Some((part, file.as_ref()?)))
    {
        let written =
            core.staged(place).write_journal(locked, (part.draft.old(), &part.draft.new), &part.text, kept);
        if let Err(error) = written {
            let _ = remove_journals(core, staged);
            return Err(error);
        }
    }
    Ok(())
}

fn remove_journals(core: &Core, staged: &[Option<Staged<'_>>]) -> Result<()> {
    staged.iter().flatten().try_for_each(|file| core.staged(file.place).remove_journal())
}

/// Applies the staged changes of a package, if the commit takes them, and then the unstaged ones. Returns the result and its
/// part of the commit; `None` if another program was writing to the package.
fn staged_part<'p>(
    opened: &mut Opened<'_, '_>,
    place: &'p Place,
    takes_staged: bool,
    unstaged: Option<&PackageEdit>,
    options: &CommitOptions,
) -> Result<Option<(Committed, StagedPart<'p>)>> {
    let core = opened.session.core;
    // A package that existed when the change was made, and was deleted since, is not created again.
    let creates = unstaged.is_none_or(|edit| edit.known.text().is_empty());
    // A package that cannot be read is an error even if nothing is staged for it.
    let Some(found) = opened.read_to_write(place, creates)? else { return Ok(None) };
    let locked = if takes_staged { core.staged(place).lock()? } else { None };
    let others = if takes_staged { staged_elsewhere(core, place)? } else { Vec::new() };
    if locked.is_none() && unstaged.is_none() && others.is_empty() {
        return Ok(Some(Default::default()));
    }
    let Applied { mut outcome, mut kept, package } =
        apply(opened, place, &found.known, (locked.as_ref(), &others), unstaged, options)?;
    if outcome.applied == 0 {
        return Ok(Some((outcome, StagedPart::default())));
    }
    if core.options.dialect == Dialect::Uci && !kept.is_empty() {
        keep_rejected(core, place, &kept);
        kept.clear();
    }
    let old = found.known;
    let (text, step) = write::write(core, options.form, &old, &package)?;
    publish::check_limit(core, &place.name, &package, &text)?;
    outcome.written = options.form != Form::Lossless || text != *old.text();
    let file = locked.map(|locked| Staged { place, locked, kept });
    if !outcome.written {
        return Ok(Some((outcome, StagedPart { part: None, file })));
    }
    let before = found.file.as_ref().map(|_| old.text().clone());
    let step = step.filter(|_| before.is_some());
    let draft = draft::create(core, &place.path, &text, found.file)?;
    let part = Some(Part { place, before, step, text, draft });
    Ok(Some((outcome, StagedPart { part, file })))
}

/// A package with changes applied.
struct Applied {
    outcome: Committed,
    /// The staged lines that stay staged.
    kept: Vec<u8>,
    package: Package,
}

/// Applies the staged changes of the save directory and of the other directories, then the unstaged changes.
fn apply(
    opened: &Opened<'_, '_>,
    place: &Place,
    old: &Arc<ParsedText>,
    (locked, others): (Option<&Locked>, &[Delta]),
    unstaged: Option<&PackageEdit>,
    options: &CommitOptions,
) -> Result<Applied> {
    let core = opened.session.core;
    let mut package = old.package.clone();
    let mut replay = Replay::new(core.options.dialect);
    let applied = others.iter().filter(|delta| replay.apply(&mut package, delta).is_ok()).count();
    let (mut outcome, kept) = match locked {
        Some(locked) => apply_lines(locked, place, &mut package, &mut replay),
        None => (Committed::default(), Vec::new()),
    };
    outcome.applied += applied;
    let checks = !options.force && core.options.dialect == Dialect::Cms;
    if let Some(locked) = locked.filter(|_| checks) {
        let both = (&*locked.text, &*core.staged(place).base_text()?);
        bases::check_bases(core, Some(&*opened.session), place, both, &old.package, &package)?;
    }
    if let Some(edit) = unstaged {
        let now = ParsedText { package, digest: old.digest };
        conflict::check(core, &now, edit)?;
        package = now.package;
        edit.deltas.iter().try_for_each(|delta| replay.apply(&mut package, delta))?;
        outcome.applied += edit.deltas.len();
    }
    Ok(Applied { outcome, kept, package })
}

/// Returns the changes that are staged for a package in the other directories of the search path. Stock uci commits them
/// before those of the save directory, and leaves them there; `cms` does not commit them, since they are volatile state.
fn staged_elsewhere(core: &Core, place: &Place) -> Result<Vec<Delta>> {
    if core.options.dialect != Dialect::Uci || !place.staged {
        return Ok(Vec::new());
    }
    let mut staged = Vec::new();
    for dir in &core.dirs().overlays {
        staged.extend(staged_lines(&core.staging(place, dir))?);
    }
    Ok(staged)
}

/// Removes the changes that are now in the package file from the delta file. If that fails, the journal stays, and
/// the next program that locks the delta file removes them.
fn finish_staged(core: &Core, Staged { place, locked, kept }: &Staged<'_>) -> Result<()> {
    let staging = core.staged(place);
    staging.rewrite_committed(locked, kept)?;
    staging.remove_journal()
}

/// Keeps the lines that stock uci drops in `rejected/PACKAGE` in the run directory, so that a person can check them.
fn keep_rejected(core: &Core, place: &Place, lines: &[u8]) {
    let Some(run) = &core.dirs().run else { return };
    let keep = || -> std::io::Result<()> {
        let config = Config::of(&std::fs::metadata(&core.dirs().config.path)?);
        let run = Folder::of_run(&core.options.files, &run.path, [], config, true)?;
        let folder = run.make_sub(&core.options.files, OsStr::new("rejected"), 0o700)?;
        if !config.trusts(folder.owner()) {
            return Err(folder.refusal());
        }
        let path = folder.path().join(&place.name);
        let files = core.options.files.through(folder);
        let open = files.open_or_create(&path, 0o600)?;
        std::io::Seek::seek(&mut &open.file, std::io::SeekFrom::End(0))?;
        files.write(&open, lines)
    };
    // An error is ignored: stock uci keeps no copy of these lines at all.
    let _ = keep();
}

/// Applies the staged lines to a package, and returns those that stay staged: the lines that cannot be applied, and
/// those of other packages.
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
