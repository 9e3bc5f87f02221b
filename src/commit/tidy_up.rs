//! What a crash has left of an earlier commit is brought to its end.

use std::path::Path;

use crate::commit::beside::Beside;
use crate::commit::core::Core;
use crate::commit::draft;
use crate::commit::place::Place;
use crate::error::{Error, Result};

/// Takes what is in the texts already out of the delta files of these packages, as a commit that a crash has
/// interrupted has left them. For who has their locks, before anything else is done with the packages: the
/// temporary files beside them tell what became of that commit, and go with the next draft.
pub(crate) fn tidy_up<'p>(core: &Core, places: impl IntoIterator<Item = &'p Place>) -> Result<()> {
    for place in places {
        let staging = core.staged(place);
        if place.staged && staging.has_journal() {
            staging.lock()?;
        }
    }
    Ok(())
}

/// Makes durable what another has put in place of a package file before it died, and removes what it has left.
/// For who has locked the file.
pub(crate) fn settle_for_another(core: &Core, place: &Place) -> Result<()> {
    let real = std::fs::canonicalize(&place.path).unwrap_or_else(|_| place.path.clone());
    let dir = real.parent().unwrap_or(Path::new("."));
    core.options.files.sync_dir(dir).map_err(Error::io("sync", dir))?;
    tidy_up(core, [place])?;
    Beside::list(&real).leftovers.iter().for_each(|path| draft::remove_leftover(core, path));
    Ok(())
}
