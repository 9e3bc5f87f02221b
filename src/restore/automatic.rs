//! Automatic snapshots, which keep states that the log does not go back to any more.
//!
//! They are archives like labelled snapshots, in the same directory. Their names are `@` and their revision; no label
//! starts with `@`:
//!
//! - `@42` is made when a segment of the log has been begun, if the last automatic snapshot is a day old, and a quarter of
//!   the log's size limit was written since. So some of them are always older than the log.
//! - `@42-before` is made before a rollback or a restore replaces whole texts.
//!
//! The newest of each kind stay (see [`crate::Settings::snapshots_keep`]), as many as fit into
//! [`for_snapshots`](crate::log::Limits::for_snapshots). A file is removed only if the label in it is its file name.
//! No call fails because an automatic snapshot cannot be made, for example on a full disk.

use std::time::Duration;

use crate::commit::core::{CommittedTexts, Core};
use crate::error::{Error, Result};
use crate::history::archive::ArchiveInfo;
use crate::restore::archive::Archives;

/// The end of the names of snapshots that are made before texts are replaced.
const BEFORE: &str = "-before";

/// The minimum time between two periodic snapshots.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl ArchiveInfo {
    /// Reports whether it is an automatic snapshot, which later ones may replace.
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        let file = self.path.file_name().and_then(|name| name.to_str());
        self.label.starts_with('@') && file.and_then(|name| name.strip_suffix(".cms")) == Some(&self.label)
    }

    fn is_before(&self) -> bool {
        self.label.ends_with(BEFORE)
    }
}

/// Makes a snapshot if one is due; see [`crate::commit::core::SegmentHook`]. A failure is ignored.
pub(crate) fn segment_begun(core: &Core, texts: &mut dyn CommittedTexts) {
    let _ = Archives::of(core).snapshot_if_due(texts);
}

impl Archives<'_> {
    /// Makes a snapshot if one is due. To be called when a segment has been begun.
    fn snapshot_if_due(&self, texts: &mut dyn CommittedTexts) -> Result<()> {
        let all = self.automatic()?;
        let newest = all.iter().rfind(|info| !info.is_before());
        let log = self.core.logs.require()?;
        let now = log.now();
        let is_recent = |info: &ArchiveInfo| Duration::from_micros(now.abs_diff(info.time)) < DAY;
        let since = newest.map_or(0, |info| info.revision);
        if newest.is_some_and(is_recent) || !log.has_grown_since(since)? {
            return Ok(());
        }
        self.make_automatic(texts, "")
    }

    /// Makes a snapshot before texts are replaced.
    pub(crate) fn snapshot_before(&self, texts: &mut dyn CommittedTexts) {
        if texts.sequence() > 0 {
            // A failure is ignored: the rollback does not depend on the snapshot.
            let _ = self.make_automatic(texts, BEFORE);
        }
    }

    /// Makes a snapshot whose name has this ending.
    fn make_automatic(&self, texts: &mut dyn CommittedTexts, ending: &str) -> Result<()> {
        let settings = self.core.settings.get();
        let room = settings.log.for_snapshots();
        let mut size = 0;
        for name in self.core.packages.list()? {
            size += std::fs::metadata(self.core.packages.in_config(&name).path)
                .map_or(0, |found| found.len() + 64);
        }
        if size + 1024 > room || settings.snapshots_keep == 0 {
            return Ok(());
        }
        let committed = texts.committed_texts()?;
        if !committed.left_out.is_empty() {
            // Make no automatic snapshot if a package cannot be read: no caller would learn which packages are
            // missing.
            return Ok(());
        }
        let label = format!("@{}{ending}", texts.sequence());
        let dir = self.core.logs.snapshot_dir()?;
        let path = dir.join(format!("{label}.cms"));
        if path.exists() {
            return Ok(());
        }
        self.core.logs.require()?.within(Some("snapshots"))?;
        self.prune(room - size - 1024)?;
        self.write_archive(&committed, texts.sequence(), &label, &path)?;
        self.prune(room)
    }

    /// Lists the automatic snapshots, the oldest first.
    fn automatic(&self) -> Result<Vec<ArchiveInfo>> {
        let mut all = self.labels()?;
        all.retain(ArchiveInfo::is_automatic);
        all.sort_by_key(|info| info.revision);
        Ok(all)
    }

    /// Removes the oldest automatic snapshots until the number of each kind and the total size are within the limits.
    fn prune(&self, room: u64) -> Result<()> {
        // The number of periodic snapshots to keep, and half as many of those made before texts are replaced.
        let keep = self.core.settings.get().snapshots_keep;
        let keep = [keep, keep.div_ceil(2)];
        let (mut counts, mut taken) = ([0; 2], 0);
        for info in self.automatic()?.into_iter().rev() {
            let count = &mut counts[usize::from(info.is_before())];
            *count += 1;
            taken += info.size;
            if *count > keep[usize::from(info.is_before())] || taken > room {
                let removed = self.core.options.files.remove(&info.path);
                removed.map_err(Error::io("remove", &info.path))?;
                taken -= info.size;
            }
        }
        Ok(())
    }
}
