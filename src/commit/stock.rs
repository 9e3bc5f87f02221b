//! What a stock uci that commits at the same time may be about to do to a package file, and how its commits and ours
//! are kept from taking each other back.
//!
//! Stock uci opens the package, waits for the lock of what it has opened, reads that, writes its new text to a file
//! `.PACKAGE.uci-XXXXXX`, releases the lock, and then renames that file over the package. So it may wait with a file
//! that we have replaced meanwhile, and read that; and it may rename when it holds no lock any more. Hence:
//!
//! - a commit waits for the rename of a stock uci whose new file is there ([`Beside::list_at_rest`]);
//! - it writes its text into the file it has displaced as well, before that is unlocked ([`update_displaced`]);
//! - and if anybody has that file open to write, it keeps all others from committing until it is closed, and a stock
//!   uci has renamed its own ([`await_stock`]): nobody else would know of it, since what it locks is not the
//!   package any more. Who has the file open to be read only is not waited for: stock uci opens what it commits to
//!   write, and a reader may keep a file open for as long as it likes.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Instant;

use crate::commit::beside::{Beside, PATIENCE, PAUSE};
use crate::commit::core::Core;
use crate::commit::draft::{Draft, OldFile};
use crate::map::{is_open_elsewhere, is_open_to_write};

/// Writes the new text into the file that was displaced as well: a stock uci that has opened that one waits for
/// its lock, and goes on from what it reads there then. Returns whether anybody has it open.
///
/// Only where the new file stays in place whatever happens, and nobody has another link to the old one.
pub(crate) fn update_displaced(core: &Core, draft: &Draft, text: &[u8]) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (files, Some(old)) = (&core.options.files, &draft.old) else { return false };
    if draft.removes() || !old.open.file.metadata().is_ok_and(|found| found.nlink() == 0) {
        return false;
    }
    let is_open = is_open_elsewhere(&old.open.file) == Some(true);
    let dir = draft.real.parent().unwrap_or(Path::new("."));
    // A power cut that brings the old file back must bring back its old text.
    if !draft.durable && (!is_open || files.sync_dir(dir).is_err()) {
        return false;
    }
    let written =
        files.write_at(&old.open, text, 0).and_then(|()| files.truncate(&old.open, text.len() as u64));
    if written.is_err() {
        // Half a text must not be taken for a whole one; this is none, wherever it ends.
        let _ = std::os::unix::fs::FileExt::write_all_at(&old.open.file, b"!\n", 0);
    }
    is_open
}

/// Closes a file that was displaced and that others have open, which unlocks it, and waits until nobody has it open
/// to write. By then a stock uci that was about to commit has. For a caller who has published a commit and still
/// keeps others from committing to the package.
pub(crate) fn await_stock(core: &Core, draft: &mut Draft) {
    let Some(OldFile { open: old, .. }) = draft.old.take() else { return };
    let reader =
        core.options.files.open_package(Path::new(&format!("/proc/self/fd/{}", old.file.as_raw_fd())));
    core.options.files.unlock(&old);
    // While it is open here to write, a writer cannot be told from a reader. Without /proc they are not told apart.
    let (file, is_open): (_, fn(&File) -> Option<bool>) = match reader {
        Ok(reader) => {
            drop(old);
            (reader, is_open_to_write)
        }
        Err(_) => (old, is_open_elsewhere),
    };
    let start = Instant::now();
    while is_open(&file.file) == Some(true) && start.elapsed() < PATIENCE {
        std::thread::sleep(PAUSE);
    }
    Beside::list_at_rest(&draft.real);
}
