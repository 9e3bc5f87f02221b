//! What a stock uci that commits at the same time may be about to do to a package file, and how its commits and ours
//! are kept from taking each other back.
//!
//! Stock uci opens the package, waits for the lock of what it has opened, reads that, writes its new text to a file
//! `.PACKAGE.uci-XXXXXX`, releases the lock, and then renames that file over the package. So it may wait with a file
//! that we have replaced meanwhile, and read that; and it may rename when it holds no lock any more. Hence:
//!
//! - a commit waits for the rename of a stock uci whose new file is there ([`Beside::list_at_rest`]);
//! - it writes its text into the file it has displaced as well, before that is unlocked ([`Engine::update_displaced`]);
//! - and if anybody has that file open, it keeps all others from committing until it is closed, and a stock uci has
//!   renamed its own ([`Engine::await_heirs`]): nobody else would know of it, since what it locks is not the package any
//!   more.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::commit::beside::Beside;
use crate::commit::draft::Draft;
use crate::commit::engine::Engine;
use crate::map::is_open_elsewhere;

/// How long a stock uci is waited for. Whoever was stopped, or keeps the file open for another reason, is not
/// waited for longer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// How long to sleep between two looks.
pub(crate) const PAUSE: Duration = Duration::from_micros(500);

impl Engine {
    /// Writes the new text into the file that was displaced as well: a stock uci that has opened that one waits for
    /// its lock, and goes on from what it reads there then. Returns whether anybody has it open.
    ///
    /// Only where the new file stays in place whatever happens, and nobody has another link to the old one.
    pub(crate) fn update_displaced(&self, draft: &Draft, text: &[u8]) -> bool {
        use std::os::unix::fs::MetadataExt;
        let (files, Some(old)) = (&self.options.files, &draft.old) else { return false };
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

    /// Unlocks a file that was displaced and that others have open, and waits until they have committed. For who has
    /// published a commit and still keeps others from committing to the package.
    pub(crate) fn await_heirs(&self, draft: &Draft) {
        let Some(old) = &draft.old else { return };
        self.options.files.unlock(&old.open);
        let start = Instant::now();
        while is_open_elsewhere(&old.open.file) == Some(true) && start.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
        Beside::list_at_rest(&draft.real);
    }
}
