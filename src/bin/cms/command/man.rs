//! `cms man`: manual pages, made from the table of commands.

use std::fmt::Write;

use cms::environment::VARIABLES;

use crate::argument::{path, show};
use crate::context::Context;
use crate::failure::{EXITS, Exit, Failure};
use crate::help_text::{KEYS, flag_text, named_shapes};
use crate::line::find;
use crate::manual::{self, Text};
use crate::messages::MESSAGES;
use crate::shape::{NOTATION, Output, Row, Shape};
use crate::spec::{AnyCommand, Call, Command, Commands, FlagText, FlagValues, GLOBAL, Writes, switch};

#[derive(Default)]
pub struct Flags {
    all: bool,
}

impl FlagValues for Flags {}

pub const COMMAND: Command<Flags> = Command {
    name: "man",
    aliases: &[],
    arguments: "[COMMAND] | DIR",
    summary: "print a manual page, or write all into a directory",
    flags: &[switch("all", "write all pages into DIR", |flags: &mut Flags| &mut flags.all)],
    writes: Writes::Nothing,
    json: &[Output::text(&TEXT)],
    run,
};

/// See the summary.
const TEXT: Shape = Shape::of(
    "
    . text a page in troff",
);

fn run(context: &mut Context, call: &Call<Flags>) -> Result<Exit, Failure> {
    if call.flags.all {
        let [dir] = call.expect(1, 1)? else { return Ok(Exit::Usage) };
        let dir = path(dir).to_path_buf();
        let write = |name: String, text: String| {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(|source| cms::Error::Io { op: "write", path, source })
        };
        write("cms.1".into(), overview_page(call.commands))?;
        for command in call.commands {
            write(format!("cms-{}.1", command.name()), command_page(*command))?;
        }
        return Ok(Exit::Ok);
    }
    let page = match call.expect(0, 1)?.first().map(|name| show(name)) {
        None => overview_page(call.commands),
        Some(name) => command_page(
            find(call.commands, &name).ok_or_else(|| Failure::Usage(format!("no command '{name}'")))?,
        ),
    };
    context.put(page.as_bytes())?;
    Ok(Exit::Ok)
}

/// Escapes text for roff: backslashes, dashes, carets, and a dot or quote at the start of a line.
fn roff(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-").replace('^', "\\(ha").replace('~', "\\(ti");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Adds paragraphs, and tables, whose lines are indented.
fn push_paragraphs(page: &mut String, text: &str) {
    for paragraph in text.split("\n\n") {
        match paragraph.starts_with("    ") {
            true => push_lines(page, paragraph),
            false => {
                let _ = writeln!(page, ".PP\n{}", roff(paragraph));
            }
        }
    }
}

/// Adds lines that stay as they are.
fn push_lines(page: &mut String, lines: &str) {
    let _ = writeln!(page, ".PP\n.nf\n{}\n.fi", roff(lines));
}

/// Adds the examples and the exit codes of a text.
fn push_examples(page: &mut String, text: &Text) {
    page.push_str(".SH EXAMPLES\n");
    push_lines(page, &text.examples);
    let row = |line: &str| {
        let (code, meaning) = line.split_once("  ").unwrap_or((line, ""));
        (code.to_owned(), meaning.to_owned())
    };
    push_section(page, "EXIT STATUS", text.exits.lines().map(row));
}

fn page(name: &str, summary: &str, synopsis: &str, body: &str) -> String {
    let title = name.to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        ".TH {} 1 \"\" \"cms {version}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}\n{body}",
        roff(&title),
        roff(name),
        roff(summary),
        roff(synopsis)
    )
}

fn push_section(page: &mut String, title: &str, rows: impl Iterator<Item = (String, String)>) {
    let _ = writeln!(page, ".SH {title}");
    for (term, text) in rows {
        let _ = writeln!(page, ".TP\n.B {}\n{}", roff(&term), roff(&text));
    }
}

fn push_output(page: &mut String, output: &Output) {
    let _ = writeln!(page, ".PP\n{}", roff(&output.title()));
    push_rows(page, output.own_rows());
}

fn push_rows(page: &mut String, rows: Vec<Row>) {
    for Row { name, types, meaning } in rows {
        let _ = writeln!(page, ".TP\n.B {}\n{}", roff(&name), roff(&format!("({types}) {meaning}")));
    }
}

fn flag_rows(flags: Vec<FlagText>) -> impl Iterator<Item = (String, String)> {
    flags.into_iter().map(|flag| (flag_text(&flag).trim().to_owned(), flag.help.to_owned()))
}

/// The topics that a page has as tables.
const IN_TABLES: [&str; 3] = ["environment", "exit-codes", "json"];

fn overview_page(all: Commands) -> String {
    let mut body = String::from(
        ".SH DESCRIPTION\nReads and changes configuration that is kept as plain text, one file a package.\nChanges are staged until they are committed.\nCalled as uci, or as \"cms uci\", it is stock uci.\n",
    );
    let commands = all.iter().map(|c| (format!("{} {}", c.name(), c.arguments()), c.summary().to_owned()));
    push_section(&mut body, "COMMANDS", commands);
    push_section(&mut body, "KEYS", KEYS.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
    for name in manual::topics().filter(|name| !IN_TABLES.contains(name)) {
        let Some(topic) = manual::of_topic(name) else { continue };
        if name != "keys" {
            let _ = writeln!(body, ".SH {}", roff(&name.to_uppercase()));
        }
        push_paragraphs(&mut body, &topic.explanation);
        body.push_str(".PP\nExamples:\n");
        push_lines(&mut body, &topic.examples);
    }
    push_section(&mut body, "OPTIONS", flag_rows(GLOBAL.iter().map(|flag| flag.text).collect()));
    push_section(
        &mut body,
        "EXIT STATUS",
        EXITS.iter().map(|(code, text)| (code.to_string(), (*text).to_owned())),
    );
    push_section(
        &mut body,
        "ENVIRONMENT",
        VARIABLES
            .iter()
            .map(|variable| (variable.names().collect::<Vec<_>>().join(", "), variable.meaning.to_owned())),
    );
    push_section(
        &mut body,
        "JSON",
        NOTATION.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
    );
    for shape in named_shapes(all) {
        let _ = writeln!(body, ".PP\n{}:", roff(shape.name));
        push_rows(&mut body, shape.rows());
    }
    MESSAGES.iter().for_each(|output| push_output(&mut body, output));
    page("cms", "configuration store", "cms [OPTIONS] COMMAND [ARGUMENTS]", &body)
}

fn command_page(command: &dyn AnyCommand) -> String {
    let mut body = format!(".SH DESCRIPTION\n{}\n", roff(command.summary()));
    let text = manual::of_command(command.name());
    if let Some(text) = &text {
        push_paragraphs(&mut body, &text.explanation);
    }
    if !command.flags().is_empty() {
        push_section(&mut body, "OPTIONS", flag_rows(command.flags()));
    }
    if let Some(text) = &text {
        push_examples(&mut body, text);
    }
    if !command.json().is_empty() {
        body.push_str(".SH JSON\n");
    }
    command.json().iter().for_each(|output| push_output(&mut body, output));
    body.push_str(".SH SEE ALSO\n.BR cms (1)\n");
    let synopsis = format!("cms {} [OPTIONS] {}", command.name(), command.arguments());
    page(&format!("cms-{}", command.name()), command.summary(), &synopsis, &body)
}
