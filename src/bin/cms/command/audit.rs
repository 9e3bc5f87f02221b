//! `cms audit verify`: checks that the log was not changed after it was written.

use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "audit",
    aliases: &[],
    arguments: "verify",
    summary: "check that no record of the log was changed, taken out or put in",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::one(&AUDIT)],
    run,
};

/// The findings in the log.
const AUDIT: Shape = Shape::of(
    "
    first number the first record that is kept
    last number the last record
    chain text the hash of the chain up to the last record
    problems [text] what is wrong",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    match call.expect(1, 1)? {
        [what] if what == b"verify" => {}
        [what, ..] => {
            let why = format!("there is no 'audit {}', only 'audit verify'", show(what));
            return Err(Failure::Usage(why));
        }
        [] => return Ok(Exit::Usage),
    }
    let found = context.store.audit().check_log()?;
    if context.json {
        context.put_json(&json!({"first": found.first, "last": found.last, "chain": found.chain,
            "problems": found.problems}))?;
    } else if found.problems.is_empty() && found.last == 0 {
        context.note("the log holds no record yet");
    } else if found.problems.is_empty() {
        context.print_line(&format!(
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
