//! `cms backup`: writes the committed state into a file.

use crate::archives::ARCHIVE;
use crate::archives::{archive_json, check_complete};
use crate::argument::{path, show};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "backup",
    aliases: &[],
    arguments: "FILE",
    summary: "write the committed state of all packages into a file, or to standard output (-)",
    flags: &[],
    writes: Writes::Alone,
    json: &[Output::one(&ARCHIVE)],
    run,
};

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    let [file] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
    if context.dry_run {
        context.note(&format!("would write {}", show(file)));
        return Ok(Exit::Ok);
    }
    let info = if file == b"-" {
        if context.json {
            return Err(Failure::Usage("standard output cannot hold both the backup and JSON".into()));
        }
        context.store.archives().backup_to(&mut context.out)?
    } else {
        context.store.archives().backup(path(file))?
    };
    context.verbose(&format!("{} bytes written", info.size));
    if context.json {
        context.put_json(&archive_json(&info))?;
    }
    check_complete(&info)
}
