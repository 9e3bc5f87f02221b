//! Commits beside a stock uci that commits at the same time: neither may undo the changes of the other.
//!
//! Stock uci opens the package file, waits for the lock of that file, reads it, writes its new text to a file
//! `.PACKAGE.uci-XXXXXX`, releases the lock, and then renames that file over the package. So it may wait for the lock
//! of a file that this library has replaced meanwhile, and then read that file; and it renames its file after it has
//! released the lock. Hence:
//!
//! - a commit waits for the rename of a stock uci whose new file is there ([`Beside::list_at_rest`]);
//! - it also writes its text into the displaced file before it unlocks that file ([`update_displaced`]);
//! - and if another program has the displaced file open for writing, it keeps all others from committing until that file
//!   is closed and a stock uci has renamed its own ([`await_stock`]): no other commit would know of the stock uci, since
//!   the file that it locks is not the package any more. A program that has the file open for reading only is not waited
//!   for: stock uci opens the package for writing, and a reader may keep a file open for as long as it likes.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Instant;

use crate::commit::beside::{Beside, PATIENCE, PAUSE};
use crate::commit::core::Core;
use crate::commit::draft::{Draft, OldFile};
use crate::map::{is_open_elsewhere, is_open_to_write};

/// Writes the new text into the displaced file as well: a stock uci that has that file open waits for its lock, and then
/// starts from the text that it reads there. Returns whether another program has the file open.
///
/// Does nothing unless the new file stays in place even after a power cut and the old one has no other link.
pub(crate) fn update_displaced(core: &Core, draft: &Draft, text: &[u8]) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (files, Some(old)) = (&core.options.files, &draft.old) else { return false };
    let found = old.open.file.metadata().ok().filter(|found| found.nlink() == 0 && !draft.removes());
    let Some(found) = found else { return false };
    let is_open = is_open_elsewhere(&old.open.file) == Some(true);
    let dir = draft.real.parent().unwrap_or(Path::new("."));
    // A power cut that brings the old file back must bring back its old text.
    if !draft.durable && (!is_open || files.sync_dir(dir).is_err()) {
        return false;
    }
    let length = text.len() as u64;
    // The file is locked, and its length is the one that was found.
    let cut = || if found.len() > length { files.truncate(&old.open, length) } else { Ok(()) };
    let written = files.write_at(&old.open, text, 0).and_then(|()| cut());
    if written.is_err() {
        // This first line makes the text invalid until it is complete, so that a partly written text is not read as a
        // whole one.
        let _ = std::os::unix::fs::FileExt::write_all_at(&old.open.file, b"!\n", 0);
    }
    is_open
}

/// Closes a displaced file that others have open, which unlocks it, and waits until no program has it open for writing. By
/// then a stock uci that was about to commit has done so. The caller has published its commit and still holds the lock of
/// the package.
pub(crate) fn await_stock(core: &Core, draft: &mut Draft) {
    let Some(OldFile { open: old, .. }) = draft.old.take() else { return };
    let reader =
        core.options.files.open_package(Path::new(&format!("/proc/self/fd/{}", old.file.as_raw_fd())));
    core.options.files.unlock(&old);
    // As long as this process has the file open for writing, `/proc` does not tell other writers from readers.
    // Without /proc, readers count as writers.
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
