//! The newest text of each package, made from an older one that is kept beside the log and the records since.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::PoisonError;

use super::hunks::{Hunk, apply};
use super::record::Digest;
use super::{Log, LogRead};
use crate::error::{Error, Result};
use crate::os::file_name;
use crate::os::files::Files;

impl Log {
    pub(super) fn text_path(&self, package: &str) -> PathBuf {
        self.dir.join("texts").join(file_name::escaped(OsStr::new(package)))
    }

    /// Stores the text of a package for [`Log::text_of`]. It need not survive a crash: its digest is checked before it
    /// is used.
    pub fn keep_text(&self, package: &str, text: &[u8]) -> Result<()> {
        let path = self.text_path(package);
        let dir = self.dir.join("texts");
        let files = self.within_texts()?;
        let new = files.create_unique(&dir, "text").map_err(Error::io("create a file in", &dir))?;
        let written = files.write(&new, text).and_then(|()| files.rename(&new.path, &path));
        written.map_err(|error| {
            let _ = files.remove(&new.path);
            Error::io("write", &path)(error)
        })
    }

    /// As [`Log::within`], for the directory of the texts, which stays open until the log is opened again.
    fn within_texts(&self) -> Result<Files> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        match &*texts {
            Some(files) => Ok(files.clone()),
            None => Ok(texts.insert(self.within(Some("texts"))?).clone()),
        }
    }

    /// Returns the last text of a package, which has this digest: the stored text with the hunks of the records since.
    /// `None` if it cannot be made; a stored text that cannot be read counts as lost.
    pub fn text_of(&self, package: &str, wanted: Digest) -> Result<Option<Vec<u8>>> {
        match self.files.read_at_path(&self.text_path(package)) {
            Ok(kept) => self.text_from(package, kept, wanted),
            Err(_) => Ok(None),
        }
    }

    /// Does what [`Log::text_of`] does, but fails if the stored text is there and cannot be read: for callers that would
    /// lose a commit if they took the text for lost.
    pub fn text_for_recovery(&self, package: &str, wanted: Digest) -> Result<Option<Vec<u8>>> {
        let path = self.text_path(package);
        match self.files.read_at_path(&path) {
            Ok(kept) => self.text_from(package, kept, wanted),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// As [`text_from`].
    pub fn text_from(&self, package: &str, text: Vec<u8>, wanted: Digest) -> Result<Option<Vec<u8>>> {
        text_from(self, package, text, wanted)
    }
}

/// Applies the hunks of the records to a text of a package, until it has this digest; `None` if the records are not
/// kept, or belong to another text.
pub(super) fn text_from(
    log: &dyn LogRead,
    package: &str,
    text: Vec<u8>,
    wanted: Digest,
) -> Result<Option<Vec<u8>>> {
    let start = Digest::of(&text);
    if start == wanted {
        return Ok(Some(text));
    }
    let (mut since, mut reached) = (Vec::new(), false);
    let found = log.each_back(|record| {
        let change = record.packages.into_iter().find(|change| change.package == package);
        let Some(change) = change else { return Ok(ControlFlow::Continue(())) };
        if change.after == start {
            return Ok(ControlFlow::Break(follow(&text, &since, wanted)));
        }
        reached |= change.after == wanted;
        since.extend(reached.then_some(change.hunks));
        // A package that was created has no record of an earlier text.
        let is_made = change.before.is_none() && text.is_empty();
        match is_made.then(|| follow(&text, &since, wanted)).flatten() {
            Some(text) => Ok(ControlFlow::Break(Some(text))),
            None => Ok(ControlFlow::Continue(())),
        }
    })?;
    Ok(found.flatten())
}

/// Applies the hunks of transactions, the newest first, to the text before; `None` if the result is not the wanted
/// text.
fn follow(text: &[u8], since: &[Vec<Hunk>], wanted: Digest) -> Option<Vec<u8>> {
    let text = since.iter().rev().try_fold(text.to_vec(), |text, hunks| apply(&text, hunks));
    text.filter(|text| Digest::of(text) == wanted)
}
