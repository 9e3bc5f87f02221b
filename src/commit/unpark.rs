//! Puts parked texts in place, for `repair`. `parked` describes parked texts.
//!
//! A parked text is renamed to `NAME.aside` before it is put in place, as a commit to its package is refused as long
//! as it is parked. If it still cannot be put in place, it stays there, and the file at the path stays the text of
//! the package. The commit takes the log's lock and the locks of the package in the usual order
//! (`retry::with_session`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes;
use crate::commit::core::Core;
use crate::commit::intent::Intent;
use crate::commit::open_session::session_within;
use crate::commit::opening::Opened;
use crate::commit::parked::{self, cannot_be_placed};
use crate::commit::part::{Expected, WholeText};
use crate::commit::{retry, write};
use crate::error::{Error, Result};
use crate::os::files::Files;

/// Puts parked texts in place. A text that still cannot be put in place is set aside with a warning.
pub(crate) fn place_parked(core: &Core) -> Result<()> {
    let Some(log) = core.logs.current() else { return Ok(()) };
    if !parked::dir(log).is_dir() {
        return Ok(());
    }
    let files = log.within(Some("parked"))?;
    for entry in std::fs::read_dir(parked::dir(log)).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "aside") {
            place_parked_at(core, &files, &path)?;
        }
    }
    Ok(())
}

fn place_parked_at(core: &Core, files: &Files, path: &Path) -> Result<()> {
    let bytes = files.read_at_path(path).map_err(Error::io("read", path))?;
    let Some(end) = bytes::find(b'\n', &bytes) else { return Ok(()) };
    if !crate::model::name::is_in_directory(&bytes[..end]) {
        return Ok(());
    }
    let place = core.packages.in_config(&String::from_utf8_lossy(&bytes[..end]));
    let mut aside = path.as_os_str().to_owned();
    aside.push(".aside");
    let aside = PathBuf::from(aside);
    files.rename(path, &aside).map_err(Error::io("rename", path))?;
    let text = Some(Arc::new(bytes[end + 1..].to_vec()));
    let whole = [WholeText { place: place.clone(), expected: Expected::Anything, text }];
    let placed = retry::with_session(core, session_within, |session| {
        let mut opened = Opened::of(session, [&place])?;
        opened.attempt(&place, |opened| write::put_texts(opened, &whole, &Intent::COMMIT))
    });
    match placed {
        Ok(_) => files.remove(&aside).map_err(Error::io("remove", aside)),
        Err(error) if cannot_be_placed(&error) => {
            let (name, aside) = (&place.name, aside.display());
            core.warnings.warn(&format!("{error}; the text committed to '{name}' is set aside in {aside}"));
            Ok(())
        }
        Err(error) => {
            files.rename(&aside, path).map_err(Error::io("rename", &aside))?;
            Err(error)
        }
    }
}
