//! One command line, from beginning to end.

use std::io::Write;

use crate::context::Context;
use crate::descriptors;
use crate::failure::{Exit, Failure};
use crate::guard;
use crate::help_text::{command_help, overview, version};
use crate::line::Line;
use crate::near::suggest;
use crate::spec::Writes;

/// Runs one command line from beginning to end.
pub fn run_line(mut line: Line) -> Result<Exit, Failure> {
    line.check()?;
    let mut context = Context::new(&line.global, line.stale())?;
    let writes = line.command().map_or(Writes::Nothing, |command| command.writes());
    let exit = dispatch(&mut context, line)?;
    context.out.flush()?;
    if writes != Writes::Nothing && !context.dry_run {
        guard::warn(&context);
    }
    Ok(exit)
}

/// Runs one command.
pub fn dispatch(context: &mut Context, line: Line) -> Result<Exit, Failure> {
    if line.global.version {
        return version(context);
    }
    let Some(call) = &line.call else {
        overview(context, line.commands)?;
        return if line.global.help { Ok(Exit::Ok) } else { line.run(context) };
    };
    if line.global.help {
        command_help(context, call.command())?;
        return Ok(Exit::Ok);
    }
    let writes = call.command().writes();
    if writes != Writes::Nothing {
        descriptors::raise_limit();
    }
    let only_looks = context.dry_run || call.only_check();
    if matches!(writes, Writes::Alone | Writes::InTransactions) && !only_looks {
        context.store.check_may_write()?;
    }
    context.worst = Exit::Ok;
    context.arguments.clone_from(&line.arguments);
    let exit = line.run(context).map_err(|failure| suggest(context, failure))?;
    // A failure to read something takes precedence over a key that was not found and over a difference.
    Ok(if matches!(exit, Exit::Ok | Exit::NotFound) && context.worst != Exit::Ok {
        context.worst
    } else {
        exit
    })
}
