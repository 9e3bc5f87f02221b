//! Signals to this process: caught, behind a descriptor that is readable once one has come; or kept off while another
//! program has the terminal.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag::register_conditional_default;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

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

/// A signal that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caught {
    pub signal: Signal,
    /// Whether it is of a key at the terminal, which sends it to all processes in the foreground.
    pub is_typed: bool,
}

/// The signals that are caught; see [`Signals::catch`].
pub struct Signals(SignalDelivery<UnixStream, WithOrigin>);

impl Signals {
    /// Catches signals from here on.
    pub fn catch() -> Result<Self, Failure> {
        let delivery = || {
            let (ours, handlers) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            SignalDelivery::with_pipe(ours, handlers, WithOrigin::default(), CAUGHT.map(|(number, _)| number))
        };
        let failed =
            |error: std::io::Error| Failure::Other(Exit::Io, format!("cannot catch signals: {error}"));
        delivery().map(Self).map_err(failed)
    }

    /// The descriptor to wait for.
    pub fn fd(&self) -> &dyn AsFd {
        self.0.get_read()
    }

    /// Returns the signals that have come since the last call.
    pub fn take(&mut self) -> Vec<Caught> {
        let caught = |origin: signal_hook::low_level::siginfo::Origin| {
            let (_, signal) = *CAUGHT.iter().find(|(number, _)| *number == origin.signal)?;
            let is_key = matches!(signal, Signal::INT | Signal::QUIT);
            Some(Caught { signal, is_typed: is_key && origin.cause == Cause::Kernel })
        };
        self.0.pending().filter_map(caught).collect()
    }
}

/// Keeps SIGINT and SIGQUIT from ending this process until it is dropped. Programs that are started meanwhile get them
/// as usual: the keys are theirs.
pub struct KeysLeft(Arc<AtomicBool>);

impl KeysLeft {
    pub fn new() -> Result<Self, Failure> {
        let ends = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGQUIT] {
            let failed = |error| Failure::Other(Exit::Io, format!("cannot catch signals: {error}"));
            register_conditional_default(number, Arc::clone(&ends)).map_err(failed)?;
        }
        Ok(Self(ends))
    }
}

impl Drop for KeysLeft {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
