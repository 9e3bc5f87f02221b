//! The queue of transactions that threads of this program wait for, and the choice of the thread that commits the
//! next group.
//!
//! At most one thread leads. A thread that queues a transaction either becomes the leader or sleeps until its request is
//! answered or the leader ends. The mutex of the queue comes before that of a request, and neither is held while a
//! transaction is committed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::commit::intent::Intent;
use crate::commit::package_edit::PackageEdit;
use crate::error::Result;
use crate::log;

/// The answer to a request: the revision, if there is a log or there are maps.
pub(crate) type Answer = Result<Option<u64>>;

/// A transaction to be committed.
#[derive(Debug)]
pub(crate) struct Request {
    pub changes: Vec<PackageEdit>,
    pub intent: Intent,
    state: Mutex<State>,
}

/// The state of a request.
#[derive(Debug)]
enum State {
    Waiting,
    Answered(Answer),
    /// The thread that asked has taken the answer.
    Done,
}

impl Request {
    /// Makes a request that waits.
    pub fn new(changes: Vec<PackageEdit>, intent: Intent) -> Arc<Self> {
        Arc::new(Self { changes, intent, state: Mutex::new(State::Waiting) })
    }

    /// Makes the request wait again, so that it can be queued once more.
    pub fn wait_again(&self) {
        *self.state() = State::Waiting;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers it.
    pub fn answer(&self, answer: Answer) {
        *self.state() = State::Answered(answer);
    }

    /// Reports whether it is not answered yet.
    pub fn is_waiting(&self) -> bool {
        matches!(*self.state(), State::Waiting)
    }

    /// Takes the answer, if there is one.
    pub fn take_answer(&self) -> Option<Answer> {
        let mut state = self.state();
        if matches!(*state, State::Waiting) {
            return None;
        }
        match std::mem::replace(&mut *state, State::Done) {
            State::Answered(answer) => Some(answer),
            State::Waiting | State::Done => None,
        }
    }
}

/// The state of a [`Queue`].
#[derive(Debug, Default)]
struct Waiting {
    requests: Vec<Arc<Request>>,
    /// Whether a thread leads a group.
    is_led: bool,
}

/// The transactions that wait, and whether a group is being committed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    led: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the requests that will be committed together: this one, and others up to the size of a group.
    pub fn take(&self, request: &Arc<Request>) -> Vec<Arc<Request>> {
        let waiting = &mut self.lock().requests;
        let own = waiting.iter().position(|other| Arc::ptr_eq(other, request));
        // Requests are committed in the order in which they were queued, except that the leader's own request is
        // always in its group.
        if let Some(index) = own.filter(|own| *own >= log::GROUP) {
            waiting[..=index].rotate_right(1);
        }
        waiting.drain(..waiting.len().min(log::GROUP)).collect()
    }

    /// Queues a request and waits until it is answered, or until the caller must lead (`None`).
    pub fn wait(&self, request: &Arc<Request>) -> Option<Answer> {
        let mut waiting = self.lock();
        waiting.requests.push(request.clone());
        while waiting.is_led {
            waiting = self.led.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = request.take_answer() {
                return Some(answer);
            }
        }
        waiting.is_led = true;
        None
    }
}

/// The leadership of a group. When it is dropped, also by a panic, its unanswered requests go back to the queue and
/// another thread leads.
pub(crate) struct Leadership<'q> {
    queue: &'q Queue,
    /// The group.
    pub requests: Vec<Arc<Request>>,
}

impl<'q> Leadership<'q> {
    /// Makes the leadership after [`Queue::wait`] has returned `None`.
    pub fn of(queue: &'q Queue) -> Self {
        Self { queue, requests: Vec::new() }
    }
}

impl Drop for Leadership<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        // If no thread waits, this saves a system call.
        let is_awaited = !self.requests.is_empty() || !waiting.requests.is_empty();
        waiting.requests.extend(self.requests.drain(..).filter(|request| request.is_waiting()));
        waiting.is_led = false;
        if is_awaited {
            self.queue.led.notify_all();
        }
    }
}
