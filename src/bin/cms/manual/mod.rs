//! The reference: for each command and topic a text with an explanation, examples and exit codes. The texts are files
//! beside this one; `tests/it/manual.rs` runs their examples and compares what they print. The build for routers has
//! none of them (feature `manual`).

use std::fmt::Write;

use cms::environment::VARIABLES;

use crate::failure::EXITS;

/// A list of names with their texts.
type Texts = &'static [(&'static str, &'static str)];

#[cfg(feature = "manual")]
macro_rules! texts {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!($folder, "/", $name, ".txt")))),*]
    };
}

#[cfg(not(feature = "manual"))]
macro_rules! texts {
    ($folder:literal: $($name:literal)*) => {
        &[]
    };
}

/// The texts of commands, in alphabetical order.
const COMMANDS: Texts = texts!("commands":
    "add"
    "add_list"
    "apply"
    "audit"
    "backup"
    "batch"
    "bisect"
    "blame"
    "changes"
    "check-map"
    "commit"
    "completion"
    "confirm"
    "del_list"
    "delete"
    "describe"
    "diff"
    "edit"
    "ensure"
    "explain"
    "export"
    "fmt"
    "get"
    "help"
    "history"
    "import"
    "incr"
    "incr"
    "list"
    "man"
    "memory"
    "paths"
    "pending"
    "policy"
    "rebuild"
    "redo"
    "rename"
    "reorder"
    "repair"
    "restore"
    "revert"
    "rollback"
    "run"
    "schema"
    "search"
    "set"
    "shell"
    "show"
    "snapshot"
    "snapshots"
    "status"
    "table"
    "undo"
    "validate"
    "verify"
    "version"
    "watch"
);

/// The topics of `cms help`, in the order in which it lists them.
const TOPICS: Texts = texts!("topics":
    "keys"
    "revisions"
    "times"
    "patterns"
    "environment"
    "scripting"
    "multi-user"
    "json"
    "exit-codes"
);

/// A text, in its parts.
pub struct Text {
    /// Paragraphs and tables, with an empty line between them.
    pub explanation: String,
    /// Command lines that begin with `$ `, each with what it prints.
    pub examples: String,
    /// Lines of a code and its meaning.
    pub exits: String,
}

impl Text {
    fn parse(text: &str) -> Self {
        let (rest, exits) = text.split_once("\nExit codes:\n").unwrap_or((text, ""));
        let (explanation, examples) = rest.split_once("\nExamples:\n").unwrap_or((rest, ""));
        let explanation = explanation.trim_end().replace("{variables}", &variables());
        let explanation = explanation.replace("{exits}", &exit_codes());
        let lines = |text: &str| {
            let lines = text.trim_end().lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
            lines.collect::<Vec<_>>().join("\n")
        };
        Self { explanation, examples: lines(examples), exits: lines(exits) }
    }
}

fn find(texts: Texts, name: &str) -> Option<Text> {
    let (_, text) = texts.iter().find(|(other, _)| *other == name)?;
    Some(Text::parse(text))
}

/// Returns the text of a command.
pub fn of_command(name: &str) -> Option<Text> {
    find(COMMANDS, name)
}

/// Returns the text of a topic.
pub fn of_topic(name: &str) -> Option<Text> {
    find(TOPICS, name)
}

/// Returns the names of the topics.
pub fn topics() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().map(|(name, _)| *name)
}

/// Returns the variables of the environment as a table.
fn variables() -> String {
    let mut table = String::new();
    for variable in VARIABLES {
        let _ = writeln!(table, "    {}", variable.names().collect::<Vec<_>>().join(", "));
        let _ = writeln!(table, "        {}", variable.meaning);
    }
    table.trim_end().to_owned()
}

fn exit_codes() -> String {
    let lines = EXITS.iter().map(|(code, meaning)| format!("    {code}  {meaning}"));
    lines.collect::<Vec<_>>().join("\n")
}
