//! `cms validate`: checks the syntax of packages and files, and their schemas.

use std::sync::Arc;

use cms::text::{ParseError, ParseOptions};
use cms::{Error, FormatKind, Package};
use serde_json::json;

use crate::argument::show;
use crate::context::Context;
use crate::failure::{Exit, Failure, print_error};
use crate::language::message;
use crate::package_files::{TextFile, files};
use crate::schema::checked::check_file;
use crate::shape::{Output, Shape};
use crate::spec::{Call, Command, FlagValues, Writes, bytes};
use crate::violations::{self, VIOLATION};

#[derive(Default)]
pub struct Flags {
    schema: Option<Vec<u8>>,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "validate",
    aliases: &["check"],
    arguments: "[PACKAGE|FILE...]",
    summary: "check syntax and schema, all errors at once; '-' is standard input",
    flags: &[bytes(
        "schema",
        "FILE",
        "check with this schema, whatever the name of the package",
        |flags: &mut Flags| &mut flags.schema,
    )],
    writes: Writes::Nothing,
    json: &[Output::rows(&CHECKED)],
    run,
};

/// A file that was checked. Its errors are on standard error.
const CHECKED: Shape = Shape::of(
    "
    file text the file
    errors number how many errors it has, refused violations of its schema included
    warnings [doubt] values that are probably not meant as they are read
    violations [violation] the violations of its schema",
)
.using(&[&DOUBT, &VIOLATION]);

/// A value that is probably not meant as it is read.
const DOUBT: Shape = Shape::named(
    "doubt",
    "
    key text the key of the value
    line number the line where it begins
    statement text the line of the value that looks like a statement",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    let (mut rows, mut checked) = (Vec::new(), 0);
    for file in files(context, &call.arguments)? {
        checked += 1;
        let text = match file.read() {
            Ok(text) => Arc::new(text),
            Err(failure) => {
                context.report(&failure)?;
                continue;
            }
        };
        let errors = match all_errors(context, &file, &text) {
            Ok(errors) => errors,
            Err(failure) => {
                context.report(&failure)?;
                continue;
            }
        };
        let is_uci = file.place.format == FormatKind::Uci;
        let doubts = if errors.is_empty() && is_uci { doubts(&file, &text) } else { Vec::new() };
        let found = if errors.is_empty() {
            check_file(context, call.flags.schema.as_deref(), &file, &text)?
        } else {
            Vec::new()
        };
        let (refused, doubtful): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.refused);
        if context.json {
            let all = refused.iter().chain(&doubtful).map(violations::json_of).collect::<Vec<_>>();
            let doubts: Vec<_> = doubts.iter().map(Doubt::json).collect();
            let count = errors.len() + refused.len();
            let row = json!({"file": file.shown(), "errors": count, "warnings": doubts, "violations": all});
            rows.push(row);
        } else {
            doubtful.iter().for_each(|one| print_error(&violations::warning(one)));
            doubts.iter().for_each(|doubt| doubt.print(&file));
        }
        for error in errors {
            context.report(&Error::from(error).into())?;
        }
        if !refused.is_empty() {
            let why = Error::Schema { violations: refused };
            context.report(&Failure::Suggested(why, "correct the values, or the schema".into()))?;
        }
    }
    if context.worst == Exit::Ok {
        context.verbose(&format!("{checked} files checked"));
    }
    if context.json {
        context.put_rows(rows)?;
    }
    Ok(Exit::Ok)
}

/// Returns all that is wrong with a text, in order.
fn all_errors(context: &Context, file: &TextFile, text: &Arc<Vec<u8>>) -> Result<Vec<ParseError>, Failure> {
    let errors = context.store.packages().faults(&file.place, text)?;
    Ok(errors.into_iter().map(|error| error.in_file(&file.shown())).collect())
}

/// A value of several lines, one of which looks like a statement: probably a quote is missing, and a later one, which
/// is missing its own, ends the value.
struct Doubt {
    key: String,
    line: usize,
    statement: Vec<u8>,
}

impl Doubt {
    fn json(&self) -> serde_json::Value {
        json!({"key": self.key, "line": self.line, "statement": show(&self.statement)})
    }

    fn print(&self, file: &TextFile) {
        let (file, statement) = (file.shown(), show(&self.statement));
        let place = format!("{}:{}", file.display(), self.line);
        let key = &self.key;
        let warning = message(&format!(
            "warning: {place}: the value of {key} goes on over the line '{statement}', which looks like a statement"
        ))
        .into_owned();
        let hint = "close the quotes of the value; a ' inside single quotes is written '\\''";
        let hint = message(&format!("hint: {hint}")).into_owned();
        print_error(&cms::shown::lines(format!("cms: {warning}\n{hint}")));
    }
}

/// Returns the values of a correct text that are probably not meant as they are read.
fn doubts(file: &TextFile, text: &Arc<Vec<u8>>) -> Vec<Doubt> {
    let read = cms::text::parse(file.place.name.as_bytes(), Arc::clone(text), &ParseOptions::new());
    read.map_or_else(|_| Vec::new(), |read| doubts_of(&read.package))
}

fn doubts_of(package: &Package) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for section in package.sections() {
        for option in section.options() {
            let Some(line) = option.value().items().find_map(inner_statement) else { continue };
            let before = option.offset().map_or(&[][..], |offset| &package.source()[..offset]);
            doubts.push(Doubt {
                key: format!("{}.{}", show(section.name()), show(option.name())),
                line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
                statement: line.to_vec(),
            });
        }
    }
    doubts
}

/// Returns the first line of a value, after its first one, that looks like a statement.
fn inner_statement(value: &[u8]) -> Option<&[u8]> {
    let lines = value.split(|byte| *byte == b'\n').skip(1).map(<[u8]>::trim_ascii);
    let is_statement = |line: &&[u8]| {
        let (keyword, rest) =
            line.split_at(line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len()));
        matches!(keyword, b"config" | b"option" | b"list" | b"package") && !rest.trim_ascii().is_empty()
    };
    lines.into_iter().find(is_statement)
}
