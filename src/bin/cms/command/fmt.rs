//! `cms fmt`: tidies indentation and quoting.

use std::sync::Arc;

use cms::Error;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::package_files::{places, read};
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, switch};

#[derive(Default)]
pub struct Flags {
    check: bool,
}

impl FlagValues for Flags {
    fn only_check(&self) -> bool {
        self.check
    }
}

pub const COMMAND: Command<Flags> = Command {
    name: "fmt",
    aliases: &[],
    arguments: "[PACKAGE|FILE...]",
    summary: "tidy indentation and quoting; comments stay",
    flags: &[switch("check", "change nothing; exit 1 if something would change", |flags: &mut Flags| {
        &mut flags.check
    })],
    writes: Writes::Alone,
    json: &[Output::rows(&FILE).when("With --json --check")],
    run,
};

/// A file that is not tidy.
const FILE: Shape = Shape::of(
    "
    file text the file that would change",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let check = call.flags.check || context.dry_run;
    let mut differing = Vec::new();
    for place in places(context, &call.arguments)? {
        let tidied = read(&place).and_then(|text| {
            let text = Arc::new(text);
            let tidied = match cms::text::tidy(&text) {
                Err(Error::Parse(error)) => return Err(Error::from(error.in_file(&place.path)).into()),
                tidied => tidied?,
            };
            Ok((tidied != **text).then_some(tidied))
        });
        match tidied {
            Ok(None) => {}
            Ok(Some(_)) if check => {
                if !context.json {
                    context.print_line(&format!("{}: not tidy", place.path.display()))?;
                }
                differing.push(json!({"file": place.path}));
            }
            Ok(Some(_)) => {
                context.store.tidy(&place)?;
                context.verbose(&format!("{}: tidied", place.path.display()));
            }
            Err(failure) => context.report(&failure)?,
        }
    }
    let exit = if differing.is_empty() { Exit::Ok } else { Exit::NotFound };
    if check && context.json {
        context.put_rows(differing)?;
    }
    Ok(exit)
}
