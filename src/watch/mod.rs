//! Watches. A watch delivers each transaction that changes keys of its pattern: in order, each exactly once.
//!
//! Events are read from the log, by transaction number. A watch stores its position only; its backlog is the log,
//! so a slow watch costs writers nothing. If the log has dropped the next records, the watch gets
//! [`Error::TooOld`]. An event is delivered once its data can be read (see `tail`), unless the transaction was
//! rolled back. A change of comments or notation only is no event.
//!
//! To follow a state: open a watch, then read all keys you need; then apply the events. A commit between the two is
//! in both, so apply events as assignments.

mod edits;
mod event;
mod feed;
mod links;
mod listing;
mod pattern;
pub(crate) mod source;
mod subscription;
mod tail;
mod waker;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feed::Next;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, Result};
use crate::log::{Reader, Record};
use crate::map::Waiting;
use crate::watch::source::{Hub, Source};

pub use event::{Changed, Event, EventKind};
pub(crate) use feed::Feed;
pub use feed::MAX_WATCHES;
pub use pattern::Pattern;
pub use subscription::Subscription;

/// How long [`Watch::next`] waits on the word of the control file, the fastest way, before it waits with a
/// descriptor, by which edits wake it too. Without a descriptor it polls with this interval.
const INTERVAL: Duration = Duration::from_millis(250);

/// How [`Watch::next`] waits.
enum Wait {
    /// On a word of the control file, as long as it has this value: the fastest way.
    Word(Arc<crate::map::Control>, u32),
    /// With the descriptor `rest`: edits wake it as well, and nothing is polled.
    Descriptor,
    /// By sleeping, if there is neither.
    Time,
}

/// Delivers transactions, one after the other: see the module documentation.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # std::fs::create_dir(dir.path().join("config"))?;
/// # std::fs::write(dir.path().join("config/network"), "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n")?;
/// # let path = |name: &str| dir.path().join(name);
/// # let dirs = cms::DirOptions::new().config(path("config")).save(path("save"));
/// # let dirs = cms::Dirs::choose(dirs.run(path("run")).state(path("state")));
/// # let options = cms::Options::new().dirs(dirs);
/// let store = cms::Store::open(options)?;
/// let mut watch = store.watch("network.*.ipaddr", None)?;
/// let mut transaction = store.begin()?;
/// transaction.set(b"network.lan.ipaddr", b"10.0.0.2")?;
/// let revision = transaction.commit()?;
/// let event = watch.next(None)?.expect("without a timeout it waits");
/// assert_eq!(event.sequence(), revision);
/// assert_eq!(event.change(0).expect("one").key(), b"network.lan.ipaddr");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    source: Arc<dyn Source>,
    feed: Arc<Feed>,
    pattern: Pattern,
    /// The last transaction that was delivered or skipped.
    position: u64,
    /// The count of log switches that the watch has reported.
    switches: u32,
    /// The watch's own reader of the log, while it is further back than the feed.
    own: Option<(Reader, VecDeque<Record>)>,
    /// The descriptor that [`Watch::fd`] has returned.
    wake_fd: Option<waker::WakeFd>,
    /// The descriptor of [`Watch::next`], once it has waited for `interval`.
    rest: Option<waker::WakeFd>,
    interval: Duration,
    merging: bool,
    /// An error found while events were merged: it is returned after the merged event.
    failed: Option<Error>,
}

impl Watch {
    /// Opens a watch of an open store: see [`crate::Store::watch`].
    pub(crate) fn open(source: Arc<dyn Source>, pattern: &str, since: Option<u64>) -> Result<Self> {
        let pattern = Pattern::parse(pattern)?;
        let feed = Hub::feed(&*source)?;
        feed.enter(&*source, &pattern)?;
        let mut watch = Self {
            source,
            feed,
            pattern,
            position: since.unwrap_or(0),
            switches: 0,
            own: None,
            wake_fd: None,
            rest: None,
            interval: INTERVAL,
            merging: false,
            failed: None,
        };
        watch.feed.handle_file_events(&*watch.source);
        watch.switches = watch.feed.switches();
        match since {
            None => watch.position = watch.feed.now(&*watch.source)?,
            Some(_) => watch.check()?,
        }
        Ok(watch)
    }
}

impl Watch {
    /// Checks that the log goes back to the position.
    fn check(&mut self) -> Result<()> {
        if let Next::Before(_) = self.feed.after(&*self.source, self.position)? {
            let reader = self.source.core().logs.require()?.reader(Some(self.position))?;
            self.own = Some((reader, VecDeque::new()));
        }
        Ok(())
    }

    /// Returns the next event. It waits at most for `timeout`, and without one until there is an event. `None`
    /// means that the time is up.
    ///
    /// # Errors
    ///
    /// [`Error::TooOld`] if the log has dropped the next records, or the configuration directory was replaced: the
    /// watch continues after the revision in the error. [`Error::Io`], [`Error::Damaged`] if the log cannot be
    /// read.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Event>> {
        let start = Instant::now();
        let deadline = timeout.map(|timeout| start + timeout);
        loop {
            // Deliver the event first; other work can wait.
            if let Some(event) = self.take()? {
                return Ok(Some(event));
            }
            self.feed.handle_file_events(&*self.source);
            if timeout == Some(Duration::ZERO) && self.wake_fd.is_none() {
                return self.take();
            }
            let waiting = self.arm(start.elapsed() >= self.interval);
            if let Some(event) = self.take()? {
                return Ok(Some(event));
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(None);
            }
            let poll_at = (!matches!(waiting, Wait::Descriptor)).then(|| now + self.interval);
            let due = [deadline, self.feed.due(), poll_at].into_iter().flatten().min();
            self.wait(&waiting, due.map(|due| due.saturating_duration_since(now)));
        }
    }

    /// Announces that this watch is going to wait, and chooses how: with a descriptor if it has waited for `long`.
    fn arm(&mut self, long: bool) -> Wait {
        if let Some(wake_fd) = &self.wake_fd {
            self.arm_fd(wake_fd);
        }
        if long && self.rest.is_none() {
            let waker = self.feed.waker(&*self.source).filter(|waker| waker.watches_everything());
            // Without a descriptor the watch polls.
            self.rest = waker.and_then(|waker| waker.listen().ok());
        }
        if let Some(rest) = self.rest.as_ref().filter(|rest| long && rest.waker().watches_everything()) {
            self.arm_fd(rest);
            return Wait::Descriptor;
        }
        match self.feed.announce_waiting(&*self.source, Waiting::Word) {
            Some((control, value)) => Wait::Word(control, value),
            None => Wait::Time,
        }
    }

    /// Has all events from here on wake a descriptor.
    fn arm_fd(&self, wake_fd: &waker::WakeFd) {
        // Clear first: the caller checks for events after this.
        wake_fd.clear();
        self.feed.announce_waiting(&*self.source, Waiting::Times);
        match self.feed.due() {
            Some(due) => wake_fd.waker().wake_at(due),
            None => wake_fd.rearm_edits(),
        }
    }

    /// Waits for at most `most`.
    fn wait(&self, waiting: &Wait, most: Option<Duration>) {
        let long = most.unwrap_or(Duration::MAX);
        match (waiting, &self.rest) {
            (Wait::Word(control, value), _) => control.wait(*value, long),
            (Wait::Descriptor, Some(rest)) => {
                let timeout = most.and_then(|most| Timespec::try_from(most).ok());
                // The caller checks for events, however the wait ends.
                let _ = poll(&mut [PollFd::new(&rest.as_fd(), PollFlags::IN)], timeout.as_ref());
            }
            _ => std::thread::sleep(long),
        }
    }

    /// Returns the next event without waiting. If there is one, the descriptor stays readable.
    fn take(&mut self) -> Result<Option<Event>> {
        if let Some(error) = self.failed.take() {
            return self.deliver(Err(error));
        }
        let mut taken = self.take_one();
        while self.merging
            && let Ok(Some(event)) = &taken
        {
            match self.take_one() {
                Ok(Some(next)) => taken = Ok(Some(event.merge(&next))),
                Ok(None) if event.is_empty() => return Ok(None),
                Ok(None) => break,
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        self.deliver(taken)
    }

    fn deliver(&mut self, taken: Result<Option<Event>>) -> Result<Option<Event>> {
        if let (Some(wake_fd), Ok(Some(_)) | Err(_)) = (&self.wake_fd, &taken) {
            wake_fd.wake();
        }
        if let Err(Error::TooOld { revision, .. }) = &taken {
            (self.position, self.own) = (*revision, None);
        }
        taken
    }

    fn take_one(&mut self) -> Result<Option<Event>> {
        loop {
            let next = self.feed.after(&*self.source, self.position);
            if self.switches != self.feed.switches() {
                self.switches = self.feed.switches();
                return Err(Error::TooOld { since: self.position, revision: self.feed.end(&*self.source)? });
            }
            let next = next?;
            if !matches!(next, Next::Before(_)) {
                // Drop the records read ahead: they would be out of date if the watch has to read the log again
                // later.
                self.own = None;
            }
            let record = match next {
                Next::Nothing => return Ok(None),
                Next::Record(record) => record,
                Next::Before(start) => match self.catch_up(start)? {
                    Some(record) => Arc::new(record),
                    None => continue,
                },
            };
            self.position = record.sequence;
            // Merged events have changes only.
            let confirmation =
                Event::of_confirmation(record.clone(), &self.pattern).filter(|_| !self.merging);
            if let Some(event) = Event::of(record, &self.pattern).or(confirmation) {
                return Ok(Some(event));
            }
        }
    }

    /// Reads the next record from the log, up to the start of the feed.
    fn catch_up(&mut self, start: u64) -> Result<Option<Record>> {
        let log = self.source.core().logs.require()?;
        let (mut reader, mut queue) = match self.own.take() {
            Some(own) => own,
            None => (log.reader(Some(self.position))?, VecDeque::new()),
        };
        if queue.is_empty() {
            queue.extend(reader.read_some(log)?.records);
        }
        match queue.pop_front() {
            Some(record) if record.sequence <= start => {
                self.own = Some((reader, queue));
                Ok(Some(record))
            }
            // The log has no record in between, or none to deliver.
            _ => {
                self.position = start;
                Ok(None)
            }
        }
    }

    /// Returns a descriptor for `poll` and its like, which is readable when there may be an event. Then call
    /// [`Watch::next`] with a timeout of zero until it returns `None`, which the first call may do. The descriptor
    /// is readable at first.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system has no descriptor left, or no instance of inotify.
    pub fn fd(&mut self) -> Result<BorrowedFd<'_>> {
        if self.wake_fd.is_none() {
            let failed = |error| Error::io("wait for changes of", self.place())(error);
            let waker = self.feed.waker(&*self.source);
            let waker = waker.ok_or_else(|| failed(std::io::Error::from_raw_os_error(24)))?;
            self.wake_fd = Some(waker.listen().map_err(failed)?);
        }
        let missing = || Error::io("wait for changes of", self.place())(std::io::ErrorKind::NotFound.into());
        self.wake_fd.as_ref().map(AsFd::as_fd).ok_or_else(missing)
    }

    fn place(&self) -> PathBuf {
        self.source.core().dirs().config.path.clone()
    }

    /// Returns the number of the last transaction that the watch has passed. Another watch, also of another
    /// process, can continue from it.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.position
    }

    /// Sets after how long [`Watch::next`] polls while it waits: for edits, and without a run directory for commits
    /// as well. The default is 250 ms. It polls once; it polls again only if the system has no descriptor left.
    /// Waiting with [`Watch::fd`] needs no polling.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.max(Duration::from_millis(1));
    }

    /// Sets whether all pending events are merged into one, with one change for each key. Changes that cancel each
    /// other are left out.
    pub fn set_merging(&mut self, merging: bool) {
        self.merging = merging;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.feed.leave(&self.pattern);
    }
}
