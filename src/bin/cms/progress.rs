//! Progress on the terminal, of what takes longer than a second.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::language::message;

/// The time between two lines, in milliseconds.
const PAUSE: u32 = 100;

/// When the line was shown, in milliseconds since the first call, or 0 if no line is shown. It only says whether there
/// is a line to erase or to renew; no other data depends on it.
static SHOWN: AtomicU32 = AtomicU32::new(0);

/// Shows how much of a text is read, in bytes.
pub fn read(read: usize, all: usize) {
    match read == all {
        true => end(),
        false => show(|| format!("reading: {} % of {} MB", read * 100 / all.max(1), all / 1_000_000)),
    }
}

/// Shows how many lines of a batch are done.
pub fn lines(done: usize) {
    show(|| format!("{done} lines are done"));
}

/// Erases the line that is shown.
pub fn end() {
    if SHOWN.swap(0, Ordering::Relaxed) != 0 {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn show(text: impl Fn() -> String) {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = u32::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u32::MAX);
    let shown = SHOWN.load(Ordering::Relaxed);
    if elapsed < 1000 || elapsed.saturating_sub(shown) < PAUSE {
        return;
    }
    SHOWN.store(elapsed, Ordering::Relaxed);
    let _ = write!(io::stderr(), "\r\x1b[K{}", message(&text()));
}
