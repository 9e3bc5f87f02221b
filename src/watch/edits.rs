//! The look-out for edits: files of the configuration directory that others write are compared with the log once they
//! are at rest, and what the log does not know is noted there.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::feed::{earliest, lock};
use super::tail::Tail;
use crate::commit::note_edits::{self};
use crate::error::Code;
use crate::log::Digest;
use crate::watch::source::Source;

/// How long an editor is given to finish what it does to a file, and the longest it is given.
const DEBOUNCE: Duration = Duration::from_millis(50);
const DEBOUNCE_MOST: Duration = Duration::from_millis(500);

/// How long it takes until it is tried again to write a log that could not be written: at first, and twice as long each
/// time, up to a minute or so.
const BARRED: Duration = Duration::from_secs(1);

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Edits {
    state: Mutex<State>,
}

/// The files that may have been edited.
#[derive(Debug, Default)]
struct State {
    names: BTreeSet<String>,
    first: Option<Instant>,
    due: Option<Instant>,
    /// How often the log did not know what is there.
    tries: u32,
    /// Whether the first look at all packages was taken.
    begun: bool,
    /// Whether somebody is at it.
    busy: bool,
    /// How often in a row the log could not be written.
    barred: u32,
}

/// What became of edits that were to be noted.
enum Outcome {
    Done,
    Again(Vec<String>),
    /// This process may not write to the log, at least now.
    Barred(Vec<String>),
}

impl Edits {
    /// Returns when it is time to look, if this process is to.
    pub fn due(&self) -> Option<Instant> {
        let state = lock(&self.state);
        // Whoever is at it is not to be waited for.
        state.due.filter(|_| !state.busy)
    }

    /// Takes the names of files that were written, and notes edits of those that are at rest.
    pub fn note_settled(&self, source: &dyn Source, tail: &Mutex<Tail>, events: BTreeSet<String>) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        if !state.begun {
            state.begun = true;
            state.names.extend(source.core().packages.list().unwrap_or_default());
            state.names.extend(lock(tail).packages());
            state.due = Some(now);
        }
        if !events.is_empty() {
            let first = *state.first.get_or_insert(now);
            state.due = Some((now + DEBOUNCE).min(first + DEBOUNCE_MOST));
            state.names.extend(events);
        }
        if state.busy || state.due.is_none_or(|due| due > now) {
            return;
        }
        state.busy = true;
        (state.first, state.due) = (None, None);
        let names = std::mem::take(&mut state.names);
        let (settled, tries) = (state.tries > 0, state.tries);
        // It may take long; meanwhile the others go on.
        drop(state);
        let outcome = note(source, tail, names, settled);
        let mut state = lock(&self.state);
        state.busy = false;
        state.tries = 0;
        match outcome {
            Outcome::Done => state.barred = 0,
            Outcome::Barred(names) => {
                // It may be allowed again: a file system that was read-only for a moment. Or somebody else notes them.
                state.names.extend(names);
                let pause = BARRED * 2_u32.saturating_pow(state.barred.min(6));
                state.barred = state.barred.saturating_add(1);
                (state.tries, state.due) = (tries, earliest(state.due, Some(Instant::now() + pause)));
            }
            Outcome::Again(names) => {
                state.names.extend(names);
                state.tries = tries + 1;
                let pause = if settled { DEBOUNCE_MOST } else { DEBOUNCE };
                state.due = earliest(state.due, Some(Instant::now() + pause));
            }
        }
    }
}

/// Notes the edits among these packages; unless it is `settled`, it is only looked whether there are any.
fn note(source: &dyn Source, tail: &Mutex<Tail>, names: BTreeSet<String>, settled: bool) -> Outcome {
    let empty = {
        let mut tail = lock(tail);
        // What cannot be read is told to whoever waits for events.
        let _ = tail.read_on(source);
        tail.read_to() == 0
    };
    let mut edited: Vec<String> =
        names.into_iter().filter(|name| empty || differs(source, tail, name)).collect();
    if edited.is_empty() && !empty {
        return Outcome::Done;
    }
    // A commit that is being made looks like an edit for a moment.
    if !settled && !empty {
        return Outcome::Again(edited);
    }
    if empty {
        edited = source.core().packages.list().unwrap_or_default();
    }
    match note_edits::note_edits_of(source.core(), &edited) {
        Ok(true) => Outcome::Done,
        Ok(false) => Outcome::Barred(edited),
        Err(error) if error.code() == Code::Permission => Outcome::Barred(edited),
        Err(_) => Outcome::Again(edited),
    }
}

/// Reports whether the text of a package is not what the log says it is.
fn differs(source: &dyn Source, tail: &Mutex<Tail>, name: &str) -> bool {
    let place = source.core().packages.in_config(name);
    // A commit may be made while the text is read.
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
