//! Listeners: in another process, which runs the benchmark program with other arguments, or on a thread of this one.
//! Each writes into the shared words when its code runs.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use cms::{Options, Store, Subscription};
use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::fs::inotify;
use rustix::thread::futex;

use super::clock::now;
use super::redis;
use crate::Result;
use crate::ffi::SharedWords;

/// The first argument that makes the benchmark listen: `INTERNAL WAY COUNT BOARD PLACE`.
pub const INTERNAL: &str = "internal-listener";

/// What is watched.
pub const PATTERN: &str = "network";

/// The way in which a listener gets an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Threads wait for one of the shared words.
    Futex,
    /// An eventfd, which is the standard input.
    Eventfd,
    /// A file that is renamed into a directory, and read.
    Inotify,
    /// Connections to Redis that have subscribed.
    Redis,
    /// `Watch::next`, which waits by itself.
    Next,
    /// `Watch::fd`, with poll.
    Poll,
    /// `Store::get` again and again, 50 us apart.
    Get,
    /// `Store::subscribe`.
    Subscribe,
    /// As above, for another package than the one that changes.
    Idle,
}

impl Way {
    /// All of them.
    const ALL: [Self; 9] = [
        Self::Futex,
        Self::Eventfd,
        Self::Inotify,
        Self::Redis,
        Self::Next,
        Self::Poll,
        Self::Get,
        Self::Subscribe,
        Self::Idle,
    ];

    /// Returns its name as an argument.
    fn name(self) -> String {
        format!("{self:?}")
    }
}

/// A process that listens. It ends when this is dropped.
pub struct Process(Child);

impl Process {
    /// Starts it and waits until it listens: to `place`, or to the store that the environment names.
    pub fn start(
        way: Way,
        count: usize,
        words: &Path,
        place: &Path,
        environment: &[(&'static str, PathBuf)],
        input: Stdio,
    ) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([INTERNAL, &way.name(), &count.to_string()]).arg(words).arg(place);
        command.envs(environment.iter().map(|(name, path)| (name, path)));
        let child = command.stdin(input).stdout(Stdio::piped()).spawn()?;
        let mut process = Self(child);
        let mut ready = [0];
        let output = process.0.stdout.as_mut().ok_or("no output")?;
        output.read_exact(&mut ready).map_err(|_| format!("{way:?}: the listener does not start"))?;
        Ok(process)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Records that a listener got an event.
fn note(words: &SharedWords, listener: usize) {
    words.time(listener).store(now(), Ordering::Relaxed);
    // A process that sees the count also sees the time.
    words.told().fetch_add(1, Ordering::Release);
}

/// Runs the listener in its process.
pub fn listen(arguments: &[String]) -> Result<()> {
    let [way, count, words, place] = arguments else { return Err("internal: wrong arguments".into()) };
    let way = *Way::ALL.iter().find(|known| known.name() == *way).ok_or("internal: no such way")?;
    let (count, place) = (count.parse()?, Path::new(place));
    let words = SharedWords::open(Path::new(words))?;
    let ready = || -> Result<()> {
        println!();
        Ok(std::io::stdout().flush()?)
    };
    match way {
        Way::Futex => {
            let threads = on_futex(&words, count);
            std::thread::sleep(Duration::from_millis(300));
            ready()?;
            threads.into_iter().for_each(|thread| drop(thread.join()));
            Ok(())
        }
        Way::Eventfd => {
            let input = rustix::io::dup(std::io::stdin())?;
            ready()?;
            on_eventfd(&words, &input)
        }
        Way::Inotify => on_inotify(&words, place, ready),
        Way::Redis => on_redis(&words, place, count, ready),
        Way::Next | Way::Poll => watch(&words, way == Way::Poll, ready),
        Way::Get => look(&words, ready),
        Way::Subscribe | Way::Idle => {
            let live = Store::open(Options::new())?;
            let pattern = if way == Way::Idle { "system" } else { PATTERN };
            let _subscriptions = subscribe(&live, pattern, &words, count)?;
            std::thread::sleep(Duration::from_millis(300));
            ready()?;
            loop {
                std::thread::park();
            }
        }
    }
}

/// Starts threads that wait for the first of the shared words forever.
pub fn on_futex(words: &SharedWords, count: usize) -> Vec<std::thread::JoinHandle<()>> {
    let seen = words.futex().load(Ordering::Acquire);
    let listen = |listener| {
        let words = words.clone();
        // A thousand threads need no larger stacks.
        std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
            let mut seen = seen;
            loop {
                while words.futex().load(Ordering::Acquire) == seen {
                    let _ = futex::wait(words.futex(), futex::Flags::empty(), seen, None);
                }
                note(&words, listener);
                seen += 1;
            }
        })
    };
    (0..count).map_while(|listener| listen(listener).ok()).collect()
}

/// Reads an eventfd forever.
pub fn on_eventfd(words: &SharedWords, eventfd: &OwnedFd) -> Result<()> {
    loop {
        rustix::io::read(eventfd, &mut [0_u8; 8])?;
        note(words, 0);
    }
}

/// Waits for a file and reads it, forever.
fn on_inotify(words: &SharedWords, place: &Path, ready: impl FnOnce() -> Result<()>) -> Result<()> {
    let instance = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    let dir = place.parent().ok_or("it is in no directory")?;
    inotify::add_watch(&instance, dir, inotify::WatchFlags::MOVED_TO)?;
    ready()?;
    let mut events = [0_u8; 4096];
    loop {
        rustix::io::read(&instance, &mut events)?;
        std::hint::black_box(std::fs::read(place)?);
        note(words, 0);
    }
}

/// Subscribes with several connections, which one thread reads.
fn on_redis(
    words: &SharedWords,
    place: &Path,
    count: usize,
    ready: impl FnOnce() -> Result<()>,
) -> Result<()> {
    redis::allow_descriptors();
    let connections: Vec<UnixStream> = (0..count).map(|_| redis::subscribe(place)).collect::<Result<_>>()?;
    let all = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (listener, connection) in (0..).zip(&connections) {
        epoll::add(&all, connection, epoll::EventData::new_u64(listener), epoll::EventFlags::IN)?;
    }
    ready()?;
    let mut events = Vec::with_capacity(128);
    let mut message = [0; 4096];
    loop {
        events.clear();
        epoll::wait(&all, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let listener = usize::try_from(event.data.u64())?;
            let mut connection = &connections[listener];
            if connection.read(&mut message)? == 0 {
                return Err("Redis has ended".into());
            }
            note(words, listener);
        }
    }
}

/// Follows a store with one watch forever.
fn watch(words: &SharedWords, by_poll: bool, ready: impl FnOnce() -> Result<()>) -> Result<()> {
    let live = Store::open(Options::new())?;
    let mut watch = live.watch(PATTERN, None)?;
    // The first work of the watch is done now.
    let _ = watch.next(Some(Duration::from_millis(300)))?;
    ready()?;
    loop {
        if by_poll {
            let fd = watch.fd()?;
            poll(&mut [PollFd::new(&fd.as_fd(), PollFlags::IN)], None)?;
        }
        if watch.next(by_poll.then_some(Duration::ZERO))?.is_some() {
            note(words, 0);
        }
    }
}

/// Reads a key forever, without refreshing the store.
fn look(words: &SharedWords, ready: impl FnOnce() -> Result<()>) -> Result<()> {
    let live = Store::open(Options::new())?;
    let value = || live.get(b"network.lan.mtu", |value| value.items().next().map(<[u8]>::to_vec));
    let mut last = value()?;
    ready()?;
    loop {
        std::thread::sleep(Duration::from_micros(50));
        let now = value()?;
        if now != last {
            note(words, 0);
            last = now;
        }
    }
}

/// Subscribes so often.
pub fn subscribe(
    live: &Store,
    pattern: &str,
    words: &SharedWords,
    count: usize,
) -> Result<Vec<Subscription>> {
    let subscribe = |listener| {
        let words = words.clone();
        Ok(live.subscribe(pattern, None, move |_| note(&words, listener))?)
    };
    (0..count).map(subscribe).collect()
}
