//! `cms restore`: brings all packages to the state in a file.

use cms::Archive;

use crate::archives::restore_archive;
use crate::argument::path;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::REVISION;
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "restore",
    aliases: &[],
    arguments: "FILE",
    summary: "bring all packages to the state in a backup or snapshot file",
    flags: &[],
    writes: Writes::Alone,
    json: &[Output::one(&REVISION)],
    run,
};

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let [file] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
    let archive = Archive::read(path(file))?;
    restore_archive(context, &archive, &[])
}
