//! `cms shell`: runs lines as they are typed.

#[cfg(feature = "shell")]
use std::io::IsTerminal;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::lines::{each_line, run_words};
#[cfg(feature = "shell")]
use crate::prompt;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "shell",
    aliases: &[],
    arguments: "",
    summary: "run commands interactively",
    flags: &[],
    writes: Writes::Nothing,
    json: &[],
    run,
};

#[cfg(feature = "shell")]
fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    if std::io::stdin().is_terminal() {
        return prompt::interact(context, call.commands);
    }
    each_line(context, None, false, |context, words| run_words(context, call.commands, words))
}

#[cfg(not(feature = "shell"))]
fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    context.note("this cms was built without line editing");
    each_line(context, None, false, |context, words| run_words(context, call.commands, words))
}
