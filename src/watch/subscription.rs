//! Subscriptions: callbacks on a thread of the library, one thread for all subscriptions of an open store.
//!
//! The thread holds no lock of the library while a callback runs, so a callback may read, write, subscribe and end
//! subscriptions, its own included. The thread starts with the first subscription and ends with the last.

use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId};

use rustix::event::{PollFd, PollFlags, poll};

use super::waker::WakeFd;
use super::{Event, Feed, Watch};
use crate::error::{Error, Result};
use crate::watch::source::{Hub, Source};

/// How many events one subscriber gets before the next one gets its turn.
const TURN: usize = 64;

type Callback = Box<dyn FnMut(Result<Event>) + Send>;

/// A subscription. Dropping it ends it: after the drop its callback neither runs nor is called again, unless the
/// callback itself drops it. A callback that panics is not called again.
#[derive(Debug)]
pub struct Subscription {
    subscriber: Arc<Subscriber>,
    dispatcher: Arc<Dispatcher>,
}

struct Subscriber {
    /// Locked by the thread while it serves this subscriber.
    work: Mutex<Option<(Watch, Callback)>>,
    ended: AtomicBool,
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// The subscribers of an open store, and the thread that serves them.
#[derive(Debug, Default)]
pub(crate) struct Dispatcher {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Copied on a change while the thread iterates over it.
    subscribers: Arc<Vec<Arc<Subscriber>>>,
    thread: Option<JoinHandle<()>>,
    serving: Option<ThreadId>,
    wake_fd: Option<Arc<WakeFd>>,
}

impl Subscription {
    /// Subscribes to events of an open store: see [`crate::Store::subscribe`].
    pub(crate) fn open(
        source: &Arc<dyn Source>,
        pattern: &str,
        since: Option<u64>,
        callback: impl FnMut(Result<Event>) + Send + 'static,
    ) -> Result<Self> {
        let watch = Watch::open(source.clone(), pattern, since)?;
        let dispatcher = source.hub().dispatcher.clone();
        let work = Mutex::new(Some((watch, Box::new(callback) as Callback)));
        let subscriber = Arc::new(Subscriber { work, ended: AtomicBool::new(false) });
        dispatcher.add(source, &subscriber)?;
        Ok(Self { subscriber, dispatcher })
    }
}

impl Dispatcher {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, source: &Arc<dyn Source>, subscriber: &Arc<Subscriber>) -> Result<()> {
        let mut state = self.state();
        let failed = |error| Error::io("wait for changes of", &source.core().dirs().config.path)(error);
        if state.thread.is_none() {
            let feed = Hub::feed(&**source)?;
            let out = || failed(std::io::Error::from_raw_os_error(24));
            let wake_fd = Arc::new(feed.waker(&**source).ok_or_else(out)?.listen().map_err(failed)?);
            let (dispatcher, served, source) = (self.clone(), wake_fd.clone(), source.clone());
            let run = move || dispatcher.serve(&*source, &served);
            let thread = std::thread::Builder::new().name("cms-events".into()).spawn(run).map_err(failed)?;
            state.serving = Some(thread.thread().id());
            (state.thread, state.wake_fd) = (Some(thread), Some(wake_fd));
        }
        Arc::make_mut(&mut state.subscribers).push(subscriber.clone());
        state.wake_fd.iter().for_each(|wake_fd| wake_fd.wake());
        Ok(())
    }

    /// The loop of the thread.
    fn serve(&self, source: &dyn Source, wake_fd: &WakeFd) {
        let Ok(feed) = Hub::feed(source) else { return };
        loop {
            // Deliver the events first; other work can wait.
            let Some(mut more) = self.serve_all(source, &feed) else { return };
            feed.handle_file_events(source);
            // Clear first: the thread checks for events after this.
            wake_fd.clear();
            feed.announce_waiting(source, crate::map::Waiting::Times);
            match self.serve_all(source, &feed) {
                Some(yet_more) => more |= yet_more,
                None => return,
            }
            if more {
                continue;
            }
            match feed.due() {
                Some(due) => wake_fd.waker().wake_at(due),
                None => wake_fd.rearm_edits(),
            }
            // The thread checks for events, however the wait ends.
            let _ = poll(&mut [PollFd::new(&wake_fd.as_fd(), PollFlags::IN)], None);
        }
    }

    /// Serves each subscriber in turn. Returns whether one of them may have more events; `None` once the last
    /// subscription has ended, which ends the thread. A later subscription starts another thread.
    fn serve_all(&self, source: &dyn Source, feed: &Feed) -> Option<bool> {
        let subscribers = {
            let state = self.state();
            if state.subscribers.is_empty() || state.serving != Some(std::thread::current().id()) {
                return None;
            }
            state.subscribers.clone()
        };
        // On an error, each watch returns it to its callback.
        let end = feed.end(source).ok();
        let mut more = false;
        for subscriber in subscribers.iter() {
            more |= subscriber.serve(end);
        }
        Some(more)
    }
}

impl Subscriber {
    /// Calls back with the pending events, up to [`TURN`]; `end` is the last transaction. Returns whether there may
    /// be more.
    fn serve(&self, end: Option<u64>) -> bool {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TURN {
            if self.ended.load(Ordering::Acquire) {
                *work = None;
                return false;
            }
            let Some((watch, callback)) = &mut *work else { return false };
            if Some(watch.sequence()) == end {
                return false;
            }
            let event = match watch.take() {
                Ok(None) => return false,
                Ok(Some(event)) => Ok(event),
                Err(error) => Err(error),
            };
            let over = matches!(&event, Err(error) if !matches!(error, Error::TooOld { .. }));
            // If the callback panics, the other subscriptions go on.
            let called = catch_unwind(AssertUnwindSafe(|| callback(event)));
            if over || called.is_err() {
                *work = None;
                return false;
            }
        }
        true
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // The thread reads this before each call.
        self.subscriber.ended.store(true, Ordering::Release);
        let mut state = self.dispatcher.state();
        Arc::make_mut(&mut state.subscribers).retain(|subscriber| !Arc::ptr_eq(subscriber, &self.subscriber));
        let inside = state.serving == Some(std::thread::current().id());
        let (mut thread, mut wake_fd) = (None, None);
        if state.subscribers.is_empty() {
            (thread, wake_fd) = (state.thread.take(), state.wake_fd.take());
            state.serving = None;
        }
        drop(state);
        if let Some(wake_fd) = wake_fd {
            wake_fd.wake();
        }
        if inside {
            return;
        }
        // Waits for a call that is running.
        *self.subscriber.work.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(thread) = thread {
            // The thread has no result.
            let _ = thread.join();
        }
    }
}
