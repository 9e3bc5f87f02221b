//! Guards: they roll a commit back that is not confirmed in time, even if the program that made it has died.
//!
//! A guard is a separate process, `cms`, in its own session, started before the commit is made; without a `cms` it
//! is a thread of the program that commits. It needs only the store: if it is killed, the next program to open the
//! store does its work, and two guards do the same as one. It holds no lock while it waits.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::confirm::Confirmations;
use crate::error::{Error, Result};
use crate::settings::options::Guards;

/// The first word of the command line by which `cms` becomes a guard; then come the number of the committing
/// process, the directories, and optionally `--on-rollback COMMAND`.
pub const GUARD: &str = "__guard";

/// The line that a guard prints when it is ready starts with this, before its process number.
pub const GUARD_READY: &str = "guard ";

/// How long a guard may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest sleep of a guard between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Starts the guard. It closes descriptors that the shell inherited, since the guard would keep them open, and they
/// may be locks. As a background job, the guard is an orphan once the shell ends.
const SCRIPT: &str = "exec 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- 3<&0; \"$0\" \"$@\" <&3 3<&- &";

/// A guard that is ready. Dropping it tells the guard that no further commit will follow.
#[derive(Debug)]
pub struct GuardHandle {
    process: Option<u32>,
    _pipe: Option<ChildStdin>,
    _sender: Option<Sender<()>>,
}

impl GuardHandle {
    /// Returns the process number of the guard; `None` if it is a thread.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.process
    }
}

impl Confirmations<'_> {
    /// Starts a guard for a commit that is about to be made: see [`crate::Options::guards`]. A
    /// [`crate::Transaction`] does this itself; call it before [`crate::Engine::commit_together`]. Drop the result
    /// once the commit is made or given up. The guard runs `on_rollback` with `sh -c` after a rollback; a thread
    /// does not.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot be started.
    pub fn start_guard(&self, on_rollback: Option<&OsStr>) -> Result<GuardHandle> {
        match &self.core.options.guards {
            Guards::Program(program) => self.guard_process(program, on_rollback),
            Guards::Thread => self.guard_thread(),
            Guards::Nobody => Ok(GuardHandle { process: None, _pipe: None, _sender: None }),
            Guards::Any => {
                let started = find_program().map(|program| self.guard_process(&program, on_rollback));
                started.and_then(Result::ok).map_or_else(|| self.guard_thread(), Ok)
            }
        }
    }

    fn guard_process(&self, program: &Path, on_rollback: Option<&OsStr>) -> Result<GuardHandle> {
        let failed = |error| Error::io("start the guard of the commit", program)(error);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT]).arg(program).arg(GUARD).arg(std::process::id().to_string());
        command.args(self.directories().map_err(failed)?);
        command.args(["confirm", "--wait"]);
        if let Some(hook) = on_rollback {
            command.arg("--on-rollback").arg(hook);
        }
        // These variables apply to the current command, not to the guard.
        command.env_remove(crate::os::caller::VERIFYING).env_remove("CMS_SAFE_MODE");
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let (pipe, output) = (child.stdin.take(), child.stdout.take());
        let process = output.ok_or(io::ErrorKind::BrokenPipe.into()).and_then(read_process);
        // Reap the shell, which has ended. It fails if the program has reaped it already.
        let _ = child.wait();
        Ok(GuardHandle { process: Some(process.map_err(failed)?), _pipe: pipe, _sender: None })
    }

    /// Returns the options that lead `cms` to this store from any directory.
    fn directories(&self) -> io::Result<Vec<OsString>> {
        let dirs = self.core.dirs();
        let mut words: Vec<OsString> = Vec::new();
        let all = [
            ("--config-dir", Some(&dirs.config)),
            ("--save-dir", Some(&dirs.save)),
            ("--run-dir", dirs.run.as_ref()),
            ("--state-dir", dirs.state.as_ref()),
        ];
        for (name, dir) in all {
            let Some(dir) = dir else { continue };
            words.extend([name.into(), std::path::absolute(&dir.path)?.into_os_string()]);
        }
        Ok(words)
    }

    fn guard_thread(&self) -> Result<GuardHandle> {
        let (sender, receiver) = channel::<()>();
        let core = self.core.clone();
        let stand = move || {
            Confirmations::of(&core)
                .run_guard(&mut |time| receiver.recv_timeout(time) != Err(RecvTimeoutError::Disconnected));
        };
        let started = std::thread::Builder::new().name("cms-guard".into()).spawn(stand);
        started.map_err(Error::io("start a thread that guards", &self.core.dirs().config.path))?;
        Ok(GuardHandle { process: None, _pipe: None, _sender: Some(sender) })
    }

    /// Runs the guard: rolls commits back that are not confirmed in time, and retries as long as that fails. It
    /// ends when nothing is pending and no further commit will follow: `is_awaited` waits for at most the given
    /// time, and returns whether a commit may still follow.
    pub fn run_guard(&self, is_awaited: &mut dyn FnMut(Duration) -> bool) {
        let mut may_come = true;
        loop {
            match self.core.pending.left() {
                Some(Duration::ZERO) => {
                    let failed = self.recover().is_err();
                    std::thread::sleep(if failed { POLL_INTERVAL } else { Duration::from_millis(5) });
                }
                Some(left) => std::thread::sleep(left.min(POLL_INTERVAL)),
                None if may_come => may_come = is_awaited(POLL_INTERVAL),
                None => return,
            }
        }
    }
}

/// Reads the process number that a guard prints when it is ready.
fn read_process(mut output: ChildStdout) -> io::Result<u32> {
    let (mut text, deadline) = (Vec::new(), Instant::now() + START_TIMEOUT);
    while !text.ends_with(b"\n") && text.len() < 64 {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).ok();
        match poll(&mut [PollFd::new(&output, PollFlags::IN)], left.as_ref()) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "it did not report in time that it is ready",
                ));
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut byte = [0];
        match output.read(&mut byte)? {
            0 => return Err(io::Error::other("it ended at once")),
            _ => text.push(byte[0]),
        }
    }
    let text = String::from_utf8_lossy(&text);
    let process = text.strip_prefix(GUARD_READY).and_then(|number| number.trim().parse().ok());
    process.ok_or_else(|| io::Error::other("it is not a guard"))
}

/// Finds the program `cms`.
fn find_program() -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = crate::os::environment::variable("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/sbin", "/bin"].map(PathBuf::from);
    let mut dirs = std::env::split_paths(&path).filter(|dir| dir.is_absolute()).chain(usual);
    dirs.find_map(|dir| {
        let program = dir.join("cms");
        let found = std::fs::metadata(&program).ok()?;
        (found.is_file() && found.permissions().mode() & 0o111 != 0).then_some(program)
    })
}
