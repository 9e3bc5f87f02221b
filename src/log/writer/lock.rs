//! Takes the lock of the log, and opens its directory.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Writer;
use super::replaced::REPLACER;
use super::tail::Tail;
use crate::error::{Damage, Error, Result};
use crate::log::Log;
use crate::log::directory::{REPLACED_WITHIN, is_missing};
use crate::log::segment::ORIGIN;
use crate::log::summary::Summary;
use crate::os::files::{Names, OpenFile, Pauses, Wait};

/// Poll interval of the thread at the head of the queue. Only one thread is ever in this state, so polling often is
/// cheap.
const NEXT: Pauses = Pauses { first: Duration::from_micros(100), last: Duration::from_micros(500) };

/// Poll intervals of the processes behind it: the longer one has waited, the more often it polls, so that none starves.
const QUEUED: Pauses = Pauses { first: Duration::from_millis(3), last: Duration::from_micros(500) };

impl Log {
    /// Takes the lock, and finds the end of the log. The directory is made if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another writer does not finish in time, [`Error::Io`], and [`Error::Damaged`] if the
    /// log is by a later version, or an earlier sync has failed.
    pub fn write(&self, deadline: Instant, timeout: Duration) -> Result<Writer<'_>> {
        if self.broken.load(Ordering::Relaxed) {
            let why = "an earlier sync failed, so it is not known which transactions are durable".to_owned();
            return Err(Error::Damaged { what: Damage::Handle, path: self.dir.clone(), why });
        }
        let Some(turn) = self.turns.take(deadline) else {
            return Err(locked(&self.dir, "another thread of this process".into(), timeout));
        };
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = Writer { log: self, tail, _turn: turn };
        loop {
            let known = self.lock_end(&mut writer.tail, deadline, timeout)?;
            // The lock is held, so only programs that do not look at it change names from here on.
            let names = Names::settled_at(&self.dir);
            if names.is_some() && names == known && writer.is_at_known_end() {
                writer.keep_names(names);
                return Ok(writer);
            }
            let followed = writer.follow();
            if writer.is_current() && writer.known().queue.is_at_path() {
                writer.keep_names(names.filter(|_| followed.is_ok()));
                return followed.map(|()| writer);
            }
            // Files that were read by their paths may belong to the log that is at the path now.
            if !self.close(&mut writer.tail, deadline) || Instant::now() >= deadline {
                return Err(locked(&self.dir, REPLACER.into(), timeout));
            }
        }
    }

    /// Takes the lock of the log, and returns the names that prove that it is the log at the path: the caller compares
    /// them.
    fn lock_end(
        &self,
        tail: &mut Option<Tail>,
        deadline: Instant,
        timeout: Duration,
    ) -> Result<Option<Names>> {
        let process = crate::os::process::id();
        let known = match tail.take().filter(|tail| tail.process == process) {
            Some(known) => known,
            None => self.open_retrying(process)?,
        };
        let known = tail.insert(known);
        let wait = |open: &OpenFile, pauses| match self.files.lock_unchecked(open, deadline, pauses) {
            Ok(Wait::Held | Wait::Replaced) => Ok(()),
            Ok(Wait::TimedOut) => {
                // Name the process that uses the log or, if there is none, the process at the head of the queue.
                let holder = crate::os::lock::holder_of_one(&[&known.lock, open]);
                Err(locked(&open.path, holder, timeout))
            }
            Err(error) => Err(Error::io("lock", &open.path)(error)),
        };
        wait(&known.queue, QUEUED)?;
        let held = wait(&known.lock, NEXT);
        self.files.unlock(&known.queue);
        held.map(|()| known.names.take())
    }

    /// As [`Log::open`]. Tries again if the directory was replaced after it was made and before it was opened.
    fn open_retrying(&self, process: u32) -> Result<Tail> {
        let mut tries = 0;
        loop {
            match self.open(process) {
                Err(error) if is_missing(&error) && tries < REPLACED_WITHIN => tries += 1,
                opened => return opened,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Opens the files of the locks; the directory is made if it is missing.
    fn open(&self, process: u32) -> Result<Tail> {
        self.make_dir()?;
        let files = self.within(None)?;
        *self.texts.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let path = self.dir.join("lock");
        let lock = files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        let path = self.dir.join("queue");
        let queue = files.open_or_create(&path, 0o600).map_err(Error::io("open", &path))?;
        let (summary, unplaced) = (Summary::default(), Vec::new());
        Ok(Tail { process, lock, queue, names: None, segment: None, chain: ORIGIN, summary, unplaced })
    }
}

fn locked(path: &Path, holder: String, waited: Duration) -> Error {
    Error::Locked { path: path.into(), holder, waited }
}
