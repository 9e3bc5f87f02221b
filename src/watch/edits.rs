//! Notes edits by other programs: once a written file of the configuration directory has settled, it is compared
//! with the log, and a text that the log does not have is logged.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::feed::{earliest, lock};
use super::tail::Tail;
use crate::commit::note_edits::{self};
use crate::error::Code;
use crate::log::Digest;
use crate::watch::source::Source;

/// How long a file has to stay unchanged before it is read, and the longest time between its first write and that.
const DEBOUNCE: Duration = Duration::from_millis(50);
const MAX_DEBOUNCE: Duration = Duration::from_millis(500);

/// The pause before another attempt to write to a log that could not be written. It doubles with each failure, up
/// to 64 times.
const RETRY_LOG: Duration = Duration::from_secs(1);

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Edits {
    state: Mutex<State>,
}

/// The packages whose files may have been edited.
#[derive(Debug, Default)]
struct State {
    names: BTreeSet<String>,
    first: Option<Instant>,
    due: Option<Instant>,
    /// How often in a row a text was not in the log.
    tries: u32,
    /// Whether all packages were checked once.
    has_listed: bool,
    /// Whether a thread notes edits at present.
    busy: bool,
    /// How often in a row the log could not be written.
    refusals: u32,
}

/// The result of noting edits.
enum NoteResult {
    Done,
    Again(Vec<String>),
    /// This process cannot write to the log at present.
    LogNotWritable(Vec<String>),
}

impl Edits {
    /// Returns the time of the next check of the files; `None` if no file has to be checked.
    pub fn due(&self) -> Option<Instant> {
        let state = lock(&self.state);
        // The thread that is noting edits will set the next time.
        state.due.filter(|_| !state.busy)
    }

    /// Adds packages whose files were written, and notes the edits of the files that have settled.
    pub fn note_settled(&self, source: &dyn Source, tail: &Mutex<Tail>, written: BTreeSet<String>) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        if !state.has_listed {
            state.has_listed = true;
            state.names.extend(source.core().packages.list().unwrap_or_default());
            state.names.extend(lock(tail).packages());
            state.due = Some(now);
        }
        if !written.is_empty() {
            let first = *state.first.get_or_insert(now);
            state.due = Some((now + DEBOUNCE).min(first + MAX_DEBOUNCE));
            state.names.extend(written);
        }
        if state.busy || state.due.is_none_or(|due| due > now) {
            return;
        }
        state.busy = true;
        (state.first, state.due) = (None, None);
        let names = std::mem::take(&mut state.names);
        let (settled, tries) = (state.tries > 0, state.tries);
        // The lock is not held here, since this may take long and other watches go on meanwhile.
        drop(state);
        let outcome = note(source, tail, names, settled);
        let mut state = lock(&self.state);
        state.busy = false;
        state.tries = 0;
        match outcome {
            NoteResult::Done => state.refusals = 0,
            NoteResult::LogNotWritable(names) => {
                // The log may become writable, or another process may note the edits.
                state.names.extend(names);
                let pause = RETRY_LOG * 2_u32.saturating_pow(state.refusals.min(6));
                state.refusals = state.refusals.saturating_add(1);
                (state.tries, state.due) = (tries, earliest(state.due, Some(Instant::now() + pause)));
            }
            NoteResult::Again(names) => {
                state.names.extend(names);
                state.tries = tries + 1;
                let pause = if settled { MAX_DEBOUNCE } else { DEBOUNCE };
                state.due = earliest(state.due, Some(Instant::now() + pause));
            }
        }
    }
}

/// Notes the edits of these packages; if they are not `settled`, only reports whether there are any.
fn note(source: &dyn Source, tail: &Mutex<Tail>, names: BTreeSet<String>, settled: bool) -> NoteResult {
    let empty = {
        let mut tail = lock(tail);
        // A watch that reads the next event gets the error.
        let _ = tail.read_on(source);
        tail.read_to() == 0
    };
    let mut edited: Vec<String> =
        names.into_iter().filter(|name| empty || differs(source, tail, name)).collect();
    if edited.is_empty() && !empty {
        return NoteResult::Done;
    }
    // A commit in progress looks like an edit for a moment.
    if !settled && !empty {
        return NoteResult::Again(edited);
    }
    if empty {
        edited = source.core().packages.list().unwrap_or_default();
    }
    match note_edits::note_edits_of(source.core(), &edited) {
        Ok(true) => NoteResult::Done,
        Ok(false) => NoteResult::LogNotWritable(edited),
        Err(error) if error.code() == Code::Permission => NoteResult::LogNotWritable(edited),
        Err(_) => NoteResult::Again(edited),
    }
}

/// Reports whether the text of a package differs from its newest text in the log.
fn differs(source: &dyn Source, tail: &Mutex<Tail>, name: &str) -> bool {
    let place = source.core().packages.in_config(name);
    // Another process may commit while the text is read.
    let before = lock(tail).newest(name);
    let text = match source.core().packages.read_shared(&place) {
        Ok((text, _)) => Some(Digest::of(&text)),
        Err(_) if crate::commit::packages::is_gone(&place.path) => None,
        Err(_) => return false,
    };
    let mut tail = lock(tail);
    if before != text {
        let _ = tail.read_on(source);
    }
    before != text && tail.newest(name) != text
}
