//! The command line of `cms`.

mod archive;
mod audit;
mod batch;
mod bisect;
mod check;
mod confirm;
mod context;
mod docs;
mod edits;
mod failure;
mod gather;
mod hint;
mod history;
mod hook;
mod json;
mod line;
mod maps;
mod meta;
mod policy;
mod read;
mod stage;
mod status;
mod table;
mod transfer;
mod undo;
mod variables;
mod verify;
mod watch;
mod write;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use context::Context;
use failure::{Exit, Failure};
use line::Line;

/// Runs the command line behind the program's name.
pub fn run(words: &[OsString]) -> ExitCode {
    if words.first().is_some_and(|word| word == "__complete") {
        return batch::complete_line(&words[1..]).into();
    }
    if words.first().is_some_and(|word| word == watch::TETHERED) {
        return watch::tethered(&words[1..]);
    }
    if words.first().is_some_and(|word| word == cms::GUARD) {
        return confirm::guard(&words[1..]);
    }
    let line = Line::parse(words);
    let json = match &line {
        Ok(line) => line.has("json") || line.has("json-lines"),
        // What was meant cannot be told; a program that asks for JSON gets it.
        Err(_) => words.iter().any(|word| word == "--json" || word == "--json-lines"),
    };
    let when = line.as_ref().ok().and_then(|line| line.text("color"));
    match line.and_then(|line| run_line(&line)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print(json, context::wants_color(when.as_deref()).unwrap_or(false));
            failure.exit().into()
        }
    }
}

/// Runs one command line from beginning to end.
fn run_line(line: &Line) -> Result<Exit, Failure> {
    let mut context = Context::new(line)?;
    let exit = dispatch(&mut context, line)?;
    context.out.flush()?;
    if line.command.is_some_and(|command| command.writes || command.name == "batch") && !context.dry_run {
        confirm::warn(&context);
    }
    Ok(exit)
}

/// Runs one command.
fn dispatch(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("version") {
        return meta::version(context, line);
    }
    let Some(command) = line.command else {
        docs::overview(context)?;
        return if line.has("help") { Ok(Exit::Ok) } else { Err(Failure::Usage("no command given".into())) };
    };
    if line.has("help") {
        docs::command_help(context, command)?;
        return Ok(Exit::Ok);
    }
    if command.writes || command.name == "batch" {
        crate::descriptors::raise_limit();
    }
    if command.writes && !context.dry_run && !line.has("check") {
        context.store.check_may_write()?;
    }
    if command.arguments.is_empty() {
        line.expect(0, 0)?;
    }
    context.worst = Exit::Ok;
    let exit = (command.run)(context, line)?;
    // That something was not found, or differs, counts for less than that something could not be read.
    Ok(if matches!(exit, Exit::Ok | Exit::NotFound) && context.worst != Exit::Ok {
        context.worst
    } else {
        exit
    })
}
