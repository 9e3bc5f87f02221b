//! What the watches of an open store share: the newest transactions, what wakes them, and the look-out for edits.
//!
//! Each transaction is read and checked once, however many watches there are. A watch that is further back than
//! what is kept here reads the log by itself.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Pattern;
use super::edits::Edits;
use super::listing::Listing;
use super::tail::{GRACE, Tail};
use super::waker::{FileEvents, Paths, Waker};
use crate::error::{Error, Result};
use crate::log::Record;
use crate::map::{Control, Waiting};
use crate::watch::source::Source;

/// How many watches and subscriptions one open store may have.
pub const MAX_WATCHES: usize = 1000;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Feed {
    tail: Mutex<Tail>,
    /// How often the log has become another one.
    switches: Arc<AtomicU32>,
    edits: Edits,
    waker: OnceLock<Option<Arc<Waker>>>,
    /// The control file, to say in it that someone waits.
    control: Mutex<Option<Arc<Control>>>,
    watches: AtomicUsize,
    listing: Mutex<Listing>,
}

/// What comes after a place.
pub(super) enum Next {
    Record(Arc<Record>),
    Nothing,
    /// What comes next is further back than here: up to this.
    Before(u64),
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is shared here is derived from the log, and looked at anew each time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

impl Feed {
    pub fn new(source: &dyn Source) -> Result<Self> {
        let tail = Tail::open(source)?;
        Ok(Self {
            switches: tail.switches(),
            tail: Mutex::new(tail),
            edits: Edits::default(),
            waker: OnceLock::new(),
            control: Mutex::default(),
            watches: AtomicUsize::new(0),
            listing: Mutex::default(),
        })
    }

    /// Counts one more watch.
    pub fn enter(&self, source: &dyn Source, pattern: &Pattern) -> Result<()> {
        // Only the number counts; nothing else depends on it.
        if self.watches.fetch_add(1, Ordering::Relaxed) >= MAX_WATCHES {
            self.watches.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::TooMany { what: "watches of this store", limit: MAX_WATCHES });
        }
        lock(&self.listing).add(source.core(), pattern.text());
        Ok(())
    }

    pub fn leave(&self, pattern: &Pattern) {
        self.watches.fetch_sub(1, Ordering::Relaxed);
        lock(&self.listing).remove(pattern.text());
    }

    /// Returns the last transaction, once the maps show it.
    pub fn now(&self, source: &dyn Source) -> Result<u64> {
        let deadline = Instant::now() + GRACE * 2;
        loop {
            let mut tail = lock(&self.tail);
            tail.read_on(source)?;
            if !tail.is_holding() || Instant::now() > deadline {
                return Ok(tail.release_all(source));
            }
            drop(tail);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns how often the log has become another one, since the configuration directory has.
    pub fn switches(&self) -> u32 {
        // Only the number counts.
        self.switches.load(Ordering::Relaxed)
    }

    /// Returns up to where there is something to be told.
    pub fn end(&self, source: &dyn Source) -> Result<u64> {
        Ok(self.read_on(source)?.end())
    }

    /// Reads what is new, and wakes the others for what nobody was woken for.
    fn read_on(&self, source: &dyn Source) -> Result<MutexGuard<'_, Tail>> {
        let mut tail = lock(&self.tail);
        if tail.read_on(source)? {
            drop(tail);
            self.waker(source).iter().for_each(|waker| waker.wake());
            tail = lock(&self.tail);
        }
        Ok(tail)
    }

    /// Finds the transaction after a place.
    pub(super) fn after(&self, source: &dyn Source, place: u64) -> Result<Next> {
        let known = lock(&self.tail).after(place);
        match known {
            Next::Nothing => {}
            known => return Ok(known),
        }
        let tail = self.read_on(source)?;
        match tail.after(place) {
            Next::Nothing if tail.is_beyond(place) => {
                Err(Error::TooOld { since: place, revision: tail.end() })
            }
            next => Ok(next),
        }
    }

    /// Returns the waker, made when it is first asked for; `None` if the system gives none.
    pub(super) fn waker(&self, source: &dyn Source) -> Option<&Arc<Waker>> {
        self.waker.get_or_init(|| Waker::new(&paths(source)).ok().map(Arc::new)).as_ref()
    }

    /// Returns when to look again even if nothing is events.
    pub fn due(&self) -> Option<Instant> {
        let tail = lock(&self.tail).due();
        earliest(tail, self.edits.due())
    }

    /// Tells writers that somebody waits; returns what to wait for, if there is a control file.
    pub fn announce_waiting(&self, source: &dyn Source, how: Waiting) -> Option<(Arc<Control>, u32)> {
        let table = source.table();
        let shared = table.control.as_ref()?;
        let mut mine = lock(&self.control);
        if mine.as_ref().is_none_or(|mine| mine.identity != shared.identity) {
            let opened = source.shared().and_then(|shared| shared.control_to_wait());
            *mine = opened.filter(|opened| opened.identity == shared.identity).map(Arc::new);
        }
        let control = mine.clone()?;
        let value = control.announce_waiting(how);
        Some((control, value))
    }

    /// Hears what has happened to the files, and notes edits once they are at rest.
    pub fn handle_file_events(&self, source: &dyn Source) {
        let Some(waker) = self.waker(source) else { return };
        let FileEvents { mut edited, any, moved, relinked } = waker.drain_events();
        if any || moved {
            lock(&self.tail).invalidate();
        }
        if relinked && !moved {
            waker.watch_files(&paths(source));
        }
        if moved || any && self.is_control_lost(source) {
            let _ = source.refresh();
            waker.watch_files(&paths(source));
            lock(&self.listing).renew(source.core());
            // A file in another directory is another text.
            edited.extend(source.core().packages.list().unwrap_or_default());
        }
        self.edits.note_settled(source, &self.tail, edited);
    }

    /// Reports whether the control file was removed or replaced.
    fn is_control_lost(&self, source: &dyn Source) -> bool {
        let table = source.table();
        match (source.shared(), &table.control) {
            (Some(shared), Some(control)) => !shared.is_current(control),
            _ => false,
        }
    }
}

fn paths(source: &dyn Source) -> Paths {
    let core = source.core();
    let control = source.shared().map(|shared| shared.control_path());
    Paths {
        config: core.dirs().config.path.clone(),
        log: core.logs.current().map(|log| log.dir().to_path_buf()),
        control: control.filter(|path| {
            // Without the right to write to it nobody can be told to touch it.
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
        }),
    }
}
