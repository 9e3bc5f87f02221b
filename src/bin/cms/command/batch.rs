//! `cms batch`: runs the lines of a file. They are one transaction unless `--no-transaction` is given: see
//! [`crate::gather`].

use std::io::Write;

use cms::{Committed, Engine};
use serde_json::json;

use crate::context::Context;
use crate::dispatch::dispatch;
use crate::failure::{Exit, Failure};
use crate::gather::{Commit, Gathered};
use crate::guard;
use crate::line::Line;
use crate::lines::{each_line, parse_words, run_words};
use crate::records::REVISION;
use crate::shape::Output;
use crate::spec::{Call, Command, Commands, FlagValues, Writes, switch};
use crate::staged::report_outcome;

#[derive(Default)]
pub struct Flags {
    no_transaction: bool,
    keep_going: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "batch",
    aliases: &["txn", "transaction"],
    arguments: "[FILE]",
    summary: "run the commands of a file or standard input, and commit all they change, or nothing",
    flags: &[
        switch(
            "no-transaction",
            "run each line on its own, up to the first that fails; 'commit' commits",
            |flags: &mut Flags| &mut flags.no_transaction,
        ),
        switch("keep-going", "the same, but report failures and go on", |flags: &mut Flags| {
            &mut flags.keep_going
        }),
    ],
    writes: Writes::ByItsLines,
    json: &[Output::one(&REVISION).when("With --json, after what its lines print")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let (file, keep_going, commands) = (call.expect(0, 1)?.first(), call.flags.keep_going, call.commands);
    if call.flags.no_transaction || keep_going {
        return each_line(context, file, keep_going, |context, words| run_words(context, commands, words));
    }
    context.gathered = Some(Gathered::new(context.dry_run));
    let exit = each_line(context, file, false, |context, words| gather_words(context, commands, words));
    let gathered = context.gathered.take().unwrap_or_default();
    match exit {
        Ok(Exit::Ok) => commit(context, gathered),
        // The reader of the output may have closed it, but the exit code must say that the batch was not committed.
        Err(Failure::BrokenPipe) if !gathered.is_empty() => {
            Err(Failure::Other(Exit::Io, "nobody reads the output any more, so nothing is changed".into()))
        }
        exit => exit,
    }
}

/// Runs a command as part of the transaction: it sees the changes of the lines before it, and its own are gathered.
fn gather_words(context: &mut Context, commands: Commands, words: Vec<Vec<u8>>) -> Result<Exit, Failure> {
    if words.is_empty() {
        return Ok(Exit::Ok);
    }
    let mut line = parse_words(commands, words)?;
    check_line(&line)?;
    if let Some(gathered) = &mut context.gathered {
        gathered.set_message(line.global.message.as_ref());
    }
    line.inherit(&context.global);
    let mut inner = Context::with(context.store.clone(), &line.global)?;
    inner.gathered = context.gathered.take();
    let exit = dispatch(&mut inner, line).and_then(|exit| Ok(inner.out.flush().map(|()| exit)?));
    context.gathered = inner.gathered.take();
    exit
}

/// Refuses a line that cannot be part of a transaction. Call this before the line inherits the options of the batch.
fn check_line(line: &Line) -> Result<(), Failure> {
    let alone = line.call.as_ref().and_then(|call| call.alone());
    if let Some(name) = alone.filter(|_| !line.global.dry_run) {
        return Err(Failure::Usage(format!(
            "'{name}' cannot be part of a transaction; with --no-transaction each line is run on its own"
        )));
    }
    match line.of_transaction() {
        Some(flag) => Err(Failure::Usage(format!(
            "--{flag} is for the whole batch, not for one of its lines: cms batch --{flag} ..."
        ))),
        None => Ok(()),
    }
}

/// Commits the gathered changes, as one transaction.
fn commit(context: &mut Context, gathered: Gathered) -> Result<Exit, Failure> {
    if gathered.is_trial {
        return Ok(Exit::Ok);
    }
    let is_empty = gathered.is_empty();
    let Commit { places, unstaged, options, terms, message } = gathered.into_commit();
    if is_empty {
        return guard::finish(context, &terms, &[], None);
    }
    if let Some(message) = message {
        context.store = Engine::new(context.store.options().clone().message(message));
    }
    let standing = guard::begin(context, &terms)?;
    let outcomes = context.store.commit_as(&places, unstaged, &options)?;
    for (place, outcome) in places.iter().zip(&outcomes) {
        report_outcome(context, place, *outcome)?;
    }
    let revision = outcomes.iter().find_map(|outcome: &Committed| outcome.revision);
    if context.json {
        context.put_json(&json!({"revision": revision}))?;
    }
    guard::finish(context, &terms, &outcomes, standing)
}
