//! Signals to this process, as descriptors that are readable once a signal has come.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::low_level::pipe;

use crate::failure::{Exit, Failure};

/// The signals that are caught.
const CAUGHT: [(i32, Signal); 6] = [
    (SIGTERM, Signal::TERM),
    (SIGINT, Signal::INT),
    (SIGQUIT, Signal::QUIT),
    (SIGHUP, Signal::HUP),
    (SIGUSR1, Signal::USR1),
    (SIGUSR2, Signal::USR2),
];

/// Each signal with the descriptor that its handler writes to.
pub struct Signals(Vec<(Signal, UnixStream)>);

impl Signals {
    /// Catches signals from here on.
    pub fn catch() -> Result<Self, Failure> {
        let one = |(number, signal): (i32, Signal)| {
            let (ours, handlers) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            pipe::register(number, handlers)?;
            Ok((signal, ours))
        };
        let caught: std::io::Result<Vec<_>> = CAUGHT.into_iter().map(one).collect();
        let failed = |error| Failure::Other(Exit::Io, format!("cannot catch signals: {error}"));
        caught.map(Self).map_err(failed)
    }

    /// The descriptors to wait for.
    pub fn fds(&self) -> Vec<&dyn AsFd> {
        self.0.iter().map(|(_, stream)| stream as &dyn AsFd).collect()
    }

    /// Returns the signals that have come since the last call, once each.
    pub fn take(&self) -> Vec<Signal> {
        let has_come = |(_, stream): &&(Signal, UnixStream)| {
            let mut bytes = [0; 64];
            let mut stream: &UnixStream = stream;
            stream.read(&mut bytes).is_ok_and(|count| count > 0)
        };
        self.0.iter().filter(has_come).map(|(signal, _)| *signal).collect()
    }
}
