//! Questions to the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::language::message;

/// Reports whether there is a person to ask: standard input and standard error are a terminal.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question. Anything but `y` or `yes` means no, the end of the input as well.
pub fn says_yes(question: &str) -> bool {
    let _ = write!(io::stderr(), "{} {} ", cms::shown::lines(message(question).as_bytes()), message("[y/N]"));
    let mut answer = String::new();
    let is_read = io::stdin().lock().read_line(&mut answer).is_ok();
    is_read && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes" | "j" | "ja")
}
