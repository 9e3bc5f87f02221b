//! `cms validate`: checks the syntax of packages and files.

use std::sync::Arc;

use cms::text::ParseError;
use cms::{Error, Place};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::package_files::{places, read};
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "validate",
    aliases: &["check"],
    arguments: "[PACKAGE|FILE...]",
    summary: "check the syntax, all errors at once",
    flags: &[],
    writes: Writes::Nothing,
    json: &[],
    run,
};

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let mut checked = 0;
    for place in places(context, &call.arguments)? {
        checked += 1;
        let errors = match read(&place) {
            Ok(text) => all_errors(context, &place, text),
            Err(failure) => {
                context.report(&failure)?;
                continue;
            }
        };
        for error in errors {
            context.report(&Error::from(error).into())?;
        }
    }
    if context.worst == Exit::Ok {
        context.verbose(&format!("{checked} files checked"));
    }
    Ok(Exit::Ok)
}

/// Returns all that is wrong with a text, in order.
fn all_errors(context: &Context, place: &Place, text: Vec<u8>) -> Vec<ParseError> {
    let errors = cms::text::check(&Arc::new(text), context.store.options().parse_options().progress);
    errors.into_iter().map(|error| error.in_file(&place.path)).collect()
}
