//! The `cms` command; called as `uci`, or as `cms uci`, it is stock uci.

mod archives;
mod argument;
mod ask;
mod attributes;
mod candidate;
mod chosen;
mod command;
mod complete;
mod context;
mod descriptors;
mod difference;
mod dispatch;
mod editor;
mod edits;
mod events;
mod failure;
mod flat;
mod gather;
mod global;
mod guard;
mod help_text;
mod hint;
mod hook;
mod input;
mod json;
mod keeper;
mod language;
mod line;
mod lines;
mod log_file;
mod manual;
mod map_reports;
mod messages;
mod near;
mod output;
mod package_files;
mod pager;
mod paint;
mod progress;
#[cfg(feature = "shell")]
mod prompt;
mod quick_get;
mod reach;
mod records;
mod reversal;
// A build without schemas checks nothing.
#[cfg_attr(not(feature = "schema"), path = "no_schema.rs")]
mod schema;
mod secrets;
mod settings;
mod shape;
mod shown_names;
mod signals;
mod spec;
mod staged;
mod table;
mod terms;
mod tether;
mod text_format;
mod typed;
mod uci;
mod variables;
mod violations;
mod waiting;
mod wanted;
mod zone;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use dispatch::run_line;
use line::Line;
use table::COMMANDS;

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    if words.is_empty() {
        words.push("cms".into());
    }
    let called_uci = Path::new(&words[0]).file_name().is_some_and(|name| name == "uci");
    if called_uci {
        return uci::run(&words[0].clone(), &words[1..]);
    }
    if words.get(1).is_some_and(|word| word.as_bytes() == b"uci") {
        return uci::run(&words[0].clone(), &words[2..]);
    }
    run(&words[1..])
}

/// Runs the command line behind the program's name.
fn run(words: &[OsString]) -> ExitCode {
    if words.first().is_some_and(|word| word == "__complete") {
        return complete::complete_line(COMMANDS, &words[1..]).into();
    }
    if words.first().is_some_and(|word| word == tether::TETHERED) {
        return tether::tethered(&words[1..]);
    }
    if words.first().is_some_and(|word| word == cms::GUARD) {
        return guard::guard(COMMANDS, &words[1..]);
    }
    if words.first().is_some_and(|word| word == keeper::KEEPER) {
        return keeper::keep(COMMANDS, &words[1..]);
    }
    if let Some(done) = quick_get::run(words) {
        return done;
    }
    let line = Line::parse(COMMANDS, words);
    let json = match &line {
        Ok(line) => line.global.wants_json(),
        // The options could not be parsed, but a program that gave `--json` gets the error as JSON.
        Err(_) => words.iter().any(|word| word == "--json" || word == "--json-lines"),
    };
    let when = line.as_ref().ok().and_then(|line| line.global.color.clone());
    match line.and_then(run_line) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print(json, paint::colors_errors(when.as_deref()).unwrap_or(false));
            failure.exit().into()
        }
    }
}
