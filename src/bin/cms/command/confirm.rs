//! `cms confirm`: confirms a commit that is rolled back otherwise.

use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure, print_message};
use crate::guard;
use crate::guard::{HOOK_TIME, rollback_variables};
use crate::hook;
use crate::hook::Ended;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, bytes, switch};
use crate::waiting::print_pending;
use crate::waiting::{NOT_WAITING, WAITING};

#[derive(Default)]
pub struct Flags {
    wait: bool,
    on_rollback: Option<Vec<u8>>,
    enforce: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "confirm",
    aliases: &[],
    arguments: "[REVISION]",
    summary: "confirm a commit made with --confirm",
    flags: &[
        switch(
            "wait",
            "wait until it is confirmed or rolled back; exits 1 if it was rolled back",
            |flags: &mut Flags| &mut flags.wait,
        ),
        bytes(
            "on-rollback",
            "COMMAND",
            "with --wait: run it after the commit was rolled back",
            |flags: &mut Flags| &mut flags.on_rollback,
        ),
        switch(
            "enforce",
            "only roll back what was not confirmed in time; for boot scripts",
            |flags: &mut Flags| &mut flags.enforce,
        ),
    ],
    writes: Writes::Alone,
    json: &[
        Output::one(&CONFIRMED),
        Output::one(&WAITING).when("With --json --dry-run"),
        Output::one(&NOT_WAITING).when("With --json --dry-run, if no commit waits"),
    ],
    run,
};

/// The confirmation.
const CONFIRMED: Shape = Shape::of(
    "
    transaction number the confirmed transaction",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let on_rollback = call.flags.on_rollback.as_deref();
    if let Some(process) = context.guards {
        return guard::guard_commit(context, process, on_rollback);
    }
    if call.flags.wait {
        return wait(context, on_rollback);
    }
    if on_rollback.is_some() {
        return Err(Failure::Usage(
            "--on-rollback needs --wait: the waiting process runs the command".into(),
        ));
    }
    if call.flags.enforce {
        // An overdue commit was rolled back when the store was opened.
        return Ok(Exit::Ok);
    }
    let sequence = match call.expect(0, 1)?.first() {
        Some(id) => Some(
            show(id).parse().map_err(|_| Failure::Usage(format!("'{}' is not a transaction", show(id))))?,
        ),
        None => None,
    };
    if context.dry_run {
        return print_pending(context);
    }
    let done = context.store.confirmations().confirm(sequence, None)?;
    if context.json {
        context.put_json(&json!({"transaction": done}))?;
    } else {
        context.note(&format!("transaction {done} is confirmed"));
    }
    Ok(Exit::Ok)
}

/// Runs the guard in the foreground.
fn wait(context: &Context, on_rollback: Option<&[u8]>) -> Result<Exit, Failure> {
    let Some(pending) = context.store.confirmations().pending()? else { return Ok(Exit::Ok) };
    if context.store.confirmations().wait_for_confirmation()? {
        return Ok(Exit::Ok);
    }
    if let Some(command) = on_rollback
        && let Some(by) = context.store.confirmations().rolled_back_by(pending.sequence)?
    {
        let ended = hook::run(context, command, rollback_variables(pending.sequence, &by), HOOK_TIME, false);
        if !matches!(ended, Ended::Well) {
            print_message(&format!("warning: {ended}"));
        }
    }
    Ok(Exit::NotFound)
}
