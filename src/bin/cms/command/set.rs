//! `cms set`: gives options and sections values.

use cms::{DeltaKind, Key};

use crate::context::Context;
use crate::edits::{Edits, Goal, each};
use crate::failure::{Exit, Failure};
use crate::input::read_value;
use crate::line::Line;
use crate::spec::{COMMIT, Command, WITH_STAGED, flag, valued};

pub const COMMAND: Command = Command {
    name: "set",
    aliases: &[],
    arguments: "KEY=VALUE... | KEY VALUE",
    summary: "stage values; PACKAGE.SECTION=TYPE makes a section",
    flags: &[
        flag("stdin", "read the value from standard input"),
        valued("from-file", None, "FILE", "read the value from a file"),
        COMMIT,
        WITH_STAGED,
    ],
    writes: true,
    run,
};

fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    let piped = line.has("stdin") || line.has("from-file");
    if let ([key, value], false) = (line.arguments.as_slice(), piped)
        && matches!(Key::parse_assignment(key), Ok((_, None)))
    {
        return set_value(context, line, key, value);
    }
    if !piped {
        return each(context, line, DeltaKind::Set);
    }
    let [key] = line.expect(1, 1)? else { return Ok(Exit::Usage) };
    let value = read_value(line.value("from-file"))?;
    // The newline that ends the last line is not part of the value.
    let value = value.strip_suffix(b"\n").unwrap_or(&value);
    set_value(context, line, key, value)
}

fn set_value(context: &mut Context, line: &Line, key: &[u8], value: &[u8]) -> Result<Exit, Failure> {
    let mut edits = Edits::new(Goal::of(line, line.has("commit"))?);
    edits.apply(context, DeltaKind::Set, &Key::parse(key)?, Some(value))?;
    edits.finish(context)
}
