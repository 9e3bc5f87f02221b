//! Staging changes for the next commit.

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

    /// Reports whether a package may have staged changes that a commit takes, without reading them.
    #[must_use]
    pub fn may_be_staged(&self, place: &Place) -> bool {
        may_be_staged(self.core, place)
    }

    /// Returns why this user cannot commit what is staged for a package, if it was staged by another user who lets
    /// nobody else do that. What this user has staged for other packages can be committed all the same.
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

    /// Drops staged changes: of the package, of a section with its options, or of one option. Returns how
    /// many. Lines that are not changes of this package stay as they are.
    ///
    /// In stock uci's dialect a line that is no change at all makes this do nothing, and the lines that stay
    /// are written anew.
    ///
    /// # Errors
    ///
    /// As for [`StagedChanges::stage`].
    pub fn revert(&self, place: &Place, section: Option<&[u8]>, option: Option<&[u8]>) -> Result<usize> {
        revert(self.core, place, section, option)
    }

    /// Says whether what is staged for a package could be committed, as far as others' changes of the same keys go.
    ///
    /// # Errors
    ///
    /// As for [`crate::Engine::commit`].
    pub fn check_staged(&self, place: &Place) -> Result<()> {
        bases::check_staged(self.core, place)
    }
}

/// See the method of the same name.
pub(crate) fn may_be_staged(core: &Core, place: &Place) -> bool {
    let dirs = core.dirs();
    // Stock uci commits what is staged in the other directories of the search path as well.
    let others = dirs.overlays.iter().filter(|_| core.options.dialect == Dialect::Uci);
    others.chain([&dirs.save.path]).any(|dir| core.staging(place, dir).may_hold_lines())
}

/// See the method of the same name.
pub(crate) fn staged_by_another(core: &Core, place: &Place) -> Option<Error> {
    core.staged(place).barred()
}

/// See the method of the same name.
pub(crate) fn stage(core: &Core, place: &Place, deltas: &[Delta]) -> Result<()> {
    if deltas.is_empty() {
        return Ok(());
    }
    core.settings.now();
    core.settings.check_may_write()?;
    let bases = |staged: &[u8], bases: &[u8]| bases::bases_to_write(core, place, deltas, staged, bases);
    core.staged(place).append(deltas, &core.dirs().config.path, &bases)
}

/// See the method of the same name.
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
