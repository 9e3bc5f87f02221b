//! The thread of an open store that puts texts in place which follow later: [`crate::Durability::Log`].

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::commit::core::Core;
use crate::commit::deferred;

/// Sees to it that texts do not stay behind: a thread, from the first commit that leaves one on. It ends with the
/// store.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    schedule: Mutex<Schedule>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Schedule {
    /// The process that the thread is of: it does not come along in a fork.
    process: Option<u32>,
    due: Option<Instant>,
    /// Whether the thread is putting texts in place right now.
    is_at_work: bool,
    closed: bool,
}

impl Flusher {
    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has texts put in place after a while, unless that is under way.
    pub fn call(self: &Arc<Self>, core: &Core, delay: Duration) {
        let mut schedule = self.lock();
        let process = std::process::id();
        if schedule.process != Some(process) {
            let (flusher, core) = (self.clone(), core.clone());
            let run = move || flusher.serve(&core, delay);
            // Without a thread the next commit, or the end of the store, sees to it.
            let thread = std::thread::Builder::new().name("cms-texts".into()).spawn(run);
            schedule.process = thread.is_ok().then_some(process);
            schedule.is_at_work = false;
        }
        if schedule.due.is_none() {
            schedule.due = Some(Instant::now() + delay);
            self.changed.notify_all();
        }
    }

    /// Ends the thread, once it has done what it is doing: the process may end right after this, and the thread with
    /// it.
    pub fn close(&self) {
        let mut schedule = self.lock();
        schedule.closed = true;
        self.changed.notify_all();
        while schedule.is_at_work && schedule.process == Some(std::process::id()) {
            schedule = self.changed.wait(schedule).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What the thread does.
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
                    (schedule.due, schedule.is_at_work) = (None, true);
                    drop(schedule);
                    let failed = deferred::flush(core).is_err();
                    schedule = self.lock();
                    schedule.is_at_work = false;
                    self.changed.notify_all();
                    if failed {
                        schedule.due = Some(Instant::now() + delay);
                    }
                }
            }
        }
    }
}
