//! `cms commit`: commits what is staged. With `--check` it tells who would refuse it, and who would be told.

use std::time::Duration;

use cms::{CommitOptions, Form, Place, Preview, Subscriber};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::difference::staged_difference;
use crate::failure::{Exit, Failure};
use crate::guard;
use crate::spec::{Call, Command, FlagValues, Writes, bytes, parsed, switch};
use crate::staged::{describe, is_of_another, place_of_staged, tell_outcome};
use crate::terms::{Terms, time_to_confirm};

#[derive(Default)]
pub struct Flags {
    confirm: Option<Duration>,
    then: Option<Vec<u8>>,
    on_rollback: Option<Vec<u8>>,
    check: bool,
    canonical: bool,
    force: bool,
}

impl FlagValues for Flags {
    fn only_check(&self) -> bool {
        self.check
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "commit",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "write staged changes into the files, comments kept",
    flags: &[
        parsed(
            "confirm",
            "TIME",
            "roll the commit back unless it is confirmed in time, for example 5min",
            |flags: &mut Flags, text| {
                flags.confirm = Some(time_to_confirm(text)?);
                Ok(())
            },
        ),
        bytes(
            "then",
            "COMMAND",
            "run it after the commit; if it fails, the commit is rolled back",
            |flags: &mut Flags| &mut flags.then,
        ),
        bytes(
            "on-rollback",
            "COMMAND",
            "have the guard run it after the commit was rolled back",
            |flags: &mut Flags| &mut flags.on_rollback,
        ),
        switch(
            "check",
            "only check that it can be done; lists the verifiers that would refuse it, and the watches that would see it",
            |flags: &mut Flags| &mut flags.check,
        ),
        switch("canonical", "rewrite the file in canonical form; comments are lost", |flags: &mut Flags| {
            &mut flags.canonical
        }),
        switch(
            "force",
            "commit even if others have changed the same keys since they were staged",
            |flags: &mut Flags| &mut flags.force,
        ),
    ],
    writes: Writes::InTransactions,
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let named = !call.arguments.is_empty();
    let form = if call.flags.canonical { Form::Canonical } else { Form::Lossless };
    let terms = Terms {
        time: call.flags.confirm,
        then: call.flags.then.clone(),
        on_rollback: call.flags.on_rollback.clone(),
    };
    terms.check()?;
    let options = CommitOptions { form, confirm: terms.time, force: call.flags.force };
    if context.gathered.is_some() && call.flags.check {
        let why =
            "--check is not for a line of a batch, which commits once, when all its lines have been read";
        return Err(Failure::Usage(why.into()));
    }
    let (mut places, mut checked) = (Vec::new(), Vec::new());
    for package in context.packages_and_new(&call.arguments)? {
        let place = place_of_staged(context, &package)?;
        // A package that was not named and has nothing staged is left alone.
        if !named && !context.store.may_be_staged(&place) {
            continue;
        }
        // It does not commit what another user has staged either, and prints a line about that.
        if !named && is_of_another(context, &place, "stays staged")? {
            continue;
        }
        if call.flags.check || context.dry_run {
            match check_commit(context, &package, &place, options.force) {
                Ok(()) => checked.push(place),
                Err(failure) => context.report(&failure)?,
            }
            continue;
        }
        places.push(place);
    }
    if call.flags.check {
        return preview(context, &checked);
    }
    // The options count for what the other lines of a batch change, whether or not anything is staged.
    if let Some(gathered) = context.gathered.as_mut().filter(|_| !context.dry_run) {
        gathered.commit_also(places, options, terms)?;
        return Ok(Exit::Ok);
    }
    if places.is_empty() && context.dry_run {
        return Ok(Exit::Ok);
    }
    if places.is_empty() {
        return guard::finish(context, &terms, &[], None);
    }
    let standing = guard::begin(context, &terms)?;
    let outcomes = context.store.commit_as(&places, Vec::new(), &options)?;
    for (place, outcome) in places.iter().zip(&outcomes) {
        tell_outcome(context, place, *outcome)?;
    }
    guard::finish(context, &terms, &outcomes, standing)
}

/// Says what would stand in the way of a commit, or with `--dry-run` what it would change.
fn check_commit(context: &mut Context, package: &[u8], place: &Place, force: bool) -> Result<(), Failure> {
    let loaded = context.load_now(package)?;
    if !force {
        context.store.check_staged(place)?;
    }
    for change in &loaded.changes {
        if let Some(why) = &change.failure {
            let text = format!("{}: cannot be applied: {why}", show(&describe(package, &change.delta)));
            context.report(&Failure::Other(Exit::Conflict, text))?;
        }
    }
    if context.dry_run {
        let difference = staged_difference(context, &loaded)?;
        context.put(difference.as_bytes())?;
    }
    Ok(())
}

/// Tells who would refuse a commit of what is staged, and who would be told of it.
pub fn preview(context: &mut Context, places: &[Place]) -> Result<Exit, Failure> {
    let Preview { verdicts, told } = context.store.preview(places)?;
    let exit = match verdicts.iter().any(|verdict| verdict.refusal.is_some()) {
        true => Exit::Refused,
        false => Exit::Ok,
    };
    if context.json {
        let row = |role: &str, one: &Subscriber| json!({"role": role, "program": one.program, "pid": one.pid, "pattern": one.pattern});
        let verified = verdicts.iter().map(|verdict| {
            let mut row = row("verifier", &verdict.verifier);
            (row["accepts"], row["reason"]) = (json!(verdict.refusal.is_none()), json!(verdict.refusal));
            row
        });
        let rows = verified.chain(told.iter().map(|one| row("watcher", one))).collect();
        context.put_rows(rows)?;
        return Ok(exit);
    }
    for verdict in &verdicts {
        let by = &verdict.verifier;
        match &verdict.refusal {
            Some(reason) => context.say(&format!("{by} would refuse it: {reason}"))?,
            None => context.say(&format!("{by} accepts it"))?,
        }
    }
    for one in &told {
        context.say(&format!("{one} would be notified, of {}", one.pattern))?;
    }
    Ok(exit)
}
