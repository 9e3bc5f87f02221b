//! The maps that a store keeps open from one commit to the next, so that the next need not find, check and map them
//! again.
//!
//! They may be replaced meanwhile: the run directory deleted, a map rebuilt. So before they are used again, each file
//! is checked to be still at its path and to have the same owner; if not, everything is opened again, with all the
//! checks.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::mapping::Map;
use super::shared::Publishing;
use crate::os::dirs::Dirs;
use crate::os::trust::Config;

/// How many maps are kept: those of the packages a store works on.
pub(super) const MAPS: usize = 16;

/// See the module documentation. One thread uses it at a time: two threads that lock the same open file would both
/// succeed.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Option<Publishing>>);

/// The identity of a file: device and inode, owner, permissions and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    device: u64,
    inode: u64,
    pub owner: u32,
    pub group: u32,
    pub mode: u32,
    size: u64,
}

impl Standing {
    pub fn of(found: &std::fs::Metadata) -> Self {
        let (owner, group, mode) = (found.uid(), found.gid(), found.mode());
        Self { device: found.dev(), inode: found.ino(), owner, group, mode, size: found.size() }
    }

    /// Returns the identity of the file at a path, which may be a symbolic link.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::symlink_metadata(path).ok().as_ref().map(Self::of)
    }
}

/// A map that is open to be published to.
#[derive(Debug)]
pub(crate) struct OpenMap {
    pub(super) package: String,
    pub(super) map: Map,
    pub(super) standing: Standing,
    /// Whether it was published to before: then it is known to be sound, and later changes were made by holders of the
    /// lock.
    pub(super) is_known: bool,
}

impl std::ops::Deref for OpenMap {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.map
    }
}

impl Kept {
    /// Takes the right to publish with the kept files. `None` if there are none, or they cannot be used any more.
    pub fn begin(&self, dirs: &Dirs, deadline: Instant) -> Option<Publishing> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let config = Config::of(&std::fs::metadata(&dirs.config.path).ok()?);
        (kept.shared().config() == config).then_some(())?;
        kept.begin_again(deadline)
    }

    /// Gives up the right to publish, and keeps the open files.
    pub fn keep(&self, mut publishing: Publishing) {
        publishing.end();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(publishing);
    }
}
