//! `cms verify`: a command accepts or refuses transactions before they are made.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cms::{Changed, Event, Store, VERIFYING};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value as Json;

use crate::argument::{path, show};
use crate::context::Context;
use crate::events::EVENT_OF_CHANGE;
use crate::events::event_json;
use crate::failure::{Exit, Failure, print_message};
use crate::records::Users;
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, seconds};
use crate::variables;
use crate::variables::{directories, variables};

#[derive(Default)]
pub struct Flags {
    timeout: Option<Duration>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "verify",
    aliases: &[],
    arguments: "PATTERN -- COMMAND [WORD...]",
    summary: "have a command accept or refuse changes before they are made; its standard error is the reason",
    flags: &[seconds("timeout", "how long the command may take (default 4)", |flags: &mut Flags| {
        &mut flags.timeout
    })],
    writes: Writes::Nothing,
    json: &[Output::one(&EVENT_OF_CHANGE).when("The standard input of COMMAND")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let (pattern, words) = match call.expect(2, usize::MAX)?.split_first() {
        Some((pattern, words)) => (show(pattern), words.to_vec()),
        None => return Ok(Exit::Usage),
    };
    let mut options = context.store.options().clone();
    if context.global.source.is_none() {
        // A refusal names the command that refused.
        let name = path(&words[0]).file_name().map(|name| name.to_string_lossy().into_owned());
        options = options.source(name.unwrap_or_default());
    }
    let mut verifier = VerifierCommand {
        words,
        environment: directories(context),
        timeout: call.flags.timeout.unwrap_or(PATIENCE),
        verbose: context.verbose,
        users: Users::default(),
    };
    let _verifier = Store::open(options)?.verify(&pattern, move |event| verifier.decide(event))?;
    context.verbose(&format!("transactions that change {pattern} are verified"));
    loop {
        std::thread::park();
    }
}

/// Default time limit of a command. It is below the time that a commit waits, so that the commit's error says that the
/// command took too long.
const PATIENCE: Duration = Duration::from_secs(4);

/// How many bytes are read of the standard error of a command.
const MAX_REASON: u64 = 1 << 16;

/// The command that accepts or refuses changes.
struct VerifierCommand {
    words: Vec<Vec<u8>>,
    environment: Vec<(&'static str, OsString)>,
    timeout: Duration,
    verbose: bool,
    users: Users,
}

impl VerifierCommand {
    /// Runs the command for each change, one after the other, until one is refused.
    fn decide(&mut self, event: &Event) -> Result<(), String> {
        let deadline = Instant::now() + self.timeout;
        let mut json = event_json(event, &mut self.users);
        json["revision"] = Json::Null;
        let rows = json["changes"].as_array().cloned().unwrap_or_default();
        for (changed, row) in event.changes().zip(rows) {
            let mut input = json.clone();
            input["change"] = row;
            let verdict = self.run(event, changed, &input, deadline);
            if self.verbose {
                let shown = verdict.as_ref().err().map_or("accepted", String::as_str);
                print_message(&format!("{}: {shown}", show(&changed.key())));
            }
            verdict?;
        }
        Ok(())
    }

    fn run(
        &self,
        event: &Event,
        changed: Changed<'_>,
        input: &Json,
        deadline: Instant,
    ) -> Result<(), String> {
        let name = show(&self.words[0]);
        let mut command = process::Command::new(OsStr::from_bytes(&self.words[0]));
        variables::set(&mut command, variables(changed));
        let mut child = command
            .args(self.words[1..].iter().map(|word| OsStr::from_bytes(word)))
            .envs(self.environment.iter().cloned())
            .env(VERIFYING, event.record().pid.to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            // The command is ended together with the processes that it has started.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot run {name}: {error}"))?;
        let said = write_and_read(&mut child, format!("{input}\n"));
        let ended = loop {
            match child.try_wait() {
                Ok(Some(ended)) => break ended,
                Err(error) => return Err(format!("cannot wait for {name}: {error}")),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => {
                    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                    let _ = child.wait();
                    return Err(format!("{name} has not ended within {} s", self.timeout.as_secs_f64()));
                }
            }
        };
        // Processes that the command has left running may keep the pipe open.
        let said = said.recv_timeout(Duration::from_millis(100)).unwrap_or_default();
        if ended.success() {
            return Ok(());
        }
        let first = show(said.split(|byte| *byte == b'\n').next().unwrap_or_default());
        let ending = || format!("{}: {name} has ended with {ended}", show(&changed.key()));
        Err(if first.trim().is_empty() { ending() } else { first })
    }
}

/// Writes the event to a command, and reads its standard error, which is copied to ours.
fn write_and_read(child: &mut Child, input: String) -> mpsc::Receiver<Vec<u8>> {
    let (send, said) = mpsc::channel();
    if let Some(mut stdin) = child.stdin.take() {
        // A command may end without reading the event.
        std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
    if let Some(mut stderr) = child.stderr.take() {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.by_ref().take(MAX_REASON).read_to_end(&mut text);
            let _ = std::io::stderr().write_all(&text);
            let _ = send.send(text);
            // The rest is read and dropped, so that SIGPIPE does not end the command.
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        });
    }
    said
}
