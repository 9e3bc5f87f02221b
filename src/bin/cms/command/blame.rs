//! `cms blame`: prints each line of a package with the transaction that wrote it.

use cms::{clock, shown};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::records::Users;
use crate::secrets;
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
    let mut lines = context.store.history().blame(&show(package))?;
    hide_secrets(&show(package), &mut lines);
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

/// Replaces the lines by those of the text as people see it.
fn hide_secrets(package: &str, lines: &mut [cms::BlameLine]) {
    let text: Vec<u8> = lines.iter().map(|line| line.text.as_slice()).collect::<Vec<_>>().join(&b'\n');
    let shown = secrets::text(package, &text);
    if *shown == *text {
        return;
    }
    let all: Vec<&[u8]> = shown.split(|byte| *byte == b'\n').collect();
    for (index, line) in lines.iter_mut().enumerate() {
        let same_place = all.len() == text.split(|byte| *byte == b'\n').count();
        // The text was printed anew where a value is not written literally: then only its own lines are known to be free
        // of secrets.
        match all.get(index).filter(|_| same_place) {
            Some(shown) => line.text = shown.to_vec(),
            None if all.contains(&line.text.as_slice()) => {}
            None => line.text = b"<secret>".to_vec(),
        }
    }
}
