//! Owner, group and mode of packages, so that a deleted package gets them when it is made again.
//!
//! The file `attributes` beside the log holds a line `MODE UID GID PACKAGE` for each package, as of the last commit
//! or the last check of its file. Only the holder of the log's lock writes it. If it is lost, a package that is made
//! again has the mode of a new one; nothing else is lost.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::commit::logs::Logs;
use crate::os::files::OpenFile;
use crate::settings::options::Options;

/// Owner, group and mode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Attributes {
    fn of(found: &Metadata) -> Self {
        Self { mode: found.mode() & 0o7777, uid: found.uid(), gid: found.gid() }
    }
}

/// The version of the file that was read: device, inode, and time of the last change.
type Version = (u64, u64, i64, i64);

/// The last read content of the file, so that it is not read for each commit.
#[derive(Debug)]
struct Cached {
    version: Version,
    attributes: BTreeMap<String, Attributes>,
}

/// The attributes that are kept beside the log.
#[derive(Debug)]
pub(crate) struct KeptAttributes {
    options: Arc<Options>,
    logs: Arc<Logs>,
    cached: Mutex<Option<Cached>>,
}

fn read(text: &str) -> BTreeMap<String, Attributes> {
    let line = |line: &str| {
        let mut words = line.splitn(4, ' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok().filter(|mode| *mode <= 0o7777)?;
        let (uid, gid) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((words.next()?.to_owned(), Attributes { mode, uid, gid }))
    };
    text.lines().filter_map(line).collect()
}

impl KeptAttributes {
    /// Makes the attributes of an engine. Nothing is read yet.
    pub fn new(options: Arc<Options>, logs: Arc<Logs>) -> Self {
        Self { options, logs, cached: Mutex::default() }
    }

    fn path(&self) -> Option<PathBuf> {
        self.logs.current().map(|log| log.dir().join("attributes"))
    }

    fn look<R>(&self, look: impl FnOnce(&BTreeMap<String, Attributes>) -> R) -> Option<R> {
        let path = self.path()?;
        let version = |path: &Path| {
            let found = std::fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
            Some((found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
        };
        let now = version(&path)?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.as_ref().is_none_or(|cached| cached.version != now) {
            let files = &self.options.files;
            let text = files.open(&path).and_then(|open| files.read(&open)).ok()?;
            *cached = Some(Cached { version: now, attributes: read(&String::from_utf8_lossy(&text)) });
        }
        cached.as_ref().map(|cached| look(&cached.attributes))
    }

    /// Keeps the attributes of packages. The caller holds the log's lock. A failed write is ignored.
    pub fn keep(&self, found: &[(String, Metadata)]) {
        let Some(path) = self.path() else { return };
        let new = |kept: Option<&Attributes>, found: &Metadata| kept != Some(&Attributes::of(found));
        let differs = |kept: &BTreeMap<String, Attributes>| {
            found.iter().any(|(name, found)| new(kept.get(name), found)).then(|| kept.clone())
        };
        let kept = self.look(differs).unwrap_or_else(|| Some(BTreeMap::new()));
        let Some(mut kept) = kept.filter(|_| !found.is_empty()) else { return };
        kept.extend(found.iter().map(|(name, found)| (name.clone(), Attributes::of(found))));
        let mut text = String::new();
        for (name, Attributes { mode, uid, gid }) in &kept {
            let _ = writeln!(text, "{mode:o} {uid} {gid} {name}");
        }
        let files = &self.options.files;
        let Some(Ok(open)) = path.parent().map(|dir| files.create_unique(dir, "attributes")) else { return };
        if files.write(&open, text.as_bytes()).and_then(|()| files.rename(&open.path, &path)).is_err() {
            let _ = std::fs::remove_file(&open.path);
        }
    }

    /// Gives a new file the attributes that the package at this path had before it was deleted, as far as they are known
    /// and this user may set them. Returns whether they are known.
    pub fn give(&self, path: &Path, file: &OpenFile) -> bool {
        let in_config = path.parent() == Some(self.options.dirs.config.path.as_path());
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| in_config) else {
            return false;
        };
        let Some(wanted) = self.look(|kept| kept.get(name).copied()).flatten() else { return false };
        let owned = std::os::unix::fs::fchown(&file.file, Some(wanted.uid), Some(wanted.gid)).is_ok();
        let grouped = owned || std::os::unix::fs::fchown(&file.file, None, Some(wanted.gid)).is_ok();
        // The file keeps another group, which must not get the rights of the old one.
        let mode = if grouped { wanted.mode } else { wanted.mode & !0o070 };
        let mode = if owned { mode } else { mode & 0o777 };
        let _ = self.options.files.set_mode(file, mode);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none_are_passed_over() {
        let kept = read("644 0 0 network\n600 1 2 a b\n99999 0 0 x\nnonsense\n7 a b c\n");
        assert_eq!(kept.get("network"), Some(&Attributes { mode: 0o644, uid: 0, gid: 0 }));
        assert_eq!(kept.get("a b"), Some(&Attributes { mode: 0o600, uid: 1, gid: 2 }));
        assert_eq!(kept.len(), 2);
    }
}
