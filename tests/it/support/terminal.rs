//! A command whose standard input, output and error are a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// How long a test waits for output.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command in a terminal.
pub struct InTerminal {
    child: Child,
    terminal: File,
    /// All that it has printed so far.
    pub shown: String,
}

impl InTerminal {
    /// Starts a command. `TERM` is `xterm`, unless the command has another.
    pub fn start(command: &mut Command) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&terminal).expect("granted");
        unlockpt(&terminal).expect("unlocked");
        let name = ptsname(&terminal, Vec::new()).expect("a name");
        let open = || -> OwnedFd {
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, rustix::fs::Mode::empty()).expect("opened")
        };
        if !command.get_envs().any(|(name, _)| name == "TERM") {
            command.env("TERM", "xterm");
        }
        let child = command
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()))
            .spawn()
            .expect("it runs");
        // The command keeps the other end open, and closes it when it is dropped or used again.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child, terminal: File::from(terminal), shown: String::new() }
    }

    /// Types text.
    pub fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).expect("typed");
    }

    /// Waits until the command has printed a text.
    pub fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shown.contains(text) {
            assert!(self.read(), "it has ended: {}", self.shown);
            assert!(Instant::now() < deadline, "no '{text}' in {}", self.shown);
        }
    }

    /// Waits until the command ends.
    pub fn end(mut self) -> (ExitStatus, String) {
        while self.read() {}
        (self.child.wait().expect("it has ended"), std::mem::take(&mut self.shown))
    }

    /// Reads what the command prints. Returns whether it may print more.
    fn read(&mut self) -> bool {
        let wait = Timespec::try_from(PATIENCE).expect("a time");
        let mut fds = [PollFd::new(&self.terminal, PollFlags::IN)];
        let ready = poll(&mut fds, Some(&wait)).expect("waited");
        assert!(ready > 0, "nothing in a minute: {}", self.shown);
        let mut bytes = [0; 4096];
        // Once all have closed the other end, reading fails.
        match self.terminal.read(&mut bytes) {
            Ok(count) if count > 0 => {
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
                true
            }
            _ => false,
        }
    }
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
