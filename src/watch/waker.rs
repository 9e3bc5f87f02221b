//! Wakes watches that wait with a descriptor. All watches of an open store share two inotify descriptors and one
//! timer; each of them has its own eventfd. The watch that reads the shared descriptors wakes all others through
//! these.
//!
//! A writer touches the control file once the maps show its transaction, if a watch has announced that it waits. So
//! a watch is woken once for each commit, when there is an event to read. Without a control file, writes to the log
//! wake it. The configuration directory is watched for edits by other programs.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::links::{Links, Target};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Waker {
    inotify: OwnedFd,
    /// Inotify of the configuration directory. Each commit also writes several times to this directory, so only the
    /// first event wakes a watch; after that the timer wakes it, once the files have settled.
    edits: OwnedFd,
    timer: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The watch descriptors of inotify.
    control: Option<i32>,
    log: Option<i32>,
    /// The watch descriptor of the configuration directory; `None` if it cannot be watched.
    config: Option<i32>,
    /// The entries to watch in other directories, and the links of the configuration directory.
    links: Links,
    /// The directories of each watch descriptor.
    dirs: HashMap<i32, Vec<PathBuf>>,
    /// When the timer expires.
    due: Option<Instant>,
    wake_fds: Vec<Weak<OwnedFd>>,
}

/// The paths of the files to watch.
#[derive(Debug)]
pub(super) struct Paths {
    pub config: PathBuf,
    pub log: Option<PathBuf>,
    pub control: Option<PathBuf>,
}

/// The epoll flags of `edits`: it wakes a watch once, until [`WakeFd::rearm_edits`].
const ONCE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ONESHOT);

/// The reports of inotify and the timer.
#[derive(Debug, Default)]
pub(super) struct FileEvents {
    /// The packages whose files were written.
    pub edited: BTreeSet<String>,
    /// Whether there was an event of the log or the control file, or the timer expired.
    pub any: bool,
    /// Whether a file or directory was deleted or replaced.
    pub moved: bool,
    /// Whether a link may lead to another file.
    pub relinked: bool,
}

/// The descriptor that one watch waits with. It is readable as long as there may be an event.
#[derive(Debug)]
pub(super) struct WakeFd {
    /// The eventfd.
    own: Arc<OwnedFd>,
    /// An epoll of `own` and the shared descriptors.
    all: OwnedFd,
    waker: Arc<Waker>,
}

impl Waker {
    pub fn new(paths: &Paths) -> io::Result<Self> {
        let [inotify, edits] = [(); 2].map(|()| inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC));
        let (inotify, edits) = (inotify?, edits?);
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let waker = Self { inotify, edits, timer, state: Mutex::default() };
        waker.watch_files(paths);
        Ok(waker)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // After a panic at most one descriptor too many is watched.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches the files that are at these paths now.
    pub fn watch_files(&self, paths: &Paths) {
        let state = &mut *self.state();
        let add = |path: &Path, flags| inotify::add_watch(&self.inotify, path, flags).ok();
        let add_edits = |path: &Path, flags| inotify::add_watch(&self.edits, path, flags).ok();
        let gone = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        let written =
            WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE;
        // If this fails, the next commit notes the edits.
        let config = add_edits(&paths.config, written | gone | WatchFlags::ONLYDIR);
        let links = Links::of(&paths.config);
        let mut dirs: HashMap<i32, Vec<PathBuf>> = HashMap::new();
        for (dir, of_text) in links.dirs() {
            let linked =
                WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE;
            let flags = linked | if of_text { written } else { WatchFlags::empty() };
            let watched = add_edits(dir, flags | WatchFlags::MASK_ADD | WatchFlags::ONLYDIR);
            watched.into_iter().for_each(|watch| dirs.entry(watch).or_default().push(dir.to_owned()));
        }
        // Stop watching the directories that no link leads to any more.
        let old = state
            .dirs
            .keys()
            .chain(state.config.iter())
            .filter(|old| config != Some(**old) && !dirs.contains_key(*old));
        for old in old {
            let _ = inotify::remove_watch(&self.edits, *old);
        }
        (state.config, state.links, state.dirs) = (config, links, dirs);
        state.control = paths.control.as_ref().and_then(|path| add(path, WatchFlags::ATTRIB | gone));
        let appended = match state.control {
            Some(_) => WatchFlags::empty(),
            None => WatchFlags::MODIFY,
        };
        let rotated = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::ONLYDIR;
        state.log = paths.log.as_ref().and_then(|path| add(path, rotated | appended | gone));
    }

    /// Reports whether the configuration directory is watched, and the control file or the log.
    pub fn watches_everything(&self) -> bool {
        let state = self.state();
        state.config.is_some() && (state.control.is_some() || state.log.is_some())
    }

    /// Creates the descriptor of one watch.
    pub fn listen(self: &Arc<Self>) -> io::Result<WakeFd> {
        let own = Arc::new(eventfd(1, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let all = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for source in [own.as_fd(), self.inotify.as_fd(), self.timer.as_fd()] {
            epoll::add(&all, source, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        epoll::add(&all, &self.edits, epoll::EventData::new_u64(0), ONCE)?;
        let wake_fds = &mut self.state().wake_fds;
        wake_fds.retain(|wake_fd| wake_fd.strong_count() > 0);
        wake_fds.push(Arc::downgrade(&own));
        Ok(WakeFd { own, all, waker: self.clone() })
    }

    /// Reads all pending events, and wakes all watches if there were any.
    pub fn drain_events(&self) -> FileEvents {
        let mut found = FileEvents::default();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let state = &mut *self.state();
        let gone =
            ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED | ReadFlags::QUEUE_OVERFLOW;
        let mut reader = inotify::Reader::new(&self.edits, &mut buffer);
        while let Ok(event) = reader.next() {
            let is_config = state.config == Some(event.wd());
            // A directory behind a link is looked up again when the link or an entry of the directory changes.
            found.moved |= event.events().intersects(gone)
                && (is_config || event.events().contains(ReadFlags::QUEUE_OVERFLOW));
            let Some(name) = event.file_name().and_then(|name| name.to_str().ok()) else { continue };
            if is_config && !name.contains('.') {
                found.edited.insert(name.to_owned());
            }
            for dir in state.dirs.get(&event.wd()).into_iter().flatten() {
                for target in state.links.targets(dir, name.as_ref()) {
                    match target {
                        Target::Config => found.moved = true,
                        Target::Package(package) => {
                            found.edited.insert(package.clone());
                            found.relinked = true;
                        }
                    }
                }
            }
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            found.any = true;
            found.moved |= event.events().intersects(gone);
        }
        let mut count = [0; 8];
        if rustix::io::read(&self.timer, &mut count).is_ok() {
            found.any = true;
            state.due = None;
        }
        if found.any || found.moved || !found.edited.is_empty() {
            state.wake_fds.retain(|wake_fd| wake_fd.upgrade().is_some_and(|wake_fd| wake(&wake_fd)));
        }
        found
    }

    /// Wakes all watches.
    pub fn wake(&self) {
        self.state().wake_fds.retain(|wake_fd| wake_fd.upgrade().is_some_and(|wake_fd| wake(&wake_fd)));
    }

    /// Sets the timer, which wakes all watches at this time unless it is set to an earlier one.
    pub fn wake_at(&self, due: Instant) {
        let state = &mut *self.state();
        if state.wake_fds.is_empty() || state.due.is_some_and(|set| set <= due) {
            return;
        }
        let left = due.saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: none, it_value: Timespec::try_from(left).unwrap_or(none) };
        // Without the timer the next commit wakes the watches.
        let _ = rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec);
        state.due = Some(due);
    }
}

fn wake(wake_fd: &OwnedFd) -> bool {
    // The counter cannot overflow: it is read before 2^64 writes.
    let _ = rustix::io::write(wake_fd, &1_u64.to_ne_bytes());
    true
}

impl WakeFd {
    /// Makes the descriptor readable.
    pub fn wake(&self) {
        wake(&self.own);
    }

    /// Makes the descriptor unreadable until the next event.
    pub fn clear(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.own, &mut count);
    }

    /// Has the next edit wake the watch.
    pub fn rearm_edits(&self) {
        // Both descriptors live as long as `self`.
        let _ = epoll::modify(&self.all, &self.waker.edits, epoll::EventData::new_u64(0), ONCE);
    }

    pub fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }
}

impl AsFd for WakeFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.all.as_fd()
    }
}
