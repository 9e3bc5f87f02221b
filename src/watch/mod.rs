//! Watches: whoever asks is told of each transaction that changed what it asked for, in order, none twice and none
//! left out.
//!
//! Events come from the log, by the number of the transaction. A watch remembers how far it has come; its backlog is
//! the log itself, and so it costs writers nothing how slow it is. What the log does not keep any more is told as
//! [`Error::TooOld`]. An event is told once its data can be read (see `feed`), and if the transaction was not taken
//! back. Only what comments say, or how a value is written, is no event.
//!
//! To follow a state: open a watch, then read all you need; the watch tells what has come since. What was committed
//! in between is seen by both, and setting a value to what it is does no harm.

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

/// How long [`Watch::next`] waits in the way that is woken soonest, before it waits in the one that wakes for edits as
/// well; and how often it looks by itself where nothing tells of those.
const INTERVAL: Duration = Duration::from_millis(250);

/// How [`Watch::next`] waits.
enum Wait {
    /// For a word of the control file, which has this value: that is woken soonest.
    Word(Arc<crate::map::Control>, u32),
    /// For the descriptor `rest`, which edits wake as well: nothing has to be looked for.
    Descriptor,
    /// For time to pass, where there is neither.
    Time,
}

/// Tells of transactions, one after the other: see the module documentation.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # std::fs::create_dir(dir.path().join("config"))?;
/// # std::fs::write(dir.path().join("config/network"), "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n")?;
/// # let path = |name: &str| Some(dir.path().join(name));
/// # let dirs = cms::Dirs::choose(cms::DirOptions { config: path("config"), save: path("save"), run: path("run"),
/// #     state: path("state") });
/// # let options = cms::Options { dirs, ..cms::Options::default() };
/// let live = cms::Store::open(options)?;
/// let mut watch = live.watch("network.*.ipaddr", None)?;
/// let mut transaction = live.begin()?;
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
    /// The last transaction that was told, or passed over.
    position: u64,
    /// How often the log had become another one when the watch was last told.
    switches: u32,
    /// What is read from the log as long as the watch is further back than the feed.
    own: Option<(Reader, VecDeque<Record>)>,
    /// For who waits with the descriptor.
    wake_fd: Option<waker::WakeFd>,
    /// For [`Watch::next`], once it has waited for a while.
    rest: Option<waker::WakeFd>,
    interval: Duration,
    merging: bool,
    /// What was read while events were merged, and is to be told later.
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
    /// Finds out whether the log goes back far enough.
    fn check(&mut self) -> Result<()> {
        if let Next::Before(_) = self.feed.after(&*self.source, self.position)? {
            let reader = self.source.core().logs.require()?.reader(Some(self.position))?;
            self.own = Some((reader, VecDeque::new()));
        }
        Ok(())
    }

    /// Returns the next event. It waits for one at most that long, without a timeout until there is one; `None`
    /// means that there was none.
    ///
    /// # Errors
    ///
    /// [`Error::TooOld`] if what comes next is not kept any more, or the configuration directory is another one: the
    /// watch goes on behind the revision that the error tells. [`Error::Io`], [`Error::Damaged`] if the log cannot be read.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Event>> {
        let start = Instant::now();
        let deadline = timeout.map(|timeout| start + timeout);
        loop {
            // What there is comes first: it is what was waited for.
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
            let looks = (!matches!(waiting, Wait::Descriptor)).then(|| now + self.interval);
            let due = [deadline, self.feed.due(), looks].into_iter().flatten().min();
            self.wait(&waiting, due.map(|due| due.saturating_duration_since(now)));
        }
    }

    /// Says that this watch is going to wait, in the way it does: with a descriptor if it has waited for `long`.
    fn arm(&mut self, long: bool) -> Wait {
        if let Some(wake_fd) = &self.wake_fd {
            self.arm_fd(wake_fd);
        }
        if long && self.rest.is_none() {
            let waker = self.feed.waker(&*self.source).filter(|waker| waker.watches_everything());
            // Where there is none, one looks now and then.
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

    /// Has an wake_fd woken by whatever comes from here on.
    fn arm_fd(&self, wake_fd: &waker::WakeFd) {
        // What rings from here on, the caller has not looked for yet.
        wake_fd.clear();
        self.feed.announce_waiting(&*self.source, Waiting::Times);
        match self.feed.due() {
            Some(due) => wake_fd.waker().wake_at(due),
            None => wake_fd.rearm_edits(),
        }
    }

    /// Waits, but not longer than that.
    fn wait(&self, waiting: &Wait, most: Option<Duration>) {
        let long = most.unwrap_or(Duration::MAX);
        match (waiting, &self.rest) {
            (Wait::Word(control, value), _) => control.wait(*value, long),
            (Wait::Descriptor, Some(rest)) => {
                let timeout = most.and_then(|most| Timespec::try_from(most).ok());
                // Whatever ends it, one looks.
                let _ = poll(&mut [PollFd::new(&rest.as_fd(), PollFlags::IN)], timeout.as_ref());
            }
            _ => std::thread::sleep(long),
        }
    }

    /// Returns the next event there is already, and leaves the descriptor readable if it takes one.
    fn take(&mut self) -> Result<Option<Event>> {
        if let Some(error) = self.failed.take() {
            return self.tell(Err(error));
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
        self.tell(taken)
    }

    fn tell(&mut self, taken: Result<Option<Event>>) -> Result<Option<Event>> {
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
                // What it has read ahead is behind it by the time it falls back again.
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
            // Merged events are about what has changed.
            let confirmation =
                Event::of_confirmation(record.clone(), &self.pattern).filter(|_| !self.merging);
            if let Some(event) = Event::of(record, &self.pattern).or(confirmation) {
                return Ok(Some(event));
            }
        }
    }

    /// Reads what comes next from the log, up to where the feed starts.
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
            // There is nothing in between, or nothing to be told.
            _ => {
                self.position = start;
                Ok(None)
            }
        }
    }

    /// Returns a descriptor that is readable when there may be an event, for `poll` and its like. When it is, call
    /// [`Watch::next`] with a timeout of zero until it returns `None`; there may be none at once. It is readable at
    /// first.
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

    /// Returns the last transaction that the watch has come to: to go on from, also in another process.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.position
    }

    /// Sets how soon [`Watch::next`] looks by itself while it waits: for edits, and where there is no run
    /// directory for commits as well. 250 ms if it is not set. It does so once, and again only where the system tells
    /// it of neither. The descriptor needs no such looking.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.max(Duration::from_millis(1));
    }

    /// Sets whether all that is there already is told as one event: the changes of each key as one, those that
    /// cancel each other not at all.
    pub fn set_merging(&mut self, merging: bool) {
        self.merging = merging;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.feed.leave(&self.pattern);
    }
}
