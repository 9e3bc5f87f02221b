//! Help, made from the table of commands.

use std::fmt::Write;

use crate::context::Context;
use crate::failure::{EXITS, Exit, Failure};
use crate::language::message;
use crate::manual;
use crate::messages::MESSAGES;
use crate::shape::{NOTATION, Shape};
use crate::spec::{AnyCommand, Commands, FlagText, GLOBAL};
use serde_json::json;

/// The forms of a key.
pub const KEYS: &[(&str, &str)] = &[
    ("network.lan.ipaddr", "an option"),
    ("network.lan", "a section"),
    ("firewall.@rule[0].name", "an option of the first section of a type; -1 is the last"),
    ("firewall.@rule[name=Allow-Ping].target", "an option of the section whose option has that value"),
];

pub fn flag_text(flag: &FlagText) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
    format!("{short}--{}{value}", flag.long)
}

/// Prints all commands and global options.
pub fn overview(context: &mut Context, commands: Commands) -> Result<(), Failure> {
    let mut text = String::new();
    let _ = writeln!(text, "{}", message("Usage: cms [OPTIONS] COMMAND [ARGUMENTS]"));
    let _ = writeln!(text, "       cms uci ...   (stock uci)\n\n{}", message("Commands:"));
    for command in commands {
        let _ = writeln!(text, "  {:<11} {}", command.name(), message(command.summary()));
    }
    let _ = writeln!(text, "\n{}", message("Keys:"));
    for (key, meaning) in KEYS {
        let _ = writeln!(text, "  {key:<40} {}", message(meaning));
    }
    let _ = writeln!(text, "\n{}", message("Options:"));
    push_flags(&mut text, GLOBAL.iter().map(|flag| flag.text));
    let _ = writeln!(text, "\n{}", message("Exit codes:"));
    for (code, meaning) in EXITS {
        let _ = writeln!(text, "  {code}  {}", message(meaning));
    }
    let more = message("'cms help COMMAND' explains a command, 'cms help TOPIC' one of these:");
    let topics = manual::topics().collect::<Vec<_>>().join(", ");
    if !topics.is_empty() {
        let _ = writeln!(text, "\n{more}\n  {topics}");
    }
    context.put(text.as_bytes())
}

fn push_flags(text: &mut String, flags: impl Iterator<Item = FlagText>) {
    for flag in flags {
        let _ = writeln!(text, "  {:<26} {}", flag_text(&flag), message(flag.help));
    }
}

/// Adds lines below a title.
fn push_block(text: &mut String, title: &str, lines: &str) {
    let _ = writeln!(text, "\n{}", message(title));
    for line in lines.lines() {
        let _ = writeln!(text, "{}", format!("  {line}").trim_end());
    }
}

/// Prints a topic, with the types of JSON if it is about them; `false` if there is none of this name.
pub fn topic(context: &mut Context, commands: Commands, name: &str) -> Result<bool, Failure> {
    let topic = manual::of_topic(name);
    if let Some(topic) = &topic {
        let mut text = format!("{}\n", topic.explanation);
        push_block(&mut text, "Examples:", &topic.examples);
        context.put(text.as_bytes())?;
    }
    if name == "json" {
        json_help(context, commands, topic.is_some())?;
    }
    Ok(topic.is_some() || name == "json")
}

/// Prints the help of one command.
pub fn command_help(context: &mut Context, command: &dyn AnyCommand) -> Result<(), Failure> {
    let usage = format!("Usage: cms {} [OPTIONS] {}", command.name(), command.arguments());
    let mut text = format!("{}\n\n{}\n", message(&usage), message(command.summary()));
    if !command.aliases().is_empty() {
        let _ = writeln!(text, "\nAlso: {}", command.aliases().join(", "));
    }
    let manual = manual::of_command(command.name());
    if let Some(manual) = &manual {
        let _ = writeln!(text, "\n{}", manual.explanation);
    }
    if !command.flags().is_empty() {
        let _ = writeln!(text, "\n{}", message("Options:"));
        push_flags(&mut text, command.flags().into_iter());
    }
    if let Some(manual) = &manual {
        push_block(&mut text, "Examples:", &manual.examples);
        push_block(&mut text, "Exit codes:", &manual.exits);
    }
    command.json().iter().for_each(|output| output.push_to(&mut text));
    if !command.json().is_empty() {
        let _ = writeln!(text, "\n{}", message("'cms help json' explains the types."));
    }
    let more = message("'cms help' lists the options that every command takes, and the exit codes.");
    let _ = writeln!(text, "\n{more}");
    context.put(text.as_bytes())
}

/// Returns the shapes that have a name, each once.
pub fn named_shapes(commands: Commands) -> Vec<&'static Shape> {
    let mut named = Vec::new();
    let outputs = commands.iter().flat_map(|command| command.json()).chain(MESSAGES);
    outputs.for_each(|output| output.shape().collect_named(&mut named));
    named
}

/// Prints the common parts of the JSON of all commands.
fn json_help(context: &mut Context, commands: Commands, goes_on: bool) -> Result<(), Failure> {
    let title = if goes_on { "\n" } else { "With --json, output and messages are JSON. " };
    let mut text = format!("{title}Types and names:\n");
    for (name, meaning) in NOTATION {
        let _ = writeln!(text, "  {name:<10} {meaning}");
    }
    for shape in named_shapes(commands) {
        let _ = writeln!(text, "\n{}", shape.name);
        shape.push_to(&mut text);
    }
    text.push_str("\nOn standard error:\n");
    MESSAGES.iter().for_each(|output| output.push_to(&mut text));
    context.put(text.as_bytes())
}

/// What [`version`] prints.
pub const VERSION: Shape = Shape::of(
    "
    version text the version
    features [text] what it was built with: shell, regex, diff, german, manual, schema, json, toml",
);

/// Prints the version, and what this `cms` was built with.
pub fn version(context: &mut Context) -> Result<Exit, Failure> {
    let features = [
        ("shell", cfg!(feature = "shell")),
        ("regex", cfg!(feature = "regex")),
        ("diff", cfg!(feature = "diff")),
        ("german", cfg!(feature = "german")),
        ("manual", cfg!(feature = "manual")),
        ("schema", cfg!(feature = "schema")),
        ("json", cfg!(feature = "json")),
        ("toml", cfg!(feature = "toml")),
    ];
    let with: Vec<&str> = features.iter().filter(|feature| feature.1).map(|feature| feature.0).collect();
    if context.json {
        context.put_json(&json!({"version": env!("CARGO_PKG_VERSION"), "features": with}))?;
        return Ok(Exit::Ok);
    }
    context.print_line(&format!(
        "cms {} ({})",
        env!("CARGO_PKG_VERSION"),
        if with.is_empty() { "minimal".into() } else { with.join(", ") }
    ))?;
    Ok(Exit::Ok)
}
