//! `cms snapshot`: keeps the committed state under a label.

use cms::{clock, shown};

use crate::archives::ARCHIVE;
use crate::archives::{archive_json, check_complete};
use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, switch};

#[derive(Default)]
pub struct Flags {
    delete: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "snapshot",
    aliases: &[],
    arguments: "[LABEL]",
    summary: "keep the committed state of all packages under a label",
    flags: &[switch("delete", "delete the snapshots of these labels", |flags: &mut Flags| &mut flags.delete)],
    writes: Writes::Alone,
    json: &[Output::one(&ARCHIVE)],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    if call.flags.delete {
        for label in call.expect(1, usize::MAX)? {
            if !context.dry_run {
                context.store.archives().delete_label(&show(label))?;
            }
        }
        return Ok(Exit::Ok);
    }
    let label = match call.expect(0, 1)?.first() {
        Some(label) => show(label),
        // Times are unique, since no two archives are made in one microsecond under the lock.
        None => clock::show(clock::parse("now", clock::micros(std::time::SystemTime::now())).unwrap_or(0))
            .replace(':', "-"),
    };
    if context.dry_run {
        context.note(&format!("would keep the state of all packages as {}", shown::quoted(&label)));
        return Ok(Exit::Ok);
    }
    let info = context.store.archives().label(&label)?;
    if context.json {
        context.put_json(&archive_json(&info))?;
    } else {
        context.print_line(&shown::text(&info.label))?;
    }
    check_complete(&info)
}
