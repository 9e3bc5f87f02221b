//! What the watches of an open store share: the newest transactions, what wakes them, and the look-out for edits.
//!
//! Each transaction is read and checked once, however many watches there are. A watch that is further back than
//! what is kept here reads the log by itself.
//!
//! # When a transaction is told
//!
//! Its record is ripe (see `log::reader`), and the maps show it: the control file says so (`C_LOGGED`). A writer
//! that dies in between never says so, and one that uses another run directory says it elsewhere. So after
//! [`GRACE`] the maps are brought up to the texts here, and it is told then. A record that does not get ripe is
//! that of a writer that has died, after [`PATIENCE`]: what it has left is finished, as far as this process may.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Pattern;
use super::bell::{Bell, Heard, Places};
use super::listing::Listing;
use crate::error::{Code, Error, Result};
use crate::live::Live;
use crate::log::{Batch, Digest, Reader, Record};
use crate::map::{Control, Seq, Waiting, low};

/// How long the maps may take to show what is in place.
const GRACE: Duration = Duration::from_millis(20);
/// How long a writer may take before it is asked whether it lives.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long an editor is given to finish what it does to a file, and the longest it is given.
const DEBOUNCE: Duration = Duration::from_millis(50);
const DEBOUNCE_MOST: Duration = Duration::from_millis(500);
/// How long nothing is taken to be new as long as the control file says so.
const QUIET: Duration = Duration::from_millis(50);
/// How many transactions are kept, and how many bytes of them, about.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 256 << 10;

/// How many watches and subscriptions one open store may have.
pub const MAX_WATCHES: usize = 1000;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Feed {
    tail: Mutex<Tail>,
    edits: Mutex<Edits>,
    bell: OnceLock<Option<Arc<Bell>>>,
    /// The control file, to say in it that someone waits.
    control: Mutex<Option<Arc<Control>>>,
    watches: AtomicUsize,
    listing: Mutex<Listing>,
}

#[derive(Debug)]
struct Tail {
    reader: Reader,
    /// The transactions behind `start`, each with about how many bytes it takes.
    ring: VecDeque<(Arc<Record>, usize)>,
    bytes: usize,
    start: u64,
    /// Up to where they are told.
    end: u64,
    /// Ripe, but perhaps not to be seen in the maps yet.
    held: Vec<Arc<Record>>,
    /// When to look again, and why.
    due: Option<Instant>,
    patience: Duration,
    /// Since when there has been nothing new, and what the control file said then.
    quiet: Option<(Instant, Seq)>,
}

/// The files that may have been edited.
#[derive(Debug, Default)]
struct Edits {
    names: BTreeSet<String>,
    first: Option<Instant>,
    due: Option<Instant>,
    /// How often the log did not know what is there.
    tries: u32,
    /// Whether the first look at all packages was taken.
    begun: bool,
    /// Whether somebody is at it.
    busy: bool,
    /// Whether this process may not write to the log.
    barred: bool,
}

/// What became of edits that were to be noted.
enum Outcome {
    Done,
    Again(Vec<String>),
    Barred,
}

/// What comes after a place.
pub(super) enum Next {
    Record(Arc<Record>),
    Nothing,
    /// What comes next is further back than here: up to this.
    Before(u64),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is shared here is derived from the log, and looked at anew each time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

impl Feed {
    pub fn new(live: &Live) -> Result<Self> {
        let reader = live.store().the_log()?.reader(None)?;
        let at = reader.sequence();
        let tail = Tail {
            reader,
            ring: VecDeque::new(),
            bytes: 0,
            start: at,
            end: at,
            held: Vec::new(),
            due: None,
            patience: PATIENCE,
            quiet: None,
        };
        Ok(Self {
            tail: Mutex::new(tail),
            edits: Mutex::default(),
            bell: OnceLock::new(),
            control: Mutex::default(),
            watches: AtomicUsize::new(0),
            listing: Mutex::default(),
        })
    }

    /// Counts one more watch.
    pub fn enter(&self, live: &Live, pattern: &Pattern) -> Result<()> {
        // Only the number counts; nothing else depends on it.
        if self.watches.fetch_add(1, Ordering::Relaxed) >= MAX_WATCHES {
            self.watches.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::TooMany { what: "watches of this store", limit: MAX_WATCHES });
        }
        lock(&self.listing).add(live.store(), pattern.text());
        Ok(())
    }

    pub fn leave(&self, pattern: &Pattern) {
        self.watches.fetch_sub(1, Ordering::Relaxed);
        lock(&self.listing).remove(pattern.text());
    }

    /// Returns the last transaction, once the maps show it.
    pub fn now(&self, live: &Live) -> Result<u64> {
        let deadline = Instant::now() + GRACE * 2;
        loop {
            let mut tail = lock(&self.tail);
            tail.read_on(live)?;
            if tail.held.is_empty() || Instant::now() > deadline {
                // Before the first record there is nothing to wait for: what was told is shown.
                let end = tail.reader.sequence();
                if tail.end < end || !tail.is_shown(live, end) {
                    let _ = live.refresh();
                    tail.release();
                }
                return Ok(end);
            }
            drop(tail);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Finds the transaction after a place.
    pub(super) fn after(&self, live: &Live, place: u64) -> Result<Next> {
        let mut tail = lock(&self.tail);
        if place < tail.start {
            return Ok(Next::Before(tail.start));
        }
        if let Some(record) = tail.find(place) {
            return Ok(Next::Record(record));
        }
        let late = tail.read_on(live)?;
        if late {
            // Nobody was woken for it.
            drop(tail);
            self.bell(live).iter().for_each(|bell| bell.ring());
            tail = lock(&self.tail);
        }
        if place < tail.start {
            return Ok(Next::Before(tail.start));
        }
        if place > tail.end && place > tail.reader.sequence() {
            return Err(Error::TooOld { since: place, revision: tail.end });
        }
        Ok(tail.find(place).map_or(Next::Nothing, Next::Record))
    }

    /// Returns the bell, made when it is first asked for; `None` if the system gives none.
    pub(super) fn bell(&self, live: &Live) -> Option<&Arc<Bell>> {
        self.bell.get_or_init(|| Bell::new(&places(live)).ok().map(Arc::new)).as_ref()
    }

    /// Returns when to look again even if nothing is heard.
    pub fn due(&self) -> Option<Instant> {
        let tail = lock(&self.tail).due;
        let edits = lock(&self.edits);
        // Whoever is at it, or must not be, is not to be waited for.
        earliest(tail, edits.due.filter(|_| !edits.busy && !edits.barred))
    }

    /// Tells writers that somebody waits; returns what to wait for, if there is a control file.
    pub fn announce_waiting(&self, live: &Live, how: Waiting) -> Option<(Arc<Control>, u32)> {
        let table = live.inner.table.get();
        let shared = table.control.as_ref()?;
        let mut mine = lock(&self.control);
        if mine.as_ref().is_none_or(|mine| mine.identity != shared.identity) {
            let opened = live.inner.shared().and_then(|shared| shared.control_to_wait());
            *mine = opened.filter(|opened| opened.identity == shared.identity).map(Arc::new);
        }
        let control = mine.clone()?;
        let value = control.announce_waiting(how);
        Some((control, value))
    }

    /// Hears what has happened to the files, and notes edits once they are at rest.
    pub fn tend(&self, live: &Live) {
        let Some(bell) = self.bell(live) else { return };
        let Heard { edited, any, moved } = bell.hear();
        if any {
            lock(&self.tail).quiet = None;
        }
        if moved || any && self.is_control_lost(live) {
            let _ = live.refresh();
            bell.attend(&places(live));
        }
        let now = Instant::now();
        let mut edits = lock(&self.edits);
        if !edits.begun {
            edits.begun = true;
            edits.names.extend(live.store().packages().unwrap_or_default());
            edits.due = Some(now);
        }
        if !edited.is_empty() {
            let first = *edits.first.get_or_insert(now);
            edits.due = Some((now + DEBOUNCE).min(first + DEBOUNCE_MOST));
            edits.names.extend(edited);
        }
        if edits.barred || edits.busy || edits.due.is_none_or(|due| due > now) {
            return;
        }
        edits.busy = true;
        (edits.first, edits.due) = (None, None);
        let names = std::mem::take(&mut edits.names);
        let (settled, tries) = (edits.tries > 0, edits.tries);
        // It may take long; meanwhile the others go on.
        drop(edits);
        let outcome = self.note(live, names, settled);
        let mut edits = lock(&self.edits);
        edits.busy = false;
        edits.tries = 0;
        match outcome {
            Outcome::Done => {}
            Outcome::Barred => edits.barred = true,
            Outcome::Again(names) => {
                edits.names.extend(names);
                edits.tries = tries + 1;
                let pause = if settled { DEBOUNCE_MOST } else { DEBOUNCE };
                edits.due = earliest(edits.due, Some(Instant::now() + pause));
            }
        }
    }

    /// Reports whether the control file was removed or replaced.
    fn is_control_lost(&self, live: &Live) -> bool {
        let table = live.inner.table.get();
        match (live.inner.shared(), &table.control) {
            (Some(shared), Some(control)) => !shared.is_current(control),
            _ => false,
        }
    }

    /// Notes the edits among these packages; unless it is `settled`, it is only looked whether there are any.
    fn note(&self, live: &Live, names: BTreeSet<String>, settled: bool) -> Outcome {
        let empty = {
            let mut tail = lock(&self.tail);
            // What cannot be read is told to whoever waits for events.
            let _ = tail.read_on(live);
            tail.reader.sequence() == 0
        };
        let mut edited: Vec<String> =
            names.into_iter().filter(|name| empty || self.differs(live, name)).collect();
        if edited.is_empty() && !empty {
            return Outcome::Done;
        }
        // A commit that is being made looks like an edit for a moment.
        if !settled && !empty {
            return Outcome::Again(edited);
        }
        if empty {
            edited = live.store().packages().unwrap_or_default();
        }
        match live.store().note_edits_of(&edited) {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Barred,
            Err(error) if error.code() == Code::Permission => Outcome::Barred,
            Err(_) => Outcome::Again(edited),
        }
    }

    /// Reports whether the text of a package is not what the log says it is.
    fn differs(&self, live: &Live, name: &str) -> bool {
        let Ok(place) = live.store().place(name.as_bytes()) else { return false };
        // A commit may be made while the text is read.
        let before = lock(&self.tail).reader.newest(name);
        let Ok((text, _)) = live.store().read_settled(&place) else { return false };
        let text = Some(Digest::of(&text));
        let mut tail = lock(&self.tail);
        if before != text {
            let _ = tail.read_on(live);
        }
        before != text && tail.reader.newest(name) != text
    }
}

fn places(live: &Live) -> Places {
    let store = live.store();
    let control = live.inner.shared().map(|shared| shared.control_path());
    Places {
        config: store.dirs().config.path.clone(),
        log: store.log().map(|log| log.dir().to_path_buf()),
        control: control.filter(|path| {
            // Without the right to write to it nobody can be told to touch it.
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
        }),
    }
}

impl Tail {
    fn find(&self, place: u64) -> Option<Arc<Record>> {
        let at = self.ring.partition_point(|(record, _)| record.sequence <= place);
        self.ring.get(at).map(|(record, _)| record.clone())
    }

    /// Reads what is new. Returns whether something can be told that nobody was woken for.
    fn read_on(&mut self, live: &Live) -> Result<bool> {
        let log = live.store().the_log()?;
        let now = Instant::now();
        let logged = live.inner.table.get().control.as_ref().and_then(|control| control.logged());
        if let (Some((since, seen)), Some(logged)) = (self.quiet, logged)
            && seen == logged
            && now.saturating_duration_since(since) < QUIET
        {
            return Ok(false);
        }
        let Batch { records, unripe, more } = match self.reader.read(log) {
            Ok(batch) => batch,
            Err(Error::TooOld { .. }) => {
                // Each watch finds out by itself that it cannot go on.
                self.reader = log.reader(None)?;
                (self.ring, self.bytes, self.held) = (VecDeque::new(), 0, Vec::new());
                (self.start, self.end) = (self.reader.sequence(), self.reader.sequence());
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let fresh = !records.is_empty();
        self.held.extend(records.into_iter().map(Arc::new));
        if more && self.held.is_empty() {
            // Nothing of it is to be told; what comes next may be.
            self.end = self.reader.sequence();
            return self.read_on(live);
        }
        let mut due = None;
        let mut late = false;
        if self.held.is_empty() {
            self.end = self.reader.sequence();
        } else if self.is_shown(live, self.reader.sequence()) {
            self.release();
        } else if !fresh && self.due.is_some_and(|due| due <= now) {
            // Whatever cannot be read is told to whoever reads it.
            let _ = live.refresh();
            self.release();
            late = true;
        } else {
            due = if fresh { Some(now + GRACE) } else { self.due };
        }
        if !unripe {
            self.patience = PATIENCE;
        } else if fresh || self.due.is_none() || due.is_some() {
            due = earliest(due, Some(now + self.patience));
        } else if self.due.is_some_and(|due| due <= now) {
            // Its writer takes long, or has died. What fails here the next writer tries again.
            let _ = live.store().finish_last();
            self.patience = (self.patience * 2).min(Duration::from_secs(2));
            due = Some(now + self.patience);
        } else {
            due = self.due;
        }
        self.due = due;
        let still = !fresh && !unripe && !more && self.held.is_empty();
        self.quiet = logged.filter(|_| still).map(|logged| (now, logged));
        Ok(late)
    }

    /// Reports whether the maps show what is told up to a transaction.
    fn is_shown(&self, live: &Live, sequence: u64) -> bool {
        let table = live.inner.table.get();
        let Some(control) = &table.control else {
            // The maps are of this process; it has to bring them up to the texts, and those up to the log.
            let _ = live.store().finish_last();
            let _ = live.refresh();
            return true;
        };
        let private = |record: &Arc<Record>| {
            record.packages.iter().any(|change| live.inner.is_private(change.package.as_bytes()))
        };
        if self.held.iter().any(private) {
            let _ = live.store().finish_last();
            let _ = live.refresh();
        }
        control.logged().is_some_and(|logged| !low(sequence).is_after(logged))
    }

    /// Tells what was held back.
    fn release(&mut self) {
        for record in self.held.drain(..) {
            let size = size_of_record(&record);
            self.bytes += size;
            self.ring.push_back((record, size));
        }
        self.end = self.reader.sequence();
        while self.ring.len() > 1 && (self.ring.len() > KEPT || self.bytes > KEPT_BYTES) {
            let Some((dropped, size)) = self.ring.pop_front() else { break };
            self.start = dropped.sequence;
            self.bytes -= size;
        }
    }
}

/// About how many bytes a record takes.
fn size_of_record(record: &Record) -> usize {
    let content = |content: Option<&crate::log::Content>| {
        content.map_or(0, |content| content.items().iter().map(|item| item.len() + 24).sum())
    };
    let change = |change: &crate::log::KeyChange| {
        let (old, new) = change.values();
        100 + content(old) + content(new)
    };
    let hunk = |hunk: &crate::log::Hunk| 64 + hunk.inserted.len() + hunk.removed.len();
    let package = |package: &crate::log::PackageChange| {
        200 + package.changes.iter().map(change).sum::<usize>()
            + package.hunks.iter().map(hunk).sum::<usize>()
    };
    300 + record.packages.iter().map(package).sum::<usize>()
}
