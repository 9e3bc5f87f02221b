//! Stages changes for the next commit, and drops staged changes. `staged` commits them.
//!
//! Each delta file has a lock of its own, which `staging` takes; nothing else is locked here. Only a user who may
//! write a delta file or read the save directory can hold that lock, so this code waits for it (see `retry`).

use crate::commit::bases;
use crate::commit::core::Core;
use crate::commit::place::Place;
use crate::error::{Error, Result};
use crate::format::uci::Dialect;
use crate::model::change::Delta;

/// The staged changes of a store: see [`crate::Engine::staging`].
#[derive(Debug, Clone, Copy)]
pub struct StagedChanges<'e> {
    core: &'e Core,
}

impl<'e> StagedChanges<'e> {
    pub(crate) fn of(core: &'e Core) -> Self {
        Self { core }
    }

    /// Reports whether a package may have staged changes to commit. The changes are not read.
    #[must_use]
    pub fn may_be_staged(&self, place: &Place) -> bool {
        may_be_staged(self.core, place)
    }

    /// Returns the error that keeps this user from committing the staged changes of a package, if another user has staged
    /// them and does not let others commit them. The changes that this user has staged for other packages can be
    /// committed all the same.
    #[must_use]
    pub fn staged_by_another(&self, place: &Place) -> Option<Error> {
        staged_by_another(self.core, place)
    }

    /// Stages changes for the next commit. They are not checked; see [`crate::Package::apply`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if they cannot be written, [`Error::Locked`] if the delta file stays locked. Nothing
    /// is staged then.
    pub fn stage(&self, place: &Place, deltas: &[Delta]) -> Result<()> {
        stage(self.core, place, deltas)
    }

    /// Drops staged changes: of the package, of a section with its options, or of one option. Returns their number.
    /// Lines that are not changes of this package stay as they are.
    ///
    /// In stock uci's dialect nothing is dropped if a line is no change at all, and the remaining lines are written
    /// anew.
    ///
    /// # Errors
    ///
    /// As for [`StagedChanges::stage`].
    pub fn revert(&self, place: &Place, section: Option<&[u8]>, option: Option<&[u8]>) -> Result<usize> {
        revert(self.core, place, section, option)
    }

    /// Checks that the staged changes of a package do not conflict with changes that others have made to the same keys.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`].
    pub fn check_staged(&self, place: &Place) -> Result<()> {
        bases::check_staged(self.core, place)
    }
}

/// Reports whether a package may have staged changes to commit; the delta files are not read.
pub(crate) fn may_be_staged(core: &Core, place: &Place) -> bool {
    let dirs = core.dirs();
    // Stock uci commits the staged changes of the other directories of the search path as well.
    let others = dirs.overlays.iter().filter(|_| core.options.dialect == Dialect::Uci);
    others.chain([&dirs.save.path]).any(|dir| core.staging(place, dir).may_hold_lines())
}

/// Returns the error that keeps this user from committing the staged changes of a package, if another user has staged them
/// and does not let others commit them.
pub(crate) fn staged_by_another(core: &Core, place: &Place) -> Option<Error> {
    core.staged(place).refusal_of_other_user()
}

/// Appends changes to the delta file of a package, and the bases of their keys to its base file.
pub(crate) fn stage(core: &Core, place: &Place, deltas: &[Delta]) -> Result<()> {
    if deltas.is_empty() {
        return Ok(());
    }
    core.settings.now();
    core.settings.check_may_write()?;
    let bases = |staged: &[u8], bases: &[u8]| bases::bases_to_write(core, place, deltas, staged, bases);
    core.staged(place).append(deltas, &core.dirs().config.path, &bases)
}

/// Drops the staged changes of a package, of a section with its options, or of one option; returns their number.
pub(crate) fn revert(
    core: &Core,
    place: &Place,
    section: Option<&[u8]>,
    option: Option<&[u8]>,
) -> Result<usize> {
    core.settings.now();
    core.settings.check_may_write()?;
    let staging = core.staged(place);
    let Some(locked) = staging.lock()? else { return Ok(0) };
    let stock = core.options.dialect == Dialect::Uci;
    let lines = crate::format::uci::delta_line::read_lines(&locked.text);
    if stock && lines.iter().any(|line| line.delta.is_none()) {
        return Ok(0);
    }
    let mut kept = Vec::new();
    let mut dropped = 0;
    for line in lines {
        let hit = line.delta.as_ref().is_some_and(|(package, delta)| {
            package == place.name.as_bytes()
                && section.is_none_or(|section| delta.section == section)
                && option.is_none_or(|option| delta.option.as_deref() == Some(option))
        });
        match line.delta {
            _ if hit => dropped += 1,
            Some((package, delta)) if stock => delta.write_line(&package, &mut kept),
            _ => kept.extend_from_slice(&locked.text[line.range]),
        }
    }
    if kept != locked.text {
        staging.rewrite(&locked, &kept)?;
    }
    Ok(dropped)
}
