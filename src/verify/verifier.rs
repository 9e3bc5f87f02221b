//! A verifier: a socket in the run directory, and a thread that answers there.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{AtFlags, Gid, Mode, Uid, chmod, chownat, fchmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, send,
    socket_with,
};

use super::message;
use super::questions::Questions;
use crate::commit::core::Core;
use crate::error::not_found::Missing;
use crate::error::{Error, Result};
use crate::log::Record;
use crate::os::caller::ASKED;
use crate::presence::{Lease, Presence, Role, socket_of};
use crate::watch::{Event, Pattern};

/// How many may wait to ask. Beyond that they are refused at once.
const BACKLOG: i32 = 64;

/// How often it is looked whether the run directory is still there. As long as it is not, nobody asks.
const INTERVAL: Duration = Duration::from_secs(2);

type Decide = Box<dyn FnMut(&Event) -> std::result::Result<(), String> + Send>;

/// Verifies transactions as long as it is there: see [`crate::Store::verify`]. Once it is dropped its callback is not running,
/// and is not called again, unless it is dropped in the callback itself.
#[derive(Debug)]
pub struct Verifier {
    endpoint: Arc<Mutex<Option<Endpoint>>>,
    ended: Arc<AtomicBool>,
    /// Wakes the thread.
    wakeup: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    /// After a fork it stays the parent's.
    process: u32,
}

/// Where a verifier is to be found.
#[derive(Debug)]
struct Endpoint {
    /// Whoever looks sees it no more once this is gone.
    lease: Lease,
    socket: Arc<OwnedFd>,
}

/// What the thread works with.
struct Worker {
    core: Core,
    endpoint: Arc<Mutex<Option<Endpoint>>>,
    wakeup: Arc<OwnedFd>,
    ended: Arc<AtomicBool>,
    pattern: Pattern,
    decide: Decide,
}

impl Verifier {
    /// Begins to verify transactions: see [`crate::Store::verify`].
    pub(crate) fn open(
        core: &Core,
        pattern: &str,
        decide: impl FnMut(&Event) -> std::result::Result<(), String> + Send + 'static,
    ) -> Result<Self> {
        let pattern = Pattern::parse(pattern)?;
        let failed = |error| Error::io("wait for questions about", &core.dirs().config.path)(error);
        let wakeup = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        let (wakeup, ended) = (Arc::new(wakeup), Arc::new(AtomicBool::new(false)));
        let endpoint = Arc::new(Mutex::new(Some(Endpoint::open(core, &pattern)?)));
        let mut worker = Worker {
            core: core.clone(),
            endpoint: endpoint.clone(),
            wakeup: wakeup.clone(),
            ended: ended.clone(),
            pattern,
            decide: Box::new(decide),
        };
        let run = move || worker.serve();
        let thread = std::thread::Builder::new().name("cms-verify".into()).spawn(run).map_err(failed)?;
        Ok(Verifier { endpoint, ended, wakeup, thread: Some(thread), process: std::process::id() })
    }
}

impl Endpoint {
    fn open(core: &Core, pattern: &Pattern) -> Result<Self> {
        let mut socket = None;
        let text: Vec<&str> = pattern.text().split_ascii_whitespace().collect();
        let lease = Lease::create(core, Role::Verifier, &text.join(" "), |presence, path| {
            socket = Some(Arc::new(open(presence, &socket_of(path))?));
            Ok(())
        })?;
        Ok(Self { lease, socket: socket.ok_or(Missing::RunDir)? })
    }
}

fn lock(endpoint: &Mutex<Option<Endpoint>>) -> MutexGuard<'_, Option<Endpoint>> {
    // There is one, or there is none.
    endpoint.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the socket. Users who may write to the configuration directory may ask.
fn open(presence: &Presence, path: &Path) -> Result<OwnedFd> {
    let config = presence.config();
    let user = rustix::process::geteuid().as_raw();
    if user != 0 && user != config.uid() {
        return Err(Error::io("verify transactions through", path)(
            std::io::ErrorKind::PermissionDenied.into(),
        ));
    }
    let opened = || -> std::io::Result<OwnedFd> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Read and write for whom the directory lets write.
        let writable = config.mode() & 0o222;
        let mode = Mode::from_raw_mode(0o600 | writable | writable << 1);
        fchmod(&socket, mode)?;
        at_address(path, |address| bind(&socket, address))?;
        // Whoever owns the directory may put something else there at any time, so this is done to the socket itself
        // and not by its path.
        let bound = presence.files().open_socket(path)?;
        let (owner, group) = (Uid::from_raw(config.uid()), Gid::from_raw(config.gid()));
        // Only root may give a file away; a member may still set the group.
        if chownat(&bound, "", Some(owner), Some(group), AtFlags::EMPTY_PATH).is_err() {
            let _ = chownat(&bound, "", None, Some(group), AtFlags::EMPTY_PATH);
        }
        // The mode it was made with lacks what the process's mask takes away. Without /proc it stays like that.
        let _ = chmod(format!("/proc/self/fd/{}", bound.as_raw_fd()), mode);
        // Before this nobody can connect.
        listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    opened().map_err(Error::io("open the socket", path))
}

/// Calls `with` with the address of a socket. One whose path is too long for an address is reached through its
/// directory.
pub(super) fn at_address<R>(
    path: &Path,
    with: impl FnOnce(&SocketAddrUnix) -> std::result::Result<R, Errno>,
) -> std::result::Result<R, Errno> {
    if let Ok(address) = SocketAddrUnix::new(path) {
        return with(&address);
    }
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
    let dir = std::fs::File::open(dir).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let short = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&dir));
    with(&SocketAddrUnix::new(Path::new(&short).join(name))?)
}

impl Worker {
    /// What the thread does.
    fn serve(&mut self) {
        let Some(mut socket) = lock(&self.endpoint).as_ref().map(|endpoint| endpoint.socket.clone()) else {
            return;
        };
        let (mut questions, mut looked) = (Questions::default(), Instant::now());
        loop {
            let is_asked = self.wait(&socket, &questions);
            if self.ended.load(Ordering::Acquire) {
                break;
            }
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            if is_asked && let Ok(asking) = accept_with(&socket, flags) {
                questions.add(asking);
            }
            for (asking, record) in questions.read() {
                let begun = Instant::now();
                self.answer(&asking, record);
                questions.postpone(begun.elapsed());
            }
            if looked.elapsed() >= INTERVAL {
                looked = Instant::now();
                socket = self.reopen().unwrap_or(socket);
            }
        }
        // Who has come in the last moment need not wait for one who has gone in order.
        let agree = |asking: &OwnedFd| {
            let _ = send(asking, &message::answer(None), SendFlags::NOSIGNAL);
        };
        questions.into_sockets().for_each(|asking| agree(&asking));
        let _ = rustix::io::ioctl_fionbio(&socket, true);
        while let Ok(asking) = accept_with(&socket, SocketFlags::CLOEXEC) {
            agree(&asking);
        }
    }

    /// Waits until there is something to do. Returns whether somebody wants to ask.
    fn wait(&self, socket: &OwnedFd, questions: &Questions) -> bool {
        let mut fds = vec![PollFd::new(socket, PollFlags::IN), PollFd::new(&self.wakeup, PollFlags::IN)];
        fds.extend(questions.fds());
        let longest = questions.patience().unwrap_or(INTERVAL).min(INTERVAL);
        // Whatever ends it, one looks.
        let _ = poll(&mut fds, Timespec::try_from(longest).ok().as_ref());
        fds[0].revents().contains(PollFlags::IN)
    }

    /// Opens another endpoint if the one there was is gone, with the run directory for example.
    fn reopen(&self) -> Option<Arc<OwnedFd>> {
        let mut endpoint = lock(&self.endpoint);
        if endpoint.as_ref().is_none_or(|endpoint| endpoint.lease.is_there()) {
            return None;
        }
        // What fails is tried again.
        let anew = Endpoint::open(&self.core, &self.pattern).ok()?;
        let socket = anew.socket.clone();
        *endpoint = Some(anew);
        Some(socket)
    }

    /// Answers a question.
    fn answer(&mut self, asking: &OwnedFd, record: Record) {
        // Whoever has given up waiting needs no answer.
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let fds = &mut [PollFd::new(asking, PollFlags::IN)];
        if poll(fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::IN) {
            return;
        }
        let refusal = Event::of(Arc::new(record), &self.pattern).and_then(|event| {
            ASKED.set(true);
            let decided = catch_unwind(AssertUnwindSafe(|| (self.decide)(&event)));
            ASKED.set(false);
            decided.unwrap_or_else(|_| Err("the verifier failed: it panicked".into())).err()
        });
        let _ = send(asking, &message::answer(refusal.as_deref()), SendFlags::NOSIGNAL);
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The thread is the parent's, and may have held the lock.
            std::mem::forget(self.thread.take());
            return;
        }
        drop(lock(&self.endpoint).take());
        self.ended.store(true, Ordering::Release);
        // A counter that is full wakes as well.
        let _ = rustix::io::write(&*self.wakeup, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It ends without a result.
            let _ = thread.join();
        }
    }
}
