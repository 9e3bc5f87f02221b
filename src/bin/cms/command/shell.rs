//! `cms shell`: runs lines as they are typed.

use std::io::{self, Write};

use cms::Error;
use cms::text::words;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::line::Line;
use crate::lines::{each_line, run_words};
use crate::spec::Command;

pub const COMMAND: Command = Command {
    name: "shell",
    aliases: &[],
    arguments: "",
    summary: "run commands interactively",
    flags: &[],
    writes: false,
    run,
};

#[cfg(not(feature = "shell"))]
fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    context.note("this cms was built without line editing");
    each_line(context, line, |_, words| run_words(line, words))
}

#[cfg(feature = "shell")]
fn run(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    use rustyline::error::ReadlineError;
    use std::io::IsTerminal;
    if !io::stdin().is_terminal() {
        return each_line(context, line, |_, words| run_words(line, words));
    }
    let broken = |error: ReadlineError| Failure::Other(Exit::Io, format!("terminal: {error}"));
    let mut editor: rustyline::Editor<crate::prompt::Completion, rustyline::history::FileHistory> =
        rustyline::Editor::new().map_err(broken)?;
    editor.set_helper(Some(crate::prompt::Completion));
    let history = crate::prompt::History::open();
    if let Some(history) = &history {
        let _ = editor.load_history(&history.path());
    }
    loop {
        let typed = match editor.readline("cms> ") {
            Ok(typed) => typed,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(broken(error)),
        };
        let _ = editor.add_history_entry(typed.as_str());
        let outcome = match words(typed.as_bytes(), usize::MAX) {
            Ok(split) if matches!(split.words.first().map(Vec::as_slice), Some(b"exit" | b"quit")) => break,
            Ok(split) => run_words(line, split.words),
            Err(error) => Err(Error::from(error).into()),
        };
        if let Err(failure) = outcome {
            context.report(&failure)?;
        }
        context.out.flush()?;
    }
    if let Some(history) = &history {
        let _ = editor.save_history(&history.path());
    }
    context.worst = Exit::Ok;
    Ok(Exit::Ok)
}
