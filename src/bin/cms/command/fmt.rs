//! `cms fmt`: tidies indentation and quoting.

use std::sync::Arc;

use cms::Error;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::package_files::files;
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
    summary: "tidy indentation and quoting; comments stay; a pipe or '-' is written to standard output",
    flags: &[switch("check", "change nothing; exit 1 if something would change", |flags: &mut Flags| {
        &mut flags.check
    })],
    writes: Writes::Alone,
    json: &[Output::rows(&FILE)],
    run,
};

/// A file that was not tidy.
const FILE: Shape = Shape::of(
    "
    file text the file that was changed; with --check, that would be",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let check = call.flags.check || context.dry_run;
    let mut differing = Vec::new();
    for file in files(context, &call.arguments)? {
        let tidied = file.read().and_then(|text| {
            let text = Arc::new(text);
            let tidied = match context.store.packages().tidied(&file.place, &text) {
                Err(Error::Parse(error)) => return Err(Error::from(error.in_file(&file.shown())).into()),
                tidied => tidied?,
            };
            Ok((tidied != **text, tidied))
        });
        match tidied {
            Ok((true, _)) if check => {
                if !context.json {
                    context.print_line(&format!("{}: not tidy", file.shown().display()))?;
                }
                differing.push(json!({"file": file.shown()}));
            }
            Ok(_) if check => {}
            // The text of a pipe cannot be written back, so it goes to standard output.
            Ok((_, text)) if !file.is_regular && !context.json => context.put(&text)?,
            Ok(_) if !file.is_regular => {
                let why =
                    format!("{}: its tidy text is printed, which --json cannot do", file.shown().display());
                return Err(Failure::Usage(why));
            }
            Ok((true, _)) => {
                context.store.tidy(&file.place)?;
                differing.push(json!({"file": file.shown()}));
                context.verbose(&format!("{}: tidied", file.shown().display()));
            }
            Ok((false, _)) => {}
            Err(failure) => context.report(&failure)?,
        }
    }
    let exit = if check && !differing.is_empty() { Exit::NotFound } else { Exit::Ok };
    if context.json {
        context.put_rows(differing)?;
    }
    Ok(exit)
}
