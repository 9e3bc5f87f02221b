//! `cms pending`: shows the commit that waits to be confirmed.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};
use crate::waiting::print_pending;
use crate::waiting::{NOT_WAITING, WAITING};

pub const COMMAND: Command = Command {
    name: "pending",
    aliases: &[],
    arguments: "",
    summary: "show the commit that waits to be confirmed; exits 1 if none does",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::one(&WAITING), Output::one(&NOT_WAITING).when("With --json, if no commit waits")],
    run,
};

fn run(context: &mut Context, _: &Call) -> Result<Exit, Failure> {
    print_pending(context)
}
