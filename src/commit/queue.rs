//! The transactions that threads of a program wait for, and which of the threads commits them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::commit::intent::Intent;
use crate::commit::package_edit::PackageEdit;
use crate::error::Result;
use crate::log;

/// What was asked for: the revision, where there is a log or there are maps.
pub(crate) type Answer = Result<Option<u64>>;

/// A transaction to be committed.
#[derive(Debug)]
pub(crate) struct Request {
    pub changes: Vec<PackageEdit>,
    pub intent: Intent,
    state: Mutex<State>,
}

/// What has become of a request.
#[derive(Debug)]
enum State {
    Waiting,
    Answered(Answer),
    /// Who asked has taken the answer.
    Done,
}

impl Request {
    /// Makes a request that waits.
    pub fn new(changes: Vec<PackageEdit>, intent: Intent) -> Arc<Self> {
        Arc::new(Self { changes, intent, state: Mutex::new(State::Waiting) })
    }

    /// Has it wait again, for who asks once more.
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

    /// Reports whether it was not answered yet.
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

/// See [`Queue`].
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

    /// Takes those that are to be committed together: this one, and as many others as may be.
    pub fn take(&self, request: &Arc<Request>) -> Vec<Arc<Request>> {
        let waiting = &mut self.lock().requests;
        let own = waiting.iter().position(|other| Arc::ptr_eq(other, request));
        // They go on in the order in which they came, but for a leader who came late.
        if let Some(late) = own.filter(|own| *own >= log::GROUP) {
            waiting[..=late].rotate_right(1);
        }
        waiting.drain(..waiting.len().min(log::GROUP)).collect()
    }

    /// Waits until the request is answered, or the caller is to lead.
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

/// The duty to lead. Dropped, also by a panic, it passes to someone else.
pub(crate) struct Leadership<'q> {
    queue: &'q Queue,
    /// The group.
    pub requests: Vec<Arc<Request>>,
}

impl<'q> Leadership<'q> {
    /// Takes the duty that [`Queue::wait`] has given.
    pub fn of(queue: &'q Queue) -> Self {
        Self { queue, requests: Vec::new() }
    }
}

impl Drop for Leadership<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        // With nobody there it would be a system call for nothing.
        let is_awaited = !self.requests.is_empty() || !waiting.requests.is_empty();
        waiting.requests.extend(self.requests.drain(..).filter(|request| request.is_waiting()));
        waiting.is_led = false;
        if is_awaited {
            self.queue.led.notify_all();
        }
    }
}
