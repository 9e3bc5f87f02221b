//! `cms snapshots`: lists snapshots.

use cms::{clock, shown};

use crate::archives::ARCHIVE;
use crate::archives::{archive_json, kind};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};

pub const COMMAND: Command = Command {
    name: "snapshots",
    aliases: &["list-snapshots"],
    arguments: "",
    summary: "list snapshots: time, revision, size, source, kind, name",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::rows(&ARCHIVE)],
    run,
};

fn run(context: &mut Context, _: &Call) -> Result<Exit, Failure> {
    let all = context.store.archives().labels()?;
    if context.json {
        context.put_rows(all.iter().map(archive_json).collect())?;
        return Ok(Exit::Ok);
    }
    for info in all {
        let time = clock::show(info.time);
        context.print_line(&format!(
            "{}Z {:>8} {:>9} {:10} {:9} {}",
            &time[..19],
            info.revision,
            info.size,
            shown::text(&info.source),
            kind(&info),
            shown::text(cms::name_of_label(&info.label))
        ))?;
    }
    Ok(Exit::Ok)
}
