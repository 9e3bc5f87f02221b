//! `cms pending`: shows the commit that waits to be confirmed.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::Command;
use crate::waiting::print_pending;

pub const COMMAND: Command = Command {
    name: "pending",
    aliases: &[],
    arguments: "",
    summary: "show the commit that waits to be confirmed; exits 1 if there is none",
    flags: &[],
    writes: false,
    run,
};

fn run(context: &mut Context, _: &Line) -> Result<Exit, Failure> {
    print_pending(context)
}
