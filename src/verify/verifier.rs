//! A verifier: a socket in the run directory, and a thread that answers questions on it.

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
use crate::os::caller::IN_VERIFIER;
use crate::presence::{Lease, Presence, Role, socket_of};
use crate::watch::{Event, Pattern};

/// How many connections the kernel queues. A commit beyond that is refused at once.
const BACKLOG: i32 = 64;

/// How often the thread checks that its lease still exists. While it does not, no commit asks.
const INTERVAL: Duration = Duration::from_secs(2);

type Decide = Box<dyn FnMut(&Event) -> std::result::Result<(), String> + Send>;

/// Verifies transactions until it is dropped: see [`crate::Store::verify`]. After the drop its callback neither
/// runs nor is called again, unless the callback itself drops it.
#[derive(Debug)]
pub struct Verifier {
    endpoint: Arc<Mutex<Option<Endpoint>>>,
    ended: Arc<AtomicBool>,
    /// An eventfd that wakes the thread.
    wakeup: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    /// The process that owns the thread. A forked child is another process.
    process: u32,
}

/// The lease and the socket of a verifier.
#[derive(Debug)]
struct Endpoint {
    /// Dropping it first hides the verifier from commits.
    lease: Lease,
    socket: Arc<OwnedFd>,
}

/// The state of the thread.
struct Worker {
    core: Core,
    endpoint: Arc<Mutex<Option<Endpoint>>>,
    wakeup: Arc<OwnedFd>,
    ended: Arc<AtomicBool>,
    pattern: Pattern,
    decide: Decide,
}

impl Verifier {
    /// Starts to verify transactions: see [`crate::Store::verify`].
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
    // An `Option` is valid after a panic.
    endpoint.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the socket. Users with write access to the configuration directory may connect.
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
        // Read and write access for those with write access to the directory.
        let writable = config.mode() & 0o222;
        let mode = Mode::from_raw_mode(0o600 | writable | writable << 1);
        fchmod(&socket, mode)?;
        at_address(path, |address| bind(&socket, address))?;
        // The owner of the directory can replace the path at any time, so change the owner of the socket itself,
        // not by its path.
        let bound = presence.files().open_socket(path)?;
        let (owner, group) = (Uid::from_raw(config.uid()), Gid::from_raw(config.gid()));
        // Only root can change the owner; a member of the group can still set the group.
        if chownat(&bound, "", Some(owner), Some(group), AtFlags::EMPTY_PATH).is_err() {
            let _ = chownat(&bound, "", None, Some(group), AtFlags::EMPTY_PATH);
        }
        // Add the bits that the umask of the process has removed. Without /proc the mode stays restricted.
        let _ = chmod(format!("/proc/self/fd/{}", bound.as_raw_fd()), mode);
        // No commit can connect before this.
        listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    opened().map_err(Error::io("open the socket", path))
}

/// Calls `with` with the address of a socket. A path too long for an address is reached through its open directory.
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
    /// The loop of the thread.
    fn serve(&mut self) {
        let Some(mut socket) = lock(&self.endpoint).as_ref().map(|endpoint| endpoint.socket.clone()) else {
            return;
        };
        let (mut questions, mut checked) = (Questions::default(), Instant::now());
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
            if checked.elapsed() >= INTERVAL {
                checked = Instant::now();
                socket = self.reopen().unwrap_or(socket);
            }
        }
        // Accept the questions that arrived last: a verifier that is being closed refuses nothing.
        let agree = |asking: &OwnedFd| {
            let _ = send(asking, &message::answer(None), SendFlags::NOSIGNAL);
        };
        questions.into_sockets().for_each(|asking| agree(&asking));
        let _ = rustix::io::ioctl_fionbio(&socket, true);
        while let Ok(asking) = accept_with(&socket, SocketFlags::CLOEXEC) {
            agree(&asking);
        }
    }

    /// Waits until there is work. Returns whether a commit has connected.
    fn wait(&self, socket: &OwnedFd, questions: &Questions) -> bool {
        let mut fds = vec![PollFd::new(socket, PollFlags::IN), PollFd::new(&self.wakeup, PollFlags::IN)];
        fds.extend(questions.fds());
        let longest = questions.time_left().unwrap_or(INTERVAL).min(INTERVAL);
        // The caller checks all descriptors, however the wait ends.
        let _ = poll(&mut fds, Timespec::try_from(longest).ok().as_ref());
        fds[0].revents().contains(PollFlags::IN)
    }

    /// Opens another endpoint if the lease was deleted, with the run directory for example.
    fn reopen(&self) -> Option<Arc<OwnedFd>> {
        let mut endpoint = lock(&self.endpoint);
        if endpoint.as_ref().is_none_or(|endpoint| endpoint.lease.is_there()) {
            return None;
        }
        // A failure is retried after `INTERVAL`.
        let anew = Endpoint::open(&self.core, &self.pattern).ok()?;
        let socket = anew.socket.clone();
        *endpoint = Some(anew);
        Some(socket)
    }

    /// Answers a question.
    fn answer(&mut self, asking: &OwnedFd, record: Record) {
        // A commit that has given up needs no answer.
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let fds = &mut [PollFd::new(asking, PollFlags::IN)];
        if poll(fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::IN) {
            return;
        }
        let refusal = Event::of(Arc::new(record), &self.pattern).and_then(|event| {
            IN_VERIFIER.set(true);
            let decided = catch_unwind(AssertUnwindSafe(|| (self.decide)(&event)));
            IN_VERIFIER.set(false);
            decided.unwrap_or_else(|_| Err("the verifier failed: it panicked".into())).err()
        });
        let _ = send(asking, &message::answer(refusal.as_deref()), SendFlags::NOSIGNAL);
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The thread belongs to the parent, and may have held the lock at the fork.
            std::mem::forget(self.thread.take());
            return;
        }
        drop(lock(&self.endpoint).take());
        self.ended.store(true, Ordering::Release);
        // If the write fails, the counter is full, which wakes as well.
        let _ = rustix::io::write(&*self.wakeup, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // The thread has no result.
            let _ = thread.join();
        }
    }
}
