//! The incoming questions of a verifier. It receives several at a time, so that a slow sender does not block
//! others; each has a deadline, and all together a limit of bytes.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::message;
use crate::log::Record;
use crate::os::caller::TIMEOUT;

/// How many questions are received at once. Another one replaces the oldest: a commit sends its question in one go,
/// so an old one is stuck.
const MAX_OPEN: usize = 16;

/// How many bytes all questions together may have: more than any ordinary transaction has.
const MAX_BYTES: usize = 256 << 20;

/// How many bytes of one question are received before the next question gets its turn.
const TURN: usize = 1 << 20;

/// A question that is not complete.
#[derive(Debug)]
struct Question {
    socket: OwnedFd,
    deadline: Instant,
    bytes: Vec<u8>,
}

/// The state of a question after some bytes were received.
enum Received {
    Partial,
    Complete(Box<Record>),
    /// It is malformed, or the sender has closed the connection.
    Invalid,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Questions(Vec<Question>);

impl Questions {
    /// Adds a connection, which must be non-blocking.
    pub fn add(&mut self, socket: OwnedFd) {
        if self.0.len() == MAX_OPEN {
            self.0.remove(0);
        }
        self.0.push(Question { socket, deadline: Instant::now() + TIMEOUT, bytes: Vec::new() });
    }

    /// Returns the descriptors to poll.
    pub fn fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.0.iter().map(|question| PollFd::new(&question.socket, PollFlags::IN))
    }

    /// Returns the time until the first deadline.
    pub fn time_left(&self) -> Option<Duration> {
        let first = self.0.iter().map(|question| question.deadline).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }

    /// Receives pending bytes, and returns the complete questions. Questions past the deadline or over the limit
    /// are dropped.
    pub fn read(&mut self) -> Vec<(OwnedFd, Record)> {
        let mut complete = Vec::new();
        let mut taken: usize = self.0.iter().map(|question| question.bytes.len()).sum();
        for mut question in std::mem::take(&mut self.0) {
            let before = question.bytes.len();
            let received = question.receive();
            taken += question.bytes.len() - before;
            match received {
                Received::Complete(record) => complete.push((question.socket, *record)),
                Received::Partial if taken <= MAX_BYTES && Instant::now() < question.deadline => {
                    self.0.push(question);
                }
                Received::Partial | Received::Invalid => taken -= question.bytes.len(),
            }
        }
        complete
    }

    /// Extends all deadlines by a time in which the verifier did not receive.
    pub fn postpone(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|question| question.deadline += by);
    }

    /// Returns all connections.
    pub fn into_sockets(self) -> impl Iterator<Item = OwnedFd> {
        self.0.into_iter().map(|question| question.socket)
    }
}

impl Question {
    fn receive(&mut self) -> Received {
        let mut buffer = [0_u8; 1 << 14];
        let end = self.bytes.len() + TURN;
        while self.bytes.len() < end {
            match recv(&self.socket, &mut buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return Received::Invalid,
                Ok((_, count)) => self.bytes.extend_from_slice(&buffer[..count]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Received::Partial,
                Err(_) => return Received::Invalid,
            }
            let Some((head, body)) = self.bytes.split_first_chunk::<{ message::HEAD }>() else { continue };
            match message::length(*head).and_then(|length| usize::try_from(length).ok()) {
                Some(length) if length > MAX_BYTES || body.len() > length => return Received::Invalid,
                Some(length) if body.len() == length => {
                    return Record::decode(body)
                        .map_or(Received::Invalid, |record| Received::Complete(record.into()));
                }
                Some(_) => {}
                None => return Received::Invalid,
            }
        }
        Received::Partial
    }
}
