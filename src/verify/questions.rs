//! The questions that a verifier is being asked: several at a time, so that one which comes slowly keeps nobody from
//! asking, each in one time, and all together no larger than they may be.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::message;
use crate::log::Record;
use crate::os::caller::TIMEOUT;

/// How many are received at once. When another comes, the one that has been coming for longest goes: whoever commits says
/// all of a question at once.
const MAX_OPEN: usize = 16;

/// What all of them together may have, in bytes: more than what a transaction of a configuration has.
const MAX_BYTES: usize = 256 << 20;

/// How much is taken of one before the others have their turn, in bytes.
const TURN: usize = 1 << 20;

/// A question that is not complete.
#[derive(Debug)]
struct Question {
    socket: OwnedFd,
    deadline: Instant,
    bytes: Vec<u8>,
}

/// What became of a question.
enum Received {
    Part,
    All(Record),
    /// It is none, or nobody asks it any more.
    Nothing,
}

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Questions(Vec<Question>);

impl Questions {
    /// Takes a connection, which must not block.
    pub fn add(&mut self, socket: OwnedFd) {
        if self.0.len() == MAX_OPEN {
            self.0.remove(0);
        }
        self.0.push(Question { socket, deadline: Instant::now() + TIMEOUT, bytes: Vec::new() });
    }

    /// Returns what to wait for.
    pub fn fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.0.iter().map(|question| PollFd::new(&question.socket, PollFlags::IN))
    }

    /// Returns how long may be waited until one has taken too long.
    pub fn patience(&self) -> Option<Duration> {
        let first = self.0.iter().map(|question| question.deadline).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }

    /// Reads what has come, and returns the questions that are complete. Those that take too long, or too much room, go.
    pub fn read(&mut self) -> Vec<(OwnedFd, Record)> {
        let mut complete = Vec::new();
        let mut taken: usize = self.0.iter().map(|question| question.bytes.len()).sum();
        for mut question in std::mem::take(&mut self.0) {
            let before = question.bytes.len();
            let received = question.receive();
            taken += question.bytes.len() - before;
            match received {
                Received::All(record) => complete.push((question.socket, record)),
                Received::Part if taken <= MAX_BYTES && Instant::now() < question.deadline => {
                    self.0.push(question)
                }
                Received::Part | Received::Nothing => taken -= question.bytes.len(),
            }
        }
        complete
    }

    /// Gives all of them more time: nobody has listened meanwhile.
    pub fn postpone(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|question| question.deadline += by);
    }

    /// Returns the connections, for who answers them all.
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
                Ok((_, 0)) => return Received::Nothing,
                Ok((_, count)) => self.bytes.extend_from_slice(&buffer[..count]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Received::Part,
                Err(_) => return Received::Nothing,
            }
            let Some((head, body)) = self.bytes.split_first_chunk::<{ message::HEAD }>() else { continue };
            match message::length(*head).and_then(|length| usize::try_from(length).ok()) {
                Some(length) if length > MAX_BYTES || body.len() > length => return Received::Nothing,
                Some(length) if body.len() == length => {
                    return Record::decode(body).map_or(Received::Nothing, Received::All);
                }
                Some(_) => {}
                None => return Received::Nothing,
            }
        }
        Received::Part
    }
}
