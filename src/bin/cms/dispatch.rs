//! One command line, from beginning to end.

use std::io::Write;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::guard;
use crate::help_text::{command_help, overview, version};
use crate::line::Line;

/// Runs one command line from beginning to end.
pub fn run_line(line: &Line) -> Result<Exit, Failure> {
    let mut context = Context::new(line)?;
    let exit = dispatch(&mut context, line)?;
    context.out.flush()?;
    if line.command.is_some_and(|command| command.writes || command.name == "batch") && !context.dry_run {
        guard::warn(&context);
    }
    Ok(exit)
}

/// Runs one command.
pub fn dispatch(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("version") {
        return version(context);
    }
    let Some(command) = line.command else {
        overview(context)?;
        return if line.has("help") { Ok(Exit::Ok) } else { Err(Failure::Usage("no command given".into())) };
    };
    if line.has("help") {
        command_help(context, command)?;
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
