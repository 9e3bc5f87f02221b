//! `cms history`: lists transactions.

use cms::Key;
use cms::log::Kind;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::records::RECORD;
use crate::records::{
    Users, change_line, check_log_of_root, check_logged, note_edits, record_json, record_title,
};
use crate::shape::Output;
use crate::spec::{Call, Command, FlagValues, Writes, parsed};

#[derive(Default)]
pub struct Flags {
    number: Option<usize>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "history",
    aliases: &["log"],
    arguments: "[KEY]",
    summary: "list the transactions that changed the store, a package, a section or an option",
    flags: &[parsed("number", "N", "at most N transactions, the newest", |flags: &mut Flags, text| {
        let wrong = |_| Failure::Usage(format!("'{text}' is not a number of transactions"));
        flags.number = Some(text.parse().map_err(wrong)?);
        Ok(())
    })],
    writes: Writes::Nothing,
    json: &[Output::rows(&RECORD)],
    run,
};

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    note_edits(context);
    let key = call.expect(0, 1)?.first().map(|key| Key::parse(key)).transpose()?;
    let most = call.flags.number.unwrap_or(usize::MAX);
    let records = context.store.history().changes(key.as_ref(), most)?;
    let is_baseline = records.iter().all(|record| record.kind == Kind::Baseline);
    let mut users = Users::default();
    if context.json {
        let rows = records.iter().map(|record| record_json(record, &mut users)).collect();
        context.put_rows(rows)?;
        if is_baseline {
            check_log_of_root(context)?;
        }
        return Ok(if records.is_empty() { Exit::NotFound } else { readable(context) });
    }
    for record in &records {
        let title = record_title(record, &mut users);
        context.print_line(&title)?;
        for package in &record.packages {
            for change in &package.changes {
                context.put_line(&[b"    ", &change_line(&package.package, change)[..]].concat())?;
            }
            // The keys that an edit has changed are unknown as long as the text cannot be parsed; the title says that it cannot.
            let is_readable = record.problem().is_none();
            let silent = package.changes.is_empty() && record.kind != Kind::Baseline && key.is_none();
            if package.deleted {
                context.print_line(&format!("    {}: the package was deleted", package.package))?;
            } else if package.unknown {
                context.print_line(&format!("    {}: what was changed is not known", package.package))?;
            } else if silent && is_readable {
                context.print_line(&format!("    {}: only comments or layout", package.package))?;
            }
        }
    }
    if is_baseline {
        check_log_of_root(context)?;
    }
    if !records.is_empty() {
        return Ok(readable(context));
    }
    match &key {
        Some(key) => {
            // A deleted package still has a history; a package that never existed is an error.
            context.store.packages().find(&key.package)?;
            context.note(&format!("no transaction in the log changed {}", key.text()));
        }
        None => {
            check_logged(context)?;
            context.note("the log holds no transaction yet");
        }
    }
    Ok(Exit::NotFound)
}

/// Returns the exit code of a command that has read the log. It is not 0 if damaged records were left out.
fn readable(context: &Context) -> Exit {
    if context.store.audit().log_problems().is_empty() { Exit::Ok } else { Exit::Invalid }
}
