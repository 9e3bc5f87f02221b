//! `cms status`: whether the store is in order.

use cms::Engine;
use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::schema::checked::schema_drift;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};
use crate::waiting::PENDING;
use crate::waiting::pending_json;

pub const COMMAND: Command = Command {
    name: "status",
    aliases: &[],
    arguments: "",
    summary: "say whether directories, log and packages are in order; exit status 3 if not",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::one(&STATUS)],
    run,
};

/// The state of the store.
const STATUS: Shape = Shape::of(
    "
    ok boolean whether all is in order
    revision number the last transaction
    pending pending|null the commit that waits to be confirmed
    problems [problem] what is not in order",
)
.using(&[&PENDING, &PROBLEM]);

/// Something that is not in order.
const PROBLEM: Shape = Shape::named(
    "problem",
    "
    what text a directory by its purpose, log, policy, or a package
    message text what is wrong with it
    package? text of a package: its name
    file? text of a package: its file
    line? number of an error in a text: its line",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    call.expect(0, 0)?;
    let store = &context.store;
    let mut problems = directories(store);
    let settings = store.settings();
    problems.extend(settings.problems.iter().map(|why| Problem::new("policy", why)));
    let log = log(store, &mut problems);
    let pending = store.confirmations().pending().unwrap_or(None);
    packages(store, &mut problems)?;
    if context.json {
        context.put_json(&json!({
            "ok": problems.is_empty(),
            "revision": log,
            "pending": pending.map(pending_json),
            "problems": problems.iter().map(Problem::json).collect::<Vec<_>>(),
        }))?;
    } else {
        for problem in &problems {
            context.print_line(&format!("{}: {}", problem.what, cms::shown::text(&problem.why)))?;
        }
        if let Some(pending) = pending {
            let left = pending.left.as_secs_f64().ceil();
            let sequence = pending.sequence;
            context
                .print_line(&format!("pending: transaction {sequence} has {left} s left to be confirmed"))?;
        }
        if problems.is_empty() {
            context.print_line(&format!("in order, at revision {log}"))?;
        }
    }
    Ok(if problems.is_empty() { Exit::Ok } else { Exit::Invalid })
}

/// Something that is not in order.
struct Problem {
    /// Where the problem is: a directory (by its purpose), the log, or a package.
    what: String,
    why: String,
    /// The file and line, for a package.
    place: Option<cms::Place>,
    line: u32,
}

impl Problem {
    fn new(what: &str, why: impl Into<String>) -> Self {
        Self { what: what.to_owned(), why: why.into(), place: None, line: 0 }
    }

    fn of_violation((place, violation): (cms::Place, cms::Violation)) -> Self {
        let why = format!("{}: {}", violation.key, violation.problem);
        Self { what: place.name.clone(), why, place: Some(place), line: violation.line }
    }

    fn json(&self) -> Json {
        let mut object = json!({"what": self.what, "message": self.why});
        if let Some(place) = &self.place {
            object["package"] = json!(place.name);
            object["file"] = json!(place.path);
        }
        if self.line != 0 {
            object["line"] = json!(self.line);
        }
        object
    }
}

/// Checks the directories.
fn directories(store: &Engine) -> Vec<Problem> {
    let mut problems = Vec::new();
    let dirs = store.dirs();
    if !dirs.config.path.is_dir() {
        let why = format!("{} is no directory", dirs.config.path.display());
        problems.push(Problem::new("configuration directory", why));
    }
    if dirs.run.is_none() {
        let why = "no directory can be written; writers exclude each other by the files alone";
        problems.push(Problem::new("run directory", why));
    }
    let unlogged = store.audit().log_problem().map(|why| {
        let without = "commits are not logged: there is no history of them and no undo";
        Problem::new("state directory", format!("{why}; {without}"))
    });
    problems.extend(unlogged);
    problems
}

/// Checks the records of the log; returns the number of the last.
fn log(store: &Engine, problems: &mut Vec<Problem>) -> u64 {
    match store.audit().check_log() {
        Ok(found) => {
            problems.extend(found.problems.into_iter().map(|why| Problem::new("log", why)));
            found.last
        }
        // Without a state directory there is no log; `directories` has reported that.
        Err(cms::Error::Missing(_)) => 0,
        Err(error) => {
            problems.push(Problem::new("log", error.to_string()));
            0
        }
    }
}

/// Finds packages that cannot be read, or have errors.
fn packages(store: &Engine, problems: &mut Vec<Problem>) -> Result<(), Failure> {
    if !store.dirs().config.path.is_dir() {
        return Ok(());
    }
    for name in store.packages().list()? {
        let Ok(place) = store.packages().find(name.as_bytes()) else { continue };
        let error = match store.packages().load_committed(place.clone()) {
            Ok(loaded) => {
                problems.extend(schema_drift(store, &loaded).into_iter().map(Problem::of_violation));
                continue;
            }
            Err(error) => error,
        };
        let line = error.location().line;
        problems.push(Problem { what: name, why: error.to_string(), place: Some(place), line });
    }
    Ok(())
}
