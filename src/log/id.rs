//! The identity of a log, which does not depend on the path of its directory: a random name in a file.

use std::hash::BuildHasher;
use std::io::{self, Read};
use std::path::Path;

use super::Log;
use crate::error::{Error, Result};
use crate::os::files::Files;

/// How many bytes are read of the file at most.
const LONGEST: u64 = 64;

/// Reads the name of the log in a directory, which may belong to another user: anything but a regular file is refused
/// without waiting.
pub(crate) fn read(files: &Files, dir: &Path) -> io::Result<String> {
    let open = files.open(&dir.join("id"))?;
    let mut id = String::new();
    (&open.file).take(LONGEST).read_to_string(&mut id)?;
    Ok(id.trim_end().to_owned())
}

impl Log {
    /// Returns its name, if it has one and it may be read.
    pub fn id(&self) -> Option<String> {
        let id = read(&self.files, &self.dir).ok()?;
        (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    }

    /// As [`Log::id`]; a log without a name gets one. The caller holds the lock. If another log is at this path now,
    /// that log keeps its name.
    pub fn make_id(&self) -> Result<String> {
        if let Some(id) = self.id() {
            return Ok(id);
        }
        let draw =
            || std::collections::hash_map::RandomState::new().hash_one((self.now(), std::process::id()));
        let id = format!("{:016x}{:016x}", draw(), draw());
        let (dir, files) = (&self.dir, &self.files);
        let new = files.create_unique(dir, "id").map_err(Error::io("create a file in", dir))?;
        let written = files
            .write(&new, format!("{id}\n").as_bytes())
            .and_then(|()| files.sync(&new))
            .and_then(|()| files.rename_new(&new.path, &dir.join("id")))
            .and_then(|()| files.sync_dir(dir));
        match written {
            Ok(()) => Ok(id),
            Err(error) => {
                let _ = std::fs::remove_file(&new.path);
                Err(Error::io("write", dir.join("id"))(error))
            }
        }
    }
}
