//! `cms snapshot`: keeps the committed state under a label.

use cms::{clock, shown};

use crate::archives::{archive_json, whole};
use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::spec::{Command, flag};

pub const COMMAND: Command = Command {
    name: "snapshot",
    aliases: &[],
    arguments: "[LABEL]",
    summary: "keep the committed state of all packages under a label",
    flags: &[flag("delete", "delete the snapshots of these labels")],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("delete") {
        for label in line.expect(1, usize::MAX)? {
            if !context.dry_run {
                context.store.delete_label(&show(label))?;
            }
        }
        return Ok(Exit::Ok);
    }
    let label = match line.expect(0, 1)?.first() {
        Some(label) => show(label),
        // Times are unique, since no two archives are made in one microsecond under the lock.
        None => clock::show(clock::parse("now", clock::micros(std::time::SystemTime::now())).unwrap_or(0))
            .replace(':', "-"),
    };
    if context.dry_run {
        context.note(&format!("would keep the state of all packages as {}", shown::quoted(&label)));
        return Ok(Exit::Ok);
    }
    let info = context.store.label(&label)?;
    if context.json {
        context.put_json(&archive_json(&info))?;
    } else {
        context.say(&shown::text(&info.label))?;
    }
    whole(&info)
}
