//! The note beside the log of a commit that waits to be confirmed, with its deadline. Records have the same deadline;
//! the note is only faster to read. `confirm` confirms such a commit or rolls it back.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use crate::commit::logs::Logs;
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::log::Guard;
use crate::log::record::millis;
use crate::settings::options::Options;

/// The name of the file.
pub(super) const NOTE: &str = "pending";

/// The note beside an engine's log.
#[derive(Debug)]
pub(crate) struct PendingNote {
    options: Arc<Options>,
    logs: Arc<Logs>,
}

impl PendingNote {
    /// Makes the note of an engine. Nothing is read or created.
    pub fn new(options: Arc<Options>, logs: Arc<Logs>) -> Self {
        Self { options, logs }
    }

    /// Reports whether there is no note, so that certainly nothing is pending.
    pub fn is_absent(&self) -> bool {
        let noted = self.path().map(|path| path.symlink_metadata());
        noted.is_none_or(|noted| noted.is_err_and(|error| error.kind() == ErrorKind::NotFound))
    }

    /// Returns the time that is left according to the note; `None` if there is no note.
    pub fn left(&self) -> Option<Duration> {
        let text = self.options.files.read_at_path(&self.path()?).ok()?;
        let (text, now) = (String::from_utf8_lossy(&text), (self.options.uptime)());
        // If a power cut has torn the note, zero makes the caller read the log.
        Some(read_note(&text).map_or(Duration::ZERO, |guard| guard.left(now)))
    }

    fn path(&self) -> Option<std::path::PathBuf> {
        self.logs.current().map(|log| log.dir().join(NOTE))
    }

    /// Notes a commit that will be pending. If another commit waits already, the note ends with the earlier deadline
    /// of the two, so that the other one is not rolled back too late if the new commit fails. The program that reads
    /// the note then corrects it. The rule also holds after a boot.
    pub fn begin(&self, guard: &Guard, waiting: Option<&Guard>) -> Result<()> {
        let Some(waiting) = waiting else { return self.write(guard) };
        let now = (self.options.uptime)();
        let milliseconds = waiting.milliseconds.min(guard.milliseconds);
        let left = millis(waiting.left(now).min(guard.left(now)));
        let started = millis(now.running).saturating_sub(milliseconds.saturating_sub(left));
        self.write(&Guard { milliseconds, boot: now.boot, started, baseline: guard.baseline })
    }

    pub fn write(&self, guard: &Guard) -> Result<()> {
        let Some(path) = self.path() else {
            return Err(Missing::Log.into());
        };
        let files = &self.options.files;
        let boot: String = guard.boot.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{} {boot} {}\n", guard.milliseconds, guard.started);
        let open = files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        let dir = path.parent().unwrap_or(&path);
        files
            .truncate(&open, 0)
            .and_then(|()| files.write(&open, text.as_bytes()))
            .and_then(|()| files.sync(&open))
            .and_then(|()| files.sync_dir(dir))
            .map_err(Error::io("write", &path))
    }

    /// Removes the note. The caller holds the log's lock: without that lock, another commit may be writing the note.
    pub fn remove(&self) {
        if let Some(path) = self.path() {
            // If this fails, the next program reads the log.
            let _ = self.options.files.remove(&path);
        }
    }
}

/// Parses a note.
fn read_note(text: &str) -> Option<Guard> {
    let mut words = text.split_ascii_whitespace();
    let milliseconds = words.next()?.parse().ok()?;
    let digits = words.next().filter(|digits| digits.len() == 32)?;
    let mut boot = [0; 16];
    for (byte, at) in boot.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(Guard { milliseconds, boot, started: words.next()?.parse().ok()?, baseline: 0 })
}
