//! `cms restore`: brings all packages to what a file holds.

use cms::Archive;

use crate::archives::restore_archive;
use crate::argument::path;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::Command;

pub const COMMAND: Command = Command {
    name: "restore",
    aliases: &[],
    arguments: "FILE",
    summary: "bring all packages to what a backup or snapshot file holds",
    flags: &[],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let [file] = line.expect(1, 1)? else { return Ok(Exit::Usage) };
    let archive = Archive::read(path(file))?;
    restore_archive(context, &archive, &[])
}
