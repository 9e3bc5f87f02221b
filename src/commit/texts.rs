//! Reading the text of a package that others may be writing: what is returned is one text, never a mixture of two.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Instant;

use crate::commit::engine::{Engine, Place};
use crate::error::{Error, Result};
use crate::os::files::{Identity, Wait};
use crate::os::patience::BRIEFLY;

impl Engine {
    /// Reads the text of a package, and the attributes it had all the while.
    pub(crate) fn read_settled(&self, place: &Place) -> Result<(Arc<Vec<u8>>, Metadata)> {
        self.read_steady(place).map(|(text, found)| (Arc::new(text), found))
    }

    /// As [`Engine::read_settled`]. It is never a mixture of two texts, though it takes no lock.
    pub(crate) fn read_steady(&self, place: &Place) -> Result<(Vec<u8>, Metadata)> {
        let (files, path) = (&self.options.files, &place.path);
        for _ in 0..100 {
            let open = files.open_package(path).map_err(Error::io("open", path))?;
            let look = || open.file.metadata().map_err(Error::io("read", path));
            let read = || files.read(&open).map_err(Error::io("read", path));
            let (before, text, after) = (look()?, read()?, look()?);
            if after.nlink() == 0 {
                // Who has replaced it may be writing the new text into it, whatever its times say; see
                // `Engine::update_displaced`. If that takes long, the file in its place is there to be read.
                let locked = files.lock(&open, false, Instant::now() + BRIEFLY);
                if locked.map_err(Error::io("lock", path))? == Wait::Held {
                    return Ok((read()?, look()?));
                }
            } else if Identity::of(&before) == Identity::of(&after) {
                return Ok((text, after));
            }
        }
        let why = "the file kept changing while it was being read".to_owned();
        Err(Error::Conflict { key: place.name.clone(), why })
    }
}
