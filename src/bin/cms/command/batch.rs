//! `cms batch`: runs the lines of a file. They are one transaction unless `--no-transaction` is given: see
//! [`crate::gather`].

use std::io::Write;

use crate::context::Context;
use crate::dispatch::dispatch;
use crate::failure::{Exit, Failure};
use crate::gather::Gathered;
use crate::line::Line;
use crate::lines::{each_line, parse_words, run_words};
use crate::spec::{Command, flag};

pub const COMMAND: Command = Command {
    name: "batch",
    aliases: &["txn", "transaction"],
    arguments: "[FILE]",
    summary: "run the commands of a file or standard input, and commit all they change, or nothing",
    flags: &[
        flag("no-transaction", "run each line for itself, up to the first that fails; 'commit' commits"),
        flag("keep-going", "the same, but report failures and go on"),
    ],
    writes: false,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("no-transaction") || line.has("keep-going") {
        return each_line(context, line, |_, words| run_words(line, words));
    }
    context.gathered = Some(Gathered::new(context.dry_run));
    let exit = each_line(context, line, |context, words| gather_words(context, line, words));
    let gathered = context.gathered.take().unwrap_or_default();
    match exit {
        Ok(Exit::Ok) => gathered.commit(context),
        // Whoever read the output may well be gone, but must not believe that it is done.
        Err(Failure::BrokenPipe) if !gathered.is_empty() => {
            Err(Failure::Other(Exit::Io, "nobody reads the output any more, so nothing is changed".into()))
        }
        exit => exit,
    }
}

/// As [`run_words`], as part of a transaction: the command sees what those before it have changed, and what it changes
/// is gathered.
fn gather_words(context: &mut Context, outer: &Line, words: Vec<Vec<u8>>) -> Result<Exit, Failure> {
    if words.is_empty() {
        return Ok(Exit::Ok);
    }
    let mut line = parse_words(words)?;
    if let Some(gathered) = &mut context.gathered {
        gathered.admit(&line)?;
    }
    line.inherit(outer);
    let mut inner = Context::with(context.store.clone(), &line)?;
    inner.gathered = context.gathered.take();
    let exit = dispatch(&mut inner, &line).and_then(|exit| Ok(inner.out.flush().map(|()| exit)?));
    context.gathered = inner.gathered.take();
    exit
}
