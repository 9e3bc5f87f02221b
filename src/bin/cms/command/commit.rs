//! `cms commit`: commits staged changes. With `--check` it lists the verifiers that would refuse it, and the watches
//! that would get an event.

use std::io::Write;
use std::time::Duration;

use cms::{CommitOptions, Committed, Form, Place, Preview, Subscriber};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::difference::staged_difference;
use crate::failure::{Exit, Failure};
use crate::guard;
use crate::schema::checked::check_commit as check_commit_schema;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, bytes, parsed, switch};
use crate::staged::{describe, is_of_another, place_of_staged, report_outcome};
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
            "commit even if others have changed the same keys since they were staged, or if a schema refuses it",
            |flags: &mut Flags| &mut flags.force,
        ),
    ],
    writes: Writes::InTransactions,
    json: &[
        Output::rows(&SUBSCRIBER).when("With --json --check"),
        Output::rows(&DIFFERENCE).when("With --json --dry-run"),
        Output::one(&COMMITTED),
    ],
    run,
};

/// A program that verifies or watches what would be committed.
const SUBSCRIBER: Shape = Shape::of(
    "
    role text verifier or watcher
    program text the name of the program
    pid number its process
    pattern text the keys it verifies or watches
    accepts? boolean of a verifier: whether it accepts the changes
    reason? text|null of a verifier: why it refuses them",
);

/// What was committed.
const COMMITTED: Shape = Shape::of(
    "
    revision number|null the transaction; null if nothing was committed
    packages [committed] the packages",
)
.using(&[&COMMITTED_PACKAGE]);

/// What was committed of a package.
const COMMITTED_PACKAGE: Shape = Shape::named(
    "committed",
    "
    package text its name
    changes number how many staged changes were committed
    failed number how many cannot be applied, and stay staged
    written boolean whether the file was changed",
);

/// The changes that a commit would make in a file.
const DIFFERENCE: Shape = Shape::of(
    "
    package text the name of the package
    diff text the difference, line by line",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let named = !call.arguments.is_empty();
    let form = if call.flags.canonical { Form::Canonical } else { Form::Lossless };
    let terms = Terms {
        time: call.flags.confirm,
        then: call.flags.then.clone(),
        on_rollback: call.flags.on_rollback.clone(),
    };
    terms.check()?;
    let options = CommitOptions::new().form(form).confirm(terms.time).force(call.flags.force);
    if context.gathered.is_some() && call.flags.check {
        let why =
            "--check is not for a line of a batch, which commits once, when all its lines have been read";
        return Err(Failure::Usage(why.into()));
    }
    let (mut places, mut checked, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    for package in context.packages_and_new(&call.arguments)? {
        let place = place_of_staged(context, &package)?;
        // A package that was not named and has nothing staged is left alone.
        if !named && !context.store.staging().may_be_staged(&place) {
            continue;
        }
        // It does not commit what another user has staged either, and prints a line about that.
        if !named && is_of_another(context, &place, "stays staged")? {
            continue;
        }
        if call.flags.check || context.dry_run {
            match check_commit(context, &package, &place, options.force) {
                Ok(difference) => {
                    differences.push(json!({"package": place.name, "diff": difference}));
                    checked.push(place);
                }
                Err(failure) => context.report(&failure)?,
            }
            continue;
        }
        places.push(place);
    }
    if context.dry_run && context.json && !call.flags.check {
        context.put_rows(differences)?;
    }
    if call.flags.check {
        return preview(context, &checked);
    }
    // The options apply to the changes of the other lines of a batch, whether or not anything is staged.
    if let Some(gathered) = context.gathered.as_mut().filter(|_| !context.dry_run) {
        gathered.commit_also(places, options, terms)?;
        return Ok(Exit::Ok);
    }
    if places.is_empty() && context.dry_run {
        return Ok(Exit::Ok);
    }
    commit(context, &places, &options, &terms)
}

/// Commits what is staged, and says what was committed.
fn commit(
    context: &mut Context,
    places: &[Place],
    options: &CommitOptions,
    terms: &Terms,
) -> Result<Exit, Failure> {
    if places.is_empty() {
        if terms.is_plain() {
            context.verbose("nothing is staged, so there is nothing to commit");
        }
        if context.json {
            context.put_json(&committed(&[], &[]))?;
        }
        return guard::finish(context, terms, &[], None);
    }
    let standing = guard::begin(context, terms)?;
    let outcomes = context.store.commit_as(places, Vec::new(), options)?;
    for (place, outcome) in places.iter().zip(&outcomes) {
        report_outcome(context, place, *outcome)?;
    }
    if context.json {
        context.put_json(&committed(places, &outcomes))?;
        // The command of `--then` may print as well.
        context.out.flush()?;
    }
    guard::finish(context, terms, &outcomes, standing)
}

fn committed(places: &[Place], outcomes: &[Committed]) -> serde_json::Value {
    let row = |(place, outcome): (&Place, &Committed)| json!({"package": place.name, "changes": outcome.applied, "failed": outcome.failed, "written": outcome.written});
    let packages: Vec<_> = places.iter().zip(outcomes).map(row).collect();
    let revision = outcomes.iter().find_map(|outcome| outcome.revision);
    json!({"revision": revision, "packages": packages})
}

/// Fails if a commit of the staged changes would fail; with `--dry-run`, returns the changes that it would make, and
/// prints them unless JSON is wanted.
fn check_commit(
    context: &mut Context,
    package: &[u8],
    place: &Place,
    force: bool,
) -> Result<String, Failure> {
    let loaded = context.load_now(package)?;
    if !force {
        context.store.staging().check_staged(place)?;
        check_commit_schema(context, &loaded)?;
    }
    for change in &loaded.changes {
        if let Some(why) = &change.failure {
            let text = format!("{}: cannot be applied: {why}", show(&describe(package, &change.delta)));
            context.report(&Failure::Other(Exit::Conflict, text))?;
        }
    }
    if !context.dry_run {
        return Ok(String::new());
    }
    let difference = staged_difference(context, &loaded)?;
    if !context.json {
        context.put(difference.as_bytes())?;
    }
    Ok(difference)
}

/// Lists the verifiers of the staged changes with their verdicts, and the watches that would get an event.
pub fn preview(context: &mut Context, places: &[Place]) -> Result<Exit, Failure> {
    let Preview { verdicts, watchers, .. } = context.store.preview(places)?;
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
        let rows = verified.chain(watchers.iter().map(|one| row("watcher", one))).collect();
        context.put_rows(rows)?;
        return Ok(exit);
    }
    for verdict in &verdicts {
        let by = &verdict.verifier;
        match &verdict.refusal {
            Some(reason) => context.print_line(&format!("{by} would refuse it: {reason}"))?,
            None => context.print_line(&format!("{by} accepts it"))?,
        }
    }
    for one in &watchers {
        context.print_line(&format!("{one} would be notified, of {}", one.pattern))?;
    }
    Ok(exit)
}
