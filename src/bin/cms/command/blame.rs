//! `cms blame`: prints each line of a package with the transaction that wrote it.

use cms::{clock, shown};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::records::Users;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, Writes};
use crate::zone;

pub const COMMAND: Command = Command {
    name: "blame",
    aliases: &[],
    arguments: "PACKAGE",
    summary: "print a package, each line with the last transaction that wrote it",
    flags: &[],
    writes: Writes::Nothing,
    json: &[Output::rows(&LINE)],
    run,
};

/// A line of a text. All members but the first are null if the transaction that wrote it is not in the log.
const LINE: Shape = Shape::of(
    "
    line bytes the line
    revision number|null the last transaction that wrote it
    time text|null when
    user text|null who
    author text|null the author that the program gave, else the user
    source text|null through which program
    message text|null why",
);

fn run(context: &mut Context, call: &Call) -> Result<Exit, Failure> {
    context.note_edits();
    let [package] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
    let lines = context.store.history().blame(&show(package))?;
    let mut users = Users::default();
    if context.json {
        let row = |line: &cms::BlameLine| {
            let by = line.by.as_deref();
            json!({"line": json::text(&line.text), "revision": by.map(|by| by.sequence),
                "time": by.map(|by| clock::show(by.time)), "user": by.map(|by| users.name(by.uid).to_owned()),
                "author": by.map(|by| users.author(by).to_owned()),
                "source": by.map(|by| by.source.clone()), "message": by.map(|by| by.message.clone())})
        };
        let rows = lines.iter().map(row).collect();
        context.put_rows(rows)?;
        return Ok(Exit::Ok);
    }
    context.page();
    for line in &lines {
        let by = match &line.by {
            Some(by) => {
                let time = zone::show(by.time);
                format!(
                    "{:>6} {} {:<10} {:<12}",
                    by.sequence,
                    &time[..16],
                    shown::text(users.author(by)),
                    shown::text(&by.source)
                )
            }
            None => format!("{:>6} {:16} {:10} {:12}", "", "", "", ""),
        };
        context.print_line(&format!("{by} | {}", shown::lines(&line.text)))?;
    }
    Ok(Exit::Ok)
}
