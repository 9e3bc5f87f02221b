//! `cms confirm`: confirms a commit that is taken back otherwise.

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure, tell};
use crate::guard::{HOOK_TIME, rollback_variables};
use crate::hook;
use crate::hook::Ended;
use crate::line::Line;
use crate::spec::{Command, flag, valued};
use crate::waiting::print_pending;

pub const COMMAND: Command = Command {
    name: "confirm",
    aliases: &[],
    arguments: "[REVISION]",
    summary: "confirm a commit made with --confirm",
    flags: &[
        flag("wait", "stand guard until it is confirmed or taken back; exits 1 if it was taken back"),
        valued("on-rollback", None, "COMMAND", "with --wait: run it once the commit was taken back"),
        flag("enforce", "only take back what was not confirmed in time; for boot scripts"),
    ],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("wait") {
        return wait(context, line);
    }
    if line.has("on-rollback") {
        return Err(Failure::Usage("--on-rollback goes with --wait: who waits runs the command".into()));
    }
    if line.has("enforce") {
        // What is overdue was taken back before this command began.
        return Ok(Exit::Ok);
    }
    let sequence = match line.expect(0, 1)?.first() {
        Some(id) => Some(
            show(id).parse().map_err(|_| Failure::Usage(format!("'{}' is not a transaction", show(id))))?,
        ),
        None => None,
    };
    if context.dry_run {
        return print_pending(context);
    }
    let done = context.store.confirm(sequence, None)?;
    context.note(&format!("transaction {done} is confirmed"));
    Ok(Exit::Ok)
}

/// Stands guard in the foreground.
fn wait(context: &Context, line: &Line) -> Result<Exit, Failure> {
    let Some(pending) = context.store.pending()? else { return Ok(Exit::Ok) };
    if context.store.wait_for_confirmation()? {
        return Ok(Exit::Ok);
    }
    if let Some(command) = line.value("on-rollback")
        && let Some(by) = context.store.taken_back_by(pending.sequence)?
    {
        let ended = hook::run(context, command, rollback_variables(pending.sequence, &by), HOOK_TIME, false);
        if !matches!(ended, Ended::Well) {
            tell(&format!("cms: warning: {ended}"));
        }
    }
    Ok(Exit::NotFound)
}
