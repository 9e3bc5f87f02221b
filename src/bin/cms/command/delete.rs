//! `cms delete`: deletes options, sections and list items.

use cms::{DeltaKind, Key, Loaded, Value};

use crate::argument::show;
use crate::context::{Context, Found, find};
use crate::edits::{CHANGED, Edits, FLAGS, Flags};
use crate::failure::{Exit, Failure};
use crate::shape::Output;
use crate::spec::{Call, Command, Writes};
use crate::staged::STAGED;

pub const COMMAND: Command<Flags> = Command {
    name: "delete",
    aliases: &["del"],
    arguments: "KEY[=VALUE|=INDEX]...",
    summary: "stage the deletion of options, sections or list items; with VALUE only if that is the value",
    flags: FLAGS,
    writes: Writes::InTransactions,
    json: &[Output::one(&CHANGED), Output::rows(&STAGED).when("With --json --dry-run")],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let mut edits = Edits::new(call.flags.goal()?);
    for argument in call.expect(1, usize::MAX)? {
        let (key, value) = Key::parse_assignment(argument)?;
        let index = match value {
            Some(value) => index_of(&edits.package(context, &key.package)?.loaded, &key, value)?,
            None => None,
        };
        edits.apply(context, DeltaKind::Delete, &key, index)?;
    }
    edits.finish(context)
}

/// Returns the text behind the `=` of a key to delete, if the key is a list: it is the index of the item. For a string
/// or a section the text must be its value or type, or nothing is deleted.
fn index_of<'v>(loaded: &Loaded, key: &Key, value: &'v [u8]) -> Result<Option<&'v [u8]>, Failure> {
    let is = match find(&loaded.package, key) {
        Ok(Found::Option(_, option)) => match option.value() {
            Value::List(_) => return Ok(Some(value)),
            Value::String(string) => string,
        },
        Ok(Found::Section(section)) => section.section_type(),
        // The deletion fails then, and its error says why.
        Ok(Found::Package(_)) | Err(_) => return Ok(None),
    };
    if is == value {
        return Ok(None);
    }
    let why = format!("{}: it is '{}', not '{}'; nothing is deleted", key.text(), show(is), show(value));
    Err(Failure::Other(Exit::NotFound, why))
}
