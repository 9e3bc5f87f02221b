//! Completes an earlier commit of a package after a crash: removes its changes from the delta file, and removes its
//! temporary files.
//!
//! The caller holds the lock of each package. The order matters: the journal of the delta file and the temporary
//! files beside the package together show whether the commit happened, and the next draft removes those files. So a
//! commit calls [`tidy_up`] before it does anything else with its packages.

use std::path::Path;

use crate::commit::beside::Beside;
use crate::commit::core::Core;
use crate::commit::draft;
use crate::commit::place::Place;
use crate::error::{Error, Result};

/// Removes from the delta files of these packages the changes that are in the package files already: a crash has
/// interrupted their commit. The caller holds the locks of the packages.
pub(crate) fn tidy_up<'p>(core: &Core, places: impl IntoIterator<Item = &'p Place>) -> Result<()> {
    for place in places {
        let staging = core.staged(place);
        if place.staged && staging.has_journal() {
            staging.lock()?;
        }
    }
    Ok(())
}

/// Completes a commit of another program, which has put a package file in place and died: syncs the directory, cuts the
/// delta file, and removes temporary files. The caller has locked the package file.
pub(crate) fn settle_for_another(core: &Core, place: &Place) -> Result<()> {
    let real = std::fs::canonicalize(&place.path).unwrap_or_else(|_| place.path.clone());
    let dir = real.parent().unwrap_or(Path::new("."));
    core.options.files.sync_dir(dir).map_err(Error::io("sync", dir))?;
    tidy_up(core, [place])?;
    Beside::list(&real).leftovers.iter().for_each(|path| draft::remove_leftover(core, path));
    Ok(())
}
