//! `cms run`: runs a program, and signals or restarts it when configuration has changed. Signals to this process are
//! forwarded to the program, and this process ends with the program's status.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use cms::log::{Content, KeyChange, What};
use cms::{Event, EventKind, Pattern, Watch};
use rustix::process::{Pid, PidfdFlags, Signal, getpgid, getpgrp, kill_process, pidfd_open};

use crate::argument::show;
use crate::context::Context;
use crate::events::{open, wait, warn_of_unknown};
use crate::failure::{Exit, Failure};
use crate::signals::{Caught, Signals};
use crate::spec::{Call, Command, FlagValues, Writes, many, parsed, switch};
use crate::tether::TETHERED;
use crate::variables;
use crate::variables::{directories, variable};

#[derive(Default)]
pub struct Flags {
    watch: Vec<Vec<u8>>,
    signal: Option<Signal>,
    restart: bool,
    env: Vec<Vec<u8>>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "run",
    aliases: &[],
    arguments: "-- PROGRAM [WORD...]",
    summary: "run a program, and send it a signal or restart it when configuration has changed",
    flags: &[
        many(
            "watch",
            "PATTERN",
            "the changes to react to (default: all); may be repeated",
            |flags: &mut Flags| &mut flags.watch,
        ),
        parsed("signal", "NAME", "the signal to send (default HUP)", |flags: &mut Flags, text| {
            flags.signal = Some(named(text).ok_or_else(|| Failure::Usage(format!("no signal '{text}'")))?);
            Ok(())
        }),
        switch("restart", "restart the program instead", |flags: &mut Flags| &mut flags.restart),
        many(
            "env",
            "PATTERN",
            "values to put in its environment, as 'get --sh' names them",
            |flags: &mut Flags| &mut flags.env,
        ),
    ],
    writes: Writes::Nothing,
    json: &[],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let words = call.expect(1, usize::MAX)?;
    let signal = call.flags.signal.unwrap_or(Signal::HUP);
    let in_environment: Vec<String> = call.flags.env.iter().map(|pattern| show(pattern)).collect();
    // The watch begins before the program reads anything, so that no change is missed.
    let mut watch = open(context, &call.flags.watch, None)?;
    warn_of_unknown(context, &call.flags.watch)?;
    let mut signals = Signals::catch()?;
    let mut program = start(context, words, in_environment)?;
    loop {
        // What ends this process ends the program, and this process ends after it, with its status.
        for caught in signals.take() {
            forward(&program.child, caught);
        }
        if let Some(status) = program.child.try_wait()? {
            exit_as(context, status)?;
        }
        let mut changed = 0;
        while let Some(event) = next_or_all(&mut watch, &mut changed)? {
            // Readers do not see a text that cannot be parsed, so the program is not restarted for it.
            if !event.is_empty() && event.kind() != EventKind::Broken {
                changed = event.sequence();
            }
        }
        if changed == 0 {
            let blind = program.ended.is_none().then_some(Duration::from_millis(200));
            let mut others = vec![signals.fd()];
            others.extend(program.ended.as_ref().map(|fd| fd as &dyn AsFd));
            wait(&mut watch, &others, blind)?;
            continue;
        }
        context.verbose(&format!("{} is notified of {changed}", show(&words[0])));
        if call.flags.restart {
            let (patterns, mut old) = (program.patterns, program.child);
            let status = end(&mut old)?;
            if signals.take().iter().any(|caught| !matches!(caught.signal, Signal::USR1 | Signal::USR2)) {
                exit_as(context, status)?;
            }
            program = start(context, words, patterns)?;
        } else {
            let _ = kill_process(Pid::from_child(&program.child), signal);
        }
    }
}

/// Sends a signal on to the program. The terminal sends that of a key to all processes of the foreground, so a program of
/// the same process group has it already.
fn forward(child: &Child, caught: Caught) {
    let pid = Pid::from_child(child);
    if !(caught.is_typed && getpgid(Some(pid)) == Ok(getpgrp())) {
        let _ = kill_process(pid, caught.signal);
    }
}

/// How long a program may take to end after SIGTERM, before it is killed and started again.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program that follows changes.
struct Program {
    patterns: Vec<String>,
    child: Child,
    /// Readable once the program has ended.
    ended: Option<OwnedFd>,
}

/// Returns the next event. If the log has dropped events, or the configuration directory was replaced, everything may
/// have changed.
fn next_or_all(watch: &mut Watch, changed: &mut u64) -> Result<Option<Event>, Failure> {
    match watch.next(Some(Duration::ZERO)) {
        Err(cms::Error::TooOld { revision, .. }) => {
            *changed = revision.max(1);
            Ok(watch.next(Some(Duration::ZERO))?)
        }
        event => Ok(event?),
    }
}

fn named(name: &str) -> Option<Signal> {
    let upper = name.to_ascii_uppercase();
    Some(match upper.strip_prefix("SIG").unwrap_or(&upper) {
        "HUP" | "1" => Signal::HUP,
        "INT" | "2" => Signal::INT,
        "QUIT" | "3" => Signal::QUIT,
        "USR1" | "10" => Signal::USR1,
        "USR2" | "12" => Signal::USR2,
        "TERM" | "15" => Signal::TERM,
        "CONT" | "18" => Signal::CONT,
        "WINCH" | "28" => Signal::WINCH,
        _ => return None,
    })
}

/// Starts the program, so that it ends when this process does.
fn start(context: &Context, words: &[Vec<u8>], patterns: Vec<String>) -> Result<Program, Failure> {
    let failed =
        |error: std::io::Error| Failure::Other(Exit::Io, format!("cannot run {}: {error}", show(&words[0])));
    let mut command = process::Command::new(std::env::current_exe().map_err(failed)?);
    variables::set(&mut command, values(context, &patterns)?);
    let child = command
        .arg(TETHERED)
        .arg(std::process::id().to_string())
        .args(words.iter().map(|word| OsStr::from_bytes(word)))
        .envs(directories(context))
        .spawn()
        .map_err(failed)?;
    let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
    Ok(Program { patterns, child, ended })
}

/// Ends this process with the status of the program: 128 and the number of the signal, if one has ended it.
fn exit_as(context: &mut Context, status: ExitStatus) -> Result<(), Failure> {
    context.out.flush()?;
    std::process::exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
}

/// Ends the program: by SIGTERM, and later by SIGKILL.
fn end(child: &mut Child) -> Result<ExitStatus, Failure> {
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            return Ok(child.wait()?);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the values that patterns select as variables, named as `cms get --sh` does.
fn values(context: &Context, patterns: &[String]) -> Result<Vec<(String, OsString)>, Failure> {
    let mut found = Vec::new();
    if patterns.is_empty() {
        return Ok(found);
    }
    let pattern = Pattern::parse(&patterns.join(" "))?;
    for name in context.store.packages().list()?.into_iter().filter(|name| pattern.selects_package(name)) {
        let loaded =
            context.store.packages().load_committed(context.store.packages().find(name.as_bytes())?)?;
        for section in loaded.package.sections() {
            for option in section.options() {
                let added = What::Added(Content::List(Vec::new()));
                let key = KeyChange::new(section.name(), Some(option.name()), added);
                if pattern.selects(&name, &key) {
                    let items: Vec<&[u8]> = option.value().items().collect();
                    let value = OsStr::from_bytes(&items.join(&b' ')).to_owned();
                    found.push((variable(&show(&key.key(&name))), value));
                }
            }
        }
    }
    Ok(found)
}
