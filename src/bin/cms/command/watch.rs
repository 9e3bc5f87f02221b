//! `cms watch`: prints changes, or runs a command for each transaction or change.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cms::{Changed, Event, EventKind, Watch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value as Json;

use crate::context::Context;
use crate::events::{EVENT, EVENT_OF_CHANGE};
use crate::events::{event_json, open, wait, warn_of_unknown};
use crate::failure::{Exit, Failure, print_message};
use crate::records::{Users, change_line, record_title};
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, bytes, parsed, seconds, switch, text};
use crate::variables;
use crate::variables::{directories, of_event, variables};

#[derive(Default)]
pub struct Flags {
    since: Option<String>,
    exec: Option<Vec<u8>>,
    each_change: bool,
    debounce: Option<Duration>,
    count: Option<u64>,
    timeout: Option<Duration>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "watch",
    aliases: &[],
    arguments: "[PATTERN...]",
    summary: "print changes as they are committed, of patterns such as network, network.lan, *.lan.ipaddr",
    flags: &[
        text("since", "REVISION", "begin after this revision, and miss nothing", |flags: &mut Flags| {
            &mut flags.since
        }),
        bytes(
            "exec",
            "COMMAND",
            "run it once for each transaction, with CMS_REVISION, CMS_KEYS, ... set; of those made while it runs once for all",
            |flags: &mut Flags| &mut flags.exec,
        ),
        switch(
            "each-change",
            "run COMMAND for each changed key, with CMS_KEY, CMS_OLD, CMS_NEW, ... set",
            |flags: &mut Flags| &mut flags.each_change,
        ),
        parsed(
            "debounce",
            "TIME",
            "wait this long after a transaction, and run COMMAND once for all until then, for example 2s",
            |flags: &mut Flags, text| {
                let wrong = || Failure::Usage(format!("--debounce: '{text}' is not a time; try 2s or 1min"));
                flags.debounce = Some(cms::clock::parse_span(text).ok_or_else(wrong)?);
                Ok(())
            },
        ),
        parsed("count", "N", "end after N transactions", |flags: &mut Flags, text| {
            let wrong = |_| Failure::Usage(format!("--count: '{text}' is not a number"));
            flags.count = Some(text.parse().map_err(wrong)?);
            Ok(())
        }),
        seconds(
            "timeout",
            "end with exit code 8 when nothing has changed for this long",
            |flags: &mut Flags| &mut flags.timeout,
        ),
    ],
    writes: Writes::Nothing,
    json: &[
        Output::lines(&EVENT),
        Output::one(&EVENT).when("With --exec, the standard input of COMMAND"),
        Output::one(&EVENT_OF_CHANGE).when("With --exec --each-change, the standard input of COMMAND"),
    ],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let since = call.flags.since.as_deref().map(|spec| context.find_revision(spec)).transpose()?;
    let (count, timeout) = (call.flags.count, call.flags.timeout);
    let command = call.flags.exec.as_deref();
    if command.is_none() && (call.flags.each_change || call.flags.debounce.is_some()) {
        return Err(Failure::Usage("--each-change and --debounce are for --exec".into()));
    }
    let mut watch = open(context, &call.arguments, since)?;
    warn_of_unknown(context, &call.arguments)?;
    // Changes of a key that are made while a command runs become one event.
    watch.set_merging(command.is_some());
    let mut users = Users::default();
    let mut delivered = 0;
    let mut deadline = timeout.map(|timeout| Instant::now() + timeout);
    let stdout = std::io::stdout();
    while count.is_none_or(|count| delivered < count) {
        match watch.next(Some(Duration::ZERO))? {
            Some(event) => {
                match command {
                    Some(command) => {
                        let event = settled(&mut watch, event, call.flags.debounce)?;
                        execute(context, command, &event, call.flags.each_change, &mut users)?;
                    }
                    None => print(context, &event, &mut users)?,
                }
                delivered += 1;
                deadline = timeout.map(|timeout| Instant::now() + timeout);
            }
            None => {
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                if left == Some(Duration::ZERO) {
                    return Ok(Exit::TimeOut);
                }
                wait(&mut watch, &[], left)?;
                if command.is_none() && is_closed(&stdout) {
                    return Err(Failure::BrokenPipe);
                }
            }
        }
    }
    Ok(Exit::Ok)
}

/// Prints an event.
fn print(context: &mut Context, event: &Event, users: &mut Users) -> Result<(), Failure> {
    if context.json {
        let row = event_json(event, users);
        context.put_json(&row)?;
    } else {
        let title = record_title(event.record(), users);
        context.print_line(&title)?;
        for Changed { package, change, .. } in event.changes() {
            context.put_line(&[b"    ", &change_line(package, change)[..]].concat())?;
        }
        for package in &event.record().packages {
            match event.kind() {
                EventKind::Broken => context.print_line(&format!(
                    "    {}: cannot be parsed; programs still read its last good content",
                    package.package
                ))?,
                EventKind::Mended => {
                    context.print_line(&format!("    {}: can be parsed again", package.package))?;
                }
                _ => {}
            }
        }
        for package in event.unknown() {
            context.print_line(&format!("    {package}: what was changed is not known"))?;
        }
    }
    Ok(context.out.flush()?)
}

/// Waits for a time, and merges the transactions of that time into the event.
fn settled(watch: &mut Watch, event: Event, time: Option<Duration>) -> Result<Event, Failure> {
    let Some(time) = time else { return Ok(event) };
    std::thread::sleep(time);
    Ok(match watch.next(Some(Duration::ZERO))? {
        Some(next) => event.merge(&next),
        None => event,
    })
}

/// Runs the command for an event, or for each of its changes, one after the other.
fn execute(
    context: &Context,
    command: &[u8],
    event: &Event,
    each_change: bool,
    users: &mut Users,
) -> Result<(), Failure> {
    let mut json = event_json(event, users);
    if !each_change {
        if event.is_empty() {
            return Ok(());
        }
        let only = event.change(0).filter(|_| event.changes().len() == 1);
        let mut all: Vec<(&str, OsString)> = Vec::from(of_event(event, users));
        all.extend(only.map(variables).into_iter().flatten());
        return shell(context, command, event, all, &json);
    }
    let rows = json["changes"].as_array().cloned().unwrap_or_default();
    for (changed, row) in event.changes().zip(rows) {
        json["change"] = row;
        shell(context, command, event, Vec::from(variables(changed)), &json)?;
    }
    Ok(())
}

/// Runs the command once, with variables and with JSON on its standard input.
fn shell(
    context: &Context,
    command: &[u8],
    event: &Event,
    variables: Vec<(&str, OsString)>,
    json: &Json,
) -> Result<(), Failure> {
    let mut shell = process::Command::new("/bin/sh");
    variables::set(&mut shell, variables);
    let mut child = shell
        .arg("-c")
        .arg(OsStr::from_bytes(command))
        .env("CMS_REVISION", event.sequence().to_string())
        .envs(directories(context))
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::Other(Exit::Io, format!("cannot run /bin/sh: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command may end without reading the event.
        let _ = writeln!(stdin, "{json}");
    }
    let ended = child.wait().map_err(|error| Failure::Other(Exit::Io, format!("cannot wait: {error}")))?;
    if !ended.success() {
        let what = json["change"]["key"].as_str().map_or_else(|| event.sequence().to_string(), str::to_owned);
        print_message(&format!("warning: {what}: the command has failed: {ended}"));
    }
    Ok(())
}

/// Reports whether the reader of the output has closed it.
fn is_closed(stdout: &std::io::Stdout) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(stdout, PollFlags::empty())];
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::ERR)
}
