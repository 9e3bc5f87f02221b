//! What wakes those who wait by a descriptor: one inotify descriptor and one timer for all watches of an open
//! store, and for each that waits this way a waker of its own, which whoever reads the others rings.
//!
//! Writers touch the control file once the maps show a transaction, if somebody waits for that: so a watch is woken
//! once a commit, and when there is something to be read. Where there is no control file, it is woken by what is
//! written to the log. The configuration directory is looked at for edits by others.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::links::{Links, Matter};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Waker {
    inotify: OwnedFd,
    /// For the configuration directory: commits write there as well, several times each. So one is woken by the
    /// first of its events only, and by the timer when it is time to look.
    edits: OwnedFd,
    timer: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The watch descriptors of inotify.
    control: Option<i32>,
    log: Option<i32>,
    /// The watch descriptor of the configuration directory, if edits are events.
    config: Option<i32>,
    /// The entries that matter of other directories, or links of this one, and which descriptor is of which directory.
    links: Links,
    dirs: HashMap<i32, Vec<PathBuf>>,
    /// When the timer is to go off.
    due: Option<Instant>,
    wake_fds: Vec<Weak<OwnedFd>>,
}

/// Where the files are.
#[derive(Debug)]
pub(super) struct Paths {
    pub config: PathBuf,
    pub log: Option<PathBuf>,
    pub control: Option<PathBuf>,
}

/// How the look-out for edits wakes: once, until it is asked for again.
const ONCE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ONESHOT);

/// What was events.
#[derive(Debug, Default)]
pub(super) struct FileEvents {
    /// The files of the configuration directory that were written.
    pub edited: BTreeSet<String>,
    /// Whether there was anything.
    pub any: bool,
    /// Whether a file or directory is gone or was replaced.
    pub moved: bool,
    /// Whether what a link leads to may be another file.
    pub relinked: bool,
}

/// What one watch waits with: readable as long as there may be something for it.
#[derive(Debug)]
pub(super) struct WakeFd {
    own: Arc<OwnedFd>,
    both: OwnedFd,
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
        // What a panic leaves half done is at most one wake_fd too many.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files as they are now.
    pub fn watch_files(&self, paths: &Paths) {
        let state = &mut *self.state();
        let add = |path: &Path, flags| inotify::add_watch(&self.inotify, path, flags).ok();
        let add_edits = |path: &Path, flags| inotify::add_watch(&self.edits, path, flags).ok();
        let gone = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        let written =
            WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE;
        // Where it fails, edits are noted by the next commit.
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
        // Directories that no longer matter are no longer watched.
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

    /// Reports whether everything is events that there may be to tell.
    pub fn watches_everything(&self) -> bool {
        let state = self.state();
        state.config.is_some() && (state.control.is_some() || state.log.is_some())
    }

    /// Makes a descriptor for one watch.
    pub fn listen(self: &Arc<Self>) -> io::Result<WakeFd> {
        let own = Arc::new(eventfd(1, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let both = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for source in [own.as_fd(), self.inotify.as_fd(), self.timer.as_fd()] {
            epoll::add(&both, source, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        epoll::add(&both, &self.edits, epoll::EventData::new_u64(0), ONCE)?;
        let wake_fds = &mut self.state().wake_fds;
        wake_fds.retain(|wake_fd| wake_fd.strong_count() > 0);
        wake_fds.push(Arc::downgrade(&own));
        Ok(WakeFd { own, both, waker: self.clone() })
    }

    /// Takes what has been events, and tells all who listen that there was something.
    pub fn drain_events(&self) -> FileEvents {
        let mut events = FileEvents::default();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let state = &mut *self.state();
        let gone =
            ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED | ReadFlags::QUEUE_OVERFLOW;
        let mut reader = inotify::Reader::new(&self.edits, &mut buffer);
        while let Ok(event) = reader.next() {
            let is_config = state.config == Some(event.wd());
            // A directory that a link leads to is looked for anew when the link, or what is in it, changes.
            events.moved |= event.events().intersects(gone)
                && (is_config || event.events().contains(ReadFlags::QUEUE_OVERFLOW));
            let Some(name) = event.file_name().and_then(|name| name.to_str().ok()) else { continue };
            if is_config && !name.contains('.') {
                events.edited.insert(name.to_owned());
            }
            for dir in state.dirs.get(&event.wd()).into_iter().flatten() {
                for matter in state.links.matters(dir, name.as_ref()) {
                    match matter {
                        Matter::Config => events.moved = true,
                        Matter::Package(package) => {
                            events.edited.insert(package.clone());
                            events.relinked = true;
                        }
                    }
                }
            }
        }
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            events.any = true;
            events.moved |= event.events().intersects(gone);
        }
        let mut count = [0; 8];
        if rustix::io::read(&self.timer, &mut count).is_ok() {
            events.any = true;
            state.due = None;
        }
        if events.any || events.moved || !events.edited.is_empty() {
            state.wake_fds.retain(|wake_fd| wake_fd.upgrade().is_some_and(|wake_fd| wake(&wake_fd)));
        }
        events
    }

    /// Tells all who listen that there is something.
    pub fn wake(&self) {
        self.state().wake_fds.retain(|wake_fd| wake_fd.upgrade().is_some_and(|wake_fd| wake(&wake_fd)));
    }

    /// Has all who listen woken at a time, if not before.
    pub fn wake_at(&self, due: Instant) {
        let state = &mut *self.state();
        if state.wake_fds.is_empty() || state.due.is_some_and(|set| set <= due) {
            return;
        }
        let left = due.saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: none, it_value: Timespec::try_from(left).unwrap_or(none) };
        // Without the timer whoever waits is woken by the next commit.
        let _ = rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec);
        state.due = Some(due);
    }
}

fn wake(wake_fd: &OwnedFd) -> bool {
    // It cannot be full: it is emptied before it is rung again four thousand million times.
    let _ = rustix::io::write(wake_fd, &1_u64.to_ne_bytes());
    true
}

impl WakeFd {
    /// Makes it readable.
    pub fn wake(&self) {
        wake(&self.own);
    }

    /// Makes it unreadable until something happens.
    pub fn clear(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.own, &mut count);
    }

    /// Asks to be woken by the next edit.
    pub fn rearm_edits(&self) {
        // The descriptors are there as long as the wake_fd is.
        let _ = epoll::modify(&self.both, &self.waker.edits, epoll::EventData::new_u64(0), ONCE);
    }

    pub fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }
}

impl AsFd for WakeFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.both.as_fd()
    }
}
