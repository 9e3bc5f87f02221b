//! `cms repair`: mends a damaged log, and packages with errors.

use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "repair",
    aliases: &[],
    arguments: "",
    summary: "set damaged parts of the log aside, and put back the newest text without errors of each package",
    flags: &[],
    writes: Writes::Alone,
    json: &[Output::rows(&REPAIRED)],
    run,
};

/// A package whose text was put back.
const REPAIRED: Shape = Shape::of(
    "
    package text its name
    text_of number the revision whose text is in place now
    revision number the transaction that put it back",
);

fn run(context: &mut Context, _: &Call) -> Result<Exit, Failure> {
    if context.dry_run {
        context.note(
            "would set the damaged parts of the log aside, and put back the newest text without errors of each package",
        );
        return Ok(Exit::Ok);
    }
    let cms::Repair { problems, packages: repaired, unmended, .. } = context.store.audit().repair()?;
    context.forget();
    for problem in &problems {
        context.note(problem);
    }
    if !problems.is_empty() {
        context.note(
            "the damaged part of the log is set aside, in files that end with .damaged; the rest stays",
        );
    }
    if context.json {
        let row = |one: &cms::Repaired| json!({"package": one.package, "text_of": one.revision, "revision": one.sequence});
        context.put_rows(repaired.iter().map(row).collect())?;
        return unmended_exit(context, unmended);
    }
    for one in &repaired {
        context.print_line(&format!(
            "{}: its text of revision {} is back in place",
            one.package, one.revision
        ))?;
    }
    if repaired.is_empty() && problems.is_empty() && unmended.is_empty() {
        context.note("nothing had to be mended");
    }
    unmended_exit(context, unmended)
}

/// Reports the packages that could not be mended, and returns the exit code for the first.
fn unmended_exit(context: &mut Context, unmended: Vec<cms::Error>) -> Result<Exit, Failure> {
    let mut exit = Exit::Ok;
    for failure in unmended.into_iter().map(Failure::from) {
        if exit == Exit::Ok {
            exit = failure.exit();
        }
        context.report(&failure)?;
    }
    Ok(exit)
}
