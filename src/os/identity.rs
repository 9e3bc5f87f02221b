//! Identities of files: one of the file, one of its content, and one of the names in a directory.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The identity of a file's content, as far as the system tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub inode: u64,
    pub size: u64,
    pub modified_ns: i128,
}

impl Identity {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        let modified_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.len(), modified_ns }
    }

    /// Returns the identity of the file at `path`; `None` without a file there.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::symlink_metadata(path).ok().as_ref().map(Self::of)
    }
}

/// The identity of a file, independent of its content: device and inode. No two files share them while one of them is
/// open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }

    pub fn device(self) -> u64 {
        self.0
    }

    pub fn inode(self) -> u64 {
        self.1
    }

    /// Returns the identity of the file that a path leads to; `None` without a file there.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::of)
    }
}

/// The state of the names in a directory. Making, removing or renaming a file changes the state; writing to a file, or
/// changing its mode, does not. So as long as a directory has the same settled state, each name leads to the same file
/// as before, and no name was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Names {
    directory: FileId,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// How far the clock advances between two times that a file system with fine times may give; kernels tick a hundred
/// times a second or more often.
const TICK: Duration = Duration::from_millis(20);

/// The same for a file system that keeps whole or even seconds, as FAT does.
const COARSE_TICK: Duration = Duration::from_millis(2100);

impl Names {
    /// Returns the state of the directory at `path`. `None` if the next change might not be seen in it: the last one
    /// was just now, and the clock of the file system ticks too seldom to tell the two apart.
    pub fn settled_at(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir)?;
        let changed = (found.ctime(), found.ctime_nsec());
        let names =
            Self { directory: FileId::of(&found), modified: (found.mtime(), found.mtime_nsec()), changed };
        names.is_settled(SystemTime::now()).then_some(names)
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1)) else {
            return false;
        };
        // Times in whole hundredths of a second may come from a clock with larger steps.
        let tick = if nanos % 10_000_000 == 0 { COARSE_TICK } else { TICK };
        now.duration_since(UNIX_EPOCH + Duration::new(seconds, nanos)).is_ok_and(|age| age > tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_only_as_long_as_no_file_came_went_or_was_renamed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("names");
        std::fs::create_dir(&path).expect("made");
        std::fs::write(path.join("a"), "1").expect("written");
        let settled = || loop {
            if let Some(names) = Names::settled_at(&path) {
                return names;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let first = settled();
        std::fs::write(path.join("a"), "2").expect("written");
        assert_eq!(settled(), first, "only a content has changed");
        let changes: [&dyn Fn() -> std::io::Result<()>; 4] = [
            &|| std::fs::write(path.join("b"), ""),
            &|| std::fs::rename(path.join("b"), path.join("a")),
            &|| std::fs::remove_file(path.join("a")),
            &|| {
                // Another directory at the same path.
                std::fs::rename(&path, dir.path().join("old"))?;
                std::fs::create_dir(&path)
            },
        ];
        for change in changes {
            let before = settled();
            change().expect("changed");
            assert_ne!(settled(), before);
        }
    }

    #[test]
    fn a_change_counts_as_settled_once_the_clock_has_ticked() {
        let names = |seconds, nanos| {
            let directory = FileId(1, 2);
            Names { directory, modified: (0, 0), changed: (seconds, nanos) }
        };
        let after = |seconds, nanos, age| {
            let changed = UNIX_EPOCH + Duration::new(seconds, nanos);
            names(seconds.cast_signed(), i64::from(nanos)).is_settled(changed + Duration::from_millis(age))
        };
        assert!(after(1000, 123_456_789, 25) && !after(1000, 123_456_789, 15));
        assert!(after(1000, 0, 2200) && !after(1000, 0, 2000));
        assert!(!names(1000, 1).is_settled(UNIX_EPOCH), "the clock was set back");
        assert!(!names(-1, 1).is_settled(SystemTime::now()));
    }
}
