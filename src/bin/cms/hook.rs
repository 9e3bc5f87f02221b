//! Runs the commands that a user gives with a commit: `--then`, which a keeper runs (see `keeper`), and
//! `--on-rollback`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::context::Context;
use crate::variables::directories;

/// How long a command may take to end after SIGTERM, before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// How a command ended.
pub enum Ended {
    /// With exit code 0.
    Well,
    /// With this exit code, or by a signal, which is 128 more than its number.
    Badly(u8),
    /// It took too long, and was killed.
    Late,
    /// It was ended because `cms` was interrupted.
    Interrupted,
    /// It could not be run.
    Never(std::io::Error),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Well => write!(f, "the command succeeded"),
            Self::Badly(code @ 0..=128) => write!(f, "the command ended with exit code {code}"),
            Self::Badly(code) => write!(f, "the command was killed by signal {}", code - 128),
            Self::Late => write!(f, "the command took too long and was killed"),
            Self::Interrupted => write!(f, "the command was ended, because cms was interrupted"),
            Self::Never(error) => write!(f, "the command cannot be run: {error}"),
        }
    }
}

/// Runs a command with `sh -c`, in a new process group, and ends it when the time is over. Its standard input is
/// empty; with `quiet`, its output is dropped.
pub fn run(
    context: &Context,
    command: &[u8],
    variables: Vec<(&'static str, OsString)>,
    time: Duration,
    quiet: bool,
) -> Ended {
    let mut shell = shell(context, command);
    shell.envs(variables);
    if quiet {
        shell.stdout(Stdio::null()).stderr(Stdio::null());
    }
    watch_over(&mut shell, time, &|| true)
}

/// As [`run`], and ends the command once `is_wanted` returns false.
pub fn run_while(context: &Context, command: &[u8], time: Duration, is_wanted: &dyn Fn() -> bool) -> Ended {
    watch_over(&mut shell(context, command), time, is_wanted)
}

fn shell(context: &Context, command: &[u8]) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(OsStr::from_bytes(command));
    shell.envs(directories(context));
    shell.stdin(Stdio::null()).process_group(0);
    shell
}

/// Starts a command and waits for it.
fn watch_over(command: &mut Command, time: Duration, is_wanted: &dyn Fn() -> bool) -> Ended {
    match command.spawn().and_then(|mut child| wait(&mut child, time, is_wanted)) {
        Ok(Some(status)) if status.success() => Ended::Well,
        Ok(Some(status)) => {
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            Ended::Badly(u8::try_from(code).unwrap_or(u8::MAX))
        }
        Ok(None) if !is_wanted() => Ended::Interrupted,
        Ok(None) => Ended::Late,
        Err(error) => Ended::Never(error),
    }
}

/// Waits for a command; ends it, with all processes that it has started, if it takes too long or is not wanted any
/// more.
fn wait(
    child: &mut Child,
    time: Duration,
    is_wanted: &dyn Fn() -> bool,
) -> std::io::Result<Option<ExitStatus>> {
    if let Some(status) = wait_until(child, Instant::now() + time, is_wanted)? {
        return Ok(Some(status));
    }
    for (signal, grace) in [(Signal::TERM, GRACE), (Signal::KILL, Duration::from_secs(60))] {
        let _ = kill_process_group(Pid::from_child(child), signal);
        if wait_until(child, Instant::now() + grace, &|| true)?.is_some() {
            break;
        }
    }
    // Processes that the command has started may still run.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    Ok(None)
}

fn wait_until(
    child: &mut Child,
    deadline: Instant,
    is_wanted: &dyn Fn() -> bool,
) -> std::io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left == Duration::ZERO || !is_wanted() {
            return Ok(None);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
