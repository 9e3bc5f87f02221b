//! Looking after the log: `audit` and `repair`.

use serde_json::json;

use super::context::{Context, show};
use super::failure::{Exit, Failure};
use super::line::Line;

pub fn audit(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    match line.expect(1, 1)? {
        [what] if what == b"verify" => {}
        [what, ..] => {
            let why = format!("there is no 'audit {}', only 'audit verify'", show(what));
            return Err(Failure::Usage(why));
        }
        [] => return Ok(Exit::Usage),
    }
    let found = context.store.verify_log()?;
    if context.json {
        context.put_json(&json!({"first": found.first, "last": found.last, "chain": found.chain,
            "problems": found.problems}))?;
    } else if found.problems.is_empty() && found.last == 0 {
        context.note("the log holds no record yet");
    } else if found.problems.is_empty() {
        context.say(&format!(
            "records {} to {} are as they were written; chain {}",
            found.first, found.last, found.chain
        ))?;
    }
    let good = found.problems.is_empty();
    for problem in found.problems {
        if !context.json {
            context.report(&Failure::Other(Exit::Invalid, problem))?;
        }
    }
    Ok(if good { Exit::Ok } else { Exit::Invalid })
}

pub fn repair(context: &mut Context, _: &Line) -> Result<Exit, Failure> {
    if context.dry_run {
        context.note(
            "would set what is damaged of the log aside, and bring packages with errors back to their newest text without",
        );
        return Ok(Exit::Ok);
    }
    let cms::Repair { problems, packages: repaired, unmended } = context.store.repair()?;
    context.forget();
    for problem in &problems {
        context.note(problem);
    }
    if !problems.is_empty() {
        context
            .note("what is damaged of the log is set aside, in files that end with .damaged; all else stays");
    }
    if context.json {
        let row = |one: &cms::Repaired| json!({"package": one.package, "text_of": one.revision, "revision": one.sequence});
        context.put_rows(repaired.iter().map(row).collect())?;
        return unmended_exit(context, unmended);
    }
    for one in &repaired {
        context.say(&format!("{}: back at its text of revision {}", one.package, one.revision))?;
    }
    if repaired.is_empty() && problems.is_empty() && unmended.is_empty() {
        context.note("nothing had to be mended");
    }
    unmended_exit(context, unmended)
}

/// Reports what could not be mended, and returns the exit code of the first.
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
