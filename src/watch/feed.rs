//! State that all watches of an open store share: the newest transactions, the waker, and the edits to note.
//!
//! Each transaction is read and checked once for all watches. A watch further back than the transactions kept here
//! reads the log by itself.

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
    /// How often the store has switched to another log.
    switches: Arc<AtomicU32>,
    edits: Edits,
    waker: OnceLock<Option<Arc<Waker>>>,
    /// The control file, opened to announce in it that a watch waits.
    control: Mutex<Option<Arc<Control>>>,
    watches: AtomicUsize,
    listing: Mutex<Listing>,
}

/// The result of a search for the transaction after a position.
pub(super) enum Next {
    Record(Arc<Record>),
    Nothing,
    /// The next transaction is in the log only, as are all up to this one.
    Before(u64),
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The shared state is derived from the log and checked at each use, so it is valid after a panic.
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
        // Relaxed: no other memory depends on the count.
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

    /// Returns the number of the last transaction, once the maps show it.
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

    /// Returns how often the store has switched to another log: it does when its configuration directory is
    /// replaced.
    pub fn switches(&self) -> u32 {
        // Relaxed: no other memory depends on the count.
        self.switches.load(Ordering::Relaxed)
    }

    /// Returns the number of the last transaction that can be delivered.
    pub fn end(&self, source: &dyn Source) -> Result<u64> {
        Ok(self.read_on(source)?.end())
    }

    /// Reads new transactions, and wakes all watches if no writer has woken them.
    fn read_on(&self, source: &dyn Source) -> Result<MutexGuard<'_, Tail>> {
        let mut tail = lock(&self.tail);
        if tail.read_on(source)? {
            drop(tail);
            self.waker(source).iter().for_each(|waker| waker.wake());
            tail = lock(&self.tail);
        }
        Ok(tail)
    }

    /// Returns the transaction after a position.
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

    /// Returns the waker, creating it at the first call; `None` if the system has no descriptors left.
    pub(super) fn waker(&self, source: &dyn Source) -> Option<&Arc<Waker>> {
        self.waker.get_or_init(|| Waker::new(&paths(source)).ok().map(Arc::new)).as_ref()
    }

    /// Returns when to check again without an event.
    pub fn due(&self) -> Option<Instant> {
        let tail = lock(&self.tail).due();
        earliest(tail, self.edits.due())
    }

    /// Announces to writers that a watch waits. Returns the control file and the value to wait on, if there is a
    /// control file.
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

    /// Reads pending events of the files, and notes edits of files that have settled.
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
            // A file in another directory may have another text.
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
            // A process that may not write to it cannot announce that it waits.
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
        }),
    }
}
