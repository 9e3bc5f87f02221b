//! The keeper: the process that runs the command of `commit --then`, and rolls the commit back if that fails.
//!
//! It has its own process group, so that it survives the `cms` that committed. If that is ended, by Ctrl-C for
//! example, the keeper ends the command and rolls the commit back. Only if the terminal was closed, the keeper lets
//! the command run to its end: the command itself may have cut the connection, and must not be ended halfway.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Stdin, stdin};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::context::Context;
use crate::failure::{Exit, Failure, print_message};
use crate::hook;
use crate::hook::Ended;
use crate::line::Line;
use crate::spec::Commands;
use crate::variables::directories;

/// The first word of the command line that [`keep`] reads.
pub const KEEPER: &str = "__keeper";

/// Starts a keeper that runs a command with a time limit, and returns the exit code for `cms`. If the command fails,
/// these transactions are rolled back.
pub fn run(
    context: &Context,
    command: &[u8],
    variables: Vec<(&'static str, OsString)>,
    time: Duration,
    revisions: &[u64],
) -> Result<u8, Failure> {
    let failed =
        |error: std::io::Error| Failure::Other(Exit::Io, format!("the command cannot be run: {error}"));
    let mut keeper = Command::new(std::env::current_exe().map_err(failed)?);
    keeper.args([KEEPER, &time.as_millis().to_string()]).arg(OsStr::from_bytes(command));
    keeper.args(revisions.iter().map(u64::to_string));
    keeper.envs(directories(context)).envs(variables);
    let kept = keeper.process_group(0).stdin(Stdio::piped()).spawn().and_then(|mut child| {
        // The keeper watches this pipe: it closes when this process ends.
        let _pipe = child.stdin.take();
        child.wait()
    });
    let ended = match kept {
        Ok(status) => match status.code().map(u8::try_from) {
            Some(Ok(code)) => return Ok(code),
            _ => Ended::Badly(u8::try_from(128 + status.signal().unwrap_or(0)).unwrap_or(u8::MAX)),
        },
        Err(error) => Ended::Never(error),
    };
    settle(context, &ended, revisions)
}

/// Makes this process the keeper: `MILLISECONDS COMMAND REVISION...`.
pub fn keep(commands: Commands, words: &[OsString]) -> ExitCode {
    match kept(commands, words) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print(false, false);
            failure.exit().into()
        }
    }
}

fn kept(commands: Commands, words: &[OsString]) -> Result<u8, Failure> {
    let wrong = || Failure::Usage("expected a time in milliseconds, a command and revisions".into());
    let [time, command, revisions @ ..] = words else { return Err(wrong()) };
    let number = |word: &OsString| word.to_str().and_then(|word| word.parse::<u64>().ok()).ok_or_else(wrong);
    let time = Duration::from_millis(number(time)?);
    let revisions: Vec<u64> = revisions.iter().map(number).collect::<Result<_, _>>()?;
    let line = Line::parse(commands, &["pending".into()])?;
    let context = Context::new(&line.global, false)?;
    let (pipe, had_terminal) = (stdin(), has_terminal());
    let is_wanted = || !is_closed(&pipe) || had_terminal && !has_terminal();
    let ended = hook::run_while(&context, command.as_bytes(), time, &is_wanted);
    settle(&context, &ended, &revisions)
}

/// Rolls transactions back if their command failed. Returns the exit code that reports it.
fn settle(context: &Context, ended: &Ended, revisions: &[u64]) -> Result<u8, Failure> {
    let code = match ended {
        Ended::Well => return Ok(0),
        Ended::Badly(code) => *code,
        Ended::Late => Exit::TimeOut as u8,
        Ended::Interrupted => Exit::Io as u8,
        Ended::Never(_) => 127,
    };
    for revision in revisions.iter().rev() {
        let message = format!("rolled back: {ended}");
        match context.store.confirmations().roll_back(*revision, &message)? {
            Some(by) => {
                print_message(&format!("{ended}, so transaction {revision} is rolled back by {by}"));
            }
            None => print_message(&format!("{ended}; transaction {revision} was rolled back already")),
        }
    }
    Ok(code)
}

/// Reports whether the other end of a pipe is closed; nothing is ever written to it.
fn is_closed(pipe: &Stdin) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&at_once)), Ok(1..))
}

/// Reports whether the session has a terminal. It has none after the terminal has hung up.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}
