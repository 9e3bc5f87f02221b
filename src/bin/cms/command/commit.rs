//! `cms commit`: commits what is staged. With `--check` it tells who would refuse it, and who would be told.

use cms::{CommitOptions, Form, Place, Preview, Subscriber};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::difference::staged_difference;
use crate::failure::{Exit, Failure};
use crate::guard::Terms;
use crate::line::Line;
use crate::spec::{Command, flag, valued};
use crate::staged::{describe, is_of_another, place_of_staged, tell_outcome};

pub const COMMAND: Command = Command {
    name: "commit",
    aliases: &[],
    arguments: "[PACKAGE...]",
    summary: "write staged changes into the files, comments kept",
    flags: &[
        valued("confirm", None, "TIME", "take it back unless it is confirmed in time, for example 5min"),
        valued("then", None, "COMMAND", "run it after the commit; if it fails, the commit is taken back"),
        valued("on-rollback", None, "COMMAND", "have the guard run it once the commit was taken back"),
        flag("check", "only check that it can be done; says who would refuse it, and who would be told"),
        flag("canonical", "rewrite the file in canonical form; comments are lost"),
        flag("force", "commit even if others have changed the same keys since they were staged"),
    ],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let named = !line.arguments.is_empty();
    let form = if line.has("canonical") { Form::Canonical } else { Form::Lossless };
    let terms = Terms::of(line)?;
    let options = CommitOptions { form, confirm: terms.time(), force: line.has("force") };
    if context.gathered.is_some() && line.has("check") {
        let why =
            "--check is not for a line of a batch, which commits once, when all its lines have been read";
        return Err(Failure::Usage(why.into()));
    }
    let (mut places, mut checked) = (Vec::new(), Vec::new());
    for package in context.packages_and_new(&line.arguments)? {
        let place = place_of_staged(context, &package)?;
        // A package that was not named and has nothing staged is left alone.
        if !named && !context.store.may_be_staged(&place) {
            continue;
        }
        // Nor is what another user has staged, but that is told.
        if !named && is_of_another(context, &place, "stays staged")? {
            continue;
        }
        if line.has("check") || context.dry_run {
            match check_commit(context, &package, &place, options.force) {
                Ok(()) => checked.push(place),
                Err(failure) => context.report(&failure)?,
            }
            continue;
        }
        places.push(place);
    }
    if line.has("check") {
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
        return terms.finish(context, &[], None);
    }
    let guard = terms.begin(context)?;
    let outcomes = context.store.commit_as(&places, Vec::new(), &options)?;
    for (place, outcome) in places.iter().zip(&outcomes) {
        tell_outcome(context, place, *outcome)?;
    }
    terms.finish(context, &outcomes, guard)
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
        context.say(&format!("{one} would be told, of {}", one.pattern))?;
    }
    Ok(exit)
}
