//! Asks all verifiers that a transaction concerns at the same time, until a deadline.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, connect, recv, send, shutdown,
    socket_with,
};

use super::{Verdict, concerns, message, verifier};
use crate::log::Record;
use crate::presence::{Presence, Subscriber, socket_of};

/// A verifier that is being asked.
struct Asked {
    verifier: Subscriber,
    path: PathBuf,
    socket: OwnedFd,
    sent: usize,
    answer: Vec<u8>,
    /// The answer, once it is complete.
    verdict: Option<message::Answer>,
}

/// Why a verifier cannot be asked.
enum Failed {
    /// It has ended.
    Gone,
    Refusal(String),
}

/// The verifiers that have not answered in time, each with its connection. Until such a verifier goes on, no other
/// commit waits for it: otherwise committing threads would wait one after the other.
#[derive(Debug, Default)]
pub(super) struct Unresponsive(Mutex<Vec<(PathBuf, OwnedFd)>>);

impl Unresponsive {
    fn list(&self) -> MutexGuard<'_, Vec<(PathBuf, OwnedFd)>> {
        // The list is valid after a panic of another thread.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a verifier that has not answered in time, and shuts its connection down for writing, so that it drops
    /// the question.
    fn add(&self, path: PathBuf, socket: OwnedFd) {
        let _ = shutdown(&socket, Shutdown::Write);
        self.list().push((path, socket));
    }

    /// Reports whether a verifier has neither answered nor dropped the earlier question yet.
    fn has(&self, path: &Path) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut list = self.list();
        list.retain(|(_, socket)| {
            let fds = &mut [PollFd::new(socket, PollFlags::IN)];
            !poll(fds, Some(&now)).is_ok_and(|ready| ready > 0)
        });
        list.iter().any(|(unresponsive, _)| unresponsive == path)
    }
}

/// Asks all verifiers that a transaction concerns. It ends at the first refusal, and does not wait for
/// `unresponsive` verifiers again; with `None`, it collects all answers.
pub(super) fn ask(
    presences: &[Presence],
    record: &Record,
    timeout: Duration,
    unresponsive: Option<&Unresponsive>,
) -> Vec<Verdict> {
    let question = message::question(record);
    let (mut verdicts, mut asked) = (Vec::new(), Vec::new());
    for presence in presences {
        for (verifier, lease) in presence.list() {
            if !concerns(&verifier.pattern, record) {
                continue;
            }
            let path = socket_of(&lease);
            if unresponsive.is_some_and(|unresponsive| unresponsive.has(&path)) {
                let why = "it has not answered an earlier question yet".to_owned();
                verdicts.push(Verdict { verifier, refusal: Some(why) });
                continue;
            }
            match connect_to(presence, &path) {
                Ok(socket) => {
                    asked.push(Asked { verifier, path, socket, sent: 0, answer: Vec::new(), verdict: None });
                }
                Err(Failed::Gone) => presence.remove(&lease),
                Err(Failed::Refusal(why)) => verdicts.push(Verdict { verifier, refusal: Some(why) }),
            }
        }
    }
    let is_over = |verdicts: &[Verdict]| {
        unresponsive.is_some() && verdicts.iter().any(|verdict| verdict.refusal.is_some())
    };
    let deadline = Instant::now() + timeout;
    while !asked.is_empty() && !is_over(&verdicts) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let why = format!("it has not answered within {} s", timeout.as_secs_f64());
            for late in asked.drain(..) {
                verdicts.push(Verdict { verifier: late.verifier, refusal: Some(why.clone()) });
                if let Some(unresponsive) = unresponsive {
                    unresponsive.add(late.path, late.socket);
                }
            }
            break;
        }
        wait(&asked, left);
        asked.iter_mut().for_each(|one| one.exchange(&question));
        let (done, open): (Vec<_>, Vec<_>) = asked.into_iter().partition(|one| one.verdict.is_some());
        asked = open;
        let verdict = |one: Asked| Verdict {
            verifier: one.verifier,
            refusal: one.verdict.and_then(message::Answer::refusal),
        };
        verdicts.extend(done.into_iter().map(verdict));
    }
    verdicts
}

/// Connects to a verifier without blocking.
fn connect_to(presence: &Presence, path: &Path) -> Result<OwnedFd, Failed> {
    let failed = |error: Errno| match error {
        Errno::CONNREFUSED | Errno::NOENT => Failed::Gone,
        Errno::AGAIN => {
            Failed::Refusal("it does not answer, and too many commits wait for it already".into())
        }
        error => Failed::Refusal(format!("it cannot be asked: {}", std::io::Error::from(error))),
    };
    let found = std::fs::symlink_metadata(path).map_err(|_| Failed::Gone)?;
    if !presence.is_trusted(&found) {
        return Err(Failed::Gone);
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(failed)?;
    verifier::at_address(path, |address| connect(&socket, address)).map_err(failed)?;
    Ok(socket)
}

/// Waits until one of the sockets is ready.
fn wait(asked: &[Asked], left: Duration) {
    let flags =
        |one: &Asked| if one.sent == usize::MAX { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
    let mut fds: Vec<PollFd<'_>> =
        asked.iter().map(|one| PollFd::from_borrowed_fd(one.socket.as_fd(), flags(one))).collect();
    // The caller checks all sockets, however the wait ends.
    let _ = poll(&mut fds, Timespec::try_from(left).ok().as_ref());
}

impl Asked {
    /// Sends and receives as much as possible without blocking.
    fn exchange(&mut self, question: &[u8]) {
        while self.sent < question.len() {
            match send(&self.socket, &question[self.sent..], SendFlags::NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                // `recv` below finds the reason.
                Err(_) => break,
            }
        }
        if self.sent == question.len() {
            self.sent = usize::MAX;
        }
        let mut buffer = [0_u8; 4096];
        loop {
            match recv(&self.socket, &mut buffer, RecvFlags::empty()) {
                Ok((_, count)) if count > 0 => self.answer.extend_from_slice(&buffer[..count]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return,
                Ok(_) | Err(_) => {
                    let ended = "it ended before it answered; if the commit is repeated, it is not asked";
                    self.verdict = self.verdict.take().or(Some(message::Answer::Refused(ended.into())));
                    return;
                }
            }
            self.verdict = message::read_answer(&self.answer);
            if self.verdict.is_some() {
                return;
            }
        }
    }
}
