//! Closes a log whose directory was replaced while it was open.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::tail::Tail;
use crate::error::Error;
use crate::log::Log;
use crate::log::record::Record;
use crate::log::scan::scan;
use crate::log::segment::{self, HEAD};
use crate::os::files::Wait;

/// The holder of the lock in errors, while the directory of a log is replaced.
pub(super) const REPLACER: &str = "another program that is replacing the directory";

/// How long to wait for a thread or process that is about to finish.
const BRIEFLY: Duration = Duration::from_millis(200);

impl Log {
    /// Closes the log if its directory was replaced, and keeps its last records for [`Log::last_records`]. While another
    /// thread appends, that thread does it. Returns false if a thread may still append to the replaced log.
    pub fn close_replaced(&self) -> bool {
        let Some(_turn) = self.turns.take(Instant::now() + BRIEFLY) else { return false };
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let is_replaced = tail.as_ref().is_some_and(|known| !known.lock.is_at_path());
        !is_replaced || self.close(&mut tail, Instant::now() + BRIEFLY)
    }

    /// Closes a log whose directory was replaced, and reads its last records. A writer that has its lock may still
    /// append to it, so its end is read with that lock held; later writers find the directory replaced. Returns false
    /// if the lock is not free in time.
    pub(super) fn close(&self, tail: &mut Option<Tail>, deadline: Instant) -> bool {
        let Some(known) = tail.take().filter(|known| known.process == crate::os::process::id()) else {
            return true;
        };
        if !matches!(self.files.lock(&known.lock, true, deadline), Ok(Wait::Held)) {
            *tail = Some(known);
            return false;
        }
        let Some(segment) = &known.segment else { return true };
        let Ok(bytes) = self.files.read_at(&segment.open, 0, segment.length) else { return true };
        let Ok(head) = segment::Head::decode(&bytes) else { return true };
        let found = scan(&bytes, HEAD, &[head.chain], segment.first.saturating_sub(1));
        let records = found.frames.iter().filter_map(|(_, frame)| Record::decode(frame.body));
        self.replaced_records.lock().unwrap_or_else(PoisonError::into_inner).extend(records);
        true
    }

    /// Returns the last records of the logs that were closed because their directories were replaced, the oldest
    /// first.
    pub fn last_records(&self) -> Vec<Record> {
        self.replaced_records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the records of the closed logs, once their changes are in the texts.
    pub fn forget_replaced(&self) {
        self.replaced_records.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the error for a writer whose log was replaced before it could append: see `retry`.
    pub fn replaced(&self) -> Error {
        Error::Locked { path: self.dir.join("lock"), holder: REPLACER.into(), waited: Duration::ZERO }
    }
}
