//! The thread of an open store that writes deferred texts: [`crate::Durability::Log`].

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::commit::core::Core;
use crate::commit::deferred;

/// Writes deferred texts. Its thread starts with the first commit that defers a text, and ends with the store.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    schedule: Mutex<Schedule>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Schedule {
    /// The process that the thread belongs to: a forked child has no thread.
    process: Option<u32>,
    due: Option<Instant>,
    /// Whether the thread is writing texts.
    is_writing: bool,
    closed: bool,
}

impl Flusher {
    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Schedules a write of the texts after `delay`, unless one is scheduled; starts the thread if there is none.
    pub fn schedule(self: &Arc<Self>, core: &Core, delay: Duration) {
        let mut schedule = self.lock();
        let process = crate::os::process::id();
        if schedule.process != Some(process) {
            let (flusher, core) = (self.clone(), core.clone());
            let run = move || flusher.serve(&core, delay);
            // Without a thread the next commit, or the end of the store, writes the texts.
            let thread = std::thread::Builder::new().name("cms-texts".into()).spawn(run);
            schedule.process = thread.is_ok().then_some(process);
            schedule.is_writing = false;
        }
        if schedule.due.is_none() {
            schedule.due = Some(Instant::now() + delay);
            self.changed.notify_all();
        }
    }

    /// Ends the thread after its current write: the process may end right after this call.
    pub fn close(&self) {
        let mut schedule = self.lock();
        schedule.closed = true;
        self.changed.notify_all();
        while schedule.is_writing && schedule.process == Some(crate::os::process::id()) {
            schedule = self.changed.wait(schedule).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The loop of the thread.
    fn serve(&self, core: &Core, delay: Duration) {
        let mut schedule = self.lock();
        while !schedule.closed {
            let now = Instant::now();
            match schedule.due {
                None => schedule = self.changed.wait(schedule).unwrap_or_else(PoisonError::into_inner),
                Some(due) if due > now => {
                    let waited = self.changed.wait_timeout(schedule, due - now);
                    schedule = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(_) => {
                    (schedule.due, schedule.is_writing) = (None, true);
                    drop(schedule);
                    let failed = deferred::flush(core).is_err();
                    schedule = self.lock();
                    schedule.is_writing = false;
                    self.changed.notify_all();
                    if failed {
                        schedule.due = Some(Instant::now() + delay);
                    }
                }
            }
        }
    }
}
